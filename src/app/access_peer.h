/** Who may be our peer and what it may reach: the configuration's answer. */
#ifndef ACCESS_PEER_H
#define ACCESS_PEER_H

#include "app.h"

/** True for peers that our forwards use and for those that the server serves. */
bool access_peer_allowed(const struct app *app, const uint8_t key[TT_KEY_LEN]);

/** The target rules of this peer: its own or the server's. Owned by the configuration. */
const struct tt_rule *access_peer_rules(
	const struct app *app, const uint8_t key[TT_KEY_LEN], size_t *n);

/** Its name from [peer NAME], or "". */
const char *access_peer_name(const struct app *app, const uint8_t key[TT_KEY_LEN]);

#define ACCESS_PROOF_LEN 32

/**
 * Proofs that both ends know the secret set for this peer: keyed hashes over both public keys, the
 * giver's first, good for this pair only. 1: there is a secret; 0: none is asked for; -1: there
 * should be one, but it cannot be read (logged).
 */
int access_proofs(const struct app *app, const uint8_t peer[TT_KEY_LEN],
	uint8_t ours[ACCESS_PROOF_LEN], uint8_t theirs[ACCESS_PROOF_LEN]);

/**
 * The message of our friend request to `peer`: a greeting and, when a secret is set, the proof that
 * we know it. Returns its length.
 */
size_t access_request_message(
	const struct app *app, const uint8_t peer[TT_KEY_LEN], uint8_t *dst, size_t cap);

/** NULL when the friend request is accepted, else why not (static storage, for the log). */
const char *access_judge_request(
	struct app *app, const uint8_t key[TT_KEY_LEN], const uint8_t *message, size_t len);

#endif
