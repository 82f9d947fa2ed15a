/* The listening side of UDP forwards. */
#include "udp.h"

#include <stdlib.h>
#include <string.h>

#include "forward.h"
#include "tt_err.h"
#include "udp_flows.h"

struct udp_entry {
	int fd;
	struct udp_flows flows; /* by struct net_udp_peer */
};

static bool to_application(
	void *owner, const void *key, size_t key_len, const struct datagram *datagram)
{
	const struct udp_entry *e = owner;
	struct iovec iov = {(void *)datagram->data, datagram->len};
	struct net_udp_peer to;

	memcpy(&to, key, key_len);
	return net_udp_send(e->fd, &to, &iov, 1) == 0;
}

int udp_entry_new(struct udp_entry **out, struct app *app, struct forward *forward, int fd)
{
	struct udp_entry *e = calloc(1, sizeof(*e));
	if (!e)
		return TT_ENOMEM;
	e->fd = fd;
	e->flows = (struct udp_flows){.app = app,
		.forward = forward,
		.max = SIZE_MAX,
		.one_target = true,
		.deliver = to_application,
		.owner = e};
	*out = e;
	return TT_OK;
}

void udp_entry_free(struct udp_entry *e)
{
	if (!e)
		return;
	udp_flows_end(&e->flows);
	free(e);
}

static void on_datagram(
	void *owner, const struct net_udp_peer *from, const uint8_t *data, size_t len)
{
	struct udp_entry *e = owner;
	const struct conf_forward *fw = &e->flows.forward->conf;
	struct channel_target target = {
		.proto = WIRE_UDP, .host = fw->host, .port = fw->port, .tunnel = fw->name};

	udp_flows_send(&e->flows, from, sizeof(*from), &target, data, len);
}

void udp_entry_ready(struct udp_entry *e)
{
	udp_flows_receive(e->fd, on_datagram, e);
}
