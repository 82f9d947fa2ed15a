#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench_service.h"
#include "net.h"
#include "peer.h"
#include "tt_err.h"

/* Bytes that one connection may move in one direction before the others have their turn. */
#define PUMP_BUDGET (256u << 10)
#define PUMP_IOV 48

struct conn {
	struct app *app;
	struct conn *prev, *next;
	struct conn *wait_next;
	const struct conf_forward *forward; /* opener: NULL when the program itself opened it */
	struct conn_owner owner;            /* of a connection without a forward */
	struct peer *peer;                  /* NULL while none is chosen */
	struct channel *channel;            /* NULL while waiting */
	int fd;                             /* -1: none */
	struct loop_watch *watch;
	unsigned interest; /* what the watch waits for now */
	bool connecting;   /* accepter: connect is under way */
	bool open;         /* the channel is open */
	bool waiting;      /* in app->waiting */
	bool local_eof;    /* our socket has no more to read */
	bool more;         /* a pump stopped for its budget: go on in the next round */

	/* accepter's side */
	struct bench_service *service; /* at the other end of fd, in place of a target; else NULL */
	struct loop_resolve *resolve;
	struct tt_addr *addrs;
	size_t n_addrs, next_addr;
	uint16_t port;
	enum close_reason last_failure;
	struct app_timer timer; /* of waiting, of one attempt to connect, or of `more` */
};

static void conn_ready(void *user, unsigned events);
static void conn_timeout(struct app *app, void *owner);

static struct conn *conn_new(struct app *app)
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

static void close_fd(struct conn *c, bool hard)
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

/* Frees the connection; its channel must be closed or be nobody's. */
static void conn_free(struct conn *c, bool hard)
{
	struct app *app = c->app;

	drop_from_waiting(c);
	close_fd(c, hard);
	bench_service_free(c->service);
	loop_resolve_free(c->resolve);
	app_timer_drop(app, &c->timer);
	if (c->prev)
		c->prev->next = c->next;
	else
		app->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	app->n_conns--;
	free(c->addrs);
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

static void set_interest(struct conn *c, unsigned events)
{
	if (c->watch && events != c->interest && loop_watch_set(c->watch, events) == TT_OK)
		c->interest = events;
}

static int watch(struct conn *c, unsigned events)
{
	int rc = loop_watch_new(&c->watch, c->app->loop, c->fd, events, conn_ready, c);
	c->interest = rc == TT_OK ? events : 0;
	return rc;
}

/* ---- moving bytes ---- */

static void abort_channel(struct conn *c, enum close_reason why)
{
	set_interest(c, 0);
	channel_abort(c->channel, why, app_now(c->app));
}

/* What one direction of a pump found out. */
enum pump {
	PUMP_IDLE,   /* waits for the channel */
	PUMP_SOCKET, /* waits for the socket */
	PUMP_MORE,   /* there is more to do: after the others */
	PUMP_OVER,   /* nothing will come any more, or the channel was aborted */
};

/* Socket to peer. */
static enum pump pump_out(struct conn *c)
{
	struct iovec iov[PUMP_IOV];
	size_t moved = 0;

	while (!c->local_eof && moved < PUMP_BUDGET) {
		int n = channel_send_reserve(c->channel, iov, PUMP_IOV, PUMP_BUDGET);
		if (n < 0) {
			abort_channel(c, REASON_LIMIT);
			return PUMP_OVER;
		}
		if (n == 0)
			return PUMP_IDLE;
		ssize_t got = readv(c->fd, iov, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return PUMP_SOCKET;
		if (got < 0) {
			abort_channel(c, REASON_RESET);
			return PUMP_OVER;
		}
		if (got == 0) {
			c->local_eof = true;
			channel_send_eof(c->channel, app_now(c->app));
			break;
		}
		channel_send_commit(c->channel, (size_t)got, app_now(c->app));
		moved += (size_t)got;
	}
	return c->local_eof ? PUMP_OVER : PUMP_MORE;
}

/* Peer to socket. */
static enum pump pump_in(struct conn *c)
{
	struct iovec iov[PUMP_IOV];
	size_t moved = 0;

	while (moved < PUMP_BUDGET) {
		int n = channel_recv_peek(c->channel, iov, PUMP_IOV);
		if (n == 0)
			return PUMP_IDLE;
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
		ssize_t put = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return PUMP_SOCKET;
		if (put < 0) {
			abort_channel(c, REASON_RESET);
			return PUMP_OVER;
		}
		channel_recv_consume(c->channel, (size_t)put, app_now(c->app));
		moved += (size_t)put;
	}
	return PUMP_MORE;
}

static void pump(struct conn *c)
{
	if (c->fd < 0 || c->connecting || !c->channel)
		return;
	enum pump out = pump_out(c);
	enum pump in = c->open ? pump_in(c) : PUMP_IDLE;

	c->more = in == PUMP_MORE;
	set_interest(c, (out == PUMP_SOCKET || out == PUMP_MORE ? LOOP_READ : 0) |
				(in == PUMP_SOCKET ? LOOP_WRITE : 0));
	if (c->open)
		app_timer_set(c->app, &c->timer, c->more ? app_now(c->app) + 1 : TT_TIME_NEVER);
}

/* ---- opener's side ---- */

static void fail_waiting(struct conn *c, enum close_reason why)
{
	tt_error(c->app->log, "tunnel %s: connection failed reason=%s: %s", c->forward->name,
		reason_name(why), reason_text(why));
	c->app->ended.opened++;
	c->app->ended.failed++;
	c->app->ended.reasons[why]++;
	conn_free(c, true);
}

/* The channel is being opened: its first bytes may go at once. */
static void start(struct conn *c)
{
	if (watch(c, 0) != TT_OK)
		abort_channel(c, REASON_LIMIT);
	else
		pump(c);
}

/* True when the connection needs to wait no longer: it has a channel, or is gone. */
static bool try_open(struct conn *c)
{
	const struct conf_forward *f = c->forward;
	struct channel_target t = {.host = f->host, .port = f->port, .tunnel = f->name};
	int rc = TT_EAGAIN;

	for (size_t i = 0; i < f->n_peers && rc == TT_EAGAIN; i++) {
		struct peer *p = peer_find_key(c->app, f->peers[i].key);
		if (!p)
			continue;
		rc = session_open(p->session, &t, &c->channel, c, app_now(c->app));
		if (rc == TT_OK)
			c->peer = p;
	}
	if (rc == TT_EAGAIN)
		return false;
	drop_from_waiting(c);
	if (rc != TT_OK) {
		fail_waiting(c, REASON_LIMIT);
		return true;
	}
	app_timer_set(c->app, &c->timer, TT_TIME_NEVER); /* the session has its own */
	start(c);
	return true;
}

void conn_accept(struct app *app, const struct conf_forward *forward, int fd)
{
	struct conn *c = conn_new(app);
	if (!c) {
		net_close_hard(fd);
		return;
	}
	c->fd = fd;
	c->forward = forward;
	net_tune(fd);
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
	abort_channel(c, REASON_RESET);
}

/* ---- accepter's side ---- */

static enum close_reason reason_of_errno(int err)
{
	switch (err) {
	case ECONNREFUSED:
		return REASON_REFUSED_BY_TARGET;
	case ETIMEDOUT:
		return REASON_TARGET_TIMEOUT;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EADDRNOTAVAIL:
		return REASON_LIMIT;
	default:
		return REASON_TARGET_UNREACHABLE;
	}
}

static void dialed(struct conn *c)
{
	c->connecting = false;
	app_timer_set(c->app, &c->timer, TT_TIME_NEVER);
	net_tune(c->fd);
	channel_dialed(c->channel, REASON_NONE, app_now(c->app));
}

/* Tries the next address; the channel hears of it when there is none left. */
static void dial_next(struct conn *c)
{
	close_fd(c, false);
	while (c->next_addr < c->n_addrs) {
		bool done = false;
		size_t left = c->n_addrs - c->next_addr;
		c->fd = net_connect(&c->addrs[c->next_addr++], c->port, &done);
		if (c->fd < 0) {
			c->last_failure = reason_of_errno(errno);
			continue;
		}
		c->connecting = true;
		if (watch(c, done ? 0 : LOOP_WRITE) != TT_OK) {
			c->last_failure = REASON_LIMIT;
			close_fd(c, false);
			continue;
		}
		if (done)
			dialed(c);
		else if (left > 1) /* the last one has what is left of the channel's time-out */
			app_timer_set(c->app, &c->timer,
				app_now(c->app) +
					TT_S(c->app->conf->connect_timeout_s) / (left + 1));
		return;
	}
	c->connecting = false;
	channel_dialed(c->channel, c->last_failure, app_now(c->app));
}

static void connect_finished(struct conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	if (err == 0) {
		dialed(c);
		return;
	}
	c->last_failure = reason_of_errno(err);
	dial_next(c);
}

static void resolved(void *user, const struct tt_addr *addrs, size_t n, const char *error)
{
	struct conn *c = user;

	if (n == 0)
		tt_debug(c->app->log, "resolver: %s", error ? error : "no address");
	channel_resolved(c->channel, addrs, n, app_now(c->app));
}

static struct conn *conn_of(struct app *app, struct peer *p, const struct session_action *a)
{
	if (a->user)
		return a->user;
	struct conn *c = conn_new(app);
	if (!c) {
		channel_abort(a->channel, REASON_LIMIT, app_now(app));
		return NULL;
	}
	c->channel = a->channel;
	c->peer = p;
	c->port = a->port;
	c->last_failure = REASON_TARGET_UNREACHABLE;
	channel_set_user(a->channel, c);
	return c;
}

static void start_service(struct conn *c, enum wire_bench kind)
{
	if (bench_service_new(&c->service, c->app, c->peer, kind, conn_id(c), &c->fd) != TT_OK ||
		watch(c, 0) != TT_OK)
		channel_dialed(c->channel, REASON_LIMIT, app_now(c->app));
	else
		dialed(c);
}

static void start_dial(struct conn *c, const struct session_action *a)
{
	if (a->bench) {
		start_service(c, a->bench);
		return;
	}
	c->addrs = calloc(a->n_addrs, sizeof(*c->addrs));
	if (!c->addrs) {
		channel_dialed(c->channel, REASON_LIMIT, app_now(c->app));
		return;
	}
	memcpy(c->addrs, a->addrs, a->n_addrs * sizeof(*c->addrs));
	c->n_addrs = a->n_addrs;
	dial_next(c);
}

/* ---- events ---- */

static void conn_ready(void *user, unsigned events)
{
	struct conn *c = user;

	(void)events;
	if (c->connecting)
		connect_finished(c);
	else
		pump(c);
}

static void conn_timeout(struct app *app, void *owner)
{
	struct conn *c = owner;

	(void)app;
	if (c->connecting) {
		c->last_failure = REASON_TARGET_TIMEOUT;
		dial_next(c);
	} else if (c->waiting) {
		fail_waiting(c, REASON_CONNECT_TIMEOUT);
	} else {
		pump(c);
	}
}

/* An error is for our user's eyes where it is one of our forwards': a connection of the program's
 * own has an owner who tells it, and one of the peer's is told there. */
static void log_closed(const struct app *app, const struct peer *p, const struct channel_info *info,
	bool forwarded)
{
	enum tt_log_level level = TT_LOG_DEBUG;

	if (info->reason > REASON_BOTH_CLOSE && forwarded)
		level = info->bytes_in + info->bytes_out ? TT_LOG_WARN : TT_LOG_ERROR;
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
	log_closed(app, p, &info, c && c->forward);
	if (c && c->owner.closed)
		c->owner.closed(c->owner.user, info.reason);
	if (c)
		conn_free(c, info.reason > REASON_BOTH_CLOSE);
	channel_release(a->channel);
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
		if (loop_resolve_new(&c->resolve, app->loop, a->host, resolved, c) != TT_OK)
			channel_resolved(c->channel, NULL, 0, app_now(app));
		break;
	case ACTION_DIAL:
		start_dial(c, a);
		break;
	case ACTION_OPENED:
		c->open = true;
		pump(c);
		break;
	case ACTION_READY:
		pump(c);
		break;
	case ACTION_SHUTDOWN:
		shutdown(c->fd, SHUT_WR);
		break;
	case ACTION_CLOSED:
		break;
	}
}
