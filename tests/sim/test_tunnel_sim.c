/* Two sessions with many channels over a bad path that goes away and comes back. A failure names
 * its seed; TT_SIM_SEED=n runs the scenes with that seed only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pair_scene.h"

static void complain(const struct pair_config *cfg, const char *wrong)
{
	if (wrong)
		fail_msg("seed %llu: %s", (unsigned long long)cfg->seed, wrong);
}

static void play(const struct pair_config *cfg, struct pair_result *r)
{
	pair_run(cfg, r);
	complain(cfg, pair_verdict(cfg, r));
	complain(cfg, r->held[0] || r->held[1] ? "memory is left" : NULL);
}

static void plain_scene(uint64_t seed)
{
	struct pair_config cfg = pair_draw(seed);
	struct pair_result r;
	play(&cfg, &r);
	complain(&cfg, pair_planned_verdict(&cfg, &r, false));
}

static void every_channel_carries_all_bytes_and_ends_the_same_on_both_sides(void **state)
{
	(void)state;
	pair_for_seeds(200, plain_scene);
}

static void outage_scene(uint64_t seed)
{
	struct pair_config cfg = pair_draw(seed);
	struct pair_result r;
	for (size_t i = 0; i < cfg.n_plans; i++) /* opening alone has a time-out */
		cfg.plan[i].at = cfg.plan[i].at / 5;
	pair_add_outages(&cfg, 1 + (size_t)(seed % 4), TT_S(4));
	play(&cfg, &r);
	complain(&cfg, pair_planned_verdict(&cfg, &r, false));
}

static void short_outages_cost_time_and_nothing_else(void **state)
{
	(void)state;
	pair_for_seeds(200, outage_scene);
}

static void long_outage_scene(uint64_t seed)
{
	struct pair_config cfg = pair_draw(seed);
	struct pair_result r;
	cfg.resume_timeout_us = TT_S(5);
	pair_add_outages(&cfg, 2, TT_S(15));
	play(&cfg, &r);
}

static void outages_beyond_the_resume_timeout_end_all_channels(void **state)
{
	(void)state;
	pair_for_seeds(150, long_outage_scene);
}

static void restart_scene(uint64_t seed)
{
	struct pair_config cfg = pair_draw(seed);
	struct pair_result r;
	pair_add_outages(&cfg, 2, TT_S(6));
	for (size_t i = 0; i < 2; i++) {
		cfg.fault[i].kind = FAULT_OFFLINE;
		cfg.fault[i].restart[(seed + i) % 2] = true;
	}
	play(&cfg, &r);
}

static void restarted_peer_ends_old_channels_and_takes_new_ones(void **state)
{
	(void)state;
	pair_for_seeds(150, restart_scene);
}

static void equal_seeds_give_equal_traces(void **state)
{
	struct pair_config cfg = pair_draw(5);
	static struct pair_result a, b;
	(void)state;
	pair_add_outages(&cfg, 2, TT_S(4));
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
