/** Who may be our peer and what it may reach: the configuration's answer. */
#ifndef ACCESS_PEER_H
#define ACCESS_PEER_H

#include "app.h"

/** True for peers that our forwards use, for those that the server serves, and for admins. */
bool access_peer_allowed(const struct app *app, const uint8_t key[TT_KEY_LEN]);

/** True where the server serves this peer, within its rules. */
bool access_peer_served(const struct app *app, const uint8_t key[TT_KEY_LEN]);

/** True where `allow` names this peer, and where `admin` does. */
bool access_in_allow(const struct app *app, const uint8_t key[TT_KEY_LEN]);
bool access_is_admin(const struct app *app, const uint8_t key[TT_KEY_LEN]);

/** True where one of the forwards that are open uses this peer. */
bool access_in_forwards(const struct app *app, const uint8_t key[TT_KEY_LEN]);

/** The target rules of this peer: its own or the server's. Owned by the configuration. */
const struct tt_rule *access_peer_rules(
	const struct app *app, const uint8_t key[TT_KEY_LEN], size_t *n);

/** Where it may listen here. As above. */
const struct tt_rule *access_peer_listens(
	const struct app *app, const uint8_t key[TT_KEY_LEN], size_t *n);

/** Its name from [peer NAME], or "". */
const char *access_peer_name(const struct app *app, const uint8_t key[TT_KEY_LEN]);

#define ACCESS_PROOF_LEN 32
#define ACCESS_SECRET_LEN 64

/**
 * Reads the shared secret of the configuration, or takes TOXTUN_SECRET out of the environment and
 * keeps it in the app; *has: there is one. An exit code, with a word in the log when it cannot be
 * had.
 */
int access_load_secret(struct app *app, const struct conf *c, const struct tt_log *log,
	uint8_t hash[ACCESS_SECRET_LEN], bool *has);

/**
 * Reads the USER:PASSWORD that the configuration's proxies ask for; NULL: they ask for none. As
 * above.
 */
int access_load_login(const struct conf *c, const struct tt_log *log, char **login);
/** May be NULL. */
void access_forget_login(char *login);

/** Whether the secret files of single peers can be read. As above. */
int access_check_secrets(const struct conf *c, const struct tt_log *log);

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
