/* What the control socket can be asked: one function each, found through one table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "control_int.h"
#include "forward.h"
#include "peer.h"
#include "reload.h"
#include "status.h"
#include "tt_err.h"
#include "tt_mem.h"

/* Rates are those of this time. */
#define RATE_TIME TT_MS(300)

/* ---- status ---- */

static void end_status(struct control_client *c)
{
	char *text = status_text(c->app, STATUS_ALL), *save = NULL;

	if (!text)
		control_error(c, "out of memory");
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
		line = strtok_r(NULL, "\n", &save))
		control_out(c, "%s", line);
	control_end(c, text ? EXIT_OK : EXIT_FAILED);
	free(text);
}

static void poll_status(struct control_client *c)
{
	if (app_now(c->app) >= c->job_at)
		end_status(c);
}

static void run_status(struct control_client *c, const cJSON *request)
{
	if (control_true(request, "json")) {
		control_put_stats(c, request);
		return;
	}
	status_sample(c->app);
	c->job_at = app_now(c->app) + RATE_TIME;
	c->poll = poll_status;
}

/* ---- changes ---- */

static void run_reload(struct control_client *c, const cJSON *request)
{
	struct control_tee tee;

	(void)request;
	control_tee_init(&tee, c);
	control_end(c, app_reload(c->app, &tee.log));
}

const char *control_need_text(struct control_client *c, const cJSON *request, const char *key)
{
	const char *text = control_text(request, key);

	if (!text) {
		control_error(c, "the request lacks the text \"%s\"", key);
		control_end(c, EXIT_USAGE);
	}
	return text;
}

/* The server that the request names; else, unless the command line has one, that of all tunnels. */
static const char *server_text(
	const struct app *app, const cJSON *request, char hex[TT_KEY_HEX + 1])
{
	const char *given = control_text(request, "peer");
	const struct tt_peer_id *only = app->conf->has_target ? NULL : forwards_server(app);

	return given || !only ? given : tt_hex_encode(only->key, TT_KEY_LEN, hex);
}

/* Makes sure of the servers. */
static int want_server(struct control_client *c, const struct conf_forward *f)
{
	size_t i = 0;

	while (i < f->n_peers && peer_want(c->app, &f->peers[i]))
		i++;
	if (i == f->n_peers)
		return EXIT_OK;
	control_error(c, "this peer is the machine itself, or its key is none of Tox");
	return EXIT_FAILED;
}

static void run_forward(struct control_client *c, const cJSON *request)
{
	const char *spec = control_need_text(c, request, "spec");
	char hex[TT_KEY_HEX + 1];
	struct control_tee tee;
	struct conf_forward *f = NULL;
	size_t n = 0;

	if (!spec)
		return;
	control_tee_init(&tee, c);
	struct conf_diag d = reload_diag(&tee.log);
	int code = EXIT_USAGE;
	if (conf_forward_spec(spec, control_true(request, "reverse"), &f, &n, &d) == TT_OK &&
		conf_forward_server(c->app->conf, server_text(c->app, request, hex), f, n, &d) ==
			TT_OK)
		code = want_server(c, f);
	for (size_t i = 0; i < n && code == EXIT_OK; i++)
		code = forward_add(c->app, &f[i], &tee.log) == TT_OK ? EXIT_OK : EXIT_FAILED;
	peers_want(c->app);
	control_end(c, code);
	tt_free(NULL, f);
}

/* Closes those of this name, or with this spec. Returns how many. */
static size_t cancel(struct app *app, const char *text, bool reverse, const struct tt_log *log)
{
	struct conf_diag silent = reload_diag(NULL);
	struct conf_forward *conf = NULL;
	struct forward *f;
	size_t n = 0, done = 0;

	for (; (f = forward_by_name(app, text)); done++)
		forward_cancel(app, f, log);
	if (done == 0 && conf_forward_spec(text, reverse, &conf, &n, &silent) == TT_OK) {
		for (size_t i = 0; i < n; i++) {
			for (; (f = forward_by_spec(app, &conf[i])); done++)
				forward_cancel(app, f, log);
		}
	}
	tt_free(NULL, conf);
	return done;
}

static void run_cancel(struct control_client *c, const cJSON *request)
{
	const char *spec = control_need_text(c, request, "spec");
	struct control_tee tee;

	if (!spec)
		return;
	control_tee_init(&tee, c);
	if (cancel(c->app, spec, control_true(request, "reverse"), &tee.log) == 0) {
		control_error(
			c, "there is no tunnel %s; toxtun status names those that are open", spec);
		control_end(c, EXIT_USAGE);
		return;
	}
	peers_want(c->app);
	peers_remove_strangers(c->app, c->app->log);
	control_end(c, EXIT_OK);
}

static void run_stop(struct control_client *c, const cJSON *request)
{
	(void)request;
	control_out(c, "stopping");
	control_end(c, EXIT_OK);
	tt_info(c->app->log, "stopping (asked for by toxtun stop)");
	app_drain(c->app);
}

/* ---- a stream ---- */

/* Refused by the peer, or by the target for it. */
static int exit_of(enum close_reason why)
{
	switch (why) {
	case REASON_NOT_ALLOWED:
	case REASON_NO_SUCH_HOST:
	case REASON_REFUSED_BY_TARGET:
	case REASON_TARGET_UNREACHABLE:
	case REASON_TARGET_TIMEOUT:
	case REASON_LIMIT:
	case REASON_UNSUPPORTED:
		return EXIT_REFUSED;
	case REASON_CONNECT_TIMEOUT:
	case REASON_RESUME_TIMEOUT:
		return EXIT_UNREACHABLE;
	default:
		return EXIT_FAILED;
	}
}

void control_stream_answer(int fd, enum close_reason why, const char *words)
{
	char line[512];
	cJSON *o = cJSON_CreateObject();

	if (why == REASON_NONE)
		cJSON_AddTrueToObject(o, "stream");
	else
		cJSON_AddStringToObject(o, "error", words);
	char *text = cJSON_PrintUnformatted(o);
	int n = snprintf(line, sizeof(line), "%s\n", text ? text : "{}");
	if (why != REASON_NONE && n > 0 && (size_t)n < sizeof(line))
		n += snprintf(line + n, sizeof(line) - (size_t)n, "{\"exit\":%d}\n", exit_of(why));
	/* Its socket is empty: a line that does not fit is for a client that is gone. */
	if (n > 0 && (size_t)n < sizeof(line))
		send(fd, line, (size_t)n, MSG_NOSIGNAL);
	free(text);
	cJSON_Delete(o);
}

/* The connection becomes a stream of bytes to the target, once that is open. */
static void run_stream(struct control_client *c, const cJSON *request)
{
	const char *target = control_need_text(c, request, "target");
	char hex[TT_KEY_HEX + 1];
	struct control_tee tee;
	struct conf_forward conf;

	if (!target)
		return;
	control_tee_init(&tee, c);
	struct conf_diag d = reload_diag(&tee.log);
	int code = EXIT_USAGE;
	if (conf_forward_stream(target, &conf, &d) == TT_OK &&
		conf_forward_server(
			c->app->conf, server_text(c->app, request, hex), &conf, 1, &d) == TT_OK)
		code = want_server(c, &conf);
	struct forward *f = code == EXIT_OK ? forward_new(&conf) : NULL;
	int fd = f ? control_detach(c) : -1;
	if (f && fd < 0) {
		control_error(c, "a stream begins after the answer: send nothing before it");
		c->closing = true;
		code = EXIT_USAGE;
	}
	if (fd >= 0)
		conn_accept_answered(c->app, f, fd, control_stream_answer);
	else
		control_end(c, f || code != EXIT_OK ? code : EXIT_FAILED);
	forward_unref(f);
}

/* ---- the table ---- */

static const struct {
	const char *name;
	void (*run)(struct control_client *c, const cJSON *request);
} commands[] = {
	{"status", run_status},
	{"reload", run_reload},
	{"forward", run_forward},
	{"cancel", run_cancel},
	{"end", control_run_end},
	{"stop", run_stop},
	{"stream", run_stream},
	{"ping", control_run_ping},
	{"bench", control_run_bench},
};

void control_dispatch(struct control_client *c, const cJSON *request)
{
	const char *name = control_need_text(c, request, "cmd");

	if (!name)
		return;
	if (c->app->draining || c->app->stopping) {
		control_error(c, "this toxtun is about to end");
		control_end(c, EXIT_FAILED);
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0) {
			commands[i].run(c, request);
			return;
		}
	}
	control_error(c, "this version of toxtun does not know the request \"%s\"", name);
	control_end(c, EXIT_USAGE);
}
