/**
 * The measuring service: what answers `toxtun bench` of a peer. It stands in the place of a target:
 * a channel's conn has one end of a pair of sockets and the service the other, so that a
 * measurement goes the whole way of any other connection. doc/protocol.md, "Measuring".
 */
#ifndef BENCH_SERVICE_H
#define BENCH_SERVICE_H

#include "app.h"

struct bench_service;

/**
 * Starts the service of a channel that `peer` opened under the number ccid. *fd is the end for its
 * conn, which then owns it. TT_OK, TT_ENOMEM, TT_EIO.
 */
int bench_service_new(struct bench_service **out, struct app *app, struct peer *peer,
	enum wire_bench kind, uint32_t ccid, int *fd);

/** May be NULL. Ends the service as if its program had been killed. */
void bench_service_free(struct bench_service *s);

#endif
