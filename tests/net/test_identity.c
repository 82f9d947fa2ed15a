/* The identity on the disk: what is made, read, refused and left alone. */
#include "datadir.h"

#include "namespace.h"

static void identity_is_private_and_persists(void **state)
{
	struct files *f = *state;
	struct toxnet *tn;
	uint8_t id[2][TT_TOXID_LEN], dht[2][TT_KEY_LEN], key[TT_KEY_LEN], other[TT_KEY_LEN] = {9};
	char why[256], path[256];
	uint32_t number = 7;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(start(f, &tn, why), TT_OK);
		toxnet_self_id(tn, id[i]);
		toxnet_self_key(tn, key);
		assert_memory_equal(key, id[i], TT_KEY_LEN);
		toxnet_dht_key(tn, dht[i]);
		if (i == 0) {
			assert_int_equal(toxnet_friend_accept(tn, other, &number), TT_OK);
			assert_int_equal(toxnet_friend_accept(tn, key, &number), TT_EINVAL);
		}
		assert_int_equal(toxnet_friend_find(tn, other), number);
		assert_int_equal(toxnet_friend_count(tn), 1);
		toxnet_free(tn);
	}
	assert_memory_equal(id[0], id[1], TT_TOXID_LEN);
	assert_memory_not_equal(dht[0], dht[1], TT_KEY_LEN); /* only a node keeps this one */
	assert_int_equal(mode_of(f->dir), 0700);
	assert_int_equal(mode_of(in_dir(f, "identity.tox", path)), 0600);
	toxnet_free(NULL);
}

static void new_identity_is_on_the_disk_at_once(void **state)
{
	struct files *f = *state;
	struct toxnet *tn;
	char why[256], path[256];
	assert_int_equal(start(f, &tn, why), TT_OK);
	assert_int_equal(access(in_dir(f, "identity.tox", path), R_OK), 0);
	toxnet_free(tn);
}

static void node_keeps_its_dht_key(void **state)
{
	struct files *f = *state;
	struct toxnet *tn;
	uint8_t dht[3][TT_KEY_LEN];
	char why[256], path[256];
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			unlink(in_dir(f, "node.key", path));
		assert_int_equal(start_as(f, true, &tn, why), TT_OK);
		toxnet_dht_key(tn, dht[i]);
		toxnet_free(tn);
		assert_int_equal(mode_of(in_dir(f, "node.key", path)), 0600);
	}
	assert_memory_equal(dht[0], dht[1], TT_KEY_LEN);
	assert_memory_not_equal(dht[0], dht[2], TT_KEY_LEN);

	spit(in_dir(f, "node.key", path), dht[0], 31);
	assert_int_equal(start_as(f, true, &tn, why), TT_EPROTO);
	assert_non_null(strstr(why, "node.key"));
}

static void data_directory_has_one_owner(void **state)
{
	struct files *f = *state;
	struct toxnet *tn, *second = NULL;
	char why[256], pid[32];
	assert_int_equal(start(f, &tn, why), TT_OK);
	assert_int_equal(start(f, &second, why), TT_EBUSY);
	assert_null(second);
	snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
	assert_non_null(strstr(why, pid));
	toxnet_free(tn);
	assert_int_equal(start(f, &tn, why), TT_OK);
	toxnet_free(tn);

	if (geteuid() == 0) { /* somebody else's */
		assert_int_equal(chown(f->dir, 12345, 12345), 0);
		assert_int_equal(start(f, &tn, why), TT_EPERM);
		assert_non_null(strstr(why, "12345"));
		assert_int_equal(chown(f->dir, 0, 0), 0);
	}
}

static void damaged_save_is_left_alone(void **state)
{
	struct files *f = *state;
	struct toxnet *tn;
	uint8_t good[8192], bad[8192], after[8192];
	char why[256], path[256];

	assert_int_equal(start(f, &tn, why), TT_OK);
	toxnet_free(tn);
	in_dir(f, "identity.tox", path);
	size_t len = slurp(path, good, sizeof(good));
	assert_in_range(len, 100, sizeof(good) - 1);

	size_t whole = len; /* toxcore pads the file with zeroes after its last section */
	while (good[whole - 1] == 0)
		whole--;
	for (size_t cut = 0; cut < whole; cut++) {
		spit(path, good, cut);
		assert_int_equal(start(f, &tn, why), TT_EPROTO);
		assert_true(strlen(why) > 20);
		assert_int_equal(slurp(path, after, sizeof(after)), cut);
		assert_memory_equal(after, good, cut);
	}
	for (size_t at = 0; at < 8 + 8 + 4 + 64; at++) { /* headers and keys, but not the nospam */
		if (at >= 16 && at < 20)
			continue;
		memcpy(bad, good, len);
		bad[at] ^= 0x10;
		spit(path, bad, len);
		int rc = start(f, &tn, why);
		if (rc == TT_OK) {
			print_error("byte %zu may change unnoticed\n", at);
			toxnet_free(tn);
		}
		assert_int_equal(rc, TT_EPROTO);
		assert_int_equal(slurp(path, after, sizeof(after)), len);
		assert_memory_equal(after, bad, len);
	}
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0); /* not a file at all */
	assert_int_equal(start(f, &tn, why), TT_EPROTO);
	assert_int_equal(rmdir(path), 0);
	spit(path, good, len);
	assert_int_equal(start(f, &tn, why), TT_OK);
	toxnet_free(tn);
}

static void open_permissions_are_closed_with_a_warning(void **state)
{
	struct files *f = *state;
	struct toxnet *tn;
	char why[256], path[256];
	assert_int_equal(start(f, &tn, why), TT_OK);
	toxnet_free(tn);
	in_dir(f, "identity.tox", path);

	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(start(f, &tn, why), TT_OK);
	assert_non_null(strstr(f->last_line, "identity.tox"));
	assert_int_equal(mode_of(path), 0600);
	toxnet_free(tn);

	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(start(f, &tn, why), TT_OK);
	assert_non_null(strstr(f->last_line, "755"));
	assert_int_equal(mode_of(f->dir), 0700);
	toxnet_free(tn);

	/* A directory with files of somebody else is not changed. */
	unlink(path);
	unlink(in_dir(f, "lock", path));
	spit(in_dir(f, "other", path), (const uint8_t *)"x", 1);
	assert_int_equal(chmod(f->dir, 01777), 0);
	assert_int_equal(start(f, &tn, why), TT_EPERM);
	assert_int_equal(mode_of(f->dir), 0777);
}

static void new_file_is_made_only_where_there_is_nothing(void **state)
{
	struct files *f = *state;
	struct toxnet *tn;
	uint8_t good[8192], after[8192], id[2][TT_TOXID_LEN];
	char why[256], path[256], other[256];

	assert_int_equal(start(f, &tn, why), TT_OK);
	assert_non_null(strstr(f->last_line, "new identity"));
	toxnet_self_id(tn, id[0]);
	toxnet_free(tn);
	in_dir(f, "identity.tox", path);
	in_dir(f, "other", other);

	/* a link, to the file itself and to nothing: what it names is not replaced by a file */
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink("other", path), 0);
	size_t len = slurp(other, good, sizeof(good));
	assert_int_equal(start(f, &tn, why), TT_EIO);
	assert_non_null(strstr(why, "symbolic link"));
	assert_int_equal(slurp(other, after, sizeof(after)), len);
	assert_memory_equal(after, good, len);
	unlink(path);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(start(f, &tn, why), TT_EIO);
	assert_non_null(strstr(why, "symbolic link"));
	unlink(path);

	/* a directory, for it and for the lock */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(start(f, &tn, why), TT_EPROTO);
	assert_non_null(strstr(why, "identity.tox is a directory"));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rename(other, path), 0);
	unlink(in_dir(f, "lock", other));
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(start(f, &tn, why), TT_EIO);
	assert_non_null(strstr(why, "move that directory"));
	assert_int_equal(rmdir(other), 0);

	if (geteuid() == 0) { /* somebody else's */
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_int_equal(start(f, &tn, why), TT_EPERM);
		assert_non_null(strstr(why, "12345"));
		assert_non_null(strstr(why, "chown"));
		assert_int_equal(chown(path, 0, 0), 0);
	}
	assert_int_equal(start(f, &tn, why), TT_OK);
	toxnet_self_id(tn, id[1]);
	toxnet_free(tn);
	assert_memory_equal(id[0], id[1], TT_TOXID_LEN);
}

static void passphrase_encrypts_every_save(void **state)
{
	struct files *f = *state;
	struct toxnet *tn;
	uint8_t file[2][8192], id[2][TT_TOXID_LEN], other[TT_KEY_LEN] = {9};
	char why[256], path[256];
	uint32_t number;

	f->passphrase[0] = f->new_passphrase = "correct horse";
	in_dir(f, "identity.tox", path);
	for (int i = 0; i < 2; i++) {
		f->asked = 0;
		assert_int_equal(start(f, &tn, why), TT_OK);
		assert_int_equal(f->asked, 1);
		toxnet_self_id(tn, id[i]);
		if (i == 1)
			assert_int_equal(toxnet_friend_accept(tn, other, &number), TT_OK);
		toxnet_free(tn);
		assert_true(slurp(path, file[i], sizeof(file[i])) > 80);
		assert_memory_equal(file[i], "toxEsave", 8);
		assert_int_equal(f->asked, 1); /* the key is kept for the saves */
	}
	assert_memory_equal(id[0], id[1], TT_TOXID_LEN);
	assert_memory_equal(file[0], file[1], 8 + 32);           /* same salt: same key */
	assert_memory_not_equal(file[0] + 40, file[1] + 40, 24); /* but never the same nonce */
	assert_int_equal(start(f, &tn, why), TT_OK);
	assert_int_equal(toxnet_friend_count(tn), 1);
	toxnet_free(tn);
}

static void wrong_passphrase_changes_nothing(void **state)
{
	struct files *f = *state;
	struct toxnet *tn;
	uint8_t good[8192], bad[8192], after[8192];
	char why[256], path[256];

	f->passphrase[0] = f->new_passphrase = "correct horse";
	assert_int_equal(start(f, &tn, why), TT_OK);
	toxnet_free(tn);
	in_dir(f, "identity.tox", path);
	size_t len = slurp(path, good, sizeof(good));

	f->passphrase[0] = NULL;
	assert_int_equal(start(f, &tn, why), TT_EPERM);
	assert_non_null(strstr(why, "encrypted"));
	f->passphrase[0] = "correct horsf";
	assert_int_equal(start(f, &tn, why), TT_EPERM);
	assert_string_equal(why, "no passphrase after 1 tries");
	f->passphrase[1] = "correct horse"; /* the second try */
	assert_int_equal(start(f, &tn, why), TT_OK);
	toxnet_free(tn);

	f->passphrase[0] = "correct horse";
	f->passphrase[1] = NULL;
	static const size_t cuts[] = {0, 1, 7, 8, 39, 40, 63, 64, 79, 80, 81};
	for (size_t i = 0; i <= sizeof(cuts) / sizeof(cuts[0]); i++) {
		size_t cut = i < sizeof(cuts) / sizeof(cuts[0]) ? cuts[i] : len - 1;
		spit(path, good, cut);
		assert_int_not_equal(start(f, &tn, why), TT_OK);
		assert_int_equal(slurp(path, after, sizeof(after)), cut);
		assert_memory_equal(after, good, cut);
	}
	for (size_t at = 0; at < len; at += at < 90 ? 15 : len / 4) {
		memcpy(bad, good, len);
		bad[at] ^= 1;
		spit(path, bad, len);
		assert_int_not_equal(start(f, &tn, why), TT_OK);
		assert_int_equal(slurp(path, after, sizeof(after)), len);
		assert_memory_equal(after, bad, len);
	}
}

static int change(struct files *f, const char *from, const char *to, char why[256])
{
	struct toxnet_config cfg = {.data_dir = f->dir,
		.passphrase = {.get = get_passphrase, .user = f},
		.log = &f->log};
	f->passphrase[0] = from;
	f->new_passphrase = to;
	return toxnet_passphrase_change(&cfg, why, 256);
}

static void passphrase_can_be_set_changed_and_removed(void **state)
{
	static const char *const steps[] = {NULL, "the first one", "the second one", NULL, NULL};
	struct files *f = *state;
	struct toxnet *tn;
	uint8_t file[8192], id[2][TT_TOXID_LEN];
	char why[256], path[256];

	assert_int_equal(change(f, NULL, "too early", why), TT_ENOENT);
	f->new_passphrase = NULL;
	assert_int_equal(start(f, &tn, why), TT_OK);
	assert_int_equal(change(f, NULL, "too early", why), TT_EBUSY);
	toxnet_self_id(tn, id[0]);
	toxnet_free(tn);
	in_dir(f, "identity.tox", path);
	for (size_t i = 0; i + 1 < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i])
			assert_int_equal(change(f, "a wrong one", steps[i + 1], why), TT_EPERM);
		if (change(f, steps[i], steps[i + 1], why) != TT_OK)
			fail_msg("step %zu: %s", i, why);
		assert_int_equal(mode_of(path), 0600);
		slurp(path, file, sizeof(file));
		assert_int_equal(memcmp(file, "toxEsave", 8) == 0, steps[i + 1] != NULL);
		f->passphrase[0] = steps[i + 1];
		assert_int_equal(start(f, &tn, why), TT_OK);
		toxnet_self_id(tn, id[1]);
		toxnet_free(tn);
		assert_memory_equal(id[0], id[1], TT_TOXID_LEN);
	}
}

int main(void)
{
	if (!enter_namespace()) {
		printf("1..0 # SKIP no network namespace for this user\n");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		FILES(identity_is_private_and_persists),
		FILES(new_identity_is_on_the_disk_at_once),
		FILES(node_keeps_its_dht_key),
		FILES(data_directory_has_one_owner),
		FILES(damaged_save_is_left_alone),
		FILES(open_permissions_are_closed_with_a_warning),
		FILES(new_file_is_made_only_where_there_is_nothing),
		FILES(passphrase_encrypts_every_save),
		FILES(wrong_passphrase_changes_nothing),
		FILES(passphrase_can_be_set_changed_and_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
