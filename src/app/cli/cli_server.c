/* `toxtun server` and `toxtun client`: the tunnel. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "control.h"
#include "forward.h"
#include "peer.h"
#include "service.h"
#include "stats.h"
#include "status_live.h"

static int write_id_file(const struct tt_log *log, const char *path, const char *id)
{
	FILE *f = fopen(path, "we");
	bool ok = f && fprintf(f, "%s\n", id) > 0;

	if (f)
		ok = fclose(f) == 0 && ok;
	if (!ok)
		tt_error(log, "the ID file %s cannot be written: %s", path, strerror(errno));
	return ok ? EXIT_OK : EXIT_FAILED;
}

static int announce(const struct app *app)
{
	uint8_t id[TT_TOXID_LEN];
	char hex[TT_TOXID_HEX + 1];

	toxnet_self_id(app->tn, id);
	tt_hex_encode(id, TT_TOXID_LEN, hex);
	if (app->conf->serve)
		printf("toxid: %s\n", hex);
	if (!cli_flush(app->log))
		return EXIT_FAILED;
	return app->conf->id_file ? write_id_file(app->log, app->conf->id_file, hex) : EXIT_OK;
}

int cli_server(struct conf *conf, const struct tt_log *log)
{
	struct app *app = NULL;
	char *dir = config_data_dir(conf);
	int rc = EXIT_FAILED;

	if (!dir)
		return EXIT_USAGE;
	if (!logsink_to_file(logsink_of(log), conf->log_file))
		goto out;
	rc = app_new(&app, conf, log, dir);
	if (rc != EXIT_OK)
		goto out;
	rc = forwards_open(app);
	if (rc == EXIT_OK)
		rc = stats_start(app);
	if (rc == EXIT_OK)
		rc = announce(app);
	if (rc != EXIT_OK)
		goto out;
	peers_restore(app);
	peers_want(app);
	peers_accept_admins(app);
	control_start(app, dir);
	rc = service_start(app);
	if (rc != EXIT_OK)
		goto out;
	status_live_start(app, cli_live_line(log));
	rc = app_run(app);
out:
	app_free(app);
	free(dir);
	return rc;
}
