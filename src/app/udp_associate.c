#include "udp_associate.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd_limit.h"
#include "forward.h"
#include "net.h"
#include "net_udp.h"
#include "proxy.h"
#include "proxy_udp.h"
#include "tt_err.h"
#include "udp_flows.h"

/* A quarter of what one side may have open to a peer: no application takes it all. */
#define FLOWS_MAX (SESSION_FLOWS_MAX / 4)

struct udp_associate {
	struct app *app;
	struct forward *forward;
	int fd;
	struct loop_watch *watch;
	struct tt_addr client;    /* who asked for it */
	uint16_t client_port;     /* where its datagrams come from; 0: as the first one does */
	struct net_udp_peer from; /* ... since there was one */
	bool heard;
	bool complained;        /* that it has sent what we do not take */
	struct udp_flows flows; /* by destination, as the application writes it */
};

static bool to_application(
	void *owner, const void *key, size_t key_len, const struct datagram *datagram)
{
	static const uint8_t prefix[PROXY_UDP_PREFIX];
	const struct udp_associate *a = owner;
	struct iovec iov[] = {{(void *)prefix, sizeof(prefix)}, {(void *)key, key_len},
		{(void *)datagram->data, datagram->len}};

	return net_udp_send(a->fd, &a->from, iov, sizeof(iov) / sizeof(iov[0])) == 0;
}

static void refuse(struct udp_associate *a, const char *why)
{
	udp_flows_drop(a->app, DGRAM_DROP_PROXY);
	if (a->complained || !udp_flows_may_log(a->app))
		return;
	a->complained = true;
	tt_info(a->app->log, "tunnel %s: dropped a datagram for the proxy: %s",
		a->forward->conf.name, why);
}

/* The first port that the application sends from is its port from then on. */
static bool is_client(struct udp_associate *a, const struct net_udp_peer *from)
{
	uint16_t port;
	struct tt_addr addr = net_udp_source(from, &port);

	if (a->heard)
		return memcmp(from, &a->from, sizeof(*from)) == 0;
	if (!tt_addr_equal(&addr, &a->client) || (a->client_port && a->client_port != port))
		return false;
	a->from = *from;
	a->heard = true;
	return true;
}

static void on_datagram(
	void *owner, const struct net_udp_peer *from, const uint8_t *data, size_t len)
{
	struct udp_associate *a = owner;
	struct proxy_udp dg;

	if (!is_client(a, from)) {
		refuse(a, "it is not from the address and port of the application that asked for "
			  "the association");
		return;
	}
	int rc = proxy_udp_parse(data, len, &dg);
	if (rc != TT_OK) {
		refuse(a, rc == TT_ENOTSUP ? "it is a fragment; the application must send it whole"
					   : "it has no header of SOCKS5, or no destination");
		return;
	}
	struct channel_target target = {.proto = WIRE_UDP,
		.host = dg.host,
		.port = dg.port,
		.tunnel = a->forward->conf.name};
	udp_flows_send(&a->flows, dg.address, dg.address_len, &target, dg.data, dg.data_len);
}

static void on_readable(void *user, unsigned events)
{
	struct udp_associate *a = user;

	(void)events;
	udp_flows_receive(a->fd, on_datagram, a);
}

/* The socket, and what both ends know of each other. */
static int open_socket(struct udp_associate *a, struct proxy *p, int stream)
{
	struct sockaddr_storage here = {0}, there = {0};
	socklen_t here_len = sizeof(here), there_len = sizeof(there);
	uint16_t port, any;

	a->fd = net_udp_bind_beside(stream);
	if (a->fd < 0)
		return TT_EIO;
	if (getsockname(a->fd, (struct sockaddr *)&here, &here_len) != 0 ||
		getpeername(stream, (struct sockaddr *)&there, &there_len) != 0)
		return TT_EIO;
	struct tt_addr addr = net_addr_of(&here, &port);
	a->client = net_addr_of(&there, &any);
	a->client_port = proxy_source_port(p, &a->client);
	int rc = loop_watch_new(&a->watch, a->app->loop, a->fd, LOOP_READ, on_readable, a);
	if (rc == TT_OK)
		proxy_associated(p, &addr, port);
	return rc;
}

int udp_associate_new(struct udp_associate **out, struct app *app, struct forward *forward,
	struct proxy *p, int stream)
{
	if (!fd_limit_room(app))
		return TT_EIO;
	struct udp_associate *a = calloc(1, sizeof(*a));
	if (!a)
		return TT_ENOMEM;
	a->app = app;
	a->forward = forward;
	a->fd = -1;
	a->flows = (struct udp_flows){.app = app,
		.forward = forward,
		.max = FLOWS_MAX,
		.deliver = to_application,
		.owner = a};
	app->n_udp_sockets++;
	int rc = open_socket(a, p, stream);
	if (rc != TT_OK) {
		udp_associate_free(a);
		return rc;
	}
	*out = a;
	return TT_OK;
}

void udp_associate_free(struct udp_associate *a)
{
	if (!a)
		return;
	udp_flows_end(&a->flows);
	loop_watch_free(a->watch);
	if (a->fd >= 0)
		close(a->fd);
	a->app->n_udp_sockets--;
	free(a);
}
