/* What is wrong, and what its user can do about it. */

#include "forward.h"
#include "listener.h"
#include "reverse.h"
#include "stats_int.h"
#include "status_int.h"
#include "text.h"

#define LOSS_HIGH 5.0      /* percent */
#define LOSS_SEGMENTS 1000 /* fewer say little */

static bool has_direct_peer(const struct app *app)
{
	for (const struct peer *p = app->peers; p; p = p->hh.next) {
		if (p->path == TOXNET_PATH_UDP)
			return true;
	}
	return false;
}

static void advise_self(FILE *f, const struct app *app)
{
	bool young = status_is_young(app);

	if (app->self_path == TOXNET_PATH_NONE && young)
		fprintf(f, "- It is looking for the Tox network, which takes some seconds.\n");
	else if (app->self_path == TOXNET_PATH_NONE)
		fprintf(f, "- This machine is not connected to the Tox network: is it online, does "
			   "its firewall let UDP or TCP out, and are the bootstrap nodes right "
			   "(-b, --nodes)?\n");
	else if (app->self_path == TOXNET_PATH_TCP && app->conf->udp && !young &&
		 !has_direct_peer(app))
		fprintf(f, "- UDP does not get through to the Tox network, only TCP relays do, "
			   "which is slower: let UDP out of the firewall.\n");
	if (app->refused_requests)
		fprintf(f,
			"- %llu friend requests were refused; the log says whose and why (allow, "
			"secret).\n",
			(unsigned long long)app->refused_requests);
}

static void advise_peer(FILE *f, const struct app *app, const struct status_peer *p)
{
	const struct peer *peer = p->peer;
	char key[TT_KEY_HEX + 1];
	uint8_t self[TT_KEY_LEN];

	if (peer->path == TOXNET_PATH_NONE && peer->wanted && app->self_path != TOXNET_PATH_NONE) {
		toxnet_self_key(app->tn, self);
		fprintf(f,
			"- Peer %s is offline, or does not accept this machine: is its toxtun "
			"running, does its allow list have %s, and is the secret the same?\n",
			p->name, tt_hex_encode(self, TT_KEY_LEN, key));
	}
	if (peer->path != TOXNET_PATH_NONE && !p->session.online)
		fprintf(f, "- Peer %s is online but its toxtun says nothing: is it one?\n",
			p->name);
	if (peer->path == TOXNET_PATH_TCP && app->conf->udp && app->self_path == TOXNET_PATH_UDP)
		fprintf(f,
			"- Peer %s is reached through a TCP relay, which is slower: a firewall or "
			"NAT on one of the two sides lets no UDP through.\n",
			p->name);
	if (p->link.segs_sent >= LOSS_SEGMENTS && status_loss(p) >= LOSS_HIGH)
		fprintf(f, "- The path to peer %s loses %.1f %% of the packets.\n", p->name,
			status_loss(p));
}

static void advise_tunnels(FILE *f, const struct app *app)
{
	char where[512];

	for (const struct forward *t = app->forwards; t; t = t->next) {
		if (t->conf.reverse && !reverse_works(app, t)) {
			reverse_describe(app, t, where, sizeof(where));
			fprintf(f, "- Tunnel %s: %s.\n", t->conf.name, where);
		}
		if (listener_works(app, t))
			continue;
		listener_describe(app, t, where, sizeof(where));
		fprintf(f,
			"- Tunnel %s cannot listen, and tries again every few seconds: %s. Choose "
			"another local port or end the program that has it.\n",
			t->conf.name, where);
	}
}

static void advise_reasons(FILE *f, const struct app *app)
{
	static const struct {
		enum close_reason reason;
		const char *advice;
	} troubles[] = {
		{REASON_REFUSED_BY_TARGET, "nothing listens at their target: start the service"},
		{REASON_NOT_ALLOWED, "the server does not allow their target: see targets in its "
				     "configuration"},
		{REASON_NO_SUCH_HOST, "the server knows no such host"},
		{REASON_TARGET_UNREACHABLE, "the server has no route to their target"},
		{REASON_TARGET_TIMEOUT, "their target did not answer the server"},
		{REASON_CONNECT_TIMEOUT, "no server came online, or answered, in time"},
		{REASON_LIMIT, "there were too many connections, or too little memory"},
	};
	struct stats_totals t;

	stats_gather_peers(app, &t);
	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		unsigned long long n = t.sessions.reasons[troubles[i].reason];
		if (n)
			fprintf(f, "- %llu connection%s failed: %s.\n", n, n == 1 ? "" : "s",
				troubles[i].advice);
	}
}

char *status_advice(const struct app *app)
{
	struct text text;
	FILE *list = text_open(&text);

	if (!list)
		return NULL;
	advise_self(list, app);
	for (const struct peer *i = app->peers; i; i = i->hh.next) {
		struct status_peer p;
		status_gather(&p, i);
		if (!p.person)
			advise_peer(list, app, &p);
	}
	advise_tunnels(list, app);
	advise_reasons(list, app);
	return text_close(&text);
}
