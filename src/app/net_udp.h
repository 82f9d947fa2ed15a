/** UDP sockets: where a datagram came from and which of our addresses it was sent to. */
#ifndef NET_UDP_H
#define NET_UDP_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "tt_addr.h"

#define NET_UDP_MAX 65536 /* more than any datagram has */

/**
 * Who speaks to one of our sockets, and by which address of ours; compared with memcmp. With a
 * socket that is bound to every address an answer must leave from the one that was asked, or
 * whoever asked would not know it for an answer.
 */
struct net_udp_peer {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} from;
	struct in6_addr to; /* of an IPv4 socket the first 4 bytes */
	uint32_t ifindex;   /* of link-local addresses, else 0 */
};

/** A non-blocking, close-on-exec UDP socket, bound, or -1 with errno. */
int net_udp_bind(const struct tt_addr *addr, uint16_t port, bool v6_only);

/** The same, connected: it takes datagrams of this address only, and tells ICMP errors. */
int net_udp_connect(const struct tt_addr *addr, uint16_t port);

/** As net_udp_bind, at the address that a connected stream has here, and any port. */
int net_udp_bind_beside(int stream);

/** Whom the datagram is from. */
struct tt_addr net_udp_source(const struct net_udp_peer *p, uint16_t *port);

/** Receives into buf (NET_UDP_MAX bytes); the length, or -1 with errno. */
ssize_t net_udp_recv(int fd, uint8_t *buf, struct net_udp_peer *from);

/** Sends a datagram back, in n pieces. 0, or -1 with errno: it was not sent. */
int net_udp_send(int fd, const struct net_udp_peer *to, struct iovec *iov, size_t n);

#endif
