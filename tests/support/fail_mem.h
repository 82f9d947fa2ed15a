/** An allocator that counts what is held and can be told to fail. */
#ifndef FAIL_MEM_H
#define FAIL_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tt_mem.h"

struct fail_mem {
	struct tt_mem mem;
	size_t held;      /* blocks */
	uint64_t asked;   /* allocations, refused ones included */
	uint64_t fail_at; /* this one is refused, counted from 1; 0: none */
};

static inline void *fail_mem_resize(void *user, void *p, size_t n)
{
	struct fail_mem *fm = user;

	if (n == 0) {
		fm->held -= p != NULL;
		free(p);
		return NULL;
	}
	if (++fm->asked == fm->fail_at)
		return NULL;
	void *q = realloc(p, n);
	if (!q)
		abort();
	fm->held += p == NULL;
	return q;
}

/** fm must stay where it is for as long as its allocator is used. */
static inline const struct tt_mem *fail_mem_init(struct fail_mem *fm, uint64_t fail_at)
{
	*fm = (struct fail_mem){.mem = {.resize = fail_mem_resize, .user = fm}, .fail_at = fail_at};
	return &fm->mem;
}

#endif
