#include "tcp_int.h"

#include <math.h>
#include <stdlib.h>

#define REORDERED 3 /* a segment is lost when one that was sent so many later has arrived */
#define RTO_MIN TT_MS(200)
#define RTO_FIRST TT_S(1)
#define RTO_MAX TT_S(60)

void tcp_send_init(struct tcp *t)
{
	static const struct tcp_cc_ops *const ops[] = {
		[TCP_RENO] = &tcp_reno_ops, [TCP_CUBIC] = &tcp_cubic_ops, [TCP_BBR] = &tcp_bbr_ops};
	struct tcp_sender *s = &t->snd;

	s->ops = ops[t->cfg.kind];
	s->ops->init(&s->cc);
	s->end = t->cfg.bytes ? (t->cfg.bytes + TCP_MSS - 1) / TCP_MSS : UINT64_MAX;
	s->next_send_us = (double)t->cfg.start_at;
	s->rto_at = TT_TIME_NEVER;
	s->order = s->recovery = 1;
}

static struct tcp_segment *segment(struct tcp_sender *s, uint64_t seq)
{
	return &s->seg[seq % TCP_WINDOW];
}

static void fifo_push(struct tcp_fifo *f, uint64_t seq, uint64_t order)
{
	if (f->in - f->out == TCP_FIFO)
		abort();
	f->item[f->in % TCP_FIFO].seq = seq;
	f->item[f->in++ % TCP_FIFO].order = order;
}

/* Whether the transmission `order` of seq is one that nothing is known of. */
static bool is_outstanding(struct tcp_sender *s, uint64_t seq, uint64_t order)
{
	return seq >= s->una && !tcp_bits_get(&s->arrived, seq) && segment(s, seq)->order == order;
}

static void mark_lost(struct tcp_sender *s, uint64_t seq)
{
	struct tcp_segment *g = segment(s, seq);
	g->lost = true;
	s->inflight--;
	fifo_push(&s->lost, seq, g->order);
}

/* Returns whether anything was lost that was sent after the last reduction. */
static bool detect_losses(struct tcp_sender *s)
{
	bool fresh = false;

	while (s->sent.out < s->sent.in) {
		uint64_t seq = s->sent.item[s->sent.out % TCP_FIFO].seq;
		uint64_t order = s->sent.item[s->sent.out % TCP_FIFO].order;
		if (is_outstanding(s, seq, order) && !segment(s, seq)->lost) {
			if (order + REORDERED > s->highest)
				break;
			mark_lost(s, seq);
			fresh = fresh || order >= s->recovery;
		}
		s->sent.out++;
	}
	return fresh;
}

static void on_arrived(struct tcp_sender *s, uint64_t seq)
{
	struct tcp_segment *g = segment(s, seq);
	if (!g->lost)
		s->inflight--;
	g->lost = false;
	s->delivered++;
}

static void take_ranges(struct tcp_sender *s, const struct tcp_packet *p)
{
	for (unsigned i = 0; i < p->n_ranges; i++) {
		uint64_t seq = p->range[i].from > s->una ? p->range[i].from : s->una;
		uint64_t to = p->range[i].to;
		while ((seq = tcp_bits_next(&s->arrived, seq, to, false)) < to) {
			on_arrived(s, seq);
			tcp_bits_set(&s->arrived, seq);
		}
	}
	for (; s->una < p->una; s->una++) {
		if (!tcp_bits_get(&s->arrived, s->una))
			on_arrived(s, s->una);
		tcp_bits_clear(&s->arrived, s->una);
	}
}

/* RFC 6298 */
static void sample_rtt(struct tcp_sender *s, tt_time rtt)
{
	tt_time off = rtt > s->srtt ? rtt - s->srtt : s->srtt - rtt;
	s->rttvar = s->srtt ? (3 * s->rttvar + off) / 4 : rtt / 2;
	s->srtt = s->srtt ? (7 * s->srtt + rtt) / 8 : rtt;
	s->min_rtt = s->min_rtt && s->min_rtt < rtt ? s->min_rtt : rtt;
}

static void arm_rto(struct tcp_sender *s, tt_time now)
{
	tt_time rto = s->srtt ? s->srtt + 4 * s->rttvar : RTO_FIRST;
	rto = (rto < RTO_MIN ? RTO_MIN : rto) << s->backoff;
	s->rto_at = s->una < s->next ? now + tt_time_min(rto, RTO_MAX) : TT_TIME_NEVER;
}

/* draft-cheng-iccrg-delivery-rate-estimation, section 3.3 */
static double rate_sample(struct tcp_sender *s, const struct tcp_segment *g, tt_time now)
{
	tt_time acked = now - g->delivered_at, sending = g->sent_at - g->first_sent_at;
	tt_time interval = acked > sending ? acked : sending;

	s->first_sent_at = g->sent_at;
	if (interval == 0 || interval < s->min_rtt)
		return 0;
	return (double)(s->delivered - g->delivered) * 1e6 / (double)interval;
}

void tcp_on_ack(struct tcp *t, const struct tcp_packet *p, tt_time now)
{
	struct tcp_sender *s = &t->snd;
	struct tcp_segment g = *segment(s, p->seq); /* as it was sent, when that is the one */
	bool same = g.order == p->order;
	uint64_t before = s->delivered;
	struct tcp_ack a = {.now = now};

	take_ranges(s, p);
	if (p->order > s->highest)
		s->highest = p->order;
	if (s->delivered > before) {
		s->backoff = 0;
		s->delivered_at = now;
		if (same) {
			a.rtt_us = now - g.sent_at;
			sample_rtt(s, a.rtt_us);
			a.rate = rate_sample(s, &g, now);
			if (g.delivered >= s->round_end) {
				a.round_start = true;
				s->round_end = s->delivered;
			}
		}
		arm_rto(s, now);
	}
	if (detect_losses(s)) {
		s->ops->on_loss(&s->cc, s->inflight);
		s->recovery = s->order;
		t->sum.reductions++;
	}
	a.delivered = (unsigned)(s->delivered - before);
	a.inflight = s->inflight;
	a.srtt_us = s->srtt;
	a.min_rtt_us = s->min_rtt;
	a.recovering = s->highest < s->recovery;
	if (same && a.delivered > 0)
		s->ops->on_ack(&s->cc, &a);
}

/* The next segment to send: one that was lost, else a new one; UINT64_MAX for none. */
static uint64_t choose(struct tcp_sender *s)
{
	for (; s->lost.out < s->lost.in; s->lost.out++) {
		uint64_t seq = s->lost.item[s->lost.out % TCP_FIFO].seq;
		uint64_t order = s->lost.item[s->lost.out % TCP_FIFO].order;
		if (is_outstanding(s, seq, order))
			return seq;
	}
	return s->next < s->end && s->next - s->una < TCP_WINDOW / 2 ? s->next : UINT64_MAX;
}

bool tcp_put_segment(struct tcp *t, struct tcp_packet *p, tt_time now)
{
	struct tcp_sender *s = &t->snd;
	uint64_t seq = s->inflight < s->cc.cwnd ? choose(s) : UINT64_MAX;
	struct tcp_segment *g = segment(s, seq);

	if (seq == UINT64_MAX || s->next_send_us > (double)now)
		return false;
	if (s->inflight == 0)
		s->first_sent_at = s->delivered_at = now;
	if (seq < s->next) {
		s->lost.out++;
		t->sum.resent++;
	} else {
		s->next++;
	}
	*g = (struct tcp_segment){.order = s->order++,
		.sent_at = now,
		.delivered = s->delivered,
		.delivered_at = s->delivered_at,
		.first_sent_at = s->first_sent_at};
	fifo_push(&s->sent, seq, g->order);
	s->inflight++;
	t->sum.sent++;
	*p = (struct tcp_packet){.seq = seq, .order = g->order};
	if (s->cc.pacing > 0) /* time that was not used is not made up for */
		s->next_send_us = fmax(s->next_send_us, (double)now - 1) + 1e6 / s->cc.pacing;
	if (s->rto_at == TT_TIME_NEVER)
		arm_rto(s, now);
	return true;
}

static void on_timeout(struct tcp *t, tt_time now)
{
	struct tcp_sender *s = &t->snd;

	t->sum.timeouts++;
	s->ops->on_timeout(&s->cc, s->inflight);
	for (uint64_t seq = s->una; seq < s->next; seq++)
		if (!tcp_bits_get(&s->arrived, seq) && !segment(s, seq)->lost)
			mark_lost(s, seq);
	s->recovery = s->order;
	s->backoff += s->backoff < 8;
	arm_rto(s, now);
}

tt_time tcp_send_deadline(struct tcp *t)
{
	struct tcp_sender *s = &t->snd;
	bool may = s->inflight < s->cc.cwnd && choose(s) != UINT64_MAX;
	return tt_time_min(s->rto_at, may ? (tt_time)ceil(s->next_send_us) : TT_TIME_NEVER);
}

void tcp_send_on_deadline(struct tcp *t, tt_time now)
{
	if (t->snd.rto_at <= now)
		on_timeout(t, now);
}
