/**
 * One direction of a path in virtual time: a policer, a drop-tail queue, a transmitter, then the
 * way to the other end with its loss, delay, jitter, reordering and duplication. What is lost on
 * the way has used the transmitter.
 */
#ifndef SIM_PIPE_H
#define SIM_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim_hist.h"
#include "sim_rng.h"
#include "tt_time.h"

#define SIM_PACKET_MAX 2048

/* Gilbert-Elliott: a bad state in which a share is lost. Chances are asked for each packet, so that
 * it stays bad for 1000000 / leave packets, and is bad for enter / (enter + leave) of all. */
struct sim_burst {
	uint32_t enter, leave, loss;
};

/* What a direction is like. Shares are in millionths, sizes are of packets on the wire. All zero:
 * packets arrive in the instant they are sent. */
struct sim_link {
	bool dark; /* drops everything that is sent */

	uint64_t police_rate;  /* bytes a second that a token bucket lets pass, 0: no policer */
	uint64_t police_bytes; /* size of the bucket: what exceeds it is dropped, nothing waits */

	uint64_t rate;        /* bytes a second, 0: no limit */
	uint64_t queue_bytes; /* what may wait, the one that is being sent included; 0: no limit */
	tt_time poll_us;      /* when idle it looks for packets only so often, 0: always */

	tt_time delay_us;         /* propagation */
	tt_time jitter_us;        /* 0..jitter is added */
	tt_time jitter_period_us; /* the jitter drifts from one value to another in this time; 0:
				     each packet has its own */
	bool jitter_reorders;     /* packets overtake each other; otherwise a later one waits */
	tt_time clump_us;         /* arrivals are held to the next multiple, as Wi-Fi does; 0: no */

	uint32_t loss;
	struct sim_burst burst;
	uint32_t reorder; /* delayed by reorder_us more, overtaken by those behind */
	tt_time reorder_us;
	uint32_t duplicate; /* arrives twice */
};

struct sim_link_stats {
	uint64_t packets, bytes; /* handed to the link */
	uint64_t lost;           /* on the way, and while dark */
	uint64_t queue_drops;    /* the policer's included */
	uint64_t delivered;      /* packets that came out */
	uint64_t delivered_bytes;
	uint64_t queued_bytes; /* waiting now */
	struct sim_hist wait;  /* of each packet, from its arrival to its turn */
};

struct sim_packet {
	struct sim_packet *next; /* in a queue, or among the free ones */
	tt_time queued_at;
	uint32_t len, wire; /* bytes of data, bytes that it costs on the way */
	uint16_t from, hop; /* the end that sent it, links that it has passed */
	uint8_t data[SIM_PACKET_MAX];
};

/* Packets that are not in use, so that moving one costs no allocation. */
struct sim_pool {
	struct sim_packet *free;
};

struct sim_packet *sim_packet_new(struct sim_pool *pool);
void sim_packet_free(struct sim_pool *pool, struct sim_packet *p);
void sim_pool_clear(struct sim_pool *pool);

struct sim_flight {
	tt_time at;
	struct sim_packet *packet;
};

struct sim_pipe {
	struct sim_link cfg; /* may be changed between any two calls */
	struct sim_link_stats stats;
	struct sim_pool *pool; /* borrowed */
	struct sim_rng rng;    /* its own: what one link carries does not change another's luck */

	uint64_t police_ns; /* the bucket is full again at this time */
	struct sim_packet *head, **tail;
	uint64_t head_done_ns; /* the first packet has been sent; packets take less than 1 us */
	bool bad;              /* of the burst model */
	tt_time jitter_at, jitter_from, jitter_to;
	tt_time last_at; /* arrival of the last packet that keeps the order */

	struct sim_flight *flight; /* ring, by time of arrival */
	size_t first, n, cap;      /* cap is a power of two */
};

void sim_pipe_init(
	struct sim_pipe *pipe, const struct sim_link *cfg, struct sim_pool *pool, uint64_t seed);
void sim_pipe_clear(struct sim_pipe *pipe);

/** Takes ownership of the packet. */
void sim_pipe_send(struct sim_pipe *pipe, struct sim_packet *p, tt_time now);

/** When sim_pipe_take must be called, TT_TIME_NEVER when the pipe is empty. */
tt_time sim_pipe_deadline(const struct sim_pipe *pipe);

/** The next packet that has arrived, now the caller's; NULL when there is none. */
struct sim_packet *sim_pipe_take(struct sim_pipe *pipe, tt_time now);

#endif
