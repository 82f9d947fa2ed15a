/* `toxtun bench TOXID`: how fast is the path to a peer. Its steps, one after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_progress.h"
#include "bench_result.h"
#include "bench_stream.h"
#include "cli.h"
#include "cli_reach.h"
#include "tt_err.h"

#define OPENS 10
/* A step has failed when nothing has arrived for so long after its start. */
#define SILENCE TT_S(20)
/* After a step: how long to wait for what is still under way before it is cut off. */
#define DRAIN TT_S(5)
_Static_assert(SILENCE + TT_S(CONF_BENCH_SECONDS_MAX) + DRAIN < SESSION_BENCH_TIME,
	"no step is so long that the peer ends it");

struct bench {
	struct app *app;
	struct peer *peer;
	struct bench_progress progress;
	struct bench_result result;
	struct bench_stream streams[2]; /* of the step */
	size_t n_streams;
};

/* ---- what went wrong ---- */

static int fail(const struct bench *b, int rc, const char *why)
{
	tt_error(b->app->log, "peer %s: %s", b->peer->tag, why);
	return rc;
}

static int closed(const struct bench *b, enum close_reason why)
{
	switch (why) {
	case REASON_NOT_ALLOWED:
		return fail(b, EXIT_REFUSED,
			"it does not let this machine measure: take no-bench out of its "
			"configuration, and let this machine reach a target there (allow, "
			"targets, secret); it must be a server");
	case REASON_LIMIT:
		return fail(b, EXIT_REFUSED,
			"it measures as much for this machine as it wants to; try again later");
	case REASON_UNSUPPORTED:
		return fail(b, EXIT_REFUSED, reason_text(why));
	case REASON_CONNECT_TIMEOUT:
		return fail(b, EXIT_UNREACHABLE, reason_text(why));
	default:
		return fail(b, EXIT_FAILED, reason_text(why));
	}
}

static int check(const struct bench *b, const struct bench_stream *s)
{
	uint64_t wrong = bench_stream_wrong(s);

	if (wrong) {
		tt_error(b->app->log, "peer %s: %s: byte %llu did not arrive as it was sent",
			b->peer->tag, wire_bench_name(s->kind), (unsigned long long)wrong - 1);
		return EXIT_FAILED;
	}
	if (!s->conn && s->why > REASON_BOTH_CLOSE)
		return closed(b, s->why);
	if (s->ended && !s->stopped)
		return fail(b, EXIT_FAILED, "it ended the measurement before its time");
	return EXIT_OK;
}

/* ---- the streams of a step ---- */

static int open_stream(struct bench *b, enum wire_bench kind)
{
	switch (bench_stream_open(&b->streams[b->n_streams], b->app, b->peer, kind)) {
	case TT_OK:
		b->n_streams++;
		return EXIT_OK;
	case TT_ENOTSUP:
		return fail(b, EXIT_FAILED,
			"its version of toxtun cannot measure; install this one there too");
	case TT_EAGAIN:
		return fail(b, EXIT_UNREACHABLE, "it has gone offline");
	default:
		return fail(b, EXIT_FAILED, "no channel can be opened (memory, descriptors)");
	}
}

static void close_streams(struct bench *b)
{
	while (b->n_streams > 0)
		bench_stream_close(&b->streams[--b->n_streams]);
}

/* ---- waiting ---- */

static void show_progress(struct bench *b)
{
	const struct bench_stream *s = b->streams;
	char figure[64] = "", one[16], other[16];

	if (app_now(b->app) < b->progress.next_at)
		return;
	for (size_t i = 0; i < b->n_streams; i++)
		bench_mega(bench_rate(s[i].bytes, s[i].us), i == 0 ? one : other);
	if (s[0].kind == WIRE_BENCH_ECHO)
		snprintf(figure, sizeof(figure), "%zu of them", s[0].samples->n);
	else if (b->n_streams == 1)
		snprintf(figure, sizeof(figure), "%s MB/s", one);
	else if (!s[0].feeding)
		snprintf(figure, sizeof(figure), "%s MB/s", other);
	else
		snprintf(figure, sizeof(figure), "down %s, up %s MB/s", other, one);
	bench_progress_show(&b->progress, figure, app_now(b->app));
}

/* One round of the loop, at most until `limit`. */
static int turn(struct bench *b, tt_time limit)
{
	int rc = app_step(b->app, tt_time_min(limit, b->progress.next_at));

	if (rc != EXIT_OK)
		return rc;
	if (b->app->stopping)
		return EXIT_FAILED;
	if (b->peer->path == TOXNET_PATH_NONE)
		return fail(b, EXIT_UNREACHABLE, "it has gone offline");
	b->result.path = peer_path_name(b->peer->path);
	for (size_t i = 0; i < b->n_streams && rc == EXIT_OK; i++)
		rc = check(b, &b->streams[i]);
	show_progress(b);
	return rc;
}

static int silent(const struct bench *b)
{
	return fail(b, EXIT_FAILED, "nothing arrives");
}

/* Ends the streams of a step, for as long as there is patience for what is under way: the source
 * first, so that the sink's last report is about all that the source has sent. */
static int finish(struct bench *b, int rc)
{
	tt_time limit = app_now(b->app) + DRAIN;

	for (size_t i = 0; i < b->n_streams; i++)
		bench_stream_stop(&b->streams[i]);
	for (size_t i = b->n_streams; i-- > 0;) {
		bench_stream_end(&b->streams[i]);
		while (rc == EXIT_OK && !bench_stream_over(&b->streams[i]) &&
			app_now(b->app) < limit)
			rc = turn(b, limit);
	}
	return rc;
}

static void begin(struct bench *b, const char *name)
{
	bench_progress_begin(&b->progress, name, TT_S(b->result.seconds), loop_clock(b->app->loop));
}

/* ---- the steps ---- */

/* One byte there and back on a new stream, which stays open. */
static int open_echo(struct bench *b, struct bench_samples *samples)
{
	int rc = open_stream(b, WIRE_BENCH_ECHO);
	tt_time limit = app_now(b->app) + SILENCE;

	if (rc != EXIT_OK)
		return rc;
	bench_stream_echo(&b->streams[0], 1, 1, samples);
	while (rc == EXIT_OK && b->streams[0].left > 0)
		rc = app_now(b->app) < limit ? turn(b, limit) : silent(b);
	return rc;
}

static int open_once(struct bench *b, struct bench_samples *samples)
{
	int rc = finish(b, open_echo(b, samples));

	close_streams(b);
	return rc;
}

/* The first one does not count: what Tox loses while it moves to the direct path it repeats only
 * after a second. */
static int measure_opening(struct bench *b)
{
	struct bench_samples ignored = {.n = 0};
	int rc = open_once(b, &ignored);
	tt_time limit = app_now(b->app) + TT_S(b->result.seconds);

	begin(b, "open + first byte");
	for (int i = 0; rc == EXIT_OK && i < OPENS && (i == 0 || app_now(b->app) < limit); i++)
		rc = open_once(b, &b->result.open);
	bench_samples_sort(&b->result.open);
	return rc;
}

static int measure_echo(struct bench *b)
{
	struct bench_samples first = {.n = 0};
	int rc = open_echo(b, &first);
	tt_time start = app_now(b->app), limit = start + TT_S(b->result.seconds);

	begin(b, "round trip");
	if (rc == EXIT_OK)
		bench_stream_echo(
			&b->streams[0], BENCH_ECHO_SIZE, BENCH_SAMPLES_MAX, &b->result.echo);
	while (rc == EXIT_OK && b->streams[0].left > 0 && app_now(b->app) < limit)
		rc = turn(b, limit);
	rc = finish(b, rc);
	close_streams(b);
	bench_samples_sort(&b->result.echo);
	return rc == EXIT_OK && b->result.echo.n == 0 ? silent(b) : rc;
}

/* What arrived, and what its sender needed for it. */
static void take_down(const struct bench *b, struct bench_transfer *t)
{
	const struct bench_stream *source = &b->streams[1];
	const struct wire_bench_report *r = &b->streams[0].report;

	*t = (struct bench_transfer){
		.bytes = source->bytes,
		.us = source->us,
		.segs_sent = r->segs_sent,
		.segs_repeated = r->segs_repeated,
		.bytes_sent = r->bytes_sent,
		.payload_sent = r->payload_sent,
	};
}

static void take_up(
	const struct bench *b, const struct link_stats *before, struct bench_transfer *t)
{
	struct link_stats now;

	link_stats(session_link(b->peer->session), &now);
	*t = (struct bench_transfer){
		.bytes = b->streams[0].bytes,
		.us = b->streams[0].us,
		.segs_sent = now.segs_sent - before->segs_sent,
		.segs_repeated = now.segs_retransmitted - before->segs_retransmitted,
		.bytes_sent = now.bytes_sent - before->bytes_sent,
		.payload_sent = now.payload_sent - before->payload_sent,
	};
}

static int run_transfer(struct bench *b, bool down, bool up)
{
	const struct bench_stream *sink = &b->streams[0], *source = &b->streams[1];
	tt_time limit = app_now(b->app) + SILENCE;
	int rc = EXIT_OK;

	while (rc == EXIT_OK && ((down && !source->bytes) || (up && !sink->bytes)))
		rc = app_now(b->app) < limit ? turn(b, limit) : silent(b);
	limit = app_now(b->app) + TT_S(b->result.seconds);
	while (rc == EXIT_OK && app_now(b->app) < limit)
		rc = turn(b, limit);
	return finish(b, rc);
}

/* NULL: not in this direction. There is a sink in either case, because it reports what the other
 * side's link does. */
static int measure_transfer(
	struct bench *b, const char *name, struct bench_transfer *down, struct bench_transfer *up)
{
	struct link_stats before;

	link_stats(session_link(b->peer->session), &before);
	int rc = open_stream(b, WIRE_BENCH_SINK);
	if (rc == EXIT_OK && down)
		rc = open_stream(b, WIRE_BENCH_SOURCE);
	begin(b, name);
	if (rc == EXIT_OK) {
		if (up)
			bench_stream_feed(&b->streams[0]);
		rc = run_transfer(b, down, up);
		if (down)
			take_down(b, down);
		if (up)
			take_up(b, &before, up);
	}
	close_streams(b);
	return rc;
}

static int measure(struct bench *b)
{
	struct bench_transfer *t = b->result.steps;
	int rc = measure_opening(b);

	if (rc == EXIT_OK)
		rc = measure_echo(b);
	if (rc == EXIT_OK)
		rc = measure_transfer(b, "download", &t[BENCH_DOWN], NULL);
	if (rc == EXIT_OK)
		rc = measure_transfer(b, "upload", NULL, &t[BENCH_UP]);
	if (rc == EXIT_OK)
		rc = measure_transfer(b, "both at once", &t[BENCH_BOTH_DOWN], &t[BENCH_BOTH_UP]);
	bench_progress_end(&b->progress);
	return rc;
}

static int show(const struct bench *b)
{
	char *json;

	if (!b->app->conf->json) {
		bench_result_print(&b->result, stdout);
	} else {
		json = bench_result_json(&b->result);
		if (!json)
			return EXIT_FAILED;
		puts(json);
		free(json);
	}
	return cli_flush(b->app->log) ? EXIT_OK : EXIT_FAILED;
}

static int bench(struct bench *b)
{
	struct bench_result *r = &b->result;
	struct session_stats st;

	session_stats(b->peer->session, &st);
	memcpy(r->key, b->peer->key, sizeof(r->key));
	snprintf(r->name, sizeof(r->name), "%s", b->peer->name[0] ? b->peer->name : st.peer_name);
	r->first_path = r->path = peer_path_name(b->peer->path);
	r->seconds = b->app->conf->bench_seconds;
	int rc = measure(b);
	r->complete = rc == EXIT_OK;
	if (bench_result_any(r) && show(b) != EXIT_OK && rc == EXIT_OK)
		rc = EXIT_FAILED;
	app_stop(b->app); /* so that the peer hears that it is over */
	int end = app_run(b->app);
	return rc == EXIT_OK ? end : rc;
}

int cli_bench(struct conf *conf, const struct tt_log *log)
{
	struct bench b = {.app = NULL};

	bench_progress_init(&b.progress, cli_live_line(log));
	int rc = cli_reach(&b.app, &b.peer, conf, log);
	if (rc == EXIT_OK)
		rc = bench(&b);
	app_free(b.app);
	return rc;
}
