#include "status_live.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "live_line.h"
#include "service.h"
#include "status_int.h"
#include "text.h"
#include "tt_err.h"
#include "wire.h"

#define INTERVAL TT_MS(250)
#define RATE_INTERVAL TT_S(1)

struct status_live {
	struct live_line *line;
	struct loop_signal *resized;
	tt_time next_at;
	char said[LIVE_LINE_MAX]; /* what the manager knows */
	struct {
		tt_time at; /* 0: never */
		uint64_t in, out;
		double rate_in, rate_out; /* bytes a second, up to then */
	} traffic;
};

static void on_resize(void *user, int signo)
{
	(void)signo;
	live_line_draw(((struct status_live *)user)->line);
}

void status_live_start(struct app *app, struct live_line *line)
{
	if (!line->on && !service_listens(app))
		return;
	app->live = calloc(1, sizeof(*app->live));
	if (!app->live)
		return;
	app->live->line = line;
	if (line->on) /* without it the next text has the new width */
		loop_signal_new(&app->live->resized, app->loop, SIGWINCH, on_resize, app->live);
}

void status_live_stop(struct app *app)
{
	if (!app->live)
		return;
	live_line_set(app->live->line, "");
	loop_signal_free(app->live->resized);
	free(app->live);
	app->live = NULL;
}

/* A peer that has gone takes its bytes with it. */
static double rate(uint64_t now, uint64_t before, tt_time us)
{
	return now > before ? (double)(now - before) * 1e6 / (double)us : 0;
}

static void measure(struct status_live *s, const struct app *app)
{
	tt_time now = app_now(app), us = tt_time_since(now, s->traffic.at);
	struct status_peer p;
	uint64_t in = 0, out = 0;

	if (s->traffic.at && us < RATE_INTERVAL)
		return;
	for (const struct peer *i = app->peers; i; i = i->hh.next) {
		status_gather(&p, i);
		in += p.link.payload_received + p.session.udp.bytes_received;
		out += p.link.payload_sent + p.session.udp.bytes_sent;
	}
	if (s->traffic.at) {
		s->traffic.rate_in = rate(in, s->traffic.in, us);
		s->traffic.rate_out = rate(out, s->traffic.out, us);
	}
	s->traffic.at = now;
	s->traffic.in = in;
	s->traffic.out = out;
}

static void put_rate(FILE *f, const char *before, double rate)
{
	if (rate < 1e6)
		fprintf(f, "%s%.0f kB/s", before, rate / 1e3);
	else
		fprintf(f, "%s%.1f MB/s", before, rate / 1e6);
}

static void put_traffic(FILE *f, const struct status_live *s, const struct app *app)
{
	if (app->n_conns || !app->n_udp_flows)
		fprintf(f, "; %zu connection%s", app->n_conns, app->n_conns == 1 ? "" : "s");
	if (app->n_udp_flows)
		fprintf(f, "; %zu UDP flow%s", app->n_udp_flows, app->n_udp_flows == 1 ? "" : "s");
	if (s->traffic.rate_in < 1 && s->traffic.rate_out < 1)
		return;
	put_rate(f, ", in ", s->traffic.rate_in);
	put_rate(f, ", out ", s->traffic.rate_out);
}

static void show(struct status_live *s, struct app *app)
{
	char words[LIVE_LINE_MAX], *text;
	struct text t;

	if (!text_open(&t))
		return;
	status_words(t.f, app);
	fflush(t.f);
	wire_text_copy(words, sizeof(words), t.data ? t.data : "");
	if (strcmp(words, s->said) != 0)
		service_status(app, words);
	memcpy(s->said, words, sizeof(words));
	if (s->line->on) {
		measure(s, app);
		put_traffic(t.f, s, app);
	}
	text = text_close(&t);
	if (text)
		live_line_set(s->line, text);
	free(text);
}

void status_live_run(struct app *app)
{
	if (app->live && app_now(app) >= app->live->next_at)
		status_live_now(app);
}

void status_live_now(struct app *app)
{
	if (!app->live)
		return;
	app->live->next_at = app_now(app) + INTERVAL;
	show(app->live, app);
}
