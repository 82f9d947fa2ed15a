/**
 * Memory that many streams draw from: of one peer, and above it of the process. A stream may hold
 * as much as is free ("dynamic threshold", Choudhury and Hahne 1998): one that is stuck gets half
 * of it at most, n that get stuck together leave the n+1st part to the others (one after the other
 * each takes half of what was left), and nobody has to be told a share of his own beforehand. The
 * same holds for the peers: however many streams each of them has, some remains for one more.
 */
#ifndef KCP_BUDGET_H
#define KCP_BUDGET_H

#include <stddef.h>
#include <stdint.h>

struct kcp_budget {
	struct kcp_budget *parent; /* borrowed, may be NULL */
	size_t cap, used;          /* bytes */
};

/** Bytes that may still be taken; b may be NULL: no limit. */
static inline size_t kcp_budget_free(const struct kcp_budget *b)
{
	size_t left = SIZE_MAX;

	size_t held = 0; /* by the budget below this one */

	for (; b; b = b->parent) {
		size_t here = b->cap > b->used ? b->cap - b->used : 0;
		here = here > held ? here - held : 0;
		left = here < left ? here : left;
		held = b->used;
	}
	return left;
}

/** What a stream that holds `held` bytes may take more, so that it holds what is free then. */
static inline size_t kcp_budget_room(const struct kcp_budget *b, size_t held)
{
	size_t left = kcp_budget_free(b);
	return left > held ? (left - held) / 2 : 0;
}

static inline void kcp_budget_take(struct kcp_budget *b, size_t bytes)
{
	for (; b; b = b->parent)
		b->used += bytes;
}

static inline void kcp_budget_give(struct kcp_budget *b, size_t bytes)
{
	for (; b; b = b->parent)
		b->used -= bytes;
}

#endif
