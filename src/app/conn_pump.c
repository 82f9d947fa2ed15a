/* Moves the bytes between a local socket and its channel. */
#include "conn_int.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "tt_err.h"

/* Bytes that one connection may move in one direction before the others have their turn. */
#define PUMP_BUDGET (256u << 10)
#define PUMP_IOV 48

/* Bytes to be read; 0 also at the end of file. */
static size_t bytes_waiting(int fd)
{
	int n = 0;
	return ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

static bool try_again(ssize_t rc)
{
	return rc < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/*
 * Socket to peer. The channel is asked for as much memory as there are bytes waiting and no more:
 * what was reserved in vain would stay with an idle connection. `readable`: the watch said so, and
 * where nothing waits it means the end of file or an error.
 */
static enum pump pump_out(struct conn *c, bool readable)
{
	struct iovec iov[PUMP_IOV];
	size_t waiting = bytes_waiting(c->fd), moved = 0;
	size_t want = waiting < PUMP_BUDGET ? waiting : PUMP_BUDGET;

	if (waiting == 0 && !readable)
		return PUMP_SOCKET;
	do {
		int n = channel_send_reserve(
			c->channel, iov, PUMP_IOV, want > moved ? want - moved : 1);
		if (n < 0) {
			conn_cut(c, REASON_LIMIT);
			return PUMP_OVER;
		}
		if (n == 0)
			return PUMP_CHANNEL;
		ssize_t got = readv(c->fd, iov, n);
		if (try_again(got))
			return PUMP_SOCKET;
		if (got < 0) {
			conn_cut(c, REASON_RESET);
			return PUMP_OVER;
		}
		if (got == 0) {
			channel_send_eof(c->channel, app_now(c->app));
			return PUMP_OVER;
		}
		channel_send_commit(c->channel, (size_t)got, app_now(c->app));
		moved += (size_t)got;
	} while (moved < want);
	return moved < waiting ? PUMP_TURN : PUMP_SOCKET;
}

/* Peer to socket. */
static enum pump pump_in(struct conn *c)
{
	struct iovec iov[PUMP_IOV];
	size_t moved = 0;

	while (moved < PUMP_BUDGET) {
		size_t offered = 0;
		int n = channel_recv_peek(c->channel, iov, PUMP_IOV);
		if (n == 0)
			return PUMP_CHANNEL;
		for (int i = 0; i < n; i++)
			offered += iov[i].iov_len;
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
		ssize_t put = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
		if (try_again(put))
			return PUMP_SOCKET;
		if (put < 0) {
			conn_cut(c, REASON_RESET);
			return PUMP_OVER;
		}
		channel_recv_consume(c->channel, (size_t)put, app_now(c->app));
		moved += (size_t)put;
		if ((size_t)put < offered)
			return PUMP_SOCKET;
	}
	return PUMP_TURN;
}

void conn_pump(struct conn *c, unsigned events)
{
	unsigned interest = 0;

	if (c->fd < 0 || c->dial || !c->channel || conn_may_move(c) ||
		(!c->open && (c->proxy || c->answer)))
		return;
	/* A direction that waits for the socket is tried again when the watch says so only. */
	if (c->out != PUMP_OVER && (c->out != PUMP_SOCKET || events & LOOP_READ))
		c->out = (uint8_t)pump_out(c, events & LOOP_READ);
	if (c->open && (c->in != PUMP_SOCKET || events & LOOP_WRITE))
		c->in = (uint8_t)pump_in(c);
	if (c->out == PUMP_SOCKET || c->out == PUMP_TURN)
		interest |= LOOP_READ;
	if (c->in == PUMP_SOCKET)
		interest |= LOOP_WRITE;
	conn_set_interest(c, interest);
	if (c->open)
		app_timer_set(c->app, &c->timer,
			c->in == PUMP_TURN ? app_now(c->app) + 1 : TT_TIME_NEVER);
}
