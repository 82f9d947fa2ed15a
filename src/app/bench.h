/** `toxtun bench`: how fast is the path to a peer. One step after the other, driven by whoever
 * asked for it: the command itself, or a client of the control socket. */
#ifndef BENCH_H
#define BENCH_H

#include "bench_result.h"
#include "bench_stream.h"
#include "reach.h"

#define BENCH_WAITING REACH_WAITING

enum bench_line {
	BENCH_OUT,      /* of the result, at the end */
	BENCH_ERROR,    /* why there is none, or not all of it */
	BENCH_PROGRESS, /* how far it is: stands for the one before */
};

enum bench_phase { BENCH_OPEN, BENCH_FIRST, BENCH_RUN, BENCH_DRAIN };

struct bench {
	struct reach reach;
	char tag[9];
	bool reached;
	struct bench_result result;
	struct bench_samples ignored;

	/* of the step */
	size_t step;
	tt_time since;
	enum bench_phase phase;
	tt_time limit; /* of the phase */
	struct link_stats before;
	struct bench_stream streams[2];
	size_t n_streams;
	size_t n_draining; /* of them */

	tt_time progress_at;
	/* the caller's */
	bool json;
	void (*say)(void *user, enum bench_line kind, const char *line);
	void *user;
};

/** As reach_start; the rest of *b is the caller's to set, then or before. */
int bench_start(struct bench *b, struct app *app, const struct tt_peer_id *id, uint32_t seconds);

/** BENCH_WAITING: call again after the next round; else the exit code, and all is said. */
int bench_poll(struct bench *b);
tt_time bench_deadline(const struct bench *b);

/** Ends it before its time and says what there is. The exit code. */
int bench_cut(struct bench *b);

/** Ends its connections. */
void bench_clear(struct bench *b);

#endif
