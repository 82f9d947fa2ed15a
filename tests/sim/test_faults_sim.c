/*
 * Transfers through a session pair while everything goes wrong that networks, machines and people
 * do, drawn by seed. Nothing may be lost, doubled or out of order, and nothing may hang.
 *
 *     test_faults_sim            1,000 scenes, each with up to a dozen transfers
 *     TT_SIM_SCENES=100000 test_faults_sim
 *     TT_SIM_SEED=17 test_faults_sim        that one only, in words
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "pair_scene.h"

#define SCENES 1000

static uint64_t scenes(void)
{
	const char *n = getenv("TT_SIM_SCENES");
	return n ? strtoull(n, NULL, 10) : SCENES;
}

static void tell(const struct pair_config *cfg)
{
	static const char *const kinds[] = {"offline", "path", "dark", "sleep"};

	for (size_t i = 0; i < cfg->n_faults; i++)
		print_message("%8.3f s %s for %.3f s%s%s\n", (double)cfg->fault[i].at / 1e6,
			kinds[cfg->fault[i].kind], (double)cfg->fault[i].for_us / 1e6,
			cfg->fault[i].restart[0] ? ", end 0 restarts" : "",
			cfg->fault[i].restart[1] ? ", end 1 restarts" : "");
}

static void play(uint64_t seed, bool restarts)
{
	struct pair_config cfg = pair_draw(seed);
	struct pair_result r;

	pair_add_faults(&cfg, restarts);
	if (getenv("TT_SIM_SEED"))
		tell(&cfg);
	pair_run(&cfg, &r);
	const char *wrong = pair_verdict(&cfg, &r);
	if (!wrong && (r.held[0] || r.held[1]))
		wrong = "memory is left";
	if (!wrong && !restarts)
		wrong = pair_planned_verdict(&cfg, &r, true);
	if (wrong)
		fail_msg("seed %llu: %s", (unsigned long long)seed, wrong);
}

static void fault_scene(uint64_t seed)
{
	play(seed, false);
}

static void restart_scene(uint64_t seed)
{
	play(seed, true);
}

static void faults_cost_time_and_no_byte(void **state)
{
	(void)state;
	pair_for_seeds(scenes(), fault_scene);
}

static void restarts_among_faults_lose_nothing_in_silence(void **state)
{
	(void)state;
	pair_for_seeds(scenes() / 4, restart_scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_cost_time_and_no_byte),
		cmocka_unit_test(restarts_among_faults_lose_nothing_in_silence),
	};
	return cmocka_run_group_tests_name("faults-sim", tests, NULL, NULL);
}
