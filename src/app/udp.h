/**
 * UDP forwards. Where we listen (udp_entry.c) each address that sends to us is a flow, a channel of
 * datagrams to the forward's server. Where we serve (udp_target.c) each flow of a peer has a socket
 * of its own, connected to the target. The proxy has flows too, see udp_associate.h.
 */
#ifndef UDP_H
#define UDP_H

#include "app.h"

/* Flows of this process, for all peers, of either side. */
#define UDP_FLOWS_MAX 8192

/* Of one turn of a socket: the others have theirs after it. */
#define UDP_TURN_DATAGRAMS 64
#define UDP_TURN_BYTES (256u << 10)

/** What listens for one forward on one address: its flows. */
struct udp_entry;

/** For a socket of net_udp_bind; it and the forward stay the caller's. TT_OK, TT_ENOMEM. */
int udp_entry_new(struct udp_entry **out, struct app *app, struct forward *forward, int fd);
/** Ends its flows. May be NULL. */
void udp_entry_free(struct udp_entry *e);
/** The socket is readable. */
void udp_entry_ready(struct udp_entry *e);

/** Does what a session asks for a channel of datagrams. */
void udp_on_action(struct app *app, struct peer *p, const struct session_action *a);

/** Closes the sockets of all targets at once; their channels are their sessions' business. */
void udp_targets_close(struct app *app);

/* the two halves of udp_on_action */
void udp_flows_on_action(struct app *app, struct peer *p, const struct session_action *a);
void udp_target_on_action(struct app *app, struct peer *p, const struct session_action *a);

#endif
