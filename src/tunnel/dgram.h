/**
 * The UDP datagrams of one peer: flows by conv, what waits to be sent, what has come. Unreliable
 * and unordered as UDP is: whatever cannot go on soon is dropped and counted, never repeated. Does
 * no I/O and reads no clock.
 */
#ifndef DGRAM_H
#define DGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reassembly.h"
#include "tt_hash.h"

/* A datagram that has waited for the path for so long is of no use to anybody any more. */
#define DGRAM_SEND_TIME TT_MS(100)
#define DGRAM_SEND_FLOW_BYTES (512u << 10)
#define DGRAM_SEND_BYTES (2u << 20)
/* More than one round of the loop takes in. */
#define DGRAM_RECV_FLOW_BYTES (1u << 20)
#define DGRAM_RECV_BYTES (4u << 20) /* with what is being put together */

enum dgram_drop {
	DGRAM_DROP_LATE,       /* waited too long for the path */
	DGRAM_DROP_FULL,       /* too much was waiting for the path already */
	DGRAM_DROP_TOO_BIG,    /* more than WIRE_DGRAM_MAX, or than the peer's packets can carry */
	DGRAM_DROP_INCOMPLETE, /* from the peer: fragments are missing */
	DGRAM_DROP_NO_FLOW,    /* from the peer: its flow is not there, or not any more */
	DGRAM_DROP_OVERFLOW,   /* from the peer: came faster than it was taken */
	DGRAM_DROP_SOCKET,     /* from the peer: the local socket did not take it */
	DGRAM_DROP_NO_PEER,    /* to the peer: it is not online, or cannot do UDP */
	DGRAM_DROP_LIMIT,      /* too many flows */
	DGRAM_DROP_PROXY,      /* to the peer: not as the proxy takes them */
	DGRAM_DROP_COUNT
};

/** "late" ...: as in the stats. */
const char *dgram_drop_name(enum dgram_drop why);

struct dgram_stats {
	uint64_t flows_opened;
	size_t flows;
	uint64_t sent, received; /* datagrams: put on their way; taken by their flow's owner */
	uint64_t bytes_sent, bytes_received; /* their payload */
	uint64_t packets_sent, packets_received;
	uint64_t network_sent, network_received; /* see tt_packet_network */
	uint64_t malformed;                      /* packets */
	uint64_t dropped[DGRAM_DROP_COUNT];
};

struct dgram_flow;

struct dgrams {
	struct datagram_store send_store, recv_store;
	struct reassembly reassembly;
	struct tt_hash_key hash_key; /* the peer chooses its convs */
	struct dgram_flow *flows;    /* uthash by conv */
	struct dgram_flow *sending;  /* utlist: those with something to send, the next one first */
	struct dgram_flow *ready;    /* utlist: those with something new to take */
	struct dgram_flow *by_use;   /* utlist: all, the one unused for longest first */
	struct dgram_stats sum;
};

/** What all peers may hold: send_budget and recv_budget, borrowed, may be NULL. */
void dgrams_init(struct dgrams *d, const struct tt_mem *mem, const struct tt_hash_key *hash_key,
	struct kcp_budget *send_budget, struct kcp_budget *recv_budget);
/** Every flow must have been freed. */
void dgrams_clear(struct dgrams *d);

/** A new flow, of which `user` is the owner. TT_OK, TT_EEXIST when the conv is in use, TT_ENOMEM.
 */
int dgram_flow_new(struct dgram_flow **out, struct dgrams *d, uint32_t conv, void *user);
/** f may be NULL. */
void dgram_flow_free(struct dgram_flow *f);
bool dgram_conv_in_use(const struct dgrams *d, uint32_t conv);
/** As dgram_flow_new; a flow that could not be moved must be freed. */
int dgram_flow_set_conv(struct dgram_flow *f, uint32_t conv);
uint32_t dgram_flow_conv(const struct dgram_flow *f);
/** Datagrams have gone both ways. */
bool dgram_flow_answered(const struct dgram_flow *f);

/** The owner of the flow that was unused for longest, for which `fits` says yes; NULL: none. */
void *dgrams_oldest(const struct dgrams *d, bool (*fits)(const void *user));

/** Queues a copy for the peer, the flow's oldest giving way. False: it was dropped and counted. */
bool dgram_send(struct dgram_flow *f, const void *data, size_t len, tt_time now);

/** The oldest datagram from the peer, the flow's own until dgram_done; NULL when there is none. */
const struct datagram *dgram_next(const struct dgram_flow *f);
/** It was taken, or with `delivered` false could not be. */
void dgram_done(struct dgram_flow *f, bool delivered);

/** Takes a flow with news since it was last taken; returns its user, NULL when there is none. */
void *dgrams_ready_next(struct dgrams *d);

/**
 * Takes one packet. `keep`: datagrams of no known flow wait for it for a while. TT_OK; TT_EPROTO
 * when it was malformed, after what came before that place was taken.
 */
int dgrams_input(struct dgrams *d, const uint8_t *pkt, size_t len, bool keep, tt_time now);

/** There may be something to send. */
bool dgrams_pending(const struct dgrams *d);
/** Fills dst with a packet of at most `cap` bytes; returns its length, 0 when there is none. */
size_t dgrams_output(struct dgrams *d, uint8_t *dst, size_t cap, tt_time now);

/** When dgrams_on_deadline must be called to forget what is too old. */
tt_time dgrams_deadline(const struct dgrams *d);
void dgrams_on_deadline(struct dgrams *d, tt_time now);

void dgrams_stats(const struct dgrams *d, struct dgram_stats *out);

#endif
