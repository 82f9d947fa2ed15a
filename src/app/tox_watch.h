/**
 * The descriptors of toxcore in our loop: when one is readable, app->tox_readable is set.
 */
#ifndef TOX_WATCH_H
#define TOX_WATCH_H

struct app;

/** Follows toxcore, which opens and closes sockets as it likes; cheap when nothing has changed. */
void tox_watch_update(struct app *app);
void tox_watch_free(struct app *app);

#endif
