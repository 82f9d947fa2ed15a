/** Numbers of a seeded stream; never the C library's. splitmix64: every seed is as good as another.
 */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct sim_rng {
	uint64_t state;
};

static inline uint64_t sim_rng_next(struct sim_rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/** 0..n-1; 0 for n 0. */
static inline uint64_t sim_rng_below(struct sim_rng *rng, uint64_t n)
{
	return n ? sim_rng_next(rng) % n : 0;
}

/** True in so many of a million cases; takes no number when that is none. */
static inline bool sim_rng_chance(struct sim_rng *rng, uint32_t millionths)
{
	return millionths > 0 && sim_rng_below(rng, 1000000) < millionths;
}

#endif
