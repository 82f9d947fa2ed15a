#include "reach.h"

#include "peer.h"

/* Two machines that know each other's node need about ten seconds to meet. */
#define MEETING_FACTOR 2
/* How long a path may be another one before it counts as the one that there is. */
#define DIRECT_WAIT TT_S(3)
#define PROBE_EVERY TT_MS(200)

int reach_start(struct reach *r, struct app *app, const struct tt_peer_id *id)
{
	*r = (struct reach){
		.app = app,
		.id = *id,
		.added = !peer_find_key(app, id->key),
		.limit = app_now(app) + MEETING_FACTOR * TT_S(app->conf->connect_timeout_s),
	};
	return peer_want(app, id) ? EXIT_OK : EXIT_FAILED;
}

struct peer *reach_peer(const struct reach *r)
{
	return peer_find_key(r->app, r->id.key);
}

/*
 * toxcore sends directly as soon as it knows the peer's address (set_direct_ip_port in
 * net_crypto.c), and the peer drops what comes from an address that it has not found yet. So a
 * direct path is one when a probe has come back.
 */
static bool is_direct(const struct peer *p)
{
	tt_time sent_at;

	link_probe_rtt(session_link(p->session), &sent_at);
	return p->path == TOXNET_PATH_UDP && sent_at >= p->path_since;
}

int reach_poll(struct reach *r)
{
	const struct peer *p = reach_peer(r);
	tt_time now = app_now(r->app);

	if (!p || !p->ready) {
		r->probe_at = 0;
		return p && now < r->limit ? REACH_WAITING : EXIT_UNREACHABLE;
	}
	tt_time limit = p->path_since + DIRECT_WAIT;
	if (!r->app->conf->udp || is_direct(p) || now >= limit)
		return EXIT_OK;
	if (now >= r->probe_at) {
		link_probe(session_link(p->session));
		r->probe_at = tt_time_min(now + PROBE_EVERY, limit);
	}
	return REACH_WAITING;
}

tt_time reach_deadline(const struct reach *r)
{
	return r->probe_at ? r->probe_at : r->limit;
}

const char *reach_why(const struct app *app)
{
	return app->self_path == TOXNET_PATH_NONE
		       ? "this machine has no connection to the Tox network (bootstrap nodes, "
			 "firewall?)"
		       : "it is offline, or it does not accept this machine";
}
