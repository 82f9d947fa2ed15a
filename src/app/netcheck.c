#include "netcheck.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "tt_err.h"

/* A datagram may be lost: a node is asked again that often. */
#define UDP_AGAIN TT_MS(1200)

static void on_ready(void *user, unsigned events);

static void end(struct netcheck_port *p, enum netcheck_state state, const char *why)
{
	if (p->state != NETCHECK_WAITING)
		return;
	p->state = state;
	p->why = why;
	p->node->check->waiting--;
	loop_watch_free(p->watch);
	p->watch = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void fail(struct netcheck_port *p, int err)
{
	end(p, NETCHECK_FAILED,
		err == ECONNREFUSED                         ? "refused"
		: err == ENETUNREACH || err == EHOSTUNREACH ? "no route"
							    : "failed");
}

static void ask(struct netcheck_port *p)
{
	uint8_t packet[TOXNET_PROBE_HELLO_LEN];
	size_t n = p->tcp ? TOXNET_PROBE_HELLO_LEN : TOXNET_PROBE_PING_LEN;
	bool made = p->tcp ? toxnet_probe_hello(&p->probe, packet)
			   : toxnet_probe_ping(&p->probe, packet);

	p->asked_at = loop_clock(p->node->check->loop);
	if (!made)
		end(p, NETCHECK_FAILED, "its key is none");
	else if (send(p->fd, packet, n, MSG_NOSIGNAL) != (ssize_t)n)
		fail(p, errno);
}

static void start(struct netcheck_port *p, const struct tt_addr *addr)
{
	struct sockaddr_storage ss;
	bool done = false;

	if (p->tcp) {
		p->fd = net_connect(addr, p->port, &done);
	} else {
		socklen_t len = net_sockaddr(addr, p->port, &ss);
		p->fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		done = p->fd >= 0 && connect(p->fd, (struct sockaddr *)&ss, len) == 0;
		if (!done) {
			fail(p, errno);
			return;
		}
	}
	if (p->fd < 0) {
		fail(p, errno);
		return;
	}
	if (loop_watch_new(&p->watch, p->node->check->loop, p->fd, done ? LOOP_READ : LOOP_WRITE,
		    on_ready, p) != TT_OK)
		end(p, NETCHECK_FAILED, "failed");
	else if (done)
		ask(p);
}

static void connected(struct netcheck_port *p)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0 || err != 0)
		fail(p, err);
	else if (loop_watch_set(p->watch, LOOP_READ) == TT_OK)
		ask(p);
}

static void receive(struct netcheck_port *p)
{
	bool right;
	ssize_t n = recv(p->fd, p->in + p->got, sizeof(p->in) - p->got, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && p->tcp)) {
		fail(p, n < 0 ? errno : 0);
		return;
	}
	if (p->tcp) {
		p->got += (size_t)n;
		if (p->got < sizeof(p->in))
			return;
		right = toxnet_probe_is_welcome(&p->probe, p->in);
	} else {
		right = toxnet_probe_is_pong(&p->probe, p->in, (size_t)n);
		if (!right) /* the node may have a question of its own */
			return;
	}
	p->rtt = loop_clock(p->node->check->loop) - p->asked_at;
	end(p, right ? NETCHECK_ANSWERED : NETCHECK_FAILED, right ? NULL : "another key");
}

static void on_ready(void *user, unsigned events)
{
	struct netcheck_port *p = user;

	if (events & LOOP_WRITE)
		connected(p);
	else
		receive(p);
}

/* The address that a packet could go to: the kernel says so without sending any. */
static bool has_route(const struct tt_addr *addr)
{
	struct sockaddr_storage ss;
	socklen_t len = net_sockaddr(addr, 1, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&ss, len) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void resolved(void *user, const struct tt_addr *addrs, size_t n, const char *error)
{
	struct netcheck_node *node = user;
	size_t i = 0;

	(void)error;
	while (i + 1 < n && !has_route(&addrs[i]))
		i++;
	for (size_t k = 0; k < 1 + NETCHECK_RELAYS; k++) {
		struct netcheck_port *p = &node->ports[k];
		if (p->state != NETCHECK_WAITING)
			continue;
		if (n == 0)
			end(p, NETCHECK_FAILED, "no such host");
		else
			start(p, &addrs[i]);
	}
}

static void prepare(struct netcheck_port *p, struct netcheck_node *node, bool tcp, uint16_t port)
{
	p->node = node;
	p->tcp = tcp;
	p->port = port;
	p->fd = -1;
	if (port == 0)
		return;
	p->state = NETCHECK_WAITING;
	node->check->waiting++;
	if (!toxnet_probe_init(&p->probe, node->conf.key))
		end(p, NETCHECK_FAILED, "failed");
}

static void begin(struct netcheck_node *node, const struct conf *conf)
{
	struct tt_addr addr;

	prepare(&node->ports[0], node, false, conf->udp ? node->conf.port : 0);
	for (size_t i = 0; i < NETCHECK_RELAYS; i++)
		prepare(&node->ports[1 + i], node, true, conf->relay ? node->conf.tcp_ports[i] : 0);
	if (tt_addr_parse(node->conf.host, &addr) == TT_OK)
		resolved(node, &addr, 1, NULL);
	else if (loop_resolve_new(&node->resolve, node->check->loop, node->conf.host, resolved,
			 node) != TT_OK)
		resolved(node, NULL, 0, NULL);
}

static void ask_again(struct netcheck *n)
{
	for (size_t i = 0; i < n->n_nodes; i++) {
		struct netcheck_port *p = &n->nodes[i].ports[0];
		if (p->state == NETCHECK_WAITING && p->fd >= 0)
			ask(p);
	}
}

static int gather(struct netcheck *n, const struct conf *conf)
{
	size_t n_builtin = 0;
	const struct conf_node *builtin =
		conf->default_nodes ? conf_builtin_nodes(&n_builtin) : NULL;

	n->nodes = calloc(conf->n_nodes + n_builtin + 1, sizeof(*n->nodes));
	if (!n->nodes)
		return TT_ENOMEM;
	for (size_t i = 0; i < conf->n_nodes; i++)
		n->nodes[n->n_nodes++].conf = conf->nodes[i];
	for (size_t i = 0; i < n_builtin; i++)
		n->nodes[n->n_nodes++].conf = builtin[i];
	return TT_OK;
}

int netcheck_run(struct netcheck *n, const struct conf *conf, const struct tt_log *log)
{
	*n = (struct netcheck){.loop = NULL};
	int rc = gather(n, conf);
	if (rc == TT_OK && n->n_nodes > 0)
		rc = loop_new(&n->loop, log);
	if (rc != TT_OK || n->n_nodes == 0)
		return rc;
	for (size_t i = 0; i < n->n_nodes; i++) {
		n->nodes[i].check = n;
		begin(&n->nodes[i], conf);
	}
	tt_time now = loop_clock(n->loop), limit = now + NETCHECK_TIME, again = now + UDP_AGAIN;
	while (rc == TT_OK && n->waiting > 0 && now < limit) {
		rc = loop_run_once(n->loop, tt_time_min(again, limit));
		now = loop_now(n->loop);
		if (now >= again) {
			ask_again(n);
			again = now + UDP_AGAIN;
		}
	}
	for (size_t i = 0; i < n->n_nodes; i++)
		for (size_t k = 0; k < 1 + NETCHECK_RELAYS; k++)
			end(&n->nodes[i].ports[k], NETCHECK_FAILED, "no answer");
	return rc;
}

void netcheck_clear(struct netcheck *n)
{
	for (size_t i = 0; n->loop && i < n->n_nodes; i++)
		loop_resolve_free(n->nodes[i].resolve);
	loop_free(n->loop);
	free(n->nodes);
	*n = (struct netcheck){.loop = NULL};
}
