/**
 * Any number of endpoints, joined by seeded links, in virtual time. The clock jumps to the next
 * event, so that an hour takes milliseconds, and equal seeds give equal traces.
 *
 * An endpoint is anything that keeps the contract of the protocol cores: packets are handed in and
 * pulled out, the next deadline is asked for. After each event the endpoint that had it runs its
 * application (`app`), and its packets are pulled until none is due. What it sends goes through the
 * links of its route, which other routes may share, to the endpoint at their end.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim_pipe.h"
#include "tt_time.h"

#define SIM_HOPS_MAX 4

struct sim;

struct sim_endpoint {
	void *user;
	int (*input)(void *user, const uint8_t *pkt, size_t len, tt_time now);
	size_t (*output)(void *user, uint8_t *dst, size_t cap, tt_time now);
	tt_time (*deadline)(void *user);
	int (*on_deadline)(void *user, tt_time now);
	/** Reads and writes as the application; returns when it wants to run again whatever
	 * happens, later than now, or TT_TIME_NEVER. */
	tt_time (*app)(void *user, tt_time now);
	/** Bytes that a packet costs on the way; NULL: its length. */
	size_t (*wire)(const uint8_t *pkt, size_t len);
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
	uint64_t trace; /* hash of the beginnings of all packets with their times */
};

/** The clock starts at `start` and may go on for limit_us. Never NULL. */
struct sim *sim_new(uint64_t seed, tt_time start, tt_time limit_us);
void sim_free(struct sim *s);

/** Both return an index, counted from 0. The endpoint's user must live as long as the sim. */
int sim_add_link(struct sim *s, const struct sim_link *cfg);
int sim_add_end(struct sim *s, const struct sim_endpoint *end);

/** What `from` sends goes through these links (1..SIM_HOPS_MAX), in order, and arrives at `to`. */
void sim_route(struct sim *s, int from, int to, const int *links, int n_links);

/** From after_us after the start on the link is like this. */
void sim_change(struct sim *s, tt_time after_us, int link, const struct sim_link *to);

/** Calls fn after_us after the start, and from there on each period_us (0: once). It must not
 * change anything that has a deadline. */
void sim_call(struct sim *s, tt_time after_us, tt_time period_us,
	void (*fn)(void *user, tt_time now), void *user);

/** Runs until done, which is asked after each event, or until one of the other outcomes. */
struct sim_result sim_run(struct sim *s, bool (*done)(void *user), void *user);

/** Bytes on the wire that an endpoint has sent. */
uint64_t sim_end_bytes(const struct sim *s, int end);

/** Valid until sim_free. */
const struct sim_link_stats *sim_link_stats(const struct sim *s, int link);

const char *sim_outcome_name(enum sim_outcome o);

#endif
