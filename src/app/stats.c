#include "stats.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "memory.h"
#include "stats_int.h"
#include "tt_err.h"

#define PORTS_TRIED 100

struct stats_service {
	struct loop_http *http;
};

const char *stats_role(const struct app *app)
{
	const struct conf *c = app->conf;
	if (c->command == CONF_CMD_NODE)
		return "node";
	if (c->serve && app->forwards)
		return "server and client";
	return c->serve ? "server" : "client";
}

static void add_datagrams(struct dgram_stats *sum, const struct dgram_stats *d)
{
	sum->flows += d->flows;
	sum->flows_opened += d->flows_opened;
	sum->sent += d->sent;
	sum->received += d->received;
	sum->bytes_sent += d->bytes_sent;
	sum->bytes_received += d->bytes_received;
	sum->packets_sent += d->packets_sent;
	sum->packets_received += d->packets_received;
	sum->network_sent += d->network_sent;
	sum->network_received += d->network_received;
	sum->malformed += d->malformed;
	for (size_t i = 0; i < DGRAM_DROP_COUNT; i++)
		sum->dropped[i] += d->dropped[i];
}

static void add_session(struct session_stats *sum, const struct session_stats *s)
{
	sum->opened += s->opened;
	sum->ok += s->ok;
	sum->failed += s->failed;
	sum->active += s->active;
	for (size_t i = 0; i < REASON_COUNT; i++)
		sum->reasons[i] += s->reasons[i];
	sum->control_sent += s->control_sent;
	sum->control_received += s->control_received;
	sum->control_malformed += s->control_malformed;
	sum->restarts += s->restarts;
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		sum->limits[i] += s->limits[i];
	sum->flows_failed += s->flows_failed;
	add_datagrams(&sum->udp, &s->udp);
}

static void add_link(struct link_stats *sum, const struct link_stats *l)
{
	sum->packets_sent += l->packets_sent;
	sum->packets_received += l->packets_received;
	sum->bytes_sent += l->bytes_sent;
	sum->bytes_received += l->bytes_received;
	sum->payload_sent += l->payload_sent;
	sum->payload_received += l->payload_received;
	sum->segs_sent += l->segs_sent;
	sum->segs_retransmitted += l->segs_retransmitted;
	sum->segs_received += l->segs_received;
	sum->segs_duplicate += l->segs_duplicate;
	sum->malformed += l->malformed;
	sum->unknown_conv += l->unknown_conv;
	sum->queued_bytes += l->queued_bytes;
	sum->streams += l->streams;
}

void stats_peer_gone(struct app *app, const struct peer *p)
{
	struct session_stats s;
	struct link_stats l;

	session_stats(p->session, &s);
	link_stats(session_link(p->session), &l);
	s.active = s.udp.flows = 0;
	l.queued_bytes = l.streams = 0;
	add_session(&app->ended, &s);
	add_link(&app->ended_links, &l);
}

static size_t count_fds(void)
{
	size_t n = 0;
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

static void gather_process(struct stats_totals *t)
{
	struct rusage ru;

	t->rss_bytes = memory_resident();
	t->heap_bytes = memory_allocated();
	t->fds = count_fds();
	if (getrusage(RUSAGE_SELF, &ru) == 0)
		t->cpu_seconds = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
				 (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

void stats_gather(const struct app *app, struct stats_totals *t)
{
	memset(t, 0, sizeof(*t));
	add_session(&t->sessions, &app->ended);
	add_link(&t->links, &app->ended_links);
	for (const struct peer *p = app->peers; p; p = p->hh.next) {
		struct session_stats s;
		struct link_stats l;
		session_stats(p->session, &s);
		link_stats(session_link(p->session), &l);
		add_session(&t->sessions, &s);
		add_link(&t->links, &l);
		t->peers_online += p->path != TOXNET_PATH_NONE;
		t->peer_drops += p->drops;
	}
	t->sessions.limits[LIMIT_LOG] += app->limited_lines;
	toxnet_stats(app->tn, &t->tox);
	gather_process(t);
}

static void reply(struct loop_http_request *req, char *body, const char *type)
{
	if (!body)
		loop_http_reply(req, 503, "text/plain; charset=utf-8", "out of memory\n", 14);
	else
		loop_http_reply(req, 200, type, body, strlen(body));
	free(body);
}

static void handle(void *user, struct loop_http_request *req, const char *path)
{
	static const char index[] =
		"toxtun\n\n/stats       statistics as text\n/stats.json  the same as JSON\n";
	static const char nothing[] = "not found; there are /stats and /stats.json\n";
	const struct app *app = user;

	if (strcmp(path, "/stats") == 0)
		reply(req, stats_text(app), "text/plain; charset=utf-8");
	else if (strcmp(path, "/stats.json") == 0)
		reply(req, stats_json(app), "application/json");
	else if (strcmp(path, "/") == 0)
		loop_http_reply(req, 200, "text/plain; charset=utf-8", index, sizeof(index) - 1);
	else
		loop_http_reply(
			req, 404, "text/plain; charset=utf-8", nothing, sizeof(nothing) - 1);
}

int stats_start(struct app *app)
{
	const struct conf *c = app->conf;
	char text[TT_ADDR_TEXT_MAX];
	int rc = TT_EBUSY;

	if (!c->stats_on)
		return EXIT_OK;
	app->stats = calloc(1, sizeof(*app->stats));
	if (!app->stats)
		return EXIT_FAILED;
	unsigned tries = c->stats_fixed ? 1 : PORTS_TRIED;
	for (unsigned i = 0; i < tries && rc == TT_EBUSY && c->stats_port + i <= 65535; i++)
		rc = loop_http_new(&app->stats->http, app->loop, &c->stats_addr,
			(uint16_t)(c->stats_port + i), tt_addr_is_loopback(&c->stats_addr), handle,
			app);
	if (rc == TT_OK) {
		tt_info(app->log, "statistics at http://%s%s%s:%u/stats",
			c->stats_addr.family == 6 ? "[" : "", tt_addr_format(&c->stats_addr, text),
			c->stats_addr.family == 6 ? "]" : "", loop_http_port(app->stats->http));
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
	if (!app->stats)
		return;
	loop_http_free(app->stats->http);
	free(app->stats);
	app->stats = NULL;
}
