/* What the configuration says of the peers, at the start and when it is another one. */
#include <stdio.h>

#include "access_peer.h"
#include "forward.h"
#include "peer.h"
#include "reverse.h"

/* How long a peer that is removed has for hearing of it. */
#define LEAVE_TIMEOUT TT_S(2)

bool peer_is_person(const struct peer *p)
{
	return !p->wanted && access_is_admin(p->app, p->key) && !access_in_allow(p->app, p->key);
}

static void terms_of(struct app *app, const struct peer *p, struct session_terms *t)
{
	const struct conf *c = app->conf;

	*t = (struct session_terms){
		.name = c->name,
		.accept = access_peer_served(app, p->key),
		.await_hello = peer_is_person(p),
		.bench = c->bench,
		.channels_max = c->max_connections,
		.connect_timeout_us = TT_S(c->connect_timeout_s),
		.idle_timeout_us = TT_S(c->idle_timeout_s),
		.udp_timeout_us = TT_S(c->udp_timeout_s),
		.resume_timeout_us = TT_S(c->resume_timeout_s),
	};
	t->rules = access_peer_rules(app, p->key, &t->n_rules);
	t->listens = access_peer_listens(app, p->key, &t->n_listens);
	int secret = access_proofs(app, p->key, t->proof, t->peer_proof);
	t->has_proof = t->need_proof = secret > 0;
	if (secret < 0)
		t->accept = false; /* who cannot prove it is not served */
}

void peer_session_config(struct app *app, const struct peer *p, struct session_config *cfg)
{
	*cfg = (struct session_config){
		.mode = app->conf->mode,
		.epoch_ms = loop_wall_us() / 1000 - app_now(app) / 1000,
		.snd_budget = &app->snd_budget,
		.rcv_budget = &app->rcv_budget,
		.slots = &app->slots,
		.pool = app->pool,
		.log = app->log,
	};
	terms_of(app, p, &cfg->terms);
}

void peer_reconfigure(struct peer *p)
{
	struct session_terms terms;

	snprintf(p->name, sizeof(p->name), "%s", access_peer_name(p->app, p->key));
	terms_of(p->app, p, &terms);
	session_reconfigure(p->session, &terms);
}

void peers_want(struct app *app)
{
	for (struct peer *p = app->peers; p; p = p->hh.next) {
		if (!p->wanted || access_in_forwards(app, p->key))
			continue;
		p->wanted = false;
		app_timer_set(app, &p->renew, TT_TIME_NEVER);
	}
	for (const struct forward *f = app->forwards; f; f = f->next) {
		for (size_t i = 0; i < f->conf.n_peers; i++)
			peer_want(app, &f->conf.peers[i]);
	}
	reverse_want(app);
}

void peers_accept_admins(struct app *app)
{
	for (size_t i = 0; i < app->conf->n_admins; i++)
		peer_accept(app, app->conf->admins[i].key);
}

void peer_remove(struct peer *p)
{
	session_end(p->session, REASON_NOT_ALLOWED);
	p->leaving = true;
	app_timer_set(p->app, &p->renew, app_now(p->app) + LEAVE_TIMEOUT);
}

size_t peers_remove_strangers(struct app *app, const struct tt_log *log)
{
	size_t n = 0;

	for (struct peer *p = app->peers; p; p = p->hh.next) {
		if (p->leaving || p->ousted || access_peer_allowed(app, p->key))
			continue;
		tt_info(log, "peer %s%s%s is not allowed any more and is removed", p->tag,
			p->name[0] ? " " : "", p->name);
		peer_reconfigure(p);
		session_end_served(p->session, REASON_NOT_ALLOWED);
		p->ousted = true;
		n++;
	}
	return n;
}

void peers_reconfigure(struct app *app)
{
	for (struct peer *p = app->peers; p; p = p->hh.next) {
		if ((p->leaving || p->ousted) && access_peer_allowed(app, p->key)) {
			p->leaving = p->ousted = false; /* allowed again before it was gone */
			app_timer_set(app, &p->renew, TT_TIME_NEVER);
		}
		peer_reconfigure(p);
	}
}
