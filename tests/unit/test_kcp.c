/* One KCP stream against hand-made packets, and two of them back to back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kcp.h"
#include "kcp_int.h" /* kcp_new_at */
#include "tt_err.h"

#define CONV 0x11223344u
#define MTU 1400u
#define MSS (MTU - KCP_HEADER)
#define T0 TT_S(1000)

enum { PUSH = 81, ACK = 82, WASK = 83, WINS = 84 };

struct seg {
	uint32_t conv, ts, sn, una, len;
	uint8_t cmd, frg;
	uint16_t wnd;
	const uint8_t *data;
};

static uint32_t rd32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void wr32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static size_t put(uint8_t *p, const struct seg *s)
{
	wr32(p, s->conv);
	p[4] = s->cmd;
	p[5] = s->frg;
	p[6] = (uint8_t)s->wnd;
	p[7] = (uint8_t)(s->wnd >> 8);
	wr32(p + 8, s->ts);
	wr32(p + 12, s->sn);
	wr32(p + 16, s->una);
	wr32(p + 20, s->len);
	if (s->len > 0)
		memcpy(p + 24, s->data, s->len);
	return 24 + s->len;
}

/* Splits a packet; returns the number of segments. */
static int split(const uint8_t *p, size_t len, struct seg *out, int cap)
{
	int n = 0;
	while (len > 0) {
		assert_true(len >= 24 && n < cap);
		struct seg s = {.conv = rd32(p), .cmd = p[4], .frg = p[5]};
		s.wnd = (uint16_t)(p[6] | p[7] << 8);
		s.ts = rd32(p + 8);
		s.sn = rd32(p + 12);
		s.una = rd32(p + 16);
		s.len = rd32(p + 20);
		s.data = p + 24;
		assert_true(s.len <= len - 24);
		p += 24 + s.len;
		len -= 24 + s.len;
		out[n++] = s;
	}
	return n;
}

static struct kcp *make_cfg(enum tt_mode mode, uint32_t snd_wnd, uint32_t rcv_wnd, bool message)
{
	struct kcp_config cfg = {.conv = CONV,
		.mode = mode,
		.mtu = MTU,
		.snd_wnd = snd_wnd,
		.rcv_wnd = rcv_wnd,
		.message = message};
	struct kcp *k = NULL;
	assert_int_equal(kcp_new(&k, &cfg, T0), TT_OK);
	return k;
}

static struct kcp *make(enum tt_mode mode)
{
	return make_cfg(mode, 0, 0, false);
}

static int in(struct kcp *k, struct seg s, tt_time now)
{
	uint8_t p[2048];
	if (s.conv == 0)
		s.conv = CONV;
	return kcp_input(k, p, put(p, &s), now);
}

/* An ACK for sn, with nothing cumulative. */
static int ack(struct kcp *k, uint32_t sn, uint32_t ts, tt_time now)
{
	return in(k, (struct seg){.cmd = ACK, .sn = sn, .ts = ts, .una = 0, .wnd = 128}, now);
}

static int push(struct kcp *k, uint32_t sn, const char *text, tt_time now)
{
	return in(k,
		(struct seg){.cmd = PUSH,
			.sn = sn,
			.ts = 7,
			.wnd = 128,
			.len = (uint32_t)strlen(text),
			.data = (const uint8_t *)text},
		now);
}

/* Takes all packets out; keeps the headers of up to cap segments; returns the number of segments.
 */
static int drain(struct kcp *k, struct seg *out, int cap, tt_time now)
{
	uint8_t p[MTU];
	struct seg s[64];
	int n = 0;
	size_t len;
	while ((len = kcp_output(k, p, sizeof(p), now)) > 0) {
		int m = split(p, len, s, 64);
		for (int i = 0; i < m && n < cap; i++)
			out[n++] = s[i];
	}
	return n;
}

static void fill(struct kcp *k, int segments)
{
	static const uint8_t zeros[MSS];
	for (int i = 0; i < segments; i++)
		assert_int_equal(kcp_send(k, zeros, MSS), MSS);
}

static struct kcp_stats stats(const struct kcp *k)
{
	struct kcp_stats st;
	kcp_stats(k, &st);
	return st;
}

/* All packets from a to b. */
static int carry(struct kcp *a, struct kcp *b, tt_time now)
{
	uint8_t p[MTU];
	size_t len;
	int n = 0;
	while ((len = kcp_output(a, p, sizeof(p), now)) > 0) {
		assert_int_equal(kcp_input(b, p, len, now), TT_OK);
		n++;
	}
	return n;
}

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
	p[4] = 85;
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
		{TT_MODE_FAST2, 96, 128}, {TT_MODE_FAST3, 128, 128}, {TT_MODE_AUTO, 1024, 2048}};
	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct kcp *k = make(want[i].mode);
		struct seg s[1100];
		in(k, (struct seg){.cmd = WINS, .wnd = 4096}, T0);
		while (kcp_send_space(k) > 0)
			fill(k, 1);
		assert_int_equal(drain(k, s, 1100, T0), want[i].first);
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

static void auto_mode_waits_longer_on_a_path_that_reorders(void **state)
{
	struct kcp *k = make(TT_MODE_AUTO);
	struct seg s[16];
	uint32_t ts = (uint32_t)(T0 / 1000);
	(void)state;
	fill(k, 9);
	drain(k, s, 16, T0);
	ack(k, 3, ts, T0 + TT_MS(20));
	assert_int_equal(drain(k, s, 16, T0 + TT_MS(20)), 1);
	ack(k, 0, ts, T0 + TT_MS(21)); /* it had only been late */
	assert_int_equal(stats(k).segs_spurious, 1);
	ack(k, 6, ts, T0 + TT_MS(21)); /* 1 and 2 by six would be enough, 4 and 5 not even by 3 */
	assert_int_equal(drain(k, s, 16, T0 + TT_MS(21)), 0);
	ack(k, 7, ts, T0 + TT_MS(21));
	assert_int_equal(drain(k, s, 16, T0 + TT_MS(21)), 1);
	assert_int_equal(s[0].sn, 1);
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
			assert_true(kcp_memory(a) > 100000 && kcp_memory(b) > 100000);
	}
	assert_true(kcp_memory(a) < 10000 && kcp_memory(b) < 10000);
	kcp_free(a);
	kcp_free(b);
}

struct counted {
	size_t live, calls, fail_after;
};

static void *counting(void *user, void *p, size_t n)
{
	struct counted *c = user;
	if (n == 0) {
		c->live -= p != NULL;
		free(p);
		return NULL;
	}
	if (c->calls++ >= c->fail_after)
		return NULL;
	void *q = realloc(p, n);
	c->live += !p && q;
	return q;
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
		cmocka_unit_test(unacked_segment_resends_at_rto),
		cmocka_unit_test(rtt_and_rto_follow_the_samples),
		cmocka_unit_test(rto_is_at_least_100_ms_without_nodelay),
		cmocka_unit_test(una_does_not_hide_the_rtt_sample),
		cmocka_unit_test(ack_of_an_earlier_transmission_still_gives_a_sample),
		cmocka_unit_test(overtaken_segment_resends_after_as_many_packets_as_the_mode_says),
		cmocka_unit_test(one_packet_of_acks_counts_once),
		cmocka_unit_test(duplicated_ack_packets_are_no_evidence),
		cmocka_unit_test(lost_repeat_is_repeated_once_something_later_arrives),
		cmocka_unit_test(auto_mode_waits_longer_on_a_path_that_reorders),
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
		cmocka_unit_test(idle_stream_holds_no_buffers),
		cmocka_unit_test(slow_stream_does_not_keep_a_downloads_buffers),
		cmocka_unit_test(every_failed_allocation_is_survived),
		cmocka_unit_test(sizes_out_of_range_are_refused),
		cmocka_unit_test(sn_and_clock_wrap_around),
	};
	return cmocka_run_group_tests_name("kcp", tests, NULL, NULL);
}
