#include "cli_reach.h"

#include <stdlib.h>

#include "config.h"
#include "reach.h"

int cli_start(struct app **app, const struct conf *conf, const struct tt_log *log)
{
	char *dir = config_data_dir(conf);
	int rc = dir ? app_new(app, conf, log, dir) : EXIT_USAGE;

	free(dir);
	return rc;
}

int cli_reach(struct app **app, struct peer **peer, struct conf *conf, const struct tt_log *log)
{
	struct reach r;
	char tag[9];
	int rc = cli_start(app, conf, log);

	if (rc == EXIT_OK)
		rc = reach_start(&r, *app, &conf->target);
	if (rc != EXIT_OK)
		return rc;
	while ((rc = reach_poll(&r)) == REACH_WAITING) {
		if ((*app)->stopping || app_step(*app, reach_deadline(&r)) != EXIT_OK)
			return EXIT_FAILED;
	}
	if (rc == EXIT_UNREACHABLE)
		tt_error(log, "peer %s is not reachable: %s", tt_key_short(conf->target.key, tag),
			reach_why(*app));
	*peer = reach_peer(&r);
	return rc;
}
