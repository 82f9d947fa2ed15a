/**
 * What is sent twice. A keystroke that is lost on the way waits for one round trip or more until it
 * is repeated, where a download goes on meanwhile. So on a path that loses packets the segments of
 * sparse streams are sent once more a few milliseconds later, while no ACK has come: it is unlikely
 * that both are lost. Decides whether the path is one of these, what may be spent, and when a copy
 * is due; what is sparse is the caller's to know.
 *
 * Pure arithmetic: no clock, no memory, no I/O.
 */
#ifndef TWICE_H
#define TWICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_time.h"

/** A stream is sparse while all that it waits to have acknowledged is no more than this, in bytes.
 */
#define TWICE_SPARSE 512u
/** From a segment to its copy: longer than what a single overflow of a queue or a fade takes, and
 * short beside the round trip that it saves. */
#define TWICE_DELAY TT_MS(5)
/** A copy for so many bytes that were sent: 5 %. */
#define TWICE_SHARE 20u
/** Bytes a second that copies may always take. Sparse streams alone on a link send so little that
 * a share of it is nothing; this is 20 keystrokes a second. */
#define TWICE_ALWAYS 3000u
/** What a packet costs on the network beside its content: toxcore's header and padding, UDP, IP. */
#define TWICE_PACKET 60u

#define TWICE_WAITING 32u /* copies that are not due yet; power of two */

struct twice_copy {
	tt_time due;
	uint32_t conv, sn;
};

struct twice {
	uint32_t loss;  /* share of the transmissions that were lost lately, in units of 2^-24 */
	int32_t credit; /* bytes that copies may take, times TWICE_SHARE */
	tt_time filled; /* credit has what TWICE_ALWAYS gives up to here */
	struct twice_copy waiting[TWICE_WAITING]; /* ring, in the order of due times */
	uint32_t first, next;
};

/** A new path: nothing is known of it. */
void twice_init(struct twice *t, tt_time now);

/** One more transmission has arrived, or was lost. */
void twice_on_arrived(struct twice *t);
void twice_on_lost(struct twice *t);
/** So many that counted as lost have arrived. */
void twice_on_late(struct twice *t, uint32_t count);

/** The path loses 1 % or more of what is sent. */
bool twice_lossy(const struct twice *t);

/** A packet of so many bytes leaves. */
void twice_on_packet(struct twice *t, size_t len);

/** A sparse stream just sent this segment: notes that its copy is due, if it is to have one. */
void twice_on_sparse(struct twice *t, uint32_t conv, uint32_t sn, tt_time now);

/** When the next copy is due, TT_TIME_NEVER when there is none. */
tt_time twice_at(const struct twice *t);

/** Takes the next one that is due; false when there is none. */
bool twice_take(struct twice *t, struct twice_copy *out, tt_time now);

/** Whether there is credit for one more copy. It may overdraw: the next ones wait for that. */
bool twice_may_spend(struct twice *t, tt_time now);

/** A copy of so many bytes goes out. */
void twice_spend(struct twice *t, size_t len);

#endif
