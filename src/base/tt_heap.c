#include "tt_heap.h"

#include <assert.h>
#include <stdint.h>

#include "tt_err.h"

void tt_heap_init(struct tt_heap *h, const struct tt_mem *mem)
{
	*h = (struct tt_heap){.mem = mem};
}

void tt_heap_clear(struct tt_heap *h)
{
	tt_free(h->mem, h->v);
	*h = (struct tt_heap){.mem = h->mem};
}

int tt_heap_reserve(struct tt_heap *h, size_t n)
{
	if (n <= h->cap)
		return TT_OK;
	size_t cap = h->cap ? h->cap * 2 : 8;
	if (cap < n)
		cap = n;
	struct tt_heap_node **v = tt_realloc(h->mem, h->v, cap * sizeof(struct tt_heap_node *));
	if (!v)
		return TT_ENOMEM;
	h->v = v;
	h->cap = cap;
	return TT_OK;
}

void tt_heap_node_init(struct tt_heap_node *node)
{
	node->key = TT_TIME_NEVER;
	node->pos = TT_HEAP_OUT;
}

static void put(struct tt_heap *h, struct tt_heap_node *node, size_t pos)
{
	h->v[pos] = node;
	node->pos = pos;
}

static void sift_up(struct tt_heap *h, size_t pos)
{
	struct tt_heap_node *node = h->v[pos];
	while (pos > 0) {
		size_t parent = (pos - 1) / 2;
		if (h->v[parent]->key <= node->key)
			break;
		put(h, h->v[parent], pos);
		pos = parent;
	}
	put(h, node, pos);
}

static void sift_down(struct tt_heap *h, size_t pos)
{
	struct tt_heap_node *node = h->v[pos];
	for (;;) {
		size_t child = 2 * pos + 1;
		if (child >= h->n)
			break;
		if (child + 1 < h->n && h->v[child + 1]->key < h->v[child]->key)
			child++;
		if (h->v[child]->key >= node->key)
			break;
		put(h, h->v[child], pos);
		pos = child;
	}
	put(h, node, pos);
}

static void take_out(struct tt_heap *h, struct tt_heap_node *node)
{
	size_t pos = node->pos;
	struct tt_heap_node *last = h->v[--h->n];
	node->pos = TT_HEAP_OUT;
	node->key = TT_TIME_NEVER;
	if (last == node)
		return;
	put(h, last, pos);
	sift_up(h, pos);
	sift_down(h, last->pos);
}

void tt_heap_set(struct tt_heap *h, struct tt_heap_node *node, tt_time key)
{
	if (key == TT_TIME_NEVER) {
		if (node->pos != TT_HEAP_OUT)
			take_out(h, node);
		return;
	}
	if (node->pos == TT_HEAP_OUT) {
		assert(h->n < h->cap);
		node->key = key;
		put(h, node, h->n++);
		sift_up(h, node->pos);
		return;
	}
	tt_time old = node->key;
	node->key = key;
	if (key < old)
		sift_up(h, node->pos);
	else if (key > old)
		sift_down(h, node->pos);
}

struct tt_heap_node *tt_heap_first(const struct tt_heap *h)
{
	return h->n ? h->v[0] : NULL;
}

tt_time tt_heap_deadline(const struct tt_heap *h)
{
	return h->n ? h->v[0]->key : TT_TIME_NEVER;
}
