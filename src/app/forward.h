/**
 * The forwards that are open: those of the configuration and those that were added at run time.
 * Each has a copy of what it was opened with, which its connections keep when it is closed: so the
 * configuration can be replaced, and a forward be closed, without touching them.
 */
#ifndef FORWARD_H
#define FORWARD_H

#include "app.h"

struct forward {
	struct conf_forward conf;
	struct forward *next; /* in app->forwards */
	unsigned refs;        /* the list's, and one for each connection */
	bool added;           /* at run time: a reload leaves it open */
	uint32_t lid;         /* a peer's listener here: its number; 0: one of ours */
	/* failover.c: by place in conf.peers, since when a failure there is forgotten */
	tt_time steady_at[CONF_FORWARD_PEERS_MAX];
	size_t last_used; /* ... where the newest connection went */
};

/**
 * Opens the forwards of the configuration. An exit code: EXIT_FAILED when none could listen, or
 * when one could not and the configuration says exit-on-failure; else those that failed are tried
 * again every few seconds. Each failure is in the log with the forward's origin.
 */
int forwards_open(struct app *app);

/** Stops listening for all of them. Their connections stay; UDP flows end, and associations. */
void forwards_close(struct app *app);

/**
 * Opens one at run time. TT_OK; TT_EEXIST when it is open already, TT_EBUSY when another one has
 * its socket, TT_EIO when it cannot listen, after which it is not tried again; TT_ENOMEM. All of
 * them are said on `log`.
 */
int forward_add(struct app *app, const struct conf_forward *conf, const struct tt_log *log);

/** Closes it: its listeners end, its connections stay; UDP flows end, and associations, by which
 * others could still be opened. */
void forward_cancel(struct app *app, struct forward *f, const struct tt_log *log);

/** The one of this name, NULL when there is none. */
struct forward *forward_by_name(const struct app *app, const char *name);
/** The one with the same spec, whatever its server. */
struct forward *forward_by_spec(const struct app *app, const struct conf_forward *conf);

/** The server of all of them, NULL when they have none or several. */
const struct tt_peer_id *forwards_server(const struct app *app);

/** What forwards_reload did. */
struct forward_changes {
	size_t opened, closed, kept;
};

/**
 * True where the forwards of `c` could be opened next to those that were added at run time;
 * otherwise it says on `log` which are in the way.
 */
bool forwards_fit(const struct app *app, const struct conf *c, const struct tt_log *log);

/** Closes and opens what differs from app->conf; those added at run time stay. */
void forwards_reload(struct app *app, const struct tt_log *log, struct forward_changes *done);

/** One that listens nowhere, for a connection that comes by another way; NULL without memory. */
struct forward *forward_new(const struct conf_forward *conf);

/** For each connection that refers to it. */
struct forward *forward_ref(struct forward *f);
/** May be NULL. */
void forward_unref(struct forward *f);

#endif
