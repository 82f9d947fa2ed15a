#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int logfile_open(struct logfile *f, const char *path)
{
	/* Without O_NONBLOCK a pipe that nobody reads would stop the program. */
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);

	if (fd < 0)
		return errno;
	logfile_close(f);
	f->path = path;
	f->fd = fd;
	return 0;
}

int logfile_write(const struct logfile *f, const char *line, size_t len)
{
	ssize_t n = write(f->fd, line, len);

	if (n == (ssize_t)len)
		return 0;
	/* The part that went in is taken back: every line of the file is a whole one. */
	if (n < 0 || (n > 0 && ftruncate(f->fd, lseek(f->fd, 0, SEEK_END) - n) != 0))
		return errno;
	return ENOSPC;
}

void logfile_close(struct logfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}
