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
#define PAIR_OUTAGES 4

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

struct pair_outage {
	tt_time at, down_us;
	tt_time skew_us[2];  /* how much later each end notices, both times */
	bool restart[2];     /* the end comes back as another process */
	enum link_path path; /* after it */
	bool switch_only;    /* the path changes and nobody goes offline */
};

struct pair_config {
	uint64_t seed;
	enum tt_mode mode;
	struct sim_link link[2];
	tt_time control_us; /* one way of a friend message, jitter of the same size is added */
	tt_time resume_timeout_us, limit_us;
	size_t n_plans, n_outages;
	struct pair_plan plan[PAIR_CHANNELS];
	struct pair_outage outage[PAIR_OUTAGES];
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
	size_t held[2]; /* blocks of memory after session_free */
	uint64_t trace;
};

void pair_run(const struct pair_config *cfg, struct pair_result *out);

#endif
