#include "status.h"

#include <stdlib.h>
#include <string.h>

#include "failover.h"
#include "forward.h"
#include "listener.h"
#include "reverse.h"
#include "stats_int.h"
#include "status_int.h"
#include "text.h"

/* Meeting takes so long on a good network. */
#define PATIENCE TT_S(20)

void status_sample(struct app *app)
{
	for (struct peer *p = app->peers; p; p = p->hh.next) {
		struct link_stats l;
		link_stats(session_link(p->session), &l);
		p->sample.at = app_now(app);
		p->sample.in = l.payload_received;
		p->sample.out = l.payload_sent;
		if (p->path != TOXNET_PATH_NONE) /* for a round trip of now */
			link_probe(session_link(p->session));
	}
}

void status_gather(struct status_peer *out, const struct peer *p)
{
	out->peer = p;
	out->drops = p->drops;
	session_stats(p->session, &out->session);
	link_stats(session_link(p->session), &out->link);
	const char *name = p->name[0] ? p->name : out->session.peer_name;
	out->person = !out->session.online && peer_is_person(p);
	snprintf(out->name, sizeof(out->name), name[0] ? "%s (%s)" : "%s%s", name, p->tag);
}

double status_loss(const struct status_peer *p)
{
	const struct link_stats *l = &p->link;
	/* The fixed modes do not tell a lost segment from one that was only repeated. */
	uint64_t lost = !l->state[0]                      ? l->segs_retransmitted
			: l->segs_lost > l->segs_spurious ? l->segs_lost - l->segs_spurious
							  : 0;
	return l->segs_sent ? 100.0 * (double)lost / (double)l->segs_sent : 0;
}

static const char *path_words(const struct status_peer *p)
{
	if (p->peer->path == TOXNET_PATH_NONE)
		return "offline";
	if (!p->session.online)
		return p->person ? "online, to chat" : "online, no answer yet";
	return p->peer->path == TOXNET_PATH_UDP ? "direct UDP" : "TCP relay";
}

static void put_duration(FILE *f, tt_time us)
{
	unsigned long s = (unsigned long)(us / 1000000u);

	if (s < 60)
		fprintf(f, "%lu s", s);
	else if (s < 3600)
		fprintf(f, "%lu min %lu s", s / 60, s % 60);
	else if (s < 86400)
		fprintf(f, "%lu h %lu min", s / 3600, s / 60 % 60);
	else
		fprintf(f, "%lu d %lu h", s / 86400, s / 3600 % 24);
}

static void put_quality(FILE *f, const struct status_peer *p)
{
	tt_time sent_at, rtt = link_probe_rtt(session_link(p->peer->session), &sent_at);

	if (sent_at)
		fprintf(f, ", RTT %.1f ms", (double)rtt / 1e3);
	if (p->link.segs_sent)
		fprintf(f, ", loss %.1f %%", status_loss(p));
}

bool status_is_young(const struct app *app)
{
	return tt_time_since(app_now(app), app->started_at) < PATIENCE;
}

/* People who chat are none of the peers. */
struct overview {
	unsigned n, n_ready;
	struct status_peer one; /* the first that is ready, or else the last */
};

static void look(struct overview *o, const struct app *app)
{
	struct status_peer p;

	*o = (struct overview){.n = 0};
	for (const struct peer *i = app->peers; i; i = i->hh.next) {
		status_gather(&p, i);
		if (p.person)
			continue;
		o->n++;
		if (o->n_ready == 0)
			o->one = p;
		o->n_ready += p.session.online;
	}
}

/* True when they say that the one peer that there is has been reached. */
static bool put_words(FILE *f, const struct app *app, const struct overview *o)
{
	if (app->draining || app->stopping) {
		fprintf(f, "stopping");
	} else if (app->self_path == TOXNET_PATH_NONE && o->n_ready == 0) {
		fprintf(f, "%s the Tox network",
			status_is_young(app) ? "looking for" : "not connected to");
	} else if (o->n > 1) {
		fprintf(f, "connected to %u of %u peers", o->n_ready, o->n);
	} else if (o->n == 0) {
		fprintf(f, "connected to the Tox network%s",
			app->conf->serve ? ", waiting for peers" : "");
	} else if (o->n_ready == 1) {
		fprintf(f, "connected to %s, %s", o->one.name, path_words(&o->one));
		return true;
	} else if (o->one.peer->wanted && o->one.peer->path == TOXNET_PATH_NONE) {
		fprintf(f, "waiting for %s", o->one.name);
	} else {
		fprintf(f, "%s is %s", o->one.name, path_words(&o->one));
	}
	return false;
}

void status_words(FILE *f, const struct app *app)
{
	struct overview o;

	look(&o, app);
	put_words(f, app, &o);
}

void status_sentence(FILE *f, const struct app *app)
{
	struct overview o;

	look(&o, app);
	if (put_words(f, app, &o))
		put_quality(f, &o.one);
}

static void put_self(FILE *f, const struct app *app)
{
	fprintf(f, "toxtun %s, up ", stats_role(app));
	put_duration(f, tt_time_since(app_now(app), app->started_at));
	fprintf(f, ": ");
	status_sentence(f, app);
	fprintf(f, "\nthis machine  %s\n",
		app->self_path == TOXNET_PATH_UDP   ? "online by UDP"
		: app->self_path == TOXNET_PATH_TCP ? "online by TCP relays"
						    : "offline");
}

static void put_toxid(FILE *f, const struct app *app)
{
	char hex[TT_TOXID_HEX + 1];
	uint8_t id[TT_TOXID_LEN];

	toxnet_self_id(app->tn, id);
	fprintf(f, "Tox ID        %s\n", tt_hex_encode(id, TT_TOXID_LEN, hex));
}

static void put_rates(FILE *f, const struct app *app, const struct status_peer *p)
{
	tt_time us = tt_time_since(app_now(app), p->peer->sample.at);

	if (!p->peer->sample.at || us == 0)
		return;
	fprintf(f, ", in %.3f MB/s, out %.3f MB/s",
		(double)(p->link.payload_received - p->peer->sample.in) / (double)us,
		(double)(p->link.payload_sent - p->peer->sample.out) / (double)us);
}

static void put_peers(FILE *f, const struct app *app)
{
	struct status_peer p;

	for (const struct peer *i = app->peers; i; i = i->hh.next) {
		status_gather(&p, i);
		fprintf(f, "peer          %s: %s", p.name, path_words(&p));
		if (p.session.online) {
			put_quality(f, &p);
			put_rates(f, app, &p);
		}
		fprintf(f, "; %zu connection%s", p.session.active,
			p.session.active == 1 ? "" : "s");
		if (p.session.udp.flows)
			fprintf(f, ", %zu UDP flow%s", p.session.udp.flows,
				p.session.udp.flows == 1 ? "" : "s");
		fprintf(f, "\n");
	}
}

/* By the name that we gave it, or the start of its key. */
static const char *server_name(
	const struct app *app, const struct conf_forward *f, size_t i, char tag[9])
{
	const struct peer *p = peer_find_key(app, f->peers[i].key);

	return p && p->name[0] ? p->name : tt_key_short(f->peers[i].key, tag);
}

static void put_tunnels(FILE *f, const struct app *app)
{
	struct failover_choice next;
	char where[512], target[CONF_PLACE_MAX], tag[9];

	for (const struct forward *t = app->forwards; t; t = t->next) {
		conf_forward_target(&t->conf, target);
		if (t->conf.reverse) {
			reverse_describe(app, t, where, sizeof(where));
			fprintf(f, "tunnel        %s: %s for %s here%s\n", t->conf.name, where,
				target, t->added ? " (added at run time)" : "");
			continue;
		}
		listener_describe(app, t, where, sizeof(where));
		fprintf(f, "tunnel        %s: %s to %s at", t->conf.name, where, target);
		for (size_t i = 0; i < t->conf.n_peers; i++)
			fprintf(f, "%s %s", i ? "," : "", server_name(app, &t->conf, i, tag));
		if (t->conf.n_peers > 1 && failover_choose(app, t, 0, &next))
			fprintf(f, " (next: %s)", server_name(app, &t->conf, next.index, tag));
		fprintf(f, "%s\n", t->added ? " (added at run time)" : "");
	}
}

/* Listeners that peers have here. */
static void put_granted(FILE *f, const struct app *app)
{
	char where[512], tag[9];

	for (const struct forward *t = app->granted; t; t = t->next) {
		listener_describe(app, t, where, sizeof(where));
		fprintf(f, "listener      %s: %s for peer %s\n", t->conf.name, where,
			tt_key_short(t->conf.peers[0].key, tag));
	}
}

static void put_advice(FILE *f, const struct app *app)
{
	char *advice = status_advice(app);

	if (advice && advice[0])
		fprintf(f, "what is wrong, and what to do:\n%s", advice);
	free(advice);
}

char *status_text(const struct app *app, enum status_part part)
{
	bool all = part == STATUS_ALL;
	struct text text;
	FILE *f = text_open(&text);

	if (!f)
		return NULL;
	if (all || part == STATUS_SELF)
		put_self(f, app);
	if (all)
		put_toxid(f, app);
	if (all || part == STATUS_PEERS)
		put_peers(f, app);
	if (all || part == STATUS_TUNNELS) {
		put_tunnels(f, app);
		put_granted(f, app);
	}
	if (all || part == STATUS_SELF)
		put_advice(f, app);
	return text_close(&text);
}
