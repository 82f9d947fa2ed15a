#include "stdio_relay.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"

#define BUFFER 65536
#define CHUNK_MIN 512 /* _POSIX_PIPE_BUF */

/* Bytes on their way. */
struct lane {
	uint8_t buf[BUFFER];
	size_t start, len;
	bool over; /* its source is at its end */
};

struct relay {
	int socket, in, out;
	bool out_is_socket;
	size_t out_chunk;
	struct lane up, down;
	const struct tt_log *log;
};

static bool again(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

static int broken(const struct relay *r, const char *what)
{
	tt_error(r->log, "%s: %s", what, strerror(errno));
	return EXIT_FAILED;
}

static int lost(const struct relay *r)
{
	tt_error(r->log, "the connection broke off");
	return EXIT_FAILED;
}

static void wrote(struct lane *l, ssize_t n)
{
	if (n > 0) {
		l->start += (size_t)n;
		l->len -= (size_t)n;
	}
}

static void filled(struct lane *l, ssize_t n)
{
	l->start = 0;
	l->len = n > 0 ? (size_t)n : 0;
	l->over = n == 0;
}

static int take_input(struct relay *r)
{
	ssize_t n = read(r->in, r->up.buf, BUFFER);

	if (n < 0 && errno == EBADF)
		n = 0; /* there is no standard input */
	if (again(n))
		return EXIT_OK;
	if (n < 0)
		return broken(r, "standard input");
	filled(&r->up, n);
	if (r->up.over)
		shutdown(r->socket, SHUT_WR);
	return EXIT_OK;
}

static int put_output(struct relay *r)
{
	struct lane *l = &r->down;
	size_t len = l->len < r->out_chunk ? l->len : r->out_chunk;
	const uint8_t *from = l->buf + l->start;
	ssize_t n = r->out_is_socket ? send(r->out, from, len, MSG_DONTWAIT | MSG_NOSIGNAL)
				     : write(r->out, from, len);

	if (n < 0 && !again(n))
		return broken(r, "standard output");
	wrote(l, n);
	return EXIT_OK;
}

/* A socket may be standard input as well, and a close would not be its end. */
static int end_output(struct relay *r)
{
	int rc = r->out_is_socket ? shutdown(r->out, SHUT_WR) : close(r->out);

	r->out = -1;
	return rc == 0 || errno == ENOTCONN ? EXIT_OK : broken(r, "standard output");
}

static int serve_socket(struct relay *r, short events)
{
	if (r->up.len > 0 && events & (POLLOUT | POLLHUP | POLLERR)) {
		ssize_t n = send(
			r->socket, r->up.buf + r->up.start, r->up.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && !again(n))
			return lost(r);
		wrote(&r->up, n);
	}
	if (!r->down.over && r->down.len == 0) {
		ssize_t n = recv(r->socket, r->down.buf, BUFFER, MSG_DONTWAIT);
		if (again(n))
			return EXIT_OK;
		if (n < 0)
			return lost(r);
		filled(&r->down, n);
	}
	/* An orderly end leaves the direction open that has not ended. */
	if (r->down.over && !r->up.over && events & POLLHUP)
		return lost(r);
	return EXIT_OK;
}

static int round_of(struct relay *r)
{
	struct pollfd p[3] = {
		{.fd = r->up.over || r->up.len > 0 ? -1 : r->in, .events = POLLIN},
		{.fd = r->down.over && r->up.over && r->up.len == 0 ? -1 : r->socket,
			.events = (short)((r->up.len > 0 ? POLLOUT : 0) |
					  (!r->down.over && r->down.len == 0 ? POLLIN : 0))},
		{.fd = r->out, .events = r->down.len > 0 ? POLLOUT : 0},
	};
	int rc = EXIT_OK;

	if (poll(p, 3, -1) < 0)
		return errno == EINTR ? EXIT_OK : broken(r, "poll");
	if (p[0].revents)
		rc = take_input(r);
	if (rc == EXIT_OK && p[1].revents)
		rc = serve_socket(r, p[1].revents);
	if (rc == EXIT_OK && r->down.len > 0 && p[2].revents)
		rc = put_output(r);
	else if (rc == EXIT_OK && p[2].revents & (POLLERR | POLLNVAL) && r->out >= 0) {
		errno = p[2].revents & POLLNVAL ? EBADF : EPIPE;
		rc = broken(r, "standard output");
	}
	if (rc == EXIT_OK && r->down.over && r->down.len == 0 && r->out >= 0)
		rc = end_output(r);
	return rc;
}

/*
 * poll(2) promises that so much can be written without waiting to what is neither socket nor file.
 * A wait there would also hold up the other direction, which may be what the reader waits for.
 */
static size_t chunk_of(int out)
{
	long n = fpathconf(out, _PC_PIPE_BUF);
	return n > 0 && n < BUFFER ? (size_t)n : CHUNK_MIN;
}

int stdio_relay(int socket, int in, int out, const struct tt_log *log)
{
	static const struct lane empty;
	struct relay r;
	struct stat st = {.st_mode = 0};
	int rc = EXIT_OK;

	r.socket = socket;
	r.in = in;
	r.out = out;
	r.log = log;
	r.up = r.down = empty;
	r.out_is_socket = fstat(out, &st) == 0 && S_ISSOCK(st.st_mode);
	r.out_chunk = r.out_is_socket || S_ISREG(st.st_mode) ? BUFFER : chunk_of(out);
	while (rc == EXIT_OK && !(r.up.over && r.up.len == 0 && r.out < 0))
		rc = round_of(&r);
	return rc;
}
