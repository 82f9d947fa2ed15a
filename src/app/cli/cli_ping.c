/* `toxtun ping TOXID`: is it there, by which path, how far away. */
#include <stdio.h>

#include "cli.h"
#include "cli_reach.h"

#define INTERVAL TT_S(1)
#define ANSWER_TIMEOUT TT_S(3)

struct summary {
	unsigned sent, got;
	tt_time min, max, sum;
};

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
	int rc = EXIT_OK;

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
	struct peer *p;
	int rc = cli_reach(&app, &p, conf, log);

	if (rc == EXIT_OK)
		rc = ping(app, p);
	app_free(app);
	return rc;
}
