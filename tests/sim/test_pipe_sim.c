/* The simulator's links: each does what it is told to, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sim_pipe.h"

#define START TT_S(1000)
#define SIZE 1000u

/* Packets of SIZE bytes, numbered, one each gap_us; what came out, and when. */
struct flood {
	struct sim_link link;
	unsigned n;
	double gap_us;
	unsigned change_after; /* from this packet on the link is `then`; 0: never */
	struct sim_link then;
};

struct arrivals {
	struct sim_link_stats st;
	unsigned n;
	unsigned *number;
	tt_time *at; /* after START */
};

static struct arrivals flood(const struct flood *f)
{
	struct sim_pool pool = {0};
	struct sim_pipe *pipe = malloc(sizeof(*pipe));
	struct arrivals a = {.number = calloc(f->n, 2 * sizeof(unsigned)),
		.at = calloc(f->n, 2 * sizeof(tt_time))};
	assert_non_null(pipe);
	assert_non_null(a.number);
	assert_non_null(a.at);

	sim_pipe_init(pipe, &f->link, &pool, 42);
	for (unsigned sent = 0; sent < f->n || sim_pipe_deadline(pipe) < TT_TIME_NEVER;) {
		tt_time send_at = sent < f->n ? START + (tt_time)(sent * f->gap_us) : TT_TIME_NEVER;
		tt_time now = tt_time_min(send_at, sim_pipe_deadline(pipe));
		struct sim_packet *p;
		while ((p = sim_pipe_take(pipe, now))) {
			memcpy(&a.number[a.n], p->data, sizeof(unsigned));
			a.at[a.n++] = now - START;
			sim_packet_free(&pool, p);
		}
		if (send_at > now)
			continue;
		if (f->change_after > 0 && sent == f->change_after)
			pipe->cfg = f->then;
		p = sim_packet_new(&pool);
		p->len = p->wire = SIZE;
		memcpy(p->data, &sent, sizeof(sent));
		sim_pipe_send(pipe, p, now);
		sent++;
	}
	a.st = pipe->stats;
	sim_pipe_clear(pipe);
	sim_pool_clear(&pool);
	free(pipe);
	return a;
}

static void free_arrivals(struct arrivals *a)
{
	free(a->number);
	free(a->at);
}

static void assert_near(double x, double want, double error)
{
	if (x < want * (1 - error) || x > want * (1 + error))
		fail_msg("%g is not within %g of %g", x, error, want);
}

static void rate_is_kept_to_a_thousandth(void **state)
{
	/* Rates whose packets take no whole number of microseconds. */
	static const uint64_t rate[] = {7777, 1234567, 12500000, 62500001, 300000000};
	(void)state;
	for (size_t i = 0; i < sizeof(rate) / sizeof(rate[0]); i++) {
		struct flood f = {.link = {.rate = rate[i], .delay_us = 777}, .n = 2000};
		struct arrivals a = flood(&f);
		assert_int_equal(a.n, f.n);
		double all = 1e6 * SIZE * f.n / (double)rate[i];
		assert_near((double)a.at[a.n - 1] - 777, all, 0.001);
		assert_near((double)a.at[a.n / 2 - 1] - 777, all / 2, 0.001);
		free_arrivals(&a);
	}
}

static void queue_holds_its_bytes_and_drops_the_rest(void **state)
{
	(void)state;
	struct flood f = {.link = {.rate = 1000000, .queue_bytes = 10 * SIZE}, .n = 25};
	struct arrivals a = flood(&f);
	assert_int_equal(a.n, 10);
	assert_int_equal(a.st.queue_drops, 15);
	assert_int_equal(a.st.queued_bytes, 0);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(a.number[i], i);
		assert_int_equal(a.at[i], (i + 1) * 1000);
	}
	/* Each waited for those before it. */
	assert_int_equal(a.st.wait.n, 10);
	assert_int_equal(a.st.wait.max, 9000);
	assert_in_range(sim_hist_quantile(&a.st.wait, 0.5), 4000, 4100);
	free_arrivals(&a);
}

static void policer_passes_its_bucket_at_once_and_its_rate_from_then_on(void **state)
{
	(void)state;
	/* A thousand packets in a second; the bucket has 20, and 300 more drip into it. */
	struct flood f = {.link = {.police_rate = 300000, .police_bytes = 20 * SIZE},
		.n = 1000,
		.gap_us = 1000};
	struct arrivals a = flood(&f);
	assert_in_range(a.n, 318, 321);
	assert_int_equal(a.st.queue_drops, f.n - a.n);
	assert_int_equal(a.st.wait.max, 0);
	assert_int_equal(a.number[19], 19);
	free_arrivals(&a);
}

static void random_loss_is_the_share_asked_for(void **state)
{
	(void)state;
	struct flood f = {.link = {.loss = 50000}, .n = 100000, .gap_us = 10};
	struct arrivals a = flood(&f);
	assert_near(f.n - a.n, 5000, 0.05);
	assert_int_equal(a.st.lost, f.n - a.n);
	free_arrivals(&a);
}

static void burst_loss_has_the_share_and_the_length_asked_for(void **state)
{
	(void)state;
	/* Bad for 1 of 26 packets on average, 20 in a row, and half of those are lost. */
	struct flood f = {.link = {.burst = {2000, 50000, 500000}}, .n = 400000, .gap_us = 10};
	struct arrivals a = flood(&f);
	assert_near(f.n - a.n, f.n / 26.0 / 2, 0.1);
	unsigned again = 0, lost = 0; /* lost packets whose follower is lost too */
	for (unsigned i = 1; i < a.n; i++) {
		unsigned gap = a.number[i] - a.number[i - 1] - 1;
		lost += gap;
		again += gap > 0 ? gap - 1 : 0;
	}
	assert_near((double)again / lost, 0.95 * 0.5, 0.05);
	free_arrivals(&a);
}

static unsigned overtaken(const struct arrivals *a)
{
	unsigned highest = 0, n = 0;
	for (unsigned i = 0; i < a->n; i++) {
		n += a->number[i] < highest;
		highest = a->number[i] > highest ? a->number[i] : highest;
	}
	return n;
}

static void jitter_keeps_the_order_or_not_as_asked(void **state)
{
	(void)state;
	for (int reorders = 0; reorders < 2; reorders++) {
		struct flood f = {.link = {.delay_us = TT_MS(50),
					  .jitter_us = TT_MS(20),
					  .jitter_reorders = reorders},
			.n = 10000,
			.gap_us = 500};
		struct arrivals a = flood(&f);
		assert_int_equal(a.n, f.n);
		double sum = 0;
		for (unsigned i = 0; i < a.n; i++) {
			double way = (double)a.at[i] - a.number[i] * f.gap_us;
			assert_true(way >= 50000 && way <= 70000);
			sum += way;
		}
		if (reorders) {
			assert_near(sum / a.n, 60000, 0.02);
			assert_true(overtaken(&a) > f.n / 2);
		} else {
			assert_int_equal(overtaken(&a), 0);
		}
		free_arrivals(&a);
	}
}

static void drifting_jitter_moves_slowly(void **state)
{
	(void)state;
	struct flood f = {.link = {.jitter_us = TT_MS(10), .jitter_period_us = TT_MS(100)},
		.n = 20000,
		.gap_us = 1000};
	struct arrivals a = flood(&f);
	double low = 1e9, high = 0, last = 0, step = 0;
	for (unsigned i = 0; i < a.n; i++) {
		double way = (double)a.at[i] - a.number[i] * f.gap_us;
		low = way < low ? way : low;
		high = way > high ? way : high;
		if (i > 0 && way - last > step)
			step = way - last;
		last = way;
	}
	assert_true(low < 500 && high > 9500);
	assert_true(step <= 101); /* 10 ms in 100 packets at most */
	free_arrivals(&a);
}

static void reordered_share_is_overtaken(void **state)
{
	(void)state;
	struct flood f = {.link = {.delay_us = 100, .reorder = 20000, .reorder_us = 5000},
		.n = 20000,
		.gap_us = 1000};
	struct arrivals a = flood(&f);
	assert_near(overtaken(&a), 400, 0.2);
	free_arrivals(&a);
}

static void duplicates_arrive_twice(void **state)
{
	(void)state;
	struct flood f = {
		.link = {.delay_us = 1000, .duplicate = 100000}, .n = 10000, .gap_us = 100};
	struct arrivals a = flood(&f);
	assert_near(a.n, 11000, 0.01);
	free_arrivals(&a);
}

static void polled_and_clumping_links_deliver_at_multiples(void **state)
{
	(void)state;
	for (int polled = 0; polled < 2; polled++) {
		struct flood f = {.n = 1000, .gap_us = 333};
		if (polled)
			f.link = (struct sim_link){.poll_us = 5000, .queue_bytes = 10 * SIZE};
		else
			f.link = (struct sim_link){.clump_us = 5000};
		struct arrivals a = flood(&f);
		for (unsigned i = 0; i < a.n; i++)
			assert_int_equal(a.at[i] % 5000, 0);
		/* Fifteen come in each period; only a polled box needs room for them. */
		assert_near(a.n, polled ? f.n * 10 / 15.0 : f.n, 0.02);
		free_arrivals(&a);
	}
}

static void changed_link_is_another_from_then_on(void **state)
{
	(void)state;
	struct flood f = {.link = {.rate = 10000000, .delay_us = 1000},
		.n = 300,
		.gap_us = 1000,
		.change_after = 100,
		.then = {.rate = 1000000, .delay_us = 50000}};
	struct arrivals a = flood(&f);
	assert_int_equal(a.n, 300);
	assert_int_equal(a.at[99], 99 * 1000 + 100 + 1000);
	assert_int_equal(a.at[100], 100 * 1000 + 1000 + 50000);
	f.then = (struct sim_link){.dark = true};
	free_arrivals(&a);
	a = flood(&f);
	assert_int_equal(a.n, 100);
	assert_int_equal(a.st.lost, 200);
	free_arrivals(&a);
}

static void quantiles_are_right_to_two_percent(void **state)
{
	struct sim_hist *h = calloc(1, sizeof(*h));
	(void)state;
	assert_non_null(h);
	assert_int_equal(sim_hist_quantile(h, 0.5), 0);
	for (unsigned i = 1; i <= 100000; i++)
		sim_hist_add(h, i * 37);
	for (unsigned q = 1; q <= 99; q++)
		assert_near((double)sim_hist_quantile(h, q / 100.0), q * 37000.0, 0.02);
	assert_int_equal(sim_hist_quantile(h, 1), 3700000);
	sim_hist_add(h, UINT64_MAX); /* longer than any bucket */
	assert_true(sim_hist_quantile(h, 1) > TT_S(3600));
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_is_kept_to_a_thousandth),
		cmocka_unit_test(queue_holds_its_bytes_and_drops_the_rest),
		cmocka_unit_test(policer_passes_its_bucket_at_once_and_its_rate_from_then_on),
		cmocka_unit_test(random_loss_is_the_share_asked_for),
		cmocka_unit_test(burst_loss_has_the_share_and_the_length_asked_for),
		cmocka_unit_test(jitter_keeps_the_order_or_not_as_asked),
		cmocka_unit_test(drifting_jitter_moves_slowly),
		cmocka_unit_test(reordered_share_is_overtaken),
		cmocka_unit_test(duplicates_arrive_twice),
		cmocka_unit_test(polled_and_clumping_links_deliver_at_multiples),
		cmocka_unit_test(changed_link_is_another_from_then_on),
		cmocka_unit_test(quantiles_are_right_to_two_percent),
	};
	return cmocka_run_group_tests_name("pipe-sim", tests, NULL, NULL);
}
