/**
 * Which segments of a window have arrived: bits in a ring, searched a word at a time, because every
 * acknowledgement names whole ranges of them.
 */
#ifndef TCP_SACK_H
#define TCP_SACK_H

#include <stdbool.h>
#include <stdint.h>

#define TCP_WINDOW 65536u /* segments; a power of two */

struct tcp_bits {
	uint64_t word[TCP_WINDOW / 64];
};

static inline uint64_t *tcp_bits_word(struct tcp_bits *b, uint64_t seq)
{
	return &b->word[seq % TCP_WINDOW / 64];
}

static inline bool tcp_bits_get(struct tcp_bits *b, uint64_t seq)
{
	return *tcp_bits_word(b, seq) >> seq % 64 & 1;
}

static inline void tcp_bits_set(struct tcp_bits *b, uint64_t seq)
{
	*tcp_bits_word(b, seq) |= 1ull << seq % 64;
}

static inline void tcp_bits_clear(struct tcp_bits *b, uint64_t seq)
{
	*tcp_bits_word(b, seq) &= ~(1ull << seq % 64);
}

/** The first seq in from..to-1 whose bit is `value`; to when there is none. */
static inline uint64_t tcp_bits_next(struct tcp_bits *b, uint64_t from, uint64_t to, bool value)
{
	while (from < to) {
		uint64_t w = *tcp_bits_word(b, from);
		w = (value ? w : ~w) >> from % 64;
		if (w) {
			from += (uint64_t)__builtin_ctzll(w);
			return from < to ? from : to;
		}
		from = (from / 64 + 1) * 64;
	}
	return to;
}

/** The lowest seq such that all of seq..to-1 are set, not below `from`. */
static inline uint64_t tcp_bits_run(struct tcp_bits *b, uint64_t from, uint64_t to)
{
	while (to > from) {
		uint64_t w = ~*tcp_bits_word(b, to - 1) << (63 - (to - 1) % 64);
		if (w) {
			uint64_t run = (uint64_t)__builtin_clzll(w);
			return to - from > run ? to - run : from;
		}
		to = (to - 1) / 64 * 64;
	}
	return from;
}

#endif
