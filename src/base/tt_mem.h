/**
 * The allocator that is handed to every sans-IO module, so that tests can count and fail
 * allocations. A NULL `struct tt_mem *` means the C library's allocator.
 */
#ifndef TT_MEM_H
#define TT_MEM_H

#include <stddef.h>

struct tt_mem {
	/** As realloc(3): p NULL allocates, n 0 frees and returns NULL. */
	void *(*resize)(void *user, void *p, size_t n);
	void *user;
};

/** n bytes, uninitialised; NULL when there are none. n must not be 0. */
void *tt_alloc(const struct tt_mem *mem, size_t n);

/** count * size bytes of zeroes; NULL when there are none or the product overflows. */
void *tt_calloc(const struct tt_mem *mem, size_t count, size_t size);

/** As realloc(3) with n > 0; on NULL the old block is still the caller's. */
void *tt_realloc(const struct tt_mem *mem, void *p, size_t n);

/** p may be NULL. */
void tt_free(const struct tt_mem *mem, void *p);

/** A copy of the string, NULL when there is no memory. Free with tt_free. */
char *tt_strdup(const struct tt_mem *mem, const char *s);

#endif
