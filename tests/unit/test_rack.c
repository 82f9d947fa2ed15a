/* What is lost, and when to probe: RACK-TLP over the transmissions of a link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rack.h"

#define T0 TT_S(1000)
#define RTT TT_MS(40)

enum kind { EXACT, RANGE, AMBIGUOUS };

static void acked_as(struct rack *r, enum kind kind, uint32_t number, tt_time sent, tt_time now)
{
	struct rack_acked a = {number, sent, kind == EXACT, kind == AMBIGUOUS};
	rack_on_acked(r, &a, now);
}

static void acked(struct rack *r, uint32_t number, tt_time sent, tt_time now)
{
	acked_as(r, EXACT, number, sent, now);
}

/* A path that is known: numbers up to 9 were sent at T0 and arrived after RTT. */
static struct rack known_path(void)
{
	struct rack r;
	rack_init(&r);
	for (uint32_t n = 0; n < 10; n++)
		acked(&r, n, T0, T0 + RTT);
	return r;
}

/* ---- loss ---- */

static void nothing_is_lost_before_something_sent_later_has_arrived(void **state)
{
	struct rack r;
	(void)state;
	rack_init(&r);
	assert_true(rack_lost_at(&r, 0, T0) == TT_TIME_NEVER);
	r = known_path();
	assert_true(rack_lost_at(&r, 9, T0) == TT_TIME_NEVER);
	assert_true(rack_lost_at(&r, 10, T0) == TT_TIME_NEVER);
	assert_true(rack_lost_at(&r, 1000, T0) == TT_TIME_NEVER);
}

static void overtaken_by_three_is_lost_at_once_on_a_path_that_keeps_order(void **state)
{
	struct rack r = known_path();
	(void)state;
	assert_int_equal(rack_lost_at(&r, 6, T0), 0);
	assert_int_equal(rack_lost_at(&r, 0, T0), 0);
	assert_true(rack_lost_at(&r, 7, T0) > 0);
}

static void overtaken_by_less_is_lost_a_quarter_of_a_round_trip_late(void **state)
{
	struct rack r = known_path();
	(void)state;
	assert_int_equal(rack_lost_at(&r, 8, T0), T0 + RTT + RTT / 4);
	assert_int_equal(rack_lost_at(&r, 7, T0 - 500), T0 - 500 + RTT + RTT / 4);
	acked(&r, 11, T0 + TT_MS(100), T0 + TT_MS(100) + 2 * RTT); /* the path has become slower */
	assert_int_equal(
		rack_lost_at(&r, 10, T0 + TT_MS(100)), T0 + TT_MS(100) + 2 * RTT + RTT / 4);
}

static void reordering_that_was_seen_widens_the_window(void **state)
{
	struct rack r = known_path();
	tt_time late = TT_MS(16);
	(void)state;
	acked(&r, 20, T0 + TT_MS(50), T0 + TT_MS(50) + RTT);
	acked(&r, 12, T0 + TT_MS(50), T0 + TT_MS(50) + RTT + late);
	/* the measured lateness and a quarter more, and no counting of those that overtook */
	assert_int_equal(
		rack_lost_at(&r, 10, T0 + TT_MS(50)), T0 + TT_MS(50) + RTT + late + late / 4);
}

static void least_window_is_a_quarter_of_a_round_trip(void **state)
{
	struct rack r = known_path();
	(void)state;
	acked(&r, 20, T0 + TT_MS(50), T0 + TT_MS(50) + RTT);
	acked(&r, 12, T0 + TT_MS(50), T0 + TT_MS(50) + RTT + TT_MS(6));
	assert_int_equal(rack_lost_at(&r, 10, T0), T0 + RTT + RTT / 4);
}

static void window_is_never_more_than_the_round_trip(void **state)
{
	struct rack r = known_path();
	(void)state;
	rack_on_late(&r, TT_S(5), T0 + TT_S(5));
	assert_int_equal(rack_lost_at(&r, 5, T0), T0 + RTT + r.srtt_us);
}

static void what_is_no_sign_of_reordering_widens_nothing(void **state)
{
	struct rack r = known_path();
	tt_time sent = T0 + TT_MS(50), at = sent + RTT;
	(void)state;
	acked(&r, 20, sent, at);
	acked(&r, 19, sent - RTT / 4, at);           /* in the same packet of ACKs */
	acked(&r, 18, sent, at + RTT / 8);           /* a little later: another stream's ACK */
	acked_as(&r, RANGE, 17, sent, at + RTT);     /* it may have been there for long */
	acked_as(&r, AMBIGUOUS, 16, sent, at + RTT); /* or have been another transmission */
	assert_int_equal(rack_lost_at(&r, 17, sent), 0);
}

static void what_was_given_up_and_arrived_widens_the_window(void **state)
{
	struct rack r = known_path();
	(void)state;
	assert_int_equal(rack_lost_at(&r, 5, T0), 0);
	rack_on_late(&r, RTT - 1, T0 + RTT); /* no later than the others */
	assert_int_equal(rack_lost_at(&r, 5, T0), 0);
	rack_on_late(&r, RTT + TT_MS(20), T0 + RTT + TT_MS(20));
	assert_int_equal(rack_lost_at(&r, 5, T0), T0 + RTT + TT_MS(25));
}

static void reordering_is_forgotten_when_it_is_over(void **state)
{
	struct rack r = known_path();
	tt_time period = 16 * RTT, now = T0 + RTT + 1;
	uint32_t n = 10;
	(void)state;
	rack_on_late(&r, RTT + TT_MS(20), now);
	for (; now < T0 + RTT + period; now += TT_MS(10))
		acked(&r, n++, now - RTT, now);
	assert_true(rack_lost_at(&r, n - 9, now) > now);
	for (; now < T0 + RTT + period + period / 2; now += TT_MS(10))
		acked(&r, n++, now - RTT, now);
	assert_true(rack_lost_at(&r, n - 9, now) > now); /* at least for one period */
	for (; now < T0 + RTT + 2 * period + TT_MS(40); now += TT_MS(10))
		acked(&r, n++, now - RTT, now);
	assert_int_equal(rack_lost_at(&r, n - 9, now), 0); /* at most for two */
}

static void most_of_two_periods_counts(void **state)
{
	struct rack r = known_path();
	tt_time now = T0 + RTT + 1;
	(void)state;
	rack_on_late(&r, RTT + TT_MS(20), now);
	now += 16 * RTT + 2 * RTT; /* the round trip is a little longer now */
	rack_on_late(&r, RTT + TT_MS(4), now);
	assert_int_equal(rack_lost_at(&r, 5, T0), T0 + RTT + TT_MS(25));
	now += 16 * RTT + 2 * RTT;
	rack_on_late(&r, RTT + TT_MS(12), now);
	assert_int_equal(rack_lost_at(&r, 5, T0), T0 + RTT + TT_MS(15));
}

static void ack_quicker_than_any_round_trip_is_of_an_earlier_transmission(void **state)
{
	struct rack r = known_path();
	tt_time sent = T0 + TT_S(1);
	(void)state;
	rack_on_probe(&r);
	acked_as(&r, AMBIGUOUS, 50, sent, sent + RTT - 1);
	assert_int_equal(r.number, 9);
	assert_int_equal(r.probes, 0); /* but an answer it is */
	acked_as(&r, AMBIGUOUS, 51, sent, sent + RTT);
	assert_int_equal(r.number, 51);
}

static void later_transmission_is_not_lost_earlier(void **state)
{
	uint64_t seed = 1;
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct rack r;
		tt_time sent[100], now = T0;
		rack_init(&r);
		for (uint32_t n = 0; n < 100; n++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			sent[n] = now += seed >> 33 & 0x7ff;
		}
		for (int i = 0; i < 20; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			uint32_t n = seed >> 33 & 63;
			acked_as(&r, (enum kind)(seed >> 50 & 1), n, sent[n],
				now + RTT + (seed >> 40 & 0x3fff) + (tt_time)i * 500);
			for (uint32_t j = 1; j < 100; j++)
				assert_true(rack_lost_at(&r, j, sent[j]) >=
					    rack_lost_at(&r, j - 1, sent[j - 1]));
		}
	}
}

static void numbers_wrap_around(void **state)
{
	struct rack r;
	(void)state;
	rack_init(&r);
	acked(&r, UINT32_MAX - 1, T0, T0 + RTT);
	acked(&r, 2, T0, T0 + RTT);
	assert_int_equal(r.number, 2);
	acked(&r, UINT32_MAX, T0, T0 + RTT);
	assert_int_equal(r.number, 2);
	assert_int_equal(rack_lost_at(&r, UINT32_MAX, T0), 0);
	assert_int_equal(rack_lost_at(&r, 0, T0), T0 + RTT + RTT / 4);
	assert_true(rack_lost_at(&r, 3, T0) == TT_TIME_NEVER);
}

/* ---- round trips ---- */

static void round_trips_are_smoothed_as_rfc_6298_says(void **state)
{
	struct rack r;
	(void)state;
	rack_init(&r);
	acked(&r, 0, T0, T0 + 80000);
	assert_int_equal(r.srtt_us, 80000);
	assert_int_equal(r.rttvar_us, 40000);
	acked(&r, 1, T0 + 90000, T0 + 190000);
	assert_int_equal(r.srtt_us, (7 * 80000 + 100000) / 8);
	assert_int_equal(r.rttvar_us, (3 * 40000 + 20000) / 4);
	acked(&r, 2, T0 + 190000, T0 + 250000);
	assert_int_equal(r.srtt_us, (7 * 82500 + 60000) / 8);
	assert_int_equal(r.rttvar_us, (3 * 35000 + 22500) / 4);
	assert_int_equal(r.min_rtt_us, 60000);
}

static void only_an_ack_that_names_its_transmission_gives_a_sample(void **state)
{
	struct rack r;
	(void)state;
	rack_init(&r);
	acked_as(&r, RANGE, 5, T0, T0 + RTT);
	acked_as(&r, AMBIGUOUS, 6, T0, T0 + RTT);
	assert_int_equal(r.srtt_us, 0);
	assert_int_equal(r.min_rtt_us, 0);
	assert_int_equal(rack_lost_at(&r, 2, T0), 0); /* that others were overtaken is true */
}

static void late_arrival_is_a_round_trip_too(void **state)
{
	struct rack r;
	(void)state;
	rack_init(&r);
	rack_on_late(&r, TT_S(2), T0 + TT_S(2));
	assert_int_equal(r.srtt_us, TT_S(2));
	assert_int_equal(r.min_rtt_us, TT_S(2));
}

static void shortest_round_trip_is_forgotten_after_half_a_minute(void **state)
{
	struct rack r = known_path();
	uint32_t n = 10;
	(void)state;
	for (tt_time now = T0 + TT_S(1); now < T0 + TT_S(30); now += TT_S(1))
		acked(&r, n++, now - 2 * RTT, now);
	assert_int_equal(r.min_rtt_us, RTT);
	acked(&r, n, T0 + TT_S(31), T0 + TT_S(31) + 2 * RTT);
	assert_int_equal(r.min_rtt_us, 2 * RTT);
}

static void path_without_delay_is_a_path(void **state)
{
	struct rack r;
	(void)state;
	rack_init(&r);
	acked(&r, 3, T0, T0);
	acked(&r, 4, T0 + 5, T0); /* a clock that stands still for a moment */
	assert_true(r.srtt_us > 0 && r.min_rtt_us > 0);
	assert_int_equal(rack_lost_at(&r, 0, T0), 0);
	assert_int_equal(rack_probe_at(&r, T0), T0 + r.srtt_us + RACK_ACK_DELAY);
}

/* ---- probes ---- */

static void probe_waits_for_the_round_trip_and_its_variance(void **state)
{
	struct rack r;
	(void)state;
	rack_init(&r);
	assert_int_equal(rack_probe_at(&r, T0), T0 + RACK_RTT_INIT + RACK_RTT_INIT / 2);
	acked(&r, 0, T0, T0 + RTT);
	assert_int_equal(rack_probe_at(&r, T0), T0 + RTT + 4 * (RTT / 2));
	for (uint32_t n = 1; n < 200; n++)
		acked(&r, n, T0, T0 + RTT);
	assert_int_equal(rack_probe_at(&r, T0), T0 + RTT + RACK_ACK_DELAY);
}

static void probes_without_an_answer_come_more_slowly_up_to_a_limit(void **state)
{
	struct rack r = known_path();
	tt_time wait = rack_probe_at(&r, T0) - T0;
	(void)state;
	for (int i = 0; i < 40; i++) {
		assert_int_equal(rack_probe_at(&r, T0), T0 + wait);
		rack_on_probe(&r);
		wait = 2 * wait < RACK_PROBE_MAX ? 2 * wait : RACK_PROBE_MAX;
	}
	assert_int_equal(wait, RACK_PROBE_MAX);
}

static void answer_makes_probes_quick_again(void **state)
{
	struct rack r = known_path();
	(void)state;
	for (int i = 0; i < 100; i++)
		rack_on_probe(&r);
	acked(&r, 10, T0 + RTT, T0 + 2 * RTT);
	assert_true(rack_probe_at(&r, T0) < T0 + 3 * RTT);
	for (int i = 0; i < 100; i++)
		rack_on_probe(&r);
	rack_on_late(&r, RTT, T0 + 3 * RTT); /* of what was given up is one too */
	assert_true(rack_probe_at(&r, T0) < T0 + 3 * RTT);
}

static void slow_path_is_not_probed_before_its_round_trip(void **state)
{
	struct rack r;
	(void)state;
	rack_init(&r);
	acked(&r, 0, T0, T0 + TT_S(3));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(rack_probe_at(&r, T0), T0 + TT_S(9));
		rack_on_probe(&r);
	}
}

static void another_path_is_not_known(void **state)
{
	struct rack r = known_path();
	(void)state;
	rack_on_late(&r, TT_S(1), T0 + TT_S(1));
	rack_on_probe(&r);
	rack_reset(&r);
	assert_true(rack_lost_at(&r, 0, T0) == TT_TIME_NEVER);
	assert_int_equal(rack_probe_at(&r, T0), T0 + RACK_RTT_INIT + RACK_RTT_INIT / 2);
	acked(&r, 5, T0, T0 + 3 * RTT); /* numbers go on where they were */
	assert_int_equal(r.min_rtt_us, 3 * RTT);
	assert_int_equal(rack_lost_at(&r, 2, T0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_before_something_sent_later_has_arrived),
		cmocka_unit_test(overtaken_by_three_is_lost_at_once_on_a_path_that_keeps_order),
		cmocka_unit_test(overtaken_by_less_is_lost_a_quarter_of_a_round_trip_late),
		cmocka_unit_test(reordering_that_was_seen_widens_the_window),
		cmocka_unit_test(least_window_is_a_quarter_of_a_round_trip),
		cmocka_unit_test(window_is_never_more_than_the_round_trip),
		cmocka_unit_test(what_is_no_sign_of_reordering_widens_nothing),
		cmocka_unit_test(what_was_given_up_and_arrived_widens_the_window),
		cmocka_unit_test(reordering_is_forgotten_when_it_is_over),
		cmocka_unit_test(most_of_two_periods_counts),
		cmocka_unit_test(ack_quicker_than_any_round_trip_is_of_an_earlier_transmission),
		cmocka_unit_test(later_transmission_is_not_lost_earlier),
		cmocka_unit_test(numbers_wrap_around),
		cmocka_unit_test(round_trips_are_smoothed_as_rfc_6298_says),
		cmocka_unit_test(only_an_ack_that_names_its_transmission_gives_a_sample),
		cmocka_unit_test(late_arrival_is_a_round_trip_too),
		cmocka_unit_test(shortest_round_trip_is_forgotten_after_half_a_minute),
		cmocka_unit_test(path_without_delay_is_a_path),
		cmocka_unit_test(probe_waits_for_the_round_trip_and_its_variance),
		cmocka_unit_test(probes_without_an_answer_come_more_slowly_up_to_a_limit),
		cmocka_unit_test(answer_makes_probes_quick_again),
		cmocka_unit_test(slow_path_is_not_probed_before_its_round_trip),
		cmocka_unit_test(another_path_is_not_known),
	};
	return cmocka_run_group_tests_name("rack", tests, NULL, NULL);
}
