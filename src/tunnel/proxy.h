/**
 * What an application and a proxy port say to each other before the bytes of a connection: SOCKS5
 * (RFC 1928, RFC 1929) or HTTP CONNECT (RFC 9110 section 9.3.6), told apart by the first byte. No
 * I/O: what the application sends goes in, a target and texts for the application come out. Not a
 * byte beyond the handshake is taken: what follows it is for the target.
 */
#ifndef PROXY_H
#define PROXY_H

#include <stddef.h>
#include <stdint.h>

#include "reason.h"
#include "tt_addr.h"

#define PROXY_LOGIN_MAX 511  /* "USER:PASSWORD", each of at most 255 bytes */
#define PROXY_OUTPUT_MAX 768 /* the longest text for the application */
#define PROXY_HEAD_MAX 16384 /* bytes of an HTTP request */

struct proxy;

enum proxy_state {
	PROXY_MORE,      /* the application has to go on */
	PROXY_REQUEST,   /* it has said where to: proxy_target, and then proxy_answer */
	PROXY_ASSOCIATE, /* it wants to send datagrams (proxy_udp.h): proxy_source_port, and then
			    proxy_associated, or proxy_answer with why not */
	PROXY_OVER,      /* answered: with a failure, nothing follows the output */
};

/**
 * `login` is what the application must know, USER:PASSWORD; NULL: nothing. TT_OK, TT_ENOMEM, or
 * TT_EINVAL for a login that is too long.
 */
int proxy_new(struct proxy **out, const char *login);
/** p may be NULL. */
void proxy_free(struct proxy *p);

/** Takes what belongs to the handshake, and returns how many bytes that is. */
size_t proxy_input(struct proxy *p, const uint8_t *data, size_t len);

enum proxy_state proxy_state(const struct proxy *p);

/** Moves what the application must be told to dst (PROXY_OUTPUT_MAX bytes); returns its length. */
size_t proxy_output(struct proxy *p, uint8_t *dst);

/** In PROXY_REQUEST: name or numeric address without brackets, owned by p, and port. */
const char *proxy_target(const struct proxy *p, uint16_t *port);

/** In PROXY_REQUEST: the connection is open (REASON_NONE), or why it cannot be. In PROXY_ASSOCIATE:
 * why not. */
void proxy_answer(struct proxy *p, enum close_reason why);

/**
 * In PROXY_ASSOCIATE: the only port that datagrams of the application, which is at `client`, may
 * come from; 0: it has not said. What it says beside an address that is not its own binds nobody:
 * there is a NAT in between, which changes ports too, or it is one of the many programs that write
 * a target there.
 */
uint16_t proxy_source_port(const struct proxy *p, const struct tt_addr *client);

/** In PROXY_ASSOCIATE: datagrams are taken at this address and port. */
void proxy_associated(struct proxy *p, const struct tt_addr *at, uint16_t port);

#endif
