/* The connections of all peers that come first in an order. */
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
	struct stats_channel *s = &c->list[c->n++];
	s->peer = c->peer;
	channel_info(ch, &s->info);
	s->rank = (struct channel_rank){
		.rate = s->info.rate_in + s->info.rate_out,
		.bytes = s->info.bytes_in + s->info.bytes_out,
		.age_us = tt_time_since(app_now(c->peer->app), s->info.opened_at),
		.peer = stats_peer_label(c->peer),
		.id = s->info.ccid,
	};
}

static int compare(const void *a, const void *b, void *user)
{
	const struct stats_choice *c = user;

	return channel_order_compare(c->order, c->reverse, &((const struct stats_channel *)a)->rank,
		&((const struct stats_channel *)b)->rank);
}

struct stats_channel *stats_channels(
	const struct app *app, const struct stats_choice *choice, size_t *n)
{
	struct collection c = {.cap = app->slots.used};

	*n = 0;
	if (c.cap == 0 || choice->max == 0)
		return NULL;
	c.list = calloc(c.cap, sizeof(*c.list));
	if (!c.list)
		return NULL;
	for (const struct peer *p = app->peers; p; p = p->hh.next) {
		c.peer = p;
		session_each_channel(p->session, collect, &c);
	}
	qsort_r(c.list, c.n, sizeof(*c.list), compare, (void *)choice);
	*n = c.n < choice->max ? c.n : choice->max;
	return c.list;
}
