/* What the files of the pair share. */
#ifndef PAIR_INT_H
#define PAIR_INT_H

#include "pair.h"

#define PAIR_PORT 1000 /* of the first plan */

enum kind {
	EV_CONTROL,
	EV_RECEIPT,
	EV_DOWN,
	EV_UP,
	EV_SWITCH,
	EV_DARK,
	EV_SLEEP,
	EV_RESOLVED,
	EV_DIALED
};

struct event {
	struct event *next;
	tt_time at;
	enum kind kind;
	size_t to;    /* end */
	size_t index; /* plan, or outage */
	uint32_t receipt, conn;
	unsigned life;
	size_t len;
	uint8_t data[];
};

struct end {
	struct session *s;
	struct fail_mem mem;
	bool up;
	uint32_t conn; /* the Tox connection that it believes to have */
	unsigned life; /* of the process */
	uint32_t receipt;
	tt_time control_at;  /* arrival of the last friend message on its way to the other end */
	struct sim_pipe out; /* packets on their way to the other end */
	struct kcp_budget snd_budget, rcv_budget;
	tt_time asleep_until; /* nothing runs here, and what comes waits or is lost */
	tt_time lag;          /* its clock is so much behind: it stood still in its sleep */
};

struct pair {
	const struct pair_config *cfg;
	struct pair_result *out;
	struct sim_rng rng;
	struct sim_pool pool;
	struct event *events; /* by time */
	struct end end[2];
	uint32_t conn;
	tt_time start; /* of what is played now */
	tt_time dark_until;
	tt_time now;
};

/* pair.c */
void pair_complain(struct pair *p, const char *what);
struct event *pair_schedule(struct pair *p, enum kind kind, size_t to, tt_time at, size_t len);

static inline bool pair_asleep(const struct pair *p, size_t end)
{
	return p->end[end].asleep_until > p->now;
}

/* What an end's clock shows. */
static inline tt_time pair_clock(const struct pair *p, size_t end)
{
	return p->now - p->end[end].lag;
}

/* The end at which the opener's (0) or the accepter's (1) application of a plan is. */
static inline size_t pair_end_of(const struct pair *p, size_t plan, size_t side)
{
	return p->cfg->plan[plan].opener ^ side;
}

/* pair_app.c */

/** Reads and writes what an application can now. */
void pair_pump(struct pair *p, size_t plan, size_t side);

/** Opens the connection of a plan that is due; returns when to look again. */
tt_time pair_open_due(struct pair *p, size_t plan);

void pair_on_action(struct pair *p, size_t end, const struct session_action *a);

#endif
