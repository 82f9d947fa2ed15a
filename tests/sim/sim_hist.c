#include "sim_hist.h"

#include <stddef.h>

/* Below 64 a bucket for each microsecond, then 64 buckets for each doubling. */
static size_t bucket_of(tt_time t)
{
	unsigned shift = 0;
	while (t >> shift >= 128)
		shift++;
	size_t i = shift * 64 + (size_t)(t >> shift);
	return i < SIM_HIST_BUCKETS ? i : SIM_HIST_BUCKETS - 1;
}

/* The largest time that falls into it. */
static tt_time bucket_end(size_t i)
{
	if (i < 128)
		return i;
	size_t shift = i / 64 - 1;
	return ((tt_time)(i - shift * 64 + 1) << shift) - 1;
}

void sim_hist_add(struct sim_hist *h, tt_time t)
{
	h->n++;
	h->max = t > h->max ? t : h->max;
	h->bucket[bucket_of(t)]++;
}

tt_time sim_hist_quantile(const struct sim_hist *h, double q)
{
	uint64_t below = 0;
	for (size_t i = 0; i < SIM_HIST_BUCKETS; i++) {
		below += h->bucket[i];
		if (below > 0 && (double)below >= q * (double)h->n)
			return tt_time_min(bucket_end(i), h->max);
	}
	return h->max;
}
