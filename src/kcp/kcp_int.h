/**
 * What the files of src/kcp share with each other. Nothing outside includes it, but for tests that
 * need kcp_new_at.
 *
 * Send side. One ring holds [snd_una, snd_end): sent segments up to snd_nxt, then the unsent queue.
 * Each sent and unacknowledged segment is in exactly one list: in `resend` while it is due to be
 * repeated, else in the timer list of its backoff level. A timer list is in the order of
 * transmission, and all of its members wait the same time (rto_us of the level), so its head is
 * both the next one to time out and the first one to be overtaken by ACKs. Finding due and lost
 * segments therefore costs O(1) each, whatever the window, where a heap would pay O(log n) for
 * every ACK and a scan O(n) for every tick.
 *
 * With a flight, the time of a transmission and what becomes of it are kept there, and the timer
 * lists stay empty; only `resend` is used.
 *
 * Loss. Each transmission gets a number, tx_seq, as QUIC does. An ACK of a transmission is evidence
 * that the earlier ones, if still unacknowledged, are late. KCP's fastack counter ("this many
 * packets acknowledged something later") is the test "the n-th largest evidence is later than
 * tx_seq", because evidence is counted once for a packet; so only the n largest are kept.
 */
#ifndef KCP_INT_H
#define KCP_INT_H

#include "kcp.h"

enum {
	KCP_CMD_PUSH = 81,
	KCP_CMD_ACK = 82,
	KCP_CMD_WASK = 83,
	KCP_CMD_WINS = 84,
	KCP_CMD_SACK = 85,
};

enum {
	KCP_PROBE_ASK = 1,  /* WASK is due */
	KCP_PROBE_TELL = 2, /* WINS is due */
};

#define KCP_RMT_WND_INIT 128u /* what a KCP peer can take before it said so */
#define KCP_RTO_INIT TT_MS(200)
#define KCP_RTO_MIN TT_MS(100)
#define KCP_RTO_MIN_NODELAY TT_MS(30)
#define KCP_RTO_MAX TT_S(60)
#define KCP_PROBE_INIT TT_S(7)
#define KCP_PROBE_LIMIT TT_S(120)
#define KCP_SSTHRESH_MIN 2u
#define KCP_FRAGMENTS_MAX 255u /* of one message; frg has 8 bits */
#define KCP_OLD_MAX 65536u     /* an sn further behind cannot be a repeat: wnd has 16 bits */
#define KCP_RING_MIN 8u        /* slots, power of two */
#define KCP_RING_SMALL 64u
#define KCP_TRIM_US TT_S(1)   /* an idle stream gives its buffers back after this */
#define KCP_TELLS 3u          /* repeats of a WINS that opens a closed window */
#define KCP_LEVELS 12u        /* backoff levels; 200 ms * 1.5^11 is 17 s, * 2^11 the cap */
#define KCP_RESEND KCP_LEVELS /* list number of the repeats that are due */
#define KCP_LISTS (KCP_LEVELS + 1)
#define KCP_LIST_NONE 15u /* in flight, and the flight keeps the time */
/*
 * Payload of a SACK: u32 `top`, u8 count, so many u32, a bitmap. Bit i of byte j of the bitmap says
 * that segment top - 1 - (8 j + i) is there; the numbers are those of segments that came late, too
 * far behind for the bitmap. Each segment so stands in many SACKs one after the other, and a path
 * that loses ACKs causes no repeats.
 */
#define KCP_SACK_BITS 256u
#define KCP_SACK_LATE 16u
#define KCP_SACK_HEAD 5u
#define KCP_SACK_MAX (KCP_SACK_HEAD + 4 * KCP_SACK_LATE + KCP_SACK_BITS / 8)
/* With a flight an ACK waits for more of them, so long or for so many (RFC 9000, 13.2.1
 * and 13.2.2): one for each packet would be 6 % of the bytes on the network. */
#define KCP_ACK_DELAY TT_MS(1)
#define KCP_ACK_COUNT 10u
#define KCP_NIL UINT16_MAX
#define KCP_UNSENT_MAX 128u /* segments that wait in a stream whose flight others share */
#define KCP_SEG_COST 64u    /* bytes that a segment costs beside its buffer, about */
#define KCP_WND_FLOOR 2u    /* segments that a reader without backlog may always be sent */
#define KCP_EVIDENCE 3u     /* largest fast-resend count of the modes */

/* What a mode means. Times in ms. */
struct kcp_mode {
	uint16_t interval_ms; /* granularity of the retransmission timers */
	uint8_t resend;       /* overtaken by so many packets: lost; 0: only the timer repeats */
	bool nodelay;         /* minimum RTO 30 ms and backoff by 1.5, else 100 ms and 2 */
	bool cwnd;            /* KCP's congestion window applies */
	uint16_t snd_wnd, rcv_wnd;
};

/* Payload memory, owned by one slot. */
struct kcp_buf {
	uint32_t cap;
	uint8_t data[];
};

enum kcp_slot_state {
	KCP_SLOT_FREE = 0,
	KCP_SLOT_UNSENT,
	KCP_SLOT_SENT, /* in a list */
	KCP_SLOT_ACKED,
};

/* Why a segment is in the resend list. */
enum kcp_cause {
	KCP_CAUSE_RESUME = 0, /* the carrier was away; nobody's loss */
	KCP_CAUSE_FAST,       /* overtaken by ACKs */
	KCP_CAUSE_TIMEOUT,
};

/* Half a cache line: the window of a fast stream has tens of thousands of these. */
struct kcp_snd_slot {
	struct kcp_buf *buf; /* NULL once acknowledged */
	tt_time sent;        /* last transmission */
	uint32_t tx_seq;     /* number of the last transmission, in the flight if there is one */
	uint16_t first_ms;   /* low bits of the first transmission's ts, bounds an RTT sample */
	uint16_t len;
	uint16_t next, prev; /* slot indices in its list */
	uint8_t frg;
	uint8_t xmit;                             /* transmissions, stops at 255 */
	uint8_t state : 3, copied : 1, cause : 4; /* copied: kcp_output_copy, since it was new */
	uint8_t list : 4, level : 4;
};

struct kcp_rcv_slot {
	struct kcp_buf *buf; /* NULL for an empty segment too */
	uint16_t len;
	uint8_t frg;
	bool used;
};

struct kcp_ack {
	uint32_t sn, ts;
};

struct kcp_list {
	uint16_t head, tail;
};

struct kcp {
	const struct tt_mem *mem;
	const struct tt_log *log;
	tt_time now;    /* latest that was handed in; never goes back */
	tt_time active; /* last segment in or out */
	size_t bytes;   /* memory held, this struct included */
	uint32_t conv;
	uint32_t mtu, mss;
	struct kcp_mode mode;
	bool message, sack;
	struct kcp_flight *flight; /* NULL: timers and loss detection of its own */
	void *user;
	struct kcp_budget *snd_budget, *rcv_budget;

	struct tt_pool *pool;           /* of buffers for mss bytes, may be NULL */
	tt_time snd_tidied, rcv_tidied; /* see kcp_tidy */

	/* sending */
	struct kcp_snd_slot *snd;
	uint32_t snd_cap; /* slots, power of two, 0: no ring */
	uint32_t snd_wnd;
	uint32_t snd_una, snd_nxt, snd_end;
	uint32_t inflight; /* slots in state SENT */
	size_t pending;    /* payload bytes in [snd_una, snd_end), acknowledged ones left out */
	size_t snd_bytes;  /* what these segments cost, see kcp_seg_cost */
	size_t reserved;   /* bytes offered by kcp_send_reserve and not yet committed */
	struct kcp_list lists[KCP_LISTS];
	uint32_t lists_used; /* bit n: lists[n] has members */

	/* loss and congestion */
	uint32_t tx_next;
	uint32_t evidence[KCP_EVIDENCE]; /* largest acknowledged transmissions, largest first */
	uint32_t packet_evidence;        /* the largest one in the packet that is being read */
	bool packet_has_evidence;
	bool echo_known;
	uint32_t echo;     /* newest time stamp of ours that its ACKs have brought back */
	uint32_t recovery; /* losses of transmissions before this one shrink cwnd no more */
	uint32_t cwnd, ssthresh;
	uint64_t incr; /* cwnd in bytes, as KCP keeps it */
	uint32_t rmt_wnd;
	uint32_t rmt_una; /* una that came with rmt_wnd */
	bool rmt_known;   /* rmt_wnd is the peer's own word */
	tt_time srtt, rttvar, rto;
	tt_time rtt_newest; /* for kcp_rtt_take */

	/* window probes */
	uint8_t probe;
	bool tell_open; /* the window was opened and no PUSH has come since */
	uint8_t tells_left;
	tt_time tell_at;  /* next repeat of a WINS, TT_TIME_NEVER: none */
	tt_time probe_at; /* next WASK, TT_TIME_NEVER: the peer's window is open */
	tt_time probe_wait;

	/* receiving */
	struct kcp_rcv_slot *rcv;
	uint32_t rcv_cap;
	uint32_t rcv_wnd;
	uint32_t rcv_head, rcv_nxt; /* first unread, first missing */
	uint32_t rcv_held;          /* used slots at or after rcv_nxt */
	uint32_t rcv_top;           /* one after the last of them, while there are */
	uint32_t *late;             /* KCP_SACK_LATE segments that came late, NULL: no memory yet */
	uint32_t late_n;       /* how many came; the newest is at (late_n - 1) % KCP_SACK_LATE */
	uint32_t rcv_off;      /* bytes read of the head */
	uint32_t adv_wnd;      /* window in the last packet out */
	size_t rcv_bytes;      /* what is held costs so much, see kcp_seg_cost */
	size_t unread_bytes;   /* of that, what is in order */
	size_t ready, partial; /* readable bytes; those of an unfinished message */
	struct kcp_ack *acks;
	uint32_t ack_cap, ack_head, ack_end;
	uint32_t acks_waiting; /* segments that came since an ACK went out */
	tt_time ack_at;        /* when the ACK that waits goes out, TT_TIME_NEVER: none waits */
	bool ack_merge;        /* the last pending ACK may give way to the next in order */

	struct kcp_stats st;
};

/** kcp_new with both first sequence numbers given, so that tests reach their wrap-around. */
int kcp_new_at(struct kcp **out, const struct kcp_config *cfg, tt_time now, uint32_t sn);

/** Of which kind repeats are: a flight's owner paces them as it does all that it sends. */
static inline unsigned kcp_repeats_are(const struct kcp *k)
{
	return k->flight ? KCP_DUE_DATA : KCP_DUE_URGENT;
}

static inline int32_t kcp_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static inline uint32_t kcp_ms(tt_time t)
{
	return (uint32_t)(t / 1000u);
}

static inline uint32_t kcp_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline void kcp_touch(struct kcp *k, tt_time now)
{
	if (now > k->now)
		k->now = now;
}

/* What a segment costs its budget: the memory that it holds. */
static inline size_t kcp_seg_cost(const struct kcp_buf *b)
{
	return (b ? b->cap : 0) + KCP_SEG_COST;
}

/*
 * What a receive ring costs the budget. The share of a small one is in KCP_SEG_COST; but a single
 * segment at the far end of the window makes a ring of half a megabyte.
 */
static inline size_t kcp_rcv_ring_cost(uint32_t cap)
{
	return cap > KCP_RING_SMALL ? cap * sizeof(struct kcp_rcv_slot) : 0;
}

static inline struct kcp_snd_slot *kcp_snd_at(const struct kcp *k, uint32_t sn)
{
	return &k->snd[sn & (k->snd_cap - 1)];
}

static inline struct kcp_rcv_slot *kcp_rcv_at(const struct kcp *k, uint32_t sn)
{
	return &k->rcv[sn & (k->rcv_cap - 1)];
}

/* ---- kcp.c: memory ---- */

/** Bytes of the buffer that `len` bytes get. */
uint32_t kcp_buf_cap(const struct kcp *k, uint32_t len);

/** A buffer for at least `len` bytes, NULL when there is no memory. */
struct kcp_buf *kcp_buf_get(struct kcp *k, uint32_t len);

/** Back to where it came from. b may be NULL. */
void kcp_buf_put(struct kcp *k, struct kcp_buf *b);

/** Gives back what an idle stream does not need. */
void kcp_trim(struct kcp *k);

/**
 * For a stream that is never idle, at most once a second each: gives back large rings that are
 * empty. A download leaves nothing to the keystrokes that follow it.
 */
void kcp_tidy(struct kcp *k);

/** Nothing queued, in flight, unread or to be acknowledged, and memory to give back. */
bool kcp_trimmable(const struct kcp *k);

/* ---- kcp_ack.c ---- */

/** Segments up to `una` have arrived. una must be in [snd_una, snd_nxt]. */
void kcp_ack_until(struct kcp *k, uint32_t una);

/** An ACK segment: sn has arrived in the transmission that carried ts. Anything may be in it. */
void kcp_ack_one(struct kcp *k, uint32_t sn, uint32_t ts);

/** Segment sn has arrived in whatever transmission. Anything may be in it. */
void kcp_ack_any(struct kcp *k, uint32_t sn);

/** Segment sn when it waits for its ACK; NULL when it was freed before, or never sent. */
struct kcp_snd_slot *kcp_waiting(const struct kcp *k, uint32_t sn);

/** Takes what this stream has in flight out of the shared flight, if there is one. */
void kcp_leave_flight(struct kcp *k);

/* ---- kcp_send.c ---- */

/** A segment leaves the queue or the flight with its payload. */
void kcp_unqueue(struct kcp *k, struct kcp_snd_slot *s);

/** New segments may be sent now. */
bool kcp_can_send_new(const struct kcp *k);

/** The segment has just been put into a packet. */
void kcp_mark_sent(struct kcp *k, uint32_t sn, struct kcp_snd_slot *s);

void kcp_list_push(struct kcp *k, unsigned list, struct kcp_snd_slot *s);
void kcp_list_remove(struct kcp *k, struct kcp_snd_slot *s);

/** Head of a list, NULL when it is empty. */
struct kcp_snd_slot *kcp_list_first(const struct kcp *k, unsigned list);

/* ---- kcp_loss.c ---- */

/** RTO of a backoff level, extra time and granularity left out. */
tt_time kcp_level_rto(const struct kcp *k, unsigned level);

void kcp_rtt_sample(struct kcp *k, tt_time rtt);

/** The transmission was acknowledged in the packet that is being read. */
void kcp_evidence_add(struct kcp *k, uint32_t tx_seq);

/** End of a packet: queues what its ACKs showed to be lost. */
void kcp_detect_losses(struct kcp *k);

/** snd_una moved in this packet: KCP's window growth. */
void kcp_cwnd_grow(struct kcp *k);

/** The timer repeats a segment: KCP's window starts again from one. */
void kcp_cwnd_timeout(struct kcp *k);

/* ---- kcp_recv.c ---- */

/** A PUSH segment. TT_OK (also when it was dropped) or TT_ENOMEM. */
int kcp_push_in(
	struct kcp *k, uint32_t sn, uint32_t ts, uint8_t frg, const uint8_t *data, uint16_t len);

/** An ACK is owed, and it has waited long enough. */
bool kcp_ack_ripe(const struct kcp *k);

/** Free segments of the receive window, as told to the peer. */
uint32_t kcp_rcv_wnd_free(const struct kcp *k);

#endif
