/** A data directory for a test, and nodes in it. */
#ifndef DATADIR_H
#define DATADIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node.h"
#include "toxnet.h"
#include "tt_err.h"

#define FILES(name) cmocka_unit_test_setup_teardown(name, files_setup, files_teardown)

struct files {
	char root[64], dir[128];
	char last_line[256];
	struct tt_log log;
	const char *new_passphrase; /* what get_passphrase answers */
	const char *passphrase[4];  /* the same for a save that there is, try by try */
	unsigned asked;             /* how often it was */
};

static inline int files_setup(void **state)
{
	struct files *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->log = (struct tt_log){.write = log_write, .user = f->last_line, .level = TT_LOG_INFO};
	snprintf(f->root, sizeof(f->root), "/tmp/test_toxnet.XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->dir, sizeof(f->dir), "%s/a/b", f->root);
	*state = f;
	return 0;
}

static inline int files_teardown(void **state)
{
	struct files *f = *state;
	static const char *const names[] = {
		"a/b/lock", "a/b/identity.tox", "a/b/node.key", "a/b/other", "a/b", "a"};
	char path[256];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->root, names[i]);
		remove(path);
	}
	assert_int_equal(rmdir(f->root), 0); /* nothing else was left behind */
	free(f);
	return 0;
}

static inline int get_passphrase(void *user, enum toxnet_passphrase_for what, unsigned tries,
	char dst[TOXNET_PASSPHRASE_MAX], char *why, size_t cap)
{
	struct files *f = user;
	const char *text = what == TOXNET_PASSPHRASE_NEW ? f->new_passphrase
			   : tries < 4                   ? f->passphrase[tries]
							 : NULL;

	f->asked++;
	if (!text) {
		snprintf(why, cap, "no passphrase after %u tries", tries);
		return tries > 0 ? -1 : 0;
	}
	return snprintf(dst, TOXNET_PASSPHRASE_MAX, "%s", text);
}

static inline const char *in_dir(const struct files *f, const char *name, char dst[256])
{
	snprintf(dst, 256, "%s/%s", f->dir, name);
	return dst;
}

static inline int start_as(struct files *f, bool node, struct toxnet **out, char why[256])
{
	struct toxnet_config cfg = {.data_dir = f->dir,
		.keep_dht_key = node,
		.passphrase = {.get = get_passphrase, .user = f},
		.udp = true,
		.log = &f->log};
	why[0] = '\0';
	return toxnet_new(out, &cfg, clock_now(), why, 256);
}

static inline int start(struct files *f, struct toxnet **out, char why[256])
{
	return start_as(f, false, out, why);
}

static inline unsigned mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777u;
}

static inline size_t slurp(const char *path, uint8_t *dst, size_t cap)
{
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	ssize_t n = read(fd, dst, cap);
	assert_true(n >= 0);
	close(fd);
	return (size_t)n;
}

static inline void spit(const char *path, const uint8_t *src, size_t n)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, src, n), n);
	close(fd);
}

#endif
