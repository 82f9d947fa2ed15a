#include "listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn.h"
#include "fd_limit.h"
#include "forward.h"
#include "net.h"
#include "net_udp.h"
#include "tt_err.h"
#include "udp.h"

#define RETRY TT_S(5)
/* Out of descriptors: no accept for this long, and then a look whether some were given back. */
#define ACCEPT_PAUSE TT_MS(200)
#define ACCEPT_BATCH 64

struct listener {
	struct app *app;
	struct listener *next;
	struct forward *forward;
	struct tt_addr addr; /* family 0: at the forward's path */
	bool v6_only;
	dev_t dev; /* of the file at the path */
	ino_t ino;
	int fd; /* -1: not open, tried again at the timer */
	struct loop_watch *watch;
	struct udp_entry *udp; /* of a UDP forward, while fd is open */
	struct app_timer timer;
	int err; /* why it is not open, as complained about */
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

static void on_datagrams(void *user, unsigned events)
{
	struct listener *l = user;

	(void)events;
	udp_entry_ready(l->udp);
}

/* "127.0.0.1 port 80", or the path. */
static const char *place(const struct listener *l, char dst[CONF_PLACE_MAX])
{
	const struct conf_forward *f = &l->forward->conf;
	char text[TT_ADDR_TEXT_MAX];

	if (!l->addr.family)
		return f->listen_path;
	snprintf(dst, CONF_PLACE_MAX, "%s port %u%s", tt_addr_format(&l->addr, text),
		f->listen_port, f->proto == CONF_UDP ? "/udp" : "");
	return dst;
}

/* TT_OK, or an error with errno. */
static int open_path(struct listener *l)
{
	const char *path = l->forward->conf.listen_path;
	struct stat st;

	l->fd = net_listen_path(path);
	if (l->fd < 0)
		return TT_EIO;
	if (lstat(path, &st) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	return loop_watch_new(&l->watch, l->app->loop, l->fd, LOOP_READ, on_connection, l);
}

/* As open_path. */
static int open_socket(struct listener *l)
{
	struct conf_forward *f = &l->forward->conf;
	bool udp = f->proto == CONF_UDP;

	l->fd = udp ? net_udp_bind(&l->addr, f->listen_port, l->v6_only)
		    : net_listen(&l->addr, f->listen_port, l->v6_only);
	if (l->fd < 0)
		return TT_EIO;
	if (f->listen_port == 0)
		f->listen_port = net_port(l->fd); /* the same for its other addresses */
	int rc = udp ? udp_entry_new(&l->udp, l->app, l->forward, l->fd) : TT_OK;
	if (rc != TT_OK)
		return rc;
	return loop_watch_new(
		&l->watch, l->app->loop, l->fd, LOOP_READ, udp ? on_datagrams : on_connection, l);
}

/* Whoever has put another file there since keeps it. */
static void remove_path(const struct listener *l)
{
	const char *path = l->forward->conf.listen_path;
	struct stat st;

	if (!l->addr.family && lstat(path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(path);
}

static void close_socket(struct listener *l)
{
	loop_watch_free(l->watch);
	l->watch = NULL;
	udp_entry_free(l->udp);
	l->udp = NULL;
	if (l->fd >= 0) {
		remove_path(l);
		close(l->fd);
	}
	l->fd = -1;
}

static const char *hint(const struct listener *l, int err)
{
	if (!l->addr.family)
		return err == EEXIST
			       ? "; what is there is no socket: take another path or remove it"
		       : err == EADDRINUSE ? "; another program listens there"
					   : "";
	return err == EADDRINUSE ? "; another program has this port, choose another one"
	       : err == EACCES   ? "; ports below 1024 need privileges"
				 : "";
}

static int open_one(struct listener *l, const struct tt_log *log)
{
	const struct conf_forward *f = &l->forward->conf;
	char where[CONF_PLACE_MAX], target[CONF_PLACE_MAX];

	if ((l->addr.family ? open_socket(l) : open_path(l)) == TT_OK) {
		tt_info(log, "tunnel %s: listening on %s for %s", f->name, place(l, where),
			conf_forward_target(f, target));
		return TT_OK;
	}
	int err = errno;
	close_socket(l);
	if (!l->err)
		tt_error(log, "%s: cannot listen on %s: %s%s", f->origin, place(l, where),
			strerror(err), hint(l, err));
	l->err = err;
	app_timer_set(l->app, &l->timer, app_now(l->app) + RETRY);
	return TT_EIO;
}

static void on_timer(struct app *app, void *owner)
{
	struct listener *l = owner;

	if (l->fd >= 0)
		loop_watch_set(l->watch, LOOP_READ);
	else
		open_one(l, app->log);
}

static int add(struct app *app, struct forward *f, const struct tt_log *log,
	const struct tt_addr *addr, bool v6_only)
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
	struct listener **end = &app->listeners;
	while (*end)
		end = &(*end)->next;
	*end = l;
	return open_one(l, log);
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

int listener_open(struct app *app, struct forward *f, const struct tt_log *log)
{
	static const struct tt_addr v4_loop = {.family = 4, .bytes = {127, 0, 0, 1}};
	static const struct tt_addr v6_loop = {.family = 6, .bytes = {[15] = 1}};
	static const struct tt_addr v4_any = {.family = 4}, v6_any = {.family = 6};
	static const struct tt_addr none;
	const struct conf_forward *c = &f->conf;

	if (c->listen_path[0])
		return add(app, f, log, &none, false);
	if (c->listen_loopback) {
		int rc = add(app, f, log, &v4_loop, false);
		return rc == TT_OK && has_ipv6() ? add(app, f, log, &v6_loop, true) : rc;
	}
	if (c->listen_any)
		return has_ipv6() ? add(app, f, log, &v6_any, false)
				  : add(app, f, log, &v4_any, false);
	return add(app, f, log, &c->listen_addr, true);
}

static void listener_free(struct listener *l)
{
	close_socket(l);
	app_timer_drop(l->app, &l->timer);
	free(l);
}

void listener_close(struct app *app, const struct forward *f)
{
	struct listener **at = &app->listeners;

	while (*at) {
		struct listener *l = *at;
		if (l->forward == f) {
			*at = l->next;
			listener_free(l);
		} else {
			at = &l->next;
		}
	}
}

void listener_describe(const struct app *app, const struct forward *f, char *dst, size_t cap)
{
	struct conf_forward at = f->conf; /* with one address at a time */
	char where[CONF_PLACE_MAX];
	size_t n = 0;

	at.listen_any = at.listen_loopback = false;
	dst[0] = '\0';
	for (const struct listener *l = app->listeners; l && n < cap; l = l->next) {
		if (l->forward != f)
			continue;
		at.listen_addr = l->addr;
		n += (size_t)snprintf(dst + n, cap - n, "%s%s%s%s%s", n ? ", " : "",
			conf_forward_place(&at, where), l->fd < 0 ? " (" : "",
			l->fd < 0 ? strerror(l->err) : "", l->fd < 0 ? ")" : "");
	}
}

bool listener_works(const struct app *app, const struct forward *f)
{
	for (const struct listener *l = app->listeners; l; l = l->next) {
		if (l->forward == f && l->fd < 0)
			return false;
	}
	return true;
}
