/**
 * Datagrams of the Tox UDP socket in batches: what toxcore hands to sendto is collected until
 * toxnet_io_flush, what it asks recvfrom for is read many packets to a system call. Levels:
 *
 *   gso    runs of packets of one size to one address leave as one buffer that the kernel cuts
 *          (UDP_SEGMENT, Linux 4.18), and come in merged (UDP_GRO, Linux 5.0)
 *   mmsg   sendmmsg and recvmmsg
 *   plain  one packet to a system call, as toxcore does it
 *
 * One struct for each socket; sendto and recvfrom of toxnet_symbols.c find it by its descriptor.
 */
#ifndef TOXNET_IO_H
#define TOXNET_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "toxnet.h"
#include "tt_log.h"

struct toxnet_io;

/**
 * Takes over the socket, at `level` or the best one below it that the kernel has. TT_OK, TT_ENOMEM.
 * The descriptor stays toxcore's.
 */
int toxnet_io_new(
	struct toxnet_io **out, int fd, enum toxnet_io_level level, const struct tt_log *log);

/** Sends what waits and lets go of the socket, which must still be open. May be NULL. */
void toxnet_io_free(struct toxnet_io *io);

enum toxnet_io_level toxnet_io_level(const struct toxnet_io *io);

/** Collects one datagram; as sendto(2), EAGAIN when neither the batch nor the kernel has room. */
ssize_t toxnet_io_send(struct toxnet_io *io, const void *buf, size_t len, const struct sockaddr *to,
	socklen_t to_len);

/** Sends what was collected. What the kernel has no room for stays for the next call. */
void toxnet_io_flush(struct toxnet_io *io);

/** At most this many datagrams are given out by toxnet_io_recv until the next call of this. */
void toxnet_io_budget(struct toxnet_io *io, unsigned packets);

/** The next datagram; as recvfrom(2) with MSG_DONTWAIT, EAGAIN also when the budget is used up. */
ssize_t toxnet_io_recv(
	struct toxnet_io *io, void *buf, size_t len, struct sockaddr *from, socklen_t *from_len);

/** There are datagrams that were read and not given out, or the budget ran out before the socket.
 */
bool toxnet_io_pending(const struct toxnet_io *io);

/** The socket's counters, added to those of the node. */
void toxnet_io_stats(const struct toxnet_io *io, struct toxnet_stats *out);

#endif
