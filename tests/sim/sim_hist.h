/**
 * How times are distributed: counts in buckets that are 1/64 of their value wide at most, so that
 * millions of samples cost no memory and a quantile is right to 2 %.
 */
#ifndef SIM_HIST_H
#define SIM_HIST_H

#include <stdint.h>

#include "tt_time.h"

#define SIM_HIST_BUCKETS (64 * 28) /* up to 2^33 us, two hours; what is longer counts as that */

struct sim_hist {
	uint64_t n;
	tt_time max;
	uint32_t bucket[SIM_HIST_BUCKETS];
};

void sim_hist_add(struct sim_hist *h, tt_time t);

/** The time that a share q (0..1) of the samples does not exceed; 0 when there are none. */
tt_time sim_hist_quantile(const struct sim_hist *h, double q);

#endif
