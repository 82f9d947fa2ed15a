#include "bench_stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "tt_err.h"

static void on_closed(void *user, enum close_reason why)
{
	struct bench_stream *s = user;

	s->conn = NULL;
	s->why = why;
}

/* ---- source ---- */

static void note_source(struct bench_stream *s)
{
	if (s->stopped || s->in.offset == 0)
		return;
	if (!s->first_at)
		s->first_at = app_now(s->app);
	s->bytes = s->in.offset;
	s->us = app_now(s->app) - s->first_at;
}

static enum bench_io run_source(struct bench_stream *s)
{
	enum bench_io rc = bench_take(s->fd, &s->in);

	note_source(s);
	return rc;
}

/* ---- sink ---- */

static void take_report(struct bench_stream *s)
{
	wire_bench_report_decode(&s->report, s->buf);
	/* on a slow path the first report may come when the time is over already */
	if (s->stopped && s->bytes > 0)
		return;
	s->bytes = s->report.bytes;
	s->us = s->report.elapsed_us;
}

/* Reads up to `size` bytes into buf; true when they are complete. */
static bool fill_buf(struct bench_stream *s, size_t size, enum bench_io *rc)
{
	ssize_t n = recv(s->fd, s->buf + s->got, size - s->got, 0);

	*rc = n > 0 || (n < 0 && errno == EINTR)                   ? BENCH_MORE
	      : n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? BENCH_AGAIN
								   : BENCH_END;
	s->got += n > 0 ? (size_t)n : 0;
	return s->got == size;
}

static enum bench_io run_sink(struct bench_stream *s, unsigned events)
{
	enum bench_io rc = BENCH_MORE;

	while (events & LOOP_READ && rc == BENCH_MORE) {
		if (fill_buf(s, WIRE_BENCH_REPORT_LEN, &rc)) {
			take_report(s);
			s->got = 0;
		}
	}
	/* with an error here there will be an end to read as well */
	if (events & LOOP_WRITE && rc != BENCH_END)
		bench_send(s->fd, &s->out);
	return rc;
}

void bench_stream_feed(struct bench_stream *s)
{
	s->feeding = true;
	loop_watch_set(s->watch, LOOP_READ | LOOP_WRITE);
}

/* ---- echo ---- */

static void send_message(struct bench_stream *s)
{
	uint8_t msg[BENCH_ECHO_SIZE];

	if (s->out.offset > 0) /* else it is that of the opening */
		s->sent_at = loop_clock(s->app->loop);
	wire_bench_fill(s->out.seed, s->out.offset, msg, s->size);
	/* the socket is empty: it takes all of a message, or the stream is over */
	if (send(s->fd, msg, s->size, MSG_NOSIGNAL) == (ssize_t)s->size)
		s->out.offset += s->size;
}

static void take_message(struct bench_stream *s)
{
	size_t good = wire_bench_match(s->out.seed, s->in.offset, s->buf, s->size);

	bench_samples_add(s->samples, loop_clock(s->app->loop) - s->sent_at);
	if (good < s->size && !s->in.wrong)
		s->in.wrong = s->in.offset + good + 1;
	s->in.offset += s->size;
	s->got = 0;
	if (s->stopped || --s->left == 0)
		s->left = 0;
	else
		send_message(s);
}

static enum bench_io run_echo(struct bench_stream *s)
{
	uint8_t none[1];
	enum bench_io rc;

	if (s->left > 0 && fill_buf(s, s->size, &rc))
		take_message(s);
	else if (s->left == 0) /* only its end may come */
		rc = recv(s->fd, none, sizeof(none), 0) == 0 ? BENCH_END : BENCH_MORE;
	return rc;
}

void bench_stream_echo(
	struct bench_stream *s, size_t size, unsigned count, struct bench_samples *samples)
{
	s->size = size;
	s->left = count;
	s->samples = samples;
	send_message(s);
}

/* ---- all ---- */

static void on_ready(void *user, unsigned events)
{
	struct bench_stream *s = user;
	enum bench_io rc = s->kind == WIRE_BENCH_SOURCE ? run_source(s)
			   : s->kind == WIRE_BENCH_SINK ? run_sink(s, events)
							: run_echo(s);

	if (rc == BENCH_END) {
		s->ended = true;
		loop_watch_set(s->watch, 0);
	}
}

int bench_stream_open(
	struct bench_stream *s, struct app *app, struct peer *peer, enum wire_bench kind)
{
	struct channel_target target = {
		.proto = WIRE_BENCH, .host = wire_bench_name(kind), .tunnel = "bench"};
	struct conn_owner owner = {.closed = on_closed, .user = s};
	int pair[2];

	*s = (struct bench_stream){.app = app, .kind = kind, .sent_at = loop_clock(app->loop)};
	if (net_pair(pair) != 0)
		return TT_EIO;
	s->fd = pair[0];
	int rc = loop_watch_new(&s->watch, app->loop, s->fd, LOOP_READ, on_ready, s);
	if (rc == TT_OK)
		rc = conn_open(app, peer, &target, pair[1], &owner, &s->conn);
	else
		close(pair[1]);
	if (rc != TT_OK) {
		bench_stream_close(s);
		return rc;
	}
	s->out.seed = wire_bench_seed(conn_id(s->conn), true);
	s->in.seed = wire_bench_seed(conn_id(s->conn), false);
	return TT_OK;
}

void bench_stream_stop(struct bench_stream *s)
{
	if (s->kind == WIRE_BENCH_SOURCE)
		note_source(s); /* a pause at the end counts too */
	s->stopped = true;
	if (!s->ended)
		loop_watch_set(s->watch, LOOP_READ);
}

void bench_stream_end(struct bench_stream *s)
{
	shutdown(s->fd, SHUT_WR);
}

bool bench_stream_over(const struct bench_stream *s)
{
	return !s->conn && (s->ended || s->why > REASON_BOTH_CLOSE);
}

uint64_t bench_stream_wrong(const struct bench_stream *s)
{
	return s->kind == WIRE_BENCH_SINK ? s->report.wrong : s->in.wrong;
}

void bench_stream_close(struct bench_stream *s)
{
	if (s->conn)
		conn_abort(s->conn);
	loop_watch_free(s->watch);
	close(s->fd);
}
