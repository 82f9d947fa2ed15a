/** UDP datagrams that wait, each in a block of its own that is charged to a budget. */
#ifndef DATAGRAM_H
#define DATAGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "kcp_budget.h"
#include "tt_mem.h"
#include "tt_time.h"

struct datagram {
	struct datagram *next;
	tt_time at; /* when it came */
	size_t len;
	uint8_t data[];
};

/** Memory that datagrams are taken from. */
struct datagram_store {
	const struct tt_mem *mem; /* borrowed, may be NULL */
	struct kcp_budget budget;
};

/** By time. All zero: empty. */
struct datagram_queue {
	struct datagram *head, *tail;
	size_t bytes; /* with the headers of the blocks */
};

/** What a datagram of so many bytes costs. */
size_t datagram_cost(size_t len);

/** A datagram of `len` bytes, undefined as yet; NULL when budget or memory have no room. */
struct datagram *datagram_new(struct datagram_store *st, size_t len, tt_time now);
/** d may be NULL. */
void datagram_free(struct datagram_store *st, struct datagram *d);

/** Takes ownership of d. */
void datagram_queue_push(struct datagram_queue *q, struct datagram *d);
/** The oldest, which is the caller's from now on; NULL when there is none. */
struct datagram *datagram_queue_pop(struct datagram_queue *q);
void datagram_queue_clear(struct datagram_queue *q, struct datagram_store *st);

#endif
