/** Listening sockets of the forwards. */
#ifndef LISTENER_H
#define LISTENER_H

#include "app.h"

/**
 * Opens the listeners of every forward. An exit code: EXIT_FAILED when none could be opened, or
 * when one could not and the configuration says exit-on-failure; else those that failed are tried
 * again every few seconds. Each failure is in the log with the forward's origin.
 */
int listeners_open(struct app *app);
void listeners_close(struct app *app);

#endif
