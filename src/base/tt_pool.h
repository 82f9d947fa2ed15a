/**
 * Blocks of one size, for the buffers of packets, carved out of slabs. Thousands of blocks that
 * come and go among the small structs of a heap would leave holes that never return to the system;
 * a slab whose blocks are all back does, in one piece.
 */
#ifndef TT_POOL_H
#define TT_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "tt_mem.h"

/**
 * Bytes of a slab: 33 pages with malloc's own header. From 128 KiB on, malloc gets a block from the
 * system by itself and gives it back when it is freed (M_MMAP_THRESHOLD in mallopt(3)).
 */
#define TT_POOL_SLAB ((132u << 10) - 32)

struct tt_pool;

/** An empty pool for blocks of `size` bytes, at most a quarter of a slab. TT_OK, TT_ENOMEM. */
int tt_pool_new(struct tt_pool **out, size_t size, const struct tt_mem *mem);

/** Every block must be back. May be NULL. */
void tt_pool_free(struct tt_pool *p);

size_t tt_pool_size(const struct tt_pool *p);

/** A block, aligned as malloc's are, its content undefined; NULL when there is no memory. */
void *tt_pool_get(struct tt_pool *p);

/** Back to the pool it came from. */
void tt_pool_put(void *block);

/**
 * Frees the slabs that nobody has needed since the last call: to be called about once a second for
 * as long as tt_pool_bytes is not 0.
 */
void tt_pool_tidy(struct tt_pool *p);

/** Memory held, blocks in use or not. */
size_t tt_pool_bytes(const struct tt_pool *p);

#endif
