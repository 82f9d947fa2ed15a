/* toxcore's sockets: it has no function that tells them, and none to tell it that one is over. */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "toxnet_int.h"
#include "tt_err.h"

#define FD_GUESS 1024 /* how many to try where there is no /proc */

/* Returns true to stop. */
typedef bool fd_visit(int fd, void *arg);

static void for_each_fd(fd_visit *visit, void *arg)
{
	DIR *dir = opendir("/proc/self/fd");
	if (!dir) {
		for (int fd = 0; fd < FD_GUESS && !visit(fd, arg); fd++)
			;
		return;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		char *end;
		long fd = strtol(e->d_name, &end, 10);
		if (end == e->d_name || *end || fd == dirfd(dir))
			continue;
		if (visit((int)fd, arg))
			break;
	}
	closedir(dir);
}

/* The local port of an Internet socket of this type; -1 when fd is none. */
static int socket_port(int fd, int want_type)
{
	int type;
	socklen_t len = sizeof(type);
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = {0};

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != want_type)
		return -1;
	len = sizeof(a);
	if (getsockname(fd, &a.sa, &len) != 0)
		return -1;
	if (a.sa.sa_family == AF_INET)
		return ntohs(a.v4.sin_port);
	if (a.sa.sa_family == AF_INET6)
		return ntohs(a.v6.sin6_port);
	return -1;
}

struct snapshot {
	struct toxnet_fd_set *set;
	int rc;
};

static bool add_udp(int fd, void *arg)
{
	struct snapshot *s = arg;
	struct toxnet_fd_set *set = s->set;

	if (socket_port(fd, SOCK_DGRAM) < 0)
		return false;
	if (set->n == set->cap) {
		size_t cap = set->cap ? set->cap * 2 : 16;
		int *fds = realloc(set->fds, cap * sizeof(*fds));
		if (!fds) {
			s->rc = TT_ENOMEM;
			return true;
		}
		set->fds = fds;
		set->cap = cap;
	}
	set->fds[set->n++] = fd;
	return false;
}

int toxnet_fd_snapshot(struct toxnet_fd_set *out)
{
	struct snapshot s = {.set = out, .rc = TT_OK};
	for_each_fd(add_udp, &s);
	return s.rc;
}

void toxnet_fd_clear(struct toxnet_fd_set *s)
{
	free(s->fds);
	*s = (struct toxnet_fd_set){0};
}

struct search {
	const struct toxnet_fd_set *before;
	uint16_t port;
	int found;
};

static bool is_new_udp(int fd, void *arg)
{
	struct search *s = arg;
	if (socket_port(fd, SOCK_DGRAM) != s->port)
		return false;
	for (size_t i = 0; i < s->before->n; i++) {
		if (s->before->fds[i] == fd)
			return false;
	}
	s->found = fd;
	return true;
}

int toxnet_fd_find_udp(const struct toxnet_fd_set *before, uint16_t port)
{
	struct search s = {.before = before, .port = port, .found = -1};
	if (port != 0)
		for_each_fd(is_new_udp, &s);
	return s.found;
}

/*
 * A stream that says nothing more takes the socket's place, behind a length that no packet can have
 * (MAX_PACKET_SIZE is 2,048): toxcore takes that for a broken connection. During the handshake it
 * waits for more bytes than these, until its own time-out.
 */
int toxnet_fd_ended(int fd)
{
	static const uint8_t no_length[2] = {0xff, 0xff};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		return TT_EIO;
	bool done =
		send(pair[0], no_length, sizeof(no_length), MSG_NOSIGNAL) == sizeof(no_length) &&
		dup3(pair[1], fd, O_CLOEXEC) == fd;
	close(pair[0]);
	close(pair[1]);
	return done ? TT_OK : TT_EIO;
}
