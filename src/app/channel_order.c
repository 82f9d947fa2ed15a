#include "channel_order.h"

#include <string.h>

static const char *const names[CHANNEL_ORDER_COUNT] = {"rate", "age", "bytes", "peer"};

static int ascending(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by(enum channel_order order, const struct channel_rank *a, const struct channel_rank *b)
{
	switch (order) {
	case CHANNEL_ORDER_RATE:
		return ascending(b->rate, a->rate);
	case CHANNEL_ORDER_AGE:
		return ascending(a->age_us, b->age_us);
	case CHANNEL_ORDER_BYTES:
		return ascending(b->bytes, a->bytes);
	case CHANNEL_ORDER_PEER:
		return strcmp(a->peer, b->peer);
	case CHANNEL_ORDER_COUNT:
		break;
	}
	return 0;
}

int channel_order_compare(enum channel_order order, bool reverse, const struct channel_rank *a,
	const struct channel_rank *b)
{
	int c = by(order, a, b);

	if (c == 0)
		c = by(CHANNEL_ORDER_RATE, a, b);
	if (c == 0)
		c = by(CHANNEL_ORDER_AGE, a, b);
	if (c == 0)
		c = ascending(a->id, b->id);
	return reverse ? -c : c;
}

const char *channel_order_name(enum channel_order order)
{
	return names[order];
}

bool channel_order_parse(const char *name, enum channel_order *out)
{
	for (size_t i = 0; i < CHANNEL_ORDER_COUNT; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum channel_order)i;
			return true;
		}
	}
	return false;
}
