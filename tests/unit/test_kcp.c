/* One KCP stream: the wire, what the application hands in and takes out, memory. */
#include "kcp_hand.h"

/* ---- the wire ---- */

static void push_segment_has_the_documented_bytes(void **state)
{
	struct kcp *k = make(TT_MODE_FAST3);
	uint8_t p[MTU];
	const uint8_t want[] = {0x44, 0x33, 0x22, 0x11, 81, 0, 128, 0, 0x40, 0x42, 0x0f, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 2, 0, 0, 0, 'h', 'i'};
	(void)state;
	assert_int_equal(kcp_send(k, "hi", 2), 2);
	assert_int_equal(kcp_output(k, p, sizeof(p), T0), sizeof(want));
	assert_memory_equal(p, want, sizeof(want));
	assert_int_equal(kcp_output(k, p, sizeof(p), T0), 0);
	kcp_free(k);
}

static void ack_echoes_sn_and_ts_and_carries_una_and_window(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct seg s[4];
	(void)state;
	assert_int_equal(push(k, 0, "abc", T0), TT_OK);
	assert_true(kcp_deadline(k) <= T0);
	assert_int_equal(drain(k, s, 4, T0), 1);
	assert_int_equal(s[0].cmd, ACK);
	assert_int_equal(s[0].sn, 0);
	assert_int_equal(s[0].ts, 7);
	assert_int_equal(s[0].una, 1);
	assert_int_equal(s[0].wnd, 127); /* one segment is not read yet */
	assert_int_equal(s[0].len, 0);
	kcp_free(k);
}

static void pending_acks_share_one_packet_and_come_first(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	uint8_t p[MTU];
	struct seg s[16];
	(void)state;
	for (uint32_t sn = 1; sn <= 5; sn++) /* 0 is missing, so each needs its own ACK */
		push(k, sn, "x", T0);
	in(k, (struct seg){.cmd = WASK, .wnd = 128}, T0);
	kcp_send(k, "data", 4);
	size_t len = kcp_output(k, p, sizeof(p), T0);
	assert_int_equal(split(p, len, s, 16), 7);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(s[i].cmd, ACK);
		assert_int_equal(s[i].sn, i + 1);
		assert_int_equal(s[i].una, 0);
	}
	assert_int_equal(s[5].cmd, WINS);
	assert_int_equal(s[6].cmd, PUSH);
	assert_int_equal(kcp_output(k, p, sizeof(p), T0), 0);
	kcp_free(k);
}

static void acks_in_order_merge_into_the_newest(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct seg s[8];
	(void)state;
	for (uint32_t sn = 0; sn < 20; sn++)
		push(k, sn, "x", T0);
	assert_int_equal(drain(k, s, 8, T0), 1);
	assert_int_equal(s[0].sn, 19);
	assert_int_equal(s[0].una, 20);
	kcp_free(k);
}

static void packets_respect_cap_and_mtu(void **state)
{
	struct kcp *k = make_cfg(TT_MODE_AUTO, 256, 256, false);
	uint8_t p[4096];
	(void)state;
	for (uint32_t sn = 1; sn <= 100; sn++)
		push(k, sn, "x", T0);
	assert_int_equal(kcp_output(k, p, 100, T0), 96);
	assert_int_equal(kcp_output(k, p, sizeof(p), T0), MTU / 24 * 24);
	assert_int_equal(kcp_output(k, p, 23, T0), 0);
	kcp_free(k);
}

static void run_length_stops_at_another_conv_and_at_garbage(void **state)
{
	uint8_t p[256];
	uint32_t conv = 0;
	size_t n = 0;
	(void)state;
	struct seg a = {.conv = 1, .cmd = PUSH, .len = 3, .data = (const uint8_t *)"abc"};
	n += put(p + n, &a);
	n += put(p + n, &(struct seg){.conv = 1, .cmd = ACK});
	size_t run = n;
	n += put(p + n, &(struct seg){.conv = 2, .cmd = ACK});
	assert_int_equal(kcp_run_length(p, n, &conv), run);
	assert_int_equal(conv, 1);
	assert_int_equal(kcp_run_length(p + run, n - run, &conv), 24);
	assert_int_equal(conv, 2);
	assert_int_equal(kcp_run_length(p, run - 1, &conv), 27); /* the second is cut off */
	assert_int_equal(kcp_run_length(p, 26, &conv), TT_EPROTO);
	assert_int_equal(kcp_run_length(p, 0, &conv), TT_EPROTO);
	p[4] = 86;
	assert_int_equal(kcp_run_length(p, n, &conv), TT_EPROTO);
}

static void malformed_input_is_refused(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	uint8_t p[64];
	(void)state;
	struct seg s = {.conv = CONV, .cmd = PUSH, .len = 4, .data = (const uint8_t *)"abcd"};
	size_t n = put(p, &s);
	assert_int_equal(kcp_input(k, p, 0, T0), TT_EPROTO);
	assert_int_equal(kcp_input(k, p, 23, T0), TT_EPROTO);
	assert_int_equal(kcp_input(k, p, n - 1, T0), TT_EPROTO);
	wr32(p + 20, UINT32_MAX);
	assert_int_equal(kcp_input(k, p, n, T0), TT_EPROTO);
	wr32(p + 20, 4);
	p[4] = 80;
	assert_int_equal(kcp_input(k, p, n, T0), TT_EPROTO);
	p[4] = PUSH;
	p[0] ^= 1;
	assert_int_equal(kcp_input(k, p, n, T0), TT_EPROTO);
	p[0] ^= 1;
	assert_int_equal(kcp_recv_ready(k), 0);
	assert_int_equal(kcp_input(k, p, n, T0), TT_OK);
	assert_int_equal(kcp_recv_ready(k), 4);
	kcp_free(k);
}

static void segments_before_a_bad_one_have_their_effect(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	uint8_t p[64];
	(void)state;
	struct seg s = {.conv = CONV, .cmd = PUSH, .len = 4, .data = (const uint8_t *)"abcd"};
	size_t n = put(p, &s);
	p[n] = 0;
	assert_int_equal(kcp_input(k, p, n + 1, T0), TT_EPROTO);
	assert_int_equal(kcp_recv_ready(k), 4);
	kcp_free(k);
}

static void set_conv_moves_both_directions(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct seg s[4];
	(void)state;
	kcp_send(k, "x", 1);
	assert_int_equal(kcp_conv(k), CONV);
	kcp_set_conv(k, 99);
	assert_int_equal(push(k, 0, "x", T0), TT_EPROTO);
	assert_int_equal(in(k, (struct seg){.conv = 99, .cmd = WASK, .wnd = 9}, T0), TT_OK);
	assert_int_equal(drain(k, s, 4, T0), 2);
	assert_int_equal(s[0].conv, 99);
	assert_int_equal(s[1].conv, 99);
	kcp_free(k);
}

/* ---- sending ---- */

static void data_leaves_at_once(void **state)
{
	struct kcp *k = make(TT_MODE_DEFAULT);
	struct seg s[4];
	(void)state;
	assert_true(kcp_deadline(k) == TT_TIME_NEVER);
	kcp_send(k, "x", 1);
	assert_true(kcp_deadline(k) <= T0);
	assert_int_equal(drain(k, s, 4, T0), 1);
	kcp_free(k);
}

static void unsent_segment_is_topped_up(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct seg s[4];
	uint8_t big[MSS] = {0};
	(void)state;
	kcp_send(k, "ab", 2);
	kcp_send(k, "cd", 2);
	kcp_send(k, big, sizeof(big));
	assert_int_equal(drain(k, s, 4, T0), 2);
	assert_int_equal(s[0].len, MSS);
	assert_int_equal(s[1].len, 4);
	kcp_send(k, "e", 1); /* the last one is sent, so this is a new one */
	assert_int_equal(drain(k, s, 4, T0), 1);
	assert_int_equal(s[0].sn, 2);
	kcp_free(k);
}

static void reserve_offers_segment_memory_and_commit_sends_it(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct kcp *peer = make(TT_MODE_FAST);
	struct iovec v[4], again[4];
	char got[4096];
	(void)state;
	kcp_send(k, "0123", 4);
	assert_int_equal(kcp_send_reserve(k, v, 4, 2000), 2);
	assert_int_equal(v[0].iov_len, MSS - 4);
	assert_int_equal(v[0].iov_len + v[1].iov_len, 2000);
	assert_int_equal(kcp_send_reserve(k, again, 4, 2000), 2);
	assert_ptr_equal(v[1].iov_base, again[1].iov_base);
	memset(v[0].iov_base, 'a', v[0].iov_len);
	memset(v[1].iov_base, 'b', v[1].iov_len);
	kcp_send_commit(k, MSS - 4 + 10);
	assert_int_equal(kcp_send_pending(k), MSS + 10);
	carry(k, peer, T0);
	assert_int_equal(kcp_recv(peer, got, sizeof(got)), MSS + 10);
	assert_memory_equal(got, "0123aa", 6);
	assert_int_equal(got[MSS - 1], 'a');
	assert_int_equal(got[MSS], 'b');
	kcp_free(k);
	kcp_free(peer);
}

static void send_space_is_the_window_and_comes_back_with_acks(void **state)
{
	struct kcp *k = make_cfg(TT_MODE_FAST, 4, 0, false);
	struct iovec v[8];
	struct seg s[8];
	uint8_t big[5 * MSS] = {0};
	(void)state;
	assert_int_equal(kcp_send_space(k), 4 * MSS);
	assert_int_equal(kcp_send(k, big, sizeof(big)), 4 * MSS);
	assert_int_equal(kcp_send_space(k), 0);
	assert_int_equal(kcp_send(k, big, 1), TT_EAGAIN);
	assert_int_equal(kcp_send_reserve(k, v, 8, 100), 0);
	assert_int_equal(drain(k, s, 8, T0), 4);
	assert_int_equal(kcp_send_space(k), 0);
	ack(k, 0, s[0].ts, T0 + TT_MS(5));
	assert_int_equal(kcp_send_space(k), MSS);
	assert_int_equal(kcp_send_pending(k), 3 * MSS);
	kcp_free(k);
}

static void remote_window_bounds_what_is_in_flight(void **state)
{
	struct kcp *k = make_cfg(TT_MODE_AUTO, 100, 0, false);
	struct seg s[128];
	(void)state;
	in(k, (struct seg){.cmd = WINS, .wnd = 10}, T0);
	fill(k, 50);
	assert_int_equal(drain(k, s, 128, T0), 10);
	in(k, (struct seg){.cmd = WINS, .wnd = 65535, .una = 10}, T0);
	assert_int_equal(stats(k).rmt_wnd, KCP_WND_MAX);
	assert_int_equal(drain(k, s, 128, T0), 40);
	kcp_free(k);
}

static void late_window_word_does_not_close_the_window(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct seg s[16];
	(void)state;
	fill(k, 4);
	drain(k, s, 16, T0);
	in(k, (struct seg){.cmd = WINS, .wnd = 50, .una = 4}, T0);
	in(k, (struct seg){.cmd = ACK, .wnd = 0, .una = 4, .sn = 3, .ts = s[3].ts}, T0);
	assert_int_equal(stats(k).rmt_wnd, 50); /* same una: the larger is the newer */
	in(k, (struct seg){.cmd = ACK, .wnd = 0, .una = 2, .sn = 1, .ts = s[1].ts}, T0);
	assert_int_equal(stats(k).rmt_wnd, 50);
	kcp_free(k);
}

static void modes_have_their_windows(void **state)
{
	static const struct {
		enum tt_mode mode;
		unsigned first, rcv;
	} want[] = {{TT_MODE_DEFAULT, 1, 128}, {TT_MODE_NORMAL, 1, 128}, {TT_MODE_FAST, 64, 128},
		{TT_MODE_FAST2, 96, 128}, {TT_MODE_FAST3, 128, 128}, {TT_MODE_AUTO, 32768, 32768}};
	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct kcp *k = make(want[i].mode);
		static struct seg s[32800];
		in(k, (struct seg){.cmd = WINS, .wnd = 32768}, T0);
		while (kcp_send_space(k) > 0)
			fill(k, 1);
		assert_int_equal(drain(k, s, 32800, T0), want[i].first);
		in(k, (struct seg){.cmd = WASK, .wnd = 1}, T0);
		drain(k, s, 1, T0);
		assert_int_equal(s[0].wnd, want[i].rcv);
		kcp_free(k);
	}
}

static void cwnd_grows_from_one_and_collapses_on_timeout(void **state)
{
	struct kcp *k = make(TT_MODE_DEFAULT);
	struct seg s[64];
	(void)state;
	fill(k, 32);
	assert_int_equal(drain(k, s, 64, T0), 1);
	in(k, (struct seg){.cmd = ACK, .sn = 0, .ts = s[0].ts, .una = 1, .wnd = 128}, T0 + 1000);
	assert_int_equal(stats(k).cwnd, 2); /* slow start up to ssthresh 2 */
	assert_int_equal(drain(k, s, 64, T0 + 1000), 2);
	tt_time due = kcp_deadline(k);
	kcp_on_deadline(k, due);
	assert_int_equal(stats(k).cwnd, 1);
	assert_int_equal(drain(k, s, 64, due), 2);
	kcp_free(k);
}

static void message_keeps_its_borders(void **state)
{
	struct kcp *a = make_cfg(TT_MODE_FAST3, 0, 0, true);
	struct kcp *b = make_cfg(TT_MODE_FAST3, 0, 0, true);
	uint8_t big[3 * MSS] = {1}, got[4 * MSS];
	(void)state;
	assert_int_equal(kcp_send(a, big, 2 * MSS + 1), 2 * MSS + 1);
	assert_int_equal(kcp_send(a, "", 0), 0);
	assert_int_equal(kcp_send(a, "xyz", 3), 3);
	carry(a, b, T0);
	assert_int_equal(kcp_recv_ready(b), 2 * MSS + 4);
	assert_int_equal(kcp_recv(b, got, 2 * MSS), TT_ENOSPC);
	assert_int_equal(kcp_recv(b, got, sizeof(got)), 2 * MSS + 1);
	assert_memory_equal(got, big, 2 * MSS + 1);
	assert_int_equal(kcp_recv(b, got, sizeof(got)), 0);
	assert_int_equal(kcp_recv(b, got, sizeof(got)), 3);
	assert_int_equal(kcp_recv(b, got, sizeof(got)), TT_EAGAIN);
	kcp_free(a);
	kcp_free(b);
}

static void message_waits_for_its_last_fragment(void **state)
{
	struct kcp *k = make_cfg(TT_MODE_FAST3, 0, 0, true);
	uint8_t got[16];
	struct seg s = {.cmd = PUSH, .frg = 1, .wnd = 128, .len = 2, .data = (const uint8_t *)"ab"};
	(void)state;
	in(k, s, T0);
	assert_int_equal(kcp_recv_ready(k), 0);
	assert_int_equal(kcp_recv(k, got, sizeof(got)), TT_EAGAIN);
	s.frg = 0;
	s.sn = 1;
	in(k, s, T0);
	assert_int_equal(kcp_recv_ready(k), 4);
	assert_int_equal(kcp_recv(k, got, sizeof(got)), 4);
	kcp_free(k);
}

static void message_too_long_is_refused_and_one_that_must_wait_too(void **state)
{
	struct kcp *k = make_cfg(TT_MODE_FAST3, 4, 0, true);
	uint8_t big[5 * MSS] = {0};
	(void)state;
	assert_int_equal(kcp_send(k, big, 4 * MSS + 1), TT_EINVAL);
	assert_int_equal(kcp_send(k, big, 3 * MSS), 3 * MSS);
	assert_int_equal(kcp_send(k, big, 2 * MSS), TT_EAGAIN);
	assert_int_equal(kcp_send(k, big, MSS), MSS);
	kcp_free(k);
}

static void send_drop_forgets_what_is_pending(void **state)
{
	struct kcp *k = make(TT_MODE_FAST);
	struct seg s[8];
	(void)state;
	fill(k, 3);
	drain(k, s, 8, T0);
	kcp_send(k, "tail", 4);
	kcp_send_drop(k);
	assert_int_equal(kcp_send_pending(k), 0);
	assert_int_equal(stats(k).inflight, 0);
	assert_int_equal(kcp_on_deadline(k, T0 + TT_S(10)), TT_OK);
	assert_int_equal(drain(k, s, 8, T0 + TT_S(10)), 0);
	kcp_send(k, "next", 4);
	assert_int_equal(drain(k, s, 8, T0 + TT_S(10)), 1);
	assert_int_equal(s[0].sn, 3);
	kcp_free(k);
}

/* ---- memory ---- */

static void idle_stream_holds_no_buffers(void **state)
{
	struct kcp *a = make(TT_MODE_AUTO), *b = make(TT_MODE_AUTO);
	static uint8_t buf[1 << 20];
	tt_time now = T0;
	(void)state;
	size_t fresh = kcp_memory(a);
	assert_true(fresh < 1000);
	for (int i = 0; i < 20; i++) {
		assert_true(kcp_send(a, buf, sizeof(buf)) > 0);
		carry(a, b, now);
		assert_true(kcp_recv(b, buf, sizeof(buf)) > 0);
		carry(b, a, now + 500);
		now += 1000;
	}
	assert_true(kcp_memory(a) > fresh && kcp_memory(b) > fresh);
	while (kcp_deadline(a) != TT_TIME_NEVER || kcp_deadline(b) != TT_TIME_NEVER) {
		now = tt_time_min(kcp_deadline(a), kcp_deadline(b));
		kcp_on_deadline(a, now);
		kcp_on_deadline(b, now);
		carry(a, b, now);
		kcp_recv(b, buf, sizeof(buf));
		carry(b, a, now);
	}
	assert_true(now < T0 + TT_S(3));
	assert_int_equal(kcp_memory(a), fresh);
	assert_int_equal(kcp_memory(b), fresh);
	kcp_free(a);
	kcp_free(b);
}

static void slow_stream_does_not_keep_a_downloads_buffers(void **state)
{
	struct kcp *a = make(TT_MODE_AUTO), *b = make(TT_MODE_AUTO);
	static uint8_t buf[1 << 20];
	tt_time now = T0;
	(void)state;
	for (int i = 0; i < 20; i++, now += TT_MS(300)) {
		int n = kcp_send(a, buf, i < 10 ? sizeof(buf) : 3);
		assert_true(n > 0);
		for (int got = 0; got < n;) {
			carry(a, b, now);
			got += kcp_recv(b, buf, sizeof(buf));
			carry(b, a, now);
		}
		if (i == 9)
			assert_true(kcp_memory(a) > 15000 && kcp_memory(b) > 15000);
	}
	assert_true(kcp_memory(a) < 10000 && kcp_memory(b) < 10000);
	kcp_free(a);
	kcp_free(b);
}

static struct kcp *make_in(struct tt_pool *pool)
{
	struct kcp_config cfg = {.conv = CONV, .mode = TT_MODE_AUTO, .mtu = MTU, .pool = pool};
	struct kcp *k = NULL;
	assert_int_equal(kcp_new(&k, &cfg, T0), TT_OK);
	return k;
}

static void payload_comes_from_the_pool_and_goes_back(void **state)
{
	static uint8_t buf[100000];
	struct tt_pool *pool = NULL;
	(void)state;
	assert_int_equal(tt_pool_new(&pool, KCP_BLOCK(MTU), NULL), TT_OK);
	struct kcp *a = make_in(pool), *b = make_in(pool);
	struct iovec iov;
	assert_int_equal(kcp_send(a, buf, sizeof(buf)), sizeof(buf));
	carry(a, b, T0);
	assert_true(kcp_recv_ready(b) > 0);
	assert_int_equal(kcp_send_reserve(b, &iov, 1, 1), 1);
	assert_true(tt_pool_bytes(pool) > 0);
	kcp_free(a); /* with segments in flight, unread and reserved */
	kcp_free(b);
	tt_pool_tidy(pool);
	tt_pool_tidy(pool);
	assert_int_equal(tt_pool_bytes(pool), 0);
	tt_pool_free(pool);
}

static void every_failed_allocation_is_survived(void **state)
{
	(void)state;
	for (size_t fail = 0; fail < 60; fail++) {
		struct counted c = {.fail_after = fail};
		struct tt_mem mem = {counting, &c};
		struct kcp_config cfg = {.conv = CONV,
			.mode = TT_MODE_AUTO,
			.mtu = MTU,
			.message = fail % 2,
			.mem = &mem};
		struct kcp *k = NULL;
		uint8_t big[20 * MSS] = {0}, p[MTU];
		int rc = kcp_new(&k, &cfg, T0);
		if (rc != TT_OK) {
			assert_int_equal(rc, TT_ENOMEM);
			assert_null(k);
			continue;
		}
		for (uint32_t sn = 0; sn < 40; sn++) {
			kcp_send(k, big, sn % 3 ? sizeof(big) : 5);
			push(k, sn * 7 % 40, "text", T0);
			kcp_output(k, p, sizeof(p), T0);
		}
		c.fail_after = SIZE_MAX; /* memory is back */
		for (uint32_t sn = 0; sn < 40; sn++)
			assert_int_equal(push(k, sn, "text", T0), TT_OK);
		assert_int_equal(kcp_recv_ready(k), 160);
		kcp_free(k);
		assert_int_equal(c.live, 0);
	}
}

static void sizes_out_of_range_are_refused(void **state)
{
	struct kcp_config cfg = {.mtu = 49};
	struct kcp *k = NULL;
	(void)state;
	assert_int_equal(kcp_new(&k, &cfg, 0), TT_EINVAL);
	cfg.mtu = 65536;
	assert_int_equal(kcp_new(&k, &cfg, 0), TT_EINVAL);
	cfg.mtu = 50;
	cfg.snd_wnd = KCP_WND_MAX + 1;
	assert_int_equal(kcp_new(&k, &cfg, 0), TT_EINVAL);
	cfg.snd_wnd = 0;
	cfg.mode = (enum tt_mode)6;
	assert_int_equal(kcp_new(&k, &cfg, 0), TT_EINVAL);
	cfg.mode = TT_MODE_AUTO;
	assert_int_equal(tt_pool_new(&cfg.pool, KCP_BLOCK(50) - 1, NULL), TT_OK);
	assert_int_equal(kcp_new(&k, &cfg, 0), TT_EINVAL);
	tt_pool_free(cfg.pool);
	assert_null(k);
	kcp_free(NULL);
}

static void sn_and_clock_wrap_around(void **state)
{
	struct kcp_config cfg = {.conv = CONV, .mode = TT_MODE_FAST2, .mtu = MTU};
	struct kcp *a, *b;
	uint8_t buf[3 * MSS], got[3 * MSS];
	tt_time now = TT_MS((tt_time)UINT32_MAX - 50); /* the clock wraps in 50 ms */
	(void)state;
	assert_int_equal(kcp_new_at(&a, &cfg, now, UINT32_MAX - 20), TT_OK);
	assert_int_equal(kcp_new_at(&b, &cfg, now, UINT32_MAX - 20), TT_OK);
	for (int i = 0; i < 60; i++) {
		memset(buf, i, sizeof(buf));
		assert_int_equal(kcp_send(a, buf, sizeof(buf)), sizeof(buf));
		carry(a, b, now);
		now += TT_MS(5);
		assert_int_equal(kcp_recv(b, got, sizeof(got)), sizeof(got));
		assert_memory_equal(buf, got, sizeof(got));
		carry(b, a, now);
		assert_int_equal(kcp_send_pending(a), 0);
	}
	assert_int_equal(stats(a).segs_retransmitted, 0);
	assert_in_range(stats(a).srtt_us, 4900, 5100);
	kcp_free(a);
	kcp_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push_segment_has_the_documented_bytes),
		cmocka_unit_test(ack_echoes_sn_and_ts_and_carries_una_and_window),
		cmocka_unit_test(pending_acks_share_one_packet_and_come_first),
		cmocka_unit_test(acks_in_order_merge_into_the_newest),
		cmocka_unit_test(packets_respect_cap_and_mtu),
		cmocka_unit_test(run_length_stops_at_another_conv_and_at_garbage),
		cmocka_unit_test(malformed_input_is_refused),
		cmocka_unit_test(segments_before_a_bad_one_have_their_effect),
		cmocka_unit_test(set_conv_moves_both_directions),
		cmocka_unit_test(data_leaves_at_once),
		cmocka_unit_test(unsent_segment_is_topped_up),
		cmocka_unit_test(reserve_offers_segment_memory_and_commit_sends_it),
		cmocka_unit_test(send_space_is_the_window_and_comes_back_with_acks),
		cmocka_unit_test(remote_window_bounds_what_is_in_flight),
		cmocka_unit_test(late_window_word_does_not_close_the_window),
		cmocka_unit_test(modes_have_their_windows),
		cmocka_unit_test(cwnd_grows_from_one_and_collapses_on_timeout),
		cmocka_unit_test(message_keeps_its_borders),
		cmocka_unit_test(message_waits_for_its_last_fragment),
		cmocka_unit_test(message_too_long_is_refused_and_one_that_must_wait_too),
		cmocka_unit_test(send_drop_forgets_what_is_pending),
		cmocka_unit_test(idle_stream_holds_no_buffers),
		cmocka_unit_test(payload_comes_from_the_pool_and_goes_back),
		cmocka_unit_test(slow_stream_does_not_keep_a_downloads_buffers),
		cmocka_unit_test(every_failed_allocation_is_survived),
		cmocka_unit_test(sizes_out_of_range_are_refused),
		cmocka_unit_test(sn_and_clock_wrap_around),
	};
	return cmocka_run_group_tests_name("kcp", tests, NULL, NULL);
}
