/**
 * The PROXY protocol's binary header, version 2 (doc/proxy-protocol.txt of HAProxy, section 2.2),
 * with which a target hears for whom a connection is. A peer has no address that a service could
 * reach or should believe in, so it gets one that is made from its public key: software that knows
 * addresses only, and hides or drops what has none, can log, allow and count by it.
 */
#ifndef WIRE_PP2_H
#define WIRE_PP2_H

#include <stddef.h>
#include <stdint.h>

#include "tt_addr.h"
#include "tt_key.h"

#define WIRE_PP2_TEXT_MAX 64
#define WIRE_PP2_MAX (16 + 36 + 3 * 3 + TT_KEY_HEX + 2 * WIRE_PP2_TEXT_MAX)

/* Types of the fields behind the addresses. */
#define WIRE_PP2_UNIQUE_ID 0x05 /* PP2_TYPE_UNIQUE_ID: as in our log */
#define WIRE_PP2_KEY 0xe0       /* the peer's public key, 64 hexadecimal digits */
#define WIRE_PP2_NAME 0xe1      /* what our configuration calls it; left out when it has no name */

struct wire_pp2 {
	uint8_t key[TT_KEY_LEN];
	const char *name; /* of both texts the first WIRE_PP2_TEXT_MAX bytes; "": none */
	const char *id;
	uint16_t number; /* of the connection, in place of the port that a peer has not either */
	struct tt_addr target;
	uint16_t port;
};

/** Fills dst (WIRE_PP2_MAX bytes); returns the length. */
size_t wire_pp2_encode(const struct wire_pp2 *h, uint8_t *dst);

/** The peer's address: fd00::/8 of RFC 4193, then the first 15 bytes of its key. */
struct tt_addr wire_pp2_addr(const uint8_t key[TT_KEY_LEN]);

#endif
