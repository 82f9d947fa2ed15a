/* What the stats are made of: gathered once, written out in two forms. */
#ifndef STATS_INT_H
#define STATS_INT_H

#include "app.h"
#include "peer.h"

#define STATS_SCHEMA 1

struct stats_totals {
	struct session_stats sessions; /* summed over the peers, gone ones included */
	struct link_stats links;
	struct toxnet_stats tox;
	size_t peers_online;
	uint64_t peer_drops;
	size_t rss_bytes, heap_bytes;
	double cpu_seconds;
	size_t fds;
};

void stats_gather(const struct app *app, struct stats_totals *t);

const char *stats_role(const struct app *app); /* "server", "client", "server and client" */

#endif
