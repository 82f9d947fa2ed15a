/** The stats service: text, JSON, metrics and events over HTTP on loopback. */
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

/** Something for the readers of /events; `type` is one of doc/stats.md, p is NULL or whose it is.
 */
void stats_event(struct app *app, const char *type, const struct peer *p, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** The text, for whoever needs it: allocated, NUL-terminated, NULL without memory. */
char *stats_text(const struct app *app);

#endif
