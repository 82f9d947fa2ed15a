/* The send ring: the application's bytes in, acknowledged segments out. */
#include "kcp.h"

#include <assert.h>
#include <string.h>

#include "kcp_int.h"
#include "tt_err.h"

/* ---- lists of slots ---- */

struct kcp_snd_slot *kcp_list_first(const struct kcp *k, unsigned list)
{
	return k->lists[list].head == KCP_NIL ? NULL : &k->snd[k->lists[list].head];
}

void kcp_list_push(struct kcp *k, unsigned list, struct kcp_snd_slot *s)
{
	struct kcp_list *l = &k->lists[list];
	uint16_t pos = (uint16_t)(s - k->snd);
	s->list = list & 15u;
	s->next = KCP_NIL;
	s->prev = l->tail;
	if (l->tail == KCP_NIL)
		l->head = pos;
	else
		k->snd[l->tail].next = pos;
	l->tail = pos;
	k->lists_used |= 1u << list;
}

void kcp_list_remove(struct kcp *k, struct kcp_snd_slot *s)
{
	if (s->list == KCP_LIST_NONE)
		return;
	struct kcp_list *l = &k->lists[s->list];
	if (s->prev == KCP_NIL)
		l->head = s->next;
	else
		k->snd[s->prev].next = s->next;
	if (s->next == KCP_NIL)
		l->tail = s->prev;
	else
		k->snd[s->next].prev = s->prev;
	if (l->head == KCP_NIL)
		k->lists_used &= ~(1u << s->list);
}

/* ---- the ring ---- */

/* A slot's index after the ring has grown. */
static uint16_t moved(const struct kcp *k, uint16_t pos, uint32_t cap)
{
	if (pos == KCP_NIL)
		return pos;
	uint32_t sn = k->snd_una + ((pos - k->snd_una) & (k->snd_cap - 1));
	return (uint16_t)(sn & (cap - 1));
}

/* Room for `n` slots from snd_una on. n <= KCP_WND_MAX. */
static int ring_reserve(struct kcp *k, uint32_t n)
{
	if (n <= k->snd_cap)
		return TT_OK;
	uint32_t cap = k->snd_cap ? k->snd_cap : KCP_RING_MIN;
	while (cap < n)
		cap *= 2;
	struct kcp_snd_slot *v = tt_calloc(k->mem, cap, sizeof(*v));
	if (!v)
		return TT_ENOMEM;
	for (uint32_t i = 0; i < k->snd_cap; i++) {
		struct kcp_snd_slot *s = &v[(k->snd_una + i) & (cap - 1)];
		*s = *kcp_snd_at(k, k->snd_una + i);
		s->next = moved(k, s->next, cap);
		s->prev = moved(k, s->prev, cap);
	}
	for (unsigned i = 0; i < KCP_LISTS; i++) {
		k->lists[i].head = moved(k, k->lists[i].head, cap);
		k->lists[i].tail = moved(k, k->lists[i].tail, cap);
	}
	tt_free(k->mem, k->snd);
	k->bytes += (cap - k->snd_cap) * sizeof(*v);
	k->snd = v;
	k->snd_cap = cap;
	return TT_OK;
}

static uint32_t slots_free(const struct kcp *k)
{
	uint32_t used = k->snd_end - k->snd_una;
	uint32_t room = used < k->snd_wnd ? k->snd_wnd - used : 0;

	if (k->flight) {
		uint32_t unsent = k->snd_end - k->snd_nxt;
		room = kcp_min(room, unsent < KCP_UNSENT_MAX ? KCP_UNSENT_MAX - unsent : 0);
	}
	if (k->snd_budget && room > 0) {
		size_t segs =
			kcp_budget_room(k->snd_budget, k->snd_bytes) / (k->mss + KCP_SEG_COST);
		if (segs == 0 && used == 0)
			segs = 1; /* everybody gets on */
		room = segs < room ? (uint32_t)segs : room;
	}
	return room;
}

/* Stream mode: the last segment, when it is unsent and has room. */
static struct kcp_snd_slot *open_tail(const struct kcp *k)
{
	if (k->message || k->snd_end == k->snd_nxt)
		return NULL;
	struct kcp_snd_slot *s = kcp_snd_at(k, k->snd_end - 1);
	return s->len < k->mss ? s : NULL;
}

/* Memory for the slot that will be number snd_end + i; NULL when there is none. */
static struct kcp_snd_slot *slot_prepare(struct kcp *k, uint32_t i, uint32_t len)
{
	if (ring_reserve(k, k->snd_end - k->snd_una + i + 1) != TT_OK)
		return NULL;
	struct kcp_snd_slot *s = kcp_snd_at(k, k->snd_end + i);
	assert(s->state == KCP_SLOT_FREE);
	if (s->buf && s->buf->cap < len) { /* left over from a message that did not get in */
		kcp_buf_put(k, s->buf);
		s->buf = NULL;
	}
	if (!s->buf)
		s->buf = kcp_buf_get(k, len);
	return s->buf ? s : NULL;
}

/* The prepared slot at snd_end becomes the last segment of the queue. */
static void slot_append(struct kcp *k, uint32_t len, uint8_t frg)
{
	struct kcp_snd_slot *s = kcp_snd_at(k, k->snd_end++);
	s->state = KCP_SLOT_UNSENT;
	s->len = (uint16_t)len;
	s->frg = frg;
	s->xmit = 0;
	s->level = 0;
	s->copied = false;
	s->cause = KCP_CAUSE_RESUME;
	k->snd_bytes += kcp_seg_cost(s->buf);
	kcp_budget_take(k->snd_budget, kcp_seg_cost(s->buf));
}

static void queued(struct kcp *k, size_t len)
{
	k->pending += len;
	k->st.bytes_sent += len;
}

void kcp_unqueue(struct kcp *k, struct kcp_snd_slot *s)
{
	k->pending -= s->len;
	k->snd_bytes -= kcp_seg_cost(s->buf);
	kcp_budget_give(k->snd_budget, kcp_seg_cost(s->buf));
	kcp_buf_put(k, s->buf);
	s->buf = NULL;
}

/* ---- the application ---- */

size_t kcp_send_space(const struct kcp *k)
{
	const struct kcp_snd_slot *tail = open_tail(k);
	return (size_t)slots_free(k) * k->mss + (tail ? k->mss - tail->len : 0u);
}

int kcp_send_reserve(struct kcp *k, struct iovec *iov, int cap, size_t max_bytes)
{
	if (k->message)
		return TT_EINVAL;
	struct kcp_snd_slot *tail = open_tail(k);
	uint32_t room = slots_free(k);
	bool nomem = false;
	int n = 0;

	k->reserved = 0;
	if (tail && n < cap && max_bytes > 0) {
		size_t len = k->mss - tail->len;
		iov[n++] = (struct iovec){
			tail->buf->data + tail->len, len < max_bytes ? len : max_bytes};
		k->reserved = iov[0].iov_len;
	}
	for (uint32_t i = 0; i < room && n < cap && k->reserved < max_bytes; i++) {
		struct kcp_snd_slot *s = slot_prepare(k, i, k->mss);
		if (!s) {
			nomem = true;
			break;
		}
		size_t left = max_bytes - k->reserved;
		iov[n] = (struct iovec){s->buf->data, left < k->mss ? left : k->mss};
		k->reserved += iov[n++].iov_len;
	}
	return n == 0 && nomem ? TT_ENOMEM : n;
}

void kcp_send_commit(struct kcp *k, size_t len)
{
	assert(len <= k->reserved);
	struct kcp_snd_slot *tail = open_tail(k);
	size_t left = len;

	k->reserved = 0;
	if (tail) {
		size_t part = k->mss - tail->len;
		if (part > left)
			part = left;
		tail->len = (uint16_t)(tail->len + part);
		left -= part;
	}
	while (left > 0) {
		uint32_t part = left < k->mss ? (uint32_t)left : k->mss;
		slot_append(k, part, 0);
		left -= part;
	}
	queued(k, len);
}

static int send_stream(struct kcp *k, const uint8_t *data, size_t len)
{
	struct iovec iov[16];
	size_t done = 0;

	if (len > INT32_MAX)
		len = INT32_MAX;
	while (done < len) {
		int n = kcp_send_reserve(k, iov, 16, len - done);
		if (n <= 0 && done == 0)
			return n < 0 ? n : TT_EAGAIN;
		if (n <= 0)
			break;
		size_t part = 0;
		for (int i = 0; i < n; i++) {
			memcpy(iov[i].iov_base, data + done + part, iov[i].iov_len);
			part += iov[i].iov_len;
		}
		kcp_send_commit(k, part);
		done += part;
	}
	return (int)done;
}

static int send_message(struct kcp *k, const uint8_t *data, size_t len)
{
	size_t count = len == 0 ? 1 : (len - 1) / k->mss + 1;

	if (count > KCP_FRAGMENTS_MAX || count > k->snd_wnd ||
		(k->flight && count > KCP_UNSENT_MAX))
		return TT_EINVAL;
	if (count > slots_free(k))
		return TT_EAGAIN;
	k->reserved = 0;
	for (uint32_t i = 0; i < count; i++) { /* all or nothing, so memory first */
		size_t left = len - (size_t)i * k->mss;
		if (!slot_prepare(k, i, left < k->mss ? (uint32_t)left : k->mss))
			return TT_ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		size_t left = len - (size_t)i * k->mss;
		uint32_t part = left < k->mss ? (uint32_t)left : k->mss;
		if (part > 0)
			memcpy(kcp_snd_at(k, k->snd_end)->buf->data, data + (size_t)i * k->mss,
				part);
		slot_append(k, part, (uint8_t)(count - 1 - i));
	}
	queued(k, len);
	return (int)len;
}

int kcp_send(struct kcp *k, const void *data, size_t len)
{
	return k->message ? send_message(k, data, len) : send_stream(k, data, len);
}

bool kcp_send_low(const struct kcp *k)
{
	return k->snd_end - k->snd_nxt <= KCP_UNSENT_MAX / 2;
}

size_t kcp_send_pending(const struct kcp *k)
{
	return k->pending;
}

/* ---- packets ---- */

bool kcp_can_send_new(const struct kcp *k)
{
	if (k->snd_nxt == k->snd_end)
		return false;
	uint32_t wnd = kcp_min(k->snd_wnd, k->rmt_wnd);
	if (k->mode.cwnd)
		wnd = kcp_min(wnd, k->cwnd);
	return k->snd_nxt - k->snd_una < wnd;
}

void kcp_mark_sent(struct kcp *k, uint32_t sn, struct kcp_snd_slot *s)
{
	if (s->state == KCP_SLOT_UNSENT) {
		s->state = KCP_SLOT_SENT;
		s->first_ms = (uint16_t)kcp_ms(k->now);
		k->inflight++;
		k->snd_nxt++;
	} else {
		kcp_list_remove(k, s);
		k->st.segs_retransmitted++;
		k->st.segs_fast += s->cause == KCP_CAUSE_FAST;
		k->st.segs_timeout += s->cause == KCP_CAUSE_TIMEOUT;
	}
	if (s->xmit < UINT8_MAX)
		s->xmit++;
	tt_time former = s->xmit > 1 ? s->sent : 0;
	s->sent = k->now;
	if (k->flight) {
		s->tx_seq = kcp_flight_sent(
			k->flight, k, sn, (uint16_t)(KCP_HEADER + s->len), former, k->now);
		s->list = KCP_LIST_NONE;
	} else {
		s->tx_seq = k->tx_next++;
		kcp_list_push(k, s->level, s);
	}
	k->st.segs_sent++;
}
