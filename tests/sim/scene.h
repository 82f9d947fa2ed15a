/**
 * A scene: flows that share one bottleneck, each with its own way to it, run in virtual time, and
 * what became of them.
 *
 *   end 0 of each flow -- access delay --+== link[0] ==> +-- access delay -- end 1
 *                                        +<== link[1] ===+
 */
#ifndef SCENE_H
#define SCENE_H

#include "host.h"
#include "link.h"
#include "sim.h"

#define SCENE_FLOWS 8
#define SCENE_CHANGES 64
#define SCENE_START TT_S(1000) /* of the clock: every other time counts from it */

/* Bytes a second of so many megabits. */
#define MBIT(n) ((uint64_t)((n)*125000.0))
/* Shares of a million. */
#define PERCENT(n) ((uint32_t)((n)*10000.0))

enum flow_kind {
	FLOW_TOXTUN, /* src/link */
	FLOW_RENO,   /* models of TCP: one bulk load each, of one channel */
	FLOW_CUBIC,
	FLOW_BBR,
};

struct flow {
	enum flow_kind kind;
	enum tt_mode mode; /* FLOW_TOXTUN */
	tt_time access_us; /* each way, on top of the bottleneck's delay */
	size_t n_loads, n_paths;
	struct load load[HOST_LOADS];
	struct path_change path[HOST_PATHS];
};

/* From then on the link is like this. */
struct scene_change {
	tt_time at;
	int link;
	struct sim_link to;
};

/* What a flow is doing, for one that looks at a run. Zero: not known. */
struct flow_now {
	uint64_t delivered;        /* payload that has arrived at the other end */
	uint64_t sent, sent_again; /* segments */
	uint32_t cwnd, inflight;   /* segments */
	uint64_t pacing_rate;      /* bytes a second */
	uint64_t delivery_rate;    /* bytes a second */
	tt_time srtt_us, min_rtt_us;
	const char *state; /* of the congestion control */
};

struct scene_run;

struct scene {
	uint64_t seed;
	tt_time limit_us;  /* it ends here, or when all bulk loads that have an end are done */
	tt_time warmup_us; /* shares are counted from here on */
	struct sim_link link[2];
	size_t n_flows, n_changes;
	struct flow flow[SCENE_FLOWS];
	struct scene_change change[SCENE_CHANGES];
	tt_time sample_us; /* calls `sample` so often; 0: never */
	void (*sample)(void *user, const struct scene_run *run, tt_time since_start);
	void *user;
};

struct flow_result {
	uint64_t delivered[2]; /* payload from end 0 to 1, from end 1 to 0; pings are not counted */
	double share[2];       /* of what the link could carry from warm-up or start to its end */
	double jain[2];        /* fairness among the channels of bulk loads */
	double sent_again[2];  /* segments, as a share of all that were sent */
	double overhead;       /* bytes put on the wire, both ways, for each delivered one */
	tt_time finished_us;   /* its bulk loads that have an end are done; 0: no */
	uint64_t bad;          /* bytes that were not the right ones */
	struct sim_hist ping;
	uint64_t pings_skipped;
	struct link_stats stats[2]; /* of both ends, FLOW_TOXTUN only */
};

struct scene_result {
	struct sim_result sim;
	struct sim_link_stats link[2];
	struct flow_result flow[SCENE_FLOWS];
};

/* Runs it. SIM_DONE and, with loads that do not end, SIM_TIMEOUT are the good outcomes. */
void scene_run(const struct scene *sc, struct scene_result *out);

/** Of the direction that starts at end `from`. */
void scene_flow_now(const struct scene_run *run, size_t flow, int from, struct flow_now *out);
const struct sim_link_stats *scene_link_now(const struct scene_run *run, int link);

/** Bytes that the link could have carried between two times after the start. */
double scene_capacity(const struct scene *sc, int link, tt_time from, tt_time to);

/** (sum x)^2 / (n * sum x^2): 1 when all are equal; 1 for none. */
double jain_index(const double *x, size_t n);

#endif
