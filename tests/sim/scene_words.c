#include "scene_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tt_err.h"
#include "tt_mode.h"

const char scene_words_help[] =
	"run:  seconds=10 seed=1 warmup=0 out=FILE.svg\n"
	"link: rate=100 (Mbit/s) rtt=40 (ms) queue=KB (one bandwidth-delay product)\n"
	"      loss=% burst=ENTER%,LEAVE%,LOSS% duplicate=% jitter=MS drift=MS reorder=1\n"
	"      clump=MS poll=MS police=MBIT,KB dark=1 back=MBIT (rate of the other direction)\n"
	"      at=S: what follows of these holds from then on\n"
	"flow: flow=toxtun|reno|cubic|bbr, then of this flow: start=S mbytes=N (for ever) "
	"from=0|1\n"
	"      access=MS; of toxtun also: mode=auto channels=N ping=MS (a 64-byte request each)\n"
	"      app=KB,MS (what it writes) path=S,down|relayed|direct\n"
	"Times of a link are both ways together, its other figures hold in both directions.\n";

static const char *const kinds[] = {"toxtun", "reno", "cubic", "bbr"};

const char *flow_kind_name(enum flow_kind kind)
{
	return kinds[kind];
}

struct reader {
	struct scene *sc;
	tt_time at;             /* of the changes that are being read; 0: the link as it begins */
	struct sim_link now[2]; /* as the words so far have it */
	struct flow *flow;      /* the newest, NULL before the first */
	const char **out;
};

/* Up to three numbers, separated by commas. */
struct numbers {
	double v[3];
	int n;
};

static struct numbers read_numbers(const char *s)
{
	struct numbers x = {.n = 0};
	char *end;
	for (; x.n < 3; s = end + 1) {
		x.v[x.n] = strtod(s, &end);
		if (end == s)
			break;
		x.n++;
		if (*end != ',')
			break;
	}
	return x;
}

static tt_time from_ms(double ms)
{
	return (tt_time)(ms * 1e3);
}

static bool is(const char *key, const char *name)
{
	return strcmp(key, name) == 0;
}

/* One direction. */
static bool link_word(struct sim_link *l, const char *key, const struct numbers *x)
{
	double v = x->v[0];

	if (is(key, "rate"))
		l->rate = MBIT(v);
	else if (is(key, "rtt"))
		l->delay_us = from_ms(v / 2);
	else if (is(key, "queue"))
		l->queue_bytes = (uint64_t)(v * 1e3);
	else if (is(key, "loss"))
		l->loss = PERCENT(v);
	else if (is(key, "burst") && x->n == 3)
		l->burst = (struct sim_burst){PERCENT(v), PERCENT(x->v[1]), PERCENT(x->v[2])};
	else if (is(key, "duplicate"))
		l->duplicate = PERCENT(v);
	else if (is(key, "jitter"))
		l->jitter_us = from_ms(v / 2);
	else if (is(key, "drift"))
		l->jitter_period_us = from_ms(v);
	else if (is(key, "reorder"))
		l->jitter_reorders = v != 0;
	else if (is(key, "clump"))
		l->clump_us = from_ms(v);
	else if (is(key, "poll"))
		l->poll_us = from_ms(v);
	else if (is(key, "police") && x->n == 2) {
		l->police_rate = MBIT(v);
		l->police_bytes = (uint64_t)(x->v[1] * 1e3);
	} else if (is(key, "dark"))
		l->dark = v != 0;
	else
		return false;
	return true;
}

static struct load *add_load(struct flow *f, enum load_kind kind)
{
	if (f->n_loads == HOST_LOADS)
		return NULL;
	struct load *l = &f->load[f->n_loads++];
	*l = (struct load){.kind = kind, .from = f->load[0].from, .start_us = f->load[0].start_us};
	return l;
}

static bool path_word(struct flow *f, double seconds, const char *value)
{
	static const char *const names[] = {"down", "relayed", "direct"};
	const char *name = strchr(value, ',');
	for (int i = 0; name && i < 3 && f->n_paths < HOST_PATHS; i++) {
		if (is(name + 1, names[i])) {
			f->path[f->n_paths++] =
				(struct path_change){from_ms(seconds * 1e3), (enum link_path)i};
			return true;
		}
	}
	return false;
}

/* What every flow has; its first load is its transfer. */
static bool flow_word(struct flow *f, const char *key, const struct numbers *x)
{
	struct load *l = &f->load[0];
	double v = x->v[0];

	if (is(key, "start"))
		l->start_us = from_ms(v * 1e3);
	else if (is(key, "mbytes"))
		l->bytes = (uint64_t)(v * 1e6);
	else if (is(key, "from"))
		l->from = v != 0;
	else if (is(key, "access"))
		f->access_us = from_ms(v / 2);
	else
		return false;
	return true;
}

static bool toxtun_word(struct flow *f, const char *key, const char *value, const struct numbers *x)
{
	struct load *l = &f->load[0];
	double v = x->v[0];

	if (is(key, "channels"))
		l->channels = (unsigned)v;
	else if (is(key, "mode"))
		return tt_mode_parse(value, &f->mode) == TT_OK;
	else if (is(key, "path"))
		return path_word(f, v, value);
	else if (is(key, "ping") && x->n == 1 && (l = add_load(f, LOAD_PING))) {
		l->bytes = 64;
		l->period_us = from_ms(v);
	} else if (is(key, "app") && x->n == 2) {
		l->kind = LOAD_BURST;
		l->bytes = (uint64_t)(v * 1e3);
		l->period_us = from_ms(x->v[1]);
	} else
		return false;
	return true;
}

static bool new_flow(struct reader *r, const char *kind)
{
	struct scene *sc = r->sc;
	for (size_t i = 0; i < 4 && sc->n_flows < SCENE_FLOWS; i++) {
		if (is(kind, kinds[i])) {
			r->flow = &sc->flow[sc->n_flows++];
			r->flow->kind = (enum flow_kind)i;
			add_load(r->flow, LOAD_BULK);
			return true;
		}
	}
	return false;
}

static bool run_word(struct reader *r, const char *key, const char *value, double v)
{
	if (is(key, "seconds"))
		r->sc->limit_us = from_ms(v * 1e3);
	else if (is(key, "warmup"))
		r->sc->warmup_us = from_ms(v * 1e3);
	else if (is(key, "seed"))
		r->sc->seed = (uint64_t)v;
	else if (is(key, "out"))
		*r->out = value;
	else
		return false;
	return true;
}

/* What the words say of the links holds from r->at on. */
static bool store_links(struct reader *r)
{
	struct scene *sc = r->sc;

	if (r->at == 0) {
		memcpy(sc->link, r->now, sizeof(sc->link));
		return true;
	}
	if (sc->n_changes + 2 > SCENE_CHANGES)
		return false;
	for (int i = 0; i < 2; i++)
		sc->change[sc->n_changes++] = (struct scene_change){r->at, i, r->now[i]};
	return true;
}

static bool read_word(struct reader *r, const char *key, const char *value)
{
	struct numbers x = read_numbers(value);

	if (is(key, "flow"))
		return new_flow(r, value);
	if (is(key, "at")) {
		bool stored = store_links(r);
		r->at = from_ms(x.v[0] * 1e3);
		return stored;
	}
	if (is(key, "back")) {
		r->now[1].rate = MBIT(x.v[0]);
		return x.n == 1;
	}
	if (run_word(r, key, value, x.v[0]))
		return true;
	if (link_word(&r->now[0], key, &x))
		return link_word(&r->now[1], key, &x);
	if (!r->flow)
		return false;
	return flow_word(r->flow, key, &x) ||
	       (r->flow->kind == FLOW_TOXTUN && toxtun_word(r->flow, key, value, &x));
}

/* Queues that nobody named hold what the link does in one round trip as it begins. */
static void default_queues(struct scene *sc)
{
	uint64_t bdp[2];
	for (int i = 0; i < 2; i++)
		bdp[i] = sc->link[i].rate * 2 * sc->link[i].delay_us / 1000000;
	for (int i = 0; i < 2; i++)
		if (sc->link[i].queue_bytes == 0)
			sc->link[i].queue_bytes = bdp[i];
	for (size_t i = 0; i < sc->n_changes; i++)
		if (sc->change[i].to.queue_bytes == 0)
			sc->change[i].to.queue_bytes = bdp[sc->change[i].link];
}

int scene_words(struct scene *sc, char **words, int n, const char **out)
{
	struct reader r = {.sc = sc, .out = out};

	*sc = (struct scene){.seed = 1, .limit_us = TT_S(10)};
	*out = NULL;
	for (int i = 0; i < 2; i++)
		r.now[i] = (struct sim_link){.rate = MBIT(100), .delay_us = TT_MS(20)};
	for (int i = 0; i < n; i++) {
		char key[16];
		size_t len = strcspn(words[i], "=");
		snprintf(key, sizeof(key), "%.*s", (int)len, words[i]);
		if (!words[i][len] || !read_word(&r, key, words[i] + len + 1)) {
			fprintf(stderr, "simdraw: cannot make anything of %s\n", words[i]);
			return -1;
		}
	}
	if (!store_links(&r))
		return -1;
	if (sc->n_flows == 0)
		new_flow(&r, kinds[FLOW_TOXTUN]);
	default_queues(sc);
	return 0;
}
