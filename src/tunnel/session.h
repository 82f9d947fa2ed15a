/**
 * Everything with one peer: hello, the control stream, and the channels over one link. Does no I/O
 * and reads no clock. The caller
 *
 *   - hands in what came from the peer: session_control_input, session_packet_input, session_path;
 *   - pulls what must go to it: session_control_output, session_packet_output;
 *   - takes actions (session_next_action) and does them with its sockets and its resolver;
 *   - calls session_on_deadline when session_deadline has come.
 *
 * No function here calls back. Channels are freed by channel_release only.
 */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "dgram.h"
#include "link.h"
#include "reason.h"
#include "tt_addr.h"
#include "tt_hash.h"
#include "tt_histogram.h"
#include "tt_key.h"
#include "tt_log.h"
#include "tt_mem.h"
#include "tt_mode.h"
#include "tt_rule.h"
#include "tt_time.h"
#include "tunnel_limits.h"
#include "wire.h"
#include "wire_bench.h"

#define SESSION_ADDRS_MAX 16       /* resolved addresses of one target */
#define SESSION_CHANNELS_MAX 16384 /* default limit of channels with one peer */
/* Of them, asked for by the peer and not connected yet: more than one round of the loop takes in.
 */
#define SESSION_HALF_OPEN_MAX 4096
#define SESSION_CONTROL_MAX 65536 /* unconfirmed maps, above which no SYN is heard */
/* Control maps that a peer may send: so many at once, and so many more a second. Three make a
 * connection. */
#define SESSION_CONTROL_BURST 100000
#define SESSION_CONTROL_RATE 20000
/* Of these, channels: each costs a socket and a connect. */
#define SESSION_OPEN_BURST 20000
#define SESSION_OPEN_RATE 5000
#define SESSION_HELLO_BURST 10      /* hellos at once, then one a second */
#define SESSION_RESOLVE_MAX 16      /* names that are being resolved for one peer; others wait */
#define SESSION_BENCH_MAX 4         /* of them, measurements that the peer asked for */
#define SESSION_BENCH_TIME TT_S(90) /* after which such a measurement is cut off */
#define SESSION_FLOWS_MAX 1024      /* flows of datagrams that each side may have opened */
#define SESSION_UDP_TIMEOUT TT_S(180)
#define SESSION_UDP_UNANSWERED TT_S(60) /* at most, while datagrams have gone one way only */
#define SESSION_CONNECT_TIMEOUT TT_S(15)
#define SESSION_RESUME_TIMEOUT TT_S(600)

struct session;
struct channel;

/** What may change while a session lives. */
struct session_terms {
	const char *name; /* said in the hello, may be NULL; copied */
	bool await_hello; /* says hello only after the peer: a person would see it as a message */
	bool accept;      /* the peer may open channels to our targets */
	const struct tt_rule *rules; /* what it may reach; borrowed until session_reconfigure */
	size_t n_rules;
	const struct tt_rule *listens; /* where it may listen here, see listen.h; as rules */
	size_t n_listens;
	bool bench; /* it may measure the path, if it may reach anything */
	bool has_proof, need_proof;
	uint8_t proof[WIRE_PROOF_LEN];      /* has_proof: that we know the secret, for our hello */
	uint8_t peer_proof[WIRE_PROOF_LEN]; /* need_proof: what the peer's hello must say to be
					       served */
	size_t channels_max;                /* 0: SESSION_CHANNELS_MAX */
	tt_time connect_timeout_us;         /* 0: SESSION_CONNECT_TIMEOUT */
	tt_time idle_timeout_us;            /* 0: never */
	tt_time udp_timeout_us;             /* 0: SESSION_UDP_TIMEOUT */
	tt_time resume_timeout_us;          /* 0: SESSION_RESUME_TIMEOUT */
};

struct session_config {
	uint8_t self_key[TT_KEY_LEN], peer_key[TT_KEY_LEN];
	uint8_t inst[WIRE_INST_LEN]; /* random for this process */
	enum tt_mode mode;
	struct session_terms terms;
	uint64_t epoch_ms; /* milliseconds since a fixed base when `now` was 0, for conv */
	/* What the channels of all sessions may hold, borrowed, may be NULL. */
	struct kcp_budget *snd_budget, *rcv_budget;
	struct session_slots *slots; /* of all sessions, borrowed, may be NULL */
	const struct tt_mem *mem;    /* borrowed, NULL: malloc */
	struct tt_pool *pool;        /* for its link; borrowed, may be NULL */
	const struct tt_log *log;    /* borrowed, may be NULL */
	struct tt_hash_key hash_key; /* random, and nobody else's business */
	uint64_t seed;               /* random, for its link */
};

/** TT_OK, TT_ENOMEM. The session starts with its peer offline. */
int session_new(struct session **out, const struct session_config *cfg, tt_time now);

/** Frees the session and every channel that is left, silently. May be NULL. */
void session_free(struct session *s);

/**
 * The peer went offline, came online, or changed its path. Channels wait for it for as long as
 * resume_timeout_us; one that has all of the peer's bytes, and whose own have arrived, needs the
 * peer no more and outlives that and a restart of the peer until it was read to its end.
 */
void session_path(struct session *s, enum link_path path, tt_time now);

/** Hellos were exchanged since the peer came online: channels open without delay. */
bool session_ready(const struct session *s);

/** From now on the peer opens no channel: it is told REASON_SHUTDOWN. Those that are open go on. */
void session_drain(struct session *s);

/**
 * Takes over other terms. They bind channels opened from now on. The peer gets a new hello when its
 * content is another one.
 */
void session_reconfigure(struct session *s, const struct session_terms *terms);

/** Ends every channel with this reason; the peer is told as long as control output is pulled. */
void session_end(struct session *s, enum close_reason why);

/** The same for what the peer has here: channels that it opened, its listeners and theirs. */
void session_end_served(struct session *s, enum close_reason why);

/* ---- control stream: friend messages ---- */

/**
 * Takes one friend message of kind WIRE_KIND_MSGPACK. TT_OK; TT_EPROTO: it, or the rest of it,
 * cannot be read; TT_ELIMIT: it, or the rest, was dropped because the peer sends too much. The
 * peer's channels end with the next map that is taken, since others before it are missing.
 */
int session_control_input(struct session *s, const uint8_t *data, size_t len, tt_time now);

/**
 * Fills dst (WIRE_MESSAGE_MAX bytes) with the next friend message, one or more maps; returns its
 * length, 0 when there is none. Calling again without session_control_sent gives the same.
 */
size_t session_control_output(struct session *s, uint8_t *dst);

/** The message last given by session_control_output is on its way under this receipt. */
void session_control_sent(struct session *s, uint32_t receipt);

/** The peer's toxcore has it. */
void session_control_confirmed(struct session *s, uint32_t receipt);

/** Nothing is waiting to be sent or confirmed. */
bool session_control_idle(const struct session *s);

/* ---- packets ---- */

int session_packet_input(struct session *s, const uint8_t *pkt, size_t len, tt_time now);

/** Fills dst (LINK_PACKET_MAX bytes) with the next lossy packet; 0 when nothing may go out now. */
size_t session_packet_output(struct session *s, uint8_t *dst, tt_time now);

/** When session_on_deadline must be called; not later than now when there are packets to pull. */
tt_time session_deadline(const struct session *s);
void session_on_deadline(struct session *s, tt_time now);

/** The link, for probes and statistics. Owned by the session. */
struct link *session_link(struct session *s);

/* ---- actions ---- */

enum session_action_type {
	ACTION_RESOLVE, /* accepter: resolve action.host, then channel_resolved */
	ACTION_DIAL,    /* accepter: connect to one of addrs, or start bench; then channel_dialed */
	ACTION_OPENED,  /* the channel is open: move bytes */
	ACTION_READY,   /* there are bytes to read or space to write: move bytes */
	ACTION_SHUTDOWN, /* all of the peer's bytes were taken: shut down the socket's write side */
	ACTION_CLOSED,   /* it is over (channel_reason): close the socket, channel_release */
};

struct session_action {
	enum session_action_type type;
	struct channel *channel;
	void *user; /* the channel's, as given to session_open or channel_set_user */
	/* RESOLVE, DIAL */
	const char *host;            /* the channel's, as the peer wrote it */
	const struct tt_addr *addrs; /* DIAL: those that the rules allow; the channel's */
	size_t n_addrs;
	uint16_t port;
	enum wire_bench bench; /* DIAL: what measures in place of a target; 0: the target */
	bool udp;              /* the channel carries datagrams: the channel_dgram_ functions */
	bool path;             /* DIAL: the target is a unix socket, host its path */
};

/** Takes the next action; false when there is none. */
bool session_next_action(struct session *s, struct session_action *out);

/** There is one. Packets that were pulled may have made room for an application's bytes. */
bool session_has_action(const struct session *s);

/* ---- channels ---- */

struct channel_target {
	enum wire_proto proto; /* 0: WIRE_TCP */
	const char *host;      /* as the peer will resolve it, no brackets; UNIX: the path; BENCH:
				  what shall measure; REVERSE: for our log only */
	uint16_t port;         /* BENCH, UNIX: 0; REVERSE: for our log only */
	uint32_t lid;          /* REVERSE: the peer's listener that the connection came to */
	const char *tunnel;    /* the forward's name, may be NULL */
};

/**
 * Opens a channel. TT_OK, TT_EAGAIN while the session is not ready, TT_ELIMIT, TT_ENOMEM, TT_EINVAL
 * for a host or port that cannot be said, TT_ENOTSUP for a proto that the peer does not know.
 * `user` comes back in every action. One more channel of datagrams than SESSION_FLOWS_MAX ends the
 * one of ours that was unused for longest (REASON_LIMIT).
 */
int session_open(struct session *s, const struct channel_target *t, struct channel **out,
	void *user, tt_time now);

/**
 * The channel that has this number among those that we have opened, or that the peer has; NULL when
 * there is none. It may be closed.
 */
struct channel *channel_find(struct session *s, bool opener, uint32_t ccid);

/** The owner of an accepted channel's socket. */
void channel_set_user(struct channel *ch, void *user);

/** Answers ACTION_RESOLVE. n = 0: the name does not resolve. The rules decide what may be dialled.
 */
void channel_resolved(struct channel *ch, const struct tt_addr *addrs, size_t n, tt_time now);

/**
 * Answers ACTION_DIAL: REASON_NONE when it is connected, else why not (REASON_REFUSED_BY_TARGET,
 * REASON_TARGET_UNREACHABLE, REASON_TARGET_TIMEOUT, REASON_LIMIT).
 */
void channel_dialed(struct channel *ch, enum close_reason why_not, tt_time now);

/** Bytes from the local socket towards the peer, as kcp_send_reserve and _commit. */
int channel_send_reserve(struct channel *ch, struct iovec *iov, int cap, size_t max_bytes);
void channel_send_commit(struct channel *ch, size_t len, tt_time now);

/** The local socket has reached its end of file: nothing more will be sent. */
void channel_send_eof(struct channel *ch, tt_time now);

/** Bytes from the peer for the local socket, as kcp_recv_peek and _consume. */
int channel_recv_peek(const struct channel *ch, struct iovec *iov, int cap);
void channel_recv_consume(struct channel *ch, size_t n, tt_time now);

/*
 * A channel of WIRE_UDP carries datagrams in place of bytes: unreliable, unordered, each whole or
 * not at all. They may be sent from session_open on. ACTION_READY says that some have come, also
 * before ACTION_OPENED where the opener is. Such a channel has no orderly end: it is cut off, or
 * falls silent for its time-out.
 */

/** Queues a datagram for the peer. False: it was dropped, and counted. */
bool channel_dgram_send(struct channel *ch, const void *data, size_t len, tt_time now);

/** The oldest datagram from the peer, until channel_dgram_done; NULL when there is none to take. */
const struct datagram *channel_dgram_next(const struct channel *ch);
/** It was handed on; with `delivered` false the socket did not take it. */
void channel_dgram_done(struct channel *ch, bool delivered, tt_time now);

/** Cuts the channel off, both directions, now. ACTION_CLOSED follows. */
void channel_abort(struct channel *ch, enum close_reason why, tt_time now);

/** After ACTION_CLOSED: the caller has let go of the channel. */
void channel_release(struct channel *ch);

enum channel_state {
	CHANNEL_OPENING,   /* opener: waiting for the ack */
	CHANNEL_RESOLVING, /* accepter */
	CHANNEL_DIALING,   /* accepter */
	CHANNEL_OPEN,
	CHANNEL_CLOSED,
};

struct channel_info {
	uint32_t ccid;
	bool opener, udp;
	enum channel_state state;
	enum close_reason reason;
	uint64_t bytes_in, bytes_out; /* from and to the peer, payload; datagrams that were dropped
					 on this side are not in it */
	uint64_t rate_in, rate_out;   /* bytes a second, between the two newest session_sample */
	tt_time opened_at;            /* when session_open or the SYN was handled */
	const char *host;             /* the channel's */
	uint16_t port;                /* 0: a unix socket, or what measures */
	const char *tunnel;           /* the forward's name, "" when there is none; the channel's */
	const char *text; /* the peer's words beside its reason, "" when there are none */
};

void channel_info(const struct channel *ch, struct channel_info *out);
const char *channel_state_name(enum channel_state st);

/** Calls `each` for every channel that is not closed. It must not open or release channels. */
void session_each_channel(
	const struct session *s, void (*each)(void *user, const struct channel *ch), void *user);

/** The rates of the channels (channel_info) are those since the last call from now on. */
void session_sample(struct session *s, tt_time now);

struct session_stats {
	uint64_t opened;       /* channels ever asked for, by either side */
	uint64_t ok;           /* of them, those that got open */
	uint64_t failed;       /* of them, those that did not */
	size_t active;         /* not closed */
	uint64_t flows_failed; /* channels of datagrams, which are in none of the above */
	struct dgram_stats udp;
	uint64_t reasons[REASON_COUNT];
	uint64_t control_sent, control_received, control_malformed;
	uint64_t restarts; /* of the peer */
	uint64_t limits[LIMIT_COUNT];
	/* from being asked for until they were open, by us (with the peer's answer) and by the peer
	 * (our connect to the target) */
	struct tt_histogram connect_own, connect_peer;
	bool online;
	char peer_name[WIRE_NAME_MAX + 1]; /* from its hello */
};

void session_stats(const struct session *s, struct session_stats *out);

#endif
