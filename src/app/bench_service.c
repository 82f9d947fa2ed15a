#include "bench_service.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench_io.h"
#include "net.h"
#include "peer.h"
#include "tt_err.h"

#define REPORT_INTERVAL TT_MS(200)
#define ECHO_BUFFER 4096

struct bench_service {
	struct app *app;
	struct peer *peer;
	enum wire_bench kind;
	int fd;
	struct loop_watch *watch;
	struct bench_pattern pattern; /* source: sent, sink: taken */

	/* sink */
	struct app_timer timer; /* of the next report */
	struct link_stats since;
	tt_time first_at; /* when the first byte came; 0: none has */
	bool last;        /* the opener has ended its direction: the next report is the last */

	/* echo: what was read and not yet written */
	uint8_t buf[ECHO_BUFFER];
	size_t at, len;
};

static void end(struct bench_service *s)
{
	app_timer_set(s->app, &s->timer, TT_TIME_NEVER);
	loop_watch_set(s->watch, 0);
	shutdown(s->fd, SHUT_WR);
}

/* ---- source ---- */

static void run_source(struct bench_service *s, unsigned events)
{
	uint8_t ignored[256];

	if (events & LOOP_READ && recv(s->fd, ignored, sizeof(ignored), 0) == 0)
		end(s);
	else if (bench_send(s->fd, &s->pattern) == BENCH_END)
		end(s);
}

/* ---- sink ---- */

static void make_report(const struct bench_service *s, struct wire_bench_report *r)
{
	struct link_stats now;

	link_stats(session_link(s->peer->session), &now);
	*r = (struct wire_bench_report){
		.elapsed_us = s->first_at ? app_now(s->app) - s->first_at : 0,
		.bytes = s->pattern.offset,
		.wrong = s->pattern.wrong,
		.segs_sent = now.segs_sent - s->since.segs_sent,
		.segs_repeated = now.segs_retransmitted - s->since.segs_retransmitted,
		.bytes_sent = now.bytes_sent - s->since.bytes_sent,
		.payload_sent = now.payload_sent - s->since.payload_sent,
	};
}

/* An opener that does not read its reports loses some, but never the last. */
static void report(struct app *app, void *owner)
{
	struct bench_service *s = owner;
	struct wire_bench_report r;
	uint8_t buf[WIRE_BENCH_REPORT_LEN];

	make_report(s, &r);
	wire_bench_report_encode(&r, buf);
	ssize_t n = send(s->fd, buf, sizeof(buf), MSG_NOSIGNAL);
	bool full = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
	if ((n != sizeof(buf) && !full) || (s->last && !full))
		end(s);
	else
		app_timer_set(app, &s->timer, app_now(app) + REPORT_INTERVAL);
}

static void run_sink(struct bench_service *s)
{
	enum bench_io rc = bench_take(s->fd, &s->pattern);

	if (!s->first_at && s->pattern.offset > 0)
		s->first_at = app_now(s->app);
	if (rc != BENCH_END)
		return;
	loop_watch_set(s->watch, 0);
	s->last = true;
	report(s->app, s);
}

/* ---- echo ---- */

static bool echo_write(struct bench_service *s)
{
	while (s->at < s->len) {
		ssize_t n = send(s->fd, s->buf + s->at, s->len - s->at, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
		s->at += (size_t)n;
	}
	return true;
}

static void run_echo(struct bench_service *s)
{
	bool good = echo_write(s);

	if (good && s->at == s->len) {
		ssize_t n = recv(s->fd, s->buf, sizeof(s->buf), 0);
		s->at = 0;
		s->len = n > 0 ? (size_t)n : 0;
		good = n > 0 ? echo_write(s) : n < 0;
	}
	if (good)
		loop_watch_set(s->watch, s->at < s->len ? LOOP_WRITE : LOOP_READ);
	else
		end(s);
}

/* ---- all ---- */

static void on_ready(void *user, unsigned events)
{
	struct bench_service *s = user;

	switch (s->kind) {
	case WIRE_BENCH_SOURCE:
		run_source(s, events);
		break;
	case WIRE_BENCH_SINK:
		run_sink(s);
		break;
	case WIRE_BENCH_ECHO:
		run_echo(s);
		break;
	}
}

int bench_service_new(struct bench_service **out, struct app *app, struct peer *peer,
	enum wire_bench kind, uint32_t ccid, int *fd)
{
	bool source = kind == WIRE_BENCH_SOURCE;
	struct bench_service *s = calloc(1, sizeof(*s));
	int pair[2], rc = TT_EIO;

	if (!s || app_timer_init(app, &s->timer, report, s) != TT_OK) {
		free(s);
		return TT_ENOMEM;
	}
	s->app = app;
	s->peer = peer;
	s->kind = kind;
	s->pattern.seed = wire_bench_seed(ccid, !source);
	link_stats(session_link(peer->session), &s->since);
	s->fd = -1;
	if (net_pair(pair) != 0)
		goto out;
	s->fd = pair[0];
	rc = loop_watch_new(
		&s->watch, app->loop, s->fd, LOOP_READ | (source ? LOOP_WRITE : 0), on_ready, s);
	if (rc != TT_OK) {
		close(pair[1]);
		goto out;
	}
	if (kind == WIRE_BENCH_SINK)
		app_timer_set(app, &s->timer, app_now(app) + REPORT_INTERVAL);
	*fd = pair[1];
	*out = s;
	s = NULL;
out:
	bench_service_free(s);
	return rc;
}

void bench_service_free(struct bench_service *s)
{
	if (!s)
		return;
	loop_watch_free(s->watch);
	if (s->fd >= 0)
		close(s->fd);
	app_timer_drop(s->app, &s->timer);
	free(s);
}
