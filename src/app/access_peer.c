#include "access_peer.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "forward.h"
#include "peer.h"

#define GREETING "toxtun"
#define PROOF_CONTEXT "toxtun friend request 1"
#define PROOF_LEN ACCESS_PROOF_LEN
_Static_assert(PROOF_LEN == crypto_generichash_BYTES, "BLAKE2b-256");
_Static_assert(ACCESS_SECRET_LEN == crypto_generichash_KEYBYTES_MAX, "its longest key");
#define SECRET_MIN 16 /* characters */
#define SECRET_MAX 1024
#define LOGIN_FILE_MAX 1024

static bool in_list(const struct tt_peer_id *ids, size_t n, const uint8_t key[TT_KEY_LEN])
{
	for (size_t i = 0; i < n; i++) {
		if (memcmp(ids[i].key, key, TT_KEY_LEN) == 0)
			return true;
	}
	return false;
}

bool access_in_allow(const struct app *app, const uint8_t key[TT_KEY_LEN])
{
	return in_list(app->conf->allow, app->conf->n_allow, key);
}

bool access_is_admin(const struct app *app, const uint8_t key[TT_KEY_LEN])
{
	return in_list(app->conf->admins, app->conf->n_admins, key);
}

bool access_in_forwards(const struct app *app, const uint8_t key[TT_KEY_LEN])
{
	for (const struct forward *f = app->forwards; f; f = f->next) {
		if (in_list(f->conf.peers, f->conf.n_peers, key))
			return true;
	}
	return false;
}

bool access_peer_served(const struct app *app, const uint8_t key[TT_KEY_LEN])
{
	const struct conf *c = app->conf;

	return c->serve &&
	       (!c->has_allow || access_in_allow(app, key) || access_in_forwards(app, key));
}

bool access_peer_allowed(const struct app *app, const uint8_t key[TT_KEY_LEN])
{
	if (!app->conf->serve) /* friends that another run used stay; nobody is served */
		return true;
	return access_peer_served(app, key) || access_is_admin(app, key);
}

static const struct conf_peer *section(const struct app *app, const uint8_t key[TT_KEY_LEN])
{
	for (size_t i = 0; i < app->conf->n_peers; i++) {
		if (memcmp(app->conf->peers[i].id.key, key, TT_KEY_LEN) == 0)
			return &app->conf->peers[i];
	}
	return NULL;
}

const struct tt_rule *access_peer_rules(
	const struct app *app, const uint8_t key[TT_KEY_LEN], size_t *n)
{
	const struct conf *c = app->conf;
	const struct conf_peer *p = section(app, key);

	if (c->has_allow &&
		!access_in_allow(app, key)) { /* one that we use, not one that we serve */
		*n = 0;
		return NULL;
	}
	if (p && p->has_targets) {
		*n = p->n_targets;
		return p->targets;
	}
	*n = c->n_targets;
	return c->targets;
}

const struct tt_rule *access_peer_listens(
	const struct app *app, const uint8_t key[TT_KEY_LEN], size_t *n)
{
	const struct conf *c = app->conf;
	const struct conf_peer *p = section(app, key);
	bool served = !c->has_allow || access_in_allow(app, key), own = p && p->has_listens;

	*n = !served ? 0 : own ? p->n_listens : c->n_listens;
	return !served ? NULL : own ? p->listens : c->listens;
}

const char *access_peer_name(const struct app *app, const uint8_t key[TT_KEY_LEN])
{
	const struct conf_peer *p = section(app, key);
	return p ? p->name : "";
}

/* The secret is stretched once, so that a weak one is not found from a proof by brute force alone
 * and the proof's key has full length. */
static int hash_secret(const char *text, size_t len, uint8_t out[ACCESS_SECRET_LEN])
{
	static const uint8_t salt[crypto_pwhash_SALTBYTES] = "toxtun secret 1";
	return crypto_pwhash(out, crypto_generichash_KEYBYTES_MAX, text, len, salt,
		crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_MIN * 512,
		crypto_pwhash_ALG_ARGON2ID13);
}

/* An exit code; the secret's hash goes to out, nothing of it to the log. */
static int load_secret(const struct tt_log *log, const char *file, uint8_t out[ACCESS_SECRET_LEN])
{
	const char *env = file ? NULL : getenv("TOXTUN_SECRET");
	char *text = NULL;
	size_t len = 0;

	if (file && file_read(file, SECRET_MAX, &text, &len) != 0) {
		tt_error(log, "the secret file %s cannot be read: %s", file, strerror(errno));
		return EXIT_FAILED;
	}
	const char *secret = file ? text : env;
	len = file ? len : strlen(env);
	while (len > 0 && (secret[len - 1] == '\n' || secret[len - 1] == '\r'))
		len--;
	int rc = EXIT_OK;
	if (len < SECRET_MIN) {
		tt_error(log, "the secret in %s is too short: use at least %d characters",
			file ? file : "TOXTUN_SECRET", SECRET_MIN);
		rc = EXIT_USAGE;
	} else if (hash_secret(secret, len, out) != 0) {
		tt_error(log, "no memory to hash the secret");
		rc = EXIT_FAILED;
	}
	if (text)
		sodium_memzero(text, len);
	free(text);
	return rc;
}

/* Who looks at our environment (ps e, /proc/PID/environ) finds the secret there no more. */
static void forget_environment(void)
{
	char *env = getenv("TOXTUN_SECRET");

	if (!env)
		return;
	sodium_memzero(env, strlen(env));
	unsetenv("TOXTUN_SECRET");
}

int access_load_secret(struct app *app, const struct conf *c, const struct tt_log *log,
	uint8_t hash[ACCESS_SECRET_LEN], bool *has)
{
	const char *env = getenv("TOXTUN_SECRET");
	int rc = EXIT_OK;

	if (sodium_init() < 0)
		return EXIT_FAILED;
	if (c->secret_file) {
		rc = load_secret(log, c->secret_file, hash);
	} else if (env && env[0] != '\0') { /* kept: it is not there for the next reload */
		rc = load_secret(log, NULL, app->env_secret);
		app->has_env_secret = rc == EXIT_OK;
	}
	forget_environment();
	if (!c->secret_file)
		memcpy(hash, app->env_secret, ACCESS_SECRET_LEN);
	*has = c->secret_file || app->has_env_secret;
	return rc;
}

/* USER:PASSWORD, each of 1 to 255 printable characters, as RFC 1929 can say them. */
static bool login_ok(const char *text)
{
	size_t user = strcspn(text, ":"), all = strlen(text);

	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	}
	return user >= 1 && user <= 255 && all >= user + 2 && all <= user + 256;
}

int access_load_login(const struct conf *c, const struct tt_log *log, char **login)
{
	const char *path = c->socks_login_file;
	char *text;
	size_t len;

	*login = NULL;
	if (!path)
		return EXIT_OK;
	if (file_read(path, LOGIN_FILE_MAX, &text, &len) != 0) {
		tt_error(log, "the login file %s cannot be read: %s", path, strerror(errno));
		return EXIT_USAGE;
	}
	text[strcspn(text, "\r\n")] = '\0';
	if (!login_ok(text)) {
		tt_error(log, "the login file %s must have one line, USER:PASSWORD", path);
		access_forget_login(text);
		return EXIT_USAGE;
	}
	*login = text;
	return EXIT_OK;
}

void access_forget_login(char *login)
{
	if (login)
		sodium_memzero(login, strlen(login));
	free(login);
}

int access_check_secrets(const struct conf *c, const struct tt_log *log)
{
	uint8_t hash[ACCESS_SECRET_LEN];
	int rc = EXIT_OK;

	for (size_t i = 0; i < c->n_peers && rc == EXIT_OK; i++) {
		if (c->peers[i].secret_file)
			rc = load_secret(log, c->peers[i].secret_file, hash);
	}
	sodium_memzero(hash, sizeof(hash));
	return rc;
}

static void proof(const uint8_t secret[ACCESS_SECRET_LEN], const uint8_t client[TT_KEY_LEN],
	const uint8_t server[TT_KEY_LEN], uint8_t out[PROOF_LEN])
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, secret, crypto_generichash_KEYBYTES_MAX, PROOF_LEN);
	crypto_generichash_update(&st, (const uint8_t *)PROOF_CONTEXT, sizeof(PROOF_CONTEXT));
	crypto_generichash_update(&st, client, TT_KEY_LEN);
	crypto_generichash_update(&st, server, TT_KEY_LEN);
	crypto_generichash_final(&st, out, PROOF_LEN);
}

/* The secret for this peer: its own section's, else the common one. 1: there is one, 0: none is
 * asked for, -1: there should be one but it cannot be read. */
static int secret_for(
	const struct app *app, const uint8_t key[TT_KEY_LEN], uint8_t out[ACCESS_SECRET_LEN])
{
	const struct conf_peer *p = section(app, key);

	if (p && p->secret_file)
		return load_secret(app->log, p->secret_file, out) == EXIT_OK ? 1 : -1;
	if (!app->has_secret)
		return 0;
	memcpy(out, app->secret, crypto_generichash_KEYBYTES_MAX);
	return 1;
}

int access_proofs(const struct app *app, const uint8_t peer[TT_KEY_LEN], uint8_t ours[PROOF_LEN],
	uint8_t theirs[PROOF_LEN])
{
	uint8_t secret[ACCESS_SECRET_LEN], self[TT_KEY_LEN];
	int rc = secret_for(app, peer, secret);

	if (rc > 0) {
		toxnet_self_key(app->tn, self);
		proof(secret, self, peer, ours);
		proof(secret, peer, self, theirs);
		sodium_memzero(secret, sizeof(secret));
	}
	return rc;
}

size_t access_request_message(
	const struct app *app, const uint8_t peer[TT_KEY_LEN], uint8_t *dst, size_t cap)
{
	uint8_t ours[PROOF_LEN], theirs[PROOF_LEN];
	char text[sizeof(GREETING) + 2 * PROOF_LEN + 1] = GREETING;

	if (access_proofs(app, peer, ours, theirs) > 0) {
		text[sizeof(GREETING) - 1] = ' ';
		tt_hex_encode(ours, PROOF_LEN, text + sizeof(GREETING));
	}
	size_t len = strlen(text);
	if (len > cap)
		len = cap;
	memcpy(dst, text, len);
	return len;
}

const char *access_judge_request(
	struct app *app, const uint8_t key[TT_KEY_LEN], const uint8_t *message, size_t len)
{
	uint8_t ours[PROOF_LEN], want[PROOF_LEN], got[PROOF_LEN];
	const size_t head = sizeof(GREETING); /* its NUL's place is the space */

	if (!app->conf->serve)
		return "this process serves nobody";
	if (app->conf->has_allow && !access_in_allow(app, key))
		return "not in the list of allowed peers";
	int rc = access_proofs(app, key, ours, want);
	if (rc == 0)
		return NULL;
	if (rc < 0)
		return "the secret for it cannot be read";
	if (len != head + 2 * PROOF_LEN || memcmp(message, GREETING " ", head) != 0 ||
		tt_hex_decode((const char *)message + head, 2 * PROOF_LEN, got, PROOF_LEN) != 0)
		return "it does not know the secret (no proof in its request)";
	if (sodium_memcmp(want, got, PROOF_LEN) != 0)
		return "it does not know the secret (its proof is wrong)";
	return NULL;
}
