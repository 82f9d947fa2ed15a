/* Two sessions with many channels over a bad path that goes away and comes back. A failure names
 * its seed; TT_SIM_SEED=n runs the scenes with that seed only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "pair.h"

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

static struct pair_config random_scene(uint64_t seed)
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
static void add_outages(struct pair_config *cfg, size_t n, tt_time most)
{
	struct sim_rng r = {cfg->seed * 104729 + 1};
	tt_time at = TT_MS(below(&r, 3000));
	cfg->n_outages = n;
	for (size_t i = 0; i < n; i++) {
		struct pair_outage *o = &cfg->outage[i];
		*o = (struct pair_outage){.at = at,
			.down_us = TT_MS(1000) + below(&r, most - TT_MS(1000)),
			.path = below(&r, 2) ? LINK_DIRECT : LINK_RELAYED,
			.skew_us = {TT_MS(below(&r, 400)), TT_MS(below(&r, 400))},
			.switch_only = below(&r, 4) == 0};
		at += o->down_us + TT_S(1) + TT_MS(below(&r, 3000));
	}
}

#define check(cond, what)                                                                          \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fail_msg("seed %llu: %s", (unsigned long long)cfg->seed, (what));          \
	} while (0)

static void play(const struct pair_config *cfg, struct pair_result *r)
{
	pair_run(cfg, r);
	if (r->outcome != SIM_DONE)
		fail_msg("seed %llu: %s after %.3f s", (unsigned long long)cfg->seed,
			sim_outcome_name(r->outcome), (double)r->elapsed_us / 1e6);
	if (r->complaint)
		fail_msg("seed %llu: %s", (unsigned long long)cfg->seed, r->complaint);
	for (size_t i = 0; i < 2; i++) {
		check(r->idle[i], "not idle at the end");
		check(r->held[i] == 0, "memory is left");
		check(r->stats[i].reasons[REASON_PROTOCOL_ERROR] == 0, "protocol error");
	}
	for (size_t n = 0; n < cfg->n_plans; n++)
		for (size_t side = 0; side < 2; side++) {
			const struct pair_conn *c = &r->conn[n][side];
			check(c->bad == 0, "wrong bytes");
			check(c->received <= cfg->plan[n].habit[!side].bytes, "too many bytes");
		}
}

static bool orderly(const struct pair_conn *c)
{
	return c->reason >= REASON_CLIENT_CLOSE && c->reason <= REASON_BOTH_CLOSE;
}

/* Nothing but the applications ended anything. */
static void expect_all_as_planned(const struct pair_config *cfg, const struct pair_result *r)
{
	for (size_t n = 0; n < cfg->n_plans; n++) {
		const struct pair_plan *p = &cfg->plan[n];
		const struct pair_conn *a = &r->conn[n][0], *b = &r->conn[n][1];
		if (p->dial == DIAL_REFUSED) {
			check(a->reason == REASON_REFUSED_BY_TARGET, "not refused");
		} else if (p->dial == DIAL_NO_HOST) {
			check(a->reason == REASON_NO_SUCH_HOST, "resolved");
		} else if (p->dial == DIAL_FORBIDDEN) {
			check(a->reason == REASON_NOT_ALLOWED, "allowed");
		} else if (p->habit[0].abort_at || p->habit[1].abort_at) {
			check(a->reason == REASON_RESET, "abort did not reset");
			check(!b->started || b->reason == REASON_RESET, "abort came not through");
		} else {
			check(orderly(a), reason_name(a->reason));
			check(a->reason == b->reason, "reasons differ");
			check(a->received == p->habit[1].bytes, "opener lacks bytes");
			check(b->received == p->habit[0].bytes, "accepter lacks bytes");
			check(a->shutdown && b->shutdown, "no shutdown");
		}
	}
}

/* Calls `scene` for every seed, or for the one that the environment names. */
static void for_seeds(uint64_t n, void (*scene)(uint64_t seed))
{
	const char *only = getenv("TT_SIM_SEED");
	if (only) {
		scene(strtoull(only, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= n; seed++)
		scene(seed);
}

static void plain_scene(uint64_t seed)
{
	struct pair_config cfg = random_scene(seed);
	struct pair_result r;
	play(&cfg, &r);
	expect_all_as_planned(&cfg, &r);
}

static void every_channel_carries_all_bytes_and_ends_the_same_on_both_sides(void **state)
{
	(void)state;
	for_seeds(200, plain_scene);
}

static void outage_scene(uint64_t seed)
{
	struct pair_config cfg = random_scene(seed);
	struct pair_result r;
	for (size_t i = 0; i < cfg.n_plans; i++) /* opening alone has a time-out */
		cfg.plan[i].at = cfg.plan[i].at / 5;
	add_outages(&cfg, 1 + (size_t)(seed % PAIR_OUTAGES), TT_S(4));
	play(&cfg, &r);
	expect_all_as_planned(&cfg, &r);
}

static void short_outages_cost_time_and_nothing_else(void **state)
{
	(void)state;
	for_seeds(200, outage_scene);
}

static void long_outage_scene(uint64_t seed)
{
	struct pair_config cfg = random_scene(seed);
	struct pair_result r;
	cfg.resume_timeout_us = TT_S(5);
	add_outages(&cfg, 2, TT_S(15));
	play(&cfg, &r);
	for (size_t n = 0; n < cfg.n_plans; n++) {
		const struct pair_conn *c = r.conn[n];
		for (size_t side = 0; side < 2; side++)
			if (c[side].started && orderly(&c[side]) &&
				c[side].received != cfg.plan[n].habit[!side].bytes)
				fail_msg("seed %llu: orderly and incomplete",
					(unsigned long long)seed);
	}
}

static void outages_beyond_the_resume_timeout_end_all_channels(void **state)
{
	(void)state;
	for_seeds(150, long_outage_scene);
}

static void restart_scene(uint64_t seed)
{
	struct pair_config cfg = random_scene(seed);
	struct pair_result r;
	add_outages(&cfg, 2, TT_S(6));
	for (size_t i = 0; i < 2; i++) {
		cfg.outage[i].switch_only = false;
		cfg.outage[i].restart[(seed + i) % 2] = true;
	}
	play(&cfg, &r);
	for (size_t n = 0; n < cfg.n_plans; n++) {
		const struct pair_conn *c = r.conn[n];
		for (size_t side = 0; side < 2; side++) {
			if (!c[side].started || c[side].vanished || !orderly(&c[side]))
				continue;
			if (c[side].received != cfg.plan[n].habit[!side].bytes)
				fail_msg("seed %llu: orderly and incomplete",
					(unsigned long long)seed);
		}
	}
}

static void restarted_peer_ends_old_channels_and_takes_new_ones(void **state)
{
	(void)state;
	for_seeds(150, restart_scene);
}

static void equal_seeds_give_equal_traces(void **state)
{
	struct pair_config cfg = random_scene(5);
	static struct pair_result a, b;
	(void)state;
	add_outages(&cfg, 2, TT_S(4));
	play(&cfg, &a);
	play(&cfg, &b);
	assert_true(a.trace == b.trace);
	assert_true(a.elapsed_us == b.elapsed_us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_channel_carries_all_bytes_and_ends_the_same_on_both_sides),
		cmocka_unit_test(short_outages_cost_time_and_nothing_else),
		cmocka_unit_test(outages_beyond_the_resume_timeout_end_all_channels),
		cmocka_unit_test(restarted_peer_ends_old_channels_and_takes_new_ones),
		cmocka_unit_test(equal_seeds_give_equal_traces),
	};
	return cmocka_run_group_tests_name("tunnel-sim", tests, NULL, NULL);
}
