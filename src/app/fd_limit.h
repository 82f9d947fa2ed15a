/**
 * The limit of open files. Every connection takes a descriptor, and so do Tox's relays, the stats
 * service and each save of the identity: connections get what is left when those have theirs.
 */
#ifndef FD_LIMIT_H
#define FD_LIMIT_H

#include "app.h"

/** Raises the limit as far as the system allows. */
void fd_limit_init(struct app *app);

/** True when there may be one more connection; otherwise the log says why, once a minute. */
bool fd_limit_room(struct app *app);

/** The same about a system call that failed with `err` for want of descriptors or memory. */
void fd_limit_reached(struct app *app, int err);

#endif
