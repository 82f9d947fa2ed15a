/* What the stats are made of: gathered once, written out as text, as JSON and as metrics. */
#ifndef STATS_INT_H
#define STATS_INT_H

#include <stdio.h>

#include "app.h"
#include "channel_order.h"
#include "peer.h"

#define STATS_SCHEMA 3
#define STATS_CHANNELS 1000       /* that /stats.json names, unless asked for more or fewer */
#define STATS_CHANNELS_EVENTS 100 /* that a snapshot of /events names */

struct stats_events;

struct stats_service {
	struct app *app;
	struct loop_http *http;
	struct app_timer second;
	tt_time watched_until; /* somebody has asked lately */
	struct stats_events *events;
};

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
/* What the peers' sessions and links make of it; the rest, which takes much longer, is 0. */
void stats_gather_peers(const struct app *app, struct stats_totals *t);

const char *stats_role(const struct app *app); /* "server", "client", "server and client" */

/* Of its [peer NAME] section, else the beginning of its key: nothing that it says itself. */
const char *stats_peer_label(const struct peer *p);

/* It listens where it should: here or, a reverse one, at its peers. */
bool stats_tunnel_works(const struct app *app, const struct forward *t);

/* One of the connections, of whichever peer. */
struct stats_channel {
	const struct peer *peer;
	struct channel_info info;
	struct channel_rank rank;
};

/* Which of them: the first `max` in an order. */
struct stats_choice {
	size_t max;
	enum channel_order order;
	bool reverse;
};

/* Those, allocated, and their number; NULL without memory or when there are none. */
struct stats_channel *stats_channels(
	const struct app *app, const struct stats_choice *choice, size_t *n);

/* /stats.json with these channels. Allocated, without line ends; NULL without memory. */
char *stats_json_channels(const struct app *app, const struct stats_choice *choice);

/* /history.json of a peer. Allocated, without line ends; NULL without memory. */
char *stats_json_history(const struct peer *p);

/* /metrics. Allocated, NULL without memory. */
char *stats_metrics(const struct app *app);

/* The text as a QR code, an SVG picture. Allocated, NULL without memory. */
char *stats_qr(const char *text);

/* Somebody looks who wants figures of now. */
void stats_wanted(struct app *app);

/* stats_sample.c: what is measured once a second. With `probe` the round trips, too. */
void stats_sample(struct app *app, bool probe);

/* stats_events.c: the readers of /events, and what has happened lately. NULL without memory. */
struct stats_events *stats_events_new(struct app *app);
void stats_events_free(struct stats_events *e);
void stats_events_serve(struct stats_events *e, struct loop_http_request *req);
/* Sends a snapshot to every reader; true when there are any. */
bool stats_events_snapshot(struct stats_events *e);
void stats_events_add(struct stats_events *e, const char *type, const char *peer, const char *text);

#endif
