/* What conn.c (life), conn_pump.c (bytes) and conn_dial.c (the accepter's connect) share. */
#ifndef CONN_INT_H
#define CONN_INT_H

#include "conn.h"
#include "peer.h"

/* What one direction of a connection waits for. */
enum pump {
	PUMP_CHANNEL, /* the channel: space to write to, or bytes to read */
	PUMP_SOCKET,  /* the socket, likewise */
	PUMP_TURN,    /* there is more to do: after the others */
	PUMP_OVER,    /* nothing will come any more, or the channel was aborted */
};

struct bench_service;
struct dial;

/* There may be ten thousand: what only some of them need is behind a pointer. */
struct conn {
	struct app *app;
	struct conn *prev, *next;
	struct conn *wait_next;
	struct forward *forward; /* opener, a reference: NULL when the program itself opened it */
	struct conn_owner owner; /* of a connection without a forward */
	struct peer *peer;       /* NULL while none is chosen */
	struct channel *channel; /* NULL while waiting */
	struct dial *dial;       /* accepter, until it is connected */
	struct bench_service *service; /* accepter: at the other end of fd, in place of a target */
	struct proxy *proxy;           /* opener, until it is open: asks the application where to */
	struct udp_associate *associate; /* opener: in place of a channel */
	conn_answer
		*answer; /* opener: how the application is told of its opening; NULL: not at all */
	struct loop_watch *watch;
	struct app_timer timer; /* of waiting, between attempts to connect, or of PUMP_TURN */
	int fd;                 /* -1: none */
	uint8_t interest;       /* what the watch waits for now, LOOP_READ and LOOP_WRITE */
	uint8_t out, in;        /* enum pump: from the socket to the peer, and back */
	bool open;              /* the channel is open */
	bool waiting;           /* in app->waiting */
	uint8_t server;         /* opener: which of the forward's it was opened at last */
	uint16_t tried;         /* ... bits 1 << server */
	tt_time open_by;        /* ... of several: until when it must be open */
};

/* conn.c */
struct conn *conn_new(struct app *app);
/*
 * It may still go to another server of its forward, since none has got anything of it: nothing is
 * read from its socket before the channel is open. That costs a round trip, so where there is one
 * server only the first bytes go at once.
 */
bool conn_may_move(const struct conn *c);
/* Watches c->fd, with conn_ready. */
int conn_watch(struct conn *c, unsigned events);
void conn_set_interest(struct conn *c, unsigned events);
/* Cuts the channel off; ACTION_CLOSED comes of it. */
void conn_cut(struct conn *c, enum close_reason why);
/* `hard`: with a RST. */
void conn_close_fd(struct conn *c, bool hard);
/* Frees the connection; its channel must be closed or be nobody's. */
void conn_free(struct conn *c, bool hard);
/* Opens a channel to the target, now or when a peer is ready. */
void conn_request(struct conn *c);

/* conn_pump.c: moves what can be moved in both directions. `events` are those of the watch. */
void conn_pump(struct conn *c, unsigned events);

/* conn_proxy.c: until there is a channel, or always where there is an association. The connection
 * may be gone afterwards. */
void conn_proxy_start(struct conn *c);
void conn_proxy_ready(struct conn *c);
/* Tells the application that it is open (REASON_NONE), or why not. */
void conn_proxy_tell(struct conn *c, enum close_reason why);

/* conn_dial.c */
void conn_resolve(struct conn *c, const struct session_action *a);
void conn_dial(struct conn *c, const struct session_action *a);
/* It is time for the next address. */
void conn_dial_timeout(struct conn *c);
/* d may be NULL. */
void conn_dial_free(struct dial *d);

#endif
