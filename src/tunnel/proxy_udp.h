/**
 * The header that datagrams between an application and a SOCKS5 proxy have (RFC 1928 section 7):
 *
 *   RSV (2 bytes)  FRAG (1)  ATYP  DST.ADDR  DST.PORT  DATA
 *
 * An answer names the destination as the application has named it, byte for byte. For a name that
 * is the only thing that the application knows it by: the address is the far end's business, and
 * programs take answers from another name, or from an address, for somebody else's.
 */
#ifndef PROXY_UDP_H
#define PROXY_UDP_H

#include <stddef.h>
#include <stdint.h>

#include "tt_rule.h"

#define PROXY_UDP_PREFIX 3                          /* RSV and FRAG: zero in an answer */
#define PROXY_UDP_ADDRESS_MAX (2 + TT_HOST_MAX + 2) /* ATYP to DST.PORT */

struct proxy_udp {
	char host[TT_HOST_MAX + 1]; /* name or numeric address without brackets */
	uint16_t port;              /* not 0 */
	const uint8_t *address;     /* ATYP to DST.PORT, within the datagram */
	size_t address_len;         /* ... at most PROXY_UDP_ADDRESS_MAX */
	const uint8_t *data;
	size_t data_len;
};

/**
 * Reads a datagram of an application; *out points into it. TT_OK; TT_ENOTSUP: it is a fragment,
 * which are not put together; TT_EPROTO: it has no such header, or no destination.
 */
int proxy_udp_parse(const uint8_t *datagram, size_t len, struct proxy_udp *out);

#endif
