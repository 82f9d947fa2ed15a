/* What the files of the proxy share: proxy.c (SOCKS), proxy_http.c, proxy_udp.c, proxy_address.c
 * and proxy_reply.c. */
#ifndef PROXY_INT_H
#define PROXY_INT_H

#include "proxy.h"

#include <stdbool.h>

#include "tt_rule.h"

/* Whose message is awaited. */
enum proxy_stage {
	STAGE_FIRST, /* nothing has come */
	STAGE_METHODS,
	STAGE_LOGIN,
	STAGE_REQUEST,
	STAGE_HTTP_LINE,
	STAGE_HTTP_FIELDS,
};

/* A SOCKS message has at most 513 bytes; more of a line of HTTP tells us nothing. */
#define PROXY_MESSAGE_MAX 1024

struct proxy {
	enum proxy_state state;
	enum proxy_stage stage;
	char login[PROXY_LOGIN_MAX + 1]; /* empty: none is asked for */
	char host[TT_HOST_MAX + 1];
	struct tt_addr source; /* of an association, as the application says; family 0: a name */
	uint16_t port;         /* of the target, or the source */
	uint8_t message[PROXY_MESSAGE_MAX]; /* what there is of the one that is awaited */
	size_t have;
	uint8_t out[PROXY_OUTPUT_MAX];
	size_t out_len;
	/* HTTP */
	size_t head;     /* bytes so far */
	bool cut;        /* the line is longer than message */
	bool authorized; /* it knows the login */
	unsigned status; /* what is wrong with the request line; 0: nothing */
};

void proxy_put(struct proxy *p, const void *data, size_t len);
/* Equal, in a time that does not depend on where they differ. */
bool proxy_same(const char *a, const char *b, size_t len);

/* proxy_address.c: copies a host that may be asked for, without brackets. */
bool proxy_copy_host(char dst[TT_HOST_MAX + 1], const char *text, size_t len);
/*
 * An address of SOCKS5 (RFC 1928 section 5), here ATYP to DST.PORT: its length, as its first two
 * bytes tell; 0: of no kind that we know. The others are for one that is whole.
 */
size_t proxy_address_length(const uint8_t at[2]);
/* Family 0: it is a name. */
struct tt_addr proxy_address_ip(const uint8_t *at);
uint16_t proxy_address_port(const uint8_t *at);
/* False: it is no host that may be asked for. */
bool proxy_address_host(const uint8_t *at, char dst[TT_HOST_MAX + 1]);
/* Writes one; its length. */
#define PROXY_ADDRESS_IP_MAX (1 + 16 + 2)
size_t proxy_address_put(
	uint8_t dst[PROXY_ADDRESS_IP_MAX], const struct tt_addr *ip, uint16_t port);

/* proxy_http.c: one more byte of the head. */
void proxy_http_byte(struct proxy *p, uint8_t byte);

/* proxy_reply.c */
void proxy_socks_reply(struct proxy *p, uint8_t code);
void proxy_http_reply(struct proxy *p, unsigned status, const char *text);

#endif
