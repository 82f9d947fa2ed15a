/**
 * Two endpoints joined by two seeded links in virtual time. The clock jumps to the next event, so
 * an hour takes milliseconds, and equal seeds give equal traces.
 *
 * An endpoint is anything that keeps the contract of the protocol cores: packets are handed in and
 * pulled out, the next deadline is asked for. After each event the endpoint that had it runs its
 * application (`app`), and its packets are pulled until none is due.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_time.h"

/* Numbers of a seeded stream; never the C library's. */
struct sim_rng {
	uint64_t state;
};

uint64_t sim_rng_next(struct sim_rng *rng);

/** 0..n-1; 0 for n 0. */
uint64_t sim_rng_below(struct sim_rng *rng, uint64_t n);

/* One direction. Shares are in millionths. All zero: packets arrive in the instant they are sent.
 */
struct sim_link {
	uint64_t rate;     /* bytes a second, 0: no limit */
	tt_time delay_us;  /* propagation */
	tt_time jitter_us; /* 0..jitter is added, order is kept */
	uint32_t loss;     /* dropped */
	uint32_t reorder;  /* delayed by reorder_us more, overtaken by those behind */
	tt_time reorder_us;
	uint32_t duplicate;         /* arrives twice */
	uint64_t queue_bytes;       /* what the bottleneck holds before it drops, 0: no limit */
	tt_time dark_from, dark_to; /* drops everything that is sent in between */
};

struct sim_link_stats {
	uint64_t packets, bytes; /* handed to the link */
	uint64_t lost, queue_drops, delivered;
};

struct sim_endpoint {
	void *user;
	int (*input)(void *user, const uint8_t *pkt, size_t len, tt_time now);
	size_t (*output)(void *user, uint8_t *dst, size_t cap, tt_time now);
	tt_time (*deadline)(void *user);
	int (*on_deadline)(void *user, tt_time now);
	/** Reads and writes as the application; returns when it wants to run again whatever
	 * happens, later than now, or TT_TIME_NEVER. */
	tt_time (*app)(void *user, tt_time now);
};

struct sim_config {
	uint64_t seed;
	tt_time start;
	tt_time limit_us;        /* virtual time after start that it may take */
	struct sim_link link[2]; /* [0]: from end 0 to end 1 */
	struct sim_endpoint end[2];
	bool (*done)(void *user); /* asked after each event */
	void *done_user;
};

enum sim_outcome {
	SIM_DONE,
	SIM_DEADLOCK, /* nothing is scheduled and it is not done */
	SIM_TIMEOUT,  /* virtual time is over */
	SIM_SPIN,   /* a deadline that is not later than now after draining, or packets for ever */
	SIM_BROKEN, /* an endpoint refused a packet of the other */
};

struct sim_result {
	enum sim_outcome outcome;
	tt_time elapsed_us;
	uint64_t events;
	uint64_t trace; /* hash of all packets with their times */
	struct sim_link_stats link[2];
};

struct sim_result sim_run(const struct sim_config *cfg);

const char *sim_outcome_name(enum sim_outcome o);

#endif
