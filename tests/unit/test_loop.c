/* The event loop: deadlines, descriptors, signals, names, HTTP. Nothing leaves this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "loop_int.h"
#include "tt_err.h"

struct fixture {
	struct loop *loop;
	char dir[64], resolv_conf[80], hosts[80];
};

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/test_loop.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->resolv_conf, sizeof(f->resolv_conf), "%s/resolv.conf", f->dir);
	snprintf(f->hosts, sizeof(f->hosts), "%s/hosts", f->dir);
	write_file(f->hosts, "127.0.0.1 localhost\n::1 localhost\n192.0.2.7 printer.example\n");
	assert_int_equal(loop_new(&f->loop, NULL), TT_OK);
	loop_dns_files(f->loop, f->resolv_conf, f->hosts);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	loop_free(f->loop);
	unlink(f->resolv_conf);
	unlink(f->hosts);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void deadline_ends_the_wait_within_a_millisecond(void **state)
{
	struct fixture *f = *state;
	tt_time best = TT_TIME_NEVER;

	for (int i = 0; i < 50; i++) {
		tt_time start = loop_clock(f->loop);
		assert_int_equal(loop_run_once(f->loop, start + 100), TT_OK);
		assert_true(loop_now(f->loop) >= start + 100);
		best = tt_time_min(best, loop_now(f->loop) - start);
	}
	assert_true(best < 900); /* a clock of milliseconds would take at least 1,000 us */
	tt_time start = loop_clock(f->loop);
	assert_int_equal(loop_run_once(f->loop, start + TT_MS(30)), TT_OK);
	assert_in_range(loop_now(f->loop) - start, TT_MS(30), TT_MS(500));
}

static void passed_deadline_only_polls(void **state)
{
	struct fixture *f = *state;
	tt_time start = loop_clock(f->loop);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(loop_run_once(f->loop, i % 2 ? 0 : start), TT_OK);
	assert_true(loop_now(f->loop) - start < TT_S(1));
}

static void wall_clock_is_of_this_century(void **state)
{
	(void)state;
	assert_true(loop_wall_us() > UINT64_C(1700000000) * 1000000);
}

struct seen {
	struct loop_watch *watch, *other;
	unsigned events;
	int calls;
	bool free_both;
};

static void on_ready(void *user, unsigned events)
{
	struct seen *s = user;
	s->events |= events;
	s->calls++;
	if (s->free_both) {
		loop_watch_free(s->watch);
		loop_watch_free(s->other);
		s->watch = s->other = NULL;
	}
}

static void deadline_is_kept_after_another_was_given_up(void **state)
{
	struct fixture *f = *state;
	struct loop_watch *w = NULL;
	struct seen s = {0};
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	for (int later = 0; later < 2; later++) {
		tt_time start = loop_clock(f->loop), end = start + TT_MS(60);
		assert_int_equal(
			loop_watch_new(&w, f->loop, fds[0], LOOP_READ, on_ready, &s), TT_OK);
		assert_int_equal(
			loop_run_once(f->loop, start + (later ? TT_S(20) : TT_MS(30))), TT_OK);
		loop_watch_free(w);
		assert_int_equal(s.calls, later + 1); /* the deadline was not waited for */
		int waits = 0;
		for (; loop_now(f->loop) < end; waits++)
			assert_int_equal(loop_run_once(f->loop, end), TT_OK);
		assert_in_range(waits, 1, 2); /* an earlier one may end a wait once */
		assert_in_range(loop_now(f->loop) - start, TT_MS(60), TT_MS(500));
	}
	close(fds[0]);
	close(fds[1]);
}

static void watch_reports_only_what_is_asked_for(void **state)
{
	struct fixture *f = *state;
	struct seen s = {0};
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_int_equal(loop_watch_new(&s.watch, f->loop, fd[0], 0, on_ready, &s), TT_OK);
	assert_int_equal(write(fd[1], "x", 1), 1);

	loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(5));
	assert_int_equal(s.calls, 0);

	assert_int_equal(loop_watch_set(s.watch, LOOP_READ), TT_OK);
	assert_int_equal(loop_watch_set(s.watch, LOOP_READ), TT_OK);
	loop_run_once(f->loop, TT_TIME_NEVER);
	assert_int_equal(s.events, LOOP_READ);

	s.events = 0;
	assert_int_equal(loop_watch_set(s.watch, LOOP_READ | LOOP_WRITE), TT_OK);
	loop_run_once(f->loop, TT_TIME_NEVER);
	assert_int_equal(s.events, LOOP_READ | LOOP_WRITE); /* still readable: level-triggered */

	s.events = 0;
	assert_int_equal(loop_watch_set(s.watch, LOOP_WRITE), TT_OK);
	loop_run_once(f->loop, TT_TIME_NEVER);
	assert_int_equal(s.events, LOOP_WRITE);

	s.calls = 0;
	assert_int_equal(loop_watch_set(s.watch, 0), TT_OK);
	loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(5));
	assert_int_equal(s.calls, 0);
	loop_watch_free(s.watch);
	close(fd[0]);
	close(fd[1]);
}

static void watches_may_be_freed_inside_their_callback(void **state)
{
	struct fixture *f = *state;
	struct seen s = {.free_both = true};
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_int_equal(write(fd[0], "x", 1), 1);
	assert_int_equal(write(fd[1], "x", 1), 1);
	unsigned both = LOOP_READ | LOOP_WRITE;
	assert_int_equal(loop_watch_new(&s.watch, f->loop, fd[0], both, on_ready, &s), TT_OK);
	assert_int_equal(loop_watch_new(&s.other, f->loop, fd[1], both, on_ready, &s), TT_OK);
	loop_run_once(f->loop, TT_TIME_NEVER);
	assert_int_equal(s.calls, 1); /* the three other calls that were due are gone with them */
	loop_watch_free(NULL);
	close(fd[0]);
	close(fd[1]);
}

struct raised {
	struct loop_signal *sig;
	int signo, calls;
};

static void on_raised(void *user, int signo)
{
	struct raised *r = user;
	r->signo = signo;
	if (++r->calls == 2) {
		loop_signal_free(r->sig);
		r->sig = NULL;
	}
}

static void signal_calls_from_the_loop(void **state)
{
	struct fixture *f = *state;
	struct raised r = {0};
	assert_int_equal(loop_signal_new(&r.sig, f->loop, SIGUSR1, on_raised, &r), TT_OK);
	for (int i = 0; i < 2; i++) {
		raise(SIGUSR1);
		assert_int_equal(r.calls, i);
		for (int n = 0; n < 10 && r.calls == i; n++)
			loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(100));
		assert_int_equal(r.calls, i + 1);
	}
	assert_int_equal(r.signo, SIGUSR1);
	assert_null(r.sig);
}

struct answer {
	struct loop_resolve *resolve;
	int calls;
	size_t n;
	struct tt_addr addrs[16];
	char error[128];
	bool free_inside;
};

static void on_done(void *user, const struct tt_addr *addrs, size_t n, const char *error)
{
	struct answer *a = user;
	a->calls++;
	a->n = n;
	memcpy(a->addrs, addrs, n * sizeof(*addrs));
	snprintf(a->error, sizeof(a->error), "%s", error ? error : "");
	if (a->free_inside) {
		loop_resolve_free(a->resolve);
		a->resolve = NULL;
	}
}

/* Resolves and waits at most 10 s; returns the number of addresses. */
static size_t resolve(struct fixture *f, const char *host, struct answer *a)
{
	*a = (struct answer){0};
	assert_int_equal(loop_resolve_new(&a->resolve, f->loop, host, on_done, a), TT_OK);
	assert_int_equal(a->calls, 0);
	tt_time end = loop_clock(f->loop) + TT_S(10);
	while (a->calls == 0 && loop_clock(f->loop) < end)
		loop_run_once(f->loop, end);
	assert_int_equal(a->calls, 1);
	loop_run_once(f->loop, 0);
	assert_int_equal(a->calls, 1);
	loop_resolve_free(a->resolve);
	return a->n;
}

static bool has(const struct answer *a, const char *text)
{
	struct tt_addr want;
	assert_int_equal(tt_addr_parse(text, &want), TT_OK);
	for (size_t i = 0; i < a->n; i++) {
		if (tt_addr_equal(&a->addrs[i], &want))
			return true;
	}
	return false;
}

static void numeric_hosts_and_hosts_file_need_no_name_server(void **state)
{
	struct fixture *f = *state; /* there is no resolv.conf at all */
	struct answer a;
	assert_int_equal(resolve(f, "127.0.0.1", &a), 1);
	assert_true(has(&a, "127.0.0.1"));
	assert_int_equal(resolve(f, "::1", &a), 1);
	assert_int_equal(resolve(f, "[::1]", &a), 1);
	assert_true(has(&a, "::1"));
	assert_int_equal(resolve(f, "localhost", &a), 2);
	assert_true(has(&a, "127.0.0.1") && has(&a, "::1"));
	assert_int_equal(resolve(f, "printer.example", &a), 1);
	assert_true(has(&a, "192.0.2.7"));
	assert_string_equal(a.error, "");
}

static void name_without_name_server_fails_with_a_text(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	char longest[300];
	tt_time start = loop_clock(f->loop);
	assert_int_equal(resolve(f, "nowhere.example", &a), 0);
	assert_non_null(strstr(a.error, "no name server"));
	assert_true(loop_clock(f->loop) - start < TT_S(1));
	assert_int_equal(resolve(f, "", &a), 0);
	assert_true(a.error[0] != '\0');
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(resolve(f, longest, &a), 0);
	assert_true(a.error[0] != '\0');
}

static void changed_hosts_file_is_read_again(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	assert_int_equal(resolve(f, "scanner.example", &a), 0);
	unlink(f->hosts);
	write_file(f->hosts, "192.0.2.8 scanner.example\n");
	assert_int_equal(resolve(f, "scanner.example", &a), 1);
	assert_int_equal(resolve(f, "printer.example", &a), 0);
}

/* A name server on loopback: A gives 192.0.2.1, AAAA 2001:db8::1; "no.*" does not exist. */
struct name_server {
	int fd;
	int queries;
	bool mute;
};

static void on_query(void *user, unsigned events)
{
	(void)events;
	static const uint8_t a[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
	static const uint8_t aaaa[] = {0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0x20, 0x01, 0x0d,
		0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
	struct name_server *ns = user;
	uint8_t msg[1024];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(ns->fd, msg, 512, 0, (struct sockaddr *)&from, &from_len);
	if (n < 17)
		return;
	ns->queries++;
	if (ns->mute)
		return;
	size_t len = 12;
	while (msg[len])
		len += msg[len] + 1u;
	bool six = msg[len + 2] == 28;
	len += 5;
	bool exists = !(msg[12] == 2 && (msg[13] | 32) == 'n' && (msg[14] | 32) == 'o');
	msg[2] = 0x81;
	msg[3] = exists ? 0x80 : 0x83;
	msg[7] = exists; /* answers */
	memset(msg + 8, 0, 4);
	if (exists) {
		memcpy(msg + len, six ? aaaa : a, six ? sizeof(aaaa) : sizeof(a));
		len += six ? sizeof(aaaa) : sizeof(a);
	}
	sendto(ns->fd, msg, len, 0, (struct sockaddr *)&from, from_len);
}

static uint16_t loopback_socket(int type, int *fd)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	*fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);
	assert_true(*fd >= 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&sin, &len), 0);
	return ntohs(sin.sin_port);
}

static void name_server_is_asked_for_both_families(void **state)
{
	struct fixture *f = *state;
	struct name_server ns = {0};
	struct loop_watch *w;
	struct answer a;
	char conf[96];

	uint16_t port = loopback_socket(SOCK_DGRAM, &ns.fd);
	snprintf(conf, sizeof(conf), "nameserver 127.0.0.1:%u\noptions timeout:1 attempts:1\n",
		port);
	write_file(f->resolv_conf, conf);
	assert_int_equal(loop_watch_new(&w, f->loop, ns.fd, LOOP_READ, on_query, &ns), TT_OK);

	assert_int_equal(resolve(f, "www.example", &a), 2);
	assert_true(has(&a, "192.0.2.1") && has(&a, "2001:db8::1"));
	assert_int_equal(resolve(f, "no.example", &a), 0);
	assert_string_equal(a.error, "no such name");

	/* Cancelled in flight, freed inside the callback, and still in flight at loop_free. */
	ns.mute = true;
	assert_int_equal(loop_resolve_new(&a.resolve, f->loop, "x.example", on_done, &a), TT_OK);
	loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(20));
	a.calls = 0;
	loop_resolve_free(a.resolve);
	loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(20));
	assert_int_equal(a.calls, 0);

	assert_int_equal(resolve(f, "slow.example", &a), 0);
	assert_string_equal(a.error, "the name server does not answer");

	ns.mute = false;
	a = (struct answer){.free_inside = true};
	assert_int_equal(loop_resolve_new(&a.resolve, f->loop, "y.example", on_done, &a), TT_OK);
	tt_time end = loop_clock(f->loop) + TT_S(5);
	while (a.calls == 0 && loop_clock(f->loop) < end)
		loop_run_once(f->loop, end);
	assert_int_equal(a.calls, 1);

	ns.mute = true;
	assert_int_equal(loop_resolve_new(&a.resolve, f->loop, "z.example", on_done, &a), TT_OK);
	loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(20));
	loop_resolve_free(a.resolve);
	loop_watch_free(w);
	close(ns.fd);
}

static void on_http(void *user, struct loop_http_request *req, const char *path)
{
	int *calls = user;
	++*calls;
	if (strcmp(path, "/silent") == 0)
		return;
	char body[64];
	int n = snprintf(body, sizeof(body), "path=%s", path);
	loop_http_reply(req, 200, "text/plain", body, (size_t)n);
}

static int http_connect(uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

/* Sends the request and returns what came until the service closed or 300 ms passed. */
static const char *http_talk(struct fixture *f, uint16_t port, const char *request, char dst[4096])
{
	int fd = http_connect(port);
	size_t got = 0;
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	tt_time end = loop_clock(f->loop) + TT_MS(300);
	for (;;) {
		ssize_t n = recv(fd, dst + got, 4095 - got, MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
		if (n == 0 || loop_clock(f->loop) >= end)
			break;
		loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(5));
	}
	dst[got] = '\0';
	close(fd);
	return dst;
}

#define assert_has(text, part) assert_non_null(strstr(text, part))

static void http_answers_get_and_head_and_refuses_the_rest(void **state)
{
	struct fixture *f = *state;
	struct loop_http *h = NULL, *second = NULL;
	struct tt_addr lo;
	int calls = 0;
	char r[4096];

	tt_addr_parse("127.0.0.1", &lo);
	assert_int_equal(loop_http_new(&h, f->loop, &lo, 0, true, on_http, &calls), TT_OK);
	uint16_t port = loop_http_port(h);
	assert_true(port != 0);
	assert_int_equal(
		loop_http_new(&second, f->loop, &lo, port, true, on_http, &calls), TT_EBUSY);

	http_talk(f, port, "GET /stats?x=1 HTTP/1.1\r\nHost: 127.0.0.1:9981\r\n\r\n", r);
	assert_has(r, "HTTP/1.1 200 ");
	assert_has(r, "\r\n\r\npath=/stats");
	assert_null(strstr(r, "x=1"));

	http_talk(
		f, port, "HEAD /stats HTTP/1.1\r\nHost: LOCALHOST\r\nConnection: close\r\n\r\n", r);

	assert_has(r, "HTTP/1.1 200 ");
	assert_has(r, "Content-Length: 11\r\n");
	assert_null(strstr(r, "path="));

	assert_int_equal(calls, 2);
	http_talk(f, port, "POST / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 2\r\n\r\nhi", r);
	assert_has(r, "HTTP/1.1 405 ");
	assert_has(r, "Allow: GET, HEAD\r\n");

	static const char *const bad[] = {"evil.example", "127.0.0.1.evil.example", "192.168.1.1",
		"localhost:x", "[::1", "", "localhost.evil.example:80"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char req[128];
		snprintf(req, sizeof(req), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
		http_talk(f, port, req, r);
		assert_has(r, "HTTP/1.1 403 ");
	}
	http_talk(f, port, "GET / HTTP/1.0\r\n\r\n", r);
	assert_has(r, " 403 ");
	assert_int_equal(calls, 2);

	http_talk(f, port, "GET /silent HTTP/1.0\r\nHost: localhost\r\n\r\n", r);
	assert_has(r, " 500 ");
	loop_http_free(h);

	assert_int_equal(loop_http_new(&h, f->loop, &lo, 0, false, on_http, &calls), TT_OK);
	http_talk(f, loop_http_port(h), "GET / HTTP/1.1\r\nHost: any.example\r\n\r\n", r);
	assert_has(r, "HTTP/1.1 200 ");
	loop_http_free(h);
}

static void http_limits_headers_and_connections(void **state)
{
	struct fixture *f = *state;
	struct loop_http *h = NULL;
	struct tt_addr lo;
	int calls = 0, fds[64];
	char r[4096];

	tt_addr_parse("127.0.0.1", &lo);
	assert_int_equal(loop_http_new(&h, f->loop, &lo, 0, true, on_http, &calls), TT_OK);
	uint16_t port = loop_http_port(h);

	char *big = calloc(1, 40000);
	assert_non_null(big);
	memset(big, 'a', 39000);
	memcpy(big, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", 36);
	memcpy(big + 38990, "\r\n\r\n", 5);
	http_talk(f, port, big, r);
	free(big);
	assert_int_equal(calls, 0);

	for (int i = 0; i < 64; i++) {
		fds[i] = http_connect(port);
		loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(1));
	}
	http_talk(f, port, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", r);
	assert_string_equal(r, ""); /* waits in the listen queue */
	for (int i = 0; i < 64; i++)
		close(fds[i]);
	http_talk(f, port, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", r);
	assert_has(r, "HTTP/1.1 200 ");
	int open_at_the_end = http_connect(port);
	loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(5));
	loop_http_free(h);
	close(open_at_the_end);
}

static void on_request_with_query(void *user, struct loop_http_request *req, const char *path)
{
	char value[8] = "", body[32];
	int n = snprintf(body, sizeof(body), "%d %s",
		loop_http_query(req, "n", value, sizeof(value)), value);

	(void)user;
	(void)path;
	loop_http_header(req, "X-Extra", "yes");
	loop_http_reply(req, 200, "text/plain", body, (size_t)n);
}

static void http_query_is_decoded_and_bounded(void **state)
{
	struct fixture *f = *state;
	struct loop_http *h = NULL;
	struct tt_addr lo;
	char r[4096];

	tt_addr_parse("127.0.0.1", &lo);
	assert_int_equal(
		loop_http_new(&h, f->loop, &lo, 0, true, on_request_with_query, NULL), TT_OK);
	http_talk(f, loop_http_port(h), "GET /?m=1&n=%31+2 HTTP/1.0\r\nHost: localhost\r\n\r\n", r);
	assert_has(r, "\r\n\r\n0 1 2");
	assert_has(r, "\r\nX-Extra: yes\r\n");
	http_talk(f, loop_http_port(h), "GET /?m=1 HTTP/1.0\r\nHost: localhost\r\n\r\n", r);
	assert_has(r, "\r\n\r\n-5 ");
	http_talk(f, loop_http_port(h), "GET /?n=12345678 HTTP/1.0\r\nHost: localhost\r\n\r\n", r);
	assert_has(r, "\r\n\r\n-3 ");
	loop_http_free(h);
}

struct streams {
	struct loop_http_stream *stream;
	int closed;
};

static void on_stream_closed(void *user)
{
	struct streams *s = user;
	s->stream = NULL;
	s->closed++;
}

static void on_stream(void *user, struct loop_http_request *req, const char *path)
{
	struct streams *s = user;

	(void)path;
	assert_int_equal(
		loop_http_stream_new(&s->stream, req, "text/event-stream", on_stream_closed, s),
		TT_OK);
	assert_int_equal(loop_http_stream_send(s->stream, "first\n", 6), TT_OK);
}

static int stream_open(struct fixture *f, struct loop_http *h, struct streams *s)
{
	static const char request[] = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
	int fd = http_connect(loop_http_port(h));

	assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
	for (int i = 0; i < 100 && !s->stream; i++)
		loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(5));
	assert_non_null(s->stream);
	return fd;
}

static void http_stream_goes_on_until_its_reader_leaves(void **state)
{
	struct fixture *f = *state;
	struct loop_http *h = NULL;
	struct streams s = {0};
	struct tt_addr lo;
	char r[4096];

	tt_addr_parse("127.0.0.1", &lo);
	assert_int_equal(loop_http_new(&h, f->loop, &lo, 0, true, on_stream, &s), TT_OK);
	int fd = stream_open(f, h, &s);
	assert_int_equal(loop_http_stream_send(s.stream, "second\n", 7), TT_OK);
	for (int i = 0; i < 10; i++)
		loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(2));
	ssize_t n = recv(fd, r, sizeof(r) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	r[n] = '\0';
	assert_has(r, "first\n");
	assert_has(r, "second\n");
	close(fd);
	for (int i = 0; i < 100 && !s.closed; i++)
		loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(5));
	assert_int_equal(s.closed, 1);

	fd = stream_open(f, h, &s);
	loop_http_free(h); /* takes its readers with it */
	assert_int_equal(s.closed, 2);
	close(fd);
}

static void http_stream_refuses_more_for_a_slow_reader(void **state)
{
	static char block[64 << 10];
	struct fixture *f = *state;
	struct loop_http *h = NULL;
	struct streams s = {0};
	struct tt_addr lo;
	int rc = TT_OK;

	tt_addr_parse("127.0.0.1", &lo);
	assert_int_equal(loop_http_new(&h, f->loop, &lo, 0, true, on_stream, &s), TT_OK);
	int fd = stream_open(f, h, &s);
	for (int i = 0; i < 1000 && rc == TT_OK; i++) {
		rc = loop_http_stream_send(s.stream, block, sizeof(block));
		loop_run_once(f->loop, loop_clock(f->loop));
	}
	assert_int_equal(rc, TT_EAGAIN);
	loop_http_stream_free(s.stream);
	assert_int_equal(s.closed, 0);
	close(fd);
	loop_http_free(h);
}

static void note_event(void *user, unsigned events)
{
	*(unsigned *)user |= events;
}

/* A descriptor that evhttp closed comes back as somebody else's, who must get his events. */
static void descriptor_of_an_ended_http_connection_can_be_watched(void **state)
{
	struct fixture *f = *state;
	struct loop_http *h = NULL;
	struct tt_addr lo;
	int calls = 0;
	char r[4096];

	tt_addr_parse("127.0.0.1", &lo);
	assert_int_equal(loop_http_new(&h, f->loop, &lo, 0, true, on_http, &calls), TT_OK);
	for (int i = 0; i < 5; i++) {
		static const char *const requests[] = {
			"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
			"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"};
		int fds[16];
		unsigned events = 0;
		struct loop_watch *w;

		http_talk(f, loop_http_port(h), requests[i % 2], r);
		assert_has(r, "HTTP/1.");
		for (int k = 0; k < 3; k++)
			loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(1));
		for (int k = 0; k < 16; k += 2) /* one of them has the number */
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds + k), 0);
		for (int k = 0; k < 16; k++) {
			events = 0;
			assert_int_equal(
				loop_watch_new(&w, f->loop, fds[k], LOOP_READ, note_event, &events),
				TT_OK);
			assert_int_equal(write(fds[k ^ 1], "x", 1), 1);
			loop_run_once(f->loop, loop_clock(f->loop) + TT_MS(200));
			assert_int_equal(events, LOOP_READ);
			loop_watch_free(w);
		}
		for (int k = 0; k < 16; k++)
			close(fds[k]);
	}
	loop_http_free(h);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(deadline_ends_the_wait_within_a_millisecond),
		TEST(passed_deadline_only_polls),
		TEST(deadline_is_kept_after_another_was_given_up),
		TEST(wall_clock_is_of_this_century),
		TEST(watch_reports_only_what_is_asked_for),
		TEST(watches_may_be_freed_inside_their_callback),
		TEST(signal_calls_from_the_loop),
		TEST(numeric_hosts_and_hosts_file_need_no_name_server),
		TEST(name_without_name_server_fails_with_a_text),
		TEST(changed_hosts_file_is_read_again),
		TEST(name_server_is_asked_for_both_families),
		TEST(http_answers_get_and_head_and_refuses_the_rest),
		TEST(http_limits_headers_and_connections),
		TEST(http_query_is_decoded_and_bounded),
		TEST(http_stream_goes_on_until_its_reader_leaves),
		TEST(http_stream_refuses_more_for_a_slow_reader),
		TEST(descriptor_of_an_ended_http_connection_can_be_watched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
