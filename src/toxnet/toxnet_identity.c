/*
 * What is in the data directory:
 *   lock          held with flock for as long as the process lives; says its pid
 *   identity.tox  toxcore's save file: secret key, friends, known DHT nodes; in plain text, or
 *                 encrypted with a passphrase in the format of toxencryptsave
 *   node.key      secret half of the DHT key, for `toxtun node` only
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toxnet_int.h"
#include "tt_err.h"

#define NODE_KEY_FILE "node.key"

/* toxcore/state.h and Messenger.h: how a save file is laid out, integers little endian. */
#define SAVE_MAGIC 0x15ed1b1fu
#define SAVE_SECTION_MAGIC 0x01ceu
#define SAVE_SECTION_KEYS 1u /* nospam (4), public key (32), secret key (32) */
#define SAVE_SECTION_END 255u

#define say(...) snprintf(why, cap, __VA_ARGS__)

static uint32_t get_u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/*
 * toxcore takes a file that was cut between two of its sections for a good one, and would go on
 * without the friends or the key that were in the rest.
 */
static bool save_is_whole(const uint8_t *p, size_t len)
{
	bool keys = false;

	if (len < 8 || get_u32(p) != 0 || get_u32(p + 4) != SAVE_MAGIC)
		return false;
	for (size_t at = 8; len - at >= 8;) {
		uint32_t n = get_u32(p + at), type = get_u32(p + at + 4);
		at += 8;
		if (type >> 16 != SAVE_SECTION_MAGIC || n > len - at)
			return false;
		if ((type & 0xffff) == SAVE_SECTION_END)
			return keys;
		if ((type & 0xffff) == SAVE_SECTION_KEYS) {
			uint8_t pk[TT_KEY_LEN];
			if (n < 4 + 2 * TT_KEY_LEN ||
				crypto_scalarmult_base(pk, p + at + 4 + TT_KEY_LEN) != 0 ||
				memcmp(pk, p + at + 4, TT_KEY_LEN) != 0)
				return false;
			keys = true;
		}
		at += n;
	}
	return false;
}

static int damaged(const struct toxnet *tn, const char *name, char *why, size_t cap)
{
	say("%s/%s is damaged; it was left alone, restore it from a copy or remove it to start "
	    "with a new one",
		tn->dir, name);
	return TT_EPROTO;
}

static int ask(const struct toxnet *tn, enum toxnet_passphrase_for what, unsigned tries,
	char text[TOXNET_PASSPHRASE_MAX], char *why, size_t cap)
{
	const struct toxnet_passphrase *p = &tn->cfg.passphrase;

	return p->get ? p->get(p->user, what, tries, text, why, cap) : 0;
}

/* Deriving a key takes a second on purpose, so it is done once and the key kept for the saves. */
static Tox_Pass_Key *derive(const char *text, int len, const uint8_t *salt)
{
	const uint8_t *p = (const uint8_t *)text;

	return salt ? tox_pass_key_derive_with_salt(p, (size_t)len, salt, NULL)
		    : tox_pass_key_derive(p, (size_t)len, NULL);
}

/* One try. TT_OK with *out, TT_EPERM: it is the wrong key. */
static int decrypt_with(
	const Tox_Pass_Key *key, const struct toxnet_blob *in, struct toxnet_blob *out)
{
	struct toxnet_blob b = {.len = in->len - TOX_PASS_ENCRYPTION_EXTRA_LENGTH};

	b.data = malloc(b.len);
	if (!b.data)
		return TT_ENOMEM;
	if (!tox_pass_key_decrypt(key, in->data, in->len, b.data, NULL)) {
		toxnet_blob_clear(&b);
		return TT_EPERM;
	}
	*out = b;
	return TT_OK;
}

/* Asks until the passphrase is right or there are no more; replaces the text of *b. */
static int decrypt(struct toxnet *tn, struct toxnet_blob *b, char *why, size_t cap)
{
	uint8_t salt[TOX_PASS_SALT_LENGTH];
	char text[TOXNET_PASSPHRASE_MAX];
	struct toxnet_blob plain = {0};
	int rc = TT_EPERM;

	tox_get_salt(b->data, salt, NULL); /* fails only for what is not encrypted */
	for (unsigned tries = 0; rc == TT_EPERM; tries++) {
		int len = ask(tn, TOXNET_PASSPHRASE_OPEN, tries, text, why, cap);
		if (len == 0)
			say("%s/" TOXNET_SAVE_FILE " is encrypted and its passphrase is not known",
				tn->dir);
		if (len <= 0)
			return TT_EPERM;
		Tox_Pass_Key *key = derive(text, len, salt);
		sodium_memzero(text, sizeof(text));
		rc = key ? decrypt_with(key, b, &plain) : TT_ENOMEM;
		if (rc == TT_OK)
			tn->pass_key = key;
		else
			tox_pass_key_free(key);
	}
	if (rc == TT_OK) {
		toxnet_blob_clear(b);
		*b = plain;
	} else {
		say("out of memory");
	}
	return rc;
}

/* Whatever is written from now on is encrypted with the new passphrase, or with none. */
static int take_new_passphrase(struct toxnet *tn, char *why, size_t cap)
{
	char text[TOXNET_PASSPHRASE_MAX];
	Tox_Pass_Key *key = NULL;

	int len = ask(tn, TOXNET_PASSPHRASE_NEW, 0, text, why, cap);
	if (len < 0)
		return TT_EPERM;
	if (len > 0) {
		key = derive(text, len, NULL);
		sodium_memzero(text, sizeof(text));
		if (!key) {
			say("out of memory");
			return TT_ENOMEM;
		}
	}
	tox_pass_key_free(tn->pass_key);
	tn->pass_key = key;
	return TT_OK;
}

/* The save as toxcore wants it. TT_ENOENT when there is none yet. */
static int load(struct toxnet *tn, struct toxnet_blob *out, char *why, size_t cap)
{
	struct toxnet_blob b = {0};
	int rc = toxnet_file_read(tn, TOXNET_SAVE_FILE, &b, why, cap);

	if (rc == TT_OK && b.len > TOX_PASS_ENCRYPTION_EXTRA_LENGTH &&
		tox_is_data_encrypted(b.data))
		rc = decrypt(tn, &b, why, cap);
	if (rc == TT_OK && !save_is_whole(b.data, b.len))
		rc = damaged(tn, TOXNET_SAVE_FILE, why, cap);
	if (rc == TT_OK) {
		*out = b;
		b = (struct toxnet_blob){0};
	}
	toxnet_blob_clear(&b);
	return rc;
}

int toxnet_identity_load(struct toxnet *tn, struct toxnet_blob *out, char *why, size_t cap)
{
	int rc = load(tn, out, why, cap);

	return rc == TT_ENOENT ? take_new_passphrase(tn, why, cap) : rc;
}

/* Encrypts it, if it is to be, and writes it. */
static int store(const struct toxnet *tn, const struct toxnet_blob *plain, char *why, size_t cap)
{
	if (!tn->pass_key)
		return toxnet_file_write(tn, TOXNET_SAVE_FILE, plain->data, plain->len, why, cap);
	struct toxnet_blob b = {.len = plain->len + TOX_PASS_ENCRYPTION_EXTRA_LENGTH};
	int rc = TT_ENOMEM;
	b.data = malloc(b.len);
	if (b.data && tox_pass_key_encrypt(tn->pass_key, plain->data, plain->len, b.data, NULL))
		rc = toxnet_file_write(tn, TOXNET_SAVE_FILE, b.data, b.len, why, cap);
	else
		say("out of memory");
	toxnet_blob_clear(&b);
	return rc;
}

int toxnet_passphrase_change(const struct toxnet_config *cfg, char *why, size_t cap)
{
	struct toxnet tn = {.cfg = *cfg, .dir_fd = -1, .lock_fd = -1};
	struct toxnet_blob save = {0};

	int rc = toxnet_dir_open(&tn, cfg->data_dir, true, why, cap);
	if (rc == TT_OK)
		rc = load(&tn, &save, why, cap);
	if (rc == TT_OK)
		rc = take_new_passphrase(&tn, why, cap);
	if (rc == TT_OK)
		rc = store(&tn, &save, why, cap);
	tox_pass_key_free(tn.pass_key);
	toxnet_blob_clear(&save);
	toxnet_dir_close(&tn);
	return rc;
}

int toxnet_node_key(const struct toxnet *tn, uint8_t secret[TT_KEY_LEN], char *why, size_t cap)
{
	struct toxnet_blob b = {0};
	int rc = toxnet_file_read(tn, NODE_KEY_FILE, &b, why, cap);

	if (rc == TT_OK && b.len != TT_KEY_LEN) {
		rc = damaged(tn, NODE_KEY_FILE, why, cap);
	} else if (rc == TT_OK) {
		memcpy(secret, b.data, TT_KEY_LEN);
	} else if (rc == TT_ENOENT) {
		randombytes_buf(secret, TT_KEY_LEN);
		rc = toxnet_file_write(tn, NODE_KEY_FILE, secret, TT_KEY_LEN, why, cap);
	}
	toxnet_blob_clear(&b);
	return rc;
}

void toxnet_save_soon(struct toxnet *tn)
{
	tn->save_due = true;
	tn->save_at = tt_time_min(tn->save_at, tn->now + TT_S(1));
}

int toxnet_identity_save(struct toxnet *tn, char *why, size_t cap)
{
	struct toxnet_blob b = {.len = tox_get_savedata_size(tn->tox)};
	int rc = TT_ENOMEM;

	b.data = malloc(b.len);
	if (!b.data) {
		say("out of memory");
		return rc;
	}
	tox_get_savedata(tn->tox, b.data);
	rc = store(tn, &b, why, cap);
	toxnet_blob_clear(&b);
	return rc;
}

int toxnet_save(struct toxnet *tn)
{
	char why[512];

	if (!tn->save_due || tn->dir_fd < 0)
		return TT_OK;
	int rc = toxnet_identity_save(tn, why, sizeof(why));
	if (rc != TT_OK && tt_ratelimit_take(&tn->save_log, tn->now))
		tt_error(tn->cfg.log,
			"the identity is not saved (friends may be missing after a "
			"restart): %s",
			why);
	if (rc == TT_OK && tn->save_failed)
		tt_warn(tn->cfg.log, "the identity is saved again");
	tn->save_due = tn->save_failed = rc != TT_OK;
	if (rc == TT_OK)
		tn->save_log.used = 0;
	return rc;
}
