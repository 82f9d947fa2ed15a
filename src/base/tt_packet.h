/** What a lossy packet of Tox is on the network. */
#ifndef TT_PACKET_H
#define TT_PACKET_H

#include <stddef.h>

#define TT_PACKET_MAX 1373         /* TOX_MAX_CUSTOM_PACKET_SIZE, MAX_CRYPTO_DATA_SIZE */
#define TT_PACKET_PADDING 8        /* CRYPTO_MAX_PADDING of toxcore's net_crypto.c */
#define TT_PACKET_TOX (3 + 8 + 16) /* kind and nonce, two packet numbers, MAC */
#define TT_PACKET_UDP 8
#define TT_PACKET_IPV4 20
#define TT_PACKET_IPV6 40

/**
 * Bytes of the IPv4 packet that carries a lossy packet of `len` bytes, at most TT_PACKET_MAX, to a
 * peer on a direct path. toxcore does not tell by what address it reaches a peer; by IPv6 it is 20
 * more.
 */
static inline size_t tt_packet_network(size_t len)
{
	size_t padding = (TT_PACKET_MAX - len) % TT_PACKET_PADDING;
	return TT_PACKET_IPV4 + TT_PACKET_UDP + TT_PACKET_TOX + padding + len;
}

#endif
