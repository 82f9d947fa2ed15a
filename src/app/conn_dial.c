/* The accepter's side of a connection: resolving its target's name and connecting to it. */
#include "conn_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access.h"
#include "bench_service.h"
#include "net.h"
#include "tt_err.h"
#include "wire_pp2.h"

/* RFC 8305: the next address is tried so long after the one before, which goes on meanwhile. */
#define ATTEMPT_DELAY TT_MS(250)
/* Each holds a descriptor. One more ends the one that has waited for longest. */
#define ATTEMPTS_AT_ONCE 4

struct attempt {
	struct conn *conn;
	struct loop_watch *watch; /* NULL: none under way */
	int fd;
};

struct dial {
	struct loop_resolve *resolve;
	struct tt_addr *addrs;
	size_t n_addrs, next_addr;
	uint16_t port;
	struct attempt attempts[ATTEMPTS_AT_ONCE]; /* address i in place i % ATTEMPTS_AT_ONCE */
	enum close_reason last_failure;
};

static void end_attempt(struct attempt *a)
{
	if (!a->watch)
		return;
	loop_watch_free(a->watch);
	a->watch = NULL;
	close(a->fd);
}

void conn_dial_free(struct dial *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < ATTEMPTS_AT_ONCE; i++)
		end_attempt(&d->attempts[i]);
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

/* c->fd is the connection; other attempts are given up. */
static void connected(struct conn *c)
{
	conn_dial_free(c->dial);
	c->dial = NULL;
	app_timer_set(c->app, &c->timer, TT_TIME_NEVER);
	net_tune(c->fd);
	channel_dialed(c->channel, conn_watch(c, 0) == TT_OK ? REASON_NONE : REASON_LIMIT,
		app_now(c->app));
}

/* Who it is for. A peer cannot fill the log with it: what is above the rate is there with -v. */
static void log_connected(const struct conn *c, const char *id)
{
	struct peer *p = c->peer;
	uint32_t missing = p->channel_log.suppressed;
	bool now = tt_ratelimit_take(&p->channel_log, app_now(c->app));
	struct channel_info info;
	char key[TT_KEY_HEX + 1];

	channel_info(c->channel, &info);
	if (now && missing)
		tt_info(c->app->log, "channel: peer=%s %u more connections were not logged", p->tag,
			missing);
	if (now)
		p->channel_log.suppressed = 0;
	else
		c->app->limited_lines++;
	tt_log_at(c->app->log, now ? TT_LOG_INFO : TT_LOG_DEBUG,
		"channel: peer=%s chan=%u target=%s:%u connected key=%s%s%s id=%s", p->tag,
		info.ccid, info.host, info.port, tt_hex_encode(p->key, TT_KEY_LEN, key),
		p->name[0] ? " name=" : "", p->name, id);
}

/* Tells the target about the peer, where the configuration says so. False when it would not hear:
 * the header is small and the first that is sent, so it goes at once or never. */
static bool introduce(const struct conn *c, const char *id)
{
	const struct conf *conf = c->app->conf;
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	struct wire_pp2 h = {.name = c->peer->name, .id = id, .number = (uint16_t)conn_id(c)};
	uint8_t header[WIRE_PP2_MAX];

	if (getpeername(c->fd, (struct sockaddr *)&ss, &len) != 0)
		return false;
	h.target = net_addr_of(&ss, &h.port);
	if (!h.target.family ||
		!access_allows(conf->introduced, conf->n_introduced, NULL, &h.target, h.port))
		return true;
	memcpy(h.key, c->peer->key, TT_KEY_LEN);
	size_t n = wire_pp2_encode(&h, header);
	return send(c->fd, header, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* False where the target has gone already. */
static bool target_connected(struct conn *c)
{
	char id[WIRE_PP2_TEXT_MAX];

	snprintf(id, sizeof(id), "%s-%llx-%u", c->peer->tag,
		(unsigned long long)(loop_wall_us() / 1000), conn_id(c));
	if (!introduce(c, id))
		return false;
	log_connected(c, id);
	connected(c);
	return true;
}

static bool under_way(const struct dial *d)
{
	for (size_t i = 0; i < ATTEMPTS_AT_ONCE; i++) {
		if (d->attempts[i].watch)
			return true;
	}
	return false;
}

static void dial_next(struct conn *c);

static void on_answer(void *user, unsigned events)
{
	struct attempt *a = user;
	struct conn *c = a->conn;
	int err = 0;
	socklen_t len = sizeof(err);

	(void)events;
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	if (err == 0) {
		loop_watch_free(a->watch);
		a->watch = NULL;
		c->fd = a->fd;
		if (target_connected(c))
			return;
		conn_close_fd(c, false);
		c->dial->last_failure = REASON_TARGET_UNREACHABLE;
		dial_next(c);
		return;
	}
	end_attempt(a);
	c->dial->last_failure = net_close_reason(err);
	dial_next(c);
}

/* Tries the next address; the channel hears of it when none is left, and ends the last by itself.
 */
static void dial_next(struct conn *c)
{
	struct dial *d = c->dial;

	while (d->next_addr < d->n_addrs) {
		struct attempt *a = &d->attempts[d->next_addr % ATTEMPTS_AT_ONCE];
		bool done = false;
		end_attempt(a);
		a->conn = c;
		a->fd = net_connect(&d->addrs[d->next_addr++], d->port, &done);
		if (a->fd < 0) {
			d->last_failure = net_close_reason(errno);
			continue;
		}
		if (done) {
			c->fd = a->fd;
			if (target_connected(c))
				return;
			conn_close_fd(c, false);
			d->last_failure = REASON_TARGET_UNREACHABLE;
			continue;
		}
		if (loop_watch_new(&a->watch, c->app->loop, a->fd, LOOP_WRITE, on_answer, a) ==
			TT_OK) {
			app_timer_set(c->app, &c->timer,
				d->next_addr < d->n_addrs ? app_now(c->app) + ATTEMPT_DELAY
							  : TT_TIME_NEVER);
			return;
		}
		d->last_failure = REASON_LIMIT;
		close(a->fd);
	}
	app_timer_set(c->app, &c->timer, TT_TIME_NEVER);
	if (!under_way(d))
		failed(c);
}

void conn_dial_timeout(struct conn *c)
{
	dial_next(c);
}

/* The families by turns, so that one that leads nowhere costs one delay and not many. */
static void interleave(struct tt_addr *dst, const struct tt_addr *src, size_t n)
{
	size_t next[2] = {0, 0}; /* of the first one's family, and of the other */

	for (size_t i = 0; i < n; i++) {
		for (size_t turn = 0; turn < 2; turn++) {
			size_t side = (i + turn) % 2, *at = &next[side];
			while (*at < n && (src[*at].family != src[0].family) != (side == 1))
				(*at)++;
			if (*at < n) {
				dst[i] = src[(*at)++];
				break;
			}
		}
	}
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
	if (bench_service_new(&c->service, c->app, c->peer, kind, conn_id(c), &c->fd) != TT_OK)
		failed(c);
	else
		connected(c);
}

/* It is connected at once, or not at all. */
static void dial_path(struct conn *c, const char *path)
{
	c->fd = net_connect_path(path);
	if (c->fd < 0)
		channel_dialed(c->channel, net_close_reason(errno), app_now(c->app));
	else if (!target_connected(c))
		channel_dialed(c->channel, REASON_TARGET_UNREACHABLE, app_now(c->app));
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
	interleave(d->addrs, a->addrs, a->n_addrs);
	d->n_addrs = a->n_addrs;
	d->port = a->port;
	d->last_failure = REASON_TARGET_UNREACHABLE;
	dial_next(c);
}
