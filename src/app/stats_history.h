/** What was measured of a peer in each second of the last five minutes, for plots. */
#ifndef STATS_HISTORY_H
#define STATS_HISTORY_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "tt_time.h"

#define STATS_HISTORY_MAX 300

struct stats_point {
	tt_time at;                    /* end of the second */
	uint32_t rate_in, rate_out;    /* payload, bytes a second */
	uint32_t rtt_us;               /* 0: the peer was not heard */
	uint32_t sent, lost, repeated; /* segments */
	bool online;                   /* else nothing of the above but `at` counts */
};

struct stats_history;

/** Adds a point and drops the oldest one when there are enough. Makes *h when it is NULL; without
 * memory nothing is kept. */
void stats_history_add(struct stats_history **h, const struct stats_point *p);

void stats_history_free(struct stats_history *h);

/** The points, the oldest first, as an array of doc/stats.md. h may be NULL: there are none. `now`
 * is wall_us, microseconds since 1970. */
cJSON *stats_history_json(const struct stats_history *h, tt_time now, uint64_t wall_us);

#endif
