/* The serving side of UDP forwards: a connected socket for each flow of a peer. */
#include "udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd_limit.h"
#include "net.h"
#include "net_udp.h"
#include "peer.h"
#include "tt_err.h"

struct udp_target {
	struct app *app;
	struct udp_target *prev, *next; /* in app->udp_targets */
	struct channel *channel;
	struct loop_resolve *resolve;
	struct loop_watch *watch;
	int fd; /* -1: none */
	uint16_t port;
	bool answered; /* the target sent something: this is its address */
	struct tt_addr *addrs;
	size_t n_addrs, next_addr;
	/* The newest datagram for the target, while another address may have to be tried. */
	uint8_t *last;
	size_t last_len;
};

static void close_fd(struct udp_target *t)
{
	loop_watch_free(t->watch);
	t->watch = NULL;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

static struct udp_target *target_new(struct app *app, struct channel *ch)
{
	if (app->n_udp_flows >= UDP_FLOWS_MAX || !fd_limit_room(app))
		return NULL;
	struct udp_target *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->app = app;
	t->channel = ch;
	t->fd = -1;
	t->next = app->udp_targets;
	if (t->next)
		t->next->prev = t;
	app->udp_targets = t;
	app->n_udp_flows++;
	app->n_udp_sockets++;
	channel_set_user(ch, t);
	return t;
}

static void target_free(struct udp_target *t)
{
	struct app *app = t->app;

	close_fd(t);
	loop_resolve_free(t->resolve);
	if (t->prev)
		t->prev->next = t->next;
	else
		app->udp_targets = t->next;
	if (t->next)
		t->next->prev = t->prev;
	app->n_udp_flows--;
	app->n_udp_sockets--;
	free(t->addrs);
	free(t->last);
	free(t);
}

void udp_targets_close(struct app *app)
{
	while (app->udp_targets) {
		channel_set_user(app->udp_targets->channel, NULL);
		target_free(app->udp_targets);
	}
}

static void over(struct udp_target *t, enum close_reason why)
{
	close_fd(t);
	channel_dialed(t->channel, why, app_now(t->app));
	channel_abort(t->channel, why, app_now(t->app)); /* where it was open already */
}

static void target_ready(void *user, unsigned events);

/* Connects to the next address that a socket can be had for. That says nothing about the target:
 * what says no is the answer to a datagram. False: none is left, and the channel is over. */
static bool dial_next(struct udp_target *t, int err)
{
	close_fd(t);
	while (t->next_addr < t->n_addrs) {
		t->fd = net_udp_connect(&t->addrs[t->next_addr++], t->port);
		if (t->fd < 0) {
			err = errno;
			continue;
		}
		if (loop_watch_new(&t->watch, t->app->loop, t->fd, LOOP_READ, target_ready, t) ==
			TT_OK)
			return true;
		err = ENOMEM;
		close_fd(t);
	}
	over(t, net_close_reason(err));
	return false;
}

/* The other addresses of a name may be meant: `localhost` is ::1 and 127.0.0.1. */
static void refused(struct udp_target *t, int err)
{
	if (t->answered || t->next_addr == t->n_addrs) {
		over(t, net_close_reason(err));
		return;
	}
	if (dial_next(t, err) && t->last)
		send(t->fd, t->last, t->last_len, MSG_NOSIGNAL);
}

static void keep_last(struct udp_target *t, const struct datagram *dg)
{
	if (t->answered || t->next_addr == t->n_addrs)
		return;
	uint8_t *p = realloc(t->last, dg->len ? dg->len : 1);
	if (!p)
		return; /* the peer's application has to repeat it */
	memcpy(p, dg->data, dg->len);
	t->last = p;
	t->last_len = dg->len;
}

static bool is_refusal(int err)
{
	return err == ECONNREFUSED || err == EHOSTUNREACH || err == ENETUNREACH;
}

static void from_peer(struct udp_target *t)
{
	const struct datagram *dg;

	while (t->fd >= 0 && (dg = channel_dgram_next(t->channel))) {
		keep_last(t, dg);
		ssize_t n = send(t->fd, dg->data, dg->len, MSG_NOSIGNAL);
		if (n < 0 && is_refusal(errno)) {
			/* about one before; this one was not sent */
			refused(t, errno);
			if (t->fd < 0)
				return;
			n = t->last ? 0 : -1; /* as refused did with it */
		}
		channel_dgram_done(t->channel, n >= 0, app_now(t->app));
	}
}

static void target_ready(void *user, unsigned events)
{
	struct udp_target *t = user;
	uint8_t buf[NET_UDP_MAX];
	size_t bytes = 0;

	(void)events;
	for (int i = 0; i < UDP_TURN_DATAGRAMS && bytes < UDP_TURN_BYTES; i++) {
		ssize_t n = recv(t->fd, buf, sizeof(buf), 0);
		if (n < 0 && is_refusal(errno))
			refused(t, errno);
		if (n < 0)
			return;
		t->answered = true;
		bytes += (size_t)n;
		channel_dgram_send(t->channel, buf, (size_t)n, app_now(t->app));
	}
}

static void dial(struct udp_target *t, const struct session_action *a)
{
	t->addrs = malloc(a->n_addrs * sizeof(*t->addrs));
	if (!t->addrs) {
		over(t, REASON_LIMIT);
		return;
	}
	memcpy(t->addrs, a->addrs, a->n_addrs * sizeof(*t->addrs));
	t->n_addrs = a->n_addrs;
	t->port = a->port;
	if (dial_next(t, 0))
		channel_dialed(t->channel, REASON_NONE, app_now(t->app));
}

static void resolved(void *user, const struct tt_addr *addrs, size_t n, const char *error)
{
	struct udp_target *t = user;

	if (n == 0)
		tt_debug(t->app->log, "resolver: %s", error ? error : "no address");
	channel_resolved(t->channel, addrs, n, app_now(t->app));
}

static void on_closed(struct app *app, struct peer *p, const struct session_action *a)
{
	struct channel_info info;

	channel_info(a->channel, &info);
	tt_debug(app->log, "peer=%s chan=%u target=%s:%u/udp in=%llu out=%llu reason=%s", p->tag,
		info.ccid, info.host, info.port, (unsigned long long)info.bytes_in,
		(unsigned long long)info.bytes_out, reason_name(info.reason));
	if (a->user)
		target_free(a->user);
	channel_release(a->channel);
}

void udp_target_on_action(struct app *app, struct peer *p, const struct session_action *a)
{
	struct udp_target *t = a->user;

	if (a->type == ACTION_CLOSED) {
		on_closed(app, p, a);
		return;
	}
	if (!t)
		t = target_new(app, a->channel);
	if (!t) {
		channel_abort(a->channel, REASON_LIMIT, app_now(app));
		return;
	}
	if (a->type == ACTION_RESOLVE) {
		if (loop_resolve_new(&t->resolve, app->loop, a->host, resolved, t) != TT_OK)
			channel_resolved(t->channel, NULL, 0, app_now(app));
	} else if (a->type == ACTION_DIAL) {
		dial(t, a);
	} else {
		from_peer(t);
	}
}
