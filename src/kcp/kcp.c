/* Life of a stream: modes, memory, figures. */
#include "kcp.h"

#include <string.h>

#include "kcp_int.h"
#include "tt_err.h"

/* Windows of `auto`, segments: twice what the nonce rule of a link lets be in flight, so that one
 * that was lost twice does not stop a fast stream. Budgets keep them from being filled by many. */
#define AUTO_SND_WND KCP_WND_MAX
#define AUTO_RCV_WND KCP_WND_MAX

static const struct kcp_mode modes[] = {
	[TT_MODE_AUTO] = {10, 3, true, false, AUTO_SND_WND, AUTO_RCV_WND},
	[TT_MODE_DEFAULT] = {100, 0, false, true, 32, 128},
	[TT_MODE_NORMAL] = {40, 2, false, true, 32, 128},
	[TT_MODE_FAST] = {30, 2, false, false, 64, 128},
	[TT_MODE_FAST2] = {20, 2, true, false, 96, 128},
	[TT_MODE_FAST3] = {10, 1, true, false, 128, 128},
};

int kcp_new(struct kcp **out, const struct kcp_config *cfg, tt_time now)
{
	return kcp_new_at(out, cfg, now, 0);
}

int kcp_new_at(struct kcp **out, const struct kcp_config *cfg, tt_time now, uint32_t sn)
{
	if ((size_t)cfg->mode >= sizeof(modes) / sizeof(modes[0]) || cfg->mtu < 50 ||
		cfg->mtu > 65535 || cfg->snd_wnd > KCP_WND_MAX || cfg->rcv_wnd > KCP_WND_MAX ||
		(cfg->pool && tt_pool_size(cfg->pool) < KCP_BLOCK(cfg->mtu)))
		return TT_EINVAL;
	_Static_assert(sizeof(struct kcp_buf) == 4, "KCP_BLOCK");
	struct kcp *k = tt_calloc(cfg->mem, 1, sizeof(*k));
	if (!k)
		return TT_ENOMEM;
	k->mem = cfg->mem;
	k->pool = cfg->pool;
	k->log = cfg->log;
	k->bytes = sizeof(*k);
	k->now = k->active = k->snd_tidied = k->rcv_tidied = now;
	k->conv = cfg->conv;
	k->mtu = cfg->mtu;
	k->mss = cfg->mtu - KCP_HEADER;
	k->mode = modes[cfg->mode];
	k->message = cfg->message;
	k->sack = cfg->sack;
	k->flight = cfg->flight;
	k->user = cfg->user;
	k->snd_budget = cfg->snd_budget;
	k->rcv_budget = cfg->rcv_budget;
	k->snd_wnd = cfg->snd_wnd ? cfg->snd_wnd : k->mode.snd_wnd;
	k->rcv_wnd = cfg->rcv_wnd ? cfg->rcv_wnd : k->mode.rcv_wnd;
	k->adv_wnd = k->rcv_wnd;
	k->snd_una = k->snd_nxt = k->snd_end = k->rmt_una = sn;
	k->rcv_head = k->rcv_nxt = sn;
	for (unsigned i = 0; i < KCP_LISTS; i++)
		k->lists[i] = (struct kcp_list){KCP_NIL, KCP_NIL};
	for (unsigned i = 0; i < KCP_EVIDENCE; i++)
		k->evidence[i] = k->tx_next - 1; /* earlier than all transmissions */
	k->cwnd = 1;
	k->incr = k->mss;
	k->ssthresh = KCP_SSTHRESH_MIN;
	k->rmt_wnd = KCP_RMT_WND_INIT;
	k->rto = KCP_RTO_INIT;
	k->ack_at = k->tell_at = k->probe_at = TT_TIME_NEVER;
	*out = k;
	return TT_OK;
}

void kcp_free(struct kcp *k)
{
	if (!k)
		return;
	kcp_leave_flight(k);
	kcp_budget_give(k->snd_budget, k->snd_bytes);
	kcp_budget_give(k->rcv_budget, k->rcv_bytes + kcp_rcv_ring_cost(k->rcv_cap));
	for (uint32_t i = 0; i < k->snd_cap; i++)
		kcp_buf_put(k, k->snd[i].buf);
	for (uint32_t i = 0; i < k->rcv_cap; i++)
		kcp_buf_put(k, k->rcv[i].buf);
	tt_free(k->mem, k->snd);
	tt_free(k->mem, k->rcv);
	tt_free(k->mem, k->acks);
	tt_free(k->mem, k->late);
	tt_free(k->mem, k);
}

uint32_t kcp_buf_cap(const struct kcp *k, uint32_t len)
{
	/* Keystrokes do not get a whole packet's memory each. */
	return len <= k->mss / 4 || len > k->mss ? len : k->mss;
}

struct kcp_buf *kcp_buf_get(struct kcp *k, uint32_t len)
{
	uint32_t cap = kcp_buf_cap(k, len);
	bool whole = cap == k->mss && k->pool;
	struct kcp_buf *b = whole ? tt_pool_get(k->pool) : tt_alloc(k->mem, sizeof(*b) + cap);
	if (!b)
		return NULL;
	b->cap = cap;
	k->bytes += sizeof(*b) + cap;
	return b;
}

void kcp_buf_put(struct kcp *k, struct kcp_buf *b)
{
	if (!b)
		return;
	k->bytes -= sizeof(*b) + b->cap;
	if (b->cap == k->mss && k->pool)
		tt_pool_put(b);
	else
		tt_free(k->mem, b);
}

bool kcp_trimmable(const struct kcp *k)
{
	return k->bytes > sizeof(*k) && k->snd_una == k->snd_end && k->rcv_head == k->rcv_nxt &&
	       k->rcv_held == 0 && k->ack_head == k->ack_end;
}

static void snd_ring_free(struct kcp *k)
{
	k->reserved = 0;
	for (uint32_t i = 0; i < k->snd_cap; i++) /* reserved and not committed */
		kcp_buf_put(k, k->snd[i].buf);
	tt_free(k->mem, k->snd);
	k->bytes -= k->snd_cap * sizeof(*k->snd);
	k->snd = NULL;
	k->snd_cap = 0;
}

static void rcv_ring_free(struct kcp *k)
{
	tt_free(k->mem, k->rcv);
	k->bytes -= k->rcv_cap * sizeof(*k->rcv);
	kcp_budget_give(k->rcv_budget, kcp_rcv_ring_cost(k->rcv_cap));
	k->rcv = NULL;
	k->rcv_cap = 0;
}

void kcp_trim(struct kcp *k)
{
	snd_ring_free(k);
	rcv_ring_free(k);
	tt_free(k->mem, k->acks);
	k->bytes -= k->ack_cap * sizeof(*k->acks);
	k->acks = NULL;
	k->ack_cap = k->ack_head = k->ack_end = 0;
	if (k->late)
		k->bytes -= KCP_SACK_LATE * sizeof(*k->late);
	tt_free(k->mem, k->late);
	k->late = NULL;
	k->ack_merge = false;
}

void kcp_tidy(struct kcp *k)
{
	if (k->now - k->snd_tidied >= KCP_TRIM_US && k->snd_cap > KCP_RING_SMALL &&
		k->snd_una == k->snd_end && k->reserved == 0) {
		snd_ring_free(k);
		k->snd_tidied = k->now;
	}
	if (k->now - k->rcv_tidied >= KCP_TRIM_US && k->rcv_cap > KCP_RING_SMALL &&
		k->rcv_head == k->rcv_nxt && k->rcv_held == 0) {
		rcv_ring_free(k);
		k->rcv_tidied = k->now;
	}
}

uint32_t kcp_conv(const struct kcp *k)
{
	return k->conv;
}

void *kcp_user(const struct kcp *k)
{
	return k->user;
}

void kcp_set_conv(struct kcp *k, uint32_t conv)
{
	k->conv = conv;
}

void kcp_stats(const struct kcp *k, struct kcp_stats *out)
{
	*out = k->st;
	out->srtt_us = k->srtt;
	out->rttvar_us = k->rttvar;
	out->rto_us = k->rto;
	out->cwnd = kcp_min(k->snd_wnd, k->rmt_wnd);
	if (k->mode.cwnd)
		out->cwnd = kcp_min(out->cwnd, k->cwnd);
	out->inflight = k->inflight;
	out->rmt_wnd = k->rmt_wnd;
}

uint32_t kcp_inflight(const struct kcp *k)
{
	return k->inflight;
}

tt_time kcp_rtt_take(struct kcp *k)
{
	tt_time rtt = k->rtt_newest;
	k->rtt_newest = 0;
	return rtt;
}

size_t kcp_memory(const struct kcp *k)
{
	return k->bytes;
}
