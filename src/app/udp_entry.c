/* The listening side of UDP forwards. */
#include "udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "failover.h"
#include "forward.h"
#include "net_udp.h"
#include "peer.h"
#include "tt_err.h"

/* That of peer.h is for friend numbers. */
#undef HASH_FUNCTION
#define HASH_FUNCTION HASH_JEN

/* A target that cannot be reached is asked for again after this long, however much is sent to it:
 * each time costs a friend message and its answer. */
#define QUIET TT_S(1)

struct udp_flow {
	struct udp_entry *entry;
	struct channel *channel;
	struct net_udp_peer from; /* key of the hash */
	UT_hash_handle hh;
};

struct udp_entry {
	struct app *app;
	struct forward *forward; /* the listener's */
	int fd;
	struct udp_flow *flows; /* uthash */
	tt_time quiet_until;
};

int udp_entry_new(struct udp_entry **out, struct app *app, struct forward *forward, int fd)
{
	struct udp_entry *e = calloc(1, sizeof(*e));
	if (!e)
		return TT_ENOMEM;
	*e = (struct udp_entry){.app = app, .forward = forward, .fd = fd};
	*out = e;
	return TT_OK;
}

static void flow_free(struct udp_flow *f)
{
	HASH_DEL(f->entry->flows, f);
	f->entry->app->n_udp_flows--;
	free(f);
}

void udp_entry_free(struct udp_entry *e)
{
	if (!e)
		return;
	while (e->flows) {
		struct udp_flow *f = e->flows;
		channel_set_user(f->channel, NULL);
		channel_abort(f->channel, REASON_SHUTDOWN, app_now(e->app));
		flow_free(f);
	}
	free(e);
}

static void drop(struct udp_entry *e, enum dgram_drop why)
{
	e->app->ended.udp.dropped[why]++;
}

static bool may_log(struct app *app)
{
	bool may = tt_ratelimit_take(&app->udp_log, app_now(app));

	app->limited_lines += !may;
	return may;
}

/* A channel to the server that is chosen, or to the next one where that cannot open any. */
static int open_channel(struct udp_entry *e, struct udp_flow *f)
{
	const struct conf_forward *fw = &e->forward->conf;
	struct channel_target t = {
		.proto = WIRE_UDP, .host = fw->host, .port = fw->port, .tunnel = fw->name};
	struct failover_choice at;
	unsigned tried = 0;
	int rc = TT_EAGAIN;

	while (rc != TT_OK && failover_choose(e->app, e->forward, tried, &at)) {
		rc = session_open(at.peer->session, &t, &f->channel, f, app_now(e->app));
		tried |= 1u << at.index;
		if (rc == TT_OK)
			failover_used(e->forward, &at);
		if (rc == TT_ENOTSUP && may_log(e->app))
			tt_error(e->app->log,
				"tunnel %s: peer=%s has a version of toxtun that cannot forward "
				"UDP; it needs a newer one",
				fw->name, at.peer->tag);
	}
	return rc;
}

static struct udp_flow *new_flow(struct udp_entry *e, const struct net_udp_peer *from)
{
	struct app *app = e->app;

	if (app->n_udp_flows >= UDP_FLOWS_MAX) {
		drop(e, DGRAM_DROP_LIMIT);
		return NULL;
	}
	if (app_now(app) < e->quiet_until) {
		drop(e, DGRAM_DROP_NO_PEER);
		return NULL;
	}
	struct udp_flow *f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->entry = e;
	f->from = *from;
	HASH_ADD(hh, e->flows, from, sizeof(f->from), f);
	if (!f->hh.tbl) {
		free(f);
		return NULL;
	}
	app->n_udp_flows++;
	int rc = open_channel(e, f);
	if (rc != TT_OK) {
		drop(e, rc == TT_ELIMIT ? DGRAM_DROP_LIMIT : DGRAM_DROP_NO_PEER);
		flow_free(f);
		return NULL;
	}
	return f;
}

static void on_datagram(
	struct udp_entry *e, const struct net_udp_peer *from, const uint8_t *data, size_t len)
{
	struct udp_flow *f;

	HASH_FIND(hh, e->flows, from, sizeof(*from), f);
	if (!f)
		f = new_flow(e, from);
	if (f)
		channel_dgram_send(f->channel, data, len, app_now(e->app));
}

void udp_entry_ready(struct udp_entry *e)
{
	uint8_t buf[NET_UDP_MAX];
	struct net_udp_peer from;
	size_t bytes = 0;

	for (int i = 0; i < UDP_TURN_DATAGRAMS && bytes < UDP_TURN_BYTES; i++) {
		ssize_t n = net_udp_recv(e->fd, buf, &from);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0)
			continue; /* an ICMP error about some datagram of ours */
		bytes += (size_t)n;
		on_datagram(e, &from, buf, (size_t)n);
	}
}

static void to_application(struct udp_flow *f)
{
	const struct datagram *dg;

	while ((dg = channel_dgram_next(f->channel))) {
		bool ok = net_udp_send(f->entry->fd, &f->from, dg->data, dg->len) == 0;
		channel_dgram_done(f->channel, ok, app_now(f->entry->app));
	}
}

static void on_closed(struct app *app, struct peer *p, const struct session_action *a)
{
	struct udp_flow *f = a->user;
	struct channel_info info;
	enum tt_log_level level = TT_LOG_DEBUG;

	channel_info(a->channel, &info);
	if (f && info.reason != REASON_IDLE_TIMEOUT && info.reason != REASON_LIMIT) {
		f->entry->quiet_until = app_now(app) + QUIET;
		if (may_log(app))
			level = TT_LOG_WARN;
	}
	tt_log_at(app->log, level,
		"tunnel %s: peer=%s chan=%u target=%s:%u/udp in=%llu out=%llu reason=%s: %s",
		info.tunnel, p->tag, info.ccid, info.host, info.port,
		(unsigned long long)info.bytes_in, (unsigned long long)info.bytes_out,
		reason_name(info.reason), info.text[0] ? info.text : reason_text(info.reason));
	if (f)
		flow_free(f);
	channel_release(a->channel);
}

void udp_entry_on_action(struct app *app, struct peer *p, const struct session_action *a)
{
	if (a->type == ACTION_CLOSED)
		on_closed(app, p, a);
	else if (a->user)
		to_application(a->user);
}

void udp_on_action(struct app *app, struct peer *p, const struct session_action *a)
{
	struct channel_info info;

	channel_info(a->channel, &info);
	if (info.opener)
		udp_entry_on_action(app, p, a);
	else
		udp_target_on_action(app, p, a);
}
