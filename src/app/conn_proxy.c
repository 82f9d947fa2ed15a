/* A connection to a proxy port, until it has a channel: the application is asked where to. */
#include "conn_int.h"

#include <errno.h>
#include <sys/socket.h>

#include "forward.h"
#include "proxy.h"
#include "tt_err.h"
#include "udp_associate.h"

/* Bytes behind the handshake that are thrown away where it has failed. */
#define DISCARD_MAX 65536

/* Sends what the application must be told; false when it does not take it. */
static bool flush(struct conn *c)
{
	uint8_t out[PROXY_OUTPUT_MAX];
	size_t n = proxy_output(c->proxy, out);

	return n == 0 || send(c->fd, out, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* A close with bytes unread would be a RST, which may overtake the answer. */
static void discard(int fd)
{
	uint8_t buf[4096];
	ssize_t n;

	for (size_t sum = 0; sum < DISCARD_MAX; sum += (size_t)n) {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n <= 0)
			break;
	}
}

static void log_refused(const struct conn *c)
{
	tt_info(c->app->log, "tunnel %s: refused what is no request of SOCKS5 or HTTP CONNECT",
		c->forward->conf.name);
}

void conn_proxy_start(struct conn *c)
{
	if (proxy_new(&c->proxy, c->app->proxy_login) != TT_OK ||
		conn_watch(c, LOOP_READ) != TT_OK) {
		conn_free(c, true);
		return;
	}
	app_timer_set(c->app, &c->timer, app_now(c->app) + TT_S(c->app->conf->connect_timeout_s));
}

/* From now on the connection says only how long it shall last. */
static void associate(struct conn *c)
{
	int one = 1;
	int rc = udp_associate_new(&c->associate, c->app, c->forward, c->proxy, c->fd);

	if (rc != TT_OK)
		proxy_answer(c->proxy, REASON_LIMIT);
	if (!flush(c) || rc != TT_OK) {
		discard(c->fd);
		conn_free(c, false);
		return;
	}
	/* An application that has vanished would keep its association for ever. */
	setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	app_timer_set(c->app, &c->timer, TT_TIME_NEVER);
	proxy_free(c->proxy);
	c->proxy = NULL;
}

/* Bytes have no meaning here; its end does. */
static void associated_ready(struct conn *c)
{
	uint8_t buf[2048];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		conn_free(c, false);
}

void conn_proxy_ready(struct conn *c)
{
	uint8_t buf[2048];

	if (c->associate) {
		associated_ready(c);
		return;
	}
	/* Looked at first, taken afterwards: what follows the handshake stays in the socket. */
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_PEEK);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		conn_free(c, false);
		return;
	}
	size_t taken = proxy_input(c->proxy, buf, (size_t)n);
	if (recv(c->fd, buf, taken, 0) != (ssize_t)taken || !flush(c)) {
		conn_free(c, true);
		return;
	}
	switch (proxy_state(c->proxy)) {
	case PROXY_MORE:
		break;
	case PROXY_REQUEST:
		conn_set_interest(c, 0);
		conn_request(c);
		break;
	case PROXY_ASSOCIATE:
		associate(c);
		break;
	case PROXY_OVER:
		log_refused(c);
		discard(c->fd);
		conn_free(c, false);
		break;
	}
}

void conn_proxy_tell(struct conn *c, enum close_reason why)
{
	/* Without a channel it was the peer that did not come online. */
	if (why == REASON_CONNECT_TIMEOUT && !c->channel)
		why = REASON_RESUME_TIMEOUT;
	proxy_answer(c->proxy, why);
	bool told = flush(c);
	if (why != REASON_NONE)
		discard(c->fd);
	else if (!told)
		conn_cut(c, REASON_RESET);
	proxy_free(c->proxy);
	c->proxy = NULL;
}
