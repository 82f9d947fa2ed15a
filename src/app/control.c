#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_int.h"
#include "tt_err.h"

#define CLIENTS_MAX 16
#define BACKLOG 16
/* Out of descriptors: no accept for this long. */
#define ACCEPT_PAUSE TT_MS(200)

struct control {
	struct app *app;
	int fd;
	struct loop_watch *watch;
	struct sockaddr_un address;
	struct app_timer pause;
	struct control_client *clients; /* list */
	size_t n_clients;
	struct tt_ratelimit strangers; /* log lines about them */
};

int control_address(const char *data_dir, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	int n = snprintf(out->sun_path, sizeof(out->sun_path), "%s/" CONTROL_SOCKET, data_dir);
	return n < 0 || (size_t)n >= sizeof(out->sun_path) ? TT_ELIMIT : TT_OK;
}

/* The mode of the directory keeps others out already; this also holds where somebody opened it. */
static bool is_ours(struct control *k, int fd)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
		(peer.uid == geteuid() || peer.uid == 0))
		return true;
	if (tt_ratelimit_take(&k->strangers, app_now(k->app)))
		tt_warn(k->app->log, "control socket: user %ld may not use it", (long)peer.uid);
	return false;
}

static void take(struct control *k, int fd)
{
	if (!is_ours(k, fd)) {
		close(fd);
		return;
	}
	struct control_client *c = control_client_new(k->app, fd);
	if (!c)
		return;
	c->next = k->clients;
	k->clients = c;
	if (++k->n_clients > CLIENTS_MAX) {
		control_error(c, "too many commands at once, the limit is %d", CLIENTS_MAX);
		control_end(c, EXIT_FAILED);
		c->closing = true;
		loop_watch_set(c->watch, LOOP_WRITE);
	}
}

static void on_connection(void *user, unsigned events)
{
	struct control *k = user;

	(void)events;
	/* One more than is served hears why; others wait in the backlog. */
	while (k->n_clients <= CLIENTS_MAX) {
		int fd = accept4(k->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take(k, fd);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				tt_error(
					k->app->log, "control socket: accept: %s", strerror(errno));
			else
				return;
			break;
		}
	}
	loop_watch_set(k->watch, 0);
	app_timer_set(k->app, &k->pause, app_now(k->app) + ACCEPT_PAUSE);
}

static void on_pause_over(struct app *app, void *owner)
{
	(void)app;
	loop_watch_set(((struct control *)owner)->watch, LOOP_READ);
}

/* We hold the lock of the directory, so what is there is left of a process that is gone. */
static int listen_at(const struct sockaddr_un *address)
{
	struct stat st;

	if (lstat(address->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(address->sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	mode_t before = umask(0177); /* from its first moment it is its owner's */
	int rc = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	umask(before);
	if (rc == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int err = errno;
	close(fd);
	errno = err;
	return -1;
}

void control_start(struct app *app, const char *data_dir)
{
	struct control *k = calloc(1, sizeof(*k));

	if (!k)
		return;
	k->app = app;
	k->strangers = (struct tt_ratelimit){.burst = 3, .interval_us = TT_S(60)};
	if (control_address(data_dir, &k->address) != TT_OK) {
		tt_error(app->log,
			"no control socket: its path %s/" CONTROL_SOCKET
			" is longer than %zu bytes; choose a shorter --data-dir",
			data_dir, sizeof(k->address.sun_path) - 1);
		free(k);
		return;
	}
	k->fd = listen_at(&k->address);
	if (k->fd < 0 || app_timer_init(app, &k->pause, on_pause_over, k) != TT_OK) {
		tt_error(app->log, "no control socket: %s: %s", k->address.sun_path,
			strerror(errno));
		if (k->fd >= 0)
			close(k->fd);
		free(k);
		return;
	}
	app->control = k;
	if (loop_watch_new(&k->watch, app->loop, k->fd, LOOP_READ, on_connection, k) != TT_OK) {
		tt_error(app->log, "no control socket: no memory");
		control_stop(app);
	}
}

void control_stop(struct app *app)
{
	struct control *k = app->control;

	if (!k)
		return;
	while (k->clients) {
		struct control_client *c = k->clients;
		k->clients = c->next;
		control_client_free(c);
	}
	loop_watch_free(k->watch);
	app_timer_drop(app, &k->pause);
	unlink(k->address.sun_path);
	close(k->fd);
	free(k);
	app->control = NULL;
}

void control_run(struct app *app)
{
	struct control *k = app->control;
	struct control_client **at = k ? &k->clients : NULL;

	while (at && *at) {
		struct control_client *c = *at;
		control_client_run(c);
		if (c->dead) {
			*at = c->next;
			k->n_clients--;
			control_client_free(c);
		} else {
			at = &c->next;
		}
	}
}

bool control_in_use(const struct app *app)
{
	return app->control && app->control->clients;
}

tt_time control_deadline(const struct app *app)
{
	tt_time d = TT_TIME_NEVER;

	for (const struct control_client *c = app->control ? app->control->clients : NULL; c;
		c = c->next)
		d = tt_time_min(d, control_client_deadline(c));
	return d;
}
