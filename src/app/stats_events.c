/*
 * /events: server-sent events. A reader gets what has happened lately, then a snapshot each second
 * and every event as it happens. One that has not taken its last snapshot yet gets none; one that
 * does so for a while is dropped.
 */
#include "stats_int.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "tt_err.h"

#define READERS_MAX 16
#define EVENTS_KEPT 200
#define LATE_MAX 5 /* snapshots */

struct reader {
	struct stats_events *events;
	struct loop_http_stream *stream;
	unsigned late; /* snapshots that it did not get since the last one */
	struct reader *prev, *next;
};

struct stats_events {
	struct app *app;
	struct reader *readers;
	unsigned n_readers;
	uint64_t seq;            /* of the newest event */
	char *kept[EVENTS_KEPT]; /* messages, the one of `seq` at seq % EVENTS_KEPT */
};

struct stats_events *stats_events_new(struct app *app)
{
	struct stats_events *e = calloc(1, sizeof(*e));
	if (e)
		e->app = app;
	return e;
}

static void reader_free(struct reader *r)
{
	struct stats_events *e = r->events;

	if (r->prev)
		r->prev->next = r->next;
	else
		e->readers = r->next;
	if (r->next)
		r->next->prev = r->prev;
	e->n_readers--;
	loop_http_stream_free(r->stream);
	free(r);
}

void stats_events_free(struct stats_events *e)
{
	if (!e)
		return;
	while (e->readers)
		reader_free(e->readers);
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		free(e->kept[i]);
	free(e);
}

static void reader_gone(void *user)
{
	struct reader *r = user;
	r->stream = NULL;
	reader_free(r);
}

static void drop(struct reader *r)
{
	tt_debug(r->events->app->log, "a reader of /events is too slow and was dropped");
	reader_free(r);
}

static void send_or_drop(struct reader *r, const char *message)
{
	if (loop_http_stream_send(r->stream, message, strlen(message)) != TT_OK)
		drop(r);
}

static void send_snapshot(struct reader *r, const char *message)
{
	r->late = loop_http_stream_waiting(r->stream) ? r->late + 1 : 0;
	if (r->late == 0)
		send_or_drop(r, message);
	else if (r->late == LATE_MAX)
		drop(r);
}

/* The message with the state of now; NULL without memory. */
static char *snapshot(const struct app *app)
{
	const struct stats_choice busiest = {.max = STATS_CHANNELS_EVENTS};
	char *json = stats_json_channels(app, &busiest), *message = NULL;

	if (json && asprintf(&message, "event: snapshot\ndata: %s\n\n", json) < 0)
		message = NULL;
	free(json);
	return message;
}

bool stats_events_snapshot(struct stats_events *e)
{
	if (!e->readers)
		return false;
	char *message = snapshot(e->app);
	for (struct reader *r = e->readers, *next; message && r; r = next) {
		next = r->next;
		send_snapshot(r, message);
	}
	free(message);
	return e->readers != NULL;
}

void stats_events_add(struct stats_events *e, const char *type, const char *peer, const char *text)
{
	cJSON *o = cJSON_CreateObject();
	char *json = NULL, *message = NULL;

	cJSON_AddNumberToObject(o, "seq", (double)(e->seq + 1));
	cJSON_AddNumberToObject(o, "time_us", (double)loop_wall_us());
	cJSON_AddStringToObject(o, "type", type);
	cJSON_AddStringToObject(o, "peer", peer);
	cJSON_AddStringToObject(o, "text", text);
	json = cJSON_PrintUnformatted(o);
	cJSON_Delete(o);
	if (!json || asprintf(&message, "event: happened\ndata: %s\n\n", json) < 0) {
		free(json);
		return;
	}
	free(json);
	char **slot = &e->kept[++e->seq % EVENTS_KEPT];
	free(*slot);
	*slot = message;
	for (struct reader *r = e->readers, *next; r; r = next) {
		next = r->next;
		send_or_drop(r, message);
	}
}

/* What every reader gets first. */
static int send_start(struct stats_events *e, struct loop_http_stream *stream)
{
	static const char again[] =
		"retry: 2000\n\n"; /* milliseconds, after the connection broke */
	char *message = snapshot(e->app);
	int rc = message ? loop_http_stream_send(stream, again, sizeof(again) - 1) : TT_ENOMEM;

	for (size_t i = 1; rc == TT_OK && i <= EVENTS_KEPT; i++) {
		const char *kept = e->kept[(e->seq + i) % EVENTS_KEPT];
		if (kept)
			rc = loop_http_stream_send(stream, kept, strlen(kept));
	}
	if (rc == TT_OK)
		rc = loop_http_stream_send(stream, message, strlen(message));
	free(message);
	return rc;
}

void stats_events_serve(struct stats_events *e, struct loop_http_request *req)
{
	static const char type[] = "text/event-stream; charset=utf-8";
	static const char full[] = "too many readers of /events; close one of them\n";
	struct reader *r = NULL;

	if (loop_http_is_head(req)) {
		loop_http_reply(req, 200, type, "", 0);
		return;
	}
	if (e->n_readers < READERS_MAX)
		r = calloc(1, sizeof(*r));
	if (!r || loop_http_stream_new(&r->stream, req, type, reader_gone, r) != TT_OK) {
		free(r);
		loop_http_reply(req, 503, "text/plain; charset=utf-8", full, sizeof(full) - 1);
		return;
	}
	r->events = e;
	r->next = e->readers;
	if (r->next)
		r->next->prev = r;
	e->readers = r;
	e->n_readers++;
	/* What is missing when this fails comes with the next snapshot. */
	send_start(e, r->stream);
}
