/** Reading the configuration again while the program runs. */
#ifndef RELOAD_H
#define RELOAD_H

#include "app.h"

/**
 * Opens the log file anew. Then, unless the program is about to end, reads the ini file, the node
 * list and the secret files again and takes over what has changed, see doc/control.md. With a
 * mistake in any of them nothing changes. An exit code; every mistake and
 * every change is said on `log`.
 */
int app_reload(struct app *app, const struct tt_log *log);

/** A diagnostic sink that writes to a log, as errors. The log must outlive it. */
struct conf_diag reload_diag(const struct tt_log *log);

#endif
