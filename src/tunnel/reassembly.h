/**
 * Puts datagrams together again from their fragments, and keeps those whose flow is not known yet:
 * a packet is handled before the friend message with the syn that came just ahead of it.
 *
 * What a peer can make it hold is bounded by its number of datagrams, by a budget of bytes and in
 * time. When there is no room the oldest give way: of the same flow, where that has its share
 * already.
 */
#ifndef REASSEMBLY_H
#define REASSEMBLY_H

#include <stdbool.h>

#include "datagram.h"
#include "wire_dgram.h"

#define REASSEMBLY_MAX 64      /* datagrams of a peer */
#define REASSEMBLY_FLOW_MAX 32 /* of one flow */
#define REASSEMBLY_BYTES (2u << 20)
/* The numbers of datagrams come around after 65,536 of them, which take longer. */
#define REASSEMBLY_TIME TT_S(1)

struct partial;

struct reassembly {
	struct datagram_store *store; /* borrowed */
	struct partial *oldest;       /* utlist, by the arrival of the first fragment */
	size_t n, bytes;
	uint64_t dropped; /* datagrams of which not all fragments came in time */
	uint64_t strayed; /* whole ones whose flow did not come in time */
};

void reassembly_init(struct reassembly *r, struct datagram_store *store);
void reassembly_clear(struct reassembly *r);

/**
 * Takes a fragment of a datagram. Returns the whole datagram when this was its last one and `known`
 * says that its flow is there; it is the caller's, to be freed with the same store. Else NULL.
 */
struct datagram *reassembly_add(struct reassembly *r, const struct wire_dgram *frag,
	const uint8_t *payload, bool known, tt_time now);

/** The oldest whole datagram that waits for this flow, as above; NULL when there is none. */
struct datagram *reassembly_take(struct reassembly *r, uint32_t conv);

/** Forgets what is too old. The next time to do so; TT_TIME_NEVER when nothing is held. */
void reassembly_expire(struct reassembly *r, tt_time now);
tt_time reassembly_deadline(const struct reassembly *r);

#endif
