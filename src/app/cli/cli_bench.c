/* `toxtun bench TOXID`: by the process that has the data directory, or else by itself. */
#include <stdio.h>

#include "bench.h"
#include "cli.h"
#include "control_ask.h"
#include "live_line.h"

struct output {
	const struct tt_log *log;
	struct live_line *progress;
};

static void say(void *user, enum bench_line kind, const char *line)
{
	const struct output *out = user;

	live_line_set(out->progress, kind == BENCH_PROGRESS ? line : "");
	if (kind == BENCH_ERROR)
		tt_error(out->log, "%s", line);
	else if (kind == BENCH_OUT)
		puts(line);
}

/* Until it is over or interrupted. */
static int run(struct bench *b, struct app *app)
{
	int rc;

	while ((rc = bench_poll(b)) == BENCH_WAITING) {
		if (app->stopping || app_step(app, bench_deadline(b)) != EXIT_OK)
			return bench_cut(b);
	}
	return rc;
}

static int bench_here(struct conf *conf, struct output *out)
{
	struct bench b = {.json = conf->json, .say = say, .user = out};
	struct app *app = NULL;
	int rc = cli_start(&app, conf, out->log);

	if (rc == EXIT_OK)
		rc = bench_start(&b, app, &conf->target, conf->bench_seconds);
	if (rc == EXIT_OK) {
		rc = run(&b, app);
		if (!cli_flush(out->log) && rc == EXIT_OK)
			rc = EXIT_FAILED;
		app_stop(app); /* so that the peer hears that it is over */
		int end = app_run(app);
		rc = rc == EXIT_OK ? end : rc;
	}
	app_free(app);
	return rc;
}

int cli_bench(struct conf *conf, const struct tt_log *log)
{
	struct output out = {.log = log, .progress = cli_live_line(log)};
	struct control_ask ask;

	if (!control_ask_open(&ask, conf, log))
		return bench_here(conf, &out);
	ask.progress = out.progress;
	control_ask_heed_interrupt(&ask);
	cJSON *request = control_ask_request("bench");
	control_ask_peers(request, &conf->target, 1);
	cJSON_AddNumberToObject(request, "seconds", conf->bench_seconds);
	if (conf->json)
		cJSON_AddTrueToObject(request, "json");
	return control_ask_run(&ask, request);
}
