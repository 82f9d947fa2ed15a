/** What the commands that talk to one peer have in common. */
#ifndef CLI_REACH_H
#define CLI_REACH_H

#include "peer.h"

/** Starts Tox in the data directory of the configuration. As app_new. */
int cli_start(struct app **app, const struct conf *conf, const struct tt_log *log);

/**
 * Starts Tox and waits until the peer that the command line names is there, on the direct path if
 * one is found soon. EXIT_OK, or another exit code when it is not, which the log explains. *app, if
 * it is set, is the caller's to free in either case.
 */
int cli_reach(struct app **app, struct peer **peer, struct conf *conf, const struct tt_log *log);

#endif
