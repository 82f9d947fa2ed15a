/**
 * One direction of an emulated link: what happens to a packet between the two ends, and when.
 *
 *	arrive -> [MTU] -> queue -> serialiser -> [cut, loss] -> delay and jitter -> take
 *
 * The queue is in front of the serialiser and drops what does not fit (drop-tail, by bytes; the
 * packet that is being sent does not count). A packet that is lost has used its time on the link,
 * as one that meets noise on a radio hop has. Nothing here reads a clock or does I/O: packets
 * leave the serialiser at virtual times, so whoever asks late gets them late but loses no rate.
 *
 * Times are nanoseconds of one monotonic clock. Each effect draws from a random stream of its own:
 * with the same seed and the same packets the same ones are lost, whatever the jitter is.
 */
#ifndef DIRECTION_H
#define DIRECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

#define DIRECTION_NEVER UINT64_MAX

/* Shares are 0..1. All zero but mtu: packets go through at once. */
struct direction_params {
	double rate;      /* bits a second, counting the bytes of the IP packet; 0: no limit */
	double delay_us;  /* propagation */
	double jitter_us; /* 0..jitter is added, evenly spread */
	double reorder;   /* 1: jitter lets packets overtake each other; 0: they keep their order */
	double loss;      /* lost at random */
	double ge_enter;  /* Gilbert-Elliott: chance of a packet to begin a bad spell, */
	double ge_leave;  /* to end it (its mean length is 1/ge_leave packets), */
	double ge_loss;   /* and to be lost while it lasts */
	double duplicate; /* arrives twice */
	double queue_bytes; /* what waits for the serialiser at most */
	double mtu;         /* a longer packet vanishes, as on a path that answers no ICMP */
};

struct direction_stats {
	uint64_t packets_in, bytes_in;
	uint64_t too_big, queue_drops, lost, cut; /* packets that do not arrive, and why */
	uint64_t duplicated;
	uint64_t delivered, delivered_bytes;
	uint64_t queue_bytes_max;
	struct histogram queue_us; /* time in the queue, of each packet that left it */
	struct histogram late_us;  /* how much later than due each packet was taken */
};

struct packet {
	uint64_t arrived, due;
	uint64_t order; /* keeps packets that are due at once in the order they were sent */
	struct packet *next;
	size_t len;
	uint8_t data[];
};

struct direction; /* opaque */

/** NULL without memory. */
struct direction *direction_new(const struct direction_params *params, uint64_t seed);
void direction_free(struct direction *d);

/** The parameters, to read and to change: what is changed holds for packets that begin to be sent
 * from then on. */
struct direction_params *direction_params(struct direction *d);

/** Begins the random streams anew, as direction_new does. */
void direction_seed(struct direction *d, uint64_t seed);

/** While cut, what leaves the serialiser is lost. */
void direction_cut(struct direction *d, bool cut);

/** A packet enters; it is copied. False without memory. */
bool direction_arrive(struct direction *d, const uint8_t *data, size_t len, uint64_t now);

/** The next packet that is due, which the caller frees, or NULL. */
struct packet *direction_take(struct direction *d, uint64_t now);

/** When to call direction_take again; in the past when something is due already. */
uint64_t direction_deadline(const struct direction *d);

/** Counts, brought up to `now`; valid until the next call. */
const struct direction_stats *direction_stats(struct direction *d, uint64_t now);

/** Bytes that wait at present. */
uint64_t direction_queued(const struct direction *d);

void direction_stats_reset(struct direction *d);

#endif
