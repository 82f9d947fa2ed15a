#include "app.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "access_peer.h"
#include "chat.h"
#include "conn.h"
#include "control.h"
#include "fd_limit.h"
#include "forward.h"
#include "logsink.h"
#include "memory.h"
#include "nodes.h"
#include "passphrase.h"
#include "peer.h"
#include "reload.h"
#include "service.h"
#include "stats.h"
#include "status_live.h"
#include "tox_watch.h"
#include "tt_err.h"
#include "udp.h"

/* How long a stopping program waits for its peers to hear of it. */
#define STOP_TIMEOUT TT_S(2)
/* Bytes that all channels may hold in each direction. A link has a lower limit of its own. */
#define BUFFER_MAX (256u << 20)
/* Friend requests of anybody that are accepted: at once, then one every so often. */
#define ACCEPT_BURST 64
#define ACCEPT_INTERVAL TT_S(1)
#define REFUSE_BURST 64
#define REFUSE_INTERVAL TT_MS(200)
/* Friend requests that are refused: log lines at once, then one every so often. */
#define REQUEST_LOG_BURST 10
#define REQUEST_LOG_INTERVAL TT_S(10)

static const int signos[] = {SIGTERM, SIGINT, SIGHUP};

tt_time app_now(const struct app *app)
{
	return loop_now(app->loop);
}

int app_timer_init(struct app *app, struct app_timer *t, void (*due)(struct app *app, void *owner),
	void *owner)
{
	int rc = tt_heap_reserve(&app->timers, app->n_timers + 1);
	if (rc != TT_OK)
		return rc;
	app->n_timers++;
	tt_heap_node_init(&t->node);
	t->due = due;
	t->owner = owner;
	return TT_OK;
}

void app_timer_set(struct app *app, struct app_timer *t, tt_time at)
{
	tt_heap_set(&app->timers, &t->node, at);
}

void app_timer_drop(struct app *app, struct app_timer *t)
{
	tt_heap_set(&app->timers, &t->node, TT_TIME_NEVER);
	app->n_timers--;
}

static void run_timers(struct app *app, tt_time now)
{
	while (tt_heap_deadline(&app->timers) <= now) {
		struct tt_heap_node *node = tt_heap_first(&app->timers);
		struct app_timer *t =
			(struct app_timer *)((char *)node - offsetof(struct app_timer, node));
		tt_heap_set(&app->timers, node, TT_TIME_NEVER);
		t->due(app, t->owner);
	}
}

void app_drain(struct app *app)
{
	app->draining = true;
	service_stopping(app);
	status_live_now(app);
	app->drain_until = app_now(app) + TT_S(app->conf->drain_timeout_s);
	forwards_close(app);
	peers_drain(app);
	if (app->n_conns > 0 && app->conf->drain_timeout_s > 0)
		tt_info(app->log, "%zu connections have %u s to end; a second signal ends them",
			app->n_conns, app->conf->drain_timeout_s);
}

static bool drained(const struct app *app)
{
	return app->n_conns == 0 || app_now(app) >= app->drain_until;
}

static void on_signal(void *user, int signo)
{
	struct app *app = user;

	if (signo == SIGHUP && app->running) { /* other commands end with their terminal */
		tt_info(app->log, "SIGHUP: reading the configuration again");
		app_reload(app, app->log);
		return;
	}
	if (app->draining || app->stopping) { /* asked twice: at once */
		app_stop(app);
		app->stop_at = 0;
		return;
	}
	tt_info(app->log, "stopping (%s)", signo == SIGINT ? "interrupted" : "terminated");
	if (signo == SIGTERM && app->running)
		app_drain(app);
	else
		app_stop(app);
}

/* TOXTUN_IO names the best way of moving packets that may be tried: for tests and for trouble. */
static enum toxnet_io_level io_level(const struct app *app)
{
	const char *text = getenv("TOXTUN_IO");

	for (int level = TOXNET_IO_PLAIN; text && level <= TOXNET_IO_GSO; level++) {
		if (strcmp(text, toxnet_io_level_name((enum toxnet_io_level)level)) == 0)
			return (enum toxnet_io_level)level;
	}
	if (text && text[0])
		tt_warn(app->log, "TOXTUN_IO=%s is none of gso, mmsg, plain; it is ignored", text);
	return TOXNET_IO_GSO;
}

static int start_tox(struct app *app, const char *data_dir)
{
	const struct conf *c = app->conf;
	char why[512] = "";
	struct passphrase passphrase;
	struct toxnet_config cfg = {
		.data_dir = data_dir,
		.passphrase = passphrase_source(&passphrase, c, app->log, data_dir),
		/* a node's key is in everybody's -b; for others a new key is how their peers notice
		 * at once that they were restarted */
		.keep_dht_key = c->command == CONF_CMD_NODE,
		.udp = c->udp,
		.lan = c->lan,
		.relay = c->relay,
		.udp_port_first = c->udp_port_first,
		.udp_port_last = c->udp_port_last,
		.relay_port = c->relay_port,
		.proxy_type = c->proxy_type == CONF_PROXY_SOCKS5 ? TOXNET_PROXY_SOCKS5
			      : c->proxy_type == CONF_PROXY_HTTP ? TOXNET_PROXY_HTTP
								 : TOXNET_PROXY_NONE,
		.proxy_host = c->proxy_host[0] ? c->proxy_host : NULL,
		.proxy_port = c->proxy_port,
		.io_level = io_level(app),
		.fast_start = c->fast_start,
		.log = app->log,
		.on_lossy = peer_on_lossy,
		.user = app,
	};
	if (toxnet_new(&app->tn, &cfg, app->started_at, why, sizeof(why)) != TT_OK) {
		tt_error(app->log, "%s", why);
		return EXIT_FAILED;
	}
	passphrase_warn_unused(&passphrase);
	return EXIT_OK;
}

int app_new(
	struct app **out, const struct conf *conf, const struct tt_log *log, const char *data_dir)
{
	struct app *app = calloc(1, sizeof(*app));
	int rc = EXIT_FAILED;

	if (!app)
		goto out;
	app->conf = conf;
	app->log = log;
	app->sink = logsink_of(log);
	app->accepts = (struct tt_ratelimit){.burst = ACCEPT_BURST, .interval_us = ACCEPT_INTERVAL};
	app->refusals =
		(struct tt_ratelimit){.burst = REFUSE_BURST, .interval_us = REFUSE_INTERVAL};
	app->request_log = app->udp_log = (struct tt_ratelimit){
		.burst = REQUEST_LOG_BURST, .interval_us = REQUEST_LOG_INTERVAL};
	app->snd_budget.cap = app->rcv_budget.cap = BUFFER_MAX;
	tt_heap_init(&app->timers, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (loop_new(&app->loop, log) != TT_OK) {
		tt_error(log, "the event loop cannot be started: %s", strerror(errno));
		goto out;
	}
	for (size_t i = 0; i < sizeof(signos) / sizeof(signos[0]); i++) {
		if (loop_signal_new(&app->signals[i], app->loop, signos[i], on_signal, app) !=
			TT_OK)
			goto out;
	}
	app->started_at = loop_clock(app->loop);
	if (memory_init(app) != TT_OK || chat_init(app) != TT_OK)
		goto out;
	fd_limit_init(app);
	app->slots.cap =
		app->conns_max < CONF_CONNECTIONS_MAX ? app->conns_max : CONF_CONNECTIONS_MAX;
	rc = access_load_secret(app, conf, log, app->secret, &app->has_secret);
	if (rc == EXIT_OK)
		rc = access_load_login(conf, log, &app->proxy_login);
	if (rc == EXIT_OK)
		rc = start_tox(app, data_dir);
	if (rc != EXIT_OK)
		goto out;
	tox_watch_update(app);
	nodes_start(app, NULL);
	*out = app;
	app = NULL;
out:
	app_free(app);
	return rc;
}

/* One more signal would now end us by its number and not by our exit code. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signos) / sizeof(signos[0]); i++)
		sigaddset(&set, signos[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void app_free(struct app *app)
{
	if (!app)
		return;
	block_signals();
	status_live_stop(app);
	service_stop(app);
	stats_stop(app);
	control_stop(app);
	forwards_close(app);
	conns_close(app);
	udp_targets_close(app);
	peers_free(app);
	memory_clear(app);
	nodes_stop(app);
	tox_watch_free(app);
	toxnet_free(app->tn);
	for (size_t i = 0; i < sizeof(app->signals) / sizeof(app->signals[0]); i++)
		loop_signal_free(app->signals[i]);
	loop_free(app->loop);
	tt_heap_clear(&app->timers);
	sodium_memzero(app->secret, sizeof(app->secret));
	sodium_memzero(app->env_secret, sizeof(app->env_secret));
	access_forget_login(app->proxy_login);
	conf_free(app->reloaded);
	free(app);
}

static void note_self_path(struct app *app, enum toxnet_path path)
{
	const char *by = path == TOXNET_PATH_UDP ? "UDP" : "TCP relay";

	if (path == TOXNET_PATH_NONE) {
		tt_warn(app->log, "lost the Tox network; trying to come back");
		stats_event(app, "self_offline", NULL, "lost the Tox network");
	} else {
		if (app->self_path == TOXNET_PATH_NONE)
			tt_info(app->log, "connected to the Tox network (%s)", by);
		service_ready(app);
		stats_event(app, app->self_path == TOXNET_PATH_NONE ? "self_online" : "self_path",
			NULL, "connected to the Tox network by %s", by);
	}
	app->self_path = path;
}

static void take_events(struct app *app)
{
	struct toxnet_event ev;

	while (toxnet_event_next(app->tn, &ev)) {
		switch (ev.type) {
		case TOXNET_EV_SELF:
			note_self_path(app, ev.path);
			break;
		case TOXNET_EV_REQUEST:
			peer_on_request(app, ev.key, ev.data, ev.len);
			break;
		case TOXNET_EV_FRIEND:
			peer_on_path(app, ev.friend_number, ev.path);
			break;
		case TOXNET_EV_MESSAGE:
			peer_on_message(app, ev.friend_number, ev.data, ev.len);
			break;
		case TOXNET_EV_RECEIPT:
			peer_on_receipt(app, ev.friend_number, ev.receipt);
			break;
		case TOXNET_EV_LOSSY:
			peer_on_lossy(app, ev.friend_number, ev.data, ev.len);
			break;
		}
	}
}

int app_step(struct app *app, tt_time limit)
{
	tt_time deadline =
		tt_time_min(limit, tt_time_min(app->tox_deadline, tt_heap_deadline(&app->timers)));
	deadline = tt_time_min(deadline, peers_deadline(app));
	deadline = tt_time_min(deadline, control_deadline(app));
	deadline = tt_time_min(deadline, logsink_deadline(app->sink));
	if (app->stopping)
		deadline = tt_time_min(deadline, app->stop_at);
	else if (app->draining)
		deadline = tt_time_min(deadline, app->drain_until);
	if (loop_run_once(app->loop, deadline) != TT_OK) {
		tt_error(app->log, "the event loop failed: %s", strerror(errno));
		return EXIT_FAILED;
	}
	tt_time now = loop_now(app->loop);
	if (app->tox_readable || now >= app->tox_deadline) {
		app->tox_readable = false;
		app->tox_deadline = toxnet_iterate(app->tn, now);
		take_events(app);
		tox_watch_update(app);
	}
	run_timers(app, now);
	control_run(app);
	peers_run(app);
	toxnet_flush(app->tn);
	logsink_run(app->sink, now);
	status_live_run(app);
	return EXIT_OK;
}

void app_stop(struct app *app)
{
	if (app->stopping)
		return;
	app->stopping = true;
	service_stopping(app);
	status_live_now(app);
	app->stop_at = app_now(app) + STOP_TIMEOUT;
	forwards_close(app);
	peers_shutdown(app);
}

int app_run(struct app *app)
{
	app->running = true;
	for (;;) {
		if (app->draining && drained(app))
			app_stop(app);
		if (app->stopping && (app_now(app) >= app->stop_at || peers_idle(app)))
			return app->exit_code;
		int rc = app_step(app, TT_TIME_NEVER);
		if (rc != EXIT_OK)
			return rc;
	}
}
