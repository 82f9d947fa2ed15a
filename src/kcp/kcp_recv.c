/* The receive ring: segments in, the application's bytes out, ACKs owed. */
#include "kcp.h"

#include <assert.h>
#include <string.h>

#include "kcp_int.h"
#include "tt_err.h"

uint32_t kcp_rcv_wnd_free(const struct kcp *k)
{
	uint32_t unread = k->rcv_nxt - k->rcv_head;
	uint32_t wnd = k->rcv_wnd - unread;

	if (!k->rcv_budget)
		return wnd;
	/* What came out of order lies inside the window and has been paid for. */
	size_t early = k->rcv_bytes - k->unread_bytes;
	size_t room = kcp_budget_room(k->rcv_budget, k->rcv_bytes) + early;
	size_t segs = room / (k->mss + KCP_SEG_COST);
	if (segs < KCP_WND_FLOOR && unread == 0)
		segs = KCP_WND_FLOOR;
	return segs < wnd ? (uint32_t)segs : wnd;
}

static int ring_reserve(struct kcp *k, uint32_t n)
{
	if (n <= k->rcv_cap)
		return TT_OK;
	uint32_t cap = k->rcv_cap ? k->rcv_cap : KCP_RING_MIN;
	while (cap < n)
		cap *= 2;
	size_t cost = kcp_rcv_ring_cost(cap) - kcp_rcv_ring_cost(k->rcv_cap);
	if (cost > kcp_budget_free(k->rcv_budget))
		return TT_ENOMEM;
	struct kcp_rcv_slot *v = tt_calloc(k->mem, cap, sizeof(*v));
	if (!v)
		return TT_ENOMEM;
	kcp_budget_take(k->rcv_budget, cost);
	for (uint32_t i = 0; i < k->rcv_cap; i++)
		v[(k->rcv_head + i) & (cap - 1)] = *kcp_rcv_at(k, k->rcv_head + i);
	tt_free(k->mem, k->rcv);
	k->bytes += (cap - k->rcv_cap) * sizeof(*v);
	k->rcv = v;
	k->rcv_cap = cap;
	return TT_OK;
}

/* ---- ACKs owed ---- */

/* Room for one more. The list is bounded: when nobody takes the packets, una will say it too. */
static int ack_reserve(struct kcp *k)
{
	if (k->ack_end < k->ack_cap)
		return TT_OK;
	if (k->ack_head > 0) {
		k->ack_end -= k->ack_head;
		memmove(k->acks, k->acks + k->ack_head, k->ack_end * sizeof(*k->acks));
		k->ack_head = 0;
		return TT_OK;
	}
	if (k->ack_cap >= KCP_RING_MIN && k->ack_cap >= k->rcv_wnd)
		return TT_EAGAIN;
	uint32_t cap = k->ack_cap ? k->ack_cap * 2 : KCP_RING_MIN;
	struct kcp_ack *v = tt_realloc(k->mem, k->acks, cap * sizeof(*v));
	if (!v)
		return TT_ENOMEM;
	k->bytes += (cap - k->ack_cap) * sizeof(*v);
	k->acks = v;
	k->ack_cap = cap;
	return TT_OK;
}

/*
 * `in_order`: una says all that this ACK says, but for ts. Of a run of those that wait for the same
 * packet only the last is kept: it carries the newest RTT sample, and one ACK for each PUSH would
 * cost a loaded reverse path 2 % of the bytes for nothing. SACKs say everything, in order or not.
 */
static int ack_add(struct kcp *k, uint32_t sn, uint32_t ts, bool in_order)
{
	bool merge = ((in_order && k->ack_merge) || k->sack) && k->ack_end > k->ack_head;
	if (!merge) {
		int rc = ack_reserve(k);
		if (rc != TT_OK)
			return rc;
		k->ack_end++;
		k->ack_merge = in_order;
	}
	/* Of a segment that came twice the first is answered: how long it took, and that it was
	 * not lost (RFC 7323, section 4.3). */
	if (!merge || k->acks[k->ack_end - 1].sn != sn)
		k->acks[k->ack_end - 1] = (struct kcp_ack){sn, ts};
	if (k->acks_waiting++ == 0)
		k->ack_at = k->now + KCP_ACK_DELAY;
	return TT_OK;
}

/* For the next SACKs. Without memory the peer repeats the segment once more. */
static void note_late(struct kcp *k, uint32_t sn)
{
	size_t size = KCP_SACK_LATE * sizeof(*k->late);

	if (!k->sack || k->rcv_held == 0 || kcp_diff(k->rcv_top, sn) <= (int32_t)KCP_SACK_BITS / 2)
		return;
	if (!k->late) {
		k->late = tt_alloc(k->mem, size);
		if (!k->late)
			return;
		k->bytes += size;
		k->late_n = 0;
	}
	k->late[k->late_n++ % KCP_SACK_LATE] = sn;
}

bool kcp_ack_ripe(const struct kcp *k)
{
	if (k->ack_head == k->ack_end)
		return false;
	return !k->flight || k->acks_waiting >= KCP_ACK_COUNT || k->ack_at <= k->now;
}

/* ---- segments in ---- */

static void slot_release(struct kcp *k)
{
	struct kcp_rcv_slot *s = kcp_rcv_at(k, k->rcv_head++);
	size_t cost = kcp_seg_cost(s->buf);
	k->rcv_bytes -= cost;
	k->unread_bytes -= cost;
	kcp_budget_give(k->rcv_budget, cost);
	kcp_buf_put(k, s->buf);
	*s = (struct kcp_rcv_slot){0};
	k->rcv_off = 0;
}

/* Counts the segment at rcv_nxt as readable (message mode: with the end of its message). */
static void take_in_order(struct kcp *k)
{
	const struct kcp_rcv_slot *s = kcp_rcv_at(k, k->rcv_nxt++);
	k->rcv_held--;
	k->unread_bytes += kcp_seg_cost(s->buf);
	k->st.bytes_received += s->len;
	k->partial += s->len;
	if (!k->message || s->frg == 0) {
		k->ready += k->partial;
		k->partial = 0;
	}
	/* An empty segment is a message, but nothing in a stream: it must not fill the window. */
	if (!k->message && s->len == 0 && k->rcv_head == k->rcv_nxt - 1)
		slot_release(k);
}

static int store(struct kcp *k, uint32_t sn, uint8_t frg, const uint8_t *data, uint16_t len)
{
	/* A segment of the peer may be larger than ours; the sum must not be. The first missing
	 * one is taken even so, or a full buffer behind a gap would stop the stream for good. The
	 * budget binds it as well, unless the reader waits for it. */
	size_t cost = (len > 0 ? kcp_buf_cap(k, len) : 0) + KCP_SEG_COST;
	if (sn != k->rcv_nxt && k->rcv_bytes + cost > (size_t)k->rcv_wnd * (k->mss + KCP_SEG_COST))
		return TT_ENOMEM;
	if (ring_reserve(k, sn - k->rcv_head + 1) != TT_OK)
		return TT_ENOMEM;
	if (sn - k->rcv_head >= KCP_WND_FLOOR && cost > kcp_budget_free(k->rcv_budget))
		return TT_ENOMEM;
	struct kcp_buf *b = NULL;
	if (len > 0) {
		b = kcp_buf_get(k, len);
		if (!b)
			return TT_ENOMEM;
		memcpy(b->data, data, len);
	}
	*kcp_rcv_at(k, sn) = (struct kcp_rcv_slot){b, len, frg, true};
	k->rcv_bytes += cost;
	kcp_budget_take(k->rcv_budget, cost);
	if (k->rcv_held++ == 0 || kcp_diff(sn + 1, k->rcv_top) > 0)
		k->rcv_top = sn + 1;
	return TT_OK;
}

int kcp_push_in(
	struct kcp *k, uint32_t sn, uint32_t ts, uint8_t frg, const uint8_t *data, uint16_t len)
{
	int32_t ahead = kcp_diff(sn, k->rcv_nxt);

	k->st.segs_received++;
	if (ahead < -(int32_t)KCP_OLD_MAX || (ahead >= 0 && sn - k->rcv_head >= k->rcv_wnd)) {
		k->st.segs_out_of_window++;
		return TT_OK;
	}
	bool in_order = ahead == 0 && k->rcv_held == 0;
	bool known = ahead < 0 || (sn - k->rcv_head < k->rcv_cap && kcp_rcv_at(k, sn)->used);
	if (known) {
		k->st.segs_duplicate++; /* the first one's payload stays */
	} else {
		int rc = store(k, sn, frg, data, len);
		if (rc != TT_OK)
			return rc;
		note_late(k, sn);
		k->tell_open = false;
		k->tells_left = 0;
		k->tell_at = TT_TIME_NEVER;
		while (k->rcv_nxt - k->rcv_head < k->rcv_cap && kcp_rcv_at(k, k->rcv_nxt)->used)
			take_in_order(k);
	}
	return ack_add(k, sn, ts, in_order) == TT_ENOMEM ? TT_ENOMEM : TT_OK;
}

/* ---- the application ---- */

/*
 * A sender that was told 0 waits for a word. It gets one when there is room for more than a
 * segment or two (RFC 1122 4.2.3.3, silly window), repeated a few times because the word may be
 * lost and KCP's own probe comes only after seven seconds.
 */
static void window_opened(struct kcp *k)
{
	if (k->adv_wnd > 0 || k->tell_open)
		return;
	uint32_t room = kcp_rcv_wnd_free(k);
	if (room == 0 || (room < k->rcv_wnd / 8 && k->ready > 0))
		return;
	k->tell_open = true;
	k->tells_left = KCP_TELLS;
	k->probe |= KCP_PROBE_TELL;
}

size_t kcp_recv_ready(const struct kcp *k)
{
	return k->ready;
}

int kcp_recv_peek(const struct kcp *k, struct iovec *iov, int cap)
{
	size_t left = k->ready;
	uint32_t off = k->rcv_off;
	int n = 0;

	for (uint32_t sn = k->rcv_head; left > 0 && n < cap; sn++) {
		const struct kcp_rcv_slot *s = kcp_rcv_at(k, sn);
		if (s->len > off) {
			iov[n++] = (struct iovec){s->buf->data + off, s->len - off};
			left -= s->len - off;
		}
		off = 0;
	}
	return n;
}

void kcp_recv_consume(struct kcp *k, size_t n)
{
	assert(n <= k->ready);
	k->ready -= n;
	while (k->rcv_head != k->rcv_nxt) {
		const struct kcp_rcv_slot *s = kcp_rcv_at(k, k->rcv_head);
		size_t part = s->len - k->rcv_off;
		if (n < part) {
			k->rcv_off += (uint32_t)n;
			break;
		}
		if (n == 0 && (part > 0 || k->message))
			break; /* in stream mode empty segments are swept along */
		n -= part;
		slot_release(k);
	}
	window_opened(k);
}

static int recv_stream(struct kcp *k, uint8_t *dst, size_t cap)
{
	size_t n = k->ready < cap ? k->ready : cap, done = 0;

	if (n > INT32_MAX)
		n = INT32_MAX;
	if (k->ready == 0)
		return TT_EAGAIN;
	uint32_t off = k->rcv_off;
	for (uint32_t sn = k->rcv_head; done < n; sn++) {
		const struct kcp_rcv_slot *s = kcp_rcv_at(k, sn);
		size_t part = s->len - off;
		if (part > n - done)
			part = n - done;
		if (part > 0)
			memcpy(dst + done, s->buf->data + off, part);
		done += part;
		off = 0;
	}
	kcp_recv_consume(k, n);
	return (int)n;
}

static int recv_message(struct kcp *k, uint8_t *dst, size_t cap)
{
	size_t len = 0;
	uint32_t end = k->rcv_head;

	for (;; end++) {
		if (end == k->rcv_nxt)
			return TT_EAGAIN;
		len += kcp_rcv_at(k, end)->len;
		if (kcp_rcv_at(k, end)->frg == 0)
			break;
	}
	if (len > cap || len > INT32_MAX)
		return TT_ENOSPC;
	end++;
	while (k->rcv_head != end) {
		const struct kcp_rcv_slot *s = kcp_rcv_at(k, k->rcv_head);
		if (s->len > 0)
			memcpy(dst, s->buf->data, s->len);
		dst += s->len;
		slot_release(k);
	}
	k->ready -= len;
	window_opened(k);
	return (int)len;
}

int kcp_recv(struct kcp *k, void *dst, size_t cap)
{
	return k->message ? recv_message(k, dst, cap) : recv_stream(k, dst, cap);
}
