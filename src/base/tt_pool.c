#include "tt_pool.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <utlist.h>

#include "tt_err.h"

#define ALIGN alignof(max_align_t)
#define ROUND_UP(n) (((n) + ALIGN - 1) / ALIGN * ALIGN)

/* In front of each block. */
struct head {
	struct slab *slab;
	uint32_t index; /* in its slab */
	alignas(max_align_t) unsigned char data[];
};

/* The list of free blocks is here and not inside them: a block that comes back is not in the cache,
 * and need not be until it is filled again. */
struct slab {
	struct tt_pool *pool;
	struct slab *prev, *next; /* in `some` or in `empty`; full ones are in none */
	unsigned used;
	unsigned fresh;  /* no block from here on was ever given out: untouched pages */
	unsigned n_back; /* blocks that came back */
	uint16_t back[]; /* their indices; behind them the blocks */
};

struct tt_pool {
	const struct tt_mem *mem;
	size_t size, stride;
	size_t first; /* where in a slab its blocks begin */
	unsigned per_slab;
	size_t slabs;
	struct slab *some;  /* part of their blocks are in use */
	struct slab *empty; /* none is */
	size_t n_empty;
	size_t low; /* least n_empty since the last tidy */
};

int tt_pool_new(struct tt_pool **out, size_t size, const struct tt_mem *mem)
{
	assert(size > 0 && size <= TT_POOL_SLAB / 4);
	struct tt_pool *p = tt_calloc(mem, 1, sizeof(*p));
	if (!p)
		return TT_ENOMEM;
	p->mem = mem;
	p->size = size;
	p->stride = sizeof(struct head) + ROUND_UP(size);
	p->per_slab = (unsigned)((TT_POOL_SLAB - ROUND_UP(sizeof(struct slab)) - ALIGN) /
				 (p->stride + sizeof(uint16_t)));
	p->first = ROUND_UP(sizeof(struct slab) + p->per_slab * sizeof(uint16_t));
	*out = p;
	return TT_OK;
}

static void free_empty(struct tt_pool *p, size_t n)
{
	for (; n > 0; n--) {
		struct slab *s = p->empty;
		DL_DELETE(p->empty, s);
		p->n_empty--;
		p->slabs--;
		tt_free(p->mem, s);
	}
}

void tt_pool_free(struct tt_pool *p)
{
	if (!p)
		return;
	assert(p->slabs == p->n_empty);
	free_empty(p, p->n_empty);
	tt_free(p->mem, p);
}

size_t tt_pool_size(const struct tt_pool *p)
{
	return p->size;
}

/* A slab with a free block, in `some`. */
static struct slab *slab_get(struct tt_pool *p)
{
	struct slab *s = p->some;
	if (s)
		return s;
	s = p->empty;
	if (s) {
		DL_DELETE(p->empty, s);
		p->n_empty--;
		if (p->n_empty < p->low)
			p->low = p->n_empty;
	} else {
		s = tt_alloc(p->mem, TT_POOL_SLAB);
		if (!s)
			return NULL;
		*s = (struct slab){.pool = p};
		p->slabs++;
	}
	DL_PREPEND(p->some, s);
	return s;
}

static struct head *block_at(const struct tt_pool *p, struct slab *s, uint32_t index)
{
	return (struct head *)(void *)((unsigned char *)s + p->first + index * p->stride);
}

void *tt_pool_get(struct tt_pool *p)
{
	struct slab *s = slab_get(p);
	if (!s)
		return NULL;
	if (++s->used == p->per_slab)
		DL_DELETE(p->some, s);
	if (s->n_back > 0)
		return block_at(p, s, s->back[--s->n_back])->data;
	struct head *h = block_at(p, s, s->fresh);
	h->slab = s;
	h->index = s->fresh++;
	return h->data;
}

void tt_pool_put(void *block)
{
	struct head *h =
		(struct head *)(void *)((unsigned char *)block - offsetof(struct head, data));
	struct slab *s = h->slab;
	struct tt_pool *p = s->pool;

	s->back[s->n_back++] = (uint16_t)h->index;
	if (s->used-- == p->per_slab)
		DL_PREPEND(p->some, s);
	if (s->used > 0)
		return;
	DL_DELETE(p->some, s);
	DL_PREPEND(p->empty, s);
	p->n_empty++;
}

void tt_pool_tidy(struct tt_pool *p)
{
	free_empty(p, p->low);
	p->low = p->n_empty;
}

size_t tt_pool_bytes(const struct tt_pool *p)
{
	return p->slabs * TT_POOL_SLAB;
}
