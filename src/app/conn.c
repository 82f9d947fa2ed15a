#include "conn_int.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench_service.h"
#include "failover.h"
#include "fd_limit.h"
#include "forward.h"
#include "net.h"
#include "proxy.h"
#include "tt_err.h"
#include "udp_associate.h"

static void conn_ready(void *user, unsigned events);
static void conn_timeout(struct app *app, void *owner);

struct conn *conn_new(struct app *app)
{
	struct conn *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->app = app;
	c->fd = -1;
	if (app_timer_init(app, &c->timer, conn_timeout, c) != TT_OK) {
		free(c);
		return NULL;
	}
	c->next = app->conns;
	if (c->next)
		c->next->prev = c;
	app->conns = c;
	app->n_conns++;
	return c;
}

static void drop_from_waiting(struct conn *c)
{
	struct app *app = c->app;
	struct conn **p = &app->waiting_head, *last = NULL;

	if (!c->waiting)
		return;
	while (*p != c) {
		last = *p;
		p = &(*p)->wait_next;
	}
	*p = c->wait_next;
	if (app->waiting_tail == c)
		app->waiting_tail = last;
	c->waiting = false;
}

void conn_close_fd(struct conn *c, bool hard)
{
	loop_watch_free(c->watch);
	c->watch = NULL;
	c->interest = 0;
	if (c->fd < 0)
		return;
	if (hard)
		net_close_hard(c->fd);
	else
		close(c->fd);
	c->fd = -1;
}

void conn_free(struct conn *c, bool hard)
{
	struct app *app = c->app;

	drop_from_waiting(c);
	conn_close_fd(c, hard);
	conn_dial_free(c->dial);
	bench_service_free(c->service);
	proxy_free(c->proxy);
	udp_associate_free(c->associate);
	forward_unref(c->forward);
	app_timer_drop(app, &c->timer);
	if (c->prev)
		c->prev->next = c->next;
	else
		app->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	app->n_conns--;
	free(c);
}

void conns_close(struct app *app)
{
	while (app->conns) {
		struct conn *c = app->conns;
		if (c->channel)
			channel_set_user(c->channel, NULL);
		conn_free(c, true);
	}
}

void conns_end_associations(struct app *app, const struct forward *forward)
{
	struct conn *next;

	for (struct conn *c = app->conns; c; c = next) {
		next = c->next;
		if (c->associate && c->forward == forward)
			conn_free(c, false);
	}
}

void conn_set_interest(struct conn *c, unsigned events)
{
	if (c->watch && events != c->interest && loop_watch_set(c->watch, events) == TT_OK)
		c->interest = (uint8_t)events;
}

int conn_watch(struct conn *c, unsigned events)
{
	int rc = loop_watch_new(&c->watch, c->app->loop, c->fd, events, conn_ready, c);
	c->interest = rc == TT_OK ? (uint8_t)events : 0;
	return rc;
}

void conn_cut(struct conn *c, enum close_reason why)
{
	conn_set_interest(c, 0);
	channel_abort(c->channel, why, app_now(c->app));
}

/* ---- opener's side ---- */

/* True where the application hears whether its connection is open, before bytes flow. */
static bool is_answered(const struct conn *c)
{
	return c->proxy || c->answer;
}

static void tell(struct conn *c, enum close_reason why, const char *words)
{
	if (c->proxy)
		conn_proxy_tell(c, why);
	else if (c->answer)
		c->answer(c->fd, why, words);
}

static void fail_waiting(struct conn *c, enum close_reason why)
{
	/* Who is told knows best what to do; through a proxy many a target is asked for in vain. */
	bool told = is_answered(c);
	tt_log_at(c->app->log, told ? TT_LOG_INFO : TT_LOG_ERROR,
		"tunnel %s: connection failed reason=%s: %s", c->forward->conf.name,
		reason_name(why), reason_text(why));
	c->app->ended.opened++;
	c->app->ended.failed++;
	c->app->ended.reasons[why]++;
	tell(c, why, reason_text(why));
	conn_free(c, !told);
}

/* The channel is being opened: its first bytes may go at once. */
static void start(struct conn *c)
{
	if (!c->watch && conn_watch(c, 0) != TT_OK)
		conn_cut(c, REASON_LIMIT);
	else
		conn_pump(c, 0);
}

static struct channel_target target_of(const struct conn *c)
{
	const struct conf_forward *f = &c->forward->conf;
	struct channel_target t = {.proto = f->target_path ? WIRE_UNIX : WIRE_TCP,
		.host = f->host,
		.port = f->port,
		.tunnel = f->name};

	if (c->proxy)
		t.host = proxy_target(c->proxy, &t.port);
	if (c->forward->lid) /* a peer's listener here */
		t = (struct channel_target){.proto = WIRE_REVERSE,
			.host = "listener",
			.port = f->listen_port,
			.lid = c->forward->lid,
			.tunnel = f->name};
	return t;
}

static bool has_several(const struct conn *c)
{
	return c->forward && c->forward->conf.n_peers > 1;
}

bool conn_may_move(const struct conn *c)
{
	return has_several(c) && c->channel && !c->open;
}

_Static_assert(CONF_FORWARD_PEERS_MAX <= 16, "bits of conn.tried");

static int open_at(struct conn *c, const struct failover_choice *at)
{
	struct channel_target t = target_of(c);
	tt_time now = app_now(c->app);
	int rc = session_open(at->peer->session, &t, &c->channel, c, now);

	if (!c->tried)
		c->open_by = now + TT_S(c->app->conf->connect_timeout_s);
	c->tried |= (uint16_t)(1u << at->index);
	if (rc != TT_OK)
		return rc;
	c->peer = at->peer;
	c->server = (uint8_t)at->index;
	failover_used(c->forward, at);
	if (!has_several(c)) {
		app_timer_set(c->app, &c->timer, TT_TIME_NEVER); /* the session has its own */
		return rc;
	}
	/* Its share of the time, unless it is found to be silent. */
	app_timer_set(c->app, &c->timer, now + tt_time_since(c->open_by, now) / (at->others + 1));
	link_doubt(session_link(at->peer->session), now);
	return rc;
}

/* True when the connection needs to wait no longer: it has a channel, or is gone. */
static bool try_open(struct conn *c)
{
	struct failover_choice at;
	int rc = TT_EAGAIN;

	while (rc != TT_OK && failover_choose(c->app, c->forward, c->tried, &at))
		rc = open_at(c, &at);
	if (rc == TT_EAGAIN)
		return false;
	drop_from_waiting(c);
	if (rc == TT_OK)
		start(c);
	else
		fail_waiting(c, REASON_LIMIT);
	return true;
}

/* Its channel has ended. True when the connection goes on at another server, or is gone. */
static bool try_next(struct conn *c, enum close_reason why)
{
	if (!conn_may_move(c) || c->app->stopping || !failover_curable(why))
		return false;
	failover_failed(c->forward, c->server, app_now(c->app));
	c->channel = NULL;
	c->peer = NULL;
	return try_open(c);
}

void conns_leave_silent(struct app *app)
{
	struct failover_choice other;

	for (struct conn *c = app->conns; c; c = c->next) {
		if (conn_may_move(c) && (c->peer->mute || !session_ready(c->peer->session)) &&
			failover_choose(app, c->forward, c->tried, &other) &&
			other.rank < FAILOVER_MUTE)
			conn_cut(c, REASON_CONNECT_TIMEOUT);
	}
}

void conn_request(struct conn *c)
{
	struct app *app = c->app;

	if (try_open(c))
		return;
	c->waiting = true;
	c->wait_next = NULL;
	if (app->waiting_tail)
		app->waiting_tail->wait_next = c;
	else
		app->waiting_head = c;
	app->waiting_tail = c;
	app_timer_set(app, &c->timer, app_now(app) + TT_S(app->conf->connect_timeout_s));
}

static struct conn *new_opener(struct app *app, struct forward *forward, int fd)
{
	struct conn *c = conn_new(app);

	if (!c) {
		net_close_hard(fd);
		return NULL;
	}
	c->fd = fd;
	c->forward = forward_ref(forward);
	return c;
}

void conn_accept(struct app *app, struct forward *forward, int fd)
{
	struct conn *c = new_opener(app, forward, fd);

	if (!c)
		return;
	net_tune(fd);
	if (forward->conf.socks)
		conn_proxy_start(c);
	else
		conn_request(c);
}

void conn_accept_answered(struct app *app, struct forward *forward, int fd, conn_answer *answer)
{
	struct conn *c = new_opener(app, forward, fd);

	if (!c)
		return;
	c->answer = answer;
	conn_request(c);
}

void conns_retry_waiting(struct app *app)
{
	struct conn *next;
	for (struct conn *c = app->waiting_head; c; c = next) {
		next = c->wait_next;
		try_open(c);
	}
}

int conn_open(struct app *app, struct peer *p, const struct channel_target *t, int fd,
	const struct conn_owner *owner, struct conn **out)
{
	struct conn *c = conn_new(app);
	int rc = TT_ENOMEM;

	if (!c) {
		close(fd);
		return rc;
	}
	c->fd = fd;
	c->peer = p;
	rc = session_open(p->session, t, &c->channel, c, app_now(app));
	if (rc != TT_OK) {
		conn_free(c, false);
		return rc;
	}
	c->owner = *owner;
	start(c);
	*out = c;
	return TT_OK;
}

uint32_t conn_id(const struct conn *c)
{
	struct channel_info info;

	channel_info(c->channel, &info);
	return info.ccid;
}

void conn_abort(struct conn *c)
{
	c->owner = (struct conn_owner){0};
	conn_cut(c, REASON_RESET);
}

/* ---- events ---- */

static void conn_ready(void *user, unsigned events)
{
	struct conn *c = user;

	if (c->associate || (c->proxy && !c->channel))
		conn_proxy_ready(c);
	else
		conn_pump(c, events);
}

static void conn_timeout(struct app *app, void *owner)
{
	struct conn *c = owner;

	(void)app;
	if (c->dial)
		conn_dial_timeout(c);
	else if (c->waiting)
		fail_waiting(c, REASON_CONNECT_TIMEOUT);
	else if (c->proxy && !c->channel)
		conn_free(c, true); /* it was too slow to say where to */
	else if (conn_may_move(c))
		conn_cut(c, REASON_CONNECT_TIMEOUT);
	else
		conn_pump(c, 0);
}

/* An error is for our user's eyes where it is one of our forwards': a connection of the program's
 * own has an owner who tells it, and one of the peer's is told there. */
static void log_closed(const struct app *app, const struct peer *p, const struct channel_info *info,
	const struct conn *c)
{
	enum tt_log_level level = TT_LOG_DEBUG;

	if (info->reason > REASON_BOTH_CLOSE && c && c->forward && !c->forward->lid)
		level = !c->open && is_answered(c)         ? TT_LOG_INFO
			: info->bytes_in + info->bytes_out ? TT_LOG_WARN
							   : TT_LOG_ERROR;
	tt_log_at(app->log, level,
		"%s%s%speer=%s chan=%u target=%s:%u in=%llu out=%llu reason=%s: %s",
		info->tunnel[0] ? "tunnel " : "", info->tunnel, info->tunnel[0] ? ": " : "", p->tag,
		info->ccid, info->host, info->port, (unsigned long long)info->bytes_in,
		(unsigned long long)info->bytes_out, reason_name(info->reason),
		info->text[0] ? info->text : reason_text(info->reason));
}

static void on_closed(struct app *app, struct peer *p, const struct session_action *a)
{
	struct channel_info info;
	struct conn *c = a->user;

	channel_info(a->channel, &info);
	if (c && try_next(c, info.reason)) {
		tt_warn(app->log, "tunnel %s: peer=%s chan=%u reason=%s: another server is tried",
			info.tunnel, p->tag, info.ccid, reason_name(info.reason));
		channel_release(a->channel);
		return;
	}
	log_closed(app, p, &info, c);
	bool told = c && !c->open && is_answered(c);
	if (told)
		tell(c, info.reason, info.text[0] ? info.text : reason_text(info.reason));
	if (c && c->owner.closed)
		c->owner.closed(c->owner.user, info.reason);
	if (c)
		conn_free(c, info.reason > REASON_BOTH_CLOSE && !told);
	channel_release(a->channel);
}

/* The channel's connection; the accepter's is made when there is something to do for it. */
static struct conn *conn_of(struct app *app, struct peer *p, const struct session_action *a)
{
	if (a->user)
		return a->user;
	struct conn *c = fd_limit_room(app) ? conn_new(app) : NULL;
	if (!c) {
		channel_abort(a->channel, REASON_LIMIT, app_now(app));
		return NULL;
	}
	c->channel = a->channel;
	c->peer = p;
	channel_set_user(a->channel, c);
	return c;
}

void conn_on_action(struct app *app, struct peer *p, const struct session_action *a)
{
	struct conn *c;

	if (a->type == ACTION_CLOSED) {
		on_closed(app, p, a);
		return;
	}
	c = conn_of(app, p, a);
	if (!c)
		return;
	switch (a->type) {
	case ACTION_RESOLVE:
		conn_resolve(c, a);
		break;
	case ACTION_DIAL:
		conn_dial(c, a);
		break;
	case ACTION_OPENED:
		c->open = true;
		tell(c, REASON_NONE, "");
		conn_pump(c, 0);
		break;
	case ACTION_READY:
		conn_pump(c, 0);
		break;
	case ACTION_SHUTDOWN:
		shutdown(c->fd, SHUT_WR);
		break;
	case ACTION_CLOSED:
		break;
	}
}
