/** The file of --log-file: lines are appended whole, or not at all. */
#ifndef LOGFILE_H
#define LOGFILE_H

#include <stddef.h>
#include <stdint.h>

struct logfile {
	const char *path; /* borrowed */
	int fd;           /* -1: none */
	uint64_t lost;    /* lines since the last one that was written, for its user to count */
};

/** Opens it, or makes it for its owner alone. 0 or an errno; then one that is open stays in use. */
int logfile_open(struct logfile *f, const char *path);

/** Writes a line that has its end. 0 or an errno. */
int logfile_write(const struct logfile *f, const char *line, size_t len);

void logfile_close(struct logfile *f);

#endif
