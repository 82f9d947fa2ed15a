/**
 * Reverse forwards: those of ours, for which peers listen, and the listeners that we have for peers
 * (struct forward too, with a `lid`, in app->granted). What is asked for, and whether it may be, is
 * src/tunnel/listen.h.
 */
#ifndef REVERSE_H
#define REVERSE_H

#include "app.h"
#include "listen.h"

struct forward;
struct peer;

/** Asks the peers of all reverse forwards that are open to listen, where they were not asked. */
void reverse_want(struct app *app);

/** Wants the listeners of this one no more. */
void reverse_cancel(struct app *app, const struct forward *f);

/** Does what a session asks for. */
void reverse_on_action(struct app *app, struct peer *p, const struct listen_action *a);

/** Closes all listeners that are here for this peer. */
void reverse_peer_gone(struct app *app, const struct peer *p);

/** What each peer says to it, joined by commas, cut at cap bytes. */
void reverse_describe(const struct app *app, const struct forward *f, char *dst, size_t cap);
/** True where no peer has refused. */
bool reverse_works(const struct app *app, const struct forward *f);

#endif
