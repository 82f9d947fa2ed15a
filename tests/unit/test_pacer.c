/* The pacer: a rate kept, in batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pacer.h"

#define T0 TT_S(1000)
#define MB 1000000u

/* What a sender sends that has always something to send. */
struct run {
	struct pacer p;
	tt_time now;
	uint64_t rate;
	size_t packet, batch;
	size_t largest; /* bytes that left at once, most of all */
};

static struct run run_at(uint64_t rate)
{
	/* Batches of 2 ms, which are packets of at most 1,373 bytes. */
	struct run r = {.now = T0, .rate = rate, .batch = rate / 500};
	r.packet = r.batch / 2 < 1373 ? r.batch / 2 : 1373;
	pacer_reset(&r.p);
	return r;
}

/* All that may leave now, in bytes. */
static size_t send_now(struct run *r)
{
	size_t sent = 0;
	while (pacer_may_send(&r->p, r->now)) {
		pacer_on_sent(&r->p, r->packet, r->rate, r->batch, r->now);
		sent += r->packet;
		assert_true(sent <= MB * 100); /* else it lets everything go */
	}
	if (sent > r->largest)
		r->largest = sent;
	return sent;
}

/* Sends for so long, and wakes up `late` after each time that it should. */
static uint64_t send_for(struct run *r, tt_time length, tt_time late)
{
	tt_time end = r->now + length;
	uint64_t sent = 0;
	while (r->now < end) {
		sent += send_now(r);
		assert_true(pacer_at(&r->p) > r->now);
		r->now = pacer_at(&r->p) + late;
	}
	return sent;
}

static void assert_rate(const struct run *r, uint64_t sent, tt_time length)
{
	uint64_t want = r->rate * length / TT_S(1);
	assert_in_range(sent, want - want / 100, want + want / 100);
}

static void rate_is_kept_from_a_kilobyte_to_a_gigabyte_a_second(void **state)
{
	(void)state;
	for (uint64_t rate = 1000; rate <= 1000 * MB; rate *= 10) {
		struct run r = run_at(rate);
		send_now(&r);
		assert_rate(&r, send_for(&r, TT_S(1), 0), TT_S(1));
	}
}

static void batches_are_as_large_as_asked(void **state)
{
	(void)state;
	for (uint64_t rate = 1000; rate <= 1000 * MB; rate *= 10) {
		struct run r = run_at(rate);
		assert_true(send_now(&r) >= r.batch); /* the first one leaves at once */
		send_for(&r, TT_S(1), 0);
		assert_true(r.largest <= r.batch + r.packet);
		r.largest = 0;
		send_for(&r, TT_S(1), 0);
		assert_true(r.largest >= r.batch / 2);
	}
}

static void large_packets_at_a_low_rate_leave_one_by_one(void **state)
{
	struct run r = run_at(5000);
	(void)state;
	r.packet = 1373;
	send_now(&r);
	r.largest = 0;
	assert_in_range(send_for(&r, TT_S(100), 0), 99 * 5000, 101 * 5000);
	assert_int_equal(r.largest, 1373);
}

static void pace_of_next_to_nothing_lets_a_packet_go_now_and_then(void **state)
{
	struct run r = run_at(5000);
	(void)state;
	r.rate = 0;
	for (int i = 0; i < 10; i++) {
		pacer_on_sent(&r.p, 1373, r.rate, 2 * 1373, r.now);
		tt_time wait = pacer_at(&r.p) > r.now ? pacer_at(&r.p) - r.now : 0;
		assert_true(wait <= PACER_WAIT_MAX + PACER_WAIT_MAX / 2);
		assert_true(i == 0 || wait >= PACER_WAIT_MAX / 2);
		r.now += wait;
	}
}

static void late_turn_is_made_good(void **state)
{
	(void)state;
	for (uint64_t rate = 100000; rate <= 1000 * MB; rate *= 10) {
		struct run r = run_at(rate);
		send_now(&r);
		assert_rate(&r, send_for(&r, TT_S(2), PACER_LATE_MAX), TT_S(2));
	}
}

static void very_late_turn_is_made_good_in_part(void **state)
{
	struct run r = run_at(10 * MB);
	(void)state;
	send_for(&r, TT_S(1), 0);
	r.now += TT_S(10);
	size_t most = r.batch + r.rate * PACER_LATE_MAX / TT_S(1);
	assert_in_range(send_now(&r), most, most + r.packet);
}

static void idle_time_is_not_made_good(void **state)
{
	struct run r = run_at(10 * MB);
	(void)state;
	send_for(&r, TT_S(1), 0);
	pacer_idle(&r.p, r.now); /* its turn has come, and there is nothing to send */
	r.now += TT_S(10);
	assert_in_range(send_now(&r), r.batch, r.batch + r.packet);
}

static void idleness_does_not_end_the_wait(void **state)
{
	struct run r = run_at(10 * MB);
	(void)state;
	send_now(&r);
	tt_time wake = pacer_at(&r.p);
	pacer_idle(&r.p, wake - 1);
	assert_int_equal(pacer_at(&r.p), wake);
	assert_false(pacer_may_send(&r.p, wake - 1));
}

static void little_that_trickles_never_waits(void **state)
{
	struct run r = run_at(10 * MB);
	(void)state;
	for (int i = 0; i < 1000; i++, r.now += TT_MS(1)) {
		assert_true(pacer_may_send(&r.p, r.now));
		pacer_on_sent(&r.p, 1000, r.rate, r.batch, r.now);
		pacer_idle(&r.p, r.now);
	}
}

static void rate_may_change(void **state)
{
	struct run r = run_at(MB);
	(void)state;
	send_for(&r, TT_S(1), 0);
	r.rate = 50 * MB;
	assert_rate(&r, send_for(&r, TT_S(1), 0), TT_S(1));
	r.rate = MB / 10;
	send_for(&r, TT_S(1), 0); /* what left too early at the old rate counts */
	assert_rate(&r, send_for(&r, TT_S(1), 0), TT_S(1));
}

static void reset_lets_a_batch_go(void **state)
{
	struct run r = run_at(1000);
	(void)state;
	send_now(&r);
	assert_false(pacer_may_send(&r.p, r.now));
	pacer_reset(&r.p);
	assert_true(pacer_may_send(&r.p, r.now));
	assert_in_range(send_now(&r), r.batch, r.batch + r.packet);
}

static void time_to_send_is_not_later_than_now_exactly_when_one_may(void **state)
{
	uint64_t seed = 7;
	struct run r = run_at(MB);
	(void)state;
	for (int i = 0; i < 100000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		assert_int_equal(pacer_at(&r.p) <= r.now, pacer_may_send(&r.p, r.now));
		if (seed >> 60 < 9)
			pacer_on_sent(&r.p, seed >> 33 & 0x7ff, MB, 3000, r.now);
		else if (seed >> 60 < 11)
			pacer_idle(&r.p, r.now);
		r.now += seed >> 40 & 0xfff;
	}
}

static void extreme_rates_do_no_harm(void **state)
{
	static const uint64_t rates[] = {0, 1, 2, UINT32_MAX, UINT64_MAX / 2, UINT64_MAX};
	static const tt_time times[] = {0, 1, T0, TT_S(3600) * 24 * 365 * 100};
	(void)state;
	for (size_t i = 0; i < 6; i++) {
		for (size_t j = 0; j < 4; j++) {
			struct run r = {.now = times[j], .rate = rates[i]};
			pacer_reset(&r.p);
			for (int n = 0; n < 50; n++)
				pacer_on_sent(&r.p, 65535, r.rate, 65536, r.now);
			tt_time most = 51 * PACER_WAIT_MAX;
			assert_true(pacer_at(&r.p) <= r.now + most);
			assert_int_equal(pacer_at(&r.p) > r.now + most / 2, r.rate < 1000);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_is_kept_from_a_kilobyte_to_a_gigabyte_a_second),
		cmocka_unit_test(batches_are_as_large_as_asked),
		cmocka_unit_test(large_packets_at_a_low_rate_leave_one_by_one),
		cmocka_unit_test(pace_of_next_to_nothing_lets_a_packet_go_now_and_then),
		cmocka_unit_test(late_turn_is_made_good),
		cmocka_unit_test(very_late_turn_is_made_good_in_part),
		cmocka_unit_test(idle_time_is_not_made_good),
		cmocka_unit_test(idleness_does_not_end_the_wait),
		cmocka_unit_test(little_that_trickles_never_waits),
		cmocka_unit_test(rate_may_change),
		cmocka_unit_test(reset_lets_a_batch_go),
		cmocka_unit_test(time_to_send_is_not_later_than_now_exactly_when_one_may),
		cmocka_unit_test(extreme_rates_do_no_harm),
	};
	return cmocka_run_group_tests_name("pacer", tests, NULL, NULL);
}
