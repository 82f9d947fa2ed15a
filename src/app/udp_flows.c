#include "udp_flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "failover.h"
#include "forward.h"
#include "peer.h"
#include "tt_err.h"
#include "udp.h"

/* That of peer.h is for friend numbers. */
#undef HASH_FUNCTION
#define HASH_FUNCTION HASH_JEN

/* A target that cannot be reached is asked for again after this long, however much is sent to it:
 * each time costs a friend message and its answer. */
#define QUIET TT_S(1)

struct udp_flow {
	struct udp_flows *set;
	struct channel *channel; /* NULL: it could not be opened, or has failed */
	tt_time quiet_until;     /* ... and is not opened again before; not where one_target */
	bool open;               /* the channel is */
	struct udp_flow *prev, *next;
	UT_hash_handle hh;
	uint8_t key[];
};

static void flow_free(struct udp_flow *f)
{
	struct udp_flows *fs = f->set;

	HASH_DEL(fs->by_key, f);
	DL_DELETE(fs->by_use, f);
	fs->n--;
	free(f);
}

/* It has no channel any more, or gets none. */
static void lose_channel(struct udp_flow *f)
{
	f->channel = NULL;
	f->open = false;
	f->set->app->n_udp_flows--;
}

static void flow_end(struct udp_flow *f, enum close_reason why)
{
	if (f->channel) {
		channel_set_user(f->channel, NULL);
		channel_abort(f->channel, why, app_now(f->set->app));
		lose_channel(f);
	}
	flow_free(f);
}

void udp_flows_end(struct udp_flows *fs)
{
	while (fs->by_use)
		flow_end(fs->by_use, REASON_SHUTDOWN);
}

void udp_flows_drop(struct app *app, enum dgram_drop why)
{
	app->ended.udp.dropped[why]++;
}

bool udp_flows_may_log(struct app *app)
{
	bool may = tt_ratelimit_take(&app->udp_log, app_now(app));

	app->limited_lines += !may;
	return may;
}

static struct udp_flow *flow_new(struct udp_flows *fs, const void *key, size_t key_len)
{
	struct udp_flow *f = calloc(1, sizeof(*f) + key_len);

	if (!f)
		return NULL;
	f->set = fs;
	memcpy(f->key, key, key_len);
	HASH_ADD_KEYPTR(hh, fs->by_key, f->key, key_len, f);
	if (!f->hh.tbl) {
		free(f);
		return NULL;
	}
	DL_APPEND(fs->by_use, f);
	fs->n++;
	if (fs->n > fs->max)
		flow_end(fs->by_use, REASON_LIMIT);
	return f;
}

/* A channel to the server that is chosen, or to the next one where that cannot open any. */
static int open_channel(struct udp_flow *f, const struct channel_target *target)
{
	struct app *app = f->set->app;
	struct forward *fw = f->set->forward;
	struct failover_choice at;
	unsigned tried = 0;
	int rc = TT_EAGAIN;

	while (rc != TT_OK && failover_choose(app, fw, tried, &at)) {
		rc = session_open(at.peer->session, target, &f->channel, f, app_now(app));
		tried |= 1u << at.index;
		if (rc == TT_OK)
			failover_used(fw, &at);
		if (rc == TT_ENOTSUP && udp_flows_may_log(app))
			tt_error(app->log,
				"tunnel %s: peer=%s has a version of toxtun that cannot forward "
				"UDP; it needs a newer one",
				fw->conf.name, at.peer->tag);
	}
	if (rc == TT_OK)
		app->n_udp_flows++;
	return rc;
}

/* Whether the datagram has a channel to go by. */
static bool flow_open(struct udp_flow *f, const struct channel_target *target)
{
	struct udp_flows *fs = f->set;
	tt_time quiet_until = fs->one_target ? fs->quiet_until : f->quiet_until;
	enum dgram_drop why = DGRAM_DROP_NO_PEER;

	if (fs->app->n_udp_flows >= UDP_FLOWS_MAX) {
		why = DGRAM_DROP_LIMIT;
	} else if (app_now(fs->app) >= quiet_until) {
		int rc = open_channel(f, target);
		if (rc == TT_OK)
			return true;
		if (rc == TT_ELIMIT)
			why = DGRAM_DROP_LIMIT;
	}
	udp_flows_drop(fs->app, why);
	return false;
}

void udp_flows_send(struct udp_flows *fs, const void *key, size_t key_len,
	const struct channel_target *target, const uint8_t *data, size_t len)
{
	struct udp_flow *f;

	HASH_FIND(hh, fs->by_key, key, key_len, f);
	if (!f)
		f = flow_new(fs, key, key_len);
	if (!f)
		return;
	if (!f->channel && !flow_open(f, target)) {
		if (app_now(fs->app) >= f->quiet_until) /* nothing to be remembered */
			flow_free(f);
		return;
	}
	DL_DELETE(fs->by_use, f);
	DL_APPEND(fs->by_use, f);
	channel_dgram_send(f->channel, data, len, app_now(fs->app));
}

void udp_flows_receive(int fd,
	void (*each)(void *owner, const struct net_udp_peer *from, const uint8_t *data, size_t len),
	void *owner)
{
	uint8_t buf[NET_UDP_MAX];
	struct net_udp_peer from;
	size_t bytes = 0;

	for (int i = 0; i < UDP_TURN_DATAGRAMS && bytes < UDP_TURN_BYTES; i++) {
		ssize_t n = net_udp_recv(fd, buf, &from);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0)
			continue; /* an ICMP error about some datagram of ours */
		bytes += (size_t)n;
		each(owner, &from, buf, (size_t)n);
	}
}

static void to_application(struct udp_flow *f)
{
	struct udp_flows *fs = f->set;
	const struct datagram *dg;

	while ((dg = channel_dgram_next(f->channel))) {
		bool ok = fs->deliver(fs->owner, f->key, f->hh.keylen, dg);
		channel_dgram_done(f->channel, ok, app_now(fs->app));
	}
}

/* What the application sends next opens it again, but not at once where it has failed. */
static void flow_closed(struct udp_flow *f, bool failed)
{
	struct udp_flows *fs = f->set;
	tt_time quiet_until = app_now(fs->app) + QUIET;

	lose_channel(f);
	if (failed && fs->one_target)
		fs->quiet_until = quiet_until;
	if (failed && !fs->one_target)
		f->quiet_until = quiet_until;
	else
		flow_free(f);
}

/* One that was open and ends by a limit makes room for a newer one of ours. */
static bool has_failed(const struct udp_flow *f, enum close_reason why)
{
	return f && why != REASON_IDLE_TIMEOUT && (why != REASON_LIMIT || !f->open);
}

static void on_closed(struct app *app, struct peer *p, const struct session_action *a)
{
	struct udp_flow *f = a->user;
	struct channel_info info;
	enum tt_log_level level = TT_LOG_DEBUG;

	channel_info(a->channel, &info);
	bool failed = has_failed(f, info.reason);
	/* Through a proxy many a target is asked for in vain. */
	if (failed && udp_flows_may_log(app))
		level = f->set->one_target ? TT_LOG_WARN : TT_LOG_INFO;
	tt_log_at(app->log, level,
		"tunnel %s: peer=%s chan=%u target=%s:%u/udp in=%llu out=%llu reason=%s: %s",
		info.tunnel, p->tag, info.ccid, info.host, info.port,
		(unsigned long long)info.bytes_in, (unsigned long long)info.bytes_out,
		reason_name(info.reason), info.text[0] ? info.text : reason_text(info.reason));
	if (f)
		flow_closed(f, failed);
	channel_release(a->channel);
}

void udp_flows_on_action(struct app *app, struct peer *p, const struct session_action *a)
{
	struct udp_flow *f = a->user;

	if (a->type == ACTION_CLOSED) {
		on_closed(app, p, a);
		return;
	}
	if (!f)
		return;
	f->open = f->open || a->type == ACTION_OPENED;
	to_application(f);
}

void udp_on_action(struct app *app, struct peer *p, const struct session_action *a)
{
	struct channel_info info;

	channel_info(a->channel, &info);
	if (info.opener)
		udp_flows_on_action(app, p, a);
	else
		udp_target_on_action(app, p, a);
}
