/*
 * One allocation of one end is refused, any of those that a life of two sessions needs: hello,
 * connections both ways, transfers over a path that loses packets, resets, an outage, a restart.
 * Whatever was refused, all of it is freed in the end, nothing hangs, no byte is wrong, and every
 * connection goes on or ends with a reason.
 *
 * Every allocation is tried where TT_SIM_SCENES is set, else so many of them, spread evenly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "pair_scene.h"

#define LIVES 60 /* for each scene and end */

/* Returns how many allocations the end asked for. */
static uint64_t live(struct pair_config *cfg, size_t end, uint64_t fail_at)
{
	struct pair_result r;

	cfg->fail_at[end] = fail_at;
	pair_run(cfg, &r);
	const char *wrong = pair_verdict(cfg, &r);
	cfg->fail_at[end] = 0;
	if (!wrong && (r.held[0] || r.held[1]))
		wrong = "memory is left";
	if (wrong)
		fail_msg("seed %llu, allocation %llu of end %zu: %s", (unsigned long long)cfg->seed,
			(unsigned long long)fail_at, end, wrong);
	return r.asked[end];
}

static void try_all(struct pair_config *cfg)
{
	for (size_t end = 0; end < 2; end++) {
		uint64_t asked = live(cfg, end, 0);
		uint64_t step = getenv("TT_SIM_SCENES") ? 1 : asked / LIVES + 1;
		assert_true(asked > 20);
		for (uint64_t n = 1; n <= asked; n += step)
			live(cfg, end, n);
	}
}

static void plain_scene(uint64_t seed)
{
	struct pair_config cfg = pair_draw(seed);
	try_all(&cfg);
}

static void outage_scene(uint64_t seed)
{
	struct pair_config cfg = pair_draw(seed);
	pair_add_outages(&cfg, 2, TT_S(4));
	cfg.fault[1].kind = FAULT_OFFLINE;
	cfg.fault[1].restart[seed % 2] = true;
	try_all(&cfg);
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	pair_for_seeds(3, plain_scene);
}

static void any_allocation_may_fail_around_outages_and_a_restart(void **state)
{
	(void)state;
	pair_for_seeds(3, outage_scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_allocation_may_fail),
		cmocka_unit_test(any_allocation_may_fail_around_outages_and_a_restart),
	};
	return cmocka_run_group_tests_name("nomem-sim", tests, NULL, NULL);
}
