#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "tt_err.h"
#include "tt_heap.h"

#define ENDS_MAX 256
#define LINKS_MAX 256
#define CALLS_MAX 8
#define BURST_MAX 100000 /* packets that one event may put out before it counts as a spin */
#define STILL_MAX 100000 /* events of one instant, likewise */
#define TRACED 64        /* bytes of each packet that go into the trace */

/* What has a time of its own. */
struct item {
	struct tt_heap_node node;
	bool is_link; /* otherwise an end */
};

struct end {
	struct item item;
	struct sim_endpoint ops;
	int to, route[SIM_HOPS_MAX], n_hops;
	tt_time app_at;
	uint64_t sent_bytes;
	bool touched;
};

struct link {
	struct item item;
	struct sim_pipe pipe;
};

struct change {
	struct change *next; /* by time */
	tt_time at;
	int link;
	struct sim_link to;
};

struct call {
	tt_time at, period;
	void (*fn)(void *user, tt_time now);
	void *user;
};

struct sim {
	struct sim_result res;
	struct sim_rng rng;
	struct sim_pool pool;
	struct tt_heap events; /* nodes of links and ends */
	tt_time start, now, limit_us;

	struct end *end[ENDS_MAX];
	struct link *link[LINKS_MAX];
	int n_ends, n_links;
	struct change *changes;

	struct call call[CALLS_MAX];
	int n_calls;
};

const char *sim_outcome_name(enum sim_outcome o)
{
	static const char *const names[] = {"done", "deadlock", "timeout", "spin", "broken"};
	return names[o];
}

static void *alloc(size_t n)
{
	void *p = calloc(1, n);
	if (!p)
		abort();
	return p;
}

struct sim *sim_new(uint64_t seed, tt_time start, tt_time limit_us)
{
	struct sim *s = alloc(sizeof(*s));
	s->rng.state = seed;
	s->res.trace = 0xcbf29ce484222325u;
	s->start = s->now = start;
	s->limit_us = limit_us;
	tt_heap_init(&s->events, NULL);
	if (tt_heap_reserve(&s->events, ENDS_MAX + LINKS_MAX) != TT_OK)
		abort();
	return s;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->n_links; i++) {
		sim_pipe_clear(&s->link[i]->pipe);
		free(s->link[i]);
	}
	for (int i = 0; i < s->n_ends; i++)
		free(s->end[i]);
	while (s->changes) {
		struct change *c = s->changes;
		s->changes = c->next;
		free(c);
	}
	sim_pool_clear(&s->pool);
	tt_heap_clear(&s->events);
	free(s);
}

int sim_add_link(struct sim *s, const struct sim_link *cfg)
{
	if (s->n_links == LINKS_MAX)
		abort();
	struct link *l = alloc(sizeof(*l));
	tt_heap_node_init(&l->item.node);
	l->item.is_link = true;
	sim_pipe_init(&l->pipe, cfg, &s->pool, sim_rng_next(&s->rng));
	s->link[s->n_links] = l;
	return s->n_links++;
}

int sim_add_end(struct sim *s, const struct sim_endpoint *ops)
{
	if (s->n_ends == ENDS_MAX)
		abort();
	struct end *e = alloc(sizeof(*e));
	tt_heap_node_init(&e->item.node);
	e->ops = *ops;
	e->app_at = s->start;
	tt_heap_set(&s->events, &e->item.node, s->start);
	s->end[s->n_ends] = e;
	return s->n_ends++;
}

void sim_route(struct sim *s, int from, int to, const int *links, int n_links)
{
	struct end *e = s->end[from];
	if (n_links < 1 || n_links > SIM_HOPS_MAX)
		abort();
	e->to = to;
	e->n_hops = n_links;
	memcpy(e->route, links, (size_t)n_links * sizeof(*links));
}

void sim_change(struct sim *s, tt_time after_us, int link, const struct sim_link *to)
{
	struct change *c = alloc(sizeof(*c)), **p = &s->changes;
	*c = (struct change){.at = s->start + after_us, .link = link, .to = *to};
	while (*p && (*p)->at <= c->at)
		p = &(*p)->next;
	c->next = *p;
	*p = c;
}

void sim_call(struct sim *s, tt_time after_us, tt_time period_us,
	void (*fn)(void *user, tt_time now), void *user)
{
	if (s->n_calls == CALLS_MAX)
		abort();
	s->call[s->n_calls++] = (struct call){s->start + after_us, period_us, fn, user};
}

const struct sim_link_stats *sim_link_stats(const struct sim *s, int link)
{
	return &s->link[link]->pipe.stats;
}

uint64_t sim_end_bytes(const struct sim *s, int end)
{
	return s->end[end]->sent_bytes;
}

/* ---- packets ---- */

static void trace_word(struct sim *s, uint64_t w)
{
	s->res.trace = (s->res.trace ^ w) * 0x9e3779b97f4a7c15u;
	s->res.trace ^= s->res.trace >> 29;
}

static void trace_packet(struct sim *s, const struct sim_packet *p)
{
	size_t len = p->len < TRACED ? p->len : TRACED;

	trace_word(s, s->now);
	trace_word(s, (uint64_t)p->from << 32 | p->len);
	for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t w = 0;
		memcpy(&w, p->data + i, len - i < sizeof(w) ? len - i : sizeof(w));
		trace_word(s, w);
	}
}

static void link_update(struct sim *s, struct link *l)
{
	tt_heap_set(&s->events, &l->item.node, sim_pipe_deadline(&l->pipe));
}

/* Into the next link of its route; an error when it was refused at the end of it. */
static int forward(struct sim *s, struct sim_packet *p)
{
	const struct end *from = s->end[p->from];

	if (p->hop < from->n_hops) {
		struct link *l = s->link[from->route[p->hop++]];
		sim_pipe_send(&l->pipe, p, s->now);
		link_update(s, l);
		return TT_OK;
	}
	struct end *to = s->end[from->to];
	int rc = to->ops.input(to->ops.user, p->data, p->len, s->now);
	to->touched = true;
	sim_packet_free(&s->pool, p);
	return rc;
}

static int arrivals(struct sim *s, struct link *l)
{
	struct sim_packet *p;
	int rc = TT_OK;
	while (rc == TT_OK && (p = sim_pipe_take(&l->pipe, s->now)))
		rc = forward(s, p);
	link_update(s, l);
	return rc;
}

/* ---- endpoints ---- */

/* Its application, its timers, then all packets that are due. */
static enum sim_outcome settle(struct sim *s, int index)
{
	struct end *e = s->end[index];
	const struct sim_endpoint *ops = &e->ops;
	int burst = 0, rc = TT_OK;

	e->touched = false;
	e->app_at = ops->app(ops->user, s->now);
	if (e->app_at <= s->now)
		return SIM_SPIN;
	if (ops->deadline(ops->user) <= s->now)
		rc = ops->on_deadline(ops->user, s->now);
	while (rc == TT_OK) {
		struct sim_packet *p = sim_packet_new(&s->pool);
		size_t len = ops->output(ops->user, p->data, SIM_PACKET_MAX, s->now);
		if (len == 0 || ++burst > BURST_MAX) {
			sim_packet_free(&s->pool, p);
			break;
		}
		p->len = (uint32_t)len;
		p->wire = (uint32_t)(ops->wire ? ops->wire(p->data, len) : len);
		p->from = (uint16_t)index;
		e->sent_bytes += p->wire;
		trace_packet(s, p);
		rc = forward(s, p);
	}
	if (rc != TT_OK)
		return SIM_BROKEN;
	tt_time next = tt_time_min(e->app_at, ops->deadline(ops->user));
	tt_heap_set(&s->events, &e->item.node, next);
	return next <= s->now || burst > BURST_MAX ? SIM_SPIN : SIM_DONE;
}

/* ---- time ---- */

/* Everything that happens at s->now. */
static enum sim_outcome step(struct sim *s)
{
	while (tt_heap_deadline(&s->events) <= s->now) {
		struct item *first = (struct item *)tt_heap_first(&s->events);
		if (!first->is_link) {
			((struct end *)first)->touched = true;
			tt_heap_set(&s->events, &first->node, TT_TIME_NEVER);
		} else if (arrivals(s, (struct link *)first) != TT_OK) {
			return SIM_BROKEN;
		}
	}
	for (int i = 0; i < s->n_ends; i++) {
		if (!s->end[i]->touched)
			continue;
		enum sim_outcome o = settle(s, i);
		if (o != SIM_DONE)
			return o;
	}
	s->res.events++;
	return SIM_DONE;
}

/* What is not an event of the endpoints or links, up to time t. */
static void on_schedule(struct sim *s, tt_time t)
{
	while (s->changes && s->changes->at <= t) {
		struct change *c = s->changes;
		s->link[c->link]->pipe.cfg = c->to;
		s->changes = c->next;
		free(c);
	}
	for (int i = 0; i < s->n_calls; i++) {
		struct call *c = &s->call[i];
		while (c->at <= t) {
			c->fn(c->user, c->at);
			c->at = c->period ? c->at + c->period : TT_TIME_NEVER;
		}
	}
}

struct sim_result sim_run(struct sim *s, bool (*done)(void *user), void *user)
{
	tt_time end = s->start + s->limit_us;
	int still = 0;

	for (;;) {
		tt_time t = tt_heap_deadline(&s->events);
		if (t == TT_TIME_NEVER) {
			s->res.outcome = SIM_DEADLOCK;
			break;
		}
		on_schedule(s, tt_time_min(t, end));
		if (t > end) {
			s->now = end;
			s->res.outcome = SIM_TIMEOUT;
			break;
		}
		still = t > s->now ? 0 : still + 1;
		s->now = t > s->now ? t : s->now;
		s->res.outcome = still > STILL_MAX ? SIM_SPIN : step(s);
		if (s->res.outcome != SIM_DONE || done(user))
			break;
	}
	s->res.elapsed_us = s->now - s->start;
	return s->res;
}
