/* Streams of a link: their life, and the functions that move their bytes. */
#include "link.h"
#include "link_int.h"

#include "tt_err.h"

void link_stream_update(struct link_stream *s)
{
	struct link *l = s->link;
	uint32_t inflight = kcp_inflight(s->kcp);
	unsigned due = kcp_due(s->kcp);

	l->inflight += inflight - s->inflight;
	s->inflight = inflight;
	sched_set(&l->sched, &s->sched, (due & KCP_DUE_URGENT) != 0, (due & KCP_DUE_DATA) != 0);
	tt_heap_set(&l->timers, &s->timer, kcp_timer(s->kcp));
}

int link_stream_new(
	struct link_stream **out, struct link *l, uint32_t conv, void *user, tt_time now)
{
	const struct tt_mem *hash_mem = l->mem;
	const struct tt_hash_key *hash_key = &l->hash_key;

	if (link_conv_in_use(l, conv))
		return TT_EEXIST;
	int rc = tt_heap_reserve(&l->timers, HASH_COUNT(l->streams) + 1);
	if (rc != TT_OK)
		return rc;
	struct link_stream *s = tt_calloc(l->mem, 1, sizeof(*s));
	if (!s)
		return TT_ENOMEM;
	struct kcp_config cfg = {
		.conv = conv,
		.mode = l->mode,
		.mtu = (uint32_t)l->packet_max - 1,
		.snd_budget = &l->snd_budget,
		.rcv_budget = &l->rcv_budget,
		.mem = l->mem,
		.pool = l->pool,
		.sack = l->sack,
		.log = l->log,
		.flight = l->mode == TT_MODE_AUTO ? &l->flight : NULL,
		.user = s,
	};
	rc = kcp_new(&s->kcp, &cfg, now);
	if (rc != TT_OK) {
		tt_free(l->mem, s);
		return rc;
	}
	l->now = now;
	s->link = l;
	s->user = user;
	s->conv = conv;
	tt_heap_node_init(&s->timer);
	sched_entry_init(&l->sched, &s->sched);
	HASH_ADD(hh, l->streams, conv, sizeof(s->conv), s);
	if (!s->hh.tbl) {
		kcp_free(s->kcp);
		tt_free(l->mem, s);
		return TT_ENOMEM;
	}
	link_stream_update(s);
	*out = s;
	return TT_OK;
}

static void drop_from_ready(struct link_stream *s)
{
	struct link *l = s->link;
	struct link_stream **p = &l->ready_head, *last = NULL;

	if (!s->ready)
		return;
	while (*p != s) {
		last = *p;
		p = &(*p)->ready_next;
	}
	*p = s->ready_next;
	if (l->ready_tail == s)
		l->ready_tail = last;
}

static void add_kcp_stats(struct link_stats *sum, const struct kcp *k)
{
	struct kcp_stats ks;
	kcp_stats(k, &ks);
	sum->payload_sent += ks.bytes_sent;
	sum->payload_received += ks.bytes_received;
	sum->segs_sent += ks.segs_sent;
	sum->segs_retransmitted += ks.segs_retransmitted;
	sum->segs_received += ks.segs_received;
	sum->segs_duplicate += ks.segs_duplicate;
}

void link_stream_free(struct link_stream *s)
{
	if (!s)
		return;
	struct link *l = s->link;
	const struct tt_mem *hash_mem = l->mem;

	drop_from_ready(s);
	add_kcp_stats(&l->sum, s->kcp);
	l->inflight -= s->inflight;
	sched_set(&l->sched, &s->sched, false, false);
	tt_heap_set(&l->timers, &s->timer, TT_TIME_NEVER);
	if (s->hh.tbl)
		HASH_DEL(l->streams, s);
	kcp_free(s->kcp);
	tt_free(l->mem, s);
	if (!l->streams)
		kcp_flight_trim(&l->flight);
}

struct link_stream *link_stream_find(const struct link *l, uint32_t conv)
{
	const struct tt_hash_key *hash_key = &l->hash_key;
	struct link_stream *s;
	HASH_FIND(hh, l->streams, &conv, sizeof(conv), s);
	return s;
}

bool link_conv_in_use(const struct link *l, uint32_t conv)
{
	return link_stream_find(l, conv) != NULL;
}

int link_stream_set_conv(struct link_stream *s, uint32_t conv)
{
	struct link *l = s->link;
	const struct tt_mem *hash_mem = l->mem;
	const struct tt_hash_key *hash_key = &l->hash_key;

	if (conv == s->conv)
		return TT_OK;
	if (link_conv_in_use(l, conv))
		return TT_EEXIST;
	HASH_DEL(l->streams, s);
	s->conv = conv;
	HASH_ADD(hh, l->streams, conv, sizeof(s->conv), s);
	if (!s->hh.tbl)
		return TT_ENOMEM; /* the caller can only free it now */
	kcp_set_conv(s->kcp, conv);
	kcp_resume(s->kcp, l->now);
	link_stream_update(s);
	return TT_OK;
}

uint32_t link_stream_conv(const struct link_stream *s)
{
	return s->conv;
}

void link_stats(const struct link *l, struct link_stats *out)
{
	*out = l->sum;
	for (const struct link_stream *s = l->streams; s; s = s->hh.next) {
		add_kcp_stats(out, s->kcp);
		out->queued_bytes += kcp_send_pending(s->kcp);
	}
	out->inflight = l->inflight;
	out->window = l->window;
	link_recovery_stats(l, out);
	out->streams = HASH_COUNT(l->streams);
	out->srtt_us = l->srtt_us;
}

int link_stream_send_reserve(struct link_stream *s, struct iovec *iov, int cap, size_t max_bytes)
{
	return kcp_send_reserve(s->kcp, iov, cap, max_bytes);
}

void link_stream_send_commit(struct link_stream *s, size_t len)
{
	kcp_send_commit(s->kcp, len);
	link_stream_update(s);
}

size_t link_stream_send_pending(const struct link_stream *s)
{
	return kcp_send_pending(s->kcp);
}

void link_stream_send_drop(struct link_stream *s)
{
	kcp_send_drop(s->kcp);
	link_stream_update(s);
}

size_t link_stream_recv_ready(const struct link_stream *s)
{
	return kcp_recv_ready(s->kcp);
}

int link_stream_recv_peek(const struct link_stream *s, struct iovec *iov, int cap)
{
	return kcp_recv_peek(s->kcp, iov, cap);
}

void link_stream_recv_consume(struct link_stream *s, size_t n)
{
	kcp_recv_consume(s->kcp, n);
	link_stream_update(s);
}

void link_stream_kcp_stats(const struct link_stream *s, struct kcp_stats *out)
{
	kcp_stats(s->kcp, out);
}
