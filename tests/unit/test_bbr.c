/* BBR's machinery, fed by hand: a path that answers each round as the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bbr.h"

#define T0 TT_S(1000)
#define P 1400u /* bytes of a packet */
#define IW 64u
#define RTT TT_MS(50)
#define MB 1000000u
#define EVENTS 16u /* ACK events a round */

struct hand {
	struct rate r;
	struct bbr b;
	tt_time now;
	uint64_t round_lost; /* rate.lost when this round began */
	tt_time rtt_slope, jitter;
	uint64_t train_rate;
	bool app_limited;
	unsigned seen[BBR_PROBE_RTT + 1]; /* times that each state was entered */
};

static void init_seeded(struct hand *h, tt_time rtt, uint64_t seed)
{
	struct bbr_config cfg = {P, IW, seed};
	*h = (struct hand){.now = T0};
	rate_init(&h->r, T0);
	h->r.delivered = MB; /* on another path: BBR counts from where it starts */
	bbr_init(&h->b, &cfg, T0);
	bbr_init_rtt(&h->b, rtt, T0);
}

static void init(struct hand *h, tt_time rtt)
{
	init_seeded(h, rtt, 7);
}

static uint64_t volume(uint64_t rate, tt_time t)
{
	return rate * t / TT_S(1);
}

/* n packets are found lost. */
static void lose(struct hand *h, uint32_t n, uint32_t inflight)
{
	for (uint32_t i = 0; i < n; i++) {
		struct rate_snapshot s = {
			.lost = h->round_lost, .sent_at = h->now - RTT, .inflight = inflight};
		rate_on_lost(&h->r, NULL, P);
		bbr_on_loss(&h->b, &h->r, &s, P, h->now);
	}
}

/*
 * One packet-timed round: what is in flight arrives at `rate`, with round trips from rtt on. Both
 * loss_permille of it and the rest are spread over the round.
 */
static void round_of(struct hand *h, uint64_t rate, tt_time rtt, uint32_t loss_permille)
{
	uint64_t in_round = volume(rate, rtt);
	uint64_t start = h->r.delivered;

	h->round_lost = h->r.lost;
	for (uint32_t i = 0; i < EVENTS; i++) {
		enum bbr_state old = h->b.state;
		tt_time t = rtt + h->rtt_slope * i + (i % 4) * h->jitter;
		h->now += rtt / EVENTS;
		uint64_t lost = in_round * loss_permille / 1000 / P * (i + 1) / EVENTS -
				(h->r.lost - h->round_lost) / P;
		lose(h, (uint32_t)lost, (uint32_t)in_round);
		uint64_t newly = in_round / EVENTS;
		h->r.delivered += newly;
		struct rate_sample rs = {.delivery_rate = rate,
			.train_rate = h->train_rate,
			.delivered = in_round,
			.lost = h->r.lost - h->round_lost,
			.newly_acked = newly,
			.prior_delivered = i == 0 ? start : start - 1,
			.interval_us = t,
			.rtt_us = t,
			.newest_rtt_us = t,
			.newest_rtt_sent_at = h->now - t,
			.tx_inflight = (uint32_t)in_round,
			.app_limited = h->app_limited,
			.sent_at = h->now - t};
		uint64_t inflight = in_round < h->b.cwnd ? in_round : h->b.cwnd;
		if (h->b.state == BBR_STARTUP)
			inflight = h->b.cwnd;
		bbr_on_ack(&h->b, &h->r, &rs, (uint32_t)inflight, h->now);
		if (h->b.state != old)
			h->seen[h->b.state]++;
	}
}

/* Rounds without loss. */
static void rounds(struct hand *h, unsigned n, uint64_t rate, tt_time rtt)
{
	for (unsigned i = 0; i < n; i++)
		round_of(h, rate, rtt, 0);
}

static void go_to(struct hand *h, enum bbr_state state, uint64_t rate)
{
	for (unsigned i = 0; i < 300 && h->b.state != state; i++)
		rounds(h, 1, rate, RTT);
	assert_int_equal(h->b.state, state);
}

/* Through Startup and the probe that comes soon after it, to a path of that rate. */
static void init_cruising(struct hand *h, uint64_t rate)
{
	init(h, RTT);
	for (uint64_t r = rate / 8; r < rate; r *= 2)
		rounds(h, 1, r, RTT);
	go_to(h, BBR_UP, rate);
	go_to(h, BBR_CRUISE, rate);
}

/* ---- the start ---- */

static void known_rtt_paces_the_initial_window(void **state)
{
	struct hand h;
	(void)state;
	init(&h, RTT);
	assert_int_equal(bbr_cwnd(&h.b), IW * P);
	assert_in_range(bbr_pacing_rate(&h.b), IW * P * 20, IW * P * 20 * 5);
	assert_true(bbr_send_quantum(&h.b) < IW * P / 4);
	assert_string_equal(bbr_state_name(&h.b), "startup");
	bbr_init_rtt(&h.b, RTT / 2, h.now); /* too late */
	assert_int_equal(bbr_min_rtt(&h.b), RTT);
}

static void unknown_rtt_sends_a_few_packets_and_then_the_window(void **state)
{
	struct hand h;
	(void)state;
	init(&h, 0);
	assert_int_equal(bbr_min_rtt(&h.b), 0);
	assert_int_equal(bbr_cwnd(&h.b), 10 * P);
	h.r.delivered = P;
	struct rate_sample rs = {.newly_acked = P,
		.rtt_us = RTT,
		.newest_rtt_us = RTT,
		.newest_rtt_sent_at = T0,
		.sent_at = T0,
		.delivered = P};
	bbr_on_ack(&h.b, &h.r, &rs, 9 * P, T0 + RTT);
	assert_int_equal(bbr_min_rtt(&h.b), RTT);
	assert_true(bbr_cwnd(&h.b) >= IW * P);
}

static void startup_goes_on_while_the_rate_grows(void **state)
{
	struct hand h;
	(void)state;
	init(&h, RTT);
	for (uint64_t rate = MB; rate <= 64 * MB; rate = rate * 3 / 2) {
		rounds(&h, 2, rate, RTT);
		assert_int_equal(h.b.state, BBR_STARTUP);
		assert_true(bbr_pacing_rate(&h.b) >= rate * 27 / 10);
		assert_true(bbr_cwnd(&h.b) >= volume(rate, RTT));
	}
}

static void startup_ends_after_three_rounds_without_growth(void **state)
{
	struct hand h;
	(void)state;
	init(&h, RTT);
	rounds(&h, 1, MB, RTT);
	rounds(&h, 3, MB * 11 / 10, RTT);
	assert_int_equal(h.seen[BBR_DRAIN], 1);
	rounds(&h, 3, MB * 11 / 10, RTT);
	assert_int_equal(h.seen[BBR_CRUISE], 1);
}

static void app_limited_rounds_do_not_end_startup(void **state)
{
	struct hand h;
	(void)state;
	init(&h, RTT);
	h.app_limited = true;
	rounds(&h, 50, MB, RTT);
	assert_int_equal(h.b.state, BBR_STARTUP);
}

static void startup_ends_when_the_queue_grows(void **state)
{
	struct hand h;
	(void)state;
	init(&h, RTT);
	rounds(&h, 1, MB, RTT);
	rounds(&h, 1, 2 * MB, RTT);
	h.train_rate = 3 * MB;
	h.rtt_slope = TT_MS(2);
	rounds(&h, 1, 2 * MB + MB / 2, RTT);
	assert_int_not_equal(h.b.state, BBR_STARTUP);
	assert_int_equal(bbr_bandwidth(&h.b), 3 * MB); /* the newest train is the path's rate */
}

static void jitter_does_not_end_startup(void **state)
{
	struct hand h;
	(void)state;
	init(&h, RTT);
	h.jitter = TT_MS(7);
	h.train_rate = MB;
	for (uint64_t rate = MB; rate <= 32 * MB; rate *= 2) {
		h.train_rate = rate;
		rounds(&h, 1, rate, RTT);
		assert_int_equal(h.b.state, BBR_STARTUP);
	}
}

/* ---- the cycle ---- */

static void states_follow_each_other_as_in_the_draft(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, MB);
	for (unsigned i = 0; i < 3; i++) {
		go_to(&h, BBR_REFILL, MB);
		go_to(&h, BBR_UP, MB);
		assert_true(h.b.pacing_gain > 1024);
		go_to(&h, BBR_CRUISE, MB);
		assert_int_equal(h.seen[BBR_REFILL], h.seen[BBR_UP]);
		assert_int_equal(h.seen[BBR_DOWN], h.seen[BBR_UP]);
	}
	assert_int_equal(h.seen[BBR_DRAIN], 1);
	assert_int_equal(h.seen[BBR_PROBE_RTT], 0);
}

static void probes_come_every_two_to_three_seconds(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 20 * MB); /* large enough for the rounds of Reno not to come first */
	go_to(&h, BBR_UP, 20 * MB);
	go_to(&h, BBR_CRUISE, 20 * MB);
	tt_time from = h.now;
	go_to(&h, BBR_REFILL, 20 * MB);
	assert_in_range(h.now - from, TT_MS(1700), TT_MS(3200));
}

static void seeds_choose_the_times_of_probes(void **state)
{
	tt_time wait[3];
	(void)state;
	for (uint64_t seed = 0; seed < 3; seed++) {
		struct hand h;
		init_seeded(&h, RTT, seed * 0x9e3779b97f4a7c15u);
		for (uint64_t r = MB; r < 8 * MB; r *= 2)
			rounds(&h, 1, r, RTT);
		go_to(&h, BBR_UP, 8 * MB);
		go_to(&h, BBR_CRUISE, 8 * MB);
		wait[seed] = h.b.probe_wait;
	}
	assert_int_not_equal(wait[0], wait[1]);
	assert_int_not_equal(wait[0], wait[2]);
	assert_int_not_equal(wait[1], wait[2]);
}

static void growing_path_is_followed_in_one_probe(void **state)
{
	struct hand h;
	uint64_t rate = MB;
	(void)state;
	init_cruising(&h, MB);
	go_to(&h, BBR_UP, MB);
	unsigned n = 0;
	for (; n < 30 && rate < 10 * MB; n++) {
		rate = bbr_pacing_rate(&h.b) < 10 * MB ? bbr_pacing_rate(&h.b) : 10 * MB;
		rounds(&h, 1, rate, RTT);
	}
	assert_true(n < 20);
	assert_int_equal(h.b.state, BBR_UP);
	assert_true(bbr_bandwidth(&h.b) >= 9 * MB);
}

static void probe_ends_when_a_queue_shows(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 5 * MB);
	go_to(&h, BBR_UP, 5 * MB);
	rounds(&h, 1, 5 * MB, RTT); /* no feedback yet */
	assert_int_equal(h.b.state, BBR_UP);
	h.rtt_slope = TT_MS(1);
	rounds(&h, 1, 5 * MB, RTT);
	assert_int_equal(h.b.state, BBR_DOWN);
	assert_true(bbr_pacing_rate(&h.b) < 5 * MB);
}

static void max_bw_is_forgotten_after_two_cycles(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 8 * MB);
	go_to(&h, BBR_UP, 8 * MB);
	go_to(&h, BBR_CRUISE, 8 * MB);
	rounds(&h, 2, 4 * MB, RTT);
	assert_int_equal(bbr_bandwidth(&h.b), 8 * MB); /* the best of two cycles */
	for (unsigned i = 0; i < 2; i++) {
		go_to(&h, BBR_UP, 4 * MB);
		go_to(&h, BBR_CRUISE, 4 * MB);
		rounds(&h, 2, 4 * MB, RTT);
	}
	assert_int_equal(bbr_bandwidth(&h.b), 4 * MB);
}

static void standing_queue_lowers_the_rate_when_the_path_got_slower(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 8 * MB);
	rounds(&h, 8, 3 * MB, RTT + TT_MS(30));
	assert_in_range(bbr_bandwidth(&h.b), 3 * MB, 3 * MB + MB / 10);
}

static void what_was_sent_slowly_does_not_lower_the_rate(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 20 * MB);
	go_to(&h, BBR_UP, 20 * MB);
	for (unsigned i = 0; i < 10 && h.b.state == BBR_UP; i++)
		rounds(&h, 1, 20 * MB, RTT + TT_MS(10));
	assert_int_equal(h.b.state, BBR_DOWN);
	rounds(&h, 1, 20 * MB, RTT + TT_MS(10));
	rounds(&h, 1, 15 * MB, RTT + TT_MS(5)); /* the answer to ProbeBW_DOWN */
	assert_int_equal(h.b.state, BBR_CRUISE);
	rounds(&h, 1, 15 * MB, RTT);
	assert_int_equal(bbr_bandwidth(&h.b), 20 * MB);
}

static void queue_that_stays_is_not_ours(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 8 * MB);
	for (unsigned i = 0; i < 40 && !h.b.queue_foreign; i++)
		rounds(&h, 1, 7 * MB, RTT + TT_MS(40) + i % 2 * TT_MS(4));
	assert_true(h.b.queue_foreign);
	assert_int_equal(bbr_bandwidth(&h.b), 8 * MB); /* what stepping back had cost is back */
	rounds(&h, 30, 8 * MB, RTT);
	assert_false(h.b.queue_foreign);
}

/* ---- round trips ---- */

/* A queue that moves, whoever makes it. */
static void queue_until(struct hand *h, tt_time end)
{
	for (unsigned i = 0; h->now < end; i++)
		rounds(h, 1, 5 * MB, RTT + TT_MS(20) + i % 2 * TT_MS(4));
}

/* Until it is known that somebody else keeps up a queue of 40 ms; it has overflowed once, and that
 * share of the packets is lost while we cruise. */
static void cruise_in_foreign_queue(struct hand *h, uint32_t loss_permille)
{
	init_cruising(h, 8 * MB);
	round_of(h, 8 * MB, RTT + TT_MS(40), 10);
	for (unsigned i = 0; i < 60 && !h->b.queue_foreign; i++)
		round_of(h, 8 * MB, RTT + TT_MS(40) + i % 2 * TT_MS(4), loss_permille);
	assert_true(h->b.queue_foreign);
}

/* What there is after a probe that got more and made the queue overflow. The ACKs of what the queue
 * held come late and as fast as those of the probe. */
static uint64_t after_overflow(struct hand *h, uint32_t loss_permille)
{
	for (unsigned i = 0; i < 200 && h->b.state != BBR_UP; i++)
		round_of(h, 8 * MB, RTT + TT_MS(40) + i % 2 * TT_MS(4), loss_permille);
	assert_int_equal(h->b.state, BBR_UP);
	for (unsigned i = 0; i < 8 && h->b.state == BBR_UP; i++)
		round_of(h, 9 * MB, RTT + TT_MS(44) + i % 2 * TT_MS(4), 300);
	assert_int_equal(h->b.state, BBR_DOWN);
	for (unsigned i = 0; i < 20 && h->b.acks != BBR_ACKS_INIT; i++)
		rounds(h, 1, 6 * MB, RTT + TT_MS(40) + i % 2 * TT_MS(4));
	rounds(h, 2, 9 * MB, RTT + TT_MS(40));
	return h->b.max_bw;
}

static void overflow_is_answered_as_others_answer_it(void **state)
{
	struct hand h;
	(void)state;
	cruise_in_foreign_queue(&h, 0);
	assert_in_range(after_overflow(&h, 0), 69 * MB / 10, 73 * MB / 10);
	for (unsigned i = 0; i < 200 && h.b.state != BBR_UP; i++)
		rounds(&h, 1, 7 * MB, RTT + TT_MS(40) + i % 2 * TT_MS(4));
	rounds(&h, 1, 8 * MB, RTT + TT_MS(40));
	assert_int_equal(h.b.max_bw, 8 * MB); /* until the next probe only */
	cruise_in_foreign_queue(&h, 20);      /* those that do not heed it */
	assert_true(after_overflow(&h, 20) >= 8 * MB);
}

static void room_is_made_for_those_that_heed_loss(void **state)
{
	struct hand h;
	(void)state;
	cruise_in_foreign_queue(&h, 0);
	uint64_t before = h.b.max_bw;
	for (unsigned i = 0; i < 4; i++)
		rounds(&h, 1, 7 * MB, RTT + TT_MS(40) + i % 2 * TT_MS(4));
	assert_int_equal(h.b.state, BBR_CRUISE);
	assert_in_range(h.b.max_bw, 7 * MB, before - 1);
	cruise_in_foreign_queue(&h, 20);
	before = h.b.max_bw;
	for (unsigned i = 0; i < 4; i++)
		round_of(&h, 7 * MB, RTT + TT_MS(40) + i % 2 * TT_MS(4), 20);
	assert_int_equal(h.b.max_bw, before);
}

static void loss_that_others_ignore_is_passed_over(void **state)
{
	struct hand h;
	(void)state;
	cruise_in_foreign_queue(&h, 0);
	uint64_t before = bbr_bandwidth(&h.b);
	round_of(&h, 7 * MB, RTT + TT_MS(40), 60);
	rounds(&h, 1, 7 * MB, RTT + TT_MS(44));
	assert_true(bbr_bandwidth(&h.b) < before);

	cruise_in_foreign_queue(&h, 20);
	before = bbr_bandwidth(&h.b);
	round_of(&h, 7 * MB, RTT + TT_MS(40), 60);
	round_of(&h, 7 * MB, RTT + TT_MS(44), 20);
	assert_int_equal(bbr_bandwidth(&h.b), before);
	for (unsigned i = 0; i < 30 || h.b.state != BBR_CRUISE; i++)
		round_of(&h, 8 * MB, RTT + TT_MS(40) + i % 2 * TT_MS(4), 90);
	round_of(&h, 7 * MB, RTT + TT_MS(40), 90);
	round_of(&h, 7 * MB, RTT + TT_MS(44), 90);
	assert_true(bbr_bandwidth(&h.b) < before); /* it costs too much */
}

/* The way gets longer for two rounds and shorter for two. */
static tt_time drift(unsigned round)
{
	static const unsigned ms[] = {4, 8, 12, 8};
	return TT_MS(ms[round % 4]);
}

static void delay_that_drifts_is_no_slower_path(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 8 * MB);
	for (unsigned i = 0; i < 40; i++)
		rounds(&h, 1, 8 * MB, RTT + drift(i));
	assert_int_equal(h.b.max_bw, 8 * MB);
	for (unsigned i = 0; i < 80; i++) {
		bool longer = drift(i) > drift(i + 3);
		rounds(&h, 1, longer ? 72 * MB / 10 : h.b.max_bw, RTT + drift(i));
	}
	assert_int_equal(h.b.max_bw, 8 * MB);
}

static void min_rtt_is_forgotten_after_ten_seconds(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 5 * MB);
	tt_time from = h.now;
	queue_until(&h, from + TT_S(9));
	assert_int_equal(bbr_min_rtt(&h.b), RTT);
	assert_in_range(h.seen[BBR_PROBE_RTT], 1, 2); /* every five seconds */
	queue_until(&h, from + TT_S(12));
	assert_int_equal(bbr_min_rtt(&h.b), RTT + TT_MS(20));
}

static void longer_way_is_another_path(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 5 * MB);
	h.b.inflight_longterm = 300000;
	tt_time from = h.now;
	while (h.now < from + TT_S(2) && h.b.state != BBR_STARTUP)
		rounds(&h, 1, 5 * MB, RTT + TT_MS(70));
	assert_int_equal(h.b.state, BBR_STARTUP);
	assert_int_equal(h.seen[BBR_PROBE_RTT], 1);
	assert_int_equal(bbr_min_rtt(&h.b), RTT + TT_MS(70));
	assert_int_equal(h.b.inflight_longterm, UINT64_MAX);
	assert_int_equal(bbr_bandwidth(&h.b), 5 * MB);
}

/* It stays the same as long as we send, and gets shorter in ProbeRTT: that is our own queue. */
static void queue_that_stays_the_same_is_no_longer_way(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 5 * MB);
	tt_time from = h.now;
	while (h.now < from + TT_S(4)) {
		bool little = h.b.state == BBR_PROBE_RTT;
		rounds(&h, 1, 5 * MB, RTT + TT_MS(little ? 10 : 70));
		assert_int_not_equal(h.b.state, BBR_STARTUP);
	}
	assert_in_range(h.seen[BBR_PROBE_RTT], 1, 2); /* not again and again */
	assert_int_equal(bbr_min_rtt(&h.b), RTT);
}

static void empty_queue_needs_no_probe_rtt(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 5 * MB);
	while (h.now < T0 + TT_S(60))
		rounds(&h, 1, 5 * MB, RTT + 300);
	assert_int_equal(h.seen[BBR_PROBE_RTT], 0);
	assert_int_equal(bbr_min_rtt(&h.b), RTT);
}

static void probe_rtt_halves_the_window_for_200_ms(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 5 * MB);
	uint32_t window = bbr_cwnd(&h.b);
	tt_time rtt = RTT + TT_MS(10);
	for (unsigned i = 0; i < 200 && h.b.state != BBR_PROBE_RTT; i++)
		rounds(&h, 1, 5 * MB, rtt);
	assert_int_equal(h.b.state, BBR_PROBE_RTT);
	tt_time from = h.now;
	while (h.b.state == BBR_PROBE_RTT && h.now < from + TT_S(2)) {
		assert_in_range(bbr_cwnd(&h.b), 4 * P, volume(5 * MB, RTT) * 6 / 10);
		rounds(&h, 1, 5 * MB / 2, rtt);
	}
	assert_in_range(h.now - from, TT_MS(150), TT_MS(500)); /* in whole rounds */
	assert_int_equal(h.b.state, BBR_CRUISE);
	assert_true(bbr_cwnd(&h.b) >= window * 9 / 10);
}

/* ---- silence ---- */

static void idle_flow_restarts_at_the_rate_of_the_path(void **state)
{
	struct hand h;
	struct rate_snapshot snap;
	(void)state;
	init_cruising(&h, 5 * MB);
	uint32_t window = bbr_cwnd(&h.b);
	go_to(&h, BBR_UP, 5 * MB);
	rate_app_limited(&h.r, 0);
	h.now += TT_S(20);
	bbr_on_sent(&h.b, &h.r, 0, h.now);
	rate_on_sent(&h.r, &snap, P, 0, h.now);
	assert_in_range(bbr_pacing_rate(&h.b), 5 * MB * 98 / 100, 5 * MB);
	rounds(&h, 1, 5 * MB, RTT);
	assert_int_equal(h.seen[BBR_PROBE_RTT], 0); /* the silence has emptied the queue */
	assert_true(bbr_cwnd(&h.b) >= window * 9 / 10);
}

static void app_limited_samples_do_not_lower_the_rate(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 5 * MB);
	h.app_limited = true;
	while (h.now < T0 + TT_S(30))
		rounds(&h, 1, MB / 10, RTT);
	assert_int_equal(bbr_bandwidth(&h.b), 5 * MB);
}

/* ---- loss ---- */

static void random_loss_lowers_nothing_and_is_made_up_for(void **state)
{
	static const uint32_t permille[] = {10, 50, 100, 140};
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct hand h;
		init_cruising(&h, 20 * MB);
		for (unsigned n = 0; n < 400; n++)
			round_of(&h, 20 * MB, RTT, permille[i]);
		assert_int_equal(bbr_bandwidth(&h.b), 20 * MB);
		assert_int_equal(h.b.inflight_longterm, UINT64_MAX);
		assert_in_range(bbr_base_loss_permille(&h.b), permille[i] * 8 / 10, permille[i]);
		go_to(&h, BBR_CRUISE, 20 * MB);
		round_of(&h, 20 * MB, RTT, permille[i]);
		assert_true(
			bbr_pacing_rate(&h.b) >= 20 * MB + 20 * MB * (permille[i] * 8 / 10) / 1000);
	}
}

static void queue_does_not_keep_the_base_loss_too_high(void **state)
{
	struct hand h;
	(void)state;
	init(&h, RTT);
	for (unsigned i = 0; i < 2; i++)
		round_of(&h, MB, RTT, 150);
	assert_true(bbr_base_loss_permille(&h.b) > 100);
	for (unsigned i = 0; i < 10; i++)
		round_of(&h, 20 * MB, RTT + TT_MS(20), 50);
	assert_in_range(bbr_base_loss_permille(&h.b), 40, 60);
}

static void loss_beside_a_queue_is_congestion(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 5 * MB);
	uint32_t window = bbr_cwnd(&h.b);
	for (unsigned i = 0; i < 4; i++)
		round_of(&h, 4 * MB, RTT + TT_MS(5), 80);
	assert_true(bbr_bandwidth(&h.b) < 45 * MB / 10);
	assert_true(bbr_cwnd(&h.b) < window * 8 / 10);
	assert_true(bbr_base_loss_permille(&h.b) < 5);
	go_to(&h, BBR_REFILL, 4 * MB);
	assert_int_equal(h.b.inflight_shortterm, UINT64_MAX); /* probes anew */
}

static void much_loss_is_congestion_without_a_queue(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 5 * MB);
	for (unsigned i = 0; i < 4; i++)
		round_of(&h, 3 * MB, RTT, 500);
	assert_true(bbr_bandwidth(&h.b) < 4 * MB);
	assert_true(bbr_base_loss_permille(&h.b) < 5);
}

static void startup_ends_by_loss_and_starts_again_when_it_was_none(void **state)
{
	struct hand h;
	(void)state;
	init(&h, RTT);
	rounds(&h, 1, MB, RTT);
	rounds(&h, 1, 2 * MB, RTT);
	uint64_t before = h.r.lost;
	round_of(&h, 4 * MB, RTT, 500);
	rounds(&h, 1, 4 * MB, RTT);
	assert_int_not_equal(h.b.state, BBR_STARTUP);
	assert_int_not_equal(h.b.inflight_longterm, UINT64_MAX);
	uint64_t n = (h.r.lost - before) / P;
	for (uint64_t i = 0; i < n; i++) {
		rate_on_spurious(&h.r, P);
		bbr_on_spurious(&h.b, P, h.now);
	}
	assert_int_equal(h.b.state, BBR_STARTUP);
	assert_int_equal(h.b.inflight_longterm, UINT64_MAX);
}

static void ack_without_a_round_trip_changes_no_minimum(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 5 * MB);
	h.now += TT_MS(1);
	h.r.delivered += P;
	struct rate_sample rs = {.newly_acked = P};
	bbr_on_ack(&h.b, &h.r, &rs, 10 * P, h.now);
	assert_int_equal(bbr_min_rtt(&h.b), RTT);
	assert_int_equal(bbr_bandwidth(&h.b), 5 * MB);
}

/* ---- bounds ---- */

static void window_is_never_less_than_four_packets(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, MB);
	while (h.now < T0 + TT_S(40)) {
		round_of(&h, 20 * P, RTT + TT_MS(40), 500); /* one packet each round trip */
		assert_true(bbr_cwnd(&h.b) >= 4 * P);
		assert_true(bbr_pacing_rate(&h.b) > 0);
		assert_true(bbr_send_quantum(&h.b) >= P);
	}
}

static void rates_from_1_kbit_to_10_gbit_fit(void **state)
{
	static const struct {
		uint64_t rate;
		tt_time rtt;
	} paths[] = {{125, TT_S(20)}, {1250u * MB, TT_MS(1)}, {1250u * MB, TT_S(1)}, {MB, 100}};
	(void)state;
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct hand h;
		uint64_t rate = paths[i].rate, bdp = volume(rate, paths[i].rtt);
		init(&h, paths[i].rtt);
		for (uint64_t r = rate / 64 + 1; r < rate; r *= 2)
			rounds(&h, 1, r, paths[i].rtt);
		rounds(&h, 12, rate, paths[i].rtt);
		assert_int_equal(bbr_bandwidth(&h.b), rate);
		assert_in_range(bbr_pacing_rate(&h.b), rate * 85 / 100, rate * 5 / 4);
		uint64_t most = bdp * 5 / 2 + 70000;
		assert_true(bbr_cwnd(&h.b) >= (bdp < 4 * P ? 4 * P : bdp));
		assert_true(bbr_cwnd(&h.b) <= most + bbr_send_quantum(&h.b));
	}
}

static void another_path_starts_from_nothing(void **state)
{
	struct hand h;
	(void)state;
	init_cruising(&h, 50 * MB);
	bbr_on_path_change(&h.b, h.now);
	assert_int_equal(h.b.state, BBR_STARTUP);
	assert_int_equal(bbr_bandwidth(&h.b), 0);
	assert_int_equal(bbr_min_rtt(&h.b), 0);
	assert_int_equal(bbr_cwnd(&h.b), 10 * P);
	bbr_init_rtt(&h.b, RTT, h.now);
	rounds(&h, 1, MB, RTT); /* rate.delivered goes on */
	rounds(&h, 1, 2 * MB, RTT);
	assert_int_equal(bbr_bandwidth(&h.b), 2 * MB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_rtt_paces_the_initial_window),
		cmocka_unit_test(unknown_rtt_sends_a_few_packets_and_then_the_window),
		cmocka_unit_test(startup_goes_on_while_the_rate_grows),
		cmocka_unit_test(startup_ends_after_three_rounds_without_growth),
		cmocka_unit_test(app_limited_rounds_do_not_end_startup),
		cmocka_unit_test(startup_ends_when_the_queue_grows),
		cmocka_unit_test(jitter_does_not_end_startup),
		cmocka_unit_test(states_follow_each_other_as_in_the_draft),
		cmocka_unit_test(probes_come_every_two_to_three_seconds),
		cmocka_unit_test(seeds_choose_the_times_of_probes),
		cmocka_unit_test(growing_path_is_followed_in_one_probe),
		cmocka_unit_test(probe_ends_when_a_queue_shows),
		cmocka_unit_test(max_bw_is_forgotten_after_two_cycles),
		cmocka_unit_test(standing_queue_lowers_the_rate_when_the_path_got_slower),
		cmocka_unit_test(what_was_sent_slowly_does_not_lower_the_rate),
		cmocka_unit_test(queue_that_stays_is_not_ours),
		cmocka_unit_test(overflow_is_answered_as_others_answer_it),
		cmocka_unit_test(room_is_made_for_those_that_heed_loss),
		cmocka_unit_test(loss_that_others_ignore_is_passed_over),
		cmocka_unit_test(delay_that_drifts_is_no_slower_path),
		cmocka_unit_test(min_rtt_is_forgotten_after_ten_seconds),
		cmocka_unit_test(longer_way_is_another_path),
		cmocka_unit_test(queue_that_stays_the_same_is_no_longer_way),
		cmocka_unit_test(empty_queue_needs_no_probe_rtt),
		cmocka_unit_test(probe_rtt_halves_the_window_for_200_ms),
		cmocka_unit_test(idle_flow_restarts_at_the_rate_of_the_path),
		cmocka_unit_test(app_limited_samples_do_not_lower_the_rate),
		cmocka_unit_test(random_loss_lowers_nothing_and_is_made_up_for),
		cmocka_unit_test(queue_does_not_keep_the_base_loss_too_high),
		cmocka_unit_test(loss_beside_a_queue_is_congestion),
		cmocka_unit_test(much_loss_is_congestion_without_a_queue),
		cmocka_unit_test(startup_ends_by_loss_and_starts_again_when_it_was_none),
		cmocka_unit_test(ack_without_a_round_trip_changes_no_minimum),
		cmocka_unit_test(window_is_never_less_than_four_packets),
		cmocka_unit_test(rates_from_1_kbit_to_10_gbit_fit),
		cmocka_unit_test(another_path_starts_from_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
