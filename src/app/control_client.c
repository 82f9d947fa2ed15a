/* One connection of the control socket. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_int.h"
#include "tt_err.h"

/* A client that sends no request, or takes no byte of its answer, for so long is let go. */
#define SILENCE TT_S(30)
/* An answer may have a line for each of ten thousand channels. */
#define OUT_MAX (32u << 20)

static void flush(struct control_client *c)
{
	size_t sent = 0;

	while (sent < c->out_len && !c->dead) {
		ssize_t n = send(c->fd, c->out + sent, c->out_len - sent, MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		else if (n == 0 || errno != EINTR)
			c->dead = true;
	}
	if (sent > 0) {
		memmove(c->out, c->out + sent, c->out_len - sent);
		c->out_len -= sent;
		c->active_at = app_now(c->app);
	}
	if (c->closing && c->out_len == 0)
		c->dead = true;
	/* While it does not take the answer its next request is not read. */
	if (!c->dead && loop_watch_set(c->watch, c->out_len ? LOOP_WRITE : LOOP_READ) != TT_OK)
		c->dead = true;
}

static void put_bytes(struct control_client *c, const char *data, size_t n)
{
	if (c->dead)
		return;
	if (c->out_len + n > c->out_cap) {
		size_t cap = c->out_len + n < 4096 ? 4096 : 2 * (c->out_len + n);
		char *bigger = cap <= OUT_MAX ? realloc(c->out, cap) : NULL;
		if (!bigger) {
			c->dead = true;
			return;
		}
		c->out = bigger;
		c->out_cap = cap;
	}
	memcpy(c->out + c->out_len, data, n);
	c->out_len += n;
}

void control_put(struct control_client *c, const char *json)
{
	put_bytes(c, json, strlen(json));
	put_bytes(c, "\n", 1);
}

static void put_text(struct control_client *c, const char *key, const char *text)
{
	cJSON *o = cJSON_CreateObject();
	char *line = cJSON_AddStringToObject(o, key, text) ? cJSON_PrintUnformatted(o) : NULL;

	if (line)
		control_put(c, line);
	else
		c->dead = true;
	free(line);
	cJSON_Delete(o);
}

static void put_format(struct control_client *c, const char *key, const char *fmt, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0) {
		c->dead = true;
		return;
	}
	put_text(c, key, text);
	free(text);
}

void control_out(struct control_client *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_format(c, "out", fmt, ap);
	va_end(ap);
}

void control_error(struct control_client *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_format(c, "error", fmt, ap);
	va_end(ap);
}

void control_progress(struct control_client *c, const char *text)
{
	put_text(c, "progress", text);
}

static void free_job(struct control_client *c)
{
	if (c->job_free)
		c->job_free(c->job);
	c->poll = NULL;
	c->cut = NULL;
	c->job_free = NULL;
	c->job = NULL;
	c->job_at = TT_TIME_NEVER;
}

void control_end(struct control_client *c, int code)
{
	char line[32];

	snprintf(line, sizeof(line), "{\"exit\":%d}", code);
	control_put(c, line);
	free_job(c);
	c->busy = false;
	c->active_at = app_now(c->app);
}

int control_detach(struct control_client *c)
{
	int fd = c->fd;

	if (c->dead || c->out_len > 0 || control_lines_rest(&c->in) > 0)
		return -1;
	loop_watch_free(c->watch);
	c->watch = NULL;
	c->fd = -1;
	c->dead = true;
	return fd;
}

static void tee_write(void *user, enum tt_log_level level, const char *line)
{
	const struct control_tee *t = user;

	tt_log_at(t->client->app->log, level, "%s", line);
	put_text(t->client, level < TT_LOG_INFO ? "error" : "out", line);
}

void control_tee_init(struct control_tee *t, struct control_client *c)
{
	t->log = (struct tt_log){.write = tee_write, .user = t, .level = TT_LOG_INFO};
	t->client = c;
}

/* Answers what is there, one request after the other. */
static void answer(struct control_client *c)
{
	char *line;

	while (!c->busy && !c->dead && c->out_len == 0 && (line = control_lines_next(&c->in))) {
		cJSON *request = control_object(line);
		c->busy = true;
		if (request) {
			control_dispatch(c, request);
		} else {
			control_error(c, "a request is one JSON object in a line");
			control_end(c, EXIT_USAGE);
			c->closing = true;
		}
		cJSON_Delete(request);
		flush(c);
	}
}

static void receive(struct control_client *c)
{
	char buf[4096];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n == 0 && c->cut) {
		c->cut(c);
		c->closing = true;
		flush(c);
		return;
	}
	if (n <= 0) { /* nobody waits for the rest of an answer either */
		c->dead = true;
		return;
	}
	c->active_at = app_now(c->app);
	if (control_lines_add(&c->in, buf, (size_t)n) != TT_OK) {
		control_error(c, "requests that wait have at most %d bytes", CONTROL_LINE_MAX);
		control_end(c, EXIT_USAGE);
		c->closing = true;
		flush(c);
	}
}

static void on_ready(void *user, unsigned events)
{
	struct control_client *c = user;

	if (c->dead)
		return;
	if (events & LOOP_WRITE)
		flush(c);
	else if (!c->closing)
		receive(c);
	answer(c);
}

struct control_client *control_client_new(struct app *app, int fd)
{
	struct control_client *c = calloc(1, sizeof(*c));

	if (!c || loop_watch_new(&c->watch, app->loop, fd, LOOP_READ, on_ready, c) != TT_OK) {
		free(c);
		close(fd);
		return NULL;
	}
	c->app = app;
	c->fd = fd;
	c->in.max = CONTROL_LINE_MAX;
	c->active_at = app_now(app);
	c->job_at = TT_TIME_NEVER;
	return c;
}

void control_client_free(struct control_client *c)
{
	free_job(c);
	loop_watch_free(c->watch);
	if (c->fd >= 0)
		close(c->fd);
	control_lines_clear(&c->in);
	free(c->out);
	free(c);
}

/* When it is let go unless something moves; a job without output has its own time. */
static tt_time silent_at(const struct control_client *c)
{
	return c->busy && c->out_len == 0 ? TT_TIME_NEVER : c->active_at + SILENCE;
}

void control_client_run(struct control_client *c)
{
	if (c->poll && !c->dead) {
		c->poll(c);
		flush(c);
		answer(c);
	}
	if (app_now(c->app) >= silent_at(c))
		c->dead = true;
}

tt_time control_client_deadline(const struct control_client *c)
{
	return c->dead ? 0 : tt_time_min(c->job_at, silent_at(c));
}
