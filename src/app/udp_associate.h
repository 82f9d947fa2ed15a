/**
 * An association of the proxy (RFC 1928, UDP ASSOCIATE): a socket that one application sends
 * datagrams to, each with a header that says where to. Each destination is a flow. It lives for as
 * long as the connection that asked for it.
 */
#ifndef UDP_ASSOCIATE_H
#define UDP_ASSOCIATE_H

#include "app.h"

struct proxy;
struct udp_associate;

/**
 * For the application that has asked p for it (PROXY_ASSOCIATE) over `stream`; it is answered. The
 * forward stays the caller's. TT_OK, TT_EIO when there is no socket, TT_ENOMEM.
 */
int udp_associate_new(struct udp_associate **out, struct app *app, struct forward *forward,
	struct proxy *p, int stream);
/** Ends its flows. May be NULL. */
void udp_associate_free(struct udp_associate *a);

#endif
