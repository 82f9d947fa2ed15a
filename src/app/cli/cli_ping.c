/* `toxtun ping TOXID`: is it there, by which path, how far away. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "config.h"
#include "peer.h"

/* Two machines that know each other's node need about ten seconds to meet (DESIGN section 11). */
#define MEETING_FACTOR 2
#define INTERVAL TT_S(1)
#define ANSWER_TIMEOUT TT_S(3)
#define DIRECT_WAIT TT_S(3)

struct summary {
	unsigned sent, got;
	tt_time min, max, sum;
};

static int run_until_ready(struct app *app, struct peer *p, tt_time limit)
{
	while (!p->ready) {
		if (app->stopping)
			return EXIT_FAILED;
		if (app_now(app) >= limit)
			return EXIT_UNREACHABLE;
		int rc = app_step(app, limit);
		if (rc != EXIT_OK)
			return rc;
	}
	return EXIT_OK;
}

/* Peers mostly meet by a relay first; the direct way is found a moment later. */
static int run_until_direct(struct app *app, const struct peer *p)
{
	tt_time limit = app_now(app) + DIRECT_WAIT;
	int rc = EXIT_OK;

	while (rc == EXIT_OK && app->conf->udp && p->path == TOXNET_PATH_TCP && !app->stopping &&
		app_now(app) < limit)
		rc = app_step(app, limit);
	return rc;
}

static int one_round(struct app *app, struct peer *p, struct summary *s)
{
	struct link *l = session_link(p->session);
	uint64_t before, now;
	tt_time start = app_now(app), rtt = 0;

	link_probe_rtt(l, &before);
	link_probe(l);
	s->sent++;
	do {
		int rc = app_step(app, start + ANSWER_TIMEOUT);
		if (rc != EXIT_OK)
			return rc;
		rtt = link_probe_rtt(l, &now);
	} while (now == before && !app->stopping && app_now(app) < start + ANSWER_TIMEOUT);
	if (now == before) {
		printf("peer %s: %s, seq %u, no answer\n", p->tag, peer_path_name(p->path),
			s->sent);
	} else {
		printf("peer %s: %s, seq %u, time %.3f ms\n", p->tag, peer_path_name(p->path),
			s->sent, (double)rtt / 1e3);
		s->got++;
		s->sum += rtt;
		s->min = s->got == 1 || rtt < s->min ? rtt : s->min;
		s->max = rtt > s->max ? rtt : s->max;
	}
	fflush(stdout);
	while (s->sent < app->conf->ping_count && !app->stopping &&
		app_now(app) < start + INTERVAL) {
		int rc = app_step(app, start + INTERVAL);
		if (rc != EXIT_OK)
			return rc;
	}
	return EXIT_OK;
}

static int ping(struct app *app, struct peer *p)
{
	struct summary s = {0};
	int rc = run_until_direct(app, p);

	while (rc == EXIT_OK && s.sent < app->conf->ping_count && !app->stopping)
		rc = one_round(app, p, &s);
	if (rc != EXIT_OK)
		return rc;
	printf("%u sent, %u answered", s.sent, s.got);
	if (s.got)
		printf(", time min %.3f avg %.3f max %.3f ms", (double)s.min / 1e3,
			(double)s.sum / 1e3 / s.got, (double)s.max / 1e3);
	printf("\n");
	if (!cli_flush(app->log))
		return EXIT_FAILED;
	return s.got ? EXIT_OK : EXIT_UNREACHABLE;
}

int cli_ping(struct conf *conf, const struct tt_log *log)
{
	struct app *app = NULL;
	char *dir = config_data_dir(conf);
	char tag[9];

	if (!dir)
		return EXIT_USAGE;
	int rc = app_new(&app, conf, log, dir);
	if (rc != EXIT_OK)
		goto out;
	struct peer *p = peer_want(app, &conf->target);
	rc = EXIT_FAILED;
	if (!p)
		goto out;
	tt_time limit = app_now(app) + MEETING_FACTOR * TT_S(conf->connect_timeout_s);
	rc = run_until_ready(app, p, limit);
	if (rc == EXIT_OK)
		rc = ping(app, p);
	else if (rc == EXIT_UNREACHABLE)
		tt_error(log, "peer %s is not reachable: %s", tt_key_short(conf->target.key, tag),
			app->self_path == TOXNET_PATH_NONE
				? "this machine has no connection to the Tox network (bootstrap "
				  "nodes, firewall?)"
				: "it is offline, or it does not accept this machine");
out:
	app_free(app);
	free(dir);
	return rc;
}
