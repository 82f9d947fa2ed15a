/* What the files of this folder share. */
#ifndef TUNNEL_INT_H
#define TUNNEL_INT_H

#define HASH_NONFATAL_OOM 1 /* an item that could not be added has a NULL hh.tbl */
/* HASH_ADD and HASH_DEL use the allocator that is called hash_mem where they stand. */
#define uthash_malloc(sz) tt_alloc(hash_mem, sz)
#define uthash_free(p, sz) tt_free(hash_mem, p)
/* HASH_ADD and HASH_FIND use the key that is called hash_key there: the peer chooses its ccids and
 * convs. */
#define HASH_FUNCTION(key, len, hashv) ((hashv) = hash_number(hash_key, key, len))
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "control.h"
#include "dgram.h"
#include "listen.h"
#include "session.h"
#include "tt_heap.h"

/* Of a uint32_t or a uint64_t. */
static inline uint32_t hash_number(const struct tt_hash_key *k, const void *number, size_t len)
{
	uint32_t half[2] = {0};
	memcpy(half, number, len);
	return tt_hash(k, half[0] ^ half[1]);
}

/* One direction of a channel. It only moves forwards. */
enum half {
	HALF_OPEN, /* bytes may still be added */
	HALF_FIN,  /* its length is known; bytes are under way */
	HALF_DONE, /* out: the peer has them all; in: our socket has them all and is shut down */
};

/* Who ended its direction first, for the reason of an orderly close. */
enum first_fin { FIRST_NOBODY, FIRST_ME, FIRST_PEER, FIRST_BOTH };

struct channel {
	struct session *session;
	uint64_t key; /* of the hash: opener << 32 | ccid */
	UT_hash_handle hh;
	void *user;
	struct link_stream *stream; /* NULL once closed, and of datagrams */
	struct dgram_flow *flow;    /* of datagrams, in place of the stream; NULL once closed */

	uint32_t ccid;
	bool opener;
	bool peer_ended; /* its `end` came: neither side needs anything from the other any more */
	bool hashed;     /* in session->channels: the peer may still speak of it */
	bool half_open;  /* counted in session->half_open */
	bool resolving;  /* counted in session->resolving */
	bool udp;        /* carries datagrams; counted in session->flows */
	bool reverse;    /* of a listener, which its accepter has asked for: it needs no rule */
	bool path;       /* the target is a unix socket */
	enum wire_bench bench; /* counted in session->measuring; 0 for targets and for the opener */
	enum channel_state state;
	enum close_reason reason;
	enum half out, in;
	enum first_fin first;
	uint64_t out_bytes;    /* handed in by our socket */
	uint64_t in_bytes;     /* taken by our socket */
	uint64_t in_fin_bytes; /* HALF_FIN and later: what the peer's direction carries in all */
	uint64_t sampled_in, sampled_out; /* the bytes at the newest session_sample */
	uint64_t rate_in, rate_out;       /* bytes a second before it */
	size_t out_pending;               /* of out_bytes, not acknowledged when last looked at */
	tt_time opened_at, active_at;
	struct tt_heap_node timer;   /* connect or idle time-out */
	struct channel *prev, *next; /* all channels of the session */

	unsigned actions; /* bits 1 << enum session_action_type that were not taken yet */
	bool queued;      /* in the session's list of channels with actions */
	struct channel *action_next;
	struct channel *resolve_prev, *resolve_next; /* in session->unresolved */

	struct tt_addr *addrs; /* what may be dialled, until it was */
	size_t n_addrs;
	char *text; /* the peer's words in its rst, or NULL */
	uint16_t port;
	char *tunnel; /* points behind the host */
	char host[];
};

struct session {
	const struct tt_mem *mem;
	const struct tt_log *log;
	struct session_config cfg;
	char name[WIRE_NAME_MAX + 1];
	char tag[9];       /* of the peer, for log lines */
	uint32_t conv_bit; /* bit 31 of the convs that we propose */

	struct link *link;
	struct dgrams dgrams;
	unsigned dgram_run; /* packets of datagrams in a row */
	size_t packet_max;  /* what both sides take */
	struct control control;
	enum link_path path;
	tt_time resume_at; /* when the peer's absence ends its channels; TT_TIME_NEVER: it does not
			    */
	bool control_lost; /* there was no memory for a map that the peer needs */
	bool hello_due;    /* ours must go out */
	bool hello_peeked; /* ... and is in what session_control_output last gave */
	bool peer_hello;   /* the peer's has come since it came online */
	/* Above the limit of the peer's hellos: until hellos_at the newest of them waits, and ours
	 * where none of the peer's was taken since it came online. TT_TIME_NEVER: none waits. */
	tt_time hellos_at;
	bool hello_kept; /* kept_hello waits */
	struct wire_hello kept_hello;
	bool peer_proved;    /* it knows the secret, or need not */
	bool said_has_proof; /* the peer's newest hello: what it was judged by */
	uint8_t said_proof[WIRE_PROOF_LEN];
	bool knows_peer; /* peer_inst is set */
	bool draining;   /* no new channels of the peer */
	uint8_t peer_inst[WIRE_INST_LEN];
	uint32_t peer_caps;
	char peer_name[WIRE_NAME_MAX + 1];
	tt_time offline_since; /* TT_TIME_NEVER while online */

	struct channel *channels; /* uthash by key: those that the peer may speak of */
	struct channel *all;      /* those and the others, closed ones until they are released */
	size_t half_open;
	size_t resolving;           /* names that the owner of the sockets was asked for */
	struct channel *unresolved; /* list of those that wait for their turn */
	size_t flows[2];            /* channels of datagrams: accepted ones, opened ones */
	size_t measuring;           /* accepted channels to the measuring service */
	uint32_t last_ccid;
	/* reverse forwards, see listen.h */
	struct ask *asks;     /* listeners that we want at the peer */
	struct grant *grants; /* those that the peer has here, and those that must be closed */
	size_t n_asks, n_grants;
	uint32_t last_lid;
	bool listen_news;     /* there may be a listen_action */
	tt_time ask_again_at; /* what was refused; TT_TIME_NEVER: not by itself */
	struct tt_heap timers;
	struct channel *action_head, *action_tail;
	struct session_stats sum;
	tt_time sampled_at;            /* session_sample */
	struct tt_ratelimit log_lines; /* that the peer can cause */
	struct tt_ratelimit control_maps, openings, hellos;
};

/* channel.c */
int channel_new(struct channel **out, struct session *s, bool opener, uint32_t ccid,
	const struct channel_target *target, tt_time now);
void channel_set_state(struct channel *ch, enum channel_state st);
void channel_want(struct channel *ch, enum session_action_type type);
void channel_opened(struct channel *ch, tt_time now);
void channel_close(struct channel *ch, enum close_reason why);
/* Tells the peer and closes. */
void channel_reset(struct channel *ch, enum close_reason why);
/* The peer will not speak of it any more, and its number may name another channel from now on. */
void channel_unhash(struct channel *ch);
/* All of the peer's bytes are here and it has all of ours: only our application must take them. */
bool channel_is_complete(const struct channel *ch);
/* Takes note of bytes that the peer acknowledged: the channel is not idle. */
void channel_note_acked(struct channel *ch, tt_time now);
/* Moves both halves as far as they go and closes the channel when both are done. */
void channel_progress(struct channel *ch, tt_time now);
void channel_on_timer(struct channel *ch, tt_time now);
void channel_input_fin(struct channel *ch, const struct wire_fin *fin, tt_time now);
void channel_input_end(struct channel *ch, tt_time now);

/* open.c */
/* The channel is no longer waiting for its name: the next one's turn. */
void channel_leave_resolving(struct channel *ch);
/* syn becomes the one of its target where it is for a listener of ours. */
void session_input_syn(struct session *s, struct wire_syn *syn, tt_time now);
void session_input_ack(struct session *s, const struct wire_ack *ack, tt_time now);

/* listen_ask.c: ours at the peer */
/* Turns a syn for one of our listeners into one for its target. False: there is no such listener.
 */
bool ask_resolve_syn(const struct session *s, struct wire_syn *syn);
/* The peer's hello came: what it does not know, or has refused, is asked for again. */
void asks_on_hello(struct session *s, tt_time now);
/* The peer went offline, or is another process: it may have forgotten. */
void asks_forget(struct session *s);
void asks_on_deadline(struct session *s, tt_time now);
void asks_free(struct session *s);
void asks_input_listening(struct session *s, const struct wire_listening *l);
void asks_input_unlisten(struct session *s, const struct wire_unlisten *u, tt_time now);
bool asks_next_action(struct session *s, struct listen_action *out);

/* listen_grant.c: the peer's here */
void grants_input_listen(struct session *s, const struct wire_listen *l, tt_time now);
void grants_input_unlisten(struct session *s, const struct wire_unlisten *u);
/* Ends all of them; with `tell` the peer hears why. */
void grants_end(struct session *s, enum close_reason why, bool tell);
/* The rules are others: ends those that they do not allow any more. */
void grants_judge_again(struct session *s);
void grants_free(struct session *s);
bool grants_next_action(struct session *s, struct listen_action *out);
void session_push_unlisten(
	struct session *s, uint32_t lid, bool asker, enum close_reason why, const char *text);

/* For what a peer can cause: true when a line may be written now. */
bool session_may_log(struct session *s, tt_time now);

/* udp.c */
/* Where too many flows are open the one unused for longest gives way. */
void session_make_room_for_flow(struct session *s);
int session_dgram_input(struct session *s, const uint8_t *pkt, size_t len, tt_time now);
size_t session_dgram_output(struct session *s, uint8_t *dst, tt_time now);
tt_time session_dgram_deadline(const struct session *s);
/* How long the flow may be silent. */
tt_time channel_udp_timeout(const struct channel *ch);

/* session_control.c */
/* Queues a map for the peer. Without memory for it all channels end, in session_control_output. */
void session_push(struct session *s, struct wire_msg *msg);
void session_push_rst(struct session *s, uint32_t ccid, bool opener, enum close_reason why);

/* session_hello.c */
void hello_init(struct session *s);
void hello_on_offline(struct session *s);
void hello_on_online(struct session *s, tt_time now);
/* Says hello, or once more with what is new in it. While the peer is away it gets one anyway. */
void hello_say(struct session *s);
/* What the peer must prove is new: judges what it said last. */
void hello_judge_again(struct session *s);
void hello_input(struct session *s, const struct wire_hello *newest, tt_time now);
void hello_on_deadline(struct session *s, tt_time now);
/* A map that comes now is of the process whose hello was taken, and numbered for it: maps follow
 * their sender's hello. */
bool hello_knows_sender(const struct session *s);
/* Up to WIRE_MESSAGE_MAX bytes; 0: none is due. */
size_t hello_output(struct session *s, uint8_t *dst);
/* What hello_output gave has left. */
void hello_sent(struct session *s);

#endif
