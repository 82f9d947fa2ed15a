/* Delivery rate samples from a scripted sender and receiver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rate.h"

#define T0 TT_S(1000)
#define LEN 1000u
#define RTT TT_MS(50)
#define PACKETS 1000u

/* A thousand packets at most; each is sent and acknowledged when the test says so. */
struct script {
	struct rate r;
	struct rate_snapshot snap[PACKETS];
	uint32_t sent, inflight;
	tt_time min_rtt;
};

static struct script *make(void **state)
{
	struct script *s = *state;
	*s = (struct script){.min_rtt = RTT};
	rate_init(&s->r, T0);
	return s;
}

static void send_at(struct script *s, tt_time at)
{
	rate_on_sent(&s->r, &s->snap[s->sent++], LEN, s->inflight, at);
	s->inflight += LEN;
}

/* One ACK event for the packets from..to-1. */
static struct rate_sample ack_at(struct script *s, uint32_t from, uint32_t to, tt_time at)
{
	struct rate_sample rs = {0};
	for (uint32_t i = from; i < to; i++) {
		rate_on_acked(&s->r, &rs, &s->snap[i], LEN, true, at);
		s->inflight -= LEN;
	}
	rate_sample_finish(&s->r, &rs, s->min_rtt, at);
	return rs;
}

/* n packets, one each `gap`, acknowledged a round trip later one by one while more are sent. */
static uint64_t stream(struct script *s, uint32_t n, tt_time gap, struct rate_sample *last)
{
	uint64_t max = 0;
	uint32_t acked = s->sent, end = s->sent + n;
	tt_time start = T0 + s->sent * gap;

	for (tt_time t = start; acked < end; t += gap) {
		if (t >= start + RTT) {
			*last = ack_at(s, acked, acked + 1, t);
			acked++;
			max = last->delivery_rate > max ? last->delivery_rate : max;
		}
		if (s->sent < end)
			send_at(s, t);
	}
	return max;
}

static void steady_acks_give_the_rate_at_which_they_come(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs;
	uint64_t max = stream(s, 400, TT_MS(1), &rs);
	assert_in_range(max, 980000, 1000000); /* 1000 bytes each millisecond */
	assert_int_equal(rs.rtt_us, RTT);
	assert_int_equal(s->r.delivered, 400 * LEN);
}

static void first_sample_spans_at_least_a_round_trip(void **state)
{
	struct script *s = make(state);
	for (int i = 0; i < 10; i++)
		send_at(s, T0);
	struct rate_sample rs = ack_at(s, 0, 10, T0 + RTT);
	assert_int_equal(rs.interval_us, RTT);
	assert_int_equal(rs.delivered, 10 * LEN);
	assert_int_equal(rs.delivery_rate, 10 * LEN * 20); /* in 50 ms */
	assert_int_equal(rs.newly_acked, 10 * LEN);
	assert_int_equal(rs.tx_inflight, 10 * LEN);
	assert_int_equal(rs.prior_delivered, 0);
}

/* The rate at which the data was sent bounds what a burst of ACKs can claim. */
static void acks_held_back_and_released_at_once_do_not_raise_it(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs;
	stream(s, 200, TT_MS(1), &rs);
	tt_time t = T0 + TT_MS(1000);
	uint32_t first = s->sent;
	uint64_t max = 0;
	for (uint32_t i = 0; i < 100; i++)
		send_at(s, t + TT_MS(i));
	for (uint32_t i = first; i < first + 100; i++) {
		rs = ack_at(s, i, i + 1, t + TT_MS(149) + (i - first) * 10); /* all within 1 ms */
		max = rs.delivery_rate > max ? rs.delivery_rate : max;
	}
	assert_in_range(max, 600000, 1010000);
}

static void burst_of_ours_does_not_raise_it(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs = {0};
	for (int i = 0; i < 100; i++)
		send_at(s, T0); /* all at once, to a path that takes one each millisecond */
	for (uint32_t i = 0; i < 100; i++)
		rs = ack_at(s, i, i + 1, T0 + RTT + TT_MS(i));
	assert_in_range(rs.delivery_rate, 600000, 1000000);
}

static void samples_are_app_limited_until_the_bubble_has_left(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs;
	send_at(s, T0);
	send_at(s, T0 + 1);
	rate_app_limited(&s->r, s->inflight); /* nothing to send for a while */
	send_at(s, T0 + TT_MS(10));
	rs = ack_at(s, 0, 1, T0 + RTT);
	assert_false(rs.app_limited); /* sent before */
	send_at(s, T0 + RTT);         /* the bubble is still in flight */
	rs = ack_at(s, 1, 3, T0 + RTT + TT_MS(10));
	assert_true(rs.app_limited);
	assert_int_equal(s->r.app_limited_until, 0);
	send_at(s, T0 + RTT + TT_MS(10));
	rs = ack_at(s, 3, 4, T0 + 2 * RTT);
	assert_true(rs.app_limited);
	rs = ack_at(s, 4, 5, T0 + 2 * RTT + TT_MS(10));
	assert_false(rs.app_limited);
}

static void nothing_delivered_yet_is_app_limited_too(void **state)
{
	struct script *s = make(state);
	rate_app_limited(&s->r, 0);
	send_at(s, T0);
	assert_true(s->snap[0].app_limited);
}

static void idle_time_is_not_part_of_a_sample(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs;
	stream(s, 100, TT_MS(1), &rs);
	for (uint32_t i = 100; i < 110; i++)
		send_at(s, T0 + TT_S(60));
	rs = ack_at(s, 100, 110, T0 + TT_S(60) + RTT);
	assert_int_equal(rs.interval_us, RTT);
	assert_int_equal(rs.delivered, 10 * LEN);
}

static void lost_data_is_counted_beside_the_delivered(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs = {0};
	for (int i = 0; i < 10; i++)
		send_at(s, T0);
	rate_on_lost(&s->r, &rs, LEN);
	rate_on_lost(&s->r, &rs, LEN);
	s->inflight -= 2 * LEN;
	for (uint32_t i = 2; i < 10; i++)
		rate_on_acked(&s->r, &rs, &s->snap[i], LEN, true, T0 + RTT);
	rate_sample_finish(&s->r, &rs, s->min_rtt, T0 + RTT);
	assert_int_equal(rs.newly_lost, 2 * LEN);
	assert_int_equal(rs.lost, 2 * LEN);
	assert_int_equal(rs.delivered, 8 * LEN);
	assert_int_equal(rs.delivery_rate, 8 * LEN * 20);

	s->inflight = 0;
	send_at(s, T0 + 2 * RTT);
	rs = ack_at(s, 10, 11, T0 + 3 * RTT);
	assert_int_equal(rs.lost, 0); /* that was before this one was sent */
}

static void loss_without_an_ack_gives_no_rate(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs = {0};
	send_at(s, T0);
	rate_on_lost(&s->r, NULL, LEN); /* a timer */
	rate_on_lost(&s->r, &rs, LEN);
	rate_sample_finish(&s->r, &rs, s->min_rtt, T0 + RTT);
	assert_int_equal(rs.delivery_rate, 0);
	assert_int_equal(rs.rtt_us, 0);
	assert_int_equal(s->r.lost, 2 * LEN);
}

static void loss_that_was_none_is_taken_back(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs;
	send_at(s, T0);
	rate_on_lost(&s->r, NULL, LEN);
	send_at(s, T0 + 1); /* its snapshot has the loss */
	rate_on_spurious(&s->r, LEN);
	assert_int_equal(s->r.lost, 0);
	rs = ack_at(s, 0, 2, T0 + RTT);
	assert_int_equal(rs.lost, 0);
	assert_int_equal(rs.delivered, 2 * LEN);
	rate_on_spurious(&s->r, LEN);
	assert_int_equal(s->r.lost, 0);
}

static void newest_packet_stands_for_an_event_in_any_order(void **state)
{
	for (int order = 0; order < 2; order++) {
		struct script *s = make(state);
		struct rate_sample rs = {0};
		send_at(s, T0);
		send_at(s, T0 + TT_MS(10));
		for (int i = 0; i < 2; i++)
			rate_on_acked(
				&s->r, &rs, &s->snap[order ? 1 - i : i], LEN, true, T0 + TT_MS(70));
		rate_sample_finish(&s->r, &rs, s->min_rtt, T0 + TT_MS(70));
		assert_int_equal(rs.sent_at, T0 + TT_MS(10));
		assert_int_equal(rs.rtt_us, TT_MS(60)); /* the shortest */
		assert_int_equal(rs.tx_inflight, 2 * LEN);
		assert_int_equal(rs.delivered, 2 * LEN);
	}
}

/* Bursts of two, of which the ACK names the older one every time, must not hide the queue. */
static void round_trip_is_of_the_newest_packet_that_an_ack_names(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs = {0};
	for (uint32_t i = 0; i < 3; i++)
		send_at(s, T0 + TT_MS(10 * i));
	rate_on_acked(&s->r, &rs, &s->snap[1], LEN, true, T0 + TT_MS(90));
	rate_on_acked(&s->r, &rs, &s->snap[0], LEN, true, T0 + TT_MS(90));
	rate_on_acked(&s->r, &rs, &s->snap[2], LEN, false, T0 + TT_MS(90));
	rate_sample_finish(&s->r, &rs, s->min_rtt, T0 + TT_MS(90));
	assert_int_equal(rs.newest_rtt_us, TT_MS(80));
	assert_int_equal(rs.newest_rtt_sent_at, T0 + TT_MS(10));
	assert_int_equal(rs.rtt_us, TT_MS(80));
	assert_int_equal(rs.sent_at, T0 + TT_MS(20));
	assert_int_equal(rs.delivered, 3 * LEN); /* named or not, all have arrived */
}

static void ack_that_names_no_packet_gives_no_round_trip(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs = {0};
	send_at(s, T0);
	rate_on_acked(&s->r, &rs, &s->snap[0], LEN, false, T0 + TT_MS(90));
	rate_sample_finish(&s->r, &rs, s->min_rtt, T0 + TT_MS(90));
	assert_int_equal(rs.rtt_us, 0);
	assert_int_equal(rs.newest_rtt_us, 0);
	assert_int_equal(rs.delivered, LEN);
}

static void repeat_of_unknown_origin_counts_and_tells_no_times(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs = {0};
	send_at(s, T0);
	rate_on_repeat_acked(&s->r, &rs, LEN, T0 + RTT);
	rate_sample_finish(&s->r, &rs, s->min_rtt, T0 + RTT);
	assert_int_equal(rs.newly_acked, LEN);
	assert_int_equal(s->r.delivered, LEN);
	assert_int_equal(rs.rtt_us, 0);
	assert_int_equal(rs.delivery_rate, 0);
}

/* Every packet is late by something between 0 and 20 ms, and overtaken by those behind it. */
static void reordering_does_not_raise_it(void **state)
{
	struct script *s = make(state);
	uint64_t max = 0;
	uint32_t queue[PACKETS], n = 0;
	for (uint32_t ms = 0; ms < 500; ms++) {
		for (uint32_t i = 0; i < n;) {
			tt_time at = s->snap[queue[i]].sent_at + RTT + TT_MS(queue[i] * 7 % 21);
			if (at > T0 + TT_MS(ms)) {
				i++;
				continue;
			}
			struct rate_sample rs = ack_at(s, queue[i], queue[i] + 1, T0 + TT_MS(ms));
			max = rs.delivery_rate > max ? rs.delivery_rate : max;
			queue[i] = queue[--n];
		}
		queue[n++] = s->sent;
		send_at(s, T0 + TT_MS(ms));
	}
	assert_in_range(max, 950000, 1100000);
}

static void interval_shorter_than_the_round_trip_gives_no_rate(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs;
	send_at(s, T0);
	rs = ack_at(s, 0, 1, T0 + RTT - 1);
	assert_int_equal(rs.delivery_rate, 0);
	assert_int_equal(rs.delivered, LEN); /* the rest of the sample holds */
	assert_int_equal(rs.rtt_us, RTT - 1);
}

/* 60 packets in a burst: the average of the round is low, the train is not. */
static void train_tells_the_rate_of_a_part_of_a_round(void **state)
{
	struct script *s = make(state);
	uint64_t train = 0, max = 0;
	for (uint32_t i = 0; i < 60; i++)
		send_at(s, T0 + i * 400); /* 2.5 MB/s, for half of the round trip */
	for (uint32_t i = 0; i < 60; i++) {
		struct rate_sample rs = ack_at(s, i, i + 1, T0 + RTT + i * 400);
		train = rs.train_rate > train ? rs.train_rate : train;
		max = rs.delivery_rate > max ? rs.delivery_rate : max;
	}
	assert_in_range(train, 2400000, 2500000);
	assert_in_range(max, 800000, 1000000);
}

static void train_is_no_faster_than_its_acks_or_its_sending(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs;
	uint64_t train = 0;
	for (uint32_t i = 0; i < 60; i++)
		send_at(s, T0 + i); /* a burst, to a path that takes 1 MB/s */
	for (uint32_t i = 0; i < 60; i++) {
		rs = ack_at(s, i, i + 1, T0 + RTT + TT_MS(i));
		train = rs.train_rate > train ? rs.train_rate : train;
	}
	assert_in_range(train, 900000, 1000000);

	train = 0;
	for (uint32_t i = 60; i < 120; i++)
		send_at(s, T0 + TT_S(1) + TT_MS(i)); /* 1 MB/s, and the ACKs all within 6 ms */
	for (uint32_t i = 60; i < 120; i++) {
		rs = ack_at(s, i, i + 1, T0 + TT_S(1) + TT_MS(180) + (i - 60) * 120);
		train = rs.train_rate > train ? rs.train_rate : train;
	}
	assert_in_range(train, 900000, 1000000);
}

static void train_needs_packets_and_time(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs;
	for (uint32_t i = 0; i < 60; i++)
		send_at(s, T0 + i * 10);
	for (uint32_t i = 0; i < 60; i++) {
		rs = ack_at(s, i, i + 1, T0 + RTT + i * 10);
		assert_int_equal(rs.train_rate, 0); /* 0.6 ms: too short to be measured */
	}
	s->inflight = 0;
	send_at(s, T0 + TT_S(2)); /* after a pause a train starts anew */
	rs = ack_at(s, 60, 61, T0 + TT_S(2) + RTT);
	assert_int_equal(rs.train_rate, 0);
}

static void rates_from_1_kbit_to_10_gbit_fit(void **state)
{
	struct script *s = make(state);
	struct rate_sample rs;
	send_at(s, T0);
	rs = ack_at(s, 0, 1, T0 + TT_S(8)); /* 125 bytes/s */
	assert_int_equal(rs.delivery_rate, 125);

	/* 10 Gbit/s for ten seconds of round trip: 12.5 GB in one sample */
	struct rate r;
	struct rate_snapshot snap;
	rate_init(&r, T0);
	rate_on_sent(&r, &snap, 1400, UINT32_MAX, T0 + 1);
	assert_int_equal(snap.inflight, UINT32_MAX);
	r.delivered = 12500000000u;
	rs = (struct rate_sample){0};
	rate_on_acked(&r, &rs, &snap, 1400, true, T0 + TT_S(10));
	rate_sample_finish(&r, &rs, RTT, T0 + TT_S(10));
	assert_in_range(rs.delivery_rate, 1249000000u, 1251000000u);
}

static int setup(void **state)
{
	static struct script s;
	*state = &s;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steady_acks_give_the_rate_at_which_they_come),
		cmocka_unit_test(first_sample_spans_at_least_a_round_trip),
		cmocka_unit_test(acks_held_back_and_released_at_once_do_not_raise_it),
		cmocka_unit_test(burst_of_ours_does_not_raise_it),
		cmocka_unit_test(samples_are_app_limited_until_the_bubble_has_left),
		cmocka_unit_test(nothing_delivered_yet_is_app_limited_too),
		cmocka_unit_test(idle_time_is_not_part_of_a_sample),
		cmocka_unit_test(lost_data_is_counted_beside_the_delivered),
		cmocka_unit_test(loss_without_an_ack_gives_no_rate),
		cmocka_unit_test(loss_that_was_none_is_taken_back),
		cmocka_unit_test(newest_packet_stands_for_an_event_in_any_order),
		cmocka_unit_test(round_trip_is_of_the_newest_packet_that_an_ack_names),
		cmocka_unit_test(ack_that_names_no_packet_gives_no_round_trip),
		cmocka_unit_test(repeat_of_unknown_origin_counts_and_tells_no_times),
		cmocka_unit_test(reordering_does_not_raise_it),
		cmocka_unit_test(interval_shorter_than_the_round_trip_gives_no_rate),
		cmocka_unit_test(train_tells_the_rate_of_a_part_of_a_round),
		cmocka_unit_test(train_is_no_faster_than_its_acks_or_its_sending),
		cmocka_unit_test(train_needs_packets_and_time),
		cmocka_unit_test(rates_from_1_kbit_to_10_gbit_fit),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
