/**
 * Listeners that one side of a session has at the other: reverse forwards. The asker says where the
 * peer shall listen and keeps the target to itself; the peer's rules decide; each connection there
 * becomes a channel (WIRE_REVERSE) that names the listener and nothing else, so that it cannot
 * reach another target.
 *
 * A listener lives no longer than what its peer knows of it: it ends when the asker gives it up, is
 * restarted, or is away for longer than resume_timeout_us, and when the rules change. The asker
 * asks again whenever the peer may have forgotten.
 */
#ifndef LISTEN_H
#define LISTEN_H

#include "access.h"
#include "session.h"

#define SESSION_LISTENS_MAX 1024 /* listeners of one peer, and at one peer */
/* What may be another way later, such as a port that is taken, is asked for again after this. */
#define SESSION_LISTEN_RETRY TT_S(5)

/* ---- the asker ---- */

struct listen_request {
	const char *host; /* numeric address without brackets, "localhost", "*", or a path */
	bool path;        /* a unix socket */
	uint16_t port;    /* 0: the peer chooses one, and the same again for as long as it can */
	struct channel_target target; /* where its connections go; proto WIRE_TCP or WIRE_UNIX */
};

/**
 * Asks the peer, now or when it is there. `user` names the listener and comes back with its news;
 * not NULL. TT_OK, TT_ELIMIT, TT_ENOMEM, TT_EINVAL for texts that cannot be said.
 */
int session_listen(struct session *s, const struct listen_request *r, void *user, tt_time now);

/** Wants it no more; connections that are open stay. Passes over a user that has none. */
void session_unlisten(struct session *s, const void *user);

enum listen_state {
	LISTEN_ASKED,   /* no answer yet */
	LISTEN_OPEN,    /* the peer listens */
	LISTEN_REFUSED, /* it does not, for `reason` */
};

struct listen_info {
	enum listen_state state;
	uint16_t port; /* OPEN: the one that counts, 0 for a unix socket */
	enum close_reason reason;
	const char *text; /* REFUSED: the peer's words, "" when there are none; the listener's */
};

/** False when this user has no listener here. */
bool session_listen_info(const struct session *s, const void *user, struct listen_info *out);

/* ---- both ---- */

enum listen_action_type {
	LISTEN_ACTION_OPEN,  /* listen, then session_listen_opened, before the next action */
	LISTEN_ACTION_CLOSE, /* stop listening; the session has forgotten it */
	LISTEN_ACTION_NEWS,  /* asker: session_listen_info says something else */
};

struct listen_action {
	enum listen_action_type type;
	void *user; /* CLOSE: as given to session_listen_opened; NEWS: to session_listen */
	/* OPEN */
	uint32_t lid;
	const char *path;        /* of a unix socket, else NULL and `at`; the listener's */
	struct access_listen at; /* what the rules allow of what was asked for */
	const char *tunnel;      /* the asker's name for it; the listener's */
};

/** Takes the next one; false when there is none. */
bool session_next_listen_action(struct session *s, struct listen_action *out);

/**
 * Answers LISTEN_ACTION_OPEN. REASON_NONE: it listens, on `port`; its channels are opened with
 * `lid`. Otherwise why not, `text` being for the asker's user, and the session forgets it.
 */
void session_listen_opened(struct session *s, uint32_t lid, void *user, enum close_reason why,
	uint16_t port, const char *text, tt_time now);

#endif
