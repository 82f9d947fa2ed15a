/** Listening sockets of the forwards. */
#ifndef LISTENER_H
#define LISTENER_H

#include "app.h"

struct forward;

/**
 * Opens the listeners of a forward. TT_OK, or TT_EIO (or TT_ENOMEM) when it cannot listen, said on
 * `log` with the forward's origin; then it is tried again every few seconds until it is closed.
 */
int listener_open(struct app *app, struct forward *f, const struct tt_log *log);
void listener_close(struct app *app, const struct forward *f);

/** The place of each, joined by commas, or why there is none. Cut at cap bytes. */
void listener_describe(const struct app *app, const struct forward *f, char *dst, size_t cap);
/** True where all of them listen. */
bool listener_works(const struct app *app, const struct forward *f);

#endif
