/* Answers that have no end, for server-sent events. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>

#include "loop_http_int.h"
#include "tt_err.h"

#define STREAM_BUFFER_MAX (4u << 20)
/* Nothing could be written for so long: there is nobody, or nobody who reads. */
#define STREAM_TIMEOUT_S 30

struct loop_http_stream {
	struct loop *loop;
	struct evhttp_request *req;
	void (*closed)(void *user);
	void *user;
};

/* evhttp calls it before it frees the connection, whoever wants that. */
static void on_close(struct evhttp_connection *conn, void *arg)
{
	struct loop_http_stream *s = arg;

	(void)conn;
	loop_woken(s->loop);
	/* A request that evhttp has taken off its connection is ours to free. */
	if (!evhttp_request_get_connection(s->req))
		evhttp_send_reply_end(s->req);
	if (s->closed)
		s->closed(s->user);
	free(s);
}

int loop_http_stream_new(struct loop_http_stream **out, struct loop_http_request *req,
	const char *content_type, void (*closed)(void *user), void *user)
{
	static const struct timeval patience = {.tv_sec = STREAM_TIMEOUT_S};
	struct evhttp_connection *conn = evhttp_request_get_connection(req->req);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req->req);
	struct loop_http_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return TT_ENOMEM;
	*s = (struct loop_http_stream){
		.loop = req->loop, .req = req->req, .closed = closed, .user = user};
	req->replied = true;
	evhttp_add_header(headers, "Content-Type", content_type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	evhttp_connection_set_closecb(conn, on_close, s);
	evhttp_send_reply_start(req->req, 200, NULL);
	/* A reader has nothing to say: its silence is no reason to part. */
	bufferevent_set_timeouts(evhttp_connection_get_bufferevent(conn), NULL, &patience);
	*out = s;
	return TT_OK;
}

size_t loop_http_stream_waiting(const struct loop_http_stream *s)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(s->req);
	return evbuffer_get_length(bufferevent_get_output(evhttp_connection_get_bufferevent(conn)));
}

int loop_http_stream_send(struct loop_http_stream *s, const void *data, size_t len)
{
	struct evbuffer *buf;

	if (loop_http_stream_waiting(s) > STREAM_BUFFER_MAX)
		return TT_EAGAIN;
	buf = evbuffer_new();
	if (!buf || evbuffer_add(buf, data, len) != 0) {
		if (buf)
			evbuffer_free(buf);
		return TT_ENOMEM;
	}
	evhttp_send_reply_chunk(s->req, buf);
	evbuffer_free(buf);
	return TT_OK;
}

void loop_http_stream_free(struct loop_http_stream *s)
{
	if (!s)
		return;
	s->closed = NULL;
	evhttp_connection_free(evhttp_request_get_connection(s->req));
}
