#include "scene.h"

#include <stdlib.h>
#include <string.h>

#include "tcp.h"

struct running_flow {
	const struct flow *cfg;
	struct hosts *hosts; /* FLOW_TOXTUN, */
	struct tcp *tcp;     /* the others */
	int end[2];
	uint64_t warm[2]; /* delivered by the end of the warm-up */
	uint64_t *warm_channel[2];
};

struct scene_run {
	const struct scene *sc;
	struct sim *sim;
	int bottleneck[2];
	struct running_flow flow[SCENE_FLOWS];
};

/* ---- figures ---- */

double jain_index(const double *x, size_t n)
{
	double sum = 0, squares = 0;
	for (size_t i = 0; i < n; i++) {
		sum += x[i];
		squares += x[i] * x[i];
	}
	return squares > 0 ? sum * sum / ((double)n * squares) : 1;
}

double scene_capacity(const struct scene *sc, int link, tt_time from, tt_time to)
{
	const struct sim_link *is = &sc->link[link];
	double bytes = 0;

	for (size_t i = 0; i <= sc->n_changes && from < to; i++) {
		const struct scene_change *c = i < sc->n_changes ? &sc->change[i] : NULL;
		if (c && c->link != link)
			continue;
		tt_time until = c ? tt_time_min(c->at, to) : to;
		if (until > from) {
			if (!is->dark)
				bytes += (double)is->rate * (double)(until - from) / 1e6;
			from = until;
		}
		if (c)
			is = &c->to;
	}
	return bytes;
}

static uint64_t delivered(const struct running_flow *f, int from)
{
	struct tcp_stats st;

	if (f->hosts)
		return hosts_received(f->hosts, !from);
	tcp_stats(f->tcp, &st);
	return from == f->cfg->load[0].from ? st.delivered : 0;
}

/* What src/link tells of itself; more of it belongs here as link_stats grows. */
static void link_now(const struct link *l, struct flow_now *out)
{
	struct link_stats st;

	link_stats(l, &st);
	out->sent = st.segs_sent;
	out->sent_again = st.segs_retransmitted;
	out->cwnd = st.window;
	out->inflight = st.inflight;
	out->pacing_rate = st.pacing_rate;
	out->delivery_rate = st.delivery_rate;
	out->srtt_us = st.srtt_us;
	out->min_rtt_us = st.min_rtt_us;
	out->state = st.state;
}

static void tcp_now(const struct tcp *t, struct flow_now *out)
{
	struct tcp_stats st;

	tcp_stats(t, &st);
	out->sent = st.sent;
	out->sent_again = st.resent;
	out->cwnd = st.cwnd;
	out->inflight = st.inflight;
	out->pacing_rate = st.pacing_rate;
	out->srtt_us = st.srtt_us;
	out->min_rtt_us = st.min_rtt_us;
}

void scene_flow_now(const struct scene_run *run, size_t flow, int from, struct flow_now *out)
{
	const struct running_flow *f = &run->flow[flow];

	*out = (struct flow_now){.delivered = delivered(f, from)};
	if (f->hosts)
		link_now(f->hosts->host[from].link, out);
	else if (from == f->cfg->load[0].from)
		tcp_now(f->tcp, out);
}

const struct sim_link_stats *scene_link_now(const struct scene_run *run, int link)
{
	return sim_link_stats(run->sim, run->bottleneck[link]);
}

/* ---- building ---- */

static struct hosts *new_hosts(const struct scene *sc, size_t index)
{
	const struct flow *cfg = &sc->flow[index];
	struct hosts_config hc = {.seed = sc->seed * 31 + index,
		.mode = cfg->mode,
		.start = SCENE_START,
		.n_loads = cfg->n_loads,
		.n_paths = cfg->n_paths};

	memcpy(hc.load, cfg->load, sizeof(hc.load));
	memcpy(hc.path, cfg->path, sizeof(hc.path));
	return hosts_new(&hc);
}

static struct tcp *new_tcp(const struct flow *cfg)
{
	static const enum tcp_kind kind[] = {
		[FLOW_RENO] = TCP_RENO, [FLOW_CUBIC] = TCP_CUBIC, [FLOW_BBR] = TCP_BBR};
	const struct load *l = &cfg->load[0];
	struct tcp_config tc = {.kind = kind[cfg->kind],
		.from = l->from,
		.start_at = SCENE_START + l->start_us,
		.bytes = l->bytes};
	return tcp_new(&tc);
}

static void add_flow(struct scene_run *run, size_t index)
{
	struct running_flow *f = &run->flow[index];
	const struct flow *cfg = f->cfg = &run->sc->flow[index];
	struct sim_link access = {.delay_us = cfg->access_us};

	if (cfg->kind == FLOW_TOXTUN)
		f->hosts = new_hosts(run->sc, index);
	else
		f->tcp = new_tcp(cfg);
	for (int i = 0; i < 2; i++) {
		struct sim_endpoint e =
			f->hosts ? hosts_endpoint(f->hosts, i) : tcp_endpoint(f->tcp, i);
		f->end[i] = sim_add_end(run->sim, &e);
	}
	for (int i = 0; i < 2; i++) {
		int route[2] = {run->bottleneck[i], run->bottleneck[i]};
		if (cfg->access_us > 0)
			route[i] = sim_add_link(run->sim, &access);
		sim_route(run->sim, f->end[i], f->end[!i], route, cfg->access_us > 0 ? 2 : 1);
	}
}

static void on_warm(void *user, tt_time now)
{
	struct scene_run *run = user;
	(void)now;
	for (size_t i = 0; i < run->sc->n_flows; i++) {
		struct running_flow *f = &run->flow[i];
		size_t n = f->hosts ? f->hosts->n_channels : 0;
		for (int from = 0; from < 2; from++) {
			f->warm[from] = delivered(f, from);
			f->warm_channel[from] = calloc(n + 1, sizeof(uint64_t));
			if (!f->warm_channel[from])
				abort();
			for (size_t c = 0; c < n; c++)
				f->warm_channel[from][c] =
					f->hosts->host[!from].channel[c].received;
		}
	}
}

static void on_sample(void *user, tt_time now)
{
	struct scene_run *run = user;
	run->sc->sample(run->sc->user, run, now - SCENE_START);
}

/* When its bulk loads that have an end were done; 0: not yet, or it has none. */
static tt_time finished_at(const struct running_flow *f)
{
	struct tcp_stats st;

	if (f->hosts)
		return f->hosts->finished_at;
	tcp_stats(f->tcp, &st);
	return st.finished_at;
}

static bool flow_has_end(const struct flow *f)
{
	for (size_t i = 0; i < f->n_loads; i++)
		if (f->load[i].kind == LOAD_BULK && f->load[i].bytes > 0)
			return true;
	return false;
}

static bool all_finished(void *user)
{
	struct scene_run *run = user;
	bool any = false;

	for (size_t i = 0; i < run->sc->n_flows; i++) {
		if (!flow_has_end(run->flow[i].cfg))
			continue;
		any = true;
		if (finished_at(&run->flow[i]) == 0)
			return false;
	}
	return any;
}

/* ---- results ---- */

static double jain_of(const struct running_flow *f, int from)
{
	size_t n = 0;
	double *x = calloc(f->hosts->n_channels + 1, sizeof(*x));
	if (!x)
		abort();
	for (size_t i = 0; i < f->hosts->n_channels; i++) {
		const struct host_channel *c = &f->hosts->host[!from].channel[i];
		if (c->load->kind == LOAD_BULK && c->load->from == from)
			x[n++] = (double)(c->received - f->warm_channel[from][i]);
	}
	double j = jain_index(x, n);
	free(x);
	return j;
}

/* From the start of the first load of this direction, or the end of the warm-up. */
static tt_time counted_from(const struct scene *sc, const struct flow *f, int from)
{
	tt_time first = TT_TIME_NEVER;
	for (size_t i = 0; i < f->n_loads; i++)
		if (f->load[i].from == from && f->load[i].kind != LOAD_PING)
			first = tt_time_min(first, f->load[i].start_us);
	return first > sc->warmup_us ? first : sc->warmup_us;
}

static void hosts_result(const struct running_flow *f, struct flow_result *out)
{
	out->bad = hosts_bad(f->hosts);
	out->ping = f->hosts->ping;
	out->pings_skipped = f->hosts->pings_skipped;
	for (int from = 0; from < 2; from++) {
		link_stats(f->hosts->host[from].link, &out->stats[from]);
		out->jain[from] = jain_of(f, from);
	}
}

static void flow_result(struct scene_run *run, size_t index, tt_time ended, struct flow_result *out)
{
	struct running_flow *f = &run->flow[index];

	if (f->hosts)
		hosts_result(f, out);
	if (finished_at(f) > 0)
		out->finished_us = finished_at(f) - SCENE_START;
	tt_time until = out->finished_us ? out->finished_us : ended;
	for (int from = 0; from < 2; from++) {
		struct flow_now now;
		scene_flow_now(run, index, from, &now);
		out->delivered[from] = now.delivered;
		double could =
			scene_capacity(run->sc, from, counted_from(run->sc, f->cfg, from), until);
		if (could > 0)
			out->share[from] = (double)(now.delivered - f->warm[from]) / could;
		if (now.sent > 0)
			out->sent_again[from] = (double)now.sent_again / (double)now.sent;
	}
	uint64_t payload = out->delivered[0] + out->delivered[1];
	if (payload > 0)
		out->overhead = (double)(sim_end_bytes(run->sim, f->end[0]) +
					 sim_end_bytes(run->sim, f->end[1])) /
				(double)payload;
}

void scene_run(const struct scene *sc, struct scene_result *out)
{
	struct scene_run run = {.sc = sc, .sim = sim_new(sc->seed, SCENE_START, sc->limit_us)};

	*out = (struct scene_result){0};
	for (int i = 0; i < 2; i++)
		run.bottleneck[i] = sim_add_link(run.sim, &sc->link[i]);
	for (size_t i = 0; i < sc->n_changes; i++)
		sim_change(run.sim, sc->change[i].at, run.bottleneck[sc->change[i].link],
			&sc->change[i].to);
	for (size_t i = 0; i < sc->n_flows; i++)
		add_flow(&run, i);
	sim_call(run.sim, sc->warmup_us, 0, on_warm, &run);
	if (sc->sample_us > 0)
		sim_call(run.sim, 0, sc->sample_us, on_sample, &run);
	out->sim = sim_run(run.sim, all_finished, &run);
	for (int i = 0; i < 2; i++)
		out->link[i] = *scene_link_now(&run, i);
	for (size_t i = 0; i < sc->n_flows; i++) {
		struct running_flow *f = &run.flow[i];
		if (!f->warm_channel[0])
			on_warm(&run, 0); /* it ended before; nothing is counted then */
		flow_result(&run, i, out->sim.elapsed_us, &out->flow[i]);
		hosts_free(f->hosts);
		tcp_free(f->tcp);
		free(f->warm_channel[0]);
		free(f->warm_channel[1]);
	}
	sim_free(run.sim);
}
