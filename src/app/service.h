/**
 * What the service manager is told (sd_notify(3)): that the Tox network is reached, what goes on,
 * and that the loop turns. Nothing when there is no such manager. It starts no program that its
 * environment could be passed on to.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "app.h"

/** Tells it from now on, where one has said that it wants to be. An exit code. */
int service_start(struct app *app);
void service_stop(struct app *app);

/** There is a manager that listens. */
bool service_listens(const struct app *app);

/** The program does what it is for: once, later calls are ignored. */
void service_ready(struct app *app);

/** Around a reload of a program that is ready. */
void service_reloading(struct app *app);
void service_reloaded(struct app *app);

/** It ends: once. */
void service_stopping(struct app *app);

/** The state in one sentence. */
void service_status(struct app *app, const char *sentence);

#endif
