#include "histogram.h"

/* Below HISTOGRAM_SUB one bucket a value, then HISTOGRAM_SUB buckets an octave. */
static uint32_t bucket_of(uint32_t us)
{
	if (us < HISTOGRAM_SUB)
		return us;
	uint32_t shift = 31u - (uint32_t)__builtin_clz(us) - HISTOGRAM_SUB_BITS;
	return shift * HISTOGRAM_SUB + (us >> shift);
}

static uint64_t bucket_top(uint32_t i)
{
	if (i < HISTOGRAM_SUB)
		return i;
	uint32_t shift = i / HISTOGRAM_SUB - 1;
	return (((uint64_t)(i % HISTOGRAM_SUB + HISTOGRAM_SUB) + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t us)
{
	h->count++;
	if (us > h->max)
		h->max = us;
	h->bucket[bucket_of(us > UINT32_MAX ? UINT32_MAX : (uint32_t)us)]++;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
	uint64_t seen = 0;
	for (uint32_t i = 0; i < sizeof(h->bucket) / sizeof(h->bucket[0]); i++) {
		seen += h->bucket[i];
		if (seen > 0 && (double)seen >= q * (double)h->count)
			return bucket_top(i) < h->max ? bucket_top(i) : h->max;
	}
	return 0;
}
