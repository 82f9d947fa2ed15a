#include "peer.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access_peer.h"
#include "chat.h"
#include "conn.h"
#include "failover.h"
#include "reverse.h"
#include "stats.h"
#include "stats_history.h"
#include "tt_err.h"
#include "udp.h"

/* After toxcore's own queue was full: its packets leave as the peer confirms them. */
#define QUEUE_RETRY TT_MS(5)
/*
 * toxcore repeats a friend request after 5 s, 10, 20 and so on without an end: a server that comes
 * up after a day would be asked on the next. A peer that we want and that stays offline is asked
 * anew after this long, then after twice that, up to the second figure.
 */
#define RENEW_FIRST TT_S(45)
#define RENEW_MAX TT_S(300)
/* Packets and messages to one peer before it is the others' turn and what has come in is looked at.
 */
#define PACKETS_A_ROUND 128
#define MESSAGES_A_ROUND 32
/* Friends that a server without a list of allowed peers accepts: each is kept in memory and on
 * disk. */
#define FRIENDS_MAX 1024
/* A peer can come and go as it likes: log lines at once, then one every so often. */
#define PATH_LOG_BURST 20
#define PATH_LOG_INTERVAL TT_S(10)
/* Likewise for each of its connections that reaches a target. */
#define CHANNEL_LOG_BURST 10
#define CHANNEL_LOG_INTERVAL TT_S(1)

static const char *path_text(enum toxnet_path path)
{
	return path == TOXNET_PATH_UDP   ? "direct UDP"
	       : path == TOXNET_PATH_TCP ? "a TCP relay"
					 : "nothing";
}

const char *peer_path_name(enum toxnet_path path)
{
	return path == TOXNET_PATH_UDP   ? "udp direct"
	       : path == TOXNET_PATH_TCP ? "tcp relay"
					 : "offline";
}

static enum link_path link_path_of(enum toxnet_path path)
{
	return path == TOXNET_PATH_UDP   ? LINK_DIRECT
	       : path == TOXNET_PATH_TCP ? LINK_RELAYED
					 : LINK_DOWN;
}

struct peer *peer_find(const struct app *app, uint32_t friend_number)
{
	struct peer *p;
	HASH_FIND(hh, app->peers, &friend_number, sizeof(friend_number), p);
	return p;
}

struct peer *peer_find_key(const struct app *app, const uint8_t key[TT_KEY_LEN])
{
	uint32_t n = toxnet_friend_find(app->tn, key);
	return n == TOXNET_NO_FRIEND ? NULL : peer_find(app, n);
}

static int new_session(struct app *app, struct peer *p)
{
	struct session_config cfg;

	peer_session_config(app, p, &cfg);
	toxnet_self_key(app->tn, cfg.self_key);
	memcpy(cfg.peer_key, p->key, TT_KEY_LEN);
	randombytes_buf(cfg.inst, sizeof(cfg.inst));
	randombytes_buf(&cfg.hash_key, sizeof(cfg.hash_key));
	randombytes_buf(&cfg.seed, sizeof(cfg.seed));
	int rc = session_new(&p->session, &cfg, app_now(app));
	if (rc == TT_OK && app->draining)
		session_drain(p->session);
	return rc;
}

/* Asks for friendship with the message of now. A friend that is asked anew gets another number. */
static int ask(struct app *app, const struct tt_peer_id *id, uint32_t *number)
{
	uint8_t message[TOXNET_REQUEST_MAX];
	size_t len = access_request_message(app, id->key, message, sizeof(message));
	struct peer *p = peer_find_key(app, id->key);
	int rc = toxnet_friend_add(app->tn, id, message, len, number);

	if (rc == TT_OK && p && *number != p->friend_number) {
		HASH_DEL(app->peers, p);
		p->friend_number = *number;
		HASH_ADD(hh, app->peers, friend_number, sizeof(p->friend_number), p);
	}
	return rc;
}

static void renew_later(struct peer *p)
{
	if (!p->wanted || !p->id.has_toxid || p->path != TOXNET_PATH_NONE)
		return;
	app_timer_set(p->app, &p->renew, app_now(p->app) + p->renew_after);
	p->renew_after = tt_time_min(2 * p->renew_after, RENEW_MAX);
}

static void peer_free(struct peer *p)
{
	reverse_peer_gone(p->app, p);
	HASH_DEL(p->app->peers, p);
	app_timer_drop(p->app, &p->renew);
	session_free(p->session);
	stats_history_free(p->history);
	free(p);
}

static void run_actions(struct peer *p)
{
	struct session_action a;

	struct listen_action l;

	while (session_next_action(p->session, &a)) {
		if (a.udp)
			udp_on_action(p->app, p, &a);
		else
			conn_on_action(p->app, p, &a);
	}
	while (session_next_listen_action(p->session, &l))
		reverse_on_action(p->app, p, &l);
}

/* Its channels are closed; the sockets of all of them go before their session. */
static void leave(struct peer *p)
{
	run_actions(p);
	stats_peer_gone(p->app, p);
	toxnet_friend_remove(p->app->tn, p->friend_number);
	peer_free(p);
}

static void renew(struct app *app, void *owner)
{
	struct peer *p = owner;
	uint32_t number;

	if (p->leaving) {
		leave(p);
		return;
	}
	if (p->path != TOXNET_PATH_NONE || app->stopping)
		return;
	ask(app, &p->id, &number);
	tt_debug(app->log, "peer %s is asked again", p->tag);
	renew_later(p);
}

static struct peer *peer_new(struct app *app, uint32_t friend_number, const uint8_t key[TT_KEY_LEN])
{
	struct peer *p = calloc(1, sizeof(*p));
	if (!p)
		goto fail;
	p->app = app;
	p->friend_number = friend_number;
	memcpy(p->key, key, TT_KEY_LEN);
	p->path_log =
		(struct tt_ratelimit){.burst = PATH_LOG_BURST, .interval_us = PATH_LOG_INTERVAL};
	p->channel_log = (struct tt_ratelimit){
		.burst = CHANNEL_LOG_BURST, .interval_us = CHANNEL_LOG_INTERVAL};
	chat_peer_init(p);
	tt_key_short(key, p->tag);
	snprintf(p->name, sizeof(p->name), "%s", access_peer_name(app, key));
	if (new_session(app, p) != TT_OK)
		goto fail;
	if (app_timer_init(app, &p->renew, renew, p) != TT_OK)
		goto fail;
	HASH_ADD(hh, app->peers, friend_number, sizeof(p->friend_number), p);
	if (!p->hh.tbl) {
		app_timer_drop(app, &p->renew);
		goto fail;
	}
	peer_on_path(app, friend_number, toxnet_friend_path(app->tn, friend_number));
	return p;
fail:
	tt_error(app->log, "peer: no memory for another peer");
	if (p)
		session_free(p->session);
	free(p);
	return NULL;
}

struct peer *peer_want(struct app *app, const struct tt_peer_id *id)
{
	struct peer *p = peer_find_key(app, id->key);
	uint32_t number;
	char tag[9];

	if (p && p->wanted)
		return p;
	int rc = ask(app, id, &number);
	if (rc == TT_EINVAL) {
		uint8_t self[TT_KEY_LEN];
		toxnet_self_key(app->tn, self);
		tt_error(app->log, "peer %s %s", tt_key_short(id->key, tag),
			memcmp(self, id->key, TT_KEY_LEN) == 0
				? "is this machine itself: a tunnel needs two identities"
				: "is not a key that Tox can use; copy the Tox ID again");
		return NULL;
	}
	if (rc != TT_OK) {
		tt_error(app->log, "peer %s cannot be added: %s", tt_key_short(id->key, tag),
			tt_err_name(rc));
		return NULL;
	}
	if (!p)
		p = peer_new(app, number, id->key);
	if (p) {
		p->wanted = true;
		p->leaving = p->ousted = false;
		p->id = *id;
		if (access_is_admin(app, p->key))
			peer_reconfigure(p); /* no person, but a toxtun that is greeted */
		p->renew_after = RENEW_FIRST;
		renew_later(p);
	}
	return p;
}

bool peer_accept(struct app *app, const uint8_t key[TT_KEY_LEN])
{
	uint32_t number;

	if (toxnet_friend_accept(app->tn, key, &number) != TT_OK)
		return false;
	return peer_find(app, number) || peer_new(app, number, key);
}

void peers_restore(struct app *app)
{
	size_t n = toxnet_friend_count(app->tn);
	uint32_t *numbers = calloc(n ? n : 1, sizeof(*numbers));
	char tag[9];

	if (!numbers)
		return;
	n = toxnet_friend_list(app->tn, numbers, n);
	for (size_t i = 0; i < n; i++) {
		uint8_t key[TT_KEY_LEN];
		if (peer_find(app, numbers[i]) ||
			toxnet_friend_key(app->tn, numbers[i], key) != TT_OK)
			continue;
		if (access_peer_allowed(app, key)) {
			peer_new(app, numbers[i], key);
		} else {
			tt_info(app->log, "peer %s is not allowed any more and was removed",
				tt_key_short(key, tag));
			toxnet_friend_remove(app->tn, numbers[i]);
		}
	}
	free(numbers);
}

void peers_free(struct app *app)
{
	while (app->peers)
		peer_free(app->peers);
}

void peer_on_lossy(void *user, uint32_t friend_number, const uint8_t *data, size_t len)
{
	struct app *app = user;
	struct peer *p = peer_find(app, friend_number);
	if (p)
		session_packet_input(p->session, data, len, app_now(app));
}

/* Nobody is named as allowed: whoever has our Tox ID may come in, but not a thousand in a minute.
 * Who is passed over asks again. */
static const char *judge_stranger(struct app *app)
{
	bool full = toxnet_friend_count(app->tn) >= FRIENDS_MAX;

	if (!full && tt_ratelimit_take(&app->accepts, app_now(app)))
		return NULL;
	app->limited_requests++;
	return full ? "there are too many peers; say with allow who may come in"
		    : "too many requests at once; it is accepted when it asks again";
}

void peer_on_request(
	struct app *app, const uint8_t key[TT_KEY_LEN], const uint8_t *message, size_t len)
{
	char hex[TT_KEY_HEX + 1];

	tt_hex_encode(key, TT_KEY_LEN, hex);
	const char *why = access_judge_request(app, key, message, len);
	if (!why && !app->conf->has_allow)
		why = judge_stranger(app);
	if (why) {
		app->refused_requests++;
		/* it is judged anew when it asks again: with the right secret, or allowed meanwhile
		 */
		if (tt_ratelimit_take(&app->refusals, app_now(app)))
			toxnet_request_forget(app->tn, key);
		if (tt_ratelimit_take(&app->request_log, app_now(app)))
			tt_warn(app->log, "refused peer=%s: %s", hex, why);
		else
			app->limited_lines++;
		return;
	}
	if (peer_accept(app, key))
		tt_info(app->log, "accepted peer=%s", hex);
}

static void log_path(struct peer *p, enum toxnet_path path)
{
	struct app *app = p->app;
	struct session_stats st;

	if (!tt_ratelimit_take(&p->path_log, app_now(app))) {
		app->limited_lines++;
		return;
	}
	session_stats(p->session, &st);
	if (path == TOXNET_PATH_NONE)
		tt_warn(app->log, "peer %s is offline; %zu connections wait for it", p->tag,
			st.active);
	else
		tt_info(app->log, "peer %s is %s by %s", p->tag,
			p->path == TOXNET_PATH_NONE ? "online" : "reached", path_text(path));
}

void peer_on_path(struct app *app, uint32_t friend_number, enum toxnet_path path)
{
	struct peer *p = peer_find(app, friend_number);

	if (!p || p->path == path)
		return;
	log_path(p, path);
	if (path == TOXNET_PATH_NONE)
		stats_event(app, "peer_offline", p, "went offline");
	else
		stats_event(app, p->path == TOXNET_PATH_NONE ? "peer_online" : "peer_path", p,
			"is reached by %s", path_text(path));
	if (path == TOXNET_PATH_NONE)
		p->drops++;
	else if (p->path == TOXNET_PATH_NONE)
		p->online_since = app_now(app);
	p->path = path;
	p->path_since = app_now(app);
	p->renew_after = RENEW_FIRST;
	if (path == TOXNET_PATH_NONE)
		renew_later(p);
	else
		app_timer_set(app, &p->renew, TT_TIME_NEVER);
	p->pending_len = 0;
	p->retry_at = 0;
	session_path(p->session, link_path_of(path), app_now(app));
	if (path == TOXNET_PATH_NONE)
		conns_leave_silent(app);
}

void peer_on_message(struct app *app, uint32_t friend_number, const uint8_t *data, size_t len)
{
	struct peer *p = peer_find(app, friend_number);
	enum wire_kind kind = wire_kind(data, len);
	if (p && kind == WIRE_KIND_TEXT)
		chat_on_message(p, data, len);
	if (!p || kind != WIRE_KIND_MSGPACK)
		return;
	session_control_input(p->session, data, len, app_now(app));
	/* Not only at the end of the round: many messages with many openings each may be waiting,
	 * and those that are dialled at once must not count as half-open together. */
	run_actions(p);
}

void peer_on_receipt(struct app *app, uint32_t friend_number, uint32_t receipt)
{
	struct peer *p = peer_find(app, friend_number);
	if (p)
		session_control_confirmed(p->session, receipt);
}

static void send_control(struct peer *p)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	uint32_t receipt;

	for (unsigned i = 0; i < MESSAGES_A_ROUND; i++) {
		size_t n = session_control_output(p->session, buf);
		if (n == 0)
			return;
		int rc = toxnet_message_send(p->app->tn, p->friend_number, buf, n, &receipt);
		if (rc != TT_OK) {
			p->retry_at = app_now(p->app) + QUEUE_RETRY;
			return;
		}
		session_control_sent(p->session, receipt);
	}
	p->more_control = true;
}

static void send_packets(struct peer *p, tt_time now)
{
	for (unsigned i = 0; i < PACKETS_A_ROUND; i++) {
		if (p->pending_len == 0)
			p->pending_len = session_packet_output(p->session, p->pending, now);
		if (p->pending_len == 0)
			return;
		int rc =
			toxnet_lossy_send(p->app->tn, p->friend_number, p->pending, p->pending_len);
		if (rc == TT_EAGAIN) {
			p->retry_at = now + QUEUE_RETRY;
			return;
		}
		p->pending_len = 0;
	}
}

static void note_ready(struct peer *p)
{
	bool ready = session_ready(p->session);
	if (ready == p->ready)
		return;
	p->ready = ready;
	if (!ready)
		return;
	if (p->drops)
		p->steady_at = app_now(p->app) + FAILOVER_STEADY;
	conns_retry_waiting(p->app);
	conns_leave_silent(p->app);
}

/*
 * A direct path that is silent may be one no more: an address has changed, or a router has
 * forgotten us. toxcore takes its time to see that, and to look for another one when it has a
 * relay. A peer that is heard again may be so by a relay while our own packets still go the other
 * way.
 */
static void note_mute(struct peer *p)
{
	bool mute = link_mute(session_link(p->session));

	if (mute == p->mute)
		return;
	p->mute = mute;
	if (mute)
		conns_leave_silent(p->app);
	else
		p->steady_at = app_now(p->app) + FAILOVER_STEADY;
	if (mute && p->path == TOXNET_PATH_UDP) {
		tt_debug(p->app->log, "peer %s is not heard any more", p->tag);
		toxnet_doubt_path(p->app->tn);
	} else if (!mute && p->path != TOXNET_PATH_NONE) {
		toxnet_seek_path(p->app->tn);
	}
}

static void peer_run(struct peer *p)
{
	struct app *app = p->app;
	tt_time now = app_now(app);

	p->more_control = false;
	if (session_deadline(p->session) <= now)
		session_on_deadline(p->session, now);
	note_ready(p);
	note_mute(p);
	run_actions(p);
	if (p->path == TOXNET_PATH_NONE || now < p->retry_at)
		return;
	send_control(p);
	send_packets(p, loop_clock(app->loop));
}

/* One that waits has no channel yet and may be for any peer. */
static bool is_used(const struct peer *p)
{
	struct session_stats st;

	session_stats(p->session, &st);
	return st.active > 0 || st.udp.flows > 0 || p->app->waiting_head;
}

/* Nothing more can or need be said to it. */
static bool may_leave(const struct peer *p)
{
	return p->leaving && (p->path == TOXNET_PATH_NONE || session_control_idle(p->session));
}

void peers_run(struct app *app)
{
	struct peer *p, *next;
	HASH_ITER (hh, app->peers, p, next) {
		peer_run(p);
		if (p->ousted && !p->leaving && !is_used(p))
			peer_remove(p);
		if (may_leave(p))
			leave(p);
	}
}

tt_time peers_deadline(const struct app *app)
{
	tt_time d = TT_TIME_NEVER;
	for (const struct peer *p = app->peers; p; p = p->hh.next) {
		bool now = p->pending_len || p->more_control || session_has_action(p->session);
		tt_time mine = now ? 0 : session_deadline(p->session);
		if (mine != TT_TIME_NEVER && mine < p->retry_at)
			mine = p->retry_at;
		d = tt_time_min(d, mine);
		if (p->path != TOXNET_PATH_NONE && app_now(app) < p->retry_at)
			d = tt_time_min(d, p->retry_at);
	}
	return d;
}

void peers_drain(struct app *app)
{
	for (struct peer *p = app->peers; p; p = p->hh.next)
		session_drain(p->session);
}

void peers_shutdown(struct app *app)
{
	for (struct peer *p = app->peers; p; p = p->hh.next)
		session_end(p->session, REASON_SHUTDOWN);
}

bool peers_idle(const struct app *app)
{
	for (const struct peer *p = app->peers; p; p = p->hh.next) {
		if (p->path != TOXNET_PATH_NONE && !session_control_idle(p->session))
			return false;
	}
	return true;
}
