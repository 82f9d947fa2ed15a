/** How long something took, counted in classes whose upper bounds are round times from 1 ms to 60
 * s. */
#ifndef TT_HISTOGRAM_H
#define TT_HISTOGRAM_H

#include <stdint.h>

#include "tt_time.h"

#define TT_HISTOGRAM_BOUNDS 14

struct tt_histogram {
	uint64_t counts[TT_HISTOGRAM_BOUNDS + 1]; /* the last one: longer than all bounds */
	tt_time sum_us;
};

/** The largest time that class i, below TT_HISTOGRAM_BOUNDS, takes in. */
tt_time tt_histogram_bound_us(unsigned i);

void tt_histogram_add(struct tt_histogram *h, tt_time us);
void tt_histogram_merge(struct tt_histogram *into, const struct tt_histogram *h);

#endif
