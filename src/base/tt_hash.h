/**
 * Hash of numbers that a peer chooses. With a hash that it knows, a peer could choose thousands
 * that fall into one bucket of a hash table, and each look-up would walk along all of them; this
 * one has a secret key, random for each table or process.
 *
 * h(x) = (a x + b mod 2^64) / 2^32 is strongly universal (Dietzfelbinger 1996, "Universal hashing
 * and k-wise independent random variables via integer arithmetic without primes"): any two numbers
 * meet in one of n buckets for one key in n, whichever bits the buckets go by.
 */
#ifndef TT_HASH_H
#define TT_HASH_H

#include <stdint.h>

struct tt_hash_key {
	uint64_t a, b;
};

/** A key of zeros is a key too, but everybody knows it. */
static inline uint32_t tt_hash(const struct tt_hash_key *k, uint32_t x)
{
	return (uint32_t)(((k->a ^ 0x9e3779b97f4a7c15u) * x + (k->b ^ 0xbf58476d1ce4e5b9u)) >> 32);
}

#endif
