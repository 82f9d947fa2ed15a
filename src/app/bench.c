#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "text.h"
#include "tt_err.h"

#define OPENS 10
/* A step has failed when nothing has arrived for so long after its start. */
#define SILENCE TT_S(20)
/* After a step: how long to wait for what is still under way before it is cut off. */
#define DRAIN TT_S(5)
_Static_assert(SILENCE + TT_S(CONF_BENCH_SECONDS_MAX) + DRAIN < SESSION_BENCH_TIME,
	"no step is so long that the peer ends it");
#define PROGRESS_EVERY TT_MS(200)
#define BAR 12

/* The first opening does not count: what Tox loses while it moves to the direct path it repeats
 * only after a second. */
enum { FIRST_OPENING, OPENING, ECHO, DOWNLOAD, UPLOAD, BOTH, STEPS };

static const struct {
	const char *name; /* NULL: it is not shown */
	bool down, up;    /* a transfer in these directions; neither: messages there and back */
	enum bench_step down_result, up_result;
} steps[STEPS] = {
	[OPENING] = {.name = "open + first byte"},
	[ECHO] = {.name = "round trip"},
	[DOWNLOAD] = {.name = "download", .down = true, .down_result = BENCH_DOWN},
	[UPLOAD] = {.name = "upload", .up = true, .up_result = BENCH_UP},
	[BOTH] = {.name = "both at once",
		.down = true,
		.up = true,
		.down_result = BENCH_BOTH_DOWN,
		.up_result = BENCH_BOTH_UP},
};

static bool is_transfer(const struct bench *b)
{
	return steps[b->step].down || steps[b->step].up;
}

static struct app *app_of(const struct bench *b)
{
	return b->reach.app;
}

/* ---- what went wrong ---- */

static int fail(const struct bench *b, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(const struct bench *b, int rc, const char *fmt, ...)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "peer %s: ", b->tag);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	b->say(b->user, BENCH_ERROR, line);
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
		return fail(b, EXIT_REFUSED, "%s", reason_text(why));
	case REASON_CONNECT_TIMEOUT:
		return fail(b, EXIT_UNREACHABLE, "%s", reason_text(why));
	default:
		return fail(b, EXIT_FAILED, "%s", reason_text(why));
	}
}

static int check(const struct bench *b, const struct bench_stream *s)
{
	uint64_t wrong = bench_stream_wrong(s);

	if (wrong)
		return fail(b, EXIT_FAILED, "%s: byte %llu did not arrive as it was sent",
			wire_bench_name(s->kind), (unsigned long long)wrong - 1);
	if (!s->conn && s->why > REASON_BOTH_CLOSE)
		return closed(b, s->why);
	if (s->ended && !s->stopped)
		return fail(b, EXIT_FAILED, "it ended the measurement before its time");
	return EXIT_OK;
}

static int silent(const struct bench *b)
{
	return fail(b, EXIT_FAILED, "nothing arrives");
}

/* ---- the peer ---- */

int bench_start(struct bench *b, struct app *app, const struct tt_peer_id *id, uint32_t seconds)
{
	tt_key_short(id->key, b->tag);
	b->result.seconds = seconds;
	b->progress_at = TT_TIME_NEVER;
	return reach_start(&b->reach, app, id);
}

/* The first time that the peer is there. */
static void note_peer(struct bench *b, const struct peer *p)
{
	struct bench_result *r = &b->result;
	struct session_stats st;

	session_stats(p->session, &st);
	memcpy(r->key, p->key, sizeof(r->key));
	snprintf(r->name, sizeof(r->name), "%s", p->name[0] ? p->name : st.peer_name);
	r->first_path = peer_path_name(p->path);
	b->reached = true;
}

static int look(struct bench *b, const struct peer *p)
{
	int rc = EXIT_OK;

	if (!p)
		return fail(b, EXIT_UNREACHABLE, "it was removed");
	if (p->path == TOXNET_PATH_NONE)
		return fail(b, EXIT_UNREACHABLE, "it has gone offline");
	b->result.path = peer_path_name(p->path);
	for (size_t i = 0; i < b->n_streams && rc == EXIT_OK; i++)
		rc = check(b, &b->streams[i]);
	return rc;
}

/* ---- the streams of a step ---- */

static int open_stream(struct bench *b, struct peer *p, enum wire_bench kind)
{
	switch (bench_stream_open(&b->streams[b->n_streams], app_of(b), p, kind)) {
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

void bench_clear(struct bench *b)
{
	while (b->n_streams > 0)
		bench_stream_close(&b->streams[--b->n_streams]);
}

static void stop_streams(struct bench *b)
{
	for (size_t i = 0; i < b->n_streams; i++)
		bench_stream_stop(&b->streams[i]);
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

static void take_up(const struct bench *b, const struct peer *p, struct bench_transfer *t)
{
	const struct link_stats *before = &b->before;
	struct link_stats now;

	link_stats(session_link(p->session), &now);
	*t = (struct bench_transfer){
		.bytes = b->streams[0].bytes,
		.us = b->streams[0].us,
		.segs_sent = now.segs_sent - before->segs_sent,
		.segs_repeated = now.segs_retransmitted - before->segs_retransmitted,
		.bytes_sent = now.bytes_sent - before->bytes_sent,
		.payload_sent = now.payload_sent - before->payload_sent,
	};
}

/* Its streams are stopped. */
static void take_transfer(struct bench *b)
{
	const struct peer *p = reach_peer(&b->reach);

	if (steps[b->step].down)
		take_down(b, &b->result.steps[steps[b->step].down_result]);
	if (steps[b->step].up && p)
		take_up(b, p, &b->result.steps[steps[b->step].up_result]);
}

/* ---- the phases of a step ---- */

/* There is a sink in any transfer, because it reports what the other side's link does. */
static int open_transfer(struct bench *b, struct peer *p)
{
	link_stats(session_link(p->session), &b->before);
	int rc = open_stream(b, p, WIRE_BENCH_SINK);
	if (rc == EXIT_OK && steps[b->step].down)
		rc = open_stream(b, p, WIRE_BENCH_SOURCE);
	if (rc == EXIT_OK && steps[b->step].up)
		bench_stream_feed(&b->streams[0]);
	return rc;
}

/* One byte there and back. */
static int open_echo(struct bench *b, struct peer *p)
{
	int rc = open_stream(b, p, WIRE_BENCH_ECHO);

	if (rc == EXIT_OK)
		bench_stream_echo(
			&b->streams[0], 1, 1, b->step == OPENING ? &b->result.open : &b->ignored);
	return rc;
}

static void enter(struct bench *b, enum bench_phase phase, tt_time time)
{
	b->phase = phase;
	b->limit = app_now(app_of(b)) + time;
}

static bool first_came(const struct bench *b)
{
	const struct bench_stream *s = b->streams;

	if (!is_transfer(b))
		return s[0].left == 0;
	return (!steps[b->step].down || s[1].bytes) && (!steps[b->step].up || s[0].bytes);
}

/* The source ends first, so that the sink's last report is about all that the source has sent. */
static void end_last(struct bench *b)
{
	if (b->n_draining > 0)
		bench_stream_end(&b->streams[b->n_draining - 1]);
}

static bool drained(struct bench *b)
{
	bool late = app_now(app_of(b)) >= b->limit;

	while (b->n_draining > 0 && (late || bench_stream_over(&b->streams[b->n_draining - 1]))) {
		b->n_draining--;
		end_last(b);
	}
	return b->n_draining == 0;
}

static void begin_step(struct bench *b, size_t step)
{
	b->step = step;
	b->phase = BENCH_OPEN;
	b->since = app_now(app_of(b));
	b->progress_at = step < STEPS && steps[step].name ? b->since : TT_TIME_NEVER;
}

static int end_step(struct bench *b)
{
	if (is_transfer(b))
		take_transfer(b);
	bench_clear(b);
	if (b->step == OPENING && b->result.open.n < OPENS &&
		app_now(app_of(b)) < b->since + TT_S(b->result.seconds)) {
		b->phase = BENCH_OPEN; /* once more */
		return EXIT_OK;
	}
	if (b->step == ECHO && b->result.echo.n == 0)
		return silent(b);
	begin_step(b, b->step + 1);
	return EXIT_OK;
}

/* EXIT_OK: on to the next phase. */
static int advance(struct bench *b, struct peer *p)
{
	bool late = app_now(app_of(b)) >= b->limit;
	int rc = EXIT_OK;

	switch (b->phase) {
	case BENCH_OPEN:
		rc = is_transfer(b) ? open_transfer(b, p) : open_echo(b, p);
		enter(b, BENCH_FIRST, SILENCE);
		return rc;
	case BENCH_FIRST:
		if (!first_came(b))
			return late ? silent(b) : BENCH_WAITING;
		if (b->step == ECHO)
			bench_stream_echo(&b->streams[0], BENCH_ECHO_SIZE, BENCH_SAMPLES_MAX,
				&b->result.echo);
		enter(b, BENCH_RUN, TT_S(b->result.seconds));
		return EXIT_OK;
	case BENCH_RUN:
		if (!late && (is_transfer(b) || b->streams[0].left > 0))
			return BENCH_WAITING;
		stop_streams(b);
		b->n_draining = b->n_streams;
		end_last(b);
		enter(b, BENCH_DRAIN, DRAIN);
		return EXIT_OK;
	case BENCH_DRAIN:
		return drained(b) ? end_step(b) : BENCH_WAITING;
	}
	return rc;
}

/* ---- what is said ---- */

static void put_figure(const struct bench *b, char *dst, size_t size)
{
	const struct bench_stream *s = b->streams;
	char one[16], other[16];

	if (!is_transfer(b)) {
		snprintf(dst, size, "%zu of them",
			b->step == ECHO ? b->result.echo.n : b->result.open.n);
		return;
	}
	bench_mega(bench_rate(s[0].bytes, s[0].us), one);
	bench_mega(bench_rate(s[1].bytes, s[1].us), other);
	if (!steps[b->step].up)
		snprintf(dst, size, "%s MB/s", other);
	else if (!steps[b->step].down)
		snprintf(dst, size, "%s MB/s", one);
	else
		snprintf(dst, size, "down %s, up %s MB/s", other, one);
}

static void show_progress(struct bench *b)
{
	tt_time now = app_now(app_of(b)), length = TT_S(b->result.seconds);
	tt_time gone = tt_time_min(tt_time_since(now, b->since), length);
	char bar[BAR + 1], figure[64], line[160];

	if (now < b->progress_at)
		return;
	b->progress_at = now + PROGRESS_EVERY;
	memset(bar, ' ', BAR);
	memset(bar, '=', (size_t)(gone * BAR / length));
	bar[BAR] = '\0';
	put_figure(b, figure, sizeof(figure));
	snprintf(line, sizeof(line), "%-18s[%s] %4.1f of %.0f s   %s", steps[b->step].name, bar,
		(double)gone / 1e6, (double)length / 1e6, figure);
	b->say(b->user, BENCH_PROGRESS, line);
}

static char *table(const struct bench_result *r)
{
	struct text t;

	if (!text_open(&t))
		return NULL;
	bench_result_print(r, t.f);
	return text_close(&t);
}

static int say_result(struct bench *b)
{
	char *text = b->json ? bench_result_json(&b->result) : table(&b->result), *rest = text;

	if (!text)
		return fail(b, EXIT_FAILED, "no memory for the result");
	for (char *line; (line = strsep(&rest, "\n"));) {
		if (rest || line[0]) /* nothing comes after the last newline */
			b->say(b->user, BENCH_OUT, line);
	}
	free(text);
	return EXIT_OK;
}

static int finish(struct bench *b, int rc)
{
	struct bench_result *r = &b->result;

	if (rc != EXIT_OK && b->n_streams > 0) {
		stop_streams(b);
		if (is_transfer(b) && b->n_streams == 1u + steps[b->step].down)
			take_transfer(b);
		bench_clear(b);
	}
	r->complete = rc == EXIT_OK;
	bench_samples_sort(&r->open);
	bench_samples_sort(&r->echo);
	if (bench_result_any(r) && say_result(b) != EXIT_OK && rc == EXIT_OK)
		rc = EXIT_FAILED;
	return rc;
}

int bench_cut(struct bench *b)
{
	return finish(b, EXIT_FAILED);
}

/* Until the peer is there. */
static int reach(struct bench *b)
{
	int rc = reach_poll(&b->reach);

	if (rc == EXIT_UNREACHABLE)
		fail(b, rc, "it is not reachable: %s", reach_why(app_of(b)));
	if (rc == EXIT_OK) {
		note_peer(b, reach_peer(&b->reach));
		begin_step(b, 0);
	}
	return rc;
}

int bench_poll(struct bench *b)
{
	int rc = b->reached ? EXIT_OK : reach(b);
	struct peer *p = reach_peer(&b->reach);

	if (rc == EXIT_OK)
		rc = look(b, p);
	while (rc == EXIT_OK && b->step < STEPS)
		rc = advance(b, p);
	if (rc != BENCH_WAITING)
		return finish(b, rc);
	show_progress(b);
	return rc;
}

tt_time bench_deadline(const struct bench *b)
{
	return b->reached ? tt_time_min(b->limit, b->progress_at) : reach_deadline(&b->reach);
}
