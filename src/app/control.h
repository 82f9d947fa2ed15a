/**
 * The control socket: `toxtun status`, `reload` and others ask the running process through it. The
 * unix socket `control` in the data directory, for its owner and root. Protocol: doc/control.md.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "app.h"

#define CONTROL_SOCKET "control"
#define CONTROL_LINE_MAX 16384 /* bytes of a request */

struct sockaddr_un;

/**
 * Listens in this data directory, whose lock we hold. A process without the socket works all the
 * same, so a failure is only said in the log.
 */
void control_start(struct app *app, const char *data_dir);
void control_stop(struct app *app);

/** Goes on with what clients wait for, and lets go of those that are done. */
void control_run(struct app *app);
tt_time control_deadline(const struct app *app);

/** Clients are connected. */
bool control_in_use(const struct app *app);

/** Answers a request `stream` on fd: it begins (REASON_NONE), or why it does not. */
void control_stream_answer(int fd, enum close_reason why, const char *words);

/** The address of the socket of a data directory. TT_OK, or TT_ELIMIT when its path is too long. */
int control_address(const char *data_dir, struct sockaddr_un *out);

#endif
