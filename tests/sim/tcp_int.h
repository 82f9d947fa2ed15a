/* What the files of the TCP model share. */
#ifndef TCP_INT_H
#define TCP_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp.h"
#include "tcp_cc.h"
#include "tcp_sack.h"
#include "tt_time.h"

#define TCP_RANGES 3

struct tcp_range {
	uint64_t from, to;
};

/* Has no padding: the simulator hashes it. */
struct tcp_packet {
	uint64_t is_ack;
	uint64_t seq, order; /* of a segment; an acknowledgement echoes those of the last one */
	uint64_t una;        /* acknowledgement: all before it have arrived */
	uint64_t n_ranges;
	struct tcp_range range[TCP_RANGES];
};

struct tcp_segment {
	uint64_t order; /* of its last transmission */
	tt_time sent_at;
	bool lost;          /* and not yet sent again */
	uint64_t delivered; /* of the flow, when it was sent, */
	tt_time delivered_at, first_sent_at;
};

#define TCP_FIFO (2 * TCP_WINDOW)

/* Transmissions, first in, first out; what is not true any more is skipped when it comes out. */
struct tcp_fifo {
	struct {
		uint64_t seq, order;
	} item[TCP_FIFO];
	uint64_t in, out;
};

struct tcp_sender {
	uint64_t una, next, end; /* segments */
	uint64_t order, highest; /* of the next transmission; the latest known to have arrived */
	uint64_t recovery;       /* what was sent before this order does not reduce again */
	unsigned inflight;
	struct tcp_bits arrived;
	struct tcp_segment seg[TCP_WINDOW];
	struct tcp_fifo sent, lost;
	struct tcp_cc cc;
	const struct tcp_cc_ops *ops;
	double next_send_us; /* with fractions, or pacing would be off by some percent */
	tt_time srtt, rttvar, min_rtt, rto_at;
	unsigned backoff;
	uint64_t delivered, round_end;
	tt_time delivered_at, first_sent_at;
};

struct tcp_receiver {
	uint64_t next, highest; /* the first that is missing; one past the last that came */
	struct tcp_bits arrived;
	uint64_t recent[TCP_RANGES]; /* of the ranges that changed last, a segment of each */
	bool ack_due;
	uint64_t seq, order; /* to echo */
};

struct tcp {
	struct tcp_config cfg;
	struct tcp_stats sum;
	struct tcp_sender snd;
	struct tcp_receiver rcv;
};

void tcp_send_init(struct tcp *t);
void tcp_on_ack(struct tcp *t, const struct tcp_packet *p, tt_time now);
/** False when nothing may be sent now. */
bool tcp_put_segment(struct tcp *t, struct tcp_packet *p, tt_time now);
tt_time tcp_send_deadline(struct tcp *t);
void tcp_send_on_deadline(struct tcp *t, tt_time now);

void tcp_on_segment(struct tcp *t, const struct tcp_packet *p, tt_time now);
/** False when none is due. */
bool tcp_put_ack(struct tcp *t, struct tcp_packet *p);

#endif
