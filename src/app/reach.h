/**
 * Waiting until a peer can be talked to: for its hello, then a moment for the direct way, because
 * peers mostly meet by a relay first, and until that has carried something there and back.
 */
#ifndef REACH_H
#define REACH_H

#include "app.h"

#define REACH_WAITING (-1)

struct reach {
	struct app *app;
	struct tt_peer_id id;
	bool added;       /* it was no peer of ours before */
	tt_time limit;    /* until which it must be ready */
	tt_time probe_at; /* while the direct way is awaited: when it is tried next; else 0 */
};

/** EXIT_OK, or EXIT_FAILED for a peer that cannot be one (said in the log). */
int reach_start(struct reach *r, struct app *app, const struct tt_peer_id *id);

/** EXIT_OK: it is there; EXIT_UNREACHABLE; or REACH_WAITING: ask again after the next round. */
int reach_poll(struct reach *r);

/** Ask again then at the latest. */
tt_time reach_deadline(const struct reach *r);

/** The peer, NULL when it is gone. */
struct peer *reach_peer(const struct reach *r);

/** Why it is not reachable, and what to do: a sentence after "peer X is not reachable: ". */
const char *reach_why(const struct app *app);

#endif
