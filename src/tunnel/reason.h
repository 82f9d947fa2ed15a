/** Why a channel ended: every channel ends in exactly one of these. */
#ifndef REASON_H
#define REASON_H

enum close_reason {
	REASON_NONE, /* it has not */
	/* orderly: both directions were carried to their end */
	REASON_CLIENT_CLOSE, /* the opener's side ended its direction first */
	REASON_SERVER_CLOSE, /* the accepter's side did */
	REASON_BOTH_CLOSE,   /* both at once */
	/* never opened */
	REASON_CONNECT_TIMEOUT,    /* no answer from the peer in time */
	REASON_NOT_ALLOWED,        /* the peer's rules forbid the target */
	REASON_NO_SUCH_HOST,       /* the target's name does not resolve at the peer */
	REASON_REFUSED_BY_TARGET,  /* nothing listens there */
	REASON_TARGET_UNREACHABLE, /* no route, network down */
	REASON_TARGET_TIMEOUT,     /* the target does not answer the peer */
	REASON_LIMIT,              /* too many channels, or no memory */
	REASON_UNSUPPORTED,        /* the peer cannot do what was asked (UDP, unix sockets) */
	REASON_CANNOT_LISTEN,      /* a listener's place is taken, or not the peer's to have */
	/* cut off */
	REASON_IDLE_TIMEOUT,
	REASON_RESUME_TIMEOUT, /* the peer was away for too long */
	REASON_RESET,          /* a local socket broke, at either end */
	REASON_PEER_RESTARTED,
	REASON_PROTOCOL_ERROR, /* the peer broke the rules of doc/protocol.md */
	REASON_SHUTDOWN,       /* one of the two programs ends */
	REASON_COUNT
};

/** "client_close" ...: as on the wire, in logs and in the stats. Never NULL. */
const char *reason_name(enum close_reason r);

/** REASON_RESET for a name that a later version may have invented. */
enum close_reason reason_parse(const char *name);

/** A sentence for the user: what happened and, where it helps, what to do. Never NULL. */
const char *reason_text(enum close_reason r);

#endif
