/* What status.c (the state), status_advice.c (what is wrong) and the statistics share. */
#ifndef STATUS_INT_H
#define STATUS_INT_H

#include <stdio.h>

#include "peer.h"

/* A peer's figures, gathered once. */
struct status_peer {
	const struct peer *peer;
	struct session_stats session;
	struct link_stats link;
	uint64_t drops;                /* of the peer */
	bool person;                   /* peer_is_person, who is not waited for */
	char name[WIRE_NAME_MAX + 16]; /* "office (456789AB)", or the short key alone */
};

void status_gather(struct status_peer *out, const struct peer *p);

/* Segments that were lost on the way to it, in percent. */
double status_loss(const struct status_peer *p);

/* The program has not been looking for its network and peers for so long that something is wrong.
 */
bool status_is_young(const struct app *app);

/* The whole in one sentence, without its end: words that change when something happens ... */
void status_words(FILE *f, const struct app *app);
/* ... and with the figures of the one peer. */
void status_sentence(FILE *f, const struct app *app);

/*
 * What is wrong, and what to do: a line for each trouble, "- " before it. Allocated, empty when
 * there is none; NULL without memory.
 */
char *status_advice(const struct app *app);

#endif
