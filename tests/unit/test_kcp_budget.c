/* Memory that streams share: what one may hold of it, and that all of it comes back. */
#include "kcp_hand.h"

#define COST ((size_t)MSS + KCP_SEG_COST) /* of a full segment */
#define READERS 6

static const uint8_t zeros[MSS];

static struct kcp *reader(struct kcp_budget *b)
{
	return make_of((struct kcp_config){.rcv_budget = b, .rcv_wnd = 1000});
}

static int push_len(struct kcp *k, uint32_t sn, uint32_t len)
{
	return in(k,
		(struct seg){.cmd = PUSH, .sn = sn, .ts = 7, .wnd = 9, .len = len, .data = zeros},
		T0);
}

/* The window of the next word that the stream says, asked for where it has none to say. */
static uint32_t window(struct kcp *k)
{
	struct seg s[8];
	in(k, (struct seg){.cmd = WASK, .wnd = 9}, T0);
	int n = drain(k, s, 8, T0);
	assert_true(n > 0);
	return s[n - 1].wnd;
}

/* A peer that fills the window of its reader. */
struct writer {
	struct kcp *k;
	uint32_t next;
};

static bool write_one(struct writer *w)
{
	if (window(w->k) == 0)
		return false;
	assert_int_equal(push_len(w->k, w->next++, MSS), TT_OK);
	return true;
}

static void read_all(struct kcp *k)
{
	static uint8_t buf[64 * MSS];
	while (kcp_recv(k, buf, sizeof(buf)) > 0)
		;
}

static void free_all(struct writer *w, size_t n, const struct kcp_budget *b)
{
	for (size_t i = 0; i < n; i++)
		kcp_free(w[i].k);
	assert_int_equal(b->used, 0);
}

/* ---- what there is to take ---- */

static void stream_may_take_half_of_what_is_free_beyond_its_own(void **state)
{
	struct kcp_budget all = {.cap = 5000}, b = {.parent = &all, .cap = 500};
	(void)state;
	assert_int_equal(kcp_budget_free(&b), 500);
	kcp_budget_take(&b, 100);
	assert_int_equal(kcp_budget_free(&b), 400);
	assert_int_equal(kcp_budget_room(&b, 0), 200);
	assert_int_equal(kcp_budget_room(&b, 100), 150); /* then it holds 250, as much as is free */
	assert_int_equal(kcp_budget_room(&b, 400), 0);
	assert_int_equal(kcp_budget_room(&b, 5000), 0);
	all.cap = 100; /* the more that is taken already */
	assert_int_equal(kcp_budget_free(&b), 0);
	all.cap = 5000;
	b.cap = 1000;
	assert_int_equal(kcp_budget_free(&b), 900);
	kcp_budget_give(&b, 100);
	assert_int_equal(kcp_budget_free(&b), 1000);
	assert_int_equal(all.used, 0);
	assert_int_equal(kcp_budget_free(NULL), SIZE_MAX);
}

/* ---- receiving ---- */

static void one_stuck_stream_holds_half_and_the_others_go_on(void **state)
{
	struct kcp_budget b = {.cap = 100 * COST};
	struct writer w[2] = {{.k = reader(&b)}, {.k = reader(&b)}};
	(void)state;
	while (write_one(&w[0]))
		;
	assert_in_range(b.used, 48 * COST, 50 * COST);
	for (int i = 0; i < 2000; i++) {
		assert_true(write_one(&w[1]));
		read_all(w[1].k);
	}
	assert_in_range(window(w[1].k), 20, 50);
	free_all(w, 2, &b);
}

static void window_that_was_told_is_half_of_what_is_free_too(void **state)
{
	struct kcp_budget b = {.cap = 100 * COST};
	struct kcp *k = reader(&b);
	(void)state;
	uint32_t wnd = window(k);
	assert_int_equal(wnd, 50);
	for (uint32_t sn = 0; sn < wnd; sn++) /* all of it in one flight */
		assert_int_equal(push_len(k, sn, MSS), TT_OK);
	assert_int_equal(window(k), 0);
	kcp_free(k);
	assert_int_equal(b.used, 0);
}

static void streams_stuck_together_leave_as_much_as_each_holds(void **state)
{
	(void)state;
	for (size_t n = 1; n <= READERS; n++) {
		struct kcp_budget b = {.cap = 1000 * COST};
		struct writer w[READERS];
		for (size_t i = 0; i < n; i++)
			w[i] = (struct writer){.k = reader(&b)};
		for (bool any = true; any;) {
			any = false;
			for (size_t i = 0; i < n; i++)
				any = write_one(&w[i]) || any;
		}
		assert_true(kcp_budget_free(&b) >= 950 * COST / (n + 1));
		for (size_t i = 0; i < n; i++)
			assert_in_range(w[i].next, 950 / (n + 1), 1050 / (n + 1));
		free_all(w, n, &b);
	}
}

static void reader_without_backlog_may_always_be_sent_two_segments(void **state)
{
	struct kcp_budget b = {.cap = 0};
	struct kcp *k = reader(&b);
	(void)state;
	for (uint32_t sn = 0; sn < 10; sn += 2) {
		assert_int_equal(window(k), KCP_WND_FLOOR);
		assert_int_equal(push_len(k, sn + 1, MSS), TT_OK); /* in whatever order they come */
		assert_int_equal(push_len(k, sn, MSS), TT_OK);
		assert_int_equal(window(k), 0);
		read_all(k);
	}
	kcp_free(k);
	assert_int_equal(b.used, 0);
}

static void backlog_that_nobody_reads_is_not_added_to(void **state)
{
	struct kcp_budget b = {.cap = 20 * COST};
	struct kcp *k = reader(&b), *peer = reader(&b);
	(void)state;
	while (window(peer) > 0 && b.used < b.cap) /* all is taken */
		kcp_budget_take(&b, COST);
	for (uint32_t sn = 0; sn < 1000; sn++) /* by one who does not care what he was told */
		push_len(k, sn, MSS);
	assert_true(b.used <= b.cap + KCP_WND_FLOOR * COST);
	assert_int_equal(push_len(k, KCP_WND_FLOOR, MSS), TT_ENOMEM);
	read_all(k);
	assert_int_equal(push_len(k, KCP_WND_FLOOR, MSS), TT_OK);
	kcp_free(k);
	kcp_free(peer);
	assert_int_equal(b.used, 20 * COST);
}

static void segments_out_of_order_do_not_move_the_edge_of_the_window(void **state)
{
	struct kcp_budget b = {.cap = 20 * COST};
	struct kcp *k = reader(&b);
	(void)state;
	assert_int_equal(window(k), 10);
	for (uint32_t sn = 9; sn > 0; sn--) {
		assert_int_equal(push_len(k, sn, MSS), TT_OK);
		assert_int_equal(window(k), 10);
	}
	assert_int_equal(push_len(k, 0, MSS), TT_OK);
	assert_int_equal(window(k), 0);
	kcp_free(k);
	assert_int_equal(b.used, 0);
}

static void full_buffer_behind_a_gap_does_not_keep_the_gap_open(void **state)
{
	struct kcp_budget b = {.cap = 20 * COST};
	struct kcp *k = reader(&b);
	uint32_t sn = 1;
	(void)state;
	while (push_len(k, sn, MSS) == TT_OK)
		sn++;
	assert_int_equal(sn, 21);
	assert_int_equal(push_len(k, 0, MSS), TT_OK);
	assert_int_equal(kcp_recv_ready(k), 21 * MSS);
	kcp_free(k);
	assert_int_equal(b.used, 0);
}

static void peer_may_hold_as_much_as_the_others_have_left(void **state)
{
	struct kcp_budget all = {.cap = 240}, b[4];
	size_t i;
	(void)state;
	for (i = 0; i < 4; i++)
		b[i] = (struct kcp_budget){&all, 1000, 0};
	for (i = 0; kcp_budget_free(&b[0]) > 0; i++)
		kcp_budget_take(&b[0], 1);
	assert_int_equal(i, 120);
	assert_int_equal(kcp_budget_free(&b[1]), 120);
	for (i = 0; kcp_budget_free(&b[1]) > 0; i++)
		kcp_budget_take(&b[1], 1);
	assert_int_equal(i, 60);
	for (i = 0; kcp_budget_free(&b[2]) > 0; i++)
		kcp_budget_take(&b[2], 1);
	assert_int_equal(i, 30);
	assert_int_equal(kcp_budget_free(&b[3]), 30); /* there is always some for one more */
	assert_int_equal(kcp_budget_free(&b[0]), 0);
	kcp_budget_give(&b[0], 120);
	assert_int_equal(kcp_budget_free(&b[0]), 150);
}

static void parent_caps_the_sum(void **state)
{
	struct kcp_budget all = {.cap = 45 * COST};
	struct kcp_budget b[2] = {{&all, 100 * COST, 0}, {&all, 100 * COST, 0}};
	struct writer w[2] = {{.k = reader(&b[0])}, {.k = reader(&b[1])}};
	(void)state;
	while (write_one(&w[0]) || write_one(&w[1]))
		;
	assert_in_range(b[0].used, 14 * COST, 15 * COST); /* a third: as much as is free for it */
	assert_int_equal(all.used, b[0].used + b[1].used);
	assert_true(all.used < all.cap);
	kcp_free(w[0].k);
	assert_int_equal(all.used, b[1].used);
	free_all(w + 1, 1, &all);
	assert_int_equal(b[1].used, 0);
}

/* A segment at the far end of the window needs a ring for all that is missing in front of it. */
static void far_segments_of_many_streams_hold_no_more_than_the_budget(void **state)
{
	enum { N = 100 };
	struct kcp_budget b = {.cap = 500 * COST};
	struct kcp *k[N];
	size_t held = 0, empty, taken = 0;
	(void)state;
	for (size_t i = 0; i < N; i++) {
		k[i] = reader(&b);
		empty = kcp_memory(k[i]);
		taken += push_len(k[i], 999, 1) == TT_OK;
		held += kcp_memory(k[i]) - empty;
	}
	assert_in_range(taken, 2, N - 1);
	assert_true(b.used <= b.cap);
	assert_true(held <= b.cap + N * COST);
	assert_int_equal(push_len(k[N - 1], 0, MSS), TT_OK); /* what comes in order needs none */
	for (size_t i = 0; i < N; i++)
		kcp_free(k[i]);
	assert_int_equal(b.used, 0);
}

static void large_ring_of_an_idle_stream_is_given_back(void **state)
{
	struct kcp_budget b = {.cap = 500 * COST};
	struct kcp *k = reader(&b);
	(void)state;
	for (uint32_t sn = 500; sn > 0; sn--)
		push_len(k, sn - 1, 1);
	assert_true(b.used > 500 * (1 + KCP_SEG_COST));
	read_all(k);
	drain(k, (struct seg[8]){{0}}, 8, T0);
	kcp_on_deadline(k, T0 + TT_S(10));
	assert_int_equal(b.used, 0);
	kcp_free(k);
	assert_int_equal(b.used, 0);
}

static void segment_costs_the_memory_that_it_holds(void **state)
{
	static const struct {
		uint32_t len;
		size_t cost;
	} want[] = {{0, KCP_SEG_COST}, {1, 1 + KCP_SEG_COST}, {MSS / 4, MSS / 4 + KCP_SEG_COST},
		{MSS / 4 + 1, COST}, {MSS, COST}}; /* from a quarter on it gets a whole buffer */
	struct kcp_budget b = {.cap = 100 * COST};
	struct kcp *k = reader(&b);
	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		size_t before = b.used;
		assert_int_equal(push_len(k, i + 1, want[i].len), TT_OK);
		assert_int_equal(push_len(k, i + 1, want[i].len), TT_OK); /* a duplicate, nothing */
		assert_int_equal(b.used - before, want[i].cost);
	}
	push_len(k, 0, 1);
	for (size_t before = b.used; kcp_recv_ready(k) > 0; before = b.used) {
		kcp_recv_consume(k, kcp_recv_ready(k) < 50 ? kcp_recv_ready(k) : 50);
		assert_true(b.used <= before);
	}
	assert_int_equal(b.used, 0);
	kcp_free(k);
}

/* ---- sending ---- */

static void sender_stops_at_half_of_what_is_free(void **state)
{
	struct kcp_budget b = {.cap = 100 * COST};
	struct kcp_config cfg = {.snd_budget = &b};
	struct kcp *one = make_of(cfg), *two = make_of(cfg);
	struct seg s[128];
	struct iovec v[64];
	(void)state;
	assert_int_equal(kcp_send_space(one), 50 * MSS);
	assert_int_equal(kcp_send_reserve(one, v, 64, 1000 * MSS), 50);
	fill(one, 50);
	assert_int_equal(kcp_send(one, zeros, 1), TT_EAGAIN);
	assert_int_equal(kcp_send_reserve(one, v, 64, 1000 * MSS), 0);
	assert_int_equal(kcp_send_space(two), 25 * MSS);
	assert_int_equal(drain(one, s, 128, T0), 50);
	in(one, (struct seg){.cmd = WINS, .una = 30, .wnd = 128}, T0);
	assert_int_equal(b.used, 20 * COST);
	assert_int_equal(kcp_send_space(one), 30 * MSS); /* 20 and 30, and 50 are free */
	assert_int_equal(kcp_send_space(two), 40 * MSS);
	kcp_free(one);
	kcp_free(two);
	assert_int_equal(b.used, 0);
}

static void one_segment_can_always_be_sent(void **state)
{
	struct kcp_budget b = {.cap = 0};
	struct kcp_config cfg = {.snd_budget = &b};
	struct kcp *k = make_of(cfg);
	struct seg s[4];
	(void)state;
	for (uint32_t sn = 0; sn < 5; sn++) {
		assert_int_equal(kcp_send(k, zeros, 1), 1);
		assert_int_equal(kcp_send(k, zeros, MSS), MSS - 1); /* into the same one */
		assert_int_equal(drain(k, s, 4, T0), 1);
		assert_int_equal(s[0].len, MSS);
		assert_int_equal(kcp_send(k, zeros, 1), TT_EAGAIN);
		ack(k, sn, s[0].ts, T0);
	}
	kcp_free(k);
	assert_int_equal(b.used, 0);
}

static void small_segments_in_flight_cost_what_they_hold(void **state)
{
	struct kcp_budget b = {.cap = 100 * COST};
	struct kcp_config cfg = {.snd_budget = &b};
	struct kcp *k = make_of(cfg);
	struct seg s[4];
	int n = 0;
	(void)state;
	for (; kcp_send(k, "x", 1) == 1; n++)
		drain(k, s, 4, T0); /* so that the next byte begins a new one */
	assert_int_equal(n, 50);
	assert_true(b.used >= (size_t)n * KCP_SEG_COST);
	assert_true(kcp_memory(k) < 2 * b.used);
	kcp_send_drop(k);
	assert_int_equal(b.used, 0);
	kcp_free(k);
}

/* ---- all of it comes back ---- */

static void everything_is_given_back_though_allocations_fail(void **state)
{
	(void)state;
	for (size_t fail = 1; fail < 80; fail++) {
		struct kcp_budget all = {.cap = 120 * COST}, b = {.parent = &all, .cap = 80 * COST};
		struct counted c = {.fail_after = fail};
		struct tt_mem mem = {counting, &c};
		struct kcp_config cfg = {.mem = &mem, .snd_budget = &b, .rcv_budget = &b};
		uint8_t pkt[MTU], buf[3 * MSS] = {0};
		cfg.message = fail % 2;
		struct kcp *k = make_of(cfg);
		for (uint32_t sn = 0; sn < 60; sn++) {
			kcp_send(k, buf, sn % 3 ? sizeof(buf) : 5);
			push_len(k, sn * 7 % 60, sn * 20 % MSS);
			kcp_output(k, pkt, sizeof(pkt), T0);
			in(k, (struct seg){.cmd = WINS, .una = sn / 4, .wnd = 128}, T0);
			kcp_recv(k, buf, sizeof(buf));
		}
		if (fail % 3 == 0) {
			c.fail_after = SIZE_MAX; /* memory is back: to the end, by the front door */
			for (uint32_t sn = 0; sn < 60; sn++)
				push_len(k, sn, 5);
			while (kcp_recv(k, buf, sizeof(buf)) >= 0)
				;
			kcp_send_drop(k);
			assert_int_equal(b.used, 0);
			drain(k, (struct seg[1]){{0}}, 1, T0);
			kcp_on_deadline(k, T0 + TT_S(10));
			assert_int_equal(c.live, 1);
		}
		kcp_free(k);
		assert_int_equal(b.used, 0);
		assert_int_equal(all.used, 0);
		assert_int_equal(c.live, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_may_take_half_of_what_is_free_beyond_its_own),
		cmocka_unit_test(one_stuck_stream_holds_half_and_the_others_go_on),
		cmocka_unit_test(window_that_was_told_is_half_of_what_is_free_too),
		cmocka_unit_test(streams_stuck_together_leave_as_much_as_each_holds),
		cmocka_unit_test(reader_without_backlog_may_always_be_sent_two_segments),
		cmocka_unit_test(backlog_that_nobody_reads_is_not_added_to),
		cmocka_unit_test(segments_out_of_order_do_not_move_the_edge_of_the_window),
		cmocka_unit_test(full_buffer_behind_a_gap_does_not_keep_the_gap_open),
		cmocka_unit_test(peer_may_hold_as_much_as_the_others_have_left),
		cmocka_unit_test(parent_caps_the_sum),
		cmocka_unit_test(far_segments_of_many_streams_hold_no_more_than_the_budget),
		cmocka_unit_test(large_ring_of_an_idle_stream_is_given_back),
		cmocka_unit_test(segment_costs_the_memory_that_it_holds),
		cmocka_unit_test(sender_stops_at_half_of_what_is_free),
		cmocka_unit_test(one_segment_can_always_be_sent),
		cmocka_unit_test(small_segments_in_flight_cost_what_they_hold),
		cmocka_unit_test(everything_is_given_back_though_allocations_fail),
	};
	return cmocka_run_group_tests_name("kcp_budget", tests, NULL, NULL);
}
