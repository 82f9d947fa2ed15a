/* Packets in and out. */
#include "kcp.h"

#include <endian.h>
#include <string.h>

#include "kcp_int.h"
#include "tt_err.h"

struct header {
	uint32_t conv;
	uint8_t cmd, frg;
	uint16_t wnd;
	uint32_t ts, sn, una, len;
};

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

/* One whole segment with a known command at the start of pkt. */
static bool header_get(struct header *h, const uint8_t *pkt, size_t len)
{
	if (len < KCP_HEADER)
		return false;
	h->conv = get32(pkt);
	h->cmd = pkt[4];
	h->frg = pkt[5];
	h->wnd = (uint16_t)(pkt[6] | pkt[7] << 8);
	h->ts = get32(pkt + 8);
	h->sn = get32(pkt + 12);
	h->una = get32(pkt + 16);
	h->len = get32(pkt + 20);
	return h->cmd >= KCP_CMD_PUSH && h->cmd <= KCP_CMD_SACK && h->len <= len - KCP_HEADER &&
	       h->len <= UINT16_MAX;
}

int kcp_run_length(const uint8_t *pkt, size_t len, uint32_t *conv)
{
	struct header h;
	size_t done = 0;

	if (!header_get(&h, pkt, len))
		return TT_EPROTO;
	*conv = h.conv;
	do
		done += KCP_HEADER + h.len;
	while (done <= INT32_MAX - KCP_HEADER - UINT16_MAX &&
		header_get(&h, pkt + done, len - done) && h.conv == *conv);
	return (int)done;
}

/* ---- in ---- */

/*
 * The peer's window. With una it only grows for one value of una, so of two segments with the same
 * una the larger window is the newer, and one with an older una was overtaken on the way. Without
 * this a late "0" would stop the stream until the probe.
 */
static void window_update(struct kcp *k, const struct header *h)
{
	uint32_t wnd = h->wnd < KCP_WND_MAX ? h->wnd : KCP_WND_MAX;
	int32_t newer = kcp_diff(h->una, k->rmt_una);

	if (newer < 0 || (newer == 0 && k->rmt_known && wnd <= k->rmt_wnd))
		return;
	k->rmt_known = true;
	k->rmt_una = h->una;
	k->rmt_wnd = wnd;
	if (wnd > 0) {
		k->probe_at = TT_TIME_NEVER;
	} else if (k->probe_at == TT_TIME_NEVER) {
		k->probe_wait = KCP_PROBE_INIT;
		k->probe_at = k->now + KCP_PROBE_INIT;
	}
}

static int sack_in(struct kcp *k, const struct header *h, const uint8_t *data)
{
	const uint8_t *p = data + KCP_SACK_HEAD, *end = data + h->len;

	if (h->len < KCP_SACK_HEAD || h->len > KCP_SACK_MAX || end - p < 4 * data[4])
		return TT_EPROTO;
	uint32_t sn = get32(data);
	k->st.acks_received++;
	kcp_ack_one(k, h->sn, h->ts);
	for (unsigned i = 0; i < data[4]; i++, p += 4)
		kcp_ack_any(k, get32(p));
	for (; p != end; p++, sn -= 8) {
		for (uint32_t i = 0; i < 8; i++) {
			if (*p >> i & 1)
				kcp_ack_any(k, sn - 1 - i);
		}
	}
	return TT_OK;
}

static int segment_in(struct kcp *k, const struct header *h, const uint8_t *data)
{
	switch (h->cmd) {
	case KCP_CMD_ACK:
		k->st.acks_received++;
		kcp_ack_one(k, h->sn, h->ts);
		return TT_OK;
	case KCP_CMD_SACK:
		return sack_in(k, h, data);
	case KCP_CMD_PUSH:
		return kcp_push_in(k, h->sn, h->ts, h->frg, data, (uint16_t)h->len);
	case KCP_CMD_WASK:
		k->probe |= KCP_PROBE_TELL;
		return TT_OK;
	default: /* WINS: the header said it */
		return TT_OK;
	}
}

int kcp_input(struct kcp *k, const uint8_t *pkt, size_t len, tt_time now)
{
	uint32_t una_before = k->snd_una, una = k->snd_una;
	int rc = len > 0 ? TT_OK : TT_EPROTO;

	kcp_touch(k, now);
	k->echo_known = false;
	while (len > 0) {
		struct header h;
		if (!header_get(&h, pkt, len) || h.conv != k->conv) {
			rc = TT_EPROTO;
			break;
		}
		k->active = k->now;
		/* una of what was never sent is nonsense, and so is the window that came with it.
		 * una is applied after the ACKs, which carry the RTT samples of what it frees. */
		if (kcp_diff(h.una, k->snd_nxt) <= 0) {
			window_update(k, &h);
			if (kcp_diff(h.una, una) > 0)
				una = h.una;
		}
		int one = segment_in(k, &h, pkt + KCP_HEADER);
		if (one != TT_OK)
			rc = one;
		pkt += KCP_HEADER + h.len;
		len -= KCP_HEADER + h.len;
	}
	if (kcp_diff(una, k->snd_una) > 0)
		kcp_ack_until(k, una);
	if (!k->flight)
		kcp_detect_losses(k);
	if (k->snd_una != una_before)
		kcp_cwnd_grow(k);
	kcp_tidy(k);
	return rc;
}

/* ---- out ---- */

static uint8_t *header_put(const struct kcp *k, uint8_t *p, uint8_t cmd, uint8_t frg, uint32_t ts,
	uint32_t sn, uint32_t len)
{
	uint32_t wnd = kcp_rcv_wnd_free(k);
	p = put32(p, k->conv);
	*p++ = cmd;
	*p++ = frg;
	*p++ = (uint8_t)wnd;
	*p++ = (uint8_t)(wnd >> 8);
	p = put32(p, ts);
	p = put32(p, sn);
	p = put32(p, k->rcv_nxt);
	return put32(p, len);
}

static void acks_gone(struct kcp *k)
{
	k->acks_waiting = 0;
	k->ack_at = TT_TIME_NEVER;
}

/* The newest of those that una does not say yet, at most max; returns how many. */
static uint32_t put_late(const struct kcp *k, uint8_t *p, uint32_t max)
{
	uint32_t have = k->late ? kcp_min(k->late_n, KCP_SACK_LATE) : 0, n = 0;

	for (uint32_t i = 1; i <= have && n < max; i++) {
		uint32_t sn = k->late[(k->late_n - i) % KCP_SACK_LATE];
		if (kcp_diff(sn, k->rcv_nxt) < 0)
			continue;
		p = put32(p, sn);
		n++;
	}
	return n;
}

/* One segment says it all: what came out of order, and with una the rest. */
static uint8_t *put_sack(struct kcp *k, uint8_t *p, const uint8_t *end)
{
	/* It must fit into a packet of its own, however small. */
	uint32_t room = kcp_min(k->mss, KCP_SACK_MAX) - KCP_SACK_HEAD;
	uint32_t bits = kcp_min(k->rcv_top - k->rcv_nxt, kcp_min(KCP_SACK_BITS, 8 * room));
	uint32_t bytes = (bits + 7) / 8;
	const struct kcp_ack *a = &k->acks[k->ack_head];
	uint8_t body[KCP_SACK_MAX] = {0};
	uint32_t late = put_late(k, body + KCP_SACK_HEAD, (room - bytes) / 4);
	uint8_t *map = body + KCP_SACK_HEAD + 4 * late;
	uint32_t len = KCP_SACK_HEAD + 4 * late + bytes;

	if (end - p < (ptrdiff_t)(KCP_HEADER + len))
		return p;
	put32(body, k->rcv_top);
	body[4] = (uint8_t)late;
	for (uint32_t i = 0; i < bits; i++)
		map[i / 8] |= (uint8_t)(kcp_rcv_at(k, k->rcv_top - 1 - i)->used << i % 8);
	p = header_put(k, p, KCP_CMD_SACK, 0, a->ts, a->sn, len);
	memcpy(p, body, len);
	k->ack_head = k->ack_end = 0;
	acks_gone(k);
	k->st.acks_sent++;
	return p + len;
}

static uint8_t *put_acks(struct kcp *k, uint8_t *p, const uint8_t *end)
{
	if (!kcp_ack_ripe(k))
		return p;
	if (k->sack && k->rcv_held > 0 && k->ack_head != k->ack_end)
		return put_sack(k, p, end);
	while (k->ack_head != k->ack_end && end - p >= KCP_HEADER) {
		const struct kcp_ack *a = &k->acks[k->ack_head++];
		p = header_put(k, p, KCP_CMD_ACK, 0, a->ts, a->sn, 0);
		k->st.acks_sent++;
	}
	if (k->ack_head == k->ack_end) {
		k->ack_head = k->ack_end = 0;
		acks_gone(k);
	}
	return p;
}

static uint8_t *put_probes(struct kcp *k, uint8_t *p, const uint8_t *end)
{
	if ((k->probe & KCP_PROBE_ASK) && end - p >= KCP_HEADER) {
		p = header_put(k, p, KCP_CMD_WASK, 0, kcp_ms(k->now), 0, 0);
		k->probe &= (uint8_t)~KCP_PROBE_ASK;
	}
	if ((k->probe & KCP_PROBE_TELL) && end - p >= KCP_HEADER) {
		p = header_put(k, p, KCP_CMD_WINS, 0, kcp_ms(k->now), 0, 0);
		k->probe &= (uint8_t)~KCP_PROBE_TELL;
		if (k->tells_left > 0) {
			k->tells_left--;
			k->tell_at = k->now + 2 * k->rto;
		}
	}
	return p;
}

static uint8_t *segment_put(
	const struct kcp *k, uint32_t sn, const struct kcp_snd_slot *s, uint8_t *p)
{
	p = header_put(k, p, KCP_CMD_PUSH, s->frg, kcp_ms(k->now), sn, s->len);
	if (s->len > 0)
		memcpy(p, s->buf->data, s->len);
	return p + s->len;
}

/* NULL when it does not fit. */
static uint8_t *put_push(
	struct kcp *k, uint32_t sn, struct kcp_snd_slot *s, uint8_t *p, const uint8_t *end)
{
	if (end - p < (ptrdiff_t)(KCP_HEADER + s->len))
		return NULL;
	if (k->flight && kcp_flight_reserve(k->flight) != TT_OK)
		return NULL;
	kcp_mark_sent(k, sn, s);
	return segment_put(k, sn, s, p);
}

size_t kcp_output_copy(struct kcp *k, uint32_t sn, uint8_t *dst, size_t cap, tt_time now)
{
	struct kcp_snd_slot *s = kcp_waiting(k, sn);

	if (!s || s->list != KCP_LIST_NONE || cap < (size_t)KCP_HEADER + s->len)
		return 0;
	kcp_touch(k, now);
	s->copied = true;
	return (size_t)(segment_put(k, sn, s, dst) - dst);
}

static uint8_t *put_repeats(struct kcp *k, uint8_t *p, const uint8_t *end)
{
	struct kcp_snd_slot *s;

	while ((s = kcp_list_first(k, KCP_RESEND))) {
		uint32_t pos = (uint32_t)(s - k->snd);
		uint32_t sn = k->snd_una + ((pos - k->snd_una) & (k->snd_cap - 1));
		uint8_t *next = put_push(k, sn, s, p, end);
		if (!next)
			break;
		p = next;
	}
	return p;
}

static uint8_t *put_new(struct kcp *k, uint8_t *p, const uint8_t *end)
{
	while (kcp_can_send_new(k)) {
		uint8_t *next = put_push(k, k->snd_nxt, kcp_snd_at(k, k->snd_nxt), p, end);
		if (!next)
			break;
		p = next;
	}
	return p;
}

size_t kcp_output_some(struct kcp *k, uint8_t *dst, size_t cap, unsigned kinds, tt_time now)
{
	const uint8_t *end = dst + (cap < k->mtu ? cap : k->mtu);
	uint8_t *p = dst;

	kcp_touch(k, now);
	k->reserved = 0; /* the open segment may go out now */
	if (kinds & KCP_DUE_URGENT)
		p = put_probes(k, put_acks(k, p, end), end);
	if (kinds & kcp_repeats_are(k))
		p = put_repeats(k, p, end);
	if ((kinds & KCP_DUE_DATA) &&
		!((kinds & kcp_repeats_are(k)) && kcp_list_first(k, KCP_RESEND)))
		p = put_new(k, p, end);
	if (p != dst) {
		k->adv_wnd = kcp_rcv_wnd_free(k);
		k->active = k->now;
		kcp_tidy(k);
	}
	return (size_t)(p - dst);
}

size_t kcp_output(struct kcp *k, uint8_t *dst, size_t cap, tt_time now)
{
	return kcp_output_some(k, dst, cap, KCP_DUE_URGENT | KCP_DUE_DATA, now);
}
