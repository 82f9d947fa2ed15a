#include "sim_pipe.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000u

/* ---- packets ---- */

struct sim_packet *sim_packet_new(struct sim_pool *pool)
{
	struct sim_packet *p = pool->free;
	if (p) {
		pool->free = p->next;
	} else {
		p = malloc(sizeof(*p));
		if (!p)
			abort();
	}
	p->next = NULL;
	p->hop = 0;
	return p;
}

void sim_packet_free(struct sim_pool *pool, struct sim_packet *p)
{
	p->next = pool->free;
	pool->free = p;
}

void sim_pool_clear(struct sim_pool *pool)
{
	while (pool->free) {
		struct sim_packet *p = pool->free;
		pool->free = p->next;
		free(p);
	}
}

static struct sim_packet *copy_of(struct sim_pool *pool, const struct sim_packet *p)
{
	struct sim_packet *q = sim_packet_new(pool);
	memcpy(q, p, offsetof(struct sim_packet, data) + p->len);
	q->next = NULL;
	return q;
}

/* ---- life ---- */

void sim_pipe_init(
	struct sim_pipe *pipe, const struct sim_link *cfg, struct sim_pool *pool, uint64_t seed)
{
	*pipe = (struct sim_pipe){.cfg = *cfg, .pool = pool, .rng = {seed}};
	pipe->tail = &pipe->head;
}

static struct sim_packet *queue_pop(struct sim_pipe *pipe)
{
	struct sim_packet *p = pipe->head;
	pipe->head = p->next;
	if (!pipe->head)
		pipe->tail = &pipe->head;
	pipe->stats.queued_bytes -= p->wire;
	return p;
}

static struct sim_packet *flight_pop(struct sim_pipe *pipe)
{
	struct sim_packet *p = pipe->flight[pipe->first].packet;
	pipe->first = (pipe->first + 1) & (pipe->cap - 1);
	pipe->n--;
	return p;
}

void sim_pipe_clear(struct sim_pipe *pipe)
{
	while (pipe->head)
		sim_packet_free(pipe->pool, queue_pop(pipe));
	while (pipe->n > 0)
		sim_packet_free(pipe->pool, flight_pop(pipe));
	free(pipe->flight);
	pipe->flight = NULL;
	pipe->cap = 0;
}

/* ---- on the way ---- */

static void flight_grow(struct sim_pipe *pipe)
{
	size_t cap = pipe->cap ? pipe->cap * 2 : 64;
	struct sim_flight *ring = malloc(cap * sizeof(*ring));
	if (!ring)
		abort();
	for (size_t i = 0; i < pipe->n; i++)
		ring[i] = pipe->flight[(pipe->first + i) & (pipe->cap - 1)];
	free(pipe->flight);
	pipe->flight = ring;
	pipe->cap = cap;
	pipe->first = 0;
}

/* Behind all that arrive no later: packets of one instant keep the order they were sent in. */
static void flight_insert(struct sim_pipe *pipe, struct sim_packet *p, tt_time at)
{
	if (pipe->n == pipe->cap)
		flight_grow(pipe);
	size_t mask = pipe->cap - 1, i = pipe->first + pipe->n++;
	while (i != pipe->first && pipe->flight[(i - 1) & mask].at > at) {
		pipe->flight[i & mask] = pipe->flight[(i - 1) & mask];
		i--;
	}
	pipe->flight[i & mask] = (struct sim_flight){at, p};
}

static tt_time jitter(struct sim_pipe *pipe, tt_time now)
{
	const struct sim_link *l = &pipe->cfg;
	tt_time period = l->jitter_period_us;

	if (l->jitter_us == 0)
		return 0;
	if (period == 0)
		return sim_rng_below(&pipe->rng, l->jitter_us);
	if (now - pipe->jitter_at >= period) {
		bool idle = now - pipe->jitter_at >= 2 * period;
		pipe->jitter_from = pipe->jitter_to;
		pipe->jitter_to = sim_rng_below(&pipe->rng, l->jitter_us + 1);
		pipe->jitter_at = idle ? now : pipe->jitter_at + period;
	}
	tt_time done = now - pipe->jitter_at;
	return (pipe->jitter_from * (period - done) + pipe->jitter_to * done) / period;
}

static bool lost(struct sim_pipe *pipe)
{
	const struct sim_burst *b = &pipe->cfg.burst;

	if (sim_rng_chance(&pipe->rng, pipe->bad ? b->leave : b->enter))
		pipe->bad = !pipe->bad;
	return (pipe->bad && sim_rng_chance(&pipe->rng, b->loss)) ||
	       sim_rng_chance(&pipe->rng, pipe->cfg.loss);
}

static void depart(struct sim_pipe *pipe, struct sim_packet *p, tt_time now)
{
	const struct sim_link *l = &pipe->cfg;

	if (lost(pipe)) {
		pipe->stats.lost++;
		sim_packet_free(pipe->pool, p);
		return;
	}
	tt_time at = now + l->delay_us + jitter(pipe, now);
	if (sim_rng_chance(&pipe->rng, l->reorder))
		at += l->reorder_us;
	else if (!l->jitter_reorders)
		at = pipe->last_at = at > pipe->last_at ? at : pipe->last_at;
	if (l->clump_us > 0)
		at = (at + l->clump_us - 1) / l->clump_us * l->clump_us;
	if (sim_rng_chance(&pipe->rng, l->duplicate))
		flight_insert(pipe, copy_of(pipe->pool, p),
			at + sim_rng_below(&pipe->rng, l->delay_us + 1));
	flight_insert(pipe, p, at);
}

/* ---- queue and transmitter ---- */

static void start_sending(struct sim_pipe *pipe, uint64_t start_ns)
{
	const struct sim_packet *p = pipe->head;
	tt_time start = start_ns / 1000;

	sim_hist_add(&pipe->stats.wait, tt_time_since(start, p->queued_at));
	pipe->head_done_ns =
		start_ns + (pipe->cfg.rate ? p->wire * (uint64_t)NS_PER_S / pipe->cfg.rate : 0);
}

/* In whole microseconds, and not before. */
static tt_time head_done(const struct sim_pipe *pipe)
{
	return pipe->head ? (pipe->head_done_ns + 999) / 1000 : TT_TIME_NEVER;
}

static bool police(struct sim_pipe *pipe, const struct sim_packet *p, tt_time now)
{
	const struct sim_link *l = &pipe->cfg;
	uint64_t now_ns = now * 1000;
	uint64_t full = pipe->police_ns > now_ns ? pipe->police_ns : now_ns;

	if (l->police_rate == 0)
		return true;
	full += p->wire * (uint64_t)NS_PER_S / l->police_rate;
	if (full - now_ns > l->police_bytes * NS_PER_S / l->police_rate)
		return false;
	pipe->police_ns = full;
	return true;
}

void sim_pipe_send(struct sim_pipe *pipe, struct sim_packet *p, tt_time now)
{
	const struct sim_link *l = &pipe->cfg;
	struct sim_link_stats *st = &pipe->stats;

	st->packets++;
	st->bytes += p->wire;
	if (l->dark) {
		st->lost++;
		sim_packet_free(pipe->pool, p);
		return;
	}
	if (!police(pipe, p, now) ||
		(l->queue_bytes > 0 && st->queued_bytes + p->wire > l->queue_bytes)) {
		st->queue_drops++;
		sim_packet_free(pipe->pool, p);
		return;
	}
	if (l->rate == 0 && l->poll_us == 0 && !pipe->head) {
		depart(pipe, p, now);
		return;
	}
	p->queued_at = now;
	p->next = NULL;
	st->queued_bytes += p->wire;
	*pipe->tail = p;
	pipe->tail = &p->next;
	if (pipe->head == p) {
		tt_time start = now;
		if (l->poll_us > 0)
			start = (now + l->poll_us - 1) / l->poll_us * l->poll_us;
		/* The last packet may have left within this microsecond. */
		uint64_t ns = start * 1000;
		start_sending(pipe, pipe->head_done_ns > ns ? pipe->head_done_ns : ns);
	}
}

tt_time sim_pipe_deadline(const struct sim_pipe *pipe)
{
	tt_time arrival = pipe->n > 0 ? pipe->flight[pipe->first].at : TT_TIME_NEVER;
	return tt_time_min(arrival, head_done(pipe));
}

struct sim_packet *sim_pipe_take(struct sim_pipe *pipe, tt_time now)
{
	while (head_done(pipe) <= now) {
		tt_time at = head_done(pipe);
		struct sim_packet *p = queue_pop(pipe);
		depart(pipe, p, at);
		if (pipe->head)
			start_sending(pipe, pipe->head_done_ns);
	}
	if (pipe->n == 0 || pipe->flight[pipe->first].at > now)
		return NULL;
	struct sim_packet *p = flight_pop(pipe);
	pipe->stats.delivered++;
	pipe->stats.delivered_bytes += p->wire;
	return p;
}
