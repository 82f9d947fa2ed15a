/* ACKs in, and what leaves the send ring with them or without. */
#include "kcp.h"

#include "kcp_int.h"
#include "tt_err.h"

/* An ACK says that the segment is there. */
static void arrived(struct kcp *k, const struct kcp_snd_slot *s, enum kcp_tx_evidence evidence)
{
	if (k->flight)
		kcp_flight_acked(k->flight, s->tx_seq, evidence);
	else if (evidence == KCP_TX_EXACT || evidence == KCP_TX_RANGE)
		kcp_evidence_add(k, s->tx_seq);
}

/* For how long a segment that was given up and not repeated yet was on its way; 0: it was not. */
static tt_time given_up_for(const struct kcp *k, const struct kcp_snd_slot *s)
{
	return s->list == KCP_RESEND && s->cause != KCP_CAUSE_RESUME ? k->now - s->sent : 0;
}

/* `late`: a transmission that was given up has arrived, so long after it was sent; 0: none has. */
static void settle(
	struct kcp *k, struct kcp_snd_slot *s, enum kcp_tx_evidence evidence, tt_time late)
{
	if (k->flight && late > 0)
		kcp_flight_spurious(k->flight, (uint16_t)(KCP_HEADER + s->len), late);
	arrived(k, s, evidence);
	kcp_list_remove(k, s);
	kcp_unqueue(k, s);
	s->state = KCP_SLOT_ACKED;
	k->inflight--;
}

struct kcp_snd_slot *kcp_waiting(const struct kcp *k, uint32_t sn)
{
	if (sn - k->snd_una >= k->snd_nxt - k->snd_una)
		return NULL;
	struct kcp_snd_slot *s = kcp_snd_at(k, sn);
	return s->state == KCP_SLOT_SENT ? s : NULL;
}

/*
 * What a word on a segment proves that names no transmission of it. When it comes with the ACK of
 * something that was sent before the repeat, the repeat cannot be what has arrived (RFC 8985, 6.2
 * step 2, and RFC 3522 before it).
 */
static enum kcp_tx_evidence by_any(const struct kcp *k, const struct kcp_snd_slot *s)
{
	if (s->xmit == 1)
		return KCP_TX_RANGE;
	return k->echo_known && kcp_diff(k->echo, kcp_ms(s->sent)) < 0 ? KCP_TX_FORMER : KCP_TX_ANY;
}

/* Frees it, on such a word. */
static void settle_by_any(struct kcp *k, struct kcp_snd_slot *s)
{
	enum kcp_tx_evidence evidence = by_any(k, s);
	tt_time late = s->copied ? 0 : given_up_for(k, s); /* the copy, as likely */

	if (evidence == KCP_TX_FORMER && s->xmit == 2 && !s->copied)
		late = TT_MS((uint16_t)(kcp_ms(k->now) - s->first_ms));
	settle(k, s, evidence, late);
}

void kcp_ack_until(struct kcp *k, uint32_t una)
{
	while (k->snd_una != una) {
		struct kcp_snd_slot *s = kcp_snd_at(k, k->snd_una++);
		if (s->state == KCP_SLOT_SENT)
			settle_by_any(k, s);
		s->state = KCP_SLOT_FREE;
	}
	/* What is in front of the first gap goes too. */
	while (k->snd_una != k->snd_nxt && kcp_snd_at(k, k->snd_una)->state == KCP_SLOT_ACKED)
		kcp_snd_at(k, k->snd_una++)->state = KCP_SLOT_FREE;
}

/* Segment sn is not waited for any more. */
static void freed(struct kcp *k, uint32_t sn)
{
	if (sn == k->snd_una)
		kcp_ack_until(k, sn + 1);
}

static void note_echo(struct kcp *k, uint32_t ts)
{
	if (!k->echo_known || kcp_diff(ts, k->echo) > 0)
		k->echo = ts;
	k->echo_known = true;
}

/* The copy of a segment has a time stamp of its own. */
static bool names_copy(const struct kcp_snd_slot *s, uint32_t ts)
{
	return s->copied && ts != kcp_ms(s->sent) && (uint16_t)ts != s->first_ms;
}

void kcp_ack_one(struct kcp *k, uint32_t sn, uint32_t ts)
{
	struct kcp_snd_slot *s = kcp_waiting(k, sn);
	note_echo(k, ts);
	if (!s)
		return;
	uint32_t ms = kcp_ms(k->now), rtt_ms = ms - ts;
	enum kcp_tx_evidence evidence = by_any(k, s); /* arrived, whatever ts says */
	tt_time late = given_up_for(k, s);
	if (names_copy(s, ts)) {
		/* What it is a copy of may be lost, and if that was given up, rightly. */
		evidence = KCP_TX_COPY;
		late = 0;
	} else if (ts == kcp_ms(s->sent)) {
		kcp_rtt_sample(k, k->now - s->sent);
		evidence = KCP_TX_EXACT;
	} else if (s->xmit > 1 && rtt_ms <= (uint16_t)(ms - s->first_ms)) {
		/* An earlier transmission arrived. The sample is good, and keeps the timer from
		 * repeating everything for ever when the path is slower than the first RTO. */
		kcp_rtt_sample(k, TT_MS(rtt_ms));
		k->st.segs_spurious++;
		evidence = KCP_TX_FORMER;
		late = TT_MS(rtt_ms);
	}
	settle(k, s, evidence, late);
	freed(k, sn);
}

void kcp_ack_any(struct kcp *k, uint32_t sn)
{
	struct kcp_snd_slot *s = kcp_waiting(k, sn);
	if (!s)
		return;
	settle_by_any(k, s);
	freed(k, sn);
}

void kcp_leave_flight(struct kcp *k)
{
	for (uint32_t sn = k->snd_una; k->flight && sn != k->snd_nxt; sn++) {
		struct kcp_snd_slot *s = kcp_snd_at(k, sn);
		if (s->state != KCP_SLOT_SENT)
			continue;
		kcp_flight_drop(k->flight, s->tx_seq);
		s->cause = KCP_CAUSE_RESUME; /* nobody's loss, whatever it was before */
	}
}

void kcp_lost(struct kcp *k, uint32_t sn, uint32_t number, bool timeout)
{
	kcp_flight_drop(k->flight, number);
	struct kcp_snd_slot *s = kcp_waiting(k, sn);
	if (!s || s->list != KCP_LIST_NONE || s->tx_seq != number)
		return;
	s->cause = timeout ? KCP_CAUSE_TIMEOUT : KCP_CAUSE_FAST;
	kcp_list_push(k, KCP_RESEND, s);
}

void kcp_send_drop(struct kcp *k)
{
	kcp_leave_flight(k);
	for (uint32_t sn = k->snd_nxt; sn != k->snd_end; sn++) {
		struct kcp_snd_slot *s = kcp_snd_at(k, sn);
		kcp_unqueue(k, s);
		s->state = KCP_SLOT_FREE;
	}
	k->snd_end = k->snd_nxt;
	k->reserved = 0;
	kcp_ack_until(k, k->snd_nxt);
	k->packet_has_evidence = false;
}
