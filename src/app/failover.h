/**
 * Which of several servers gets a connection. The best are those that have been there for a while;
 * one that was away, or at which a connection failed, is passed over for FAILOVER_STEADY as long as
 * another one is there, so that a server that comes and goes does not take connections with it.
 */
#ifndef FAILOVER_H
#define FAILOVER_H

#include "app.h"

/* So long a server must have been there again before it is preferred to those behind it. */
#define FAILOVER_STEADY TT_S(30)

/** The better ones first. */
enum failover_rank {
	FAILOVER_GOOD,
	FAILOVER_UNSTEADY, /* there, but not for long, or a connection failed at it */
	FAILOVER_MUTE,     /* online for Tox, but it answers nothing */
	FAILOVER_NONE,     /* offline, or it was tried for this connection */
};

struct failover_choice {
	struct peer *peer;
	size_t index; /* in the forward's list */
	enum failover_rank rank;
	size_t others; /* that could be tried instead */
};

/** `steady_at`: from when on it counts as steady. */
enum failover_rank failover_rank(bool ready, bool mute, tt_time steady_at, tt_time now);

/** The first of the best ranks, beginning at index `start`; n when all are FAILOVER_NONE. */
size_t failover_pick(const enum failover_rank *ranks, size_t n, size_t start);

/**
 * Chooses among the servers whose bit is not set in `tried`. False when none is ready. Where the
 * connection goes there, failover_used must follow.
 */
bool failover_choose(const struct app *app, const struct forward *f, unsigned tried,
	struct failover_choice *out);

/** A connection goes to the server that was chosen. */
void failover_used(struct forward *f, const struct failover_choice *choice);

/** A connection failed at the server with this index. */
void failover_failed(struct forward *f, size_t index, tt_time now);

/** True where a connection that could not be opened for this reason may succeed elsewhere. */
bool failover_curable(enum close_reason why);

#endif
