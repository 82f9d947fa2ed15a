/** The line of `toxtun bench` that changes while it runs: on a terminal only, on stderr. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include "live_line.h"
#include "tt_time.h"

struct bench_progress {
	struct live_line *line; /* borrowed */
	const char *step;       /* what is being measured */
	tt_time since, length;
	tt_time next_at; /* when it should be drawn again; TT_TIME_NEVER while there is nothing */
};

void bench_progress_init(struct bench_progress *p, struct live_line *line);

/** A step of this length begins. */
void bench_progress_begin(struct bench_progress *p, const char *step, tt_time length, tt_time now);

/** Draws the line with `figure` at its end. */
void bench_progress_show(struct bench_progress *p, const char *figure, tt_time now);

/** Takes the line away. */
void bench_progress_end(struct bench_progress *p);

#endif
