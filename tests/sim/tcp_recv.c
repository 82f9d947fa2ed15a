#include "tcp_int.h"

#include <string.h>

/* The run of segments around seq that have arrived. */
static struct tcp_range range_of(struct tcp_receiver *r, uint64_t seq)
{
	return (struct tcp_range){tcp_bits_run(&r->arrived, r->next, seq + 1),
		tcp_bits_next(&r->arrived, seq, r->highest, false)};
}

/* To the front, in place of one of the same range, or of the oldest. */
static void note_recent(struct tcp_receiver *r, uint64_t seq)
{
	struct tcp_range in = range_of(r, seq);
	unsigned i = 0;
	while (i < TCP_RANGES - 1 && (r->recent[i] < in.from || r->recent[i] >= in.to))
		i++;
	memmove(r->recent + 1, r->recent, i * sizeof(*r->recent));
	r->recent[0] = seq;
}

void tcp_on_segment(struct tcp *t, const struct tcp_packet *p, tt_time now)
{
	struct tcp_receiver *r = &t->rcv;

	r->ack_due = true;
	r->seq = p->seq;
	r->order = p->order;
	if (p->seq < r->next || tcp_bits_get(&r->arrived, p->seq))
		return;
	tcp_bits_set(&r->arrived, p->seq);
	r->highest = p->seq >= r->highest ? p->seq + 1 : r->highest;
	if (p->seq > r->next)
		note_recent(r, p->seq);
	while (r->next < r->highest && tcp_bits_get(&r->arrived, r->next))
		tcp_bits_clear(&r->arrived, r->next++);
	t->sum.delivered = r->next * TCP_MSS;
	if (t->cfg.bytes && t->sum.delivered >= t->cfg.bytes) {
		t->sum.delivered = t->cfg.bytes;
		t->sum.finished_at = now;
	}
}

bool tcp_put_ack(struct tcp *t, struct tcp_packet *p)
{
	struct tcp_receiver *r = &t->rcv;

	if (!r->ack_due)
		return false;
	*p = (struct tcp_packet){.is_ack = 1, .seq = r->seq, .order = r->order, .una = r->next};
	for (unsigned i = 0; i < TCP_RANGES; i++) {
		uint64_t seq = r->recent[i];
		if (seq > r->next && seq < r->highest && tcp_bits_get(&r->arrived, seq))
			p->range[p->n_ranges++] = range_of(r, seq);
	}
	r->ack_due = false;
	return true;
}
