/*
 * Two sessions that live for long: a scene of mixed traffic and faults every ten minutes, silence
 * between them, and in the middle the overflow of KCP's clock of 32 bits. After each scene nothing
 * may be left of it: no stream, no byte of a budget, no more blocks of memory than after the
 * others. A failure names its seed, from which a run of TT_SIM_SEED begins.
 *
 *     test_soak_sim                     some hours
 *     TT_SIM_HOURS=168 test_soak_sim    a week
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "pair_scene.h"

#define HOURS 12
#define SCENE_TIME TT_S(600)
#define SCENES_AN_HOUR 6
#define KCP_CLOCK TT_MS((tt_time)UINT32_MAX + 1)
/* A session and its link, and what both keep for the next connection. */
#define BLOCKS_IDLE 12

struct totals {
	uint64_t seed, transfers, bytes, faults;
	size_t most_held;
};

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void expect(const struct totals *t, const char *wrong)
{
	if (wrong)
		fail_msg("seed %llu: %s", (unsigned long long)t->seed, wrong);
}

static void play(struct pair *p, struct pair_config *cfg, struct totals *t)
{
	struct pair_result r;
	bool restarts = cfg->seed % 20 == 0;

	pair_add_faults(cfg, restarts);
	cfg->lasts_us = SCENE_TIME;
	pair_play(p, cfg, &r);
	expect(t, pair_verdict(cfg, &r));
	if (!restarts)
		expect(t, pair_planned_verdict(cfg, &r, true));
	for (size_t i = 0; i < 2; i++) {
		expect(t, r.held[i] > BLOCKS_IDLE ? "memory grows" : NULL);
		t->most_held = r.held[i] > t->most_held ? r.held[i] : t->most_held;
	}
	for (size_t n = 0; n < cfg->n_plans; n++)
		t->bytes += r.conn[n][0].received + r.conn[n][1].received;
	t->transfers += cfg->n_plans;
	t->faults += cfg->n_faults;
}

static void nothing_is_left_of_any_scene(void **state)
{
	struct totals t = {.seed = number("TT_SIM_SEED", 1)};
	uint64_t hours = number("TT_SIM_HOURS", HOURS);
	struct pair_config cfg = pair_draw(t.seed);
	struct pair *p;
	size_t left[2];

	(void)state;
	cfg.start_us = KCP_CLOCK - hours * TT_S(1800);
	cfg.budget = 4u << 20;
	pair_new(&p, &cfg);
	for (uint64_t n = 0; n < hours * SCENES_AN_HOUR; n++, t.seed++) {
		cfg = pair_draw(t.seed);
		play(p, &cfg, &t);
	}
	pair_free(p, left);
	expect(&t, left[0] || left[1] ? "memory is left" : NULL);
	print_message("%llu h, %llu transfers, %llu bytes, %llu faults, at most %zu blocks idle\n",
		(unsigned long long)hours, (unsigned long long)t.transfers,
		(unsigned long long)t.bytes, (unsigned long long)t.faults, t.most_held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_left_of_any_scene)};
	return cmocka_run_group_tests_name("soak-sim", tests, NULL, NULL);
}
