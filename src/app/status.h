/** The state of the running program in words, for people: one screen. */
#ifndef STATUS_H
#define STATUS_H

#include "app.h"

/** Remembers how much has gone through up to now: rates are those since then. Probes the peers. */
void status_sample(struct app *app);

enum status_part {
	STATUS_ALL,
	STATUS_SELF, /* all but the Tox ID, peers and tunnels */
	STATUS_PEERS,
	STATUS_TUNNELS,
};

/**
 * What it does, its peers and tunnels, what is wrong and what to do. Allocated; NULL without
 * memory. Names that peers give themselves are in it.
 */
char *status_text(const struct app *app, enum status_part part);

#endif
