/**
 * Delivery rate estimation (draft-ietf-ccwg-bbr-06 section 4.1, before that
 * draft-cheng-iccrg-delivery-rate-estimation): how fast the path took what we sent, measured
 * between the sending of a packet and its ACK.
 *
 * The path's rate is the smaller one of the rate at which data was sent and the rate at which ACKs
 * came in, both over the same data. Neither a burst of ACKs that had been held back nor a burst of
 * ours can therefore be mistaken for a fast path.
 *
 * Units are bytes and microseconds. Pure arithmetic: no clock, no memory, no I/O.
 */
#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "tt_time.h"

/** What was known when a packet was sent; the caller keeps one with each transmission. */
struct rate_snapshot {
	uint64_t delivered, lost; /* of struct rate, at that time */
	tt_time sent_at;
	uint32_t send_us;    /* from the sending of the packet acknowledged last before it */
	uint32_t ack_us;     /* from that packet's ACK */
	uint32_t inflight;   /* bytes, right after it was sent: this packet is in it */
	uint8_t app_limited; /* bool */
};

struct rate {
	uint64_t delivered, lost;   /* bytes, since the link is up */
	tt_time delivered_at;       /* when delivered last changed */
	tt_time first_sent_at;      /* start of the send interval of the next packet */
	uint64_t app_limited_until; /* value of delivered that ends the bubble, 0: there is none */

	/* Where the current train starts: the last packet that is not part of it. */
	uint64_t train_delivered;
	tt_time train_sent_at, train_acked_at;
	bool train_open;
};

/** What one ACK event taught. All zero before its first rate_on_acked() or rate_on_lost(). */
struct rate_sample {
	uint64_t delivery_rate;   /* bytes/s, 0: this event gives no sample */
	uint64_t train_rate;      /* the same over a part of a round trip, see rate.c; 0: none */
	uint64_t delivered, lost; /* bytes, from the sending of the newest packet until now */
	uint64_t newly_acked, newly_lost; /* bytes, in this event */
	uint64_t prior_delivered;         /* rate.delivered when the newest packet was sent */
	tt_time interval_us;
	tt_time rtt_us;             /* shortest of this event, 0: none */
	tt_time newest_rtt_us;      /* of the newest packet that an ACK names, 0: none */
	tt_time newest_rtt_sent_at; /* when that one was sent */
	uint32_t tx_inflight; /* bytes in flight when the newest packet was sent, itself included */
	bool app_limited;     /* the sender had nothing to send at some time during the sample */

	/* of the newest packet acknowledged, the one that was sent last */
	tt_time sent_at, send_us, ack_us;
	uint64_t prior_lost;
};

/** A new path: nothing is known and nothing in flight. */
void rate_init(struct rate *r, tt_time now);

/** A packet of len bytes goes out; inflight_before is without it. Fills *out. */
void rate_on_sent(struct rate *r, struct rate_snapshot *out, uint32_t len, uint32_t inflight_before,
	tt_time now);

/**
 * A transmission has arrived, as an ACK says for the first time. `exact`: this ACK answers it; else
 * an ACK before this one may have been lost, and the time since its sending is no round trip.
 */
void rate_on_acked(struct rate *r, struct rate_sample *rs, const struct rate_snapshot *s,
	uint32_t len, bool exact, tt_time now);

/** The same when it may have been an earlier transmission that arrived: it tells no times. */
void rate_on_repeat_acked(struct rate *r, struct rate_sample *rs, uint32_t len, tt_time now);

/** A transmission is given up as lost. rs is NULL when it is not an ACK that shows it. */
void rate_on_lost(struct rate *r, struct rate_sample *rs, uint32_t len);

/** A transmission given up as lost has arrived after all; call rate_on_acked() as well. */
void rate_on_spurious(struct rate *r, uint32_t len);

/**
 * End of an ACK event. min_rtt is the shortest RTT known, 0 when there is none; an interval shorter
 * than that cannot be right and gives no sample.
 */
void rate_sample_finish(struct rate *r, struct rate_sample *rs, tt_time min_rtt, tt_time now);

/**
 * The sender has nothing to send though window and pacing would let it. Samples of what is in
 * flight now, and of what is sent before all that has arrived, say less than the path can do.
 */
void rate_app_limited(struct rate *r, uint32_t inflight);

#endif
