/*
 * The data directory, which only its owner may use, and whole files in it that are replaced in one
 * step. What is wrong with it is said with what to do about it; nothing in it is ever given up.
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
#define FILE_MAX (16u << 20)

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

/* What the user can do about it: the end of a sentence. */
static const char *advice(int err)
{
	switch (err) {
	case ENOSPC:
	case EDQUOT:
		return "; make room on its file system";
	case EROFS:
		return "; make its file system writable, or choose another directory with "
		       "--data-dir";
	case EACCES:
	case EPERM:
		return "; give it to the user that toxtun runs as, or choose another directory "
		       "with --data-dir";
	case ENOTDIR:
		return "; choose a directory with --data-dir";
	case EISDIR:
		return "; move that directory out of the way";
	case ELOOP:
		return "; put the file itself there in place of a symbolic link, or choose the "
		       "directory that it is in with --data-dir";
	default:
		return "";
	}
}

/* "what DIR/NAME: error; advice", and a code for it. */
static int failed(
	const struct toxnet *tn, const char *what, const char *name, int err, char *why, size_t cap)
{
	say("%s %s/%s: %s%s", what, tn->dir, name, strerror(err), advice(err));
	return os_error(err);
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
	if (faccessat(fd, TOXNET_SAVE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
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

static int dir_check(const struct toxnet *tn, char *why, size_t cap)
{
	const char *path = tn->dir;
	struct stat st;
	if (fstat(tn->dir_fd, &st) != 0)
		return failed(tn, "cannot use", ".", errno, why, cap);
	if (st.st_uid != geteuid()) {
		say("the data directory %s belongs to user %u and we are user %u; run as that "
		    "user, or give the directory to this one (chown -R), or choose another with "
		    "--data-dir",
			path, (unsigned)st.st_uid, (unsigned)geteuid());
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
		say("the data directory %s is open to other users and cannot be closed: %s%s", path,
			strerror(err), advice(err));
		return os_error(err);
	}
	tt_warn(tn->cfg.log, "the data directory %s was open to other users (mode %03o), now 700",
		path, (unsigned)st.st_mode & 0777u);
	return TT_OK;
}

static int dir_lock(struct toxnet *tn, char *why, size_t cap)
{
	char pid[32];
	tn->lock_fd =
		openat(tn->dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (tn->lock_fd < 0)
		return failed(tn, "cannot open", LOCK_FILE, errno, why, cap);
	/* flock, not fcntl: it also holds between two nodes of one process. */
	if (flock(tn->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			return failed(tn, "cannot lock", LOCK_FILE, errno, why, cap);
		ssize_t n = pread(tn->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		pid[strspn(pid, "0123456789")] = '\0';
		say("the data directory %s is in use by another toxtun%s%s; stop it or choose "
		    "another with --data-dir",
			tn->dir, pid[0] ? ", pid " : "", pid);
		return TT_EBUSY;
	}
	int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(tn->lock_fd, 0) != 0 || pwrite(tn->lock_fd, pid, (size_t)n, 0) != n)
		tt_warn(tn->cfg.log, "%s/" LOCK_FILE ": %s", tn->dir, strerror(errno));
	return TT_OK;
}

int toxnet_dir_open(struct toxnet *tn, const char *path, bool lock, char *why, size_t cap)
{
	tn->dir = strdup(path);
	if (!tn->dir) {
		say("out of memory");
		return TT_ENOMEM;
	}
	if (make_dirs(path) != 0 ||
		(tn->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		int err = errno;
		say("cannot use the data directory %s: %s%s", path, strerror(err), advice(err));
		return os_error(err);
	}
	int rc = dir_check(tn, why, cap);
	return rc == TT_OK && lock ? dir_lock(tn, why, cap) : rc;
}

void toxnet_dir_close(struct toxnet *tn)
{
	if (tn->lock_fd >= 0)
		close(tn->lock_fd);
	if (tn->dir_fd >= 0)
		close(tn->dir_fd);
	tn->lock_fd = tn->dir_fd = -1;
	free(tn->dir);
	tn->dir = NULL;
}

void toxnet_blob_clear(struct toxnet_blob *b)
{
	if (b->data) {
		sodium_memzero(b->data, b->len);
		free(b->data);
	}
	*b = (struct toxnet_blob){0};
}

/* TT_OK when what is open as fd is a file that we may take for ours. */
static int file_check(
	const struct toxnet *tn, const char *name, const struct stat *st, char *why, size_t cap)
{
	bool regular = S_ISREG(st->st_mode);

	if (regular && st->st_uid != geteuid()) {
		say("%s/%s belongs to user %u and we are user %u; run as that user, or give the "
		    "file to this one (chown)",
			tn->dir, name, (unsigned)st->st_uid, (unsigned)geteuid());
		return TT_EPERM;
	}
	if (regular && st->st_size > 0 && st->st_size <= (off_t)FILE_MAX)
		return TT_OK;
	say("%s/%s is %s; it was left alone, restore it from a copy or remove it to start with a "
	    "new one",
		tn->dir, name,
		S_ISDIR(st->st_mode) ? "a directory"
		: !regular           ? "no regular file"
		: st->st_size == 0   ? "empty"
				     : "damaged (it is too large)");
	return TT_EPROTO;
}

int toxnet_file_read(
	const struct toxnet *tn, const char *name, struct toxnet_blob *out, char *why, size_t cap)
{
	int rc = TT_OK;
	struct toxnet_blob b = {0};
	struct stat st;
	/* A link would be replaced by a file at the next save, and a dangling one looks as if there
	 * was nothing yet. */
	int fd = openat(tn->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return TT_ENOENT;
	if (fd < 0 || fstat(fd, &st) != 0) {
		rc = failed(tn, "cannot read", name, errno, why, cap);
		goto out;
	}
	rc = file_check(tn, name, &st, why, cap);
	if (rc != TT_OK)
		goto out;
	if ((st.st_mode & 077) != 0) {
		tt_warn(tn->cfg.log, "%s/%s was readable by other users (mode %03o)%s", tn->dir,
			name, (unsigned)st.st_mode & 0777u,
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
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) { /* 0: it became shorter under our hands */
			rc = failed(tn, "cannot read", name, n < 0 ? errno : EIO, why, cap);
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

static bool write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return true;
}

int toxnet_file_write(const struct toxnet *tn, const char *name, const uint8_t *data, size_t len,
	char *why, size_t cap)
{
	char tmp[64];
	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	/* We hold the lock, so what is left of an earlier try is nobody's. */
	if (unlinkat(tn->dir_fd, tmp, 0) != 0 && errno != ENOENT)
		return failed(tn, "cannot replace", tmp, errno, why, cap);
	int fd = openat(tn->dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(tn, "cannot write", tmp, errno, why, cap);
	int err = write_all(fd, data, len) && fsync(fd) == 0 ? 0 : errno;
	if (close(fd) != 0 && !err)
		err = errno;
	if (!err && renameat(tn->dir_fd, tmp, tn->dir_fd, name) != 0)
		err = errno;
	if (err) {
		unlinkat(tn->dir_fd, tmp, 0);
		return failed(tn, "cannot write", name, err, why, cap);
	}
	fsync(tn->dir_fd); /* some file systems cannot; the file itself is safe */
	return TT_OK;
}
