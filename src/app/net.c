#include "net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

socklen_t net_sockaddr(const struct tt_addr *addr, uint16_t port, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (addr->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, addr->bytes, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, addr->bytes, 16);
	return sizeof(*in6);
}

struct tt_addr net_addr_of(const struct sockaddr_storage *ss, uint16_t *port)
{
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
		*port = ntohs(in->sin_port);
		return tt_addr_v4((const uint8_t *)&in->sin_addr);
	}
	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
		*port = ntohs(in6->sin6_port);
		return tt_addr_v6((const uint8_t *)&in6->sin6_addr);
	}
	*port = 0;
	return (struct tt_addr){0};
}

int net_socket(const struct tt_addr *addr, int type)
{
	return socket(
		addr->family == 4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int net_fail_close(int fd)
{
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int net_bind(int fd, const struct tt_addr *addr, uint16_t port, bool v6_only)
{
	struct sockaddr_storage ss;
	int only = v6_only;
	socklen_t len = net_sockaddr(addr, port, &ss);

	if (addr->family == 6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	return bind(fd, (struct sockaddr *)&ss, len);
}

int net_listen(const struct tt_addr *addr, uint16_t port, bool v6_only)
{
	int one = 1;
	int fd = net_socket(addr, SOCK_STREAM);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (net_bind(fd, addr, port, v6_only) != 0 || listen(fd, BACKLOG) != 0)
		return net_fail_close(fd);
	return fd;
}

uint16_t net_port(int fd)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(ss);
	uint16_t port;

	getsockname(fd, (struct sockaddr *)&ss, &len);
	net_addr_of(&ss, &port);
	return port;
}

/* 0, or -1 with errno. */
static int path_address(const char *path, struct sockaddr_un *un)
{
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(un->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(un->sun_path, path, strlen(path));
	return 0;
}

static int path_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int net_connect_path(const char *path)
{
	struct sockaddr_un un;
	int fd = path_address(path, &un) == 0 ? path_socket() : -1;

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&un, sizeof(un)) != 0)
		return net_fail_close(fd);
	return fd;
}

/* Nobody answers at a socket whose program is gone. 0 when the path is free now, else errno. */
static int free_path(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return 0; /* or what is wrong is said by bind */
	if (!S_ISSOCK(st.st_mode))
		return EEXIST;
	int fd = net_connect_path(path);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || errno != ECONNREFUSED)
		return fd >= 0 || errno == EAGAIN ? EADDRINUSE : errno;
	return unlink(path) == 0 ? 0 : errno;
}

int net_listen_path(const char *path)
{
	struct sockaddr_un un;

	if (path_address(path, &un) != 0)
		return -1;
	errno = free_path(path);
	int fd = errno ? -1 : path_socket();
	if (fd < 0)
		return -1;
	mode_t before = umask(0177); /* from its first moment it is its owner's */
	int rc = bind(fd, (const struct sockaddr *)&un, sizeof(un));
	umask(before);
	if (rc != 0 || listen(fd, BACKLOG) != 0)
		return net_fail_close(fd);
	return fd;
}

int net_connect(const struct tt_addr *addr, uint16_t port, bool *done)
{
	struct sockaddr_storage ss;
	int fd = net_socket(addr, SOCK_STREAM);

	if (fd < 0)
		return -1;
	socklen_t len = net_sockaddr(addr, port, &ss);
	*done = connect(fd, (struct sockaddr *)&ss, len) == 0;
	if (!*done && errno != EINPROGRESS)
		return net_fail_close(fd);
	return fd;
}

enum close_reason net_close_reason(int err)
{
	switch (err) {
	case ECONNREFUSED:
	case ENOENT: /* a unix socket that is not there */
		return REASON_REFUSED_BY_TARGET;
	case ETIMEDOUT:
		return REASON_TARGET_TIMEOUT;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EADDRNOTAVAIL:
	case EAGAIN: /* a unix socket whose backlog is full */
		return REASON_LIMIT;
	default:
		return REASON_TARGET_UNREACHABLE;
	}
}

int net_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
}

void net_tune(int fd)
{
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void net_close_hard(int fd)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}
