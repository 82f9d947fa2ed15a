/** Scenes for pairs of sessions, drawn by seed, and what must be true after each. */
#ifndef PAIR_SCENE_H
#define PAIR_SCENE_H

#include "pair.h"

/** Connections of all kinds over a bad path; without faults. */
struct pair_config pair_draw(uint64_t seed);

/** Adds n outages and changes of the path, one after the other, none longer than `most`. */
void pair_add_outages(struct pair_config *cfg, size_t n, tt_time most);

/**
 * Adds faults of all kinds, one after the other, while connections are open: bursts of loss,
 * darkness up to beyond toxcore's time-out and what follows then, changed paths, suspended ends
 * whose clock jumps or stands still, and with `restarts` processes that come back as others.
 */
void pair_add_faults(struct pair_config *cfg, bool restarts);

/** What is wrong whatever the scene was; NULL: nothing. Static storage. */
const char *pair_verdict(const struct pair_config *cfg, const struct pair_result *r);

/** What is wrong if nothing but the applications may have ended a connection. `late`: opening may
 * have taken too long. */
const char *pair_planned_verdict(
	const struct pair_config *cfg, const struct pair_result *r, bool late);

/** Calls `scene` for the seeds 1 to n, or for the one that TT_SIM_SEED names. */
void pair_for_seeds(uint64_t n, void (*scene)(uint64_t seed));

#endif
