/* What the files of this folder share. */
#ifndef LINK_INT_H
#define LINK_INT_H

#define HASH_NONFATAL_OOM 1 /* an item that could not be added has a NULL hh.tbl */
/* HASH_ADD and HASH_DEL use the allocator that is called hash_mem where they stand. */
#define uthash_malloc(sz) tt_alloc(hash_mem, sz)
#define uthash_free(p, sz) tt_free(hash_mem, p)
/* HASH_ADD and HASH_FIND use the key that is called hash_key there: the peer chooses its convs. */
#define HASH_FUNCTION(key, len, hashv) ((hashv) = tt_hash(hash_key, *(const uint32_t *)(key)))
#include <uthash.h>

#include "bbr.h"
#include "kcp_flight.h"
#include "link.h"
#include "link_sched.h"
#include "pacer.h"
#include "rack.h"
#include "rate.h"
#include "tt_heap.h"
#include "twice.h"

#define LINK_PROBE_LEN 10 /* id, kind, u64 */

/* Whether the peer is still heard; link_silence.c */
struct link_silence {
	tt_time at;      /* next step; TT_TIME_NEVER: there was no traffic since it was heard */
	unsigned probes; /* sent since then */
	bool mute;
};

struct link_stream {
	struct link *link;
	struct kcp *kcp;
	void *user;
	uint32_t conv;     /* key of the hash */
	uint32_t inflight; /* as last added to link->inflight */
	struct tt_heap_node timer;
	struct sched_entry sched;
	struct link_stream *ready_next; /* in the list of ready streams */
	bool ready;
	UT_hash_handle hh;
};

/* What is known of a path. */
struct link_model {
	struct rack rack;
	struct rate rate;
	struct bbr bbr;
	struct twice twice;
	uint8_t number; /* which model a transmission belongs to; never 0 */
};

struct link {
	const struct tt_mem *mem;
	struct tt_pool *pool;
	const struct tt_log *log;
	struct tt_hash_key hash_key;
	enum tt_mode mode;
	size_t packet_max, packet_limit; /* of now, of the configuration */
	struct kcp_budget snd_budget, rcv_budget;
	enum link_path path;
	bool sack;   /* the peer takes SACK segments */
	tt_time now; /* the newest time that anybody handed in */

	struct link_stream *streams; /* uthash by conv */
	struct tt_heap timers;       /* streams with a later deadline */
	struct sched sched;          /* streams with something to put out now */
	struct link_stream *ready_head, *ready_tail;

	/* fixed modes: the window of the path */
	uint32_t inflight, window;
	/* mode auto: link_recovery.c */
	struct kcp_flight flight;
	struct link_model m;
	struct link_model away; /* of the other kind of path, number 0: there is none */
	tt_time away_since;
	uint8_t models; /* made so far, modulo 256 */
	struct pacer pacer;
	tt_time starved_until; /* data may leave, but nothing came out when it was tried last */
	/* Bytes of packets that nothing acknowledges, and those of them that were sent before some
	 * segment that has arrived. */
	uint64_t foreign_sent, foreign_passed;
	size_t foreign_charged; /* to the pacer, since a segment was sent last */
	unsigned probe_credit;  /* packets that may leave whatever window and pace say */
	uint64_t bbr_seed;

	uint32_t unheard;      /* packets sent since we last heard from the peer */
	tt_time unheard_retry; /* when the nonce rule lets one more packet out */

	struct link_silence silence;

	bool probe_wanted;
	bool reply_wanted;
	uint8_t reply_cookie[8];
	tt_time probe_rtt_us, srtt_us;
	tt_time probe_sent_at; /* the probe that probe_rtt_us is of; 0: none */

	struct link_stats sum; /* counters; those of ended streams are folded in */
};

/* ---- link_recovery.c; only mode auto, but for the two that ask about sending ---- */

void link_recovery_init(struct link *l, tt_time now);

/** The path is a new one: forgets what was known of it. What is in flight stays there. */
void link_recovery_reset(struct link *l, tt_time now);

/**
 * The path is one of the other kind: true when that was in use a moment ago, and is taken up as it
 * was left; else it is a new one.
 */
bool link_recovery_switch(struct link *l, tt_time now);

bool link_may_send_data(const struct link *l, tt_time now);
/** When it may, unless something arrives before. */
tt_time link_may_send_data_at(const struct link *l);

/** A packet with the transmissions from number `first` on has just been made. */
void link_on_data_sent(struct link *l, uint32_t first, tt_time now);

/** Fills dst with the copies of sparse streams' segments that are due; returns how many bytes. */
size_t link_output_copies(struct link *l, uint8_t *dst, size_t cap, tt_time now);

/** A packet of `len` bytes has left that nobody will acknowledge. */
void link_on_foreign_sent(struct link *l, size_t len, tt_time now);

/** No packet can be made now. */
void link_ran_dry(struct link *l, tt_time now);

/** ACKs may have come in: draws the conclusions. */
void link_on_acks(struct link *l, tt_time now);

void link_recovery_stats(const struct link *l, struct link_stats *out);

tt_time link_recovery_deadline(struct link *l);
void link_recovery_on_deadline(struct link *l, tt_time now);

/* ---- link_silence.c ---- */

void link_silence_init(struct link *l);
/** A packet came in; `data`: with segments. */
void link_silence_heard(struct link *l, bool data, tt_time now);
/** Segments went out. */
void link_silence_sent(struct link *l, tt_time now);
tt_time link_silence_deadline(const struct link *l);
void link_silence_on_deadline(struct link *l, tt_time now);

/** The stream of this conv, NULL when there is none. */
struct link_stream *link_stream_find(const struct link *l, uint32_t conv);

/** Brings timer, schedule and in-flight count of a stream in line with its KCP. */
void link_stream_update(struct link_stream *s);

#endif
