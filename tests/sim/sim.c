#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define PACKET_MAX 65536
#define BURST_MAX 100000 /* packets that one event may put out before it counts as a spin */

struct packet {
	tt_time at;
	uint64_t order; /* keeps packets of one instant in the order they were sent */
	size_t len;
	int to;
	uint8_t data[];
};

struct sim {
	const struct sim_config *cfg;
	struct sim_result res;
	struct sim_rng rng;
	struct packet **heap;
	size_t n, cap;
	uint64_t order;
	tt_time now;
	tt_time busy_until[2]; /* the bottleneck has sent all that it holds */
	tt_time last_at[2];    /* arrival of the last packet that keeps the order */
	tt_time app_at[2];
};

/* splitmix64: every seed is as good as another. */
uint64_t sim_rng_next(struct sim_rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t sim_rng_below(struct sim_rng *rng, uint64_t n)
{
	return n ? sim_rng_next(rng) % n : 0;
}

const char *sim_outcome_name(enum sim_outcome o)
{
	static const char *const names[] = {"done", "deadlock", "timeout", "spin", "broken"};
	return names[o];
}

static void trace(struct sim *s, const void *data, size_t len)
{
	const uint8_t *p = data;
	for (size_t i = 0; i < len; i++) /* FNV-1a */
		s->res.trace = (s->res.trace ^ p[i]) * 0x100000001b3u;
}

static bool earlier(const struct packet *a, const struct packet *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_push(struct sim *s, struct packet *p)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->heap = realloc(s->heap, s->cap * sizeof(struct packet *));
		if (!s->heap)
			abort();
	}
	size_t i = s->n++;
	while (i > 0 && earlier(p, s->heap[(i - 1) / 2])) {
		s->heap[i] = s->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->heap[i] = p;
}

static struct packet *heap_pop(struct sim *s)
{
	struct packet *top = s->heap[0], *last = s->heap[--s->n];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < s->n) {
		if (child + 1 < s->n && earlier(s->heap[child + 1], s->heap[child]))
			child++;
		if (!earlier(s->heap[child], last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return top;
}

static bool chance(struct sim *s, uint32_t millionths)
{
	return millionths > 0 && sim_rng_below(&s->rng, 1000000) < millionths;
}

static void schedule(struct sim *s, int to, const uint8_t *data, size_t len, tt_time at)
{
	struct packet *p = malloc(sizeof(*p) + len);
	if (!p)
		abort();
	p->at = at;
	p->order = s->order++;
	p->len = len;
	p->to = to;
	memcpy(p->data, data, len);
	heap_push(s, p);
}

static void link_send(struct sim *s, int from, const uint8_t *data, size_t len)
{
	const struct sim_link *l = &s->cfg->link[from];
	struct sim_link_stats *st = &s->res.link[from];
	tt_time at = s->now;

	trace(s, &s->now, sizeof(s->now));
	trace(s, data, len);
	st->packets++;
	st->bytes += len;
	if (l->rate > 0) {
		tt_time start = s->busy_until[from] > s->now ? s->busy_until[from] : s->now;
		if (l->queue_bytes > 0 &&
			(start - s->now) * l->rate / 1000000 + len > l->queue_bytes) {
			st->queue_drops++;
			return;
		}
		at = s->busy_until[from] = start + len * 1000000 / l->rate;
	}
	if (chance(s, l->loss) || (s->now >= l->dark_from && s->now < l->dark_to)) {
		st->lost++;
		return;
	}
	at += l->delay_us + sim_rng_below(&s->rng, l->jitter_us);
	if (chance(s, l->reorder))
		at += l->reorder_us;
	else if (at < s->last_at[from])
		at = s->last_at[from];
	else
		s->last_at[from] = at;
	schedule(s, !from, data, len, at);
	if (chance(s, l->duplicate))
		schedule(s, !from, data, len, at + sim_rng_below(&s->rng, l->delay_us + 1));
}

/* The application, then all packets that are due. */
static enum sim_outcome settle(struct sim *s, int i)
{
	const struct sim_endpoint *e = &s->cfg->end[i];
	static uint8_t buf[PACKET_MAX];
	size_t len;
	int burst = 0;

	s->app_at[i] = e->app(e->user, s->now);
	if (s->app_at[i] <= s->now)
		return SIM_SPIN;
	while ((len = e->output(e->user, buf, sizeof(buf), s->now)) > 0) {
		if (++burst > BURST_MAX)
			return SIM_SPIN;
		link_send(s, i, buf, len);
	}
	return SIM_DONE;
}

static tt_time next_event(const struct sim *s)
{
	tt_time t = s->n ? s->heap[0]->at : TT_TIME_NEVER;
	for (int i = 0; i < 2; i++) {
		const struct sim_endpoint *e = &s->cfg->end[i];
		t = tt_time_min(t, tt_time_min(s->app_at[i], e->deadline(e->user)));
	}
	return t;
}

/* Everything that happens at s->now. */
static enum sim_outcome step(struct sim *s)
{
	bool touched[2] = {false, false};
	while (s->n && s->heap[0]->at <= s->now) {
		struct packet *p = heap_pop(s);
		const struct sim_endpoint *e = &s->cfg->end[p->to];
		int rc = e->input(e->user, p->data, p->len, s->now);
		s->res.link[!p->to].delivered++;
		touched[p->to] = true;
		free(p);
		if (rc != 0)
			return SIM_BROKEN;
	}
	for (int i = 0; i < 2; i++) {
		const struct sim_endpoint *e = &s->cfg->end[i];
		bool due = e->deadline(e->user) <= s->now;
		if (due && e->on_deadline(e->user, s->now) != 0)
			return SIM_BROKEN;
		if (!due && !touched[i] && s->app_at[i] > s->now)
			continue;
		enum sim_outcome o = settle(s, i);
		if (o != SIM_DONE || e->deadline(e->user) <= s->now)
			return SIM_SPIN;
	}
	s->res.events++;
	return SIM_DONE;
}

struct sim_result sim_run(const struct sim_config *cfg)
{
	struct sim s = {.cfg = cfg, .rng = {cfg->seed}, .now = cfg->start};
	s.res.trace = 0xcbf29ce484222325u;
	s.app_at[0] = s.app_at[1] = cfg->start;

	for (;;) {
		tt_time t = next_event(&s);
		if (t == TT_TIME_NEVER) {
			s.res.outcome = SIM_DEADLOCK;
			break;
		}
		if (t > s.now)
			s.now = t;
		if (s.now - cfg->start > cfg->limit_us) {
			s.res.outcome = SIM_TIMEOUT;
			break;
		}
		s.res.outcome = step(&s);
		if (s.res.outcome != SIM_DONE || cfg->done(cfg->done_user))
			break;
	}
	s.res.elapsed_us = s.now - cfg->start;
	while (s.n)
		free(heap_pop(&s));
	free(s.heap);
	return s.res;
}
