/* The busiest connections of all peers. */
#include "stats_int.h"

#include <stdlib.h>

struct collection {
	const struct peer *peer;
	struct stats_channel *list;
	size_t n, cap;
};

static void collect(void *user, const struct channel *ch)
{
	struct collection *c = user;

	if (c->n == c->cap)
		return;
	c->list[c->n].peer = c->peer;
	channel_info(ch, &c->list[c->n++].info);
}

/* Falling rates; the younger one of two that stand still. */
static int by_rate(const void *pa, const void *pb)
{
	const struct channel_info *a = &((const struct stats_channel *)pa)->info;
	const struct channel_info *b = &((const struct stats_channel *)pb)->info;
	uint64_t rate_a = a->rate_in + a->rate_out, rate_b = b->rate_in + b->rate_out;

	if (rate_a != rate_b)
		return rate_a < rate_b ? 1 : -1;
	return (a->opened_at < b->opened_at) - (a->opened_at > b->opened_at);
}

struct stats_channel *stats_channels(const struct app *app, size_t max, size_t *n)
{
	struct collection c = {.cap = app->slots.used};

	*n = 0;
	if (c.cap == 0 || max == 0)
		return NULL;
	c.list = calloc(c.cap, sizeof(*c.list));
	if (!c.list)
		return NULL;
	for (const struct peer *p = app->peers; p; p = p->hh.next) {
		c.peer = p;
		session_each_channel(p->session, collect, &c);
	}
	qsort(c.list, c.n, sizeof(*c.list), by_rate);
	*n = c.n < max ? c.n : max;
	return c.list;
}
