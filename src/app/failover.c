#include "failover.h"

#include "forward.h"
#include "peer.h"

enum failover_rank failover_rank(bool ready, bool mute, tt_time steady_at, tt_time now)
{
	if (!ready)
		return FAILOVER_NONE;
	if (mute)
		return FAILOVER_MUTE;
	return now < steady_at ? FAILOVER_UNSTEADY : FAILOVER_GOOD;
}

size_t failover_pick(const enum failover_rank *ranks, size_t n, size_t start)
{
	size_t best = n;

	for (size_t k = 0; k < n; k++) {
		size_t i = (start + k) % n;
		if (ranks[i] < (best == n ? FAILOVER_NONE : ranks[best]))
			best = i;
	}
	return best;
}

bool failover_choose(
	const struct app *app, const struct forward *f, unsigned tried, struct failover_choice *out)
{
	enum failover_rank ranks[CONF_FORWARD_PEERS_MAX];
	struct peer *peers[CONF_FORWARD_PEERS_MAX];
	size_t n = f->conf.n_peers, there = 0;

	for (size_t i = 0; i < n; i++) {
		struct peer *p = peers[i] = peer_find_key(app, f->conf.peers[i].key);
		bool ready = p && session_ready(p->session) && !(tried & 1u << i);
		tt_time steady_at = f->steady_at[i];
		if (p && p->steady_at > steady_at)
			steady_at = p->steady_at;
		ranks[i] = failover_rank(ready, p && p->mute, steady_at, app_now(app));
		there += ready;
		if (ranks[i] == FAILOVER_MUTE) /* or nobody asks whether it is there again */
			link_probe(session_link(p->session));
	}
	size_t start = app->conf->strategy == CONF_SPREAD ? f->last_used + 1 : 0;
	size_t i = failover_pick(ranks, n, start);
	if (i == n)
		return false;
	*out = (struct failover_choice){
		.peer = peers[i], .index = i, .rank = ranks[i], .others = there - 1};
	return true;
}

void failover_used(struct forward *f, const struct failover_choice *choice)
{
	f->last_used = choice->index;
}

void failover_failed(struct forward *f, size_t index, tt_time now)
{
	f->steady_at[index] = now + FAILOVER_STEADY;
}

bool failover_curable(enum close_reason why)
{
	switch (why) {
	case REASON_CONNECT_TIMEOUT:
	case REASON_NO_SUCH_HOST:
	case REASON_REFUSED_BY_TARGET:
	case REASON_TARGET_UNREACHABLE:
	case REASON_TARGET_TIMEOUT:
	case REASON_LIMIT:
	case REASON_PEER_RESTARTED:
	case REASON_SHUTDOWN:
		return true;
	default: /* what the rules forbid is an answer, not a failure */
		return false;
	}
}
