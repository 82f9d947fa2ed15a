/* Which of several servers gets a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "failover.h"

static void server_that_is_back_is_not_steady_before_its_time(void **state)
{
	(void)state;
	assert_int_equal(failover_rank(true, false, 0, 1), FAILOVER_GOOD);
	assert_int_equal(failover_rank(true, false, 100, 99), FAILOVER_UNSTEADY);
	assert_int_equal(failover_rank(true, false, 100, 100), FAILOVER_GOOD);
	assert_int_equal(failover_rank(true, true, 100, 200), FAILOVER_MUTE);
	assert_int_equal(failover_rank(false, true, 0, 1), FAILOVER_NONE);
}

static void first_of_the_best_is_picked(void **state)
{
	static const enum failover_rank all[] = {FAILOVER_GOOD, FAILOVER_GOOD, FAILOVER_GOOD},
					back[] = {FAILOVER_UNSTEADY, FAILOVER_GOOD, FAILOVER_GOOD},
					two[] = {FAILOVER_MUTE, FAILOVER_NONE, FAILOVER_UNSTEADY},
					mute[] = {FAILOVER_NONE, FAILOVER_MUTE, FAILOVER_MUTE},
					none[] = {FAILOVER_NONE, FAILOVER_NONE, FAILOVER_NONE};
	(void)state;
	assert_int_equal(failover_pick(all, 3, 0), 0);
	assert_int_equal(failover_pick(back, 3, 0), 1);
	assert_int_equal(failover_pick(two, 3, 0), 2);
	assert_int_equal(failover_pick(mute, 3, 0), 1);
	assert_int_equal(failover_pick(none, 3, 0), 3);
	assert_int_equal(failover_pick(none, 0, 0), 0);
}

static void turns_go_round_those_that_are_there(void **state)
{
	static const enum failover_rank one_away[] = {
		FAILOVER_GOOD, FAILOVER_NONE, FAILOVER_GOOD, FAILOVER_UNSTEADY};
	size_t used = 3; /* as a new forward has it: the next one is the first */
	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		used = failover_pick(one_away, 4, used + 1);
		assert_int_equal(used, round % 2 ? 2 : 0);
	}
}

static void what_the_rules_forbid_is_not_asked_for_elsewhere(void **state)
{
	(void)state;
	assert_true(failover_curable(REASON_REFUSED_BY_TARGET));
	assert_true(failover_curable(REASON_SHUTDOWN));
	assert_false(failover_curable(REASON_NOT_ALLOWED));
	assert_false(failover_curable(REASON_RESET));
	assert_false(failover_curable(REASON_CLIENT_CLOSE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_that_is_back_is_not_steady_before_its_time),
		cmocka_unit_test(first_of_the_best_is_picked),
		cmocka_unit_test(turns_go_round_those_that_are_there),
		cmocka_unit_test(what_the_rules_forbid_is_not_asked_for_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
