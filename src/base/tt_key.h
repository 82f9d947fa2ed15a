/**
 * Tox public keys and Tox IDs.
 *
 * A Tox ID is a public key (32 bytes), a nospam (4) and a checksum (2): the XOR of the first 36
 * bytes taken two at a time (toxcore: address_checksum in Messenger.c).
 */
#ifndef TT_KEY_H
#define TT_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TT_KEY_LEN 32
#define TT_KEY_HEX 64
#define TT_TOXID_LEN 38
#define TT_TOXID_HEX 76

/** A peer as its user names it: with a Tox ID (can be asked to be a friend) or with its key only.
 */
struct tt_peer_id {
	uint8_t key[TT_KEY_LEN];
	uint8_t toxid[TT_TOXID_LEN]; /* zero unless has_toxid */
	bool has_toxid;
};

/** Exactly 2 * n hex digits, either case, to n bytes. TT_OK or TT_EINVAL. */
int tt_hex_decode(const char *text, size_t text_len, uint8_t *dst, size_t n);

/** Upper-case hex and a NUL: dst has 2 * n + 1 bytes. Returns dst. */
char *tt_hex_encode(const uint8_t *src, size_t n, char *dst);

/**
 * Parses 64 (public key) or 76 (Tox ID) hex digits. TT_OK; TT_EINVAL for another length or a
 * character that is not hex; TT_EPROTO when the checksum of a Tox ID is wrong (a typing error).
 */
int tt_peer_id_parse(const char *text, struct tt_peer_id *out);

/** The first 8 hex digits of the key, as log lines show a peer. Returns dst. */
const char *tt_key_short(const uint8_t key[TT_KEY_LEN], char dst[9]);

#endif
