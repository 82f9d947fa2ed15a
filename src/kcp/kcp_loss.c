/* Round-trip time, loss by overtaking, and the congestion window of the modes that have one. */
#include "kcp.h"

#include "kcp_int.h"
#include "tt_err.h"

/* Gains and bounds of KCP, which are those of RFC 6298 with the mode's tick as granularity. */
void kcp_rtt_sample(struct kcp *k, tt_time rtt)
{
	if (rtt > KCP_RTO_MAX)
		rtt = KCP_RTO_MAX;
	if (rtt == 0)
		rtt = 1; /* 0 means "no sample yet" */
	k->rtt_newest = rtt;
	if (k->srtt == 0) {
		k->srtt = rtt;
		k->rttvar = rtt / 2;
	} else {
		tt_time delta = rtt > k->srtt ? rtt - k->srtt : k->srtt - rtt;
		k->rttvar = (3 * k->rttvar + delta) / 4;
		k->srtt = (7 * k->srtt + rtt) / 8;
		if (k->srtt == 0)
			k->srtt = 1;
	}
	tt_time tick = TT_MS(k->mode.interval_ms);
	tt_time rto = k->srtt + (4 * k->rttvar > tick ? 4 * k->rttvar : tick);
	tt_time min = k->mode.nodelay ? KCP_RTO_MIN_NODELAY : KCP_RTO_MIN;
	k->rto = rto < min ? min : tt_time_min(rto, KCP_RTO_MAX);
}

tt_time kcp_level_rto(const struct kcp *k, unsigned level)
{
	tt_time rto = k->rto;
	for (unsigned i = 0; i < level && rto < KCP_RTO_MAX; i++)
		rto += k->mode.nodelay ? rto / 2 : rto;
	if (level == 0 && !k->mode.nodelay)
		rto += rto / 8; /* KCP's margin before the first repeat */
	return tt_time_min(rto, KCP_RTO_MAX);
}

void kcp_evidence_add(struct kcp *k, uint32_t tx_seq)
{
	if (k->packet_has_evidence && kcp_diff(tx_seq, k->packet_evidence) <= 0)
		return;
	k->packet_evidence = tx_seq;
	k->packet_has_evidence = true;
}

/* One packet counts once, with the latest transmission that it acknowledges. */
static void evidence_commit(struct kcp *k)
{
	uint32_t seq = k->packet_evidence;
	for (unsigned i = 0; i < KCP_EVIDENCE; i++) {
		uint32_t old = k->evidence[i];
		if (kcp_diff(seq, old) <= 0)
			continue;
		k->evidence[i] = seq;
		seq = old;
	}
	k->packet_has_evidence = false;
}

static void cwnd_shrink(struct kcp *k)
{
	uint32_t half = (k->snd_nxt - k->snd_una) / 2;
	k->ssthresh = half < KCP_SSTHRESH_MIN ? KCP_SSTHRESH_MIN : half;
	k->cwnd = k->ssthresh + k->mode.resend;
	k->incr = (uint64_t)k->cwnd * k->mss;
	k->recovery = k->tx_next;
}

void kcp_cwnd_timeout(struct kcp *k)
{
	k->ssthresh = k->cwnd / 2 < KCP_SSTHRESH_MIN ? KCP_SSTHRESH_MIN : k->cwnd / 2;
	k->cwnd = 1;
	k->incr = k->mss;
	k->recovery = k->tx_next;
}

void kcp_detect_losses(struct kcp *k)
{
	if (!k->packet_has_evidence)
		return;
	evidence_commit(k);
	if (k->mode.resend == 0)
		return;

	uint32_t latest = k->evidence[k->mode.resend - 1];
	bool shrink = false;
	uint32_t levels = k->lists_used & ~(1u << KCP_RESEND);
	while (levels) {
		unsigned level = (unsigned)__builtin_ctz(levels);
		struct kcp_snd_slot *s;
		levels &= levels - 1;
		while ((s = kcp_list_first(k, level)) && kcp_diff(latest, s->tx_seq) > 0) {
			kcp_list_remove(k, s);
			s->cause = KCP_CAUSE_FAST;
			kcp_list_push(k, KCP_RESEND, s);
			if (kcp_diff(s->tx_seq, k->recovery) >= 0)
				shrink = true;
		}
	}
	if (shrink && k->mode.cwnd)
		cwnd_shrink(k);
}

/* As KCP: one segment for each packet that moves una below ssthresh, then about one a window. */
void kcp_cwnd_grow(struct kcp *k)
{
	uint64_t mss = k->mss;

	if (!k->mode.cwnd || k->cwnd >= k->rmt_wnd)
		return;
	if (k->cwnd < k->ssthresh) {
		k->cwnd++;
		k->incr += mss;
	} else {
		if (k->incr < mss)
			k->incr = mss;
		k->incr += mss * mss / k->incr + mss / 16;
		if ((k->cwnd + 1) * mss <= k->incr)
			k->cwnd = (uint32_t)((k->incr + mss - 1) / mss);
	}
	if (k->cwnd > k->rmt_wnd) {
		k->cwnd = k->rmt_wnd;
		k->incr = k->rmt_wnd * mss;
	}
}
