#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop_http_int.h"
#include "tt_err.h"

#define HTTP_HEADERS_MAX 16384
#define HTTP_BODY_MAX 65536
#define HTTP_TIMEOUT_S 10
#define HTTP_CONNECTIONS_MAX 64
/* For one round of the loop. libevent's 16 kB make a large answer take dozens of them. */
#define HTTP_WRITE_MAX (1 << 20)

/* A connection that evhttp has accepted. A descriptor's number is used again, its inode is not. */
struct http_connection {
	int fd;
	ino_t inode;
};

struct loop_http {
	struct loop *loop;
	struct evhttp *http;
	struct evconnlistener *listener; /* evhttp's */
	struct http_connection connections[HTTP_CONNECTIONS_MAX];
	unsigned n_connections;
	/* Buffers of connections accepted in this round, whose descriptors are noted right after.
	 */
	struct bufferevent *fresh[HTTP_CONNECTIONS_MAX];
	unsigned n_fresh;
	struct event *note;
	struct event *sweep; /* pending while the listener is off */
	uint16_t port;
	bool loopback_only;
	void (*handle)(void *user, struct loop_http_request *req, const char *path);
	void *user;
};

void loop_http_reply(struct loop_http_request *req, int status, const char *content_type,
	const void *body, size_t len)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(req->req);
	struct evbuffer *buf = NULL;
	char length[24];

	if (req->replied)
		return;
	req->replied = true;
	snprintf(length, sizeof(length), "%zu", len);
	evhttp_add_header(out, "Content-Length", length);
	evhttp_add_header(out, "Content-Type", content_type);
	evhttp_add_header(out, "Cache-Control", "no-store");
	evhttp_add_header(out, "X-Content-Type-Options", "nosniff");
	if (!req->head && len > 0) {
		buf = evbuffer_new();
		if (!buf || evbuffer_add(buf, body, len) != 0) {
			evhttp_remove_header(out, "Content-Length");
			status = 500;
		}
	}
	evhttp_send_reply(req->req, status, NULL, buf);
	if (buf)
		evbuffer_free(buf);
}

void loop_http_header(struct loop_http_request *req, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(req->req), name, value);
}

bool loop_http_is_head(const struct loop_http_request *req)
{
	return req->head;
}

int loop_http_query(const struct loop_http_request *req, const char *name, char *value, size_t cap)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req->req));
	struct evkeyvalq pairs;
	int rc = TT_ENOENT;

	if (!query)
		return rc;
	if (evhttp_parse_query_str(query, &pairs) != 0)
		return TT_EINVAL;
	const char *found = evhttp_find_header(&pairs, name);
	if (found)
		rc = (size_t)snprintf(value, cap, "%s", found) < cap ? TT_OK : TT_EINVAL;
	evhttp_clear_headers(&pairs);
	return rc;
}

static void reply_text(struct loop_http_request *req, int status, const char *text)
{
	loop_http_reply(req, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void on_request(struct evhttp_request *ev, void *arg)
{
	struct loop_http *h = arg;
	enum evhttp_cmd_type method = evhttp_request_get_command(ev);
	struct loop_http_request req = {
		.req = ev, .loop = h->loop, .head = method == EVHTTP_REQ_HEAD};
	const char *host = evhttp_find_header(evhttp_request_get_input_headers(ev), "Host");
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(ev);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

	loop_woken(h->loop);
	if (h->loopback_only && !tt_addr_host_is_loopback(host)) {
		/* A web page that points its own name here must not read us (DNS rebinding). */
		reply_text(&req, 403, "This service answers to localhost only.\n");
		return;
	}
	if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		evhttp_add_header(evhttp_request_get_output_headers(ev), "Allow", "GET, HEAD");
		reply_text(&req, 405, "Only GET and HEAD are allowed.\n");
		return;
	}
	h->handle(h->user, &req, path && path[0] ? path : "/");
	if (!req.replied)
		reply_text(&req, 500, "The request was not answered.\n");
}

static bool connection_lives(const struct http_connection *c)
{
	struct stat st;
	return fstat(c->fd, &st) == 0 && st.st_ino == c->inode;
}

/*
 * Forgets the connections that have ended. evhttp has no limit of connections and does not say when
 * one ends; holding a reference to its buffers would keep them watching a descriptor that evhttp
 * has closed.
 */
static void connections_sweep(struct loop_http *h)
{
	for (unsigned i = 0; i < h->n_connections;) {
		if (connection_lives(&h->connections[i]))
			i++;
		else
			h->connections[i] = h->connections[--h->n_connections];
	}
}

/* evhttp gives the buffers their descriptor after on_connection; nothing else ran since. */
static void on_note(evutil_socket_t fd, short what, void *arg)
{
	struct loop_http *h = arg;
	struct stat st;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < h->n_fresh; i++) {
		int at = (int)bufferevent_getfd(h->fresh[i]);
		if (at >= 0 && fstat(at, &st) == 0)
			h->connections[h->n_connections++] =
				(struct http_connection){.fd = at, .inode = st.st_ino};
	}
	h->n_fresh = 0;
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct loop_http *h = arg;
	connections_sweep(h);
	if (h->n_connections + h->n_fresh < HTTP_CONNECTIONS_MAX) {
		evtimer_del(h->sweep);
		evconnlistener_enable(h->listener);
	}
}

/* Makes the buffers of a new connection, which evhttp takes over. */
static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
	static const struct timeval every = {.tv_usec = 50000};
	struct loop_http *h = arg;

	connections_sweep(h);
	struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
	if (bev)
		bufferevent_set_max_single_write(bev, HTTP_WRITE_MAX);
	if (!bev || h->n_connections + h->n_fresh == HTTP_CONNECTIONS_MAX)
		return bev;
	h->fresh[h->n_fresh++] = bev;
	event_active(h->note, EV_TIMEOUT, 0);
	if (h->n_connections + h->n_fresh == HTTP_CONNECTIONS_MAX) {
		/* the rest waits in the listen queue */
		evconnlistener_disable(h->listener);
		event_add(h->sweep, &every);
	}
	return bev;
}

static int os_error(int err)
{
	switch (err) {
	case EADDRINUSE:
		return TT_EBUSY;
	case EACCES:
	case EPERM:
		return TT_EPERM;
	case ENOMEM:
		return TT_ENOMEM;
	default:
		return TT_EIO;
	}
}

/* A listening socket in *out, and its port. */
static int http_listen(const struct tt_addr *addr, uint16_t port, int *out, uint16_t *bound)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = {0};
	socklen_t len = addr->family == 6 ? sizeof(a.v6) : sizeof(a.v4);
	int on = 1;

	if (addr->family == 6) {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons(port);
		memcpy(&a.v6.sin6_addr, addr->bytes, 16);
	} else if (addr->family == 4) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons(port);
		memcpy(&a.v4.sin_addr, addr->bytes, 4);
	} else {
		return TT_EIO;
	}
	int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return os_error(errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr->family == 6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &a.sa, len) != 0 || listen(fd, 16) != 0 || getsockname(fd, &a.sa, &len) != 0) {
		int rc = os_error(errno);
		close(fd);
		return rc;
	}
	*bound = ntohs(addr->family == 6 ? a.v6.sin6_port : a.v4.sin_port);
	*out = fd;
	return TT_OK;
}

int loop_http_new(struct loop_http **out, struct loop *loop, const struct tt_addr *addr,
	uint16_t port, bool loopback_only,
	void (*handle)(void *user, struct loop_http_request *req, const char *path), void *user)
{
	int fd = -1;
	struct loop_http *h = calloc(1, sizeof(*h));
	if (!h)
		return TT_ENOMEM;
	h->loop = loop;
	h->loopback_only = loopback_only;
	h->handle = handle;
	h->user = user;
	int rc = http_listen(addr, port, &fd, &h->port);
	if (rc != TT_OK)
		goto out;
	rc = TT_ENOMEM;
	h->http = evhttp_new(loop->base);
	h->sweep = event_new(loop->base, -1, EV_PERSIST, on_sweep, h);
	h->note = event_new(loop->base, -1, 0, on_note, h);
	if (!h->http || !h->sweep || !h->note)
		goto out;
	evhttp_set_max_headers_size(h->http, HTTP_HEADERS_MAX);
	evhttp_set_max_body_size(h->http, HTTP_BODY_MAX);
	evhttp_set_timeout(h->http, HTTP_TIMEOUT_S);
	/* All that evhttp knows, so that the others get our 405 and not its 501. */
	evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
						    EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
						    EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
						    EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(h->http, on_request, h);
	evhttp_set_bevcb(h->http, on_connection, h);
	struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(h->http, fd);
	if (!bound)
		goto out;
	fd = -1; /* evhttp's now */
	h->listener = evhttp_bound_socket_get_listener(bound);
	*out = h;
	h = NULL;
	rc = TT_OK;
out:
	if (fd >= 0)
		close(fd);
	loop_http_free(h);
	return rc;
}

void loop_http_free(struct loop_http *h)
{
	if (!h)
		return;
	if (h->sweep)
		event_free(h->sweep);
	if (h->note)
		event_free(h->note);
	if (h->http)
		evhttp_free(h->http);
	free(h);
}

uint16_t loop_http_port(const struct loop_http *h)
{
	return h->port;
}
