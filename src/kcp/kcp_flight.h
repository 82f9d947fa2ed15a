/**
 * What the streams of one path have in flight, in the order of sending. Each transmission of a
 * segment gets the next number, whichever stream it is of, as QUIC numbers its packets (RFC 9002,
 * section 3): so an ACK for one stream tells what became of the segments of all others that were
 * sent before, and one model of the path serves them all.
 *
 * A stream that has a flight (kcp_config.flight) leaves to its owner what is lost and when to
 * repeat it. The owner takes the acknowledged transmissions after each kcp_input, and says with
 * kcp_lost what it gave up.
 *
 * A record may carry more for the owner behind it: it embeds struct kcp_tx as its first member and
 * gives the size of the whole.
 */
#ifndef KCP_FLIGHT_H
#define KCP_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_mem.h"
#include "tt_time.h"

struct kcp;

/* Records at most: so many transmissions lie between the oldest that is in flight and the newest.
 */
#define KCP_FLIGHT_MAX 65536u

enum kcp_tx_state {
	KCP_TX_DONE = 0, /* acknowledged and taken, given up, or its stream has ended */
	KCP_TX_INFLIGHT,
	KCP_TX_ACKED, /* waits to be taken */
};

/* What an ACK says about the transmission. */
enum kcp_tx_evidence {
	KCP_TX_EXACT,  /* it names this transmission */
	KCP_TX_RANGE,  /* the segment is there, and this was its only transmission */
	KCP_TX_ANY,    /* the segment is there, by this transmission or an earlier one */
	KCP_TX_FORMER, /* an earlier one has arrived, and nobody waits for this one any more */
	KCP_TX_COPY,   /* a copy of it or of an earlier one has (kcp_output_copy); the same */
};

struct kcp_tx {
	tt_time sent;
	tt_time former;      /* when the segment was sent the time before, 0: this is the first */
	struct kcp *owner;   /* valid while INFLIGHT */
	uint32_t sn;         /* of the segment in its stream */
	uint32_t acked_next; /* the next one in the list of those to be taken */
	uint16_t bytes;      /* header and payload */
	uint8_t state;
	uint8_t evidence; /* enum kcp_tx_evidence, once ACKED */
};

struct kcp_flight {
	const struct tt_mem *mem; /* borrowed */
	size_t stride;            /* bytes of a record */
	uint8_t *ring;
	uint32_t cap;              /* records, power of two; 0: no ring */
	uint32_t first, next;      /* numbers: no earlier one is in flight; the next one */
	uint32_t count;            /* in flight */
	size_t bytes;              /* in flight */
	uint32_t acked, acked_end; /* numbers in the list of those to be taken, while there are */
	uint32_t acked_count;
	uint64_t spurious;   /* segments given up whose first transmission arrived after all */
	tt_time late_us;     /* how long such ones were on their way at most, 0: there were none */
	size_t late_bytes;   /* how large they were, */
	uint32_t late_count; /* and how many; the owner resets all three */
};

/** `stride` is at least sizeof(struct kcp_tx). mem may be NULL: malloc. */
void kcp_flight_init(struct kcp_flight *f, size_t stride, const struct tt_mem *mem);
void kcp_flight_free(struct kcp_flight *f);

/** Room for one more record: TT_OK; TT_ENOMEM; TT_EAGAIN when it is full. */
int kcp_flight_reserve(struct kcp_flight *f);

/** The record of a number in [first, next). */
struct kcp_tx *kcp_flight_at(const struct kcp_flight *f, uint32_t number);

/** Takes the next acknowledged transmission, in no order; NULL when there is none. */
struct kcp_tx *kcp_flight_take_acked(struct kcp_flight *f, uint32_t *number);

/** The oldest transmission in flight, its number in *number; NULL when nothing is in flight. */
struct kcp_tx *kcp_flight_oldest(struct kcp_flight *f, uint32_t *number);

/** The newest one. O(1) when it is the last that was sent. */
struct kcp_tx *kcp_flight_newest(const struct kcp_flight *f, uint32_t *number);

/** Nothing is in flight: gives the memory back. */
void kcp_flight_trim(struct kcp_flight *f);

/* ---- for the streams ---- */

/** A reserved record becomes the newest in flight; returns its number. */
uint32_t kcp_flight_sent(struct kcp_flight *f, struct kcp *owner, uint32_t sn, uint16_t bytes,
	tt_time former, tt_time now);

/** The segment of this transmission was acknowledged. */
void kcp_flight_acked(struct kcp_flight *f, uint32_t number, enum kcp_tx_evidence evidence);

/** A segment that was given up arrived in an earlier transmission, `rtt_us` after that. */
void kcp_flight_spurious(struct kcp_flight *f, uint16_t bytes, tt_time rtt_us);

/** Nobody waits for this transmission any more. */
void kcp_flight_drop(struct kcp_flight *f, uint32_t number);

#endif
