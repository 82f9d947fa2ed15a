/**
 * Is there a Tox node, and is it the one that is meant? Two questions of the Tox protocol that
 * every node answers at once and to anybody: a DHT ping by UDP, and the handshake of a TCP relay.
 * toxcore asks them too, but does not tell for which node it got an answer. No I/O: the caller
 * moves the packets.
 */
#ifndef TOXNET_PROBE_H
#define TOXNET_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_key.h"

#define TOXNET_PROBE_PING_LEN 82   /* as long as its answer */
#define TOXNET_PROBE_HELLO_LEN 128 /* to a relay */
#define TOXNET_PROBE_WELCOME_LEN 96

struct toxnet_probe {
	uint8_t node[TT_KEY_LEN];
	uint8_t key[TT_KEY_LEN], secret[TT_KEY_LEN]; /* made for this question */
	uint8_t cookie[8];
};

/** False without a source of chance, or for a key that is none. */
bool toxnet_probe_init(struct toxnet_probe *p, const uint8_t node[TT_KEY_LEN]);

bool toxnet_probe_ping(const struct toxnet_probe *p, uint8_t dst[TOXNET_PROBE_PING_LEN]);
/** True for the node's own answer to this ping. */
bool toxnet_probe_is_pong(const struct toxnet_probe *p, const uint8_t *data, size_t len);

bool toxnet_probe_hello(const struct toxnet_probe *p, uint8_t dst[TOXNET_PROBE_HELLO_LEN]);
/** True where only who has the node's secret key can have said it. */
bool toxnet_probe_is_welcome(
	const struct toxnet_probe *p, const uint8_t data[TOXNET_PROBE_WELCOME_LEN]);

#endif
