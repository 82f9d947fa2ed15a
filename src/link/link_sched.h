/**
 * Which stream goes next: deficit round robin with sparse streams first (after FQ-CoDel, RFC 8290
 * section 4.2, without its queues), and before both of them whoever has something urgent.
 *
 * A stream may be in the urgent list (ACKs, probes, repeats are due) and in one of the two data
 * lists (new data is due) at the same time.
 */
#ifndef LINK_SCHED_H
#define LINK_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Bytes of credit that a stream gets for each round: from two packets, so that a slow link goes
 * round quickly, to sixteen, so that on a fast one the receiver has more to write to a socket than
 * a packet at a time.
 */
#define SCHED_QUANTUM_MIN 2746
#define SCHED_QUANTUM_MAX 21968

struct sched_list {
	struct sched_entry *head, *tail;
};

struct sched_link {
	struct sched_entry *prev, *next;
	struct sched_list *list; /* NULL: in none */
};

struct sched_entry {
	struct sched_link urgent, data;
	int32_t deficit; /* bytes */
};

struct sched {
	int32_t quantum; /* set with sched_set_quantum */
	struct sched_list urgent;
	struct sched_list sparse; /* streams that just got something to say */
	struct sched_list bulk;   /* streams that keep having it */
};

void sched_init(struct sched *sc);

/** Within the bounds above; credit that was given stays. */
void sched_set_quantum(struct sched *sc, uint64_t bytes);

/** A new stream starts with one round of credit. */
void sched_entry_init(const struct sched *sc, struct sched_entry *e);

/** Says what is due for the stream; puts it into and takes it out of the lists. */
void sched_set(struct sched *sc, struct sched_entry *e, bool urgent, bool data);

struct sched_entry *sched_first_urgent(const struct sched *sc);

/** The stream whose turn it is to send new data, NULL when there is none. */
struct sched_entry *sched_first_data(struct sched *sc);

/** The stream was just allowed to send so many bytes of new data. */
void sched_charge(struct sched_entry *e, size_t bytes);

/** Moves an urgent stream behind the others. */
void sched_rotate_urgent(struct sched *sc, struct sched_entry *e);

bool sched_has_data(const struct sched *sc);

#endif
