/**
 * `toxtun netcheck`: which nodes answer, by UDP and as TCP relays. All are asked at once, for a
 * bounded time, with sockets of its own: no identity is used and no Tox instance started.
 */
#ifndef NETCHECK_H
#define NETCHECK_H

#include "conf.h"
#include "loop.h"
#include "toxnet_probe.h"

#define NETCHECK_TIME TT_S(5)
#define NETCHECK_RELAYS 4 /* as many ports as a conf_node has */

enum netcheck_state {
	NETCHECK_UNASKED, /* the node has no such port, or options forbid it */
	NETCHECK_WAITING,
	NETCHECK_ANSWERED,
	NETCHECK_FAILED,
};

struct netcheck_node;

/** One port of one node. */
struct netcheck_port {
	struct netcheck_node *node;
	bool tcp;
	uint16_t port;
	enum netcheck_state state;
	tt_time asked_at, rtt;
	const char *why; /* FAILED; static storage */
	struct toxnet_probe probe;
	int fd;
	struct loop_watch *watch;
	size_t got; /* of a relay's answer */
	uint8_t in[TOXNET_PROBE_WELCOME_LEN];
};

struct netcheck_node {
	struct netcheck *check;
	struct conf_node conf;
	struct loop_resolve *resolve;
	struct netcheck_port ports[1 + NETCHECK_RELAYS]; /* the first is UDP */
};

struct netcheck {
	struct loop *loop;
	struct netcheck_node *nodes;
	size_t n_nodes;
	size_t waiting;
};

/** Asks the nodes of the configuration, built-in ones included unless it forbids them. TT_OK with
 * all answers that came in time; TT_ENOMEM, TT_EIO. Free with netcheck_clear in each case. */
int netcheck_run(struct netcheck *n, const struct conf *conf, const struct tt_log *log);
void netcheck_clear(struct netcheck *n);

#endif
