/* The models of TCP behave as the real ones are known to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "sim.h"
#include "tcp.h"
#include "tcp_cc.h"

#define START TT_S(1000)
#define FLOWS 2

struct run {
	enum tcp_kind kind[FLOWS]; /* of which n are used */
	int n;
	struct sim_link link; /* of the data; acknowledgements have only its delay */
	uint64_t bytes;
	tt_time seconds, dark_from, dark_to;
	struct tcp_stats st[FLOWS];
	struct sim_link_stats queue;
};

static struct tcp *watched[FLOWS];

static bool finished(void *user)
{
	const struct run *r = user;
	for (int i = 0; i < r->n; i++) {
		struct tcp_stats st;
		tcp_stats(watched[i], &st);
		if (st.finished_at == 0)
			return false;
	}
	return true;
}

static void run(struct run *r)
{
	struct sim *sim = sim_new(7, START, TT_S(r->seconds));
	struct sim_link back = {.delay_us = r->link.delay_us}, dark = r->link;
	int forth_link = sim_add_link(sim, &r->link), back_link = sim_add_link(sim, &back);

	dark.dark = true;
	if (r->dark_to > 0) {
		sim_change(sim, r->dark_from, forth_link, &dark);
		sim_change(sim, r->dark_to, forth_link, &r->link);
	}
	for (int i = 0; i < r->n; i++) {
		struct tcp_config cfg = {
			.kind = r->kind[i], .start_at = START + TT_MS(300 * i), .bytes = r->bytes};
		watched[i] = tcp_new(&cfg);
		struct sim_endpoint snd = tcp_endpoint(watched[i], 0);
		struct sim_endpoint rcv = tcp_endpoint(watched[i], 1);
		int a = sim_add_end(sim, &snd), b = sim_add_end(sim, &rcv);
		sim_route(sim, a, b, &forth_link, 1);
		sim_route(sim, b, a, &back_link, 1);
	}
	enum sim_outcome o = sim_run(sim, finished, r).outcome;
	if (o != (r->bytes ? SIM_DONE : SIM_TIMEOUT))
		fail_msg("%s", sim_outcome_name(o));
	r->queue = *sim_link_stats(sim, forth_link);
	for (int i = 0; i < r->n; i++) {
		tcp_stats(watched[i], &r->st[i]);
		tcp_free(watched[i]);
	}
	sim_free(sim);
}

/* Of the link's rate, over the whole run. */
static double share(const struct run *r, int i)
{
	return (double)r->st[i].delivered / ((double)r->link.rate * (double)r->seconds);
}

static void assert_between(double x, double low, double high)
{
	if (!(x >= low && x <= high))
		fail_msg("%g is not in %g..%g", x, low, high);
}

#define MBYTE 1000000u

static void reno_follows_the_square_root_law(void **state)
{
	static const uint32_t loss[] = {300, 1000, 10000};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct run r = {.kind = {TCP_RENO},
			.n = 1,
			.link = {.rate = 100 * MBYTE, .delay_us = TT_MS(25), .loss = loss[i]},
			.seconds = 300};
		run(&r);
		/* Mathis et al. 1997: MSS / RTT * sqrt(3/2) / sqrt(p) */
		double law = TCP_MSS / 0.05 * sqrt(1.5 / (loss[i] / 1e6));
		assert_between((double)r.st[0].delivered / 300 / law, 0.85, 1.15);
		assert_int_equal(r.st[0].timeouts, 0);
	}
}

static void all_fill_a_link_with_a_queue_of_one_bdp(void **state)
{
	(void)state;
	for (int kind = TCP_RENO; kind <= TCP_BBR; kind++) {
		struct run r = {.kind = {(enum tcp_kind)kind},
			.n = 1,
			.link = {.rate = 10 * MBYTE, .delay_us = TT_MS(20), .queue_bytes = 400000},
			.seconds = 30};
		run(&r);
		/* 1448 of 1500 bytes are payload; the start and the first overrun cost some. */
		assert_between(share(&r, 0), 0.91, 0.966);
		assert_between((double)r.st[0].resent / (double)r.st[0].sent, 0, 0.01);
	}
}

static void only_bbr_stands_random_loss(void **state)
{
	(void)state;
	for (int kind = TCP_RENO; kind <= TCP_BBR; kind++) {
		struct run r = {.kind = {(enum tcp_kind)kind},
			.n = 1,
			.link = {.rate = 10 * MBYTE,
				.delay_us = TT_MS(25),
				.loss = 20000,
				.queue_bytes = 500000},
			.seconds = 30};
		run(&r);
		if (kind == TCP_BBR)
			assert_between(share(&r, 0), 0.8, 0.966);
		else
			assert_between(share(&r, 0), 0.005, 0.1);
		/* What is lost is sent again once, and nothing else is. */
		assert_between((double)r.st[0].resent / (double)r.st[0].sent, 0.015, 0.025);
	}
}

static void losses_of_one_round_trip_reduce_once(void **state)
{
	(void)state;
	/* Slow start overruns the queue by hundreds of segments, and half of its window still
	 * fills it, so that a second reduction is right. */
	struct run r = {.kind = {TCP_RENO},
		.n = 1,
		.link = {.rate = 10 * MBYTE, .delay_us = TT_MS(25), .queue_bytes = 500000},
		.seconds = 1};
	run(&r);
	assert_true(r.queue.queue_drops > 200);
	assert_in_range(r.st[0].reductions, 1, 2);
	assert_int_equal(r.st[0].timeouts, 0);
	assert_int_equal(r.st[0].resent, r.queue.queue_drops);
}

static void hystart_overruns_a_deep_queue_less_than_slow_start(void **state)
{
	uint64_t drops[2];
	(void)state;
	for (int kind = TCP_RENO; kind <= TCP_CUBIC; kind++) {
		struct run r = {.kind = {(enum tcp_kind)kind},
			.n = 1,
			.link = {.rate = 10 * MBYTE, .delay_us = TT_MS(25), .queue_bytes = 4000000},
			.seconds = 2};
		run(&r);
		drops[kind] = r.queue.queue_drops;
	}
	assert_true(drops[TCP_RENO] > 1000);
	assert_true(drops[TCP_CUBIC] < drops[TCP_RENO] / 3);
}

static void alike_flows_share_alike(void **state)
{
	(void)state;
	for (int kind = TCP_RENO; kind <= TCP_BBR; kind++) {
		struct run r = {.kind = {(enum tcp_kind)kind, (enum tcp_kind)kind},
			.n = 2,
			.link = {.rate = 10 * MBYTE, .delay_us = TT_MS(10), .queue_bytes = 200000},
			.seconds = 120};
		run(&r);
		assert_between(share(&r, 0) + share(&r, 1), 0.92, 0.966);
		assert_between(share(&r, 0) / (share(&r, 0) + share(&r, 1)), 0.4, 0.6);
	}
}

static void blackout_costs_a_timeout_and_no_byte(void **state)
{
	(void)state;
	for (int kind = TCP_RENO; kind <= TCP_BBR; kind++) {
		struct run r = {.kind = {(enum tcp_kind)kind},
			.n = 1,
			.link = {.rate = 2 * MBYTE, .delay_us = TT_MS(25), .queue_bytes = 200000},
			.bytes = 12345678,
			.seconds = 60,
			.dark_from = TT_S(2),
			.dark_to = TT_S(5)};
		run(&r);
		assert_int_equal(r.st[0].delivered, 12345678);
		assert_true(r.st[0].timeouts >= 2 && r.st[0].timeouts <= 6);
		/* 6.4 s of sending, 3 of darkness, at most as long again until the next RTO */
		assert_between((double)(r.st[0].finished_at - START) / 1e6, 9.4, 14);
	}
}

/* Acknowledges a window in each round trip of 50 ms for so long. */
static void acknowledge(struct tcp_cc *cc, tt_time *now, tt_time us)
{
	for (tt_time end = *now + us; *now < end; *now += TT_MS(50)) {
		struct tcp_ack a = {.now = *now,
			.delivered = (unsigned)cc->cwnd,
			.rtt_us = TT_MS(50),
			.srtt_us = TT_MS(50)};
		tcp_cubic_ops.on_ack(cc, &a);
	}
}

static void cubic_is_back_at_its_peak_after_k_seconds(void **state)
{
	struct tcp_cc cc = {0};
	tt_time now = START;
	(void)state;

	tcp_cubic_ops.init(&cc);
	cc.cwnd = 1000;
	tcp_cubic_ops.on_loss(&cc, 1000);
	assert_between(cc.cwnd, 699, 701);
	double k = cbrt(1000 * 0.3 / 0.4); /* RFC 9438, section 4.2 */
	acknowledge(&cc, &now, (tt_time)(k * 1e6 / 2));
	assert_between(cc.cwnd, 955, 970); /* 1000 - 0.4 * (k / 2)^3 */
	acknowledge(&cc, &now, (tt_time)(k * 1e6 / 2));
	assert_between(cc.cwnd, 990, 1005);
	acknowledge(&cc, &now, (tt_time)(k * 1e6 / 2));
	assert_between(cc.cwnd, 1030, 1050);

	/* Fast convergence: two reductions from 1000 and 700 aim at less than 700. */
	struct tcp_cc twice = {0};
	tcp_cubic_ops.init(&twice);
	twice.cwnd = 1000;
	tcp_cubic_ops.on_loss(&twice, 1000);
	tcp_cubic_ops.on_loss(&twice, 700);
	assert_between(twice.cubic.w_max, 594, 596);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reno_follows_the_square_root_law),
		cmocka_unit_test(all_fill_a_link_with_a_queue_of_one_bdp),
		cmocka_unit_test(only_bbr_stands_random_loss),
		cmocka_unit_test(losses_of_one_round_trip_reduce_once),
		cmocka_unit_test(hystart_overruns_a_deep_queue_less_than_slow_start),
		cmocka_unit_test(alike_flows_share_alike),
		cmocka_unit_test(blackout_costs_a_timeout_and_no_byte),
		cmocka_unit_test(cubic_is_back_at_its_peak_after_k_seconds),
	};
	return cmocka_run_group_tests_name("tcp-sim", tests, NULL, NULL);
}
