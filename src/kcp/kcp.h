/**
 * One reliable byte stream over lossy packets, wire-compatible with KCP (skywind3000/kcp, protocol
 * version 1). Does no I/O and reads no clock: packets are handed in, pulled out, and time is an
 * argument in microseconds.
 *
 * What is there leaves at once; a mode's interval only rounds retransmission timers up. There is no
 * dead link state: repeats go on, at most a minute apart, until the owner gives up. Of the ACKs
 * that wait for one packet, those in order merge into the newest, since una says the rest.
 *
 * Wire: segments of a 24-byte little-endian header and a payload. conv u32, cmd u8 (PUSH 81, ACK
 * 82, WASK 83, WINS 84; SACK 85, which KCP does not know), frg u8, wnd u16, ts u32 (milliseconds),
 * sn u32, una u32, len u32. One packet holds any number of segments.
 *
 * Mode `auto` has no congestion control here: its windows are wide, and the owner of the flight
 * (kcp_flight.h) that it is meant for decides what goes out.
 *
 * The windows are rings indexed by `sn & mask` that grow on demand: an ACK costs the same whatever
 * is in flight, and an idle stream holds no buffers.
 */
#ifndef KCP_H
#define KCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "kcp_budget.h"
#include "kcp_flight.h"
#include "tt_log.h"
#include "tt_mem.h"
#include "tt_mode.h"
#include "tt_pool.h"
#include "tt_time.h"

#define KCP_HEADER 24
#define KCP_WND_MAX 32768 /* segments; the wire field has 16 bits */

/** Memory of a payload buffer that holds the largest segment of packets of so many bytes. */
#define KCP_BLOCK(mtu) ((size_t)4 + (mtu)-KCP_HEADER)

struct kcp;

struct kcp_config {
	uint32_t conv;
	enum tt_mode mode;
	uint32_t mtu;     /* largest packet that kcp_output may fill, bytes, 50..65535 */
	uint32_t snd_wnd; /* segments; 0: the mode's own */
	uint32_t rcv_wnd; /* segments; 0: the mode's own */
	bool message;     /* keep message borders (frg); false: byte stream */
	bool sack;        /* the peer takes SACK segments */
	/* Shared by the streams of one path, borrowed; it decides what is lost. NULL: the stream
	 * has timers and loss detection of its own, after its mode. */
	struct kcp_flight *flight;
	void *user; /* the owner's, for kcp_user */
	/* What it may hold unacknowledged and unread, besides the windows; borrowed, may be NULL.
	 */
	struct kcp_budget *snd_budget, *rcv_budget;
	const struct tt_mem *mem; /* borrowed, NULL: malloc */
	/* Where whole payload buffers come from; its blocks are of KCP_BLOCK(mtu) bytes or more.
	 * Borrowed, NULL: mem */
	struct tt_pool *pool;
	const struct tt_log *log; /* borrowed, may be NULL */
};

struct kcp_stats {
	uint64_t bytes_sent;         /* payload handed in by kcp_send and friends */
	uint64_t bytes_received;     /* payload that became readable, in order */
	uint64_t segs_sent;          /* PUSH segments put into packets, repeats included */
	uint64_t segs_retransmitted; /* of these, repeats */
	uint64_t segs_fast;          /* repeats caused by duplicate ACKs */
	uint64_t segs_timeout;       /* repeats caused by the retransmission timer */
	uint64_t segs_spurious;  /* repeats that an ACK of an earlier transmission made needless */
	uint64_t segs_received;  /* PUSH segments taken in */
	uint64_t segs_duplicate; /* of these, had already */
	uint64_t segs_out_of_window; /* of these, outside the receive window, dropped */
	uint64_t acks_sent, acks_received;
	tt_time srtt_us, rttvar_us, rto_us; /* srtt 0: no sample yet */
	uint32_t cwnd;                      /* segments */
	uint32_t inflight;                  /* segments sent and not acknowledged */
	uint32_t rmt_wnd;                   /* segments that the peer last said it can take */
};

/**
 * A new stream. TT_OK with *out set, TT_ENOMEM, or TT_EINVAL for a size out of range. `now` is the
 * start of the stream's own millisecond clock only in so far as ts = now / 1000 mod 2^32.
 */
int kcp_new(struct kcp **out, const struct kcp_config *cfg, tt_time now);

/** k may be NULL. Unsent and unread data are dropped. */
void kcp_free(struct kcp *k);

uint32_t kcp_conv(const struct kcp *k);
void *kcp_user(const struct kcp *k);

/** Moves the stream to another conv: segments sent from now on carry it, only it is accepted. */
void kcp_set_conv(struct kcp *k, uint32_t conv);

/* ---- sending ---- */

/** Bytes that kcp_send or kcp_send_reserve would take now, from the window and the queue limit. */
size_t kcp_send_space(const struct kcp *k);

/**
 * Stream mode: fills up to `cap` iovecs with empty segment memory for the application's bytes
 * (readv straight into them) and returns how many, 0 when the window is full, or TT_ENOMEM.
 * At most `max_bytes` are offered. Nothing is sent before kcp_send_commit; a second reserve offers
 * the same memory again. The memory is the caller's until the next call that changes the stream,
 * so commit comes before the next kcp_output or kcp_on_deadline, or not at all.
 */
int kcp_send_reserve(struct kcp *k, struct iovec *iov, int cap, size_t max_bytes);

/** The first `len` reserved bytes hold data now. len must not exceed what was reserved. */
void kcp_send_commit(struct kcp *k, size_t len);

/**
 * Copies data in. Stream mode: takes as much as fits, returns the count (TT_EAGAIN for none).
 * Message mode: takes the whole message as up to 255 fragments and returns len, or TT_EAGAIN when
 * it does not fit now, or TT_EINVAL when it never will.
 */
int kcp_send(struct kcp *k, const void *data, size_t len);

/** With a flight: so little waits to be sent for the first time that more should be handed in. */
bool kcp_send_low(const struct kcp *k);

/** Payload bytes handed in and not yet acknowledged by the peer. */
size_t kcp_send_pending(const struct kcp *k);

/**
 * The owner of the flight gives a transmission of segment sn up: it leaves the flight, and its
 * segment is due to be repeated, if it was the segment's last one. `timeout`: for want of any ACK,
 * else because later ones arrived.
 */
void kcp_lost(struct kcp *k, uint32_t sn, uint32_t number, bool timeout);

/** The peer has everything (said by other means): drops what is pending, as if acknowledged. */
void kcp_send_drop(struct kcp *k);

/* ---- receiving ---- */

/** Payload bytes that can be read now, in order (message mode: of complete messages). */
size_t kcp_recv_ready(const struct kcp *k);

/** Fills up to `cap` iovecs with the readable bytes in order; returns how many. Stream mode. */
int kcp_recv_peek(const struct kcp *k, struct iovec *iov, int cap);

/** The first n readable bytes were taken. Opening a closed window makes a WINS due. */
void kcp_recv_consume(struct kcp *k, size_t n);

/**
 * Copies data out. Stream mode: up to cap bytes. Message mode: one whole message, TT_ENOSPC when it
 * is larger than cap (and stays). Returns the count or TT_EAGAIN.
 */
int kcp_recv(struct kcp *k, void *dst, size_t cap);

/* ---- packets and time ---- */

/**
 * Length of the leading run of whole segments in pkt that share one conv, which goes to *conv;
 * TT_EPROTO when the first segment is cut off or its command is unknown. So that a packet with
 * segments of several streams can be handed out run by run.
 */
int kcp_run_length(const uint8_t *pkt, size_t len, uint32_t *conv);

/**
 * Takes one packet (or one run of it). TT_OK; TT_EPROTO when it is malformed or of another conv
 * (segments before the bad one have had their effect, as in KCP); TT_ENOMEM (segment dropped, the
 * peer will repeat it).
 */
int kcp_input(struct kcp *k, const uint8_t *pkt, size_t len, tt_time now);

/**
 * Fills dst with the segments that are due now, at most min(cap, mtu) bytes, and returns how many
 * bytes, 0 when nothing is due. ACKs come first, several to a packet; then probes, repeats, new
 * data. Call until it returns 0 or the carrier is full. A segment is never cut, so cap should be
 * the mtu or more: with less, 0 may only mean that the next one does not fit.
 */
size_t kcp_output(struct kcp *k, uint8_t *dst, size_t cap, tt_time now);

/* What is due, for a carrier that schedules many streams. */
#define KCP_DUE_URGENT                                                                             \
	1u              /* ACKs, window probes, repeats: must not wait behind other streams' data */
#define KCP_DUE_DATA 2u /* segments that were never sent */

/** As kcp_output, but only of these kinds (bits KCP_DUE_). */
size_t kcp_output_some(struct kcp *k, uint8_t *dst, size_t cap, unsigned kinds, tt_time now);

/**
 * With a flight: puts segment sn into dst once more and returns the bytes, 0 when nobody waits for
 * it or it does not fit. For the flight this is no transmission: an ACK that names the copy says
 * KCP_TX_COPY, gives no times and makes nothing spurious.
 */
size_t kcp_output_copy(struct kcp *k, uint32_t sn, uint8_t *dst, size_t cap, tt_time now);

/** Which kinds have something to put out now; timers that are due are kcp_on_deadline's. */
unsigned kcp_due(const struct kcp *k);

/** The next timer, TT_TIME_NEVER when there is none: kcp_deadline without what is due to go out. */
tt_time kcp_timer(const struct kcp *k);

/** Segments sent and not acknowledged. */
uint32_t kcp_inflight(const struct kcp *k);

/** Takes the newest round trip sample since the last call; 0 when there was none. */
tt_time kcp_rtt_take(struct kcp *k);

/**
 * When kcp_on_deadline must be called next: now or earlier when there is something to put out,
 * TT_TIME_NEVER when there is nothing to wait for. After kcp_on_deadline(now) and draining
 * kcp_output it is later than now.
 */
tt_time kcp_deadline(const struct kcp *k);

/** Runs the timers that are due. TT_OK. */
int kcp_on_deadline(struct kcp *k, tt_time now);

/**
 * The carrier was away (peer offline) and is back: repeats everything in flight at once and starts
 * the timers afresh, without counting the silence as loss.
 */
void kcp_resume(struct kcp *k, tt_time now);

void kcp_stats(const struct kcp *k, struct kcp_stats *out);

/** Bytes of memory that the stream holds now, for caps. */
size_t kcp_memory(const struct kcp *k);

#endif
