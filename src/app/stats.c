#include "stats.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats_int.h"
#include "stats_page.h"
#include "tt_err.h"

#define PORTS_TRIED 100
#define TEXT_PLAIN "text/plain; charset=utf-8"
/* Somebody who asks now and then wants figures of now: peers are probed for so long. */
#define WATCH_TIME TT_S(60)
/* Rates of a shorter time say little; who asks each second does not do so to the millisecond. */
#define SAMPLE_TIME TT_MS(900)

void stats_wanted(struct app *app)
{
	tt_time now = app_now(app);

	if (app->stats)
		app->stats->watched_until = now + WATCH_TIME;
	else if (tt_time_since(now, app->sampled_at) >= SAMPLE_TIME)
		stats_sample(app, true); /* without the service nobody else does */
}

static void reply_text(struct loop_http_request *req, int status, const char *text)
{
	loop_http_reply(req, status, TEXT_PLAIN, text, strlen(text));
}

/* Frees the body. */
static void reply(struct loop_http_request *req, char *body, const char *type)
{
	if (body)
		loop_http_reply(req, 200, type, body, strlen(body));
	else
		reply_text(req, 503, "out of memory\n");
	free(body);
}

static void serve_text(struct stats_service *s, struct loop_http_request *req)
{
	reply(req, stats_text(s->app), TEXT_PLAIN);
}

static void serve_json(struct stats_service *s, struct loop_http_request *req)
{
	char number[8], *end = number;
	struct stats_choice busiest = {.max = STATS_CHANNELS};
	int rc = loop_http_query(req, "channels", number, sizeof(number));

	if (rc == TT_OK) {
		busiest.max = strtoul(number, &end, 10);
		if (number[0] < '0' || number[0] > '9' || *end != '\0')
			rc = TT_EINVAL;
	}
	if (rc == TT_EINVAL)
		reply_text(req, 400, "channels= takes a number, from 0 to 9999999\n");
	else
		reply(req, stats_json_channels(s->app, &busiest), "application/json");
}

static void serve_history(struct stats_service *s, struct loop_http_request *req)
{
	char hex[TT_KEY_HEX + 1];
	uint8_t key[TT_KEY_LEN];
	const struct peer *p;

	if (loop_http_query(req, "peer", hex, sizeof(hex)) != TT_OK ||
		tt_hex_decode(hex, strlen(hex), key, TT_KEY_LEN) != TT_OK) {
		reply_text(req, 400, "peer= takes the key of a peer, as /stats.json has it\n");
		return;
	}
	p = peer_find_key(s->app, key);
	if (p)
		reply(req, stats_json_history(p), "application/json");
	else
		reply_text(req, 404, "there is no such peer\n");
}

static void serve_metrics(struct stats_service *s, struct loop_http_request *req)
{
	reply(req, stats_metrics(s->app), "text/plain; version=0.0.4; charset=utf-8");
}

static void serve_events(struct stats_service *s, struct loop_http_request *req)
{
	stats_events_serve(s->events, req);
}

static void serve_page(struct stats_service *s, struct loop_http_request *req)
{
	(void)s;
	loop_http_header(req, "Content-Security-Policy", stats_page_policy);
	loop_http_header(req, "Referrer-Policy", "no-referrer");
	loop_http_reply(req, 200, "text/html; charset=utf-8", stats_page, stats_page_len);
}

static void serve_qr(struct stats_service *s, struct loop_http_request *req)
{
	char hex[TT_TOXID_HEX + 1];
	uint8_t id[TT_TOXID_LEN];

	toxnet_self_id(s->app->tn, id);
	reply(req, stats_qr(tt_hex_encode(id, TT_TOXID_LEN, hex)), "image/svg+xml");
}

static void handle(void *user, struct loop_http_request *req, const char *path)
{
	static const struct {
		const char *path;
		void (*serve)(struct stats_service *s, struct loop_http_request *req);
	} routes[] = {
		{"/", serve_page},
		{"/toxid.svg", serve_qr},
		{"/stats", serve_text},
		{"/stats.json", serve_json},
		{"/history.json", serve_history},
		{"/metrics", serve_metrics},
		{"/events", serve_events},
	};
	struct stats_service *s = user;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(path, routes[i].path) != 0)
			continue;
		stats_wanted(s->app);
		routes[i].serve(s, req);
		return;
	}
	reply_text(req, 404,
		"not found; there are /, /stats, /stats.json, /history.json, /metrics and "
		"/events\n");
}

static void each_second(struct app *app, void *owner)
{
	struct stats_service *s = owner;
	tt_time now = app_now(app);

	app_timer_set(app, &s->second, now + TT_S(1));
	stats_sample(app, now < s->watched_until);
	if (stats_events_snapshot(s->events))
		s->watched_until = now + WATCH_TIME;
}

void stats_event(struct app *app, const char *type, const struct peer *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!app->stats)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	stats_events_add(app->stats->events, type, p ? stats_peer_label(p) : "", text);
}

/* On the port of the configuration, or on one of those after it. */
static int listen_somewhere(struct stats_service *s, const struct conf *c)
{
	unsigned tries = c->stats_fixed ? 1 : PORTS_TRIED;
	int rc = TT_EBUSY;

	for (unsigned i = 0; i < tries && rc == TT_EBUSY && c->stats_port + i <= 65535; i++)
		rc = loop_http_new(&s->http, s->app->loop, &c->stats_addr,
			(uint16_t)(c->stats_port + i), tt_addr_is_loopback(&c->stats_addr), handle,
			s);
	return rc;
}

int stats_start(struct app *app)
{
	const struct conf *c = app->conf;
	char text[TT_ADDR_TEXT_MAX];

	if (!c->stats_on)
		return EXIT_OK;
	struct stats_service *s = calloc(1, sizeof(*s));
	if (!s || app_timer_init(app, &s->second, each_second, s) != TT_OK) {
		free(s);
		return EXIT_FAILED;
	}
	s->app = app;
	s->events = stats_events_new(app);
	int rc = s->events ? listen_somewhere(s, c) : TT_ENOMEM;
	app->stats = s;
	if (rc == TT_OK) {
		bool six = c->stats_addr.family == 6;
		tt_info(app->log, "statistics at http://%s%s%s:%u/", six ? "[" : "",
			tt_addr_format(&c->stats_addr, text), six ? "]" : "",
			loop_http_port(s->http));
		app_timer_set(app, &s->second, app_now(app) + TT_S(1));
		return EXIT_OK;
	}
	tt_error(app->log,
		"the stats service cannot listen on %s port %u: %s; choose another with --stats, "
		"or off",
		tt_addr_format(&c->stats_addr, text), c->stats_port, tt_err_name(rc));
	stats_stop(app);
	return c->stats_fixed ? EXIT_FAILED : EXIT_OK;
}

void stats_stop(struct app *app)
{
	struct stats_service *s = app->stats;

	if (!s)
		return;
	app->stats = NULL;
	stats_events_free(s->events);
	loop_http_free(s->http);
	app_timer_drop(app, &s->second);
	free(s);
}
