#include "reach.h"

#include "peer.h"

/* Two machines that know each other's node need about ten seconds to meet. */
#define MEETING_FACTOR 2
#define DIRECT_WAIT TT_S(3)

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

int reach_poll(struct reach *r)
{
	const struct peer *p = reach_peer(r);
	tt_time now = app_now(r->app);

	if (!p || !p->ready)
		return p && now < r->limit ? REACH_WAITING : EXIT_UNREACHABLE;
	if (!r->direct_limit)
		r->direct_limit = now + DIRECT_WAIT;
	return r->app->conf->udp && p->path == TOXNET_PATH_TCP && now < r->direct_limit
		       ? REACH_WAITING
		       : EXIT_OK;
}

tt_time reach_deadline(const struct reach *r)
{
	return r->direct_limit ? r->direct_limit : r->limit;
}

const char *reach_why(const struct app *app)
{
	return app->self_path == TOXNET_PATH_NONE
		       ? "this machine has no connection to the Tox network (bootstrap nodes, "
			 "firewall?)"
		       : "it is offline, or it does not accept this machine";
}
