/** Sockets: the few things that are done with them in more than one place. */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "reason.h"
#include "tt_addr.h"

/** Fills ss for an address and port; returns its length. */
socklen_t net_sockaddr(const struct tt_addr *addr, uint16_t port, struct sockaddr_storage *ss);

/** The address and port of a socket address of family AF_INET or AF_INET6; family 0 for others. */
struct tt_addr net_addr_of(const struct sockaddr_storage *ss, uint16_t *port);

/** A non-blocking, close-on-exec socket of this type for the address's family, or -1 with errno. */
int net_socket(const struct tt_addr *addr, int type);

/** Closes fd and keeps errno. Returns -1. */
int net_fail_close(int fd);

/** Binds fd. `v6_only` is for IPv6. 0, or -1 with errno. */
int net_bind(int fd, const struct tt_addr *addr, uint16_t port, bool v6_only);

/** A non-blocking, close-on-exec TCP socket that listens, or -1 with errno. */
int net_listen(const struct tt_addr *addr, uint16_t port, bool v6_only);

/** The port that a listening socket has. */
uint16_t net_port(int fd);

/**
 * As net_listen, at a path, for this user alone. What a program that is gone has left there is
 * replaced. EADDRINUSE: somebody listens there; EEXIST: what is there is no socket.
 */
int net_listen_path(const char *path);

/** A non-blocking, close-on-exec unix socket that is connected, or -1 with errno. */
int net_connect_path(const char *path);

/** A non-blocking TCP socket whose connect has begun, or -1 with errno. *done: it is connected. */
int net_connect(const struct tt_addr *addr, uint16_t port, bool *done);

/** Two streams without blocking that are joined, close-on-exec. 0, or -1 with errno. */
int net_pair(int fds[2]);

/** Why a connect that failed with this errno did. */
enum close_reason net_close_reason(int err);

/** Options of a connected stream: no Nagle delay. */
void net_tune(int fd);

/** Closes so that the other end sees a reset and not an orderly end. */
void net_close_hard(int fd);

#endif
