/* The link emulator's model of one direction, and the words that set it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"
#include "direction.h"

#define MS 1000000u
#define PACKETS 20000
#define LEN 1000

static const struct direction_params quiet = {.queue_bytes = 1e9, .mtu = 1500};

static void send_number(struct direction *d, uint32_t number, uint64_t now)
{
	uint8_t data[LEN] = {0};
	memcpy(data, &number, sizeof(number));
	assert_true(direction_arrive(d, data, sizeof(data), now));
}

/* The number of the next packet that is due, or -1. */
static int64_t take_number(struct direction *d, uint64_t now)
{
	struct packet *p = direction_take(d, now);
	if (!p)
		return -1;
	uint32_t number;
	assert_int_equal(p->len, LEN);
	memcpy(&number, p->data, sizeof(number));
	free(p);
	return number;
}

/* Sends PACKETS a millisecond apart, marks those that arrive, and returns how many. */
static unsigned pass(const struct direction_params *params, uint64_t seed, bool came[PACKETS])
{
	struct direction *d = direction_new(params, seed);
	unsigned count = 0;
	memset(came, 0, PACKETS);
	for (uint32_t i = 0; i < PACKETS; i++)
		send_number(d, i, i * (uint64_t)MS);
	for (int64_t n; (n = take_number(d, DIRECTION_NEVER - 1)) >= 0; count++)
		came[n] = true;
	direction_free(d);
	return count;
}

static void late_taker_loses_no_rate(void **state)
{
	(void)state;
	struct direction_params params = quiet;
	params.rate = 8e6; /* a packet each millisecond */
	params.delay_us = 5000;
	struct direction *d = direction_new(&params, 1);
	for (uint32_t i = 0; i < 100; i++)
		send_number(d, i, 0);
	assert_int_equal(direction_deadline(d), 6 * MS);
	assert_int_equal(take_number(d, 6 * MS - 1), -1);
	assert_int_equal(take_number(d, 6 * MS), 0);
	assert_int_equal(take_number(d, 6 * MS), -1);
	for (int64_t i = 1; i <= 50; i++) /* nobody asked for 50 ms */
		assert_int_equal(take_number(d, 56 * MS), i);
	assert_int_equal(take_number(d, 56 * MS), -1);
	assert_int_equal(direction_deadline(d), 57 * MS);
	assert_int_equal(direction_stats(d, 56 * MS)->late_us.max, 49000);
	direction_free(d);
}

static void queue_drops_what_does_not_fit(void **state)
{
	(void)state;
	struct direction_params params = quiet;
	params.rate = 8e6;
	params.queue_bytes = 3 * LEN + LEN - 1;
	struct direction *d = direction_new(&params, 1);
	for (uint32_t i = 0; i < 6; i++) /* one is being sent, three wait */
		send_number(d, i, 0);
	assert_int_equal(direction_queued(d), 3 * LEN);
	send_number(d, 6, MS); /* in the place of the one that began to be sent */
	const struct direction_stats *s = direction_stats(d, MS);
	assert_int_equal(s->queue_drops, 2);
	assert_int_equal(s->queue_bytes_max, 3 * LEN);
	static const int64_t want[] = {0, 1, 2, 3, 6, -1};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(take_number(d, 10 * MS), want[i]);
	s = direction_stats(d, 10 * MS);
	assert_int_equal(s->queue_us.count, 5);
	assert_int_equal(s->queue_us.max, 3000);
	direction_free(d);
}

static void new_rate_holds_from_the_next_packet(void **state)
{
	(void)state;
	struct direction_params params = quiet;
	params.rate = 8e6;
	struct direction *d = direction_new(&params, 1);
	send_number(d, 0, 0);
	send_number(d, 1, 0);
	direction_params(d)->rate = 80e6;
	assert_int_equal(take_number(d, MS - 1), -1);
	assert_int_equal(take_number(d, MS), 0);
	assert_int_equal(take_number(d, MS + MS / 10), 1);
	direction_free(d);
}

static void same_seed_loses_the_same_packets(void **state)
{
	(void)state;
	static bool first[PACKETS], second[PACKETS], other[PACKETS];
	struct direction_params params = quiet;
	params.loss = 0.1;
	unsigned count = pass(&params, 7, first);
	assert_in_range(PACKETS - count, 1800, 2200); /* 4.7 standard deviations */
	params.jitter_us = 3000;
	params.reorder = 1;
	params.duplicate = 0.1; /* whatever else is asked for */
	pass(&params, 7, second);
	assert_memory_equal(first, second, sizeof(first));
	pass(&params, 8, other);
	assert_memory_not_equal(first, other, sizeof(first));
}

/* Which of the next 64 packets arrive, after a seed was given. */
static uint64_t fates(struct direction *const link[DIRECTIONS], int i, const char *seed)
{
	char line[64], answer[64];
	uint64_t came = 0;
	snprintf(line, sizeof(line), "seed %s", seed);
	command_run(link, line, 0, answer, sizeof(answer));
	for (uint32_t n = 0; n < 64; n++)
		send_number(link[i], n, 0);
	for (int64_t n; (n = take_number(link[i], 0)) >= 0;)
		came |= UINT64_C(1) << n;
	return came;
}

static void seed_begins_chance_anew(void **state)
{
	(void)state;
	struct direction_params params = quiet;
	params.loss = 0.3;
	struct direction *link[DIRECTIONS] = {direction_new(&params, 1), direction_new(&params, 1)};
	uint64_t first = fates(link, 0, "7");
	assert_true(fates(link, 0, "8") != first);
	assert_true(fates(link, 0, "7") == first);
	assert_true(fates(link, 1, "7") != first); /* the directions do not copy each other */
	for (int i = 0; i < DIRECTIONS; i++)
		direction_free(link[i]);
}

static void bursts_have_the_length_of_the_chain(void **state)
{
	(void)state;
	static bool came[PACKETS];
	struct direction_params params = quiet;
	params.ge_enter = 0.01;
	params.ge_leave = 0.25;
	params.ge_loss = 1;
	unsigned lost = PACKETS - pass(&params, 3, came), bursts = 0;
	for (size_t i = 1; i < PACKETS; i++)
		bursts += came[i - 1] && !came[i];
	assert_in_range(lost, PACKETS / 26 * 3 / 4, PACKETS / 26 * 5 / 4); /* 0.01 / 0.26 */
	assert_in_range(lost * 10 / bursts, 34, 46);
}

static void jitter_keeps_the_order_unless_it_is_to_reorder(void **state)
{
	(void)state;
	for (int reorder = 0; reorder < 2; reorder++) {
		struct direction_params params = quiet;
		params.delay_us = 1000;
		params.jitter_us = 10000;
		params.reorder = reorder;
		struct direction *d = direction_new(&params, 5);
		unsigned overtaken = 0;
		for (uint32_t i = 0; i < 1000; i++)
			send_number(d, i, i * (uint64_t)MS);
		int64_t last = -1, n;
		while ((n = take_number(d, DIRECTION_NEVER - 1)) >= 0) {
			overtaken += n < last;
			last = n;
		}
		if (reorder)
			assert_in_range(overtaken, 300, 600);
		else
			assert_int_equal(overtaken, 0);
		direction_free(d);
	}
}

static void cut_loses_what_leaves_the_serialiser(void **state)
{
	(void)state;
	struct direction_params params = quiet;
	params.rate = 8e6;
	params.delay_us = 100000;
	struct direction *d = direction_new(&params, 1);
	for (uint32_t i = 0; i < 4; i++)
		send_number(d, i, 0);
	assert_int_equal(direction_stats(d, 3 * MS / 2)->cut, 0);
	direction_cut(d, true); /* 0 is on the wire, 1 is being sent */
	assert_int_equal(direction_stats(d, 5 * MS / 2)->cut, 1);
	direction_cut(d, false);
	static const int64_t want[] = {0, 2, 3, -1};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(take_number(d, 200 * MS), want[i]);
	direction_free(d);
}

static void deadline_is_never_in_the_past_after_taking(void **state)
{
	(void)state;
	struct direction_params params = {.rate = 8e6,
		.delay_us = 2000,
		.jitter_us = 5000,
		.reorder = 1,
		.loss = 0.3,
		.duplicate = 0.3,
		.queue_bytes = 1e6,
		.mtu = 1500};
	struct direction *d = direction_new(&params, 9);
	unsigned taken = 0;
	for (uint32_t i = 0; i < 500; i++)
		send_number(d, i, 0);
	for (uint64_t now = 0; now != DIRECTION_NEVER; now = direction_deadline(d)) {
		while (take_number(d, now) >= 0)
			taken++;
		assert_true(direction_deadline(d) > now);
	}
	const struct direction_stats *s = direction_stats(d, 1000 * MS);
	assert_int_equal(taken, s->delivered);
	assert_int_equal(s->delivered, s->packets_in - s->lost + s->duplicated);
	assert_int_equal(s->late_us.max, 0);
	direction_free(d);
}

static void words_set_one_direction_or_both(void **state)
{
	(void)state;
	struct direction *link[DIRECTIONS] = {direction_new(&quiet, 1), direction_new(&quiet, 2)};
	assert_null(command_set(link, "rate=1e6"));
	assert_null(command_set(link, "ba.rate=2e6"));
	assert_null(command_set(link, "ab.loss=0.5"));
	assert_true(direction_params(link[0])->rate == 1e6);
	assert_true(direction_params(link[1])->rate == 2e6);
	assert_true(direction_params(link[0])->loss == 0.5);
	assert_true(direction_params(link[1])->loss == 0);
	static const char *const wrong[] = {"", "rate", "rate=", "rate=x", "rate=1x", "rat=1",
		"rates=1", "rate=-1", "rate=nan", "loss=1.01", "ac.rate=1", "=1"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(command_set(link, wrong[i]));
	for (int i = 0; i < DIRECTIONS; i++)
		direction_free(link[i]);
}

static void lines_are_answered(void **state)
{
	(void)state;
	static const struct {
		const char *line, *answer;
	} cases[] = {
		{"set rate=1e6  ba.loss=0", "{}"},
		{"set", "{}"},
		{"set loss=2", "{\"error\":\"value out of range\"}"},
		{"seed 7", "{}"},
		{"seed", "{\"error\":\"not a number\"}"},
		{"seed x", "{\"error\":\"not a number\"}"},
		{"cut", "{}"},
		{"restore ba", "{}"},
		{"cut up", "{\"error\":\"unknown direction\"}"},
		{"reset", "{}"},
		{"", "{\"error\":\"unknown command\"}"},
		{"statistics", "{\"error\":\"unknown command\"}"},
	};
	struct direction *link[DIRECTIONS] = {direction_new(&quiet, 1), direction_new(&quiet, 2)};
	char line[64], answer[4096];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(line, sizeof(line), "%s", cases[i].line);
		command_run(link, line, 0, answer, sizeof(answer));
		assert_string_equal(answer, cases[i].answer);
	}
	send_number(link[1], 1, 0);
	snprintf(line, sizeof(line), "stats");
	command_run(link, line, 5000, answer, sizeof(answer));
	assert_non_null(
		strstr(answer, "{\"time_us\":5,\"ab\":{\"queue_bytes\":0,\"packets_in\":0,"));
	assert_non_null(
		strstr(answer, "\"ba\":{\"queue_bytes\":0,\"packets_in\":1,\"bytes_in\":1000,"));
	assert_non_null(strstr(answer, "\"max\":0}}}"));
	for (int i = 0; i < DIRECTIONS; i++)
		direction_free(link[i]);
}

static void quantiles_are_right_within_three_percent(void **state)
{
	(void)state;
	struct histogram h = {0};
	assert_int_equal(histogram_quantile(&h, 0.5), 0);
	for (uint64_t us = 1; us <= 100000; us++)
		histogram_add(&h, us);
	assert_in_range(histogram_quantile(&h, 0.5), 50000, 51600);
	assert_in_range(histogram_quantile(&h, 0.0001), 10, 10);
	assert_in_range(histogram_quantile(&h, 0.99), 99000, 100000);
	histogram_add(&h, UINT64_MAX);
	assert_true(h.max == UINT64_MAX);
	assert_int_equal(histogram_quantile(&h, 1), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_taker_loses_no_rate),
		cmocka_unit_test(queue_drops_what_does_not_fit),
		cmocka_unit_test(new_rate_holds_from_the_next_packet),
		cmocka_unit_test(same_seed_loses_the_same_packets),
		cmocka_unit_test(seed_begins_chance_anew),
		cmocka_unit_test(bursts_have_the_length_of_the_chain),
		cmocka_unit_test(jitter_keeps_the_order_unless_it_is_to_reorder),
		cmocka_unit_test(cut_loses_what_leaves_the_serialiser),
		cmocka_unit_test(deadline_is_never_in_the_past_after_taking),
		cmocka_unit_test(words_set_one_direction_or_both),
		cmocka_unit_test(lines_are_answered),
		cmocka_unit_test(quantiles_are_right_within_three_percent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
