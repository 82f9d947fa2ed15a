/*
 * The data directory:
 *   lock          held with flock for as long as the process lives; says its pid
 *   identity.tox  toxcore's save file: secret key, friends, known DHT nodes
 *   node.key      secret half of the DHT key, for `toxtun node` only
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "toxnet_int.h"
#include "tt_err.h"

#define LOCK_FILE "lock"
#define SAVE_FILE "identity.tox"
#define NODE_KEY_FILE "node.key"
#define SAVE_MAX (16u << 20)

/* toxcore/state.h and Messenger.h: how a save file is laid out, integers little endian. */
#define SAVE_MAGIC 0x15ed1b1fu
#define SAVE_SECTION_MAGIC 0x01ceu
#define SAVE_SECTION_KEYS 1u /* nospam (4), public key (32), secret key (32) */
#define SAVE_SECTION_END 255u

#define say(...) snprintf(why, cap, __VA_ARGS__)

static int os_error(int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
	case EROFS:
		return TT_EPERM;
	case ENOMEM:
		return TT_ENOMEM;
	default:
		return TT_EIO;
	}
}

/* mkdir -p; what is made is private, parents too (XDG base directory specification). */
static int make_dirs(const char *path)
{
	char part[4096];
	size_t len = strlen(path);
	if (len == 0 || len >= sizeof(part)) {
		errno = len == 0 ? ENOENT : ENAMETOOLONG;
		return -1;
	}
	memcpy(part, path, len + 1);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return -1;
		*p = '/';
	}
	return mkdir(part, 0700) != 0 && errno != EEXIST ? -1 : 0;
}

/* True for a directory with a save file or with nothing in it. */
static bool dir_is_ours(int fd)
{
	if (faccessat(fd, SAVE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	if (!dir) {
		if (copy >= 0)
			close(copy);
		return false;
	}
	bool empty = true;
	for (struct dirent *e; empty && (e = readdir(dir));)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	closedir(dir);
	return empty;
}

static int dir_check(struct toxnet *tn, const char *path, char *why, size_t cap)
{
	struct stat st;
	if (fstat(tn->dir_fd, &st) != 0) {
		int err = errno;
		say("%s: %s", path, strerror(err));
		return os_error(err);
	}
	if (st.st_uid != geteuid()) {
		say("the data directory %s belongs to user %u and we are user %u", path,
			(unsigned)st.st_uid, (unsigned)geteuid());
		return TT_EPERM;
	}
	if ((st.st_mode & 077) == 0)
		return TT_OK;
	/* Somebody who points -d at /etc must not find it closed to everybody else. */
	if (!dir_is_ours(tn->dir_fd)) {
		if ((st.st_mode & 022) == 0) {
			tt_warn(tn->cfg.log, "the data directory %s is readable by other users",
				path);
			return TT_OK;
		}
		say("the data directory %s is writable by other users and holds files that are not "
		    "ours; give toxtun a directory of its own",
			path);
		return TT_EPERM;
	}
	if (fchmod(tn->dir_fd, 0700) != 0) {
		int err = errno;
		say("the data directory %s is open to other users and cannot be closed: %s", path,
			strerror(err));
		return os_error(err);
	}
	tt_warn(tn->cfg.log, "the data directory %s was open to other users (mode %03o), now 700",
		path, (unsigned)st.st_mode & 0777u);
	return TT_OK;
}

static int dir_lock(struct toxnet *tn, const char *path, char *why, size_t cap)
{
	char pid[32];
	tn->lock_fd =
		openat(tn->dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (tn->lock_fd < 0) {
		int err = errno;
		say("%s/" LOCK_FILE ": %s", path, strerror(err));
		return os_error(err);
	}
	/* flock, not fcntl: it also holds between two nodes of one process. */
	if (flock(tn->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		int err = errno;
		if (err != EWOULDBLOCK) {
			say("%s/" LOCK_FILE ": %s", path, strerror(err));
			return os_error(err);
		}
		ssize_t n = pread(tn->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		pid[strspn(pid, "0123456789")] = '\0';
		say("the data directory %s is in use by another toxtun%s%s; stop it or choose "
		    "another with --data-dir",
			path, pid[0] ? ", pid " : "", pid);
		return TT_EBUSY;
	}
	int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(tn->lock_fd, 0) != 0 || pwrite(tn->lock_fd, pid, (size_t)n, 0) != n)
		tt_warn(tn->cfg.log, "%s/" LOCK_FILE ": %s", path, strerror(errno));
	return TT_OK;
}

int toxnet_dir_open(struct toxnet *tn, const char *path, char *why, size_t cap)
{
	if (make_dirs(path) != 0 ||
		(tn->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		int err = errno;
		say("cannot use the data directory %s: %s", path, strerror(err));
		return os_error(err);
	}
	int rc = dir_check(tn, path, why, cap);
	return rc == TT_OK ? dir_lock(tn, path, why, cap) : rc;
}

void toxnet_dir_close(struct toxnet *tn)
{
	if (tn->lock_fd >= 0)
		close(tn->lock_fd);
	if (tn->dir_fd >= 0)
		close(tn->dir_fd);
	tn->lock_fd = tn->dir_fd = -1;
}

void toxnet_blob_clear(struct toxnet_blob *b)
{
	if (b->data) {
		sodium_memzero(b->data, b->len);
		free(b->data);
	}
	*b = (struct toxnet_blob){0};
}

/* A whole file of secrets. TT_ENOENT, or an error with its sentence. */
static int file_read(
	const struct toxnet *tn, const char *name, struct toxnet_blob *out, char *why, size_t cap)
{
	int rc = TT_OK;
	struct toxnet_blob b = {0};
	struct stat st;
	int fd = openat(tn->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return TT_ENOENT;
	if (fd < 0 || fstat(fd, &st) != 0) {
		rc = os_error(errno);
		say("%s in the data directory cannot be read: %s", name, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > (off_t)SAVE_MAX) {
		rc = TT_EPROTO;
		say("%s in the data directory is %s; it was left alone, restore it from a copy or "
		    "remove it to start with a new identity",
			name, st.st_size == 0 ? "empty" : "damaged");
		goto out;
	}
	if ((st.st_mode & 077) != 0) {
		tt_warn(tn->cfg.log, "%s was readable by other users (mode %03o)%s", name,
			(unsigned)st.st_mode & 0777u,
			fchmod(fd, 0600) == 0 ? ", now 600" : " and that cannot be changed");
	}
	b.len = (size_t)st.st_size;
	b.data = malloc(b.len);
	if (!b.data) {
		rc = TT_ENOMEM;
		say("out of memory");
		goto out;
	}
	for (size_t got = 0; got < b.len;) {
		ssize_t n = read(fd, b.data + got, b.len - got);
		if (n <= 0) {
			rc = TT_EIO;
			say("%s in the data directory cannot be read: %s", name,
				n < 0 ? strerror(errno) : "it became shorter");
			goto out;
		}
		got += (size_t)n;
	}
	*out = b;
	b = (struct toxnet_blob){0};
out:
	toxnet_blob_clear(&b);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Never leaves anything but the old or the new file. errno says why on TT_EIO. */
static int file_write(const struct toxnet *tn, const char *name, const uint8_t *data, size_t len)
{
	char tmp[64];
	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	/* We hold the lock, so what is left of an earlier try is nobody's. */
	unlinkat(tn->dir_fd, tmp, 0);
	int fd = openat(tn->dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return TT_EIO;
	bool ok = true;
	for (size_t put = 0; ok && put < len;) {
		ssize_t n = write(fd, data + put, len - put);
		ok = n > 0 || (n < 0 && errno == EINTR);
		put += n > 0 ? (size_t)n : 0;
	}
	ok = ok && fsync(fd) == 0;
	int err = errno;
	if (close(fd) != 0 && ok) {
		ok = false;
		err = errno;
	}
	if (ok && renameat(tn->dir_fd, tmp, tn->dir_fd, name) != 0) {
		ok = false;
		err = errno;
	}
	if (!ok) {
		unlinkat(tn->dir_fd, tmp, 0);
		errno = err;
		return TT_EIO;
	}
	fsync(tn->dir_fd); /* some file systems cannot; the file itself is safe */
	return TT_OK;
}

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

int toxnet_identity_load(const struct toxnet *tn, struct toxnet_blob *out, char *why, size_t cap)
{
	int rc = file_read(tn, SAVE_FILE, out, why, cap);
	if (rc == TT_ENOENT)
		return TT_OK;
	if (rc == TT_OK && !save_is_whole(out->data, out->len)) {
		toxnet_blob_clear(out);
		say(SAVE_FILE " in the data directory is damaged or encrypted; it was left alone, "
			      "restore it from a copy or remove it to start with a new identity");
		rc = TT_EPROTO;
	}
	return rc;
}

int toxnet_node_key(const struct toxnet *tn, uint8_t secret[TT_KEY_LEN], char *why, size_t cap)
{
	struct toxnet_blob b = {0};
	int rc = file_read(tn, NODE_KEY_FILE, &b, why, cap);

	if (rc == TT_OK && b.len != TT_KEY_LEN) {
		say(NODE_KEY_FILE
			" in the data directory is damaged; it was left alone, restore it "
			"from a copy or remove it to start with a new node key");
		rc = TT_EPROTO;
	} else if (rc == TT_OK) {
		memcpy(secret, b.data, TT_KEY_LEN);
	} else if (rc == TT_ENOENT) {
		randombytes_buf(secret, TT_KEY_LEN);
		rc = file_write(tn, NODE_KEY_FILE, secret, TT_KEY_LEN);
		if (rc != TT_OK)
			say("cannot write " NODE_KEY_FILE ": %s", strerror(errno));
	}
	toxnet_blob_clear(&b);
	return rc;
}

void toxnet_save_soon(struct toxnet *tn)
{
	tn->save_due = true;
	tn->save_at = tt_time_min(tn->save_at, tn->now + TT_S(1));
}

int toxnet_save(struct toxnet *tn)
{
	struct toxnet_blob b = {0};

	if (!tn->save_due || tn->dir_fd < 0)
		return TT_OK;
	b.len = tox_get_savedata_size(tn->tox);
	b.data = malloc(b.len);
	if (!b.data)
		return TT_EIO;
	tox_get_savedata(tn->tox, b.data);
	int rc = file_write(tn, SAVE_FILE, b.data, b.len);
	int err = errno;
	toxnet_blob_clear(&b);
	if (rc == TT_OK)
		tn->save_due = false;
	else
		tt_error(tn->cfg.log, "cannot save the identity: %s", strerror(err));
	errno = err;
	return rc;
}
