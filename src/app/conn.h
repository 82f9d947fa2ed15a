/**
 * One local socket and its channel: accepted from a listener or made by the program itself (we are
 * the channel's opener), or dialled for a peer (we are its accepter). Moves the bytes between the
 * two.
 */
#ifndef CONN_H
#define CONN_H

#include "app.h"

struct forward;
struct peer;

/**
 * Takes ownership of an accepted, non-blocking fd; its channel opens when a peer is ready. With a
 * forward that is a proxy the application is asked for the target first.
 */
void conn_accept(struct app *app, struct forward *forward, int fd);

/**
 * Tells the application on fd that its connection is open (REASON_NONE), or why not and the words
 * for it; the target's bytes follow.
 */
typedef void conn_answer(int fd, enum close_reason why, const char *words);

/** As conn_accept, for an application that waits for an answer before it sends anything. */
void conn_accept_answered(struct app *app, struct forward *forward, int fd, conn_answer *answer);

/** Who opened a connection by conn_open. `closed` is called once, and the conn is gone after it. */
struct conn_owner {
	void (*closed)(void *user, enum close_reason why);
	void *user;
};

/**
 * Opens a channel for the program itself, without a listener: what is written to the other end of
 * fd, a stream that does not block, comes out at the target. Takes ownership of fd, also when it
 * fails. As session_open.
 */
int conn_open(struct app *app, struct peer *peer, const struct channel_target *target, int fd,
	const struct conn_owner *owner, struct conn **out);

/** The number of its channel, for as long as the owner was not told that it is over. */
uint32_t conn_id(const struct conn *c);

/** Cuts it off; the owner is not told any more. */
void conn_abort(struct conn *c);

/** Does what a session asks for. */
void conn_on_action(struct app *app, struct peer *peer, const struct session_action *action);

/** A peer became ready: connections that wait for one try again. */
void conns_retry_waiting(struct app *app);

/** Connections that are being opened at a server that is silent, or has gone, go to another one
 * where there is one. */
void conns_leave_silent(struct app *app);

/** Ends the associations for datagrams that came by this forward, and their connections. */
void conns_end_associations(struct app *app, const struct forward *forward);

/** Closes all of them at once; their channels are their sessions' business. */
void conns_close(struct app *app);

#endif
