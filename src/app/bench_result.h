/** The figures of `toxtun bench`, and how they are shown. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tt_key.h"
#include "tt_time.h"

#define BENCH_SAMPLES_MAX 2000
#define BENCH_ECHO_SIZE 64
#define BENCH_SCHEMA 1

/** Times in microseconds. */
struct bench_samples {
	uint32_t us[BENCH_SAMPLES_MAX];
	size_t n;
};

/** One more, while there is room. */
void bench_samples_add(struct bench_samples *s, tt_time us);
void bench_samples_sort(struct bench_samples *s);
/** The least sample that `permille` of all do not exceed; sorted ones, n > 0. 0: the least of all.
 */
tt_time bench_samples_quantile(const struct bench_samples *s, unsigned permille);

/** One direction of one step; bytes 0: not measured. */
struct bench_transfer {
	uint64_t bytes; /* that arrived within the time of the step, counted where they arrived */
	tt_time us;     /* from the first of them to the end of the step */
	/* of the sending side's link, all of the step */
	uint64_t segs_sent, segs_repeated;
	uint64_t bytes_sent, payload_sent;
};

/** Bytes a second; repeated segments of all that were sent, 0 to 1; bytes of lossy packets for each
 * byte of payload. 0 where nothing was counted. */
double bench_rate(uint64_t bytes, tt_time us);
double bench_repeated(const struct bench_transfer *t);
double bench_overhead(const struct bench_transfer *t);

enum bench_step { BENCH_DOWN, BENCH_UP, BENCH_BOTH_DOWN, BENCH_BOTH_UP, BENCH_STEPS };

struct bench_result {
	uint8_t key[TT_KEY_LEN];
	char name[64];          /* of the peer, may be empty */
	const char *first_path; /* static texts, as peer_path_name */
	const char *path;       /* at the end */
	uint32_t seconds;       /* of each step */
	struct bench_samples open, echo;
	struct bench_transfer steps[BENCH_STEPS];
	bool complete; /* false: something went wrong, or the user ended it */
};

/** True when there is anything to show. */
bool bench_result_any(const struct bench_result *r);

/** A table for people, within 80 columns. The samples must be sorted. */
void bench_result_print(const struct bench_result *r, FILE *out);

/** The same for programs, see toxtun(1); to be freed. NULL without memory. */
char *bench_result_json(const struct bench_result *r);

/** Megabytes (or megabytes a second) with the digits that fit its size, at most 15 of them. */
const char *bench_mega(double bytes, char dst[16]);

#endif
