/**
 * Which transmissions are lost, and when to probe for an answer: RACK-TLP (RFC 8985) over the
 * transmissions of all streams of a link. A transmission is lost when one that was sent later has
 * arrived and more than a reordering window has passed; when no ACK comes at all, a probe goes out
 * (TLP), later and later as RFC 9002 (section 6.2) does it.
 *
 * What differs from RFC 8985: there are no DSACKs, but ACKs that name the transmission; so how late
 * a reordered one comes is measured, where the RFC widens its window by quarters of the round trip.
 */
#ifndef RACK_H
#define RACK_H

#include <stdbool.h>
#include <stdint.h>

#include "tt_time.h"

/** Before there is a round trip sample (RFC 9002, 6.2.2, has 333 ms for half of that). */
#define RACK_RTT_INIT TT_MS(150)
/** An ACK may wait so long at the peer for its program's turn. */
#define RACK_ACK_DELAY TT_MS(10)
/** A path that is silent is probed at least so often: it may have come back. */
#define RACK_PROBE_MAX TT_S(1)
/** Overtaken by so many: lost, unless the path reorders (RFC 8985, 6.2; RFC 9002, 6.1.1). */
#define RACK_DUPTHRESH 3u

struct rack {
	bool valid;                 /* something has been acknowledged */
	uint32_t number;            /* of the latest sent transmission that has arrived */
	tt_time rtt_us;             /* its round trip */
	tt_time at;                 /* when its ACK came */
	tt_time srtt_us, rttvar_us; /* RFC 6298; srtt 0: no sample */
	tt_time min_rtt_us;         /* the least of the last 30 s, 0: none */
	tt_time min_rtt_at;
	/* how much later than expected reordered ones came: the most in this and in the former
	 * period of 16 round trips */
	tt_time late_us[2];
	tt_time late_since;
	unsigned probes; /* in a row without an ACK */
};

struct rack_acked {
	uint32_t number;
	tt_time sent;
	bool exact;     /* the ACK names this transmission */
	bool ambiguous; /* it may have been an earlier transmission that arrived */
};

void rack_init(struct rack *r);

/** One transmission was acknowledged. */
void rack_on_acked(struct rack *r, const struct rack_acked *a, tt_time now);

/** A segment that was given up arrived rtt_us after its transmission. */
void rack_on_late(struct rack *r, tt_time rtt_us, tt_time now);

/**
 * When a transmission that is in flight counts as lost: 0 for now, TT_TIME_NEVER while nothing
 * that was sent after it has arrived. Not earlier for later transmissions.
 */
tt_time rack_lost_at(const struct rack *r, uint32_t number, tt_time sent);

/** When to probe, if no ACK comes: `sent` is the time of the newest transmission in flight. */
tt_time rack_probe_at(const struct rack *r, tt_time sent);

/** A probe went out. */
void rack_on_probe(struct rack *r);

/** The path is another one: its round trips are not known. */
void rack_reset(struct rack *r);

#endif
