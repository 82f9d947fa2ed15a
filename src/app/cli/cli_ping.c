/* `toxtun ping TOXID`: by the process that has the data directory, or else by itself. */
#include <stdio.h>

#include "cli.h"
#include "control_ask.h"
#include "ping.h"

static void say(void *user, bool error, const char *line)
{
	if (error)
		tt_error((const struct tt_log *)user, "%s", line);
	else
		printf("%s\n", line);
	fflush(stdout);
}

static int ping_here(struct conf *conf, const struct tt_log *log)
{
	struct ping p = {.say = say, .user = (void *)log, .json = conf->json};
	struct app *app = NULL;
	int rc = cli_start(&app, conf, log);

	if (rc == EXIT_OK)
		rc = ping_start(&p, app, &conf->target, conf->ping_count);
	if (rc != EXIT_OK)
		goto out;
	while ((rc = ping_poll(&p)) == PING_WAITING && !app->stopping) {
		if (app_step(app, ping_deadline(&p)) != EXIT_OK)
			break;
	}
	if (rc == PING_WAITING)
		rc = ping_cut(&p);
	if (!cli_flush(log))
		rc = EXIT_FAILED;
out:
	app_free(app);
	return rc;
}

int cli_ping(struct conf *conf, const struct tt_log *log)
{
	struct control_ask ask;

	if (!control_ask_open(&ask, conf, log))
		return ping_here(conf, log);
	control_ask_heed_interrupt(&ask);
	cJSON *request = control_ask_request("ping");
	control_ask_peers(request, &conf->target, 1);
	cJSON_AddNumberToObject(request, "count", conf->ping_count);
	if (conf->json)
		cJSON_AddTrueToObject(request, "json");
	return control_ask_run(&ask, request);
}
