#include "tox_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "app.h"
#include "tt_err.h"

struct tox_watch {
	struct app *app;
	struct loop_watch *watch;
	int fd;
	bool stream, accepted;
};

/* The other end is gone and all that it sent is read. */
static bool is_over(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	/* ENOTCONN: it listens. ECONNREFUSED: toxcore waits a while before it tries again. */
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR &&
				 errno != ENOTCONN && errno != ECONNREFUSED);
}

/* It would be readable until toxcore misses a ping, which takes up to 40 seconds. */
static void on_readable(void *user, unsigned events)
{
	struct tox_watch *w = user;

	(void)events;
	w->app->tox_readable = true;
	if (!w->stream || !is_over(w->fd))
		return;
	loop_watch_set(w->watch, 0);
	if (!w->accepted)
		toxnet_fd_ended(w->fd);
}

void tox_watch_free(struct app *app)
{
	for (size_t i = 0; i < app->n_tox_watches; i++)
		loop_watch_free(app->tox_watches[i].watch);
	free(app->tox_watches);
	app->tox_watches = NULL;
	app->n_tox_watches = 0;
}

/* Without memory some are not watched, and are served at toxcore's next time-out. */
void tox_watch_update(struct app *app)
{
	unsigned generation = toxnet_fds_generation(app->tn);

	if (app->tox_watches && generation == app->tox_fds_generation)
		return;
	app->tox_fds_generation = generation;
	tox_watch_free(app);
	size_t n = toxnet_fds(app->tn, NULL, 0);
	struct toxnet_fd *fds = calloc(n + 1, sizeof(*fds));
	app->tox_watches = calloc(n + 1, sizeof(*app->tox_watches));
	if (fds && app->tox_watches) {
		toxnet_fds(app->tn, fds, n);
		for (size_t i = 0; i < n; i++) {
			struct tox_watch *w = &app->tox_watches[app->n_tox_watches];
			*w = (struct tox_watch){.app = app,
				.fd = fds[i].fd,
				.stream = fds[i].stream,
				.accepted = fds[i].accepted};
			if (loop_watch_new(&w->watch, app->loop, w->fd, LOOP_READ, on_readable,
				    w) == TT_OK)
				app->n_tox_watches++;
		}
	}
	free(fds);
}
