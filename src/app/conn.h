/**
 * One local socket and its channel: accepted from a listener (we are the channel's opener) or
 * dialled for a peer (we are its accepter). Moves the bytes between the two.
 */
#ifndef CONN_H
#define CONN_H

#include "app.h"

struct peer;

/** Takes ownership of an accepted, non-blocking fd; its channel opens when a peer is ready. */
void conn_accept(struct app *app, const struct conf_forward *forward, int fd);

/** Does what a session asks for. */
void conn_on_action(struct app *app, struct peer *peer, const struct session_action *action);

/** A peer became ready: connections that wait for one try again. */
void conns_retry_waiting(struct app *app);

/** Closes all of them at once; their channels are their sessions' business. */
void conns_close(struct app *app);

#endif
