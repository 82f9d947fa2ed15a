#include "pair_scene.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim_rng.h"

#define FRIEND_TIMEOUT TT_S(32) /* toxcore's: a silent friend is offline */

static uint64_t below(struct sim_rng *r, uint64_t n)
{
	return sim_rng_below(r, n);
}

static struct pair_habit random_habit(struct sim_rng *r)
{
	struct pair_habit h = {.most_write = (uint32_t)(1 + below(r, 1) + below(r, 20000))};
	static const uint64_t sizes[] = {0, 1, 100, 5000, 60000, 400000};
	h.bytes = below(r, sizes[below(r, 6)] + 1);
	h.polite = below(r, 3) == 0;
	if (below(r, 4) == 0) {
		h.stop_at = below(r, 10000);
		h.stop_us = TT_MS(below(r, 20000) + 1);
	}
	return h;
}

static struct pair_plan random_plan(struct sim_rng *r)
{
	struct pair_plan p = {.opener = (size_t)below(r, 2),
		.at = TT_MS(below(r, 5000)),
		.dial_us = TT_MS(below(r, 200))};
	for (size_t i = 0; i < 2; i++)
		p.habit[i] = random_habit(r);
	if (p.habit[0].polite)
		p.habit[1].polite = false;
	uint64_t fate = below(r, 10);
	if (fate < 3)
		p.dial = (enum pair_dial)(DIAL_REFUSED + fate);
	else if (fate == 3) {
		struct pair_habit *h = &p.habit[below(r, 2)];
		h->bytes += 1;
		h->abort_at = 1 + below(r, h->bytes);
	}
	return p;
}

static struct sim_link random_link(struct sim_rng *r)
{
	return (struct sim_link){.delay_us = TT_MS(1 + below(r, 100)),
		.jitter_us = TT_MS(below(r, 20)),
		.loss = (uint32_t)below(r, 3) * (uint32_t)below(r, 80000),
		.reorder = (uint32_t)below(r, 50000),
		.reorder_us = TT_MS(below(r, 50)),
		.duplicate = (uint32_t)below(r, 30000)};
}

struct pair_config pair_draw(uint64_t seed)
{
	struct sim_rng r = {seed * 7919};
	struct pair_config cfg = {.seed = seed,
		.mode = below(&r, 3) ? TT_MODE_AUTO : TT_MODE_FAST3,
		.control_us = TT_MS(1 + below(&r, 150)),
		.limit_us = TT_S(4000)};
	cfg.n_plans = 2 + (size_t)below(&r, PAIR_CHANNELS - 1);
	for (size_t i = 0; i < cfg.n_plans; i++)
		cfg.plan[i] = random_plan(&r);
	for (size_t i = 0; i < 2; i++)
		cfg.link[i] = random_link(&r);
	return cfg;
}

/* Outages one after the other, none longer than `most`. */
void pair_add_outages(struct pair_config *cfg, size_t n, tt_time most)
{
	struct sim_rng r = {cfg->seed * 104729 + 1};
	tt_time at = TT_MS(below(&r, 3000));
	cfg->n_faults = n;
	for (size_t i = 0; i < n; i++) {
		struct pair_fault *o = &cfg->fault[i];
		*o = (struct pair_fault){.at = at,
			.for_us = TT_MS(1000) + below(&r, most - TT_MS(1000)),
			.path = below(&r, 2) ? LINK_DIRECT : LINK_RELAYED,
			.skew_us = {TT_MS(below(&r, 400)), TT_MS(below(&r, 400))},
			.kind = below(&r, 4) == 0 ? FAULT_PATH : FAULT_OFFLINE};
		at += o->for_us + TT_S(1) + TT_MS(below(&r, 3000));
	}
}

/* Darkness, of which both ends are told when it has lasted for toxcore's time-out. Returns its
 * length. */
static tt_time add_darkness(struct pair_config *cfg, struct sim_rng *r, tt_time at, bool restarts)
{
	tt_time most = below(r, 2) ? TT_S(5) : TT_S(90), dark = TT_MS(100) + below(r, most);
	tt_time rest = TT_MS(500) + TT_MS(below(r, 3000));

	cfg->fault[cfg->n_faults++] = (struct pair_fault){FAULT_DARK, .at = at, .for_us = dark};
	if (dark < FRIEND_TIMEOUT)
		return dark;
	cfg->fault[cfg->n_faults++] = (struct pair_fault){FAULT_OFFLINE, .at = at + FRIEND_TIMEOUT,
		.for_us = dark - FRIEND_TIMEOUT + rest,
		.skew_us = {TT_MS(below(r, 400)), TT_MS(below(r, 400))},
		.restart = {restarts && below(r, 3) == 0, restarts && below(r, 3) == 0},
		.path = below(r, 2) ? LINK_DIRECT : LINK_RELAYED};
	return dark + rest;
}

/* The other end is told when it lasts; the one that wakes is told at once. Returns its length. */
static tt_time add_sleep(struct pair_config *cfg, struct sim_rng *r, tt_time at)
{
	tt_time sleep = TT_MS(10) + below(r, below(r, 2) ? TT_S(5) : TT_S(90));
	tt_time rest = TT_MS(500) + TT_MS(below(r, 3000));

	cfg->fault[cfg->n_faults++] = (struct pair_fault){FAULT_SLEEP, .at = at, .for_us = sleep,
		.sleeper = (size_t)below(r, 2), .stops_clock = below(r, 2)};
	if (sleep < FRIEND_TIMEOUT)
		return sleep;
	cfg->fault[cfg->n_faults++] = (struct pair_fault){FAULT_OFFLINE, .at = at + FRIEND_TIMEOUT,
		.for_us = sleep - FRIEND_TIMEOUT + rest, .path = LINK_DIRECT};
	return sleep + rest;
}

void pair_add_faults(struct pair_config *cfg, bool restarts)
{
	struct sim_rng r = {cfg->seed * 15485863 + 7};
	tt_time at = TT_MS(below(&r, 2000));

	for (size_t i = 0; i < 2; i++)
		if (below(&r, 3) == 0)
			cfg->link[i].burst = (struct sim_burst){.enter = 5000,
				.leave = 50000,
				.loss = (uint32_t)below(&r, 1000000)};
	if (below(&r, 4) == 0)
		cfg->budget = 150000 + (size_t)below(&r, 1000000);
	while (cfg->n_faults + 2 <= PAIR_FAULTS && below(&r, 4) > 0) {
		uint64_t what = below(&r, 4);
		if (what == 0) {
			cfg->fault[cfg->n_faults++] = (struct pair_fault){FAULT_PATH, .at = at,
				.path = below(&r, 2) ? LINK_DIRECT : LINK_RELAYED};
		} else if (what == 1) {
			at += add_sleep(cfg, &r, at);
		} else if (what == 2) {
			at += add_darkness(cfg, &r, at, restarts);
		} else {
			struct pair_fault *f = &cfg->fault[cfg->n_faults++];
			*f = (struct pair_fault){FAULT_OFFLINE, .at = at,
				.for_us = TT_MS(1000) + below(&r, TT_S(60)),
				.skew_us = {TT_MS(below(&r, 400)), TT_MS(below(&r, 400))},
				.restart = {restarts && below(&r, 4) == 0,
					restarts && below(&r, 4) == 0},
				.path = below(&r, 2) ? LINK_DIRECT : LINK_RELAYED};
			at += f->for_us;
		}
		at += TT_S(1) + TT_MS(below(&r, 5000));
	}
}

static bool orderly(const struct pair_conn *c)
{
	return c->reason >= REASON_CLIENT_CLOSE && c->reason <= REASON_BOTH_CLOSE;
}

const char *pair_verdict(const struct pair_config *cfg, const struct pair_result *r)
{
	static char hang[64];

	if (r->outcome != SIM_DONE) {
		snprintf(hang, sizeof(hang), "%s after %.3f s", sim_outcome_name(r->outcome),
			(double)r->elapsed_us / 1e6);
		return hang;
	}
	if (r->complaint)
		return r->complaint;
	for (size_t i = 0; i < 2; i++) {
		if (!r->idle[i])
			return "not idle at the end";
		if (r->budget_used[i] > 0)
			return "a budget is not given back";
		/* An end without memory for a control message shows the other one the gap. */
		if (r->stats[i].reasons[REASON_PROTOCOL_ERROR] > 0 && !cfg->fail_at[0] &&
			!cfg->fail_at[1])
			return "protocol error";
	}
	for (size_t n = 0; n < cfg->n_plans; n++)
		for (size_t side = 0; side < 2; side++) {
			const struct pair_conn *c = &r->conn[n][side];
			if (c->bad > 0)
				return "wrong bytes";
			if (c->received > r->conn[n][!side].sent)
				return "too many bytes";
			if (orderly(c) && !c->vanished &&
				c->received != cfg->plan[n].habit[!side].bytes)
				return "orderly and incomplete";
		}
	return NULL;
}

/* As above, for one connection. */
static const char *planned(
	const struct pair_plan *p, const struct pair_conn *a, const struct pair_conn *b, bool late)
{
	if (late && (a->reason == REASON_CONNECT_TIMEOUT || a->reason == REASON_TARGET_TIMEOUT))
		return NULL;
	if (p->dial == DIAL_REFUSED)
		return a->reason == REASON_REFUSED_BY_TARGET ? NULL : "not refused";
	if (p->dial == DIAL_NO_HOST)
		return a->reason == REASON_NO_SUCH_HOST ? NULL : "resolved";
	if (p->dial == DIAL_FORBIDDEN)
		return a->reason == REASON_NOT_ALLOWED ? NULL : "allowed";
	if (p->habit[0].abort_at || p->habit[1].abort_at) {
		if (a->reason != REASON_RESET)
			return "abort did not reset";
		return b->started && b->reason != REASON_RESET ? "abort came not through" : NULL;
	}
	if (!orderly(a))
		return reason_name(a->reason);
	if (a->reason != b->reason)
		return "reasons differ";
	if (a->received != p->habit[1].bytes || b->received != p->habit[0].bytes)
		return "bytes are lacking";
	return a->shutdown && b->shutdown ? NULL : "no shutdown";
}

const char *pair_planned_verdict(
	const struct pair_config *cfg, const struct pair_result *r, bool late)
{
	const char *wrong = NULL;

	for (size_t n = 0; n < cfg->n_plans && !wrong; n++)
		wrong = planned(&cfg->plan[n], &r->conn[n][0], &r->conn[n][1], late);
	return wrong;
}

void pair_for_seeds(uint64_t n, void (*scene)(uint64_t seed))
{
	const char *only = getenv("TT_SIM_SEED");
	if (only) {
		scene(strtoull(only, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= n; seed++)
		scene(seed);
}
