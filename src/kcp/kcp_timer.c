/* What happens when time passes: repeats, window probes, memory given back. */
#include "kcp.h"

#include "kcp_int.h"
#include "tt_err.h"

/* When the head of a timer list is repeated: on the mode's next tick, as KCP's flush would. */
static tt_time list_due(const struct kcp *k, unsigned level)
{
	tt_time tick = TT_MS(k->mode.interval_ms);
	tt_time t = kcp_list_first(k, level)->sent + kcp_level_rto(k, level);
	return (t + tick - 1) / tick * tick;
}

unsigned kcp_due(const struct kcp *k)
{
	unsigned due = kcp_ack_ripe(k) || k->probe ? KCP_DUE_URGENT : 0;
	if (kcp_list_first(k, KCP_RESEND))
		due |= kcp_repeats_are(k);
	if (kcp_can_send_new(k))
		due |= KCP_DUE_DATA;
	return due;
}

tt_time kcp_deadline(const struct kcp *k)
{
	return kcp_due(k) ? k->now : kcp_timer(k);
}

tt_time kcp_timer(const struct kcp *k)
{
	tt_time t = tt_time_min(k->probe_at, k->tell_at);
	if (!kcp_ack_ripe(k))
		t = tt_time_min(t, k->ack_at);
	/* what is in the resend list has had its timer and only waits for the carrier */
	for (uint32_t levels = k->lists_used & ~(1u << KCP_RESEND); levels; levels &= levels - 1)
		t = tt_time_min(t, list_due(k, (unsigned)__builtin_ctz(levels)));
	if (kcp_trimmable(k))
		t = tt_time_min(t, k->active + KCP_TRIM_US);
	return t;
}

/* Moves what has timed out to the resend list. */
static void repeat_due(struct kcp *k)
{
	bool shrink = false;
	uint32_t levels = k->lists_used & ~(1u << KCP_RESEND);

	while (levels) {
		unsigned level = (unsigned)__builtin_ctz(levels);
		levels &= levels - 1;
		while (kcp_list_first(k, level) && list_due(k, level) <= k->now) {
			struct kcp_snd_slot *s = kcp_list_first(k, level);
			kcp_list_remove(k, s);
			s->cause = KCP_CAUSE_TIMEOUT;
			s->level = kcp_min(level + 1, KCP_LEVELS - 1) & 15u;
			kcp_list_push(k, KCP_RESEND, s);
			if (kcp_diff(s->tx_seq, k->recovery) >= 0)
				shrink = true;
		}
	}
	if (shrink && k->mode.cwnd)
		kcp_cwnd_timeout(k);
}

int kcp_on_deadline(struct kcp *k, tt_time now)
{
	kcp_touch(k, now);
	repeat_due(k);
	if (k->probe_at <= k->now) {
		k->probe |= KCP_PROBE_ASK;
		k->probe_wait = tt_time_min(k->probe_wait + k->probe_wait / 2, KCP_PROBE_LIMIT);
		k->probe_at = k->now + k->probe_wait;
	}
	if (k->tell_at <= k->now) {
		k->probe |= KCP_PROBE_TELL;
		k->tell_at = TT_TIME_NEVER; /* set again when it goes out */
	}
	if (kcp_trimmable(k) && k->active + KCP_TRIM_US <= k->now)
		kcp_trim(k);
	return TT_OK;
}

void kcp_resume(struct kcp *k, tt_time now)
{
	kcp_touch(k, now);
	tt_debug(k->log, "kcp resume conv=%u inflight=%u", k->conv, k->inflight);
	kcp_leave_flight(k);
	for (uint32_t sn = k->snd_una; sn != k->snd_nxt; sn++) {
		struct kcp_snd_slot *s = kcp_snd_at(k, sn);
		if (s->state != KCP_SLOT_SENT)
			continue;
		kcp_list_remove(k, s);
		s->level = 0;
		s->cause = KCP_CAUSE_RESUME;
		kcp_list_push(k, KCP_RESEND, s);
	}
	if (k->rmt_wnd == 0) {
		k->probe |= KCP_PROBE_ASK;
		k->probe_wait = KCP_PROBE_INIT;
		k->probe_at = k->now + KCP_PROBE_INIT;
	}
	if (k->tell_open) {
		k->probe |= KCP_PROBE_TELL;
		k->tells_left = KCP_TELLS;
	}
}
