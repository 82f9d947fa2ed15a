/* What the files of this folder share. */
#ifndef LINK_INT_H
#define LINK_INT_H

#define HASH_NONFATAL_OOM 1 /* an item that could not be added has a NULL hh.tbl */
/* HASH_ADD and HASH_DEL use the allocator that is called hash_mem where they stand. */
#define uthash_malloc(sz) tt_alloc(hash_mem, sz)
#define uthash_free(p, sz) tt_free(hash_mem, p)
#include <uthash.h>

#include "link.h"
#include "link_sched.h"
#include "tt_heap.h"

#define LINK_PROBE_LEN 10 /* id, kind, u64 */

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

struct link {
	const struct tt_mem *mem;
	const struct tt_log *log;
	enum tt_mode mode;
	size_t packet_max, packet_limit; /* of now, of the configuration */
	size_t buffer_max;
	enum link_path path;
	tt_time now; /* the newest time that anybody handed in */

	struct link_stream *streams; /* uthash by conv */
	struct tt_heap timers;       /* streams with a later deadline */
	struct sched sched;          /* streams with something to put out now */
	struct link_stream *ready_head, *ready_tail;

	uint32_t inflight, window;
	uint32_t unheard;      /* packets sent since we last heard from the peer */
	tt_time unheard_retry; /* when the nonce rule lets one more packet out */

	bool probe_wanted;
	bool reply_wanted;
	uint8_t reply_cookie[8];
	tt_time probe_rtt_us, srtt_us;
	uint64_t probes_answered;

	struct link_stats sum; /* counters; those of ended streams are folded in */
};

/** Brings timer, schedule and in-flight count of a stream in line with its KCP. */
void link_stream_update(struct link_stream *s);

#endif
