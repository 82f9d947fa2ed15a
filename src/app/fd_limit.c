#include "fd_limit.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

/*
 * What is not for connections: standard streams, the loop, UDP and listening sockets, a dozen
 * relays, 64 clients of the stats service. Half of a limit that is smaller than twice that.
 */
#define RESERVE 128
#define LOG_INTERVAL TT_S(60)

void fd_limit_init(struct app *app)
{
	struct rlimit rl;

	app->fd_log = (struct tt_ratelimit){.burst = 1, .interval_us = LOG_INTERVAL};
	app->conns_max = SIZE_MAX;
	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return;
	/* The usual soft limit of 1,024 is meant for select(2), which nobody here uses. */
	struct rlimit all = {rl.rlim_max, rl.rlim_max};
	if (rl.rlim_cur != rl.rlim_max && setrlimit(RLIMIT_NOFILE, &all) == 0)
		rl = all;
	else if (rl.rlim_cur != rl.rlim_max)
		tt_debug(app->log, "the limit of open files cannot be raised: %s", strerror(errno));
	if (rl.rlim_cur != RLIM_INFINITY)
		app->conns_max =
			rl.rlim_cur > 2 * RESERVE ? rl.rlim_cur - RESERVE : rl.rlim_cur / 2;
}

static size_t used(const struct app *app)
{
	return app->n_conns + app->n_udp_sockets;
}

bool fd_limit_room(struct app *app)
{
	if (used(app) < app->conns_max)
		return true;
	fd_limit_reached(app, EMFILE);
	return false;
}

void fd_limit_reached(struct app *app, int err)
{
	if (tt_ratelimit_take(&app->fd_log, app_now(app)))
		tt_warn(app->log,
			"no room for more than %zu connections: %s (ulimit -n, LimitNOFILE=); new "
			"ones wait until others have ended",
			used(app), strerror(err));
}
