#include "cli_reach.h"

#include <stdlib.h>

#include "config.h"

/* Two machines that know each other's node need about ten seconds to meet (DESIGN section 11). */
#define MEETING_FACTOR 2
#define DIRECT_WAIT TT_S(3)

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

int cli_reach(struct app **app, struct peer **peer, struct conf *conf, const struct tt_log *log)
{
	char *dir = config_data_dir(conf);
	char tag[9];

	if (!dir)
		return EXIT_USAGE;
	int rc = app_new(app, conf, log, dir);
	free(dir);
	if (rc != EXIT_OK)
		return rc;
	*peer = peer_want(*app, &conf->target);
	if (!*peer)
		return EXIT_FAILED;
	tt_time limit = app_now(*app) + MEETING_FACTOR * TT_S(conf->connect_timeout_s);
	rc = run_until_ready(*app, *peer, limit);
	if (rc == EXIT_OK)
		rc = run_until_direct(*app, *peer);
	else if (rc == EXIT_UNREACHABLE)
		tt_error(log, "peer %s is not reachable: %s", tt_key_short(conf->target.key, tag),
			(*app)->self_path == TOXNET_PATH_NONE
				? "this machine has no connection to the Tox network (bootstrap "
				  "nodes, firewall?)"
				: "it is offline, or it does not accept this machine");
	return rc;
}
