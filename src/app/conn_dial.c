/* The accepter's side of a connection: resolving its target's name and connecting to it. */
#include "conn_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench_service.h"
#include "net.h"
#include "tt_err.h"

struct dial {
	struct loop_resolve *resolve;
	struct tt_addr *addrs;
	size_t n_addrs, next_addr;
	uint16_t port;
	bool connecting; /* connect is under way */
	enum close_reason last_failure;
};

void conn_dial_free(struct dial *d)
{
	if (!d)
		return;
	loop_resolve_free(d->resolve);
	free(d->addrs);
	free(d);
}

static struct dial *dial_of(struct conn *c)
{
	if (!c->dial)
		c->dial = calloc(1, sizeof(*c->dial));
	return c->dial;
}

static void failed(struct conn *c)
{
	channel_dialed(c->channel, c->dial ? c->dial->last_failure : REASON_LIMIT, app_now(c->app));
}

static void connected(struct conn *c)
{
	conn_dial_free(c->dial);
	c->dial = NULL;
	app_timer_set(c->app, &c->timer, TT_TIME_NEVER);
	net_tune(c->fd);
	channel_dialed(c->channel, REASON_NONE, app_now(c->app));
}

/* Tries the next address; the channel hears of it when there is none left. */
static void dial_next(struct conn *c)
{
	struct dial *d = c->dial;

	conn_close_fd(c, false);
	app_timer_set(c->app, &c->timer, TT_TIME_NEVER);
	d->connecting = false;
	while (d->next_addr < d->n_addrs) {
		bool done = false;
		size_t left = d->n_addrs - d->next_addr;
		c->fd = net_connect(&d->addrs[d->next_addr++], d->port, &done);
		if (c->fd < 0) {
			d->last_failure = net_close_reason(errno);
			continue;
		}
		if (conn_watch(c, done ? 0 : LOOP_WRITE) != TT_OK) {
			d->last_failure = REASON_LIMIT;
			conn_close_fd(c, false);
			continue;
		}
		d->connecting = !done;
		if (done)
			connected(c);
		else if (left > 1) /* the last one has what is left of the channel's time-out */
			app_timer_set(c->app, &c->timer,
				app_now(c->app) +
					TT_S(c->app->conf->connect_timeout_s) / (left + 1));
		return;
	}
	failed(c);
}

void conn_dial_answered(struct conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (!c->dial->connecting)
		return;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	if (err == 0) {
		connected(c);
		return;
	}
	c->dial->last_failure = net_close_reason(err);
	dial_next(c);
}

void conn_dial_timeout(struct conn *c)
{
	c->dial->last_failure = REASON_TARGET_TIMEOUT;
	dial_next(c);
}

static void resolved(void *user, const struct tt_addr *addrs, size_t n, const char *error)
{
	struct conn *c = user;

	if (n == 0)
		tt_debug(c->app->log, "resolver: %s", error ? error : "no address");
	channel_resolved(c->channel, addrs, n, app_now(c->app));
}

void conn_resolve(struct conn *c, const struct session_action *a)
{
	struct dial *d = dial_of(c);

	if (!d || loop_resolve_new(&d->resolve, c->app->loop, a->host, resolved, c) != TT_OK)
		channel_resolved(c->channel, NULL, 0, app_now(c->app));
}

static void start_service(struct conn *c, enum wire_bench kind)
{
	if (bench_service_new(&c->service, c->app, c->peer, kind, conn_id(c), &c->fd) != TT_OK ||
		conn_watch(c, 0) != TT_OK)
		failed(c);
	else
		connected(c);
}

/* It is connected at once, or not at all. */
static void dial_path(struct conn *c, const char *path)
{
	enum close_reason why = REASON_NONE;

	c->fd = net_connect_path(path);
	if (c->fd < 0)
		why = net_close_reason(errno);
	else if (conn_watch(c, 0) != TT_OK)
		why = REASON_LIMIT;
	channel_dialed(c->channel, why, app_now(c->app));
}

void conn_dial(struct conn *c, const struct session_action *a)
{
	if (a->bench) {
		start_service(c, a->bench);
		return;
	}
	if (a->path) {
		dial_path(c, a->host);
		return;
	}
	struct dial *d = dial_of(c);
	if (!d) {
		failed(c);
		return;
	}
	d->addrs = malloc(a->n_addrs * sizeof(*d->addrs));
	if (!d->addrs) {
		d->last_failure = REASON_LIMIT;
		failed(c);
		return;
	}
	memcpy(d->addrs, a->addrs, a->n_addrs * sizeof(*d->addrs));
	d->n_addrs = a->n_addrs;
	d->port = a->port;
	d->last_failure = REASON_TARGET_UNREACHABLE;
	dial_next(c);
}
