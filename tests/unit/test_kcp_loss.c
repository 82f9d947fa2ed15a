/* One KCP stream: time, loss, windows. */
#include "kcp_hand.h"

/* ---- loss and time ---- */

static void unacked_segment_resends_at_rto(void **state)
{
	static const struct {
		enum tt_mode mode;
		unsigned first_ms, second_ms;
	} want[] = {
		{TT_MODE_DEFAULT, 300, 700}, /* 200 + 200/8, then + 400, on ticks of 100 */
		{TT_MODE_NORMAL, 240, 640},
		{TT_MODE_FAST, 230, 650}, /* ticks of 30 from 0; T0 is a tick plus 10 */
		{TT_MODE_FAST2, 200, 500},
		{TT_MODE_FAST3, 200, 500},
		{TT_MODE_AUTO, 200, 500},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct kcp *k = make(want[i].mode);
		struct seg s[4];
		kcp_send(k, "x", 1);
		drain(k, s, 4, T0);
		uint32_t ts = s[0].ts;
		assert_int_equal(kcp_deadline(k) - T0, TT_MS(want[i].first_ms));
		kcp_on_deadline(k, kcp_deadline(k) - 1);
		assert_int_equal(drain(k, s, 4, T0), 0);
		tt_time due = kcp_deadline(k);
		kcp_on_deadline(k, due);
		assert_int_equal(drain(k, s, 4, due), 1);
		assert_int_equal(s[0].sn, 0);
		assert_int_equal(s[0].ts - ts, want[i].first_ms); /* fresh ts */
		assert_int_equal(kcp_deadline(k) - T0, TT_MS(want[i].second_ms));
		assert_int_equal(stats(k).segs_timeout, 1);
		kcp_free(k);
	}
}

static void rtt_and_rto_follow_the_samples(void **state)
{
	struct kcp *k = make(TT_MODE_FAST3);
	struct seg s[4];
	(void)state;
	kcp_send(k, "x", 1);
	drain(k, s, 4, T0);
	ack(k, 0, s[0].ts, T0 + 80500);
	assert_int_equal(stats(k).srtt_us, 80500); /* microseconds, though ts has milliseconds */
	assert_int_equal(stats(k).rttvar_us, 40250);
	assert_int_equal(stats(k).rto_us, 80500 + 4 * 40250);
	kcp_send(k, "x", 1);
	drain(k, s, 4, T0 + TT_MS(200));
	ack(k, 1, s[0].ts, T0 + TT_MS(300));
	assert_int_equal(stats(k).srtt_us, (7 * 80500 + 100000) / 8);
	assert_int_equal(stats(k).rttvar_us, (3 * 40250 + 19500) / 4);
	for (uint32_t sn = 2; sn < 60; sn++) {
		tt_time now = T0 + TT_S(sn);
		kcp_send(k, "x", 1);
		drain(k, s, 4, now);
		ack(k, sn, s[0].ts, now + 1000);
	}
	assert_int_equal(stats(k).rto_us, TT_MS(30)); /* the least with nodelay */
	kcp_free(k);
}

static void rto_is_at_least_100_ms_without_nodelay(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct seg s[4];
	(void)state;
	kcp_send(k, "x", 1);
	drain(k, s, 4, T0);
	ack(k, 0, s[0].ts, T0 + 100);
	assert_int_equal(stats(k).rto_us, TT_MS(100));
	kcp_free(k);
}

static void una_does_not_hide_the_rtt_sample(void **state)
{
	struct kcp *k = make(TT_MODE_FAST3);
	struct seg s[4];
	(void)state;
	kcp_send(k, "x", 1);
	drain(k, s, 4, T0);
	in(k, (struct seg){.cmd = ACK, .sn = 0, .ts = s[0].ts, .una = 1, .wnd = 9}, T0 + 20000);
	assert_int_equal(stats(k).srtt_us, 20000);
	kcp_free(k);
}

static void ack_of_an_earlier_transmission_still_gives_a_sample(void **state)
{
	struct kcp *k = make(TT_MODE_FAST3);
	struct seg s[4];
	(void)state;
	kcp_send(k, "x", 1);
	drain(k, s, 4, T0);
	uint32_t first = s[0].ts;
	kcp_on_deadline(k, T0 + TT_MS(200));
	assert_int_equal(drain(k, s, 4, T0 + TT_MS(200)), 1);
	ack(k, 0, first, T0 + TT_MS(450));
	assert_int_equal(stats(k).srtt_us, TT_MS(450));
	assert_int_equal(stats(k).segs_spurious, 1);
	kcp_free(k);
}

/* Which sn come again after ACKs for the given ones, each in a packet of its own. */
static int after_acks(struct kcp *k, const uint32_t *sns, int n, struct seg *out, int cap)
{
	uint32_t ts = (uint32_t)(T0 / 1000);
	for (int i = 0; i < n; i++)
		ack(k, sns[i], ts, T0 + TT_MS(20));
	return drain(k, out, cap, T0 + TT_MS(20));
}

static void overtaken_segment_resends_after_as_many_packets_as_the_mode_says(void **state)
{
	static const struct {
		enum tt_mode mode;
		int acks; /* 0: never */
	} want[] = {{TT_MODE_FAST3, 1}, {TT_MODE_FAST2, 2}, {TT_MODE_FAST, 2}, {TT_MODE_AUTO, 3}};
	static const uint32_t sns[] = {1, 2, 3, 4};
	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct seg s[16];
		struct kcp *k = make(want[i].mode);
		fill(k, 5);
		drain(k, s, 16, T0);
		assert_int_equal(after_acks(k, sns, want[i].acks - 1, s, 16), 0);
		assert_int_equal(after_acks(k, sns, want[i].acks, s, 16), 1);
		assert_int_equal(s[0].sn, 0);
		assert_int_equal(stats(k).segs_fast, 1);
		assert_int_equal(after_acks(k, sns, 4, s, 16), 0); /* once is enough */
		kcp_free(k);
	}
}

static void one_packet_of_acks_counts_once(void **state)
{
	struct kcp *k = make(TT_MODE_FAST2);
	struct seg s[16];
	uint8_t p[256];
	size_t n = 0;
	(void)state;
	fill(k, 6);
	drain(k, s, 16, T0);
	for (uint32_t sn = 1; sn < 5; sn++)
		n += put(p + n,
			&(struct seg){
				.conv = CONV, .cmd = ACK, .sn = sn, .wnd = 128, .ts = s[sn].ts});
	kcp_input(k, p, n, T0 + TT_MS(1));
	assert_int_equal(drain(k, s, 16, T0 + TT_MS(1)), 0);
	ack(k, 5, s[5].ts, T0 + TT_MS(1));
	assert_int_equal(drain(k, s, 16, T0 + TT_MS(1)), 1);
	kcp_free(k);
}

static void duplicated_ack_packets_are_no_evidence(void **state)
{
	static const uint32_t sns[] = {3, 3, 3, 3, 3};
	struct kcp *k = make(TT_MODE_FAST2);
	struct seg s[16];
	(void)state;
	fill(k, 5);
	drain(k, s, 16, T0);
	assert_int_equal(after_acks(k, sns, 5, s, 16), 0);
	kcp_free(k);
}

static void lost_repeat_is_repeated_once_something_later_arrives(void **state)
{
	struct kcp *k = make(TT_MODE_FAST3);
	struct seg s[16];
	static const uint32_t one[] = {1};
	(void)state;
	fill(k, 2);
	drain(k, s, 16, T0);
	assert_int_equal(after_acks(k, one, 1, s, 16), 1); /* 0 again, at T0 + 20 */
	fill(k, 1);
	assert_int_equal(drain(k, s, 16, T0 + TT_MS(21)), 1); /* 2, after it */
	ack(k, 2, s[0].ts, T0 + TT_MS(41));
	assert_int_equal(drain(k, s, 16, T0 + TT_MS(41)), 1);
	assert_int_equal(s[0].sn, 0);
	kcp_free(k);
}

static void acks_for_what_was_never_sent_change_nothing(void **state)
{
	struct kcp *k = make(TT_MODE_FAST3);
	struct seg s[16];
	(void)state;
	fill(k, 3);
	kcp_output(k, (uint8_t[MTU]){0}, MTU, T0); /* only the first is sent */
	ack(k, 1, (uint32_t)(T0 / 1000), T0 + TT_MS(9));
	ack(k, 1000000, 0, T0 + TT_MS(9));
	ack(k, UINT32_MAX, 0, T0 + TT_MS(9));
	in(k, (struct seg){.cmd = WINS, .una = 2, .wnd = 0}, T0 + TT_MS(9));
	in(k, (struct seg){.cmd = WINS, .una = UINT32_MAX, .wnd = 0}, T0 + TT_MS(9));
	in(k, (struct seg){.cmd = WINS, .una = 0x7fffffff, .wnd = 0}, T0 + TT_MS(9));
	assert_int_equal(kcp_send_pending(k), 3 * MSS);
	assert_int_equal(stats(k).srtt_us, 0);
	assert_int_equal(stats(k).rmt_wnd, 128);
	assert_int_equal(drain(k, s, 16, T0 + TT_MS(9)), 2);
	kcp_free(k);
}

static void ack_one_past_a_full_ring_does_not_hit_its_first_slot(void **state)
{
	struct kcp *k = make_cfg(TT_MODE_FAST3, 8, 0, false);
	struct seg s[16];
	(void)state;
	fill(k, 8);
	assert_int_equal(drain(k, s, 16, T0), 8);
	ack(k, 8, s[0].ts, T0 + TT_MS(9));
	assert_int_equal(kcp_send_pending(k), 8 * MSS);
	kcp_free(k);
}

static void absurd_ts_gives_no_sample(void **state)
{
	static const uint32_t off[] = {1, 0x80000000u, 0x7fffffffu, 61000};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct kcp *k = make(TT_MODE_FAST3);
		struct seg s[4];
		kcp_send(k, "x", 1);
		drain(k, s, 4, T0);
		kcp_on_deadline(k, T0 + TT_MS(200));
		drain(k, s, 4, T0 + TT_MS(200));
		ack(k, 0, (uint32_t)(T0 / 1000) - off[i], T0 + TT_MS(250));
		assert_int_equal(stats(k).srtt_us, 0);
		assert_int_equal(kcp_send_pending(k), 0);
		kcp_free(k);
	}
}

static void deadline_is_later_than_now_after_draining(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct seg s[128];
	tt_time now = T0;
	(void)state;
	fill(k, 10);
	drain(k, s, 128, now);
	for (int i = 0; i < 60; i++) {
		tt_time next = kcp_deadline(k);
		assert_true(next > now && next != TT_TIME_NEVER);
		now = next;
		kcp_on_deadline(k, now);
		assert_int_equal(drain(k, s, 128, now), 10);
	}
	assert_true(now - T0 < TT_S(60) * 60);
	kcp_free(k);
}

static void resume_repeats_everything_without_counting_loss(void **state)
{
	struct kcp *k = make(TT_MODE_NORMAL);
	struct seg s[16];
	(void)state;
	fill(k, 8);
	drain(k, s, 16, T0);
	in(k, (struct seg){.cmd = ACK, .una = 1, .sn = 0, .ts = s[0].ts, .wnd = 9}, T0 + 1000);
	assert_int_equal(drain(k, s, 16, T0 + 1000), 2);
	uint32_t cwnd = stats(k).cwnd;
	tt_time now = T0 + TT_S(300);
	kcp_resume(k, now);
	assert_true(kcp_deadline(k) <= now);
	assert_int_equal(drain(k, s, 16, now), 2);
	assert_int_equal(s[0].sn, 1);
	assert_int_equal(stats(k).cwnd, cwnd);
	assert_int_equal(stats(k).segs_timeout, 0);
	assert_int_equal(stats(k).segs_retransmitted, 2);
	assert_true(kcp_deadline(k) > now && kcp_deadline(k) <= now + TT_MS(200));
	kcp_free(k);
}

static void ring_grows_around_what_is_in_flight(void **state)
{
	struct kcp *k = make(TT_MODE_FAST3);
	struct seg s[64];
	(void)state;
	fill(k, 8);
	drain(k, s, 64, T0);
	in(k, (struct seg){.cmd = WINS, .una = 5, .wnd = 128}, T0 + TT_MS(1));
	fill(k, 5); /* 5..12, wrapped around the end of the first ring */
	drain(k, s, 64, T0 + TT_MS(1));
	fill(k, 40);
	drain(k, s, 64, T0 + TT_MS(2));
	ack(k, 9, s[0].ts, T0 + TT_MS(3)); /* 5 to 8 are overtaken, and only they */
	assert_int_equal(drain(k, s, 64, T0 + TT_MS(3)), 4);
	kcp_on_deadline(k, T0 + TT_MS(900));
	assert_int_equal(drain(k, s, 64, T0 + TT_MS(900)), 47);
	for (uint32_t i = 0; i < 43; i++) /* in the order of their last transmission */
		assert_int_equal(s[i].sn, 10 + i);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(s[43 + i].sn, 5 + i);
	kcp_free(k);
}

/* ---- windows ---- */

static void closed_window_is_probed_after_7_s_and_then_more_slowly(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct seg s[4];
	tt_time now = T0, want = TT_S(7);
	(void)state;
	in(k, (struct seg){.cmd = WINS, .wnd = 0}, T0);
	kcp_send(k, "x", 1);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(drain(k, s, 4, now), i == 0 ? 0 : 1);
		assert_int_equal(kcp_deadline(k) - now, want);
		now = kcp_deadline(k);
		kcp_on_deadline(k, now);
		want += want / 2;
		if (want > TT_S(120))
			want = TT_S(120);
	}
	assert_int_equal(drain(k, s, 4, now), 1);
	assert_int_equal(s[0].cmd, WASK);
	in(k, (struct seg){.cmd = WINS, .wnd = 3}, now);
	assert_int_equal(drain(k, s, 4, now), 1);
	assert_int_equal(s[0].cmd, PUSH);
	kcp_free(k);
}

static void reader_that_opens_a_closed_window_says_so(void **state)
{
	struct kcp *k = make_cfg(TT_MODE_FAST, 0, 16, false);
	struct seg s[32];
	uint8_t got[64];
	(void)state;
	for (uint32_t sn = 0; sn < 16; sn++)
		push(k, sn, "x", T0);
	assert_int_equal(drain(k, s, 32, T0), 1);
	assert_int_equal(s[0].wnd, 0);
	push(k, 16, "x", T0);
	assert_int_equal(stats(k).segs_out_of_window, 1);
	assert_int_equal(drain(k, s, 32, T0), 0); /* and it is not acknowledged */

	assert_int_equal(kcp_recv(k, got, 1), 1); /* too little to speak of */
	assert_int_equal(drain(k, s, 32, T0), 0);
	assert_int_equal(kcp_recv(k, got, 1), 1);
	assert_int_equal(drain(k, s, 32, T0), 1);
	assert_int_equal(s[0].cmd, WINS);
	assert_int_equal(s[0].wnd, 2);

	int told = 1; /* the word may be lost, so it is said again, but not for ever */
	tt_time now = T0;
	kcp_recv(k, got, sizeof(got));
	while ((now = kcp_deadline(k)) != TT_TIME_NEVER && told < 100) {
		kcp_on_deadline(k, now);
		told += drain(k, s, 32, now);
	}
	assert_int_equal(told, 4);
	kcp_free(k);
}

static void out_of_order_segments_wait_for_the_gap(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct iovec v[8];
	char got[16];
	(void)state;
	push(k, 2, "ef", T0);
	push(k, 1, "cd", T0);
	assert_int_equal(kcp_recv_ready(k), 0);
	assert_int_equal(kcp_recv_peek(k, v, 8), 0);
	push(k, 0, "ab", T0);
	assert_int_equal(kcp_recv_ready(k), 6);
	assert_int_equal(kcp_recv_peek(k, v, 8), 3);
	assert_int_equal(v[1].iov_len, 2);
	assert_memory_equal(v[1].iov_base, "cd", 2);
	kcp_recv_consume(k, 3);
	assert_int_equal(kcp_recv_peek(k, v, 8), 2);
	assert_memory_equal(v[0].iov_base, "d", 1);
	assert_int_equal(kcp_recv(k, got, sizeof(got)), 3);
	assert_memory_equal(got, "def", 3);
	assert_int_equal(kcp_recv(k, got, sizeof(got)), TT_EAGAIN);
	kcp_free(k);
}

static void first_payload_of_a_duplicated_segment_stays(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct seg s[8];
	char got[8] = "";
	(void)state;
	push(k, 1, "ok", T0);
	push(k, 1, "no", T0);
	push(k, 0, "it", T0);
	push(k, 0, "no", T0);
	assert_int_equal(stats(k).segs_duplicate, 2);
	assert_int_equal(kcp_recv(k, got, sizeof(got)), 4);
	assert_memory_equal(got, "itok", 4);
	assert_int_equal(drain(k, s, 8, T0), 4); /* repeats are acknowledged again */
	kcp_free(k);
}

static void memory_is_bounded_by_the_receive_window(void **state)
{
	struct kcp *k = make_cfg(TT_MODE_FAST, 0, 64, false);
	static uint8_t p[60000];
	struct seg s = {.conv = CONV, .cmd = PUSH, .wnd = 1, .len = 50000, .data = p};
	static uint8_t pkt[60000];
	(void)state;
	for (uint32_t sn = 1; sn < 5000; sn++) {
		s.sn = sn;
		kcp_input(k, pkt, put(pkt, &s), T0);
	}
	assert_true(kcp_memory(k) < 64 * MTU + 8192);
	s.sn = 0; /* the missing one is taken even so */
	assert_int_equal(kcp_input(k, pkt, put(pkt, &s), T0), TT_OK);
	assert_true(kcp_recv_ready(k) > 0);
	kcp_free(k);
}

static void owed_acks_are_bounded_when_nobody_takes_them(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	(void)state;
	for (uint32_t i = 0; i < 100000; i++)
		push(k, 1 + i % 100, "x", T0);
	assert_true(kcp_memory(k) < 128 * 1024);
	kcp_free(k);
}

static void empty_segments_do_not_fill_a_stream(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	char got[8];
	(void)state;
	for (uint32_t sn = 0; sn < 1000; sn++)
		push(k, sn, sn == 500 ? "x" : "", T0);
	assert_int_equal(kcp_recv_ready(k), 1);
	assert_int_equal(kcp_recv(k, got, 8), 1);
	for (uint32_t sn = 0; sn < 1000; sn++)
		push(k, sn, "", T0);
	assert_int_equal(stats(k).segs_out_of_window, 1000 - 501 - 127);
	kcp_free(k);
}

static void frg_255_does_no_harm(void **state)
{
	struct kcp *k = make_cfg(TT_MODE_FAST, 0, 0, true);
	uint8_t got[16];
	(void)state;
	for (uint32_t sn = 0; sn < 200; sn++)
		in(k,
			(struct seg){.cmd = PUSH,
				.frg = 255,
				.sn = sn,
				.wnd = 1,
				.len = 1,
				.data = (const uint8_t *)"x"},
			T0);
	assert_int_equal(kcp_recv(k, got, sizeof(got)), TT_EAGAIN);
	assert_int_equal(stats(k).segs_out_of_window, 72);
	kcp_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unacked_segment_resends_at_rto),
		cmocka_unit_test(rtt_and_rto_follow_the_samples),
		cmocka_unit_test(rto_is_at_least_100_ms_without_nodelay),
		cmocka_unit_test(una_does_not_hide_the_rtt_sample),
		cmocka_unit_test(ack_of_an_earlier_transmission_still_gives_a_sample),
		cmocka_unit_test(overtaken_segment_resends_after_as_many_packets_as_the_mode_says),
		cmocka_unit_test(one_packet_of_acks_counts_once),
		cmocka_unit_test(duplicated_ack_packets_are_no_evidence),
		cmocka_unit_test(lost_repeat_is_repeated_once_something_later_arrives),
		cmocka_unit_test(acks_for_what_was_never_sent_change_nothing),
		cmocka_unit_test(ack_one_past_a_full_ring_does_not_hit_its_first_slot),
		cmocka_unit_test(absurd_ts_gives_no_sample),
		cmocka_unit_test(deadline_is_later_than_now_after_draining),
		cmocka_unit_test(resume_repeats_everything_without_counting_loss),
		cmocka_unit_test(ring_grows_around_what_is_in_flight),
		cmocka_unit_test(closed_window_is_probed_after_7_s_and_then_more_slowly),
		cmocka_unit_test(reader_that_opens_a_closed_window_says_so),
		cmocka_unit_test(out_of_order_segments_wait_for_the_gap),
		cmocka_unit_test(first_payload_of_a_duplicated_segment_stays),
		cmocka_unit_test(memory_is_bounded_by_the_receive_window),
		cmocka_unit_test(owed_acks_are_bounded_when_nobody_takes_them),
		cmocka_unit_test(empty_segments_do_not_fill_a_stream),
		cmocka_unit_test(frg_255_does_no_harm),
	};
	return cmocka_run_group_tests_name("kcp_loss", tests, NULL, NULL);
}
