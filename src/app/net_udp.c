#include "net_udp.h"

#include <string.h>
#include <unistd.h>

#include "net.h"

/* What the kernel keeps of a burst while the others have their turn; net.core.rmem_max may say
 * less. */
#define BUFFER (1 << 20)

union control {
	struct cmsghdr align;
	char v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
	char v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static int udp_socket(const struct tt_addr *addr)
{
	int fd = net_socket(addr, SOCK_DGRAM), size = BUFFER;

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	return fd;
}

/* One that learns which of our addresses is asked. */
static int server_socket(const struct tt_addr *addr)
{
	int fd = udp_socket(addr), one = 1;

	if (fd >= 0 && addr->family == 4)
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	else if (fd >= 0)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	return fd;
}

int net_udp_bind(const struct tt_addr *addr, uint16_t port, bool v6_only)
{
	int fd = server_socket(addr);

	if (fd < 0)
		return -1;
	return net_bind(fd, addr, port, v6_only) == 0 ? fd : net_fail_close(fd);
}

int net_udp_bind_beside(int stream)
{
	struct sockaddr_storage ss = {0};
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
	socklen_t len = sizeof(ss);
	uint16_t port;

	if (getsockname(stream, (struct sockaddr *)&ss, &len) != 0)
		return -1;
	struct tt_addr addr = net_addr_of(&ss, &port);
	uint32_t scope = ss.ss_family == AF_INET6 ? v6->sin6_scope_id : 0;
	int fd = server_socket(&addr);
	if (fd < 0)
		return -1;
	/* The family is that of addr: IPv4 for an IPv6 socket that is reached by IPv4. */
	len = net_sockaddr(&addr, 0, &ss);
	if (addr.family == 6)
		v6->sin6_scope_id = scope; /* of a link-local address */
	return bind(fd, (struct sockaddr *)&ss, len) == 0 ? fd : net_fail_close(fd);
}

struct tt_addr net_udp_source(const struct net_udp_peer *p, uint16_t *port)
{
	struct sockaddr_storage ss = {0};

	memcpy(&ss, &p->from, sizeof(p->from));
	return net_addr_of(&ss, port);
}

int net_udp_connect(const struct tt_addr *addr, uint16_t port)
{
	struct sockaddr_storage ss;
	int fd = udp_socket(addr);

	if (fd < 0)
		return -1;
	socklen_t len = net_sockaddr(addr, port, &ss);
	return connect(fd, (struct sockaddr *)&ss, len) == 0 ? fd : net_fail_close(fd);
}

/* Which of our addresses the datagram was sent to. */
static void take_pktinfo(struct msghdr *msg, struct net_udp_peer *p)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			memcpy(&p->to, &info.ipi_addr, sizeof(info.ipi_addr));
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			p->to = info.ipi6_addr;
			if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
				p->ifindex = info.ipi6_ifindex;
		}
	}
}

ssize_t net_udp_recv(int fd, uint8_t *buf, struct net_udp_peer *from)
{
	union control control;
	struct iovec iov = {buf, NET_UDP_MAX};
	struct msghdr msg = {.msg_name = &from->from,
		.msg_namelen = sizeof(from->from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};

	memset(from, 0, sizeof(*from)); /* padding too: it is compared whole */
	ssize_t n = recvmsg(fd, &msg, 0);
	if (n >= 0)
		take_pktinfo(&msg, from);
	return n;
}

static void put_pktinfo(struct msghdr *msg, int level, int type, const void *info, size_t len)
{
	struct cmsghdr *c;

	msg->msg_controllen = CMSG_SPACE(len);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), info, len);
}

int net_udp_send(int fd, const struct net_udp_peer *to, struct iovec *iov, size_t n)
{
	union control control;
	struct net_udp_peer name = *to;
	bool v4 = to->from.any.sa_family == AF_INET;
	struct msghdr msg = {.msg_name = &name.from,
		.msg_namelen = v4 ? sizeof(name.from.v4) : sizeof(name.from.v6),
		.msg_iov = iov,
		.msg_iovlen = n,
		.msg_control = &control};

	memset(&control, 0, sizeof(control));
	if (v4) {
		struct in_pktinfo info = {0};
		memcpy(&info.ipi_spec_dst, &to->to, sizeof(info.ipi_spec_dst));
		put_pktinfo(&msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_addr = to->to, .ipi6_ifindex = to->ifindex};
		put_pktinfo(&msg, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -1 : 0;
}
