/**
 * Intrusive binary min-heap of deadlines. Insert, change and remove cost O(log n), the earliest is
 * read in O(1). The heap owns its array of pointers; the nodes live inside their owners.
 */
#ifndef TT_HEAP_H
#define TT_HEAP_H

#include <stddef.h>

#include "tt_mem.h"
#include "tt_time.h"

#define TT_HEAP_OUT SIZE_MAX

struct tt_heap_node {
	tt_time key;
	size_t pos; /* index in the heap, TT_HEAP_OUT when it is in none */
};

struct tt_heap {
	struct tt_heap_node **v;
	size_t n, cap;
	const struct tt_mem *mem; /* borrowed */
};

void tt_heap_init(struct tt_heap *h, const struct tt_mem *mem);

/** Frees the array; the nodes stay their owners'. */
void tt_heap_clear(struct tt_heap *h);

/** Room for n nodes in all, so that tt_heap_set cannot fail. TT_OK or TT_ENOMEM. */
int tt_heap_reserve(struct tt_heap *h, size_t n);

void tt_heap_node_init(struct tt_heap_node *node);

/**
 * Puts the node at `key`, inserting or moving it; TT_TIME_NEVER takes it out. Room must have been
 * reserved for it.
 */
void tt_heap_set(struct tt_heap *h, struct tt_heap_node *node, tt_time key);

/** The earliest node, NULL when the heap is empty. */
struct tt_heap_node *tt_heap_first(const struct tt_heap *h);

/** Key of the earliest node, TT_TIME_NEVER when the heap is empty. */
tt_time tt_heap_deadline(const struct tt_heap *h);

#endif
