/**
 * All streams to one peer: demultiplexes packets by conv, fills packets with the segments of many
 * streams, schedules the streams, and keeps what they share (window of the path, the nonce rule,
 * round trip probes). Does no I/O and reads no clock.
 *
 * A packet here is a whole Tox lossy packet: an id byte (254: KCP segments, 252: probe), then its
 * content. Packets are pulled with link_output and handed in with link_input.
 */
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "kcp.h"
#include "tt_hash.h"
#include "tt_log.h"
#include "tt_mem.h"
#include "tt_mode.h"
#include "tt_packet.h"
#include "tt_time.h"

#define LINK_ID_KCP 254
#define LINK_ID_PROBE 252
#define LINK_PACKET_MAX TT_PACKET_MAX
#define LINK_BLOCK KCP_BLOCK(LINK_PACKET_MAX - 1)

/**
 * The nonce rule. toxcore names a packet by the low 16 bits of its nonce and resynchronises in
 * steps of 21,845 (DATA_NUM_THRESHOLD in net_crypto.c), so a peer that misses more than that many
 * in a row can never decrypt again. A link sends at most this many packets without hearing back.
 */
#define LINK_UNHEARD_MAX 16384

/** Fixed modes: packets in flight on a direct path. */
#define LINK_WINDOW_DIRECT 1024
/** Mode auto: packets that may be in flight before the path's first answer. */
#define LINK_INITIAL_WINDOW 64
/** Packets that may always be in flight through a TCP relay; in the fixed modes, no more than
 * these. */
#define LINK_WINDOW_RELAYED 64

struct link;
struct link_stream;

enum link_path {
	LINK_DOWN,    /* the peer is offline: nothing is sent, no timer runs */
	LINK_RELAYED, /* through a TCP relay */
	LINK_DIRECT,  /* UDP */
};

struct link_config {
	enum tt_mode mode;
	size_t packet_max; /* bytes, at most LINK_PACKET_MAX; 0: that */
	size_t buffer_max; /* bytes that the streams may hold in each direction; 0: 64 MiB */
	/* What all links may hold, borrowed, may be NULL. */
	struct kcp_budget *snd_budget, *rcv_budget;
	const struct tt_mem *mem;    /* borrowed, NULL: malloc */
	struct tt_pool *pool;        /* of blocks of LINK_BLOCK bytes; borrowed, NULL: mem */
	const struct tt_log *log;    /* borrowed, may be NULL */
	struct tt_hash_key hash_key; /* random, and nobody else's business */
	uint64_t seed;               /* random: chooses the times of probes */
};

struct link_stats {
	uint64_t packets_sent, packets_received;
	uint64_t bytes_sent;                     /* of lossy packets, id byte included */
	uint64_t network_sent, network_received; /* of the same, see tt_packet_network */
	uint64_t payload_sent, payload_received; /* bytes of the streams, ended ones included */
	uint64_t segs_sent, segs_retransmitted, segs_received, segs_duplicate;
	uint64_t unknown_conv; /* segments for no stream of ours */
	uint64_t malformed;    /* packets refused */
	uint64_t nonce_stalls; /* times that the nonce rule stopped us */
	/* mode auto */
	uint64_t segs_lost;     /* overtaken by later ones (RACK) */
	uint64_t segs_spurious; /* repeated, and then the first one arrived */
	uint64_t probes_sent;   /* for want of any ACK (TLP) */
	uint64_t segs_copied;   /* sent twice without need, lest one be lost (twice.h) */
	uint64_t bytes_copied;  /* with KCP's headers */
	uint64_t segs_saved;    /* of these, those whose copy was the one to arrive */
	const char *state;      /* of BBR; "" in the fixed modes */
	uint64_t pacing_rate, delivery_rate; /* bytes a second, KCP headers included */
	uint64_t cwnd_bytes, inflight_bytes;
	tt_time min_rtt_us;  /* 0: not known */
	uint32_t inflight;   /* segments */
	uint32_t window;     /* segments */
	size_t queued_bytes; /* handed in by applications and not acknowledged */
	size_t streams;
	tt_time srtt_us; /* 0: not known */
};

/** TT_OK, TT_ENOMEM, TT_EINVAL. The link starts down. */
int link_new(struct link **out, const struct link_config *cfg, tt_time now);

/** Every stream must have been freed. May be NULL. */
void link_free(struct link *l);

/**
 * The largest packet that the peer takes, when that is less than ours. It binds what is made of
 * streams from now on, so that it is passed over while there are streams.
 */
void link_set_packet_max(struct link *l, size_t bytes);

/** Whether the peer takes SACK segments. Binds what is made of streams from now on. */
void link_set_sack(struct link *l, bool taken);

/** The peer's path changed. Coming up repeats what was in flight at once. */
void link_set_path(struct link *l, enum link_path path, tt_time now);

/** Takes one lossy packet. TT_OK; TT_EPROTO when it was malformed (counted, otherwise harmless). */
int link_input(struct link *l, const uint8_t *pkt, size_t len, tt_time now);

/**
 * Fills dst (LINK_PACKET_MAX bytes) with the next packet and returns its length, 0 when nothing may
 * go out now. What it returned counts as sent.
 */
size_t link_output(struct link *l, uint8_t *dst, tt_time now);

/*
 * Packets of another kind over the same path, which nobody acknowledges. They are not held back by
 * the model of the path, but the streams make room for them (doc/architecture.md), and the nonce
 * rule counts them.
 */

/** When one may be sent: 0 for now, TT_TIME_NEVER while the peer is offline. */
tt_time link_foreign_at(const struct link *l, tt_time now);
void link_foreign_sent(struct link *l, size_t len, tt_time now);
void link_foreign_received(struct link *l, tt_time now);

/** When link_on_deadline must be called; not later than now when link_output has something. */
tt_time link_deadline(struct link *l);
void link_on_deadline(struct link *l, tt_time now);

/** Sends a probe soon; its answer becomes link_probe_rtt. */
void link_probe(struct link *l);
/** Round trip of the newest probe that was answered, and when it had left; 0: none was. */
tt_time link_probe_rtt(const struct link *l, tt_time *sent_at);

/** The peer has been silent for two seconds, though it was asked to answer. */
bool link_mute(const struct link *l);

/**
 * Asks at once whether the peer is there, so that a silent one is mute within two seconds, also
 * where no stream sends anything. There must be a stream.
 */
void link_doubt(struct link *l, tt_time now);

void link_stats(const struct link *l, struct link_stats *out);

/**
 * A new stream of this conv, of which `user` is the owner. TT_OK, TT_EEXIST when the conv is in
 * use, TT_ENOMEM.
 */
int link_stream_new(
	struct link_stream **out, struct link *l, uint32_t conv, void *user, tt_time now);
/** s may be NULL. Segments that still come for its conv are dropped. */
void link_stream_free(struct link_stream *s);
bool link_conv_in_use(const struct link *l, uint32_t conv);
/** Moves a stream to another conv: TT_OK; TT_EEXIST; TT_ENOMEM, after which it must be freed. */
int link_stream_set_conv(struct link_stream *s, uint32_t conv);
uint32_t link_stream_conv(const struct link_stream *s);

/**
 * Takes a stream whose readable bytes, send space or acknowledgements changed since it was last
 * taken; returns its user, NULL when there is none.
 */
void *link_ready_next(struct link *l);

/** As the kcp_ functions of the same name (kcp.h); they keep the link's schedule right. */
int link_stream_send_reserve(struct link_stream *s, struct iovec *iov, int cap, size_t max_bytes);
void link_stream_send_commit(struct link_stream *s, size_t len);
size_t link_stream_send_pending(const struct link_stream *s);
void link_stream_send_drop(struct link_stream *s);
size_t link_stream_recv_ready(const struct link_stream *s);
int link_stream_recv_peek(const struct link_stream *s, struct iovec *iov, int cap);
void link_stream_recv_consume(struct link_stream *s, size_t n);
void link_stream_kcp_stats(const struct link_stream *s, struct kcp_stats *out);

#endif
