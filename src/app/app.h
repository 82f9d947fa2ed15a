/**
 * The running program: everything that lives as long as the process hangs off struct app. One
 * thread. A round of the loop is: wait (src/loop), take in what Tox has, do what the sessions ask
 * for, put out what they have to say.
 */
#ifndef APP_H
#define APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "loop.h"
#include "session.h"
#include "toxnet.h"
#include "tt_heap.h"
#include "tt_log.h"

struct app;
struct conn;
struct control;
struct forward;
struct listener;
struct logsink;
struct node_lookup;
struct peer;
struct service;
struct stats_service;
struct status_live;
struct udp_target;

/** What main and the commands return, see toxtun(1). */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
	EXIT_REFUSED = 4,
};

/** A deadline of some part of the program, in app->timers. `due` may free its owner. */
struct app_timer {
	struct tt_heap_node node;
	void (*due)(struct app *app, void *owner);
	void *owner;
};

struct app {
	const struct conf *conf; /* in force: main's, or what was read since */
	struct conf *reloaded;   /* the latter, owned; NULL: main's */
	const struct tt_log *log;
	struct logsink *sink; /* the one that `log` writes to */
	struct loop *loop;
	struct toxnet *tn;
	struct tox_watch *tox_watches; /* of the descriptors of toxcore, array */
	size_t n_tox_watches;
	unsigned tox_fds_generation;
	bool tox_readable;
	tt_time tox_deadline;
	tt_time started_at;

	struct peer *peers;         /* uthash by friend number */
	struct forward *forwards;   /* list of those that are open */
	struct forward *granted;    /* list of listeners that peers have here, see reverse.h */
	struct listener *listeners; /* list */
	struct conn *conns;         /* list of all */
	struct conn *waiting_head;  /* connections whose peer is not ready yet, in order */
	struct conn *waiting_tail;
	struct udp_target *udp_targets; /* list: sockets of the flows of our peers */
	struct node_lookup *lookups;    /* names of bootstrap nodes */
	struct stats_service *stats;    /* NULL: none */
	tt_time sampled_at;             /* stats_sample */
	struct control *control;        /* NULL: none */
	struct service *service;        /* NULL: no service manager listens */
	struct status_live *live;       /* NULL: nobody sees it */
	struct loop_signal *signals[3];
	struct tt_heap timers;                    /* deadlines of parts of the program */
	struct kcp_budget snd_budget, rcv_budget; /* what the channels of all peers may hold */
	struct session_slots slots;               /* ... and how many channels there may be */
	size_t n_conns, conns_max;                /* see fd_limit.h */
	struct tt_ratelimit fd_log;
	size_t n_udp_flows, n_udp_sockets; /* flows of either side; sockets for some of them */
	size_t n_timers;

	/* memory.c */
	struct tt_pool *pool; /* buffers for packets of all peers */
	struct app_timer memory_timer;
	tt_time trim_at;
	size_t slack_least;
	bool memory_locked;

	struct app_timer chat_timer; /* chat.c: when questions are answered, if any wait */
	bool chat_waits;

	uint8_t secret[64];     /* hash of the shared secret */
	uint8_t env_secret[64]; /* of the one that came with the environment */
	bool has_env_secret;
	bool has_secret;
	bool running;        /* in app_run: SIGTERM lets connections end */
	bool draining;       /* it does */
	tt_time drain_until; /* ... no longer than this */
	char *proxy_login;   /* USER:PASSWORD that our proxies ask for; NULL: none */
	bool stopping;
	int exit_code;   /* of app_run, when nothing worse comes */
	tt_time stop_at; /* when the last words must be out */

	enum toxnet_path self_path;
	struct session_stats ended; /* of peers that are gone, for the totals */
	struct link_stats ended_links;
	uint64_t refused_requests;
	uint64_t limited_requests; /* of them, because there were too many, or too many at once */
	uint64_t
		limited_lines; /* log lines about requests, paths and flows that were not written */
	struct tt_ratelimit accepts, refusals, request_log, udp_log;
};

/**
 * Starts Tox and the loop; opens nothing yet. `data_dir` is the directory to use, NULL for an
 * identity in memory. An exit code; what went wrong is in the log.
 */
int app_new(
	struct app **out, const struct conf *conf, const struct tt_log *log, const char *data_dir);

/** Ends everything at once, and then the process must end: it hears no signals any more. May be
 * NULL. */
void app_free(struct app *app);

/** One round: waits until something happens, at most until `limit`. An exit code. */
int app_step(struct app *app, tt_time limit);

/** Runs until a signal ends it: SIGTERM lets connections end first. An exit code. */
int app_run(struct app *app);

/** Nothing new is opened, and what is open may end by itself, for a bounded time; then app_stop. */
void app_drain(struct app *app);

/** Asks for an orderly end: peers are told, for a bounded time. */
void app_stop(struct app *app);

tt_time app_now(const struct app *app);

/** Timers: a node belongs to one owner; TT_TIME_NEVER disarms. */
int app_timer_init(struct app *app, struct app_timer *t, void (*due)(struct app *app, void *owner),
	void *owner);
void app_timer_set(struct app *app, struct app_timer *t, tt_time at);
void app_timer_drop(struct app *app, struct app_timer *t);

#endif
