/* What status.c (the state) and status_advice.c (what is wrong) share. */
#ifndef STATUS_INT_H
#define STATUS_INT_H

#include <stdio.h>

#include "peer.h"

/* A peer's figures, gathered once. */
struct status_peer {
	const struct peer *peer;
	struct session_stats session;
	struct link_stats link;
	char name[WIRE_NAME_MAX + 16]; /* "office (456789AB)", or the short key alone */
};

void status_gather(struct status_peer *out, const struct peer *p);

/* Segments that were lost on the way to it, in percent. */
double status_loss(const struct status_peer *p);

/* "What is wrong:" and a paragraph for each trouble; nothing when there is none. */
void status_advice(FILE *f, const struct app *app);

#endif
