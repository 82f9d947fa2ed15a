/** What the tests of src/toxnet need to run a node. */
#ifndef NODE_H
#define NODE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tt_log.h"
#include "tt_time.h"

static inline tt_time clock_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return TT_S((tt_time)ts.tv_sec) + (tt_time)ts.tv_nsec / 1000;
}

/* Keeps the last line; user is an array of 256. */
static inline void log_write(void *user, enum tt_log_level level, const char *line)
{
	(void)level;
	char *last = user;
	if (getenv("TEST_LOG"))
		fprintf(stderr, "# %s\n", line);
	snprintf(last, 256, "%s", line);
}

#endif
