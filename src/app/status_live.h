/**
 * The state in a line, kept up to date while the program runs: on the terminal, and for the service
 * manager, where there is one. It is looked at when the loop turns anyway, at most a few times a
 * second, and wakes nobody.
 */
#ifndef STATUS_LIVE_H
#define STATUS_LIVE_H

#include "app.h"

struct live_line;

/** Starts when somebody would see it: `line` is on, or there is a manager. */
void status_live_start(struct app *app, struct live_line *line);
void status_live_run(struct app *app);
/** Shows what has changed even if it has just been looked at: the loop may not turn again. */
void status_live_now(struct app *app);
void status_live_stop(struct app *app);

#endif
