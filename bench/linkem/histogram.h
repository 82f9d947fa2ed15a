/**
 * Times in microseconds, counted in buckets that are at most 1/32 of their value wide, so that a
 * quantile is right within 3 % however many times were added.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_SUB (1u << HISTOGRAM_SUB_BITS)

/* Zeroed: empty. */
struct histogram {
	uint64_t count, max;
	uint64_t bucket[(32 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB];
};

/** Times above 2^32 - 1 count as that. */
void histogram_add(struct histogram *h, uint64_t us);

/** The least time that a share `q` of all are not above, 0 when there is none. */
uint64_t histogram_quantile(const struct histogram *h, double q);

#endif
