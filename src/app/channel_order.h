/** In which order connections are listed: one rule for the process that has them and for `top`. */
#ifndef CHANNEL_ORDER_H
#define CHANNEL_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "tt_time.h"

enum channel_order {
	CHANNEL_ORDER_RATE,  /* the highest first */
	CHANNEL_ORDER_AGE,   /* the youngest first */
	CHANNEL_ORDER_BYTES, /* the most first */
	CHANNEL_ORDER_PEER,  /* by name, then as by rate */
	CHANNEL_ORDER_COUNT
};

/** What the order looks at; `peer` is borrowed. */
struct channel_rank {
	uint64_t rate, bytes; /* of both directions */
	tt_time age_us;
	const char *peer;
	uint32_t id;
};

/**
 * As qsort has it. What is equal in the order is ordered by rate, then by age, then by id, so that
 * lines keep their places; `reverse` turns the whole round.
 */
int channel_order_compare(enum channel_order order, bool reverse, const struct channel_rank *a,
	const struct channel_rank *b);

/** "rate", "age", "bytes", "peer". */
const char *channel_order_name(enum channel_order order);

/** The order of this name; false when there is none. */
bool channel_order_parse(const char *name, enum channel_order *out);

#endif
