/** The command's end of the control socket: one request, and its answer on the screen. */
#ifndef CONTROL_ASK_H
#define CONTROL_ASK_H

#include <cjson/cJSON.h>

#include "app.h"

/* The figures of ten thousand connections are a few megabytes. */
#define CONTROL_ASK_ANSWER_MAX (64u << 20)

struct live_line;

struct control_ask {
	int fd;
	int err; /* errno of why it is not open, or does not answer; 0: it has ended */
	const struct tt_log *log;
	char *dir;
	int patience_ms;
	int interrupt;              /* see control_ask_heed_interrupt; -1: not heeded */
	struct live_line *progress; /* NULL: how far it is, is not shown */
};

/** True when a process on the configuration's data directory answers; nothing is said if not. */
bool control_ask_open(struct control_ask *a, const struct conf *conf, const struct tt_log *log);

/** Says why there is no answer, as far as control_ask.err and the path tell. */
void control_ask_say_why(const struct conf *conf, const struct tt_log *log, int err);

/** From now on the first SIGINT does not end us but asks for what there is of the answer. */
void control_ask_heed_interrupt(struct control_ask *a);

/** A request for this command; NULL without memory, which the others below take. */
cJSON *control_ask_request(const char *command);
/** Adds the peers, by their Tox IDs or keys. */
void control_ask_peers(cJSON *request, const struct tt_peer_id *ids, size_t n);

/** Sends a request, whose answer is the caller's to read. 0, or -1 with errno. */
int control_ask_send(const struct control_ask *a, const cJSON *request);

/**
 * Sends the request and shows its answer until that is over. An exit code. Takes ownership of the
 * request and closes `a`.
 */
int control_ask_run(struct control_ask *a, cJSON *request);

/**
 * Sends a request `stream` (NULL: it has been made by other means) and shows its answer until that
 * is over or the stream begins. EXIT_OK: a->fd is the stream; another exit code: there is none; or
 * CONTROL_ASK_GONE: nobody answers any more, about which nothing was said. Takes ownership of the
 * request; `a` stays open.
 */
int control_ask_stream(struct control_ask *a, cJSON *request);
#define CONTROL_ASK_GONE (-1)

void control_ask_close(struct control_ask *a);

/** The whole: as above, and a clear sentence when no process answers. */
int control_ask(const struct conf *conf, const struct tt_log *log, cJSON *request);

#endif
