/**
 * Two sessions in virtual time: lossy packets over a seeded bad path, friend messages that arrive
 * in order and late and are lost when the friendship goes offline, and applications at both ends of
 * every channel that do what a plan says.
 */
#ifndef PAIR_H
#define PAIR_H

#include "fail_mem.h"
#include "session.h"
#include "sim.h"

#define PAIR_CHANNELS 12
#define PAIR_FAULTS 8

enum pair_dial { DIAL_OK, DIAL_REFUSED, DIAL_NO_HOST, DIAL_FORBIDDEN };

/* What one application does with its connection. */
struct pair_habit {
	uint64_t bytes;      /* writes so many, then ends its direction */
	bool polite;         /* ... but not before the other side has ended its own */
	uint64_t abort_at;   /* cuts the connection off after so many bytes written, 0: never */
	uint64_t stop_at;    /* stops reading after so many, */
	tt_time stop_us;     /* for so long */
	uint32_t most_write; /* bytes of one write and one read */
};

struct pair_plan {
	size_t opener; /* end 0 or 1 */
	tt_time at;
	enum pair_dial dial;
	tt_time dial_us;            /* how long resolving and connecting take, each */
	struct pair_habit habit[2]; /* of the opener's application, of the accepter's */
};

enum pair_fault_kind {
	FAULT_OFFLINE, /* both ends see the friend go offline, and come back */
	FAULT_PATH,    /* the path changes and nobody goes offline */
	FAULT_DARK,    /* packets are lost, friend messages wait, and nobody is told */
	FAULT_SLEEP,   /* an end is suspended */
};

struct pair_fault {
	enum pair_fault_kind kind;
	tt_time at, for_us;
	tt_time skew_us[2];  /* OFFLINE, PATH: how much later each end notices, both times */
	bool restart[2];     /* OFFLINE: the end comes back as another process */
	enum link_path path; /* OFFLINE, PATH: after it */
	size_t sleeper;      /* SLEEP: end */
	bool stops_clock;    /* SLEEP: its clock stands still, else it jumps */
};

struct pair_config {
	uint64_t seed;
	enum tt_mode mode;
	struct sim_link link[2];
	tt_time control_us; /* one way of a friend message, jitter of the same size is added */
	tt_time resume_timeout_us, limit_us;
	tt_time start_us;    /* what the clocks show at first; 0: 1,000 s */
	tt_time lasts_us;    /* at least, whatever there is to do */
	size_t budget;       /* bytes for all streams of an end, each direction; 0: no limit */
	uint64_t fail_at[2]; /* this allocation of the end is refused; 0: none */
	size_t n_plans, n_faults;
	struct pair_plan plan[PAIR_CHANNELS];
	struct pair_fault fault[PAIR_FAULTS];
};

/* One application. */
struct pair_conn {
	struct channel *ch; /* NULL before and after */
	uint64_t sent, received, bad;
	tt_time stopped_until;
	bool stopped, eof, shutdown, aborted;
	bool started, ended;
	bool vanished; /* its process was restarted */
	enum close_reason reason;
};

struct pair_result {
	enum sim_outcome outcome;
	tt_time elapsed_us;
	const char *complaint;                   /* NULL: none; static storage */
	struct pair_conn conn[PAIR_CHANNELS][2]; /* opener's, accepter's */
	struct session_stats stats[2];
	bool idle[2];   /* no channels and nothing to say */
	size_t held[2]; /* blocks of memory: at the end, or of pair_run after session_free */
	size_t budget_used[2];
	uint64_t asked[2]; /* allocations so far */
	uint64_t trace;
};

struct pair;

/** Two sessions that are online. cfg must live until the first pair_play. */
void pair_new(struct pair **out, const struct pair_config *cfg);

/** Plays the plans and faults of cfg, whose times count from now, until everything has come to its
 * end. Seed, fail_at and budget are those of pair_new. */
void pair_play(struct pair *p, const struct pair_config *cfg, struct pair_result *out);

/** `left`: blocks of memory that were not freed. */
void pair_free(struct pair *p, size_t left[2]);

/** All of it. */
void pair_run(const struct pair_config *cfg, struct pair_result *out);

#endif
