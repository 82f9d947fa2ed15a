/** The stats service: /stats (text) and /stats.json over HTTP on loopback. */
#ifndef STATS_H
#define STATS_H

#include "app.h"

/**
 * Starts the service where the configuration says; when its port is taken and was not chosen by the
 * user, on one of the next 99. An exit code; a service that is off is EXIT_OK.
 */
int stats_start(struct app *app);
void stats_stop(struct app *app);

/** Keeps the counts of a peer that is about to be freed in the totals. */
void stats_peer_gone(struct app *app, const struct peer *p);

/** The two documents, for whoever needs them: allocated, NUL-terminated, NULL without memory. */
char *stats_text(const struct app *app);
char *stats_json(const struct app *app);

#endif
