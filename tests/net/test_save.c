/*
 * Saves that fail: each system call that a save makes fails with each error that a disk has. The
 * linker turns the calls of the program towards the functions below (--wrap).
 */
#include "datadir.h"

#include <errno.h>

#include "namespace.h"

enum call { CALL_NONE, CALL_UNLINK, CALL_OPEN, CALL_WRITE, CALL_SYNC, CALL_CLOSE, CALL_RENAME };
#define CALLS (CALL_RENAME + 1)

static struct {
	enum call call;
	int err;
	size_t room; /* bytes that write() still takes */
} fault;
static int save_fd = -1; /* the temporary file, while it is open */

int __real_openat64(int dir, const char *path, int flags, mode_t mode);
int __real_unlinkat(int dir, const char *path, int flags);
ssize_t __real_write(int fd, const void *buf, size_t len);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_openat64(int dir, const char *path, int flags, mode_t mode);
int __wrap_unlinkat(int dir, const char *path, int flags);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);

static bool fails(enum call call)
{
	if (fault.call != call)
		return false;
	errno = fault.err;
	return true;
}

int __wrap_openat64(int dir, const char *path, int flags, mode_t mode)
{
	bool tmp = strcmp(path, "identity.tox.tmp") == 0;
	if (tmp && fails(CALL_OPEN))
		return -1;
	int fd = __real_openat64(dir, path, flags, mode);
	if (tmp)
		save_fd = fd;
	return fd;
}

int __wrap_unlinkat(int dir, const char *path, int flags)
{
	return fails(CALL_UNLINK) ? -1 : __real_unlinkat(dir, path, flags);
}

/* A disk that fills up takes the first bytes. */
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	if (fd != save_fd || fault.call != CALL_WRITE)
		return __real_write(fd, buf, len);
	if (fault.room == 0) {
		errno = fault.err;
		return -1;
	}
	ssize_t n = __real_write(fd, buf, len < fault.room ? len : fault.room);
	fault.room -= n > 0 ? (size_t)n : 0;
	return n;
}

int __wrap_fsync(int fd)
{
	return fd == save_fd && fails(CALL_SYNC) ? -1 : __real_fsync(fd);
}

int __wrap_close(int fd)
{
	bool tmp = fd >= 0 && fd == save_fd;
	int rc = __real_close(fd);
	if (tmp)
		save_fd = -1;
	return tmp && fails(CALL_CLOSE) ? -1 : rc;
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return fails(CALL_RENAME) ? -1 : __real_renameat(from_dir, from, to_dir, to);
}

static void break_save(enum call call, int err)
{
	fault.call = call;
	fault.err = err;
	fault.room = 100;
}

static const struct {
	int err;
	const char *advice;
} errors[] = {
	{ENOSPC, "make room"},
	{EDQUOT, "make room"},
	{EROFS, "writable"},
	{EACCES, "user"},
	{EIO, "error"},
};
#define ERRORS (sizeof(errors) / sizeof(errors[0]))

static void assert_advised(const char *text, size_t error)
{
	if (!strstr(text, errors[error].advice) || !strstr(text, strerror(errors[error].err)))
		fail_msg("'%s' does not tell of %s", text, strerror(errors[error].err));
	assert_non_null(strstr(text, "/a/b/identity.tox"));
}

static void first_save_that_fails_ends_the_start(void **state)
{
	struct files *f = *state;
	struct toxnet *tn = NULL;
	char why[256], path[256];

	for (enum call call = CALL_UNLINK; call < CALLS; call++) {
		for (size_t i = 0; i < ERRORS; i++) {
			break_save(call, errors[i].err);
			assert_int_not_equal(start(f, &tn, why), TT_OK);
			assert_null(tn);
			assert_advised(why, i);
			assert_int_not_equal(access(in_dir(f, "identity.tox", path), F_OK), 0);
		}
	}
	break_save(CALL_NONE, 0);
	assert_int_equal(start(f, &tn, why), TT_OK);
	toxnet_free(tn);
}

/* The file is what it was before, nothing else is left, and the log says it once. */
static void fail_once(struct files *f, struct toxnet *tn, enum call call, size_t error)
{
	uint8_t before[8192], after[8192], key[TT_KEY_LEN] = {(uint8_t)call, (uint8_t)error};
	char path[256];
	uint32_t number;

	size_t len = slurp(in_dir(f, "identity.tox", path), before, sizeof(before));
	assert_int_equal(toxnet_friend_accept(tn, key, &number), TT_OK);
	break_save(call, errors[error].err);
	f->last_line[0] = '\0';
	assert_int_not_equal(toxnet_save(tn), TT_OK);
	assert_advised(f->last_line, error);
	f->last_line[0] = '\0';
	assert_int_not_equal(toxnet_save(tn), TT_OK);
	assert_string_equal(f->last_line, "");
	assert_int_equal(slurp(path, after, sizeof(after)), len);
	assert_memory_equal(after, before, len);
	assert_int_not_equal(access(in_dir(f, "identity.tox.tmp", path), F_OK), 0);

	break_save(CALL_NONE, 0);
	assert_int_equal(toxnet_save(tn), TT_OK);
	assert_non_null(strstr(f->last_line, "saved again"));
}

static void later_save_that_fails_is_said_once_and_made_up_for(void **state)
{
	struct files *f = *state;
	struct toxnet *tn;
	char why[256];

	assert_int_equal(start(f, &tn, why), TT_OK);
	for (enum call call = CALL_UNLINK; call < CALLS; call++) {
		for (size_t i = 0; i < ERRORS; i++)
			fail_once(f, tn, call, i);
	}
	toxnet_free(tn);
	assert_int_equal(start(f, &tn, why), TT_OK);
	assert_int_equal(toxnet_friend_count(tn), (CALLS - 1) * ERRORS);
	toxnet_free(tn);
}

/* By itself: every minute until it can, and the node goes on meanwhile. */
static void node_tries_again_by_itself(void **state)
{
	struct files *f = *state;
	struct toxnet *tn;
	uint8_t key[TT_KEY_LEN] = {9};
	char why[256];
	uint32_t number;
	tt_time now = clock_now();

	assert_int_equal(start(f, &tn, why), TT_OK);
	toxnet_iterate(tn, now);
	assert_int_equal(toxnet_friend_accept(tn, key, &number), TT_OK);
	break_save(CALL_SYNC, ENOSPC);
	toxnet_iterate(tn, now += TT_MS(1001));
	assert_non_null(strstr(f->last_line, "not saved"));
	break_save(CALL_NONE, 0);
	toxnet_iterate(tn, now += TT_S(59));
	assert_non_null(strstr(f->last_line, "not saved"));
	toxnet_iterate(tn, now += TT_S(2));
	assert_non_null(strstr(f->last_line, "saved again"));

	/* and a last try at the end, which is worth a line of its own */
	break_save(CALL_SYNC, EROFS);
	toxnet_iterate(tn, now += TT_S(301));
	f->last_line[0] = '\0';
	toxnet_free(tn);
	assert_non_null(strstr(f->last_line, "not saved"));
	break_save(CALL_NONE, 0);
}

static void change_of_passphrase_that_fails_changes_nothing(void **state)
{
	struct files *f = *state;
	struct toxnet *tn;
	uint8_t before[8192], after[8192];
	char why[256], path[256];
	struct toxnet_config cfg = {.data_dir = f->dir,
		.passphrase = {.get = get_passphrase, .user = f},
		.log = &f->log};

	assert_int_equal(start(f, &tn, why), TT_OK);
	toxnet_free(tn);
	size_t len = slurp(in_dir(f, "identity.tox", path), before, sizeof(before));
	f->new_passphrase = "correct horse";
	for (enum call call = CALL_UNLINK; call < CALLS; call++) {
		break_save(call, ENOSPC);
		assert_int_not_equal(toxnet_passphrase_change(&cfg, why, sizeof(why)), TT_OK);
		assert_advised(why, 0);
		assert_int_equal(slurp(path, after, sizeof(after)), len);
		assert_memory_equal(after, before, len);
	}
	break_save(CALL_NONE, 0);
}

int main(void)
{
	if (!enter_namespace()) {
		printf("1..0 # SKIP no network namespace for this user\n");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		FILES(first_save_that_fails_ends_the_start),
		FILES(later_save_that_fails_is_said_once_and_made_up_for),
		FILES(node_tries_again_by_itself),
		FILES(change_of_passphrase_that_fails_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
