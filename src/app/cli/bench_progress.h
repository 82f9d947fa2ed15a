/** The line of `toxtun bench` that changes while it runs: on a terminal only, on stderr. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include <stdbool.h>

#include "tt_log.h"
#include "tt_time.h"

struct bench_progress {
	struct tt_log
		log; /* hand this one around: its lines and ours keep out of each other's way */
	const struct tt_log *inner;
	bool on;
	bool drawn;       /* the line is there now */
	const char *step; /* what is being measured */
	tt_time since, length;
	tt_time next_at; /* when it should be drawn again; TT_TIME_NEVER while there is nothing */
};

/** Lines of p->log go to `log`. */
void bench_progress_init(struct bench_progress *p, const struct tt_log *log);

/** A step of this length begins. */
void bench_progress_begin(struct bench_progress *p, const char *step, tt_time length, tt_time now);

/** Draws the line with `figure` at its end. */
void bench_progress_show(struct bench_progress *p, const char *figure, tt_time now);

/** Takes the line away. */
void bench_progress_end(struct bench_progress *p);

#endif
