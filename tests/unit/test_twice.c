/* What is sent twice: on which paths, when, and how much of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "twice.h"

#define T0 TT_S(1000)
#define SEGMENT 88 /* 64 bytes and KCP's header */

static void outcomes(struct twice *t, unsigned n, unsigned one_in)
{
	for (unsigned i = 1; i <= n; i++) {
		if (one_in > 0 && i % one_in == 0)
			twice_on_lost(t);
		else
			twice_on_arrived(t);
	}
}

static struct twice lossy_path(void)
{
	struct twice t;
	twice_init(&t, T0);
	outcomes(&t, 1000, 20);
	return t;
}

/* Copies of one segment in turn, one each `period`, for a second; returns how many are let out. */
static unsigned copies_of_a_second(struct twice *t, tt_time from, tt_time period)
{
	unsigned n = 0;
	for (tt_time now = from; now < from + TT_S(1); now += period) {
		if (!twice_may_spend(t, now))
			continue;
		twice_spend(t, SEGMENT);
		n++;
	}
	return n;
}

static void path_is_lossy_from_one_percent_on(void **state)
{
	static const struct {
		unsigned one_in;
		bool lossy;
	} rates[] = {{0, false}, {1000, false}, {300, false}, {50, true}, {20, true}, {10, true}};
	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct twice t;
		twice_init(&t, T0);
		outcomes(&t, 3000, rates[i].one_in);
		assert_int_equal(twice_lossy(&t), rates[i].lossy);
	}
}

static void single_loss_makes_no_path_lossy(void **state)
{
	struct twice t;
	(void)state;
	twice_init(&t, T0);
	twice_on_lost(&t);
	assert_false(twice_lossy(&t));
}

static void path_that_loses_no_more_is_not_lossy_any_more(void **state)
{
	struct twice t = lossy_path();
	(void)state;
	assert_true(twice_lossy(&t));
	outcomes(&t, 600, 0);
	assert_false(twice_lossy(&t));
}

static void what_arrives_after_all_was_no_loss(void **state)
{
	struct twice t;
	(void)state;
	twice_init(&t, T0);
	for (int i = 0; i < 50; i++) {
		twice_on_lost(&t);
		twice_on_lost(&t);
		twice_on_late(&t, 2);
		assert_false(twice_lossy(&t));
	}
}

static void copies_are_due_in_turn_a_few_milliseconds_later(void **state)
{
	struct twice t = lossy_path();
	struct twice_copy c;
	(void)state;
	assert_true(twice_at(&t) == TT_TIME_NEVER);
	twice_on_sparse(&t, 7, 1, T0);
	twice_on_sparse(&t, 8, 2, T0 + TT_MS(1));
	assert_int_equal(twice_at(&t), T0 + TWICE_DELAY);
	assert_false(twice_take(&t, &c, T0 + TWICE_DELAY - 1));
	assert_true(twice_take(&t, &c, T0 + TWICE_DELAY));
	assert_int_equal(c.conv, 7);
	assert_int_equal(c.sn, 1);
	assert_false(twice_take(&t, &c, T0 + TWICE_DELAY));
	assert_true(twice_take(&t, &c, T0 + TWICE_DELAY + TT_MS(1)));
	assert_int_equal(c.conv, 8);
	assert_true(twice_at(&t) == TT_TIME_NEVER);
}

static void path_that_loses_nothing_has_no_copies(void **state)
{
	struct twice t;
	(void)state;
	twice_init(&t, T0);
	outcomes(&t, 1000, 0);
	twice_on_sparse(&t, 7, 1, T0);
	assert_true(twice_at(&t) == TT_TIME_NEVER);
}

static void more_than_can_wait_is_sent_once(void **state)
{
	struct twice t = lossy_path();
	struct twice_copy c;
	uint32_t n = 0;
	(void)state;
	for (uint32_t sn = 0; sn < 3 * TWICE_WAITING; sn++)
		twice_on_sparse(&t, 7, sn, T0);
	while (twice_take(&t, &c, T0 + TT_S(1)))
		assert_int_equal(c.sn, n++);
	assert_int_equal(n, TWICE_WAITING);
}

static void copies_get_a_twentieth_of_what_is_sent(void **state)
{
	struct twice t = lossy_path();
	unsigned n = 0;
	(void)state;
	copies_of_a_second(&t, T0, TT_MS(1)); /* uses up what there was */
	tt_time now = T0 + TT_S(1) - TT_MS(1);
	for (int i = 0; i < 10000; i++) {
		twice_on_packet(&t, 1373);
		for (; twice_may_spend(&t, now); n++)
			twice_spend(&t, SEGMENT);
	}
	assert_in_range(n * (SEGMENT + TWICE_PACKET), 10000 * (1373 + TWICE_PACKET) / 20 - 200,
		10000 * (1373 + TWICE_PACKET) / 20 + 200);
}

static void twenty_keystrokes_a_second_may_always_be_copied(void **state)
{
	struct twice t = lossy_path();
	(void)state;
	assert_int_equal(copies_of_a_second(&t, T0, TT_MS(50)), 20);
	copies_of_a_second(&t, T0 + TT_S(1), TT_MS(1));
	assert_in_range(copies_of_a_second(&t, T0 + TT_S(2), TT_MS(1)), 19, 21);
}

static void silence_saves_up_for_a_second_of_copies_only(void **state)
{
	struct twice t = lossy_path();
	(void)state;
	copies_of_a_second(&t, T0, TT_MS(1));
	assert_in_range(copies_of_a_second(&t, T0 + TT_S(1000), TT_MS(1)), 39, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_is_lossy_from_one_percent_on),
		cmocka_unit_test(single_loss_makes_no_path_lossy),
		cmocka_unit_test(path_that_loses_no_more_is_not_lossy_any_more),
		cmocka_unit_test(what_arrives_after_all_was_no_loss),
		cmocka_unit_test(copies_are_due_in_turn_a_few_milliseconds_later),
		cmocka_unit_test(path_that_loses_nothing_has_no_copies),
		cmocka_unit_test(more_than_can_wait_is_sent_once),
		cmocka_unit_test(copies_get_a_twentieth_of_what_is_sent),
		cmocka_unit_test(twenty_keystrokes_a_second_may_always_be_copied),
		cmocka_unit_test(silence_saves_up_for_a_second_of_copies_only),
	};
	return cmocka_run_group_tests_name("twice", tests, NULL, NULL);
}
