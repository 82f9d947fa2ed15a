#include "listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "fd_limit.h"
#include "net.h"
#include "tt_err.h"

#define RETRY TT_S(5)
/* Out of descriptors: no accept for this long, and then a look whether some were given back. */
#define ACCEPT_PAUSE TT_MS(200)
#define ACCEPT_BATCH 64

struct listener {
	struct app *app;
	struct listener *next;
	const struct conf_forward *forward;
	struct tt_addr addr;
	bool v6_only;
	int fd; /* -1: not open, tried again at the timer */
	struct loop_watch *watch;
	struct app_timer timer;
	bool complained;
};

/* What waits to be accepted would keep the loop awake. */
static void pause_accepting(struct listener *l)
{
	loop_watch_set(l->watch, 0);
	app_timer_set(l->app, &l->timer, app_now(l->app) + ACCEPT_PAUSE);
}

static void on_connection(void *user, unsigned events)
{
	struct listener *l = user;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		if (!fd_limit_room(l->app)) {
			pause_accepting(l);
			return;
		}
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			conn_accept(l->app, l->forward, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			fd_limit_reached(l->app, errno);
			pause_accepting(l);
		}
		return;
	}
}

static int open_one(struct listener *l)
{
	const struct conf_forward *f = l->forward;
	char text[TT_ADDR_TEXT_MAX];

	l->fd = net_listen(&l->addr, f->listen_port, l->v6_only);
	if (l->fd >= 0 && loop_watch_new(&l->watch, l->app->loop, l->fd, LOOP_READ, on_connection,
				  l) == TT_OK) {
		tt_info(l->app->log, "tunnel %s: listening on %s port %u for %s:%u", f->name,
			tt_addr_format(&l->addr, text), f->listen_port, f->host, f->port);
		return TT_OK;
	}
	int err = errno;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	if (!l->complained) {
		const char *hint = err == EADDRINUSE
					   ? "; another program has this port, choose another one"
				   : err == EACCES ? "; ports below 1024 need privileges"
						   : "";
		tt_error(l->app->log, "%s: cannot listen on %s port %u: %s%s", f->origin,
			tt_addr_format(&l->addr, text), f->listen_port, strerror(err), hint);
	}
	l->complained = true;
	app_timer_set(l->app, &l->timer, app_now(l->app) + RETRY);
	return TT_EIO;
}

static void on_timer(struct app *app, void *owner)
{
	struct listener *l = owner;

	(void)app;
	if (l->fd >= 0)
		loop_watch_set(l->watch, LOOP_READ);
	else
		open_one(l);
}

static int add(
	struct app *app, const struct conf_forward *f, const struct tt_addr *addr, bool v6_only)
{
	struct listener *l = calloc(1, sizeof(*l));
	if (!l)
		return TT_ENOMEM;
	l->app = app;
	l->forward = f;
	l->addr = *addr;
	l->v6_only = v6_only;
	l->fd = -1;
	if (app_timer_init(app, &l->timer, on_timer, l) != TT_OK) {
		free(l);
		return TT_ENOMEM;
	}
	l->next = app->listeners;
	app->listeners = l;
	return open_one(l);
}

static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	struct tt_addr one = {.family = 6, .bytes = {[15] = 1}};
	struct sockaddr_storage ss;
	socklen_t len = net_sockaddr(&one, 0, &ss);
	bool ok = bind(fd, (struct sockaddr *)&ss, len) == 0;
	close(fd);
	return ok;
}

static int add_forward(struct app *app, const struct conf_forward *f)
{
	static const struct tt_addr v4_loop = {.family = 4, .bytes = {127, 0, 0, 1}};
	static const struct tt_addr v6_loop = {.family = 6, .bytes = {[15] = 1}};
	static const struct tt_addr v4_any = {.family = 4}, v6_any = {.family = 6};

	if (f->listen_loopback) {
		int rc = add(app, f, &v4_loop, false);
		return rc == TT_OK && has_ipv6() ? add(app, f, &v6_loop, true) : rc;
	}
	if (f->listen_any)
		return has_ipv6() ? add(app, f, &v6_any, false) : add(app, f, &v4_any, false);
	return add(app, f, &f->listen_addr, true);
}

int listeners_open(struct app *app)
{
	size_t good = 0;

	for (size_t i = 0; i < app->conf->n_forwards; i++) {
		if (add_forward(app, &app->conf->forwards[i]) == TT_OK)
			good++;
		else if (app->conf->exit_on_failure)
			return EXIT_FAILED;
	}
	return good > 0 || app->conf->n_forwards == 0 ? EXIT_OK : EXIT_FAILED;
}

void listeners_close(struct app *app)
{
	while (app->listeners) {
		struct listener *l = app->listeners;
		app->listeners = l->next;
		loop_watch_free(l->watch);
		if (l->fd >= 0)
			close(l->fd);
		app_timer_drop(app, &l->timer);
		free(l);
	}
}
