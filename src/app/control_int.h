/* What control.c (sockets), control_client.c (one connection) and the commands share;
 * control_peer.c has those that take their time with a peer. */
#ifndef CONTROL_INT_H
#define CONTROL_INT_H

#include "control.h"
#include "control_line.h"

struct control_client {
	struct app *app;
	struct control_client *next;
	int fd; /* -1: given away, or closed */
	struct loop_watch *watch;
	struct control_lines in;
	char *out; /* what the client has not taken yet */
	size_t out_len, out_cap;
	tt_time active_at; /* when a byte last moved, or the last answer ended */
	bool busy;         /* a request is being answered */
	bool closing;      /* no more requests: goes when its output is out */
	bool dead;         /* goes at the end of the round */

	/* An answer that takes time: `poll` is called each round, and at job_at at the latest,
	 * until it has called control_end. job_free is called once in any case. */
	void (*poll)(struct control_client *c);
	void (*cut)(struct control_client *c); /* ends it now with what there is; NULL: nothing */
	void (*job_free)(void *job);
	void *job;
	tt_time job_at;
};

/* ---- control_client.c ---- */

/* Takes ownership of fd, which does not block. NULL without memory, fd closed. */
struct control_client *control_client_new(struct app *app, int fd);
void control_client_free(struct control_client *c);
/* Ends it where it has been waiting for too long. */
void control_client_run(struct control_client *c);
tt_time control_client_deadline(const struct control_client *c);

/* A line for the standard output, or the standard error, of who asked. */
void control_out(struct control_client *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void control_error(struct control_client *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* How far it is, for whoever watches: stands for the line before it. */
void control_progress(struct control_client *c, const char *text);
/* A line of our protocol, complete but for its newline. */
void control_put(struct control_client *c, const char *json);
/* The answer is complete; `code` becomes the exit code. Frees the job. */
void control_end(struct control_client *c, int code);
/*
 * Gives the socket to the caller, who answers the request and ends the protocol on it. -1 when that
 * cannot be done, because the client did not wait for the answer or is gone.
 */
int control_detach(struct control_client *c);

/* A log whose lines go to the log of the process and to the client. */
struct control_tee {
	struct tt_log log;
	struct control_client *client;
};
void control_tee_init(struct control_tee *t, struct control_client *c);

/* ---- control_channels.c ---- */

/* `status` with `json`. */
void control_put_stats(struct control_client *c, const cJSON *request);
/* `end`. */
void control_run_end(struct control_client *c, const cJSON *request);

/* ---- control_commands.c ---- */

/* Answers one request: ends with control_end, or leaves a job that will. */
void control_dispatch(struct control_client *c, const cJSON *request);
/* The text that the request must have, or NULL, with the answer given. */
const char *control_need_text(struct control_client *c, const cJSON *request, const char *key);

/* ---- control_peer.c ---- */

void control_run_ping(struct control_client *c, const cJSON *request);
void control_run_bench(struct control_client *c, const cJSON *request);

#endif
