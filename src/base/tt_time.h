/**
 * The one time type: microseconds of a monotonic clock. It is read only in src/loop, once for each
 * wake-up of the event loop, and handed down by value.
 */
#ifndef TT_TIME_H
#define TT_TIME_H

#include <stdint.h>

typedef uint64_t tt_time;

#define TT_TIME_NEVER UINT64_MAX
#define TT_MS(n) ((tt_time)(n)*1000u)
#define TT_S(n) ((tt_time)(n)*1000000u)

static inline tt_time tt_time_min(tt_time a, tt_time b)
{
	return a < b ? a : b;
}

/** a - b, or 0 where b is later than a. */
static inline tt_time tt_time_since(tt_time a, tt_time b)
{
	return a > b ? a - b : 0;
}

#endif
