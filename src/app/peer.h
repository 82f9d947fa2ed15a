/** Peers: the friends that we serve or use, each with its session. */
#ifndef PEER_H
#define PEER_H

#include "app.h"
#include "chat_text.h"

#define HASH_NONFATAL_OOM 1
/* Friend numbers are small and dense. */
#define HASH_FUNCTION(key, len, hashv) ((hashv) = *(const uint32_t *)(key))
#include <uthash.h>

/** Questions of an admin that wait for their answer. */
#define PEER_QUESTIONS_MAX 5

/** A peer's counters when they were last looked at, each second, and the rates up to then. */
struct peer_second {
	tt_time at;
	uint64_t in, out, packets;  /* payload, and packets received */
	uint64_t rate_in, rate_out; /* bytes of payload a second */
	uint64_t segs_sent, segs_lost, segs_repeated;
	uint64_t ok, reasons[REASON_COUNT];
};

struct peer {
	struct app *app;
	uint32_t friend_number; /* key of the hash */
	uint8_t key[TT_KEY_LEN];
	char tag[9];
	char name[CONF_NAME_MAX + 1]; /* from [peer NAME], else empty */
	struct session *session;
	enum toxnet_path path;
	tt_time path_since;
	bool wanted;            /* a forward, or a command, uses it */
	struct tt_peer_id id;   /* wanted: as the user named it */
	struct app_timer renew; /* wanted and offline: asks it anew to be our friend */
	tt_time renew_after;
	bool leaving;   /* not allowed any more: goes when it was told, or when `renew` is due */
	bool ousted;    /* not allowed any more: leaves when no connection of ours uses it */
	bool ready;     /* session_ready, as last seen */
	bool mute;      /* link_mute, as last seen */
	uint64_t drops; /* times that it went offline */
	tt_time online_since;
	tt_time steady_at; /* when a return from absence or silence is long enough ago */
	struct tt_ratelimit path_log;
	struct tt_ratelimit channel_log; /* of connections to targets, conn_dial.c */
	struct tt_ratelimit ask_limit;   /* of its questions, chat.c */
	enum chat_word questions[PEER_QUESTIONS_MAX];
	size_t n_questions;
	tt_time retry_at;  /* toxcore's queue was full: not before this */
	bool more_control; /* there may be more messages than one round sends */
	struct {
		tt_time at; /* 0: never */
		uint64_t in, out;
	} sample;                      /* payload, as status_sample saw it */
	struct peer_second second;     /* stats_sample */
	struct stats_history *history; /* the same of the last minutes; NULL: none yet */
	struct tt_histogram rtt;       /* each second in which something came in */
	size_t pending_len;            /* a packet that toxcore would not take yet */
	uint8_t pending[LINK_PACKET_MAX];
	UT_hash_handle hh;
};

/** Makes sure that this peer is our friend and has a session; NULL when that is impossible
 * (logged). */
struct peer *peer_want(struct app *app, const struct tt_peer_id *id);
/** Whoever has this key is our friend from now on and has a session. False for our own key, and
 * without memory. */
bool peer_accept(struct app *app, const uint8_t key[TT_KEY_LEN]);
struct peer *peer_find(const struct app *app, uint32_t friend_number);
struct peer *peer_find_key(const struct app *app, const uint8_t key[TT_KEY_LEN]);

/** What the configuration says of this peer's session; keys and instance are left out. */
void peer_session_config(struct app *app, const struct peer *p, struct session_config *cfg);

/** Its session takes over what the configuration says now. */
void peer_reconfigure(struct peer *p);

/** An admin who is nothing else, as far as we know: a person with a Tox client. */
bool peer_is_person(const struct peer *p);

/** Wants the peers of all forwards that are open, and no others. */
void peers_want(struct app *app);

/**
 * Makes the admins our friends before they ask. toxcore tells of one request for each key, and
 * theirs may have come when they were none; it repeats them ever more seldom, too.
 */
void peers_accept_admins(struct app *app);

/** Ends its channels, and removes it when it was told so. */
void peer_remove(struct peer *p);

/**
 * Those that are not allowed any more are served no more, told so, and removed, at once or when the
 * connections that we have by them have ended. Returns how many.
 */
size_t peers_remove_strangers(struct app *app, const struct tt_log *log);

/** The configuration is another one: every session takes it over. */
void peers_reconfigure(struct app *app);

/** Takes over the friends of the save file: serves the allowed ones, removes the others. */
void peers_restore(struct app *app);
void peers_free(struct app *app);

/** "offline", "tcp relay" or "udp direct": as the stats and ping say it. */
const char *peer_path_name(enum toxnet_path path);

/** Does all that the sessions ask for and sends all that they have. */
void peers_run(struct app *app);
tt_time peers_deadline(const struct app *app);

/** Tells every peer that its connections end. */
void peers_drain(struct app *app);
void peers_shutdown(struct app *app);
/** True when no online peer has anything left to be told. */
bool peers_idle(const struct app *app);

/* events of toxnet */
void peer_on_lossy(void *user, uint32_t friend_number, const uint8_t *data, size_t len);
void peer_on_request(
	struct app *app, const uint8_t key[TT_KEY_LEN], const uint8_t *message, size_t len);
void peer_on_path(struct app *app, uint32_t friend_number, enum toxnet_path path);
void peer_on_message(struct app *app, uint32_t friend_number, const uint8_t *data, size_t len);
void peer_on_receipt(struct app *app, uint32_t friend_number, uint32_t receipt);

#endif
