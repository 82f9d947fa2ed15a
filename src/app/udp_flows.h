/**
 * UDP flows that applications on this side have opened: each a channel of datagrams to a server of
 * a forward. What has them, the socket of a UDP forward or of an association of the proxy, tells
 * them apart by a key.
 */
#ifndef UDP_FLOWS_H
#define UDP_FLOWS_H

#include "app.h"
#include "net_udp.h"

struct udp_flow;

struct udp_flows {
	struct app *app;
	struct forward *forward; /* its servers carry them; the owner's */
	size_t max;              /* one more ends the one that was unused for longest */
	/* All flows have the same target: while it is left alone none is opened. */
	bool one_target;
	/* Hands a datagram of the peer to the application. False: the socket did not take it. */
	bool (*deliver)(
		void *owner, const void *key, size_t key_len, const struct datagram *datagram);
	void *owner;

	struct udp_flow *by_key; /* uthash */
	struct udp_flow *by_use; /* utlist: the one unused for longest first */
	size_t n;
	tt_time quiet_until; /* of one_target */
};

/** Sends a datagram by the flow of this key, which is opened to the target where there is none. */
void udp_flows_send(struct udp_flows *fs, const void *key, size_t key_len,
	const struct channel_target *target, const uint8_t *data, size_t len);

/** Ends all of them. */
void udp_flows_end(struct udp_flows *fs);

/** Takes what has come to a socket of an owner, as much as fits into one turn. */
void udp_flows_receive(int fd,
	void (*each)(void *owner, const struct net_udp_peer *from, const uint8_t *data, size_t len),
	void *owner);

/** Counts a datagram of an application that goes no further. */
void udp_flows_drop(struct app *app, enum dgram_drop why);

/** What applications and peers can cause without an end must not fill the log. */
bool udp_flows_may_log(struct app *app);

#endif
