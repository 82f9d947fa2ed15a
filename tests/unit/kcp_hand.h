/* Hand-made packets for the tests of one KCP stream, and what it answers taken apart. */
#ifndef KCP_HAND_H
#define KCP_HAND_H

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

enum { PUSH = 81, ACK = 82, WASK = 83, WINS = 84, SACK = 85 };

struct seg {
	uint32_t conv, ts, sn, una, len;
	uint8_t cmd, frg;
	uint16_t wnd;
	const uint8_t *data;
};

static inline uint32_t rd32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void wr32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline size_t put(uint8_t *p, const struct seg *s)
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
static inline int split(const uint8_t *p, size_t len, struct seg *out, int cap)
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

/* A stream of CONV and MTU, unless cfg says otherwise. */
static inline struct kcp *make_of(struct kcp_config cfg)
{
	struct kcp *k = NULL;
	cfg.conv = cfg.conv ? cfg.conv : CONV;
	cfg.mtu = cfg.mtu ? cfg.mtu : MTU;
	assert_int_equal(kcp_new(&k, &cfg, T0), TT_OK);
	return k;
}

static inline struct kcp *make_cfg(
	enum tt_mode mode, uint32_t snd_wnd, uint32_t rcv_wnd, bool message)
{
	return make_of((struct kcp_config){
		.mode = mode, .snd_wnd = snd_wnd, .rcv_wnd = rcv_wnd, .message = message});
}

static inline struct kcp *make(enum tt_mode mode)
{
	return make_cfg(mode, 0, 0, false);
}

static inline int in(struct kcp *k, struct seg s, tt_time now)
{
	uint8_t p[2048];
	if (s.conv == 0)
		s.conv = CONV;
	return kcp_input(k, p, put(p, &s), now);
}

/* An ACK for sn, with nothing cumulative. */
static inline int ack(struct kcp *k, uint32_t sn, uint32_t ts, tt_time now)
{
	return in(k, (struct seg){.cmd = ACK, .sn = sn, .ts = ts, .una = 0, .wnd = 128}, now);
}

static inline int push(struct kcp *k, uint32_t sn, const char *text, tt_time now)
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
static inline int drain(struct kcp *k, struct seg *out, int cap, tt_time now)
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

static inline void fill(struct kcp *k, int segments)
{
	static const uint8_t zeros[MSS];
	for (int i = 0; i < segments; i++)
		assert_int_equal(kcp_send(k, zeros, MSS), MSS);
}

static inline struct kcp_stats stats(const struct kcp *k)
{
	struct kcp_stats st;
	kcp_stats(k, &st);
	return st;
}

/* An allocator that counts its blocks, and fails from some call on. */
struct counted {
	size_t live, calls, fail_after;
};

static inline void *counting(void *user, void *p, size_t n)
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

/* All packets from a to b. */
static inline int carry(struct kcp *a, struct kcp *b, tt_time now)
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

#endif
