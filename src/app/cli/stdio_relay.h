/** Between a stream and a pair of descriptors of any kind, as standard input and output are. */
#ifndef STDIO_RELAY_H
#define STDIO_RELAY_H

#include "tt_log.h"

/**
 * Carries bytes from `in` to the socket and from there to `out`, until both directions are at their
 * end; each ends alone: the end of `in` shuts the socket's sending side, and the socket's end
 * closes `out`. Files, pipes, terminals and sockets may be blocking or not, and stay so: others
 * share them. EXIT_OK, or EXIT_FAILED when one of the three broke, which the log explains. SIGPIPE
 * must be ignored.
 */
int stdio_relay(int socket, int in, int out, const struct tt_log *log);

#endif
