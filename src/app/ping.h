/** `toxtun ping`: is a peer there, by which path, how far away. One step after the other, driven by
 * whoever asked for it: the command itself, or a client of the control socket. */
#ifndef PING_H
#define PING_H

#include "reach.h"

#define PING_WAITING REACH_WAITING

struct ping {
	struct reach reach;
	char tag[9];
	unsigned count;
	bool json; /* each line is an object */
	bool reached;
	unsigned sent, got;
	tt_time min, max, sum;
	tt_time sent_at; /* the probe that is under way; 0: none is */
	tt_time next_at;
	/* Each line of the output; `error`: why there is none. */
	void (*say)(void *user, bool error, const char *line);
	void *user;
};

/** As reach_start; the caller sets `say`, `user` and `json`. */
int ping_start(struct ping *p, struct app *app, const struct tt_peer_id *id, unsigned count);

/** PING_WAITING: call again after the next round; else the exit code. */
int ping_poll(struct ping *p);
tt_time ping_deadline(const struct ping *p);

/** Ends it before its time and says what there is. The exit code. */
int ping_cut(const struct ping *p);

#endif
