/* Runs one scene and says what became of it, in figures and as a picture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "scene.h"
#include "scene_words.h"

#define SAMPLES 400
#define SMOOTH 4 /* samples that a rate is taken over */

/* What is recorded of a flow, and of the link in its direction. */
enum { DELIVERED, AGAIN, CWND, INFLIGHT, PACING, DELIVERY, SRTT, MIN_RTT, FLOW_CURVES };
enum { CAPACITY, QUEUED, DROPPED, LOST, LINK_CURVES };

struct recording {
	const struct scene *sc;
	size_t n;
	double seconds[SAMPLES + 2];
	double link[LINK_CURVES][SAMPLES + 2];
	double flow[SCENE_FLOWS][FLOW_CURVES][SAMPLES + 2];
};

static int direction(const struct flow *f)
{
	return f->load[0].from;
}

static double mbit(double bytes, double seconds)
{
	return bytes * 8 / 1e6 / seconds;
}

static double ms(tt_time t)
{
	return (double)t / 1e3;
}

static double or_nothing(double x)
{
	return x > 0 ? x : NAN;
}

static void on_sample(void *user, const struct scene_run *run, tt_time now)
{
	struct recording *r = user;
	const struct scene *sc = r->sc;
	int link = direction(&sc->flow[0]);
	const struct sim_link_stats *l = scene_link_now(run, link);
	size_t n = r->n;

	if (n == SAMPLES + 2)
		return;
	r->n++;
	r->seconds[n] = (double)now / 1e6;
	double rate = scene_capacity(sc, link, now, now + 1000) * 1e3; /* of this moment */
	r->link[CAPACITY][n] = mbit(rate, 1);
	r->link[QUEUED][n] = rate > 0 ? (double)l->queued_bytes / rate * 1e3 : 0;
	r->link[DROPPED][n] = (double)l->queue_drops;
	r->link[LOST][n] = (double)l->lost;
	for (size_t i = 0; i < sc->n_flows; i++) {
		struct flow_now f;
		scene_flow_now(run, i, direction(&sc->flow[i]), &f);
		r->flow[i][DELIVERED][n] = (double)f.delivered;
		r->flow[i][AGAIN][n] = (double)f.sent_again;
		r->flow[i][CWND][n] = f.cwnd;
		r->flow[i][INFLIGHT][n] = f.inflight;
		r->flow[i][PACING][n] = or_nothing(mbit((double)f.pacing_rate, 1));
		r->flow[i][DELIVERY][n] = or_nothing(mbit((double)f.delivery_rate, 1));
		r->flow[i][SRTT][n] = or_nothing(ms(f.srtt_us));
		r->flow[i][MIN_RTT][n] = or_nothing(ms(f.min_rtt_us));
	}
}

/* Sums become differences: a rate over some samples, a count in one. */
static void differences(struct recording *r, double *v, size_t over)
{
	for (size_t i = r->n; i-- > 0;)
		v[i] = i >= over ? v[i] - v[i - over] : v[i] - v[0];
}

static void finish(struct recording *r)
{
	differences(r, r->link[DROPPED], 1);
	differences(r, r->link[LOST], 1);
	for (size_t f = 0; f < r->sc->n_flows; f++) {
		double *v = r->flow[f][DELIVERED];
		differences(r, v, SMOOTH);
		differences(r, r->flow[f][AGAIN], 1);
		for (size_t i = 1; i < r->n; i++)
			v[i] = mbit(v[i], r->seconds[i] - r->seconds[i >= SMOOTH ? i - SMOOTH : 0]);
	}
}

/* ---- the picture ---- */

static const char *const colours[SCENE_FLOWS] = {
	"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#555555"};

static void add(struct chart_panel *p, const char *name, const char *colour, enum chart_style style,
	double *y)
{
	if (p->n_series < CHART_SERIES)
		p->series[p->n_series++] = (struct chart_series){name, colour, style, y};
}

#define LINE 256

static void put_title(const struct scene *sc, char dst[LINE])
{
	const struct sim_link *l = &sc->link[direction(&sc->flow[0])];
	size_t n = 0;

	for (size_t i = 0; i < sc->n_flows && n < LINE; i++)
		n += (size_t)snprintf(
			dst + n, LINE - n, "%s%s", i ? ", " : "", flow_kind_name(sc->flow[i].kind));
	if (n < LINE)
		snprintf(dst + n, LINE - n, " over %.6g Mbit/s, %.6g ms, queue of %.6g kB",
			mbit((double)l->rate, 1), ms(2 * l->delay_us),
			(double)l->queue_bytes / 1e3);
}

static void put_shares(const struct scene *sc, const struct scene_result *r, char dst[LINE])
{
	const struct sim_hist *wait = &r->link[direction(&sc->flow[0])].wait;
	int n = snprintf(dst, LINE, "share of the link");

	for (size_t i = 0; i < sc->n_flows && n < LINE; i++)
		n += snprintf(dst + n, (size_t)(LINE - n), "%s %.1f %%", i ? "," : "",
			r->flow[i].share[direction(&sc->flow[i])] * 100);
	if (n < LINE)
		snprintf(dst + n, (size_t)(LINE - n),
			"; wait in the queue median %.1f, p99 %.1f ms",
			ms(sim_hist_quantile(wait, 0.5)), ms(sim_hist_quantile(wait, 0.99)));
}

static double highest(const double *v, size_t n)
{
	double max = 0;
	for (size_t i = 0; i < n; i++)
		max = fmax(max, v[i]);
	return max;
}

static void draw(
	struct recording *r, const struct scene_result *result, char words[2][LINE], FILE *out)
{
	const struct scene *sc = r->sc;
	char title[LINE], shares[LINE];
	struct chart c = {.title = title,
		.lines = {words[0], words[1][0] ? words[1] : shares, words[1][0] ? shares : NULL},
		.n = r->n,
		.n_panels = 6,
		.seconds = r->seconds,
		.panel = {{.title = "delivered payload, Mbit/s"},
			{.title = "window and packets in flight"},
			{.title = "pacing and delivery rate, Mbit/s"}, {.title = "round trip, ms"},
			{.title = "queue at the bottleneck, ms"},
			{.title = "packets in each sample"}}};
	struct chart_panel *p = c.panel;

	p[0].most = 2 * highest(r->link[CAPACITY], r->n); /* what waited for a repeat is more */
	put_title(sc, title);
	put_shares(sc, result, shares);
	add(&p[0], "link", "#999", CHART_DASHED, r->link[CAPACITY]);
	add(&p[4], NULL, "#333", CHART_LINE, r->link[QUEUED]);
	add(&p[5], "dropped by the queue", "#c33", CHART_BARS, r->link[DROPPED]);
	add(&p[5], "lost on the way", "#999", CHART_BARS, r->link[LOST]);
	for (size_t i = 0; i < sc->n_flows; i++) {
		double(*f)[SAMPLES + 2] = r->flow[i];
		const char *name = flow_kind_name(sc->flow[i].kind);
		bool first = i == 0;
		add(&p[0], name, colours[i], CHART_LINE, f[DELIVERED]);
		add(&p[1], first ? "in flight" : NULL, colours[i], CHART_THIN, f[INFLIGHT]);
		add(&p[1], first ? "window" : NULL, colours[i], CHART_LINE, f[CWND]);
		add(&p[2], first ? "delivery" : NULL, colours[i], CHART_DASHED, f[DELIVERY]);
		add(&p[2], first ? "pacing" : NULL, colours[i], CHART_LINE, f[PACING]);
		add(&p[3], first ? "least" : NULL, colours[i], CHART_DASHED, f[MIN_RTT]);
		add(&p[3], first ? "smoothed" : NULL, colours[i], CHART_LINE, f[SRTT]);
		add(&p[5], first ? "sent again" : NULL, colours[i], CHART_THIN, f[AGAIN]);
	}
	chart_write(&c, out);
}

/* ---- the figures ---- */

static void print_summary(const struct scene *sc, const struct scene_result *r)
{
	printf("%s after %.3f s, seed %llu, trace %016llx\n", sim_outcome_name(r->sim.outcome),
		(double)r->sim.elapsed_us / 1e6, (unsigned long long)sc->seed,
		(unsigned long long)r->sim.trace);
	for (size_t i = 0; i < sc->n_flows; i++) {
		const struct flow_result *f = &r->flow[i];
		int from = direction(&sc->flow[i]);
		printf("%zu %-6s share %.3f, %.2f MB, sent again %.4f, overhead %.3f", i,
			flow_kind_name(sc->flow[i].kind), f->share[from],
			(double)f->delivered[from] / 1e6, f->sent_again[from], f->overhead);
		if (f->finished_us > 0)
			printf(", done at %.3f s", (double)f->finished_us / 1e6);
		if (sc->flow[i].load[0].channels > 1)
			printf(", Jain %.3f", f->jain[from]);
		if (f->ping.n > 0)
			printf(", ping p50 %.1f p99 %.1f p99.9 %.1f max %.1f ms",
				ms(sim_hist_quantile(&f->ping, 0.5)),
				ms(sim_hist_quantile(&f->ping, 0.99)),
				ms(sim_hist_quantile(&f->ping, 0.999)), ms(f->ping.max));
		const struct link_stats *st = f->stats;
		if (st[0].segs_copied + st[1].segs_copied > 0)
			printf(", sent twice %llu and %llu of %llu and %llu bytes",
				(unsigned long long)st[0].bytes_copied,
				(unsigned long long)st[1].bytes_copied,
				(unsigned long long)st[0].bytes_sent,
				(unsigned long long)st[1].bytes_sent);
		printf("%s\n", f->bad ? ", WRONG BYTES" : "");
	}
	for (int i = 0; i < 2; i++) {
		const struct sim_link_stats *l = &r->link[i];
		printf("link %d: %llu packets, %llu dropped by the queue, %llu lost; "
		       "wait p50 %.1f p99 %.1f ms\n",
			i, (unsigned long long)l->packets, (unsigned long long)l->queue_drops,
			(unsigned long long)l->lost, ms(sim_hist_quantile(&l->wait, 0.5)),
			ms(sim_hist_quantile(&l->wait, 0.99)));
	}
}

/* The words that were given, in two lines of the picture. */
static void join(char dst[2][LINE], char **words, int n)
{
	int line = 0, len = 0;
	for (int i = 0; i < n; i++) {
		if (strncmp(words[i], "out=", 4) == 0)
			continue;
		if (line == 0 && len + (int)strlen(words[i]) > 125)
			line = 1, len = 0;
		if (len < LINE)
			len += snprintf(dst[line] + len, (size_t)(LINE - len), "%s ", words[i]);
	}
}

int main(int argc, char **argv)
{
	static struct scene sc;
	static struct scene_result result;
	static struct recording rec;
	const char *path;
	char words[2][LINE] = {"", ""};

	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		printf("usage: simdraw KEY=VALUE...\n%s", scene_words_help);
		return argc < 2 ? 2 : 0;
	}
	if (scene_words(&sc, argv + 1, argc - 1, &path) != 0)
		return 2;
	rec.sc = &sc;
	sc.sample_us = sc.limit_us / SAMPLES + 1;
	sc.sample = on_sample;
	sc.user = &rec;
	scene_run(&sc, &result);
	print_summary(&sc, &result);
	if (!path)
		return 0;
	finish(&rec);
	join(words, argv + 1, argc - 1);
	FILE *out = fopen(path, "w");
	if (!out) {
		perror(path);
		return 1;
	}
	draw(&rec, &result, words, out);
	return fclose(out) == 0 ? 0 : 1;
}
