/**
 * The event loop: the only part that includes libevent and the only one that reads the clock.
 *
 * Callbacks run from loop_run_once and should only note what happened or move bytes; the program's
 * work is done between two calls, with one `now` for each wake-up. Handles may be freed inside
 * callbacks, also their own.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_addr.h"
#include "tt_log.h"
#include "tt_time.h"

struct loop;
struct loop_watch;
struct loop_signal;
struct loop_resolve;
struct loop_http;
struct loop_http_request;
struct loop_http_stream;

#define LOOP_READ 1u
#define LOOP_WRITE 2u

/** TT_OK, TT_ENOMEM or TT_EIO. */
int loop_new(struct loop **out, const struct tt_log *log);
/** Every handle must have been freed. May be NULL. */
void loop_free(struct loop *loop);

/** The monotonic clock, sampled when the last loop_run_once returned from waiting. */
tt_time loop_now(const struct loop *loop);
/** Samples the clock anew (at start, or after long work). */
tt_time loop_clock(struct loop *loop);
/** The monotonic clock itself, for the log, which is there before any loop. */
tt_time loop_monotonic(void);
/** Seconds since the epoch with microseconds, for humans and for DESIGN section 6 only. */
uint64_t loop_wall_us(void);

/**
 * Waits until a callback has something to do or `deadline` comes (TT_TIME_NEVER: no limit), runs
 * the callbacks of one round, returns TT_OK, or TT_EIO when the loop is broken. An earlier deadline
 * that an earlier call was given may end the wait once more.
 */
int loop_run_once(struct loop *loop, tt_time deadline);

/** Watches fd, which stays the caller's and must outlive the watch. `events` may be 0 for now. */
int loop_watch_new(struct loop_watch **out, struct loop *loop, int fd, unsigned events,
	void (*ready)(void *user, unsigned events), void *user);
/** Level-triggered interest; cheap when nothing changes. TT_OK or TT_EIO. */
int loop_watch_set(struct loop_watch *w, unsigned events);
void loop_watch_free(struct loop_watch *w);

/** Calls `raised` from the loop for each delivery of the signal. */
int loop_signal_new(struct loop_signal **out, struct loop *loop, int signo,
	void (*raised)(void *user, int signo), void *user);
void loop_signal_free(struct loop_signal *s);

/**
 * Resolves a name through evdns (hosts file and resolv.conf), never blocking. `done` is called once
 * from the loop, never from inside this call, with the addresses (IPv6 and IPv4 in the resolver's
 * order, at most 16, valid for the call) or with n = 0 and a text that says why.
 */
int loop_resolve_new(struct loop_resolve **out, struct loop *loop, const char *host,
	void (*done)(void *user, const struct tt_addr *addrs, size_t n, const char *error),
	void *user);
/** Cancels, or after `done` releases. May be NULL. Must be called in either case. */
void loop_resolve_free(struct loop_resolve *r);

/**
 * A small HTTP/1.1 service (evhttp). The handler runs for each request and answers with
 * loop_http_reply before it returns. GET and HEAD reach it; other methods get 405. A request whose
 * Host header is not loopback (127.0.0.0/8, [::1], localhost, with any port) gets 403 when
 * `loopback_only` is set. TT_OK, TT_EBUSY when the address is in use, TT_EPERM, TT_EIO, TT_ENOMEM.
 */
int loop_http_new(struct loop_http **out, struct loop *loop, const struct tt_addr *addr,
	uint16_t port, bool loopback_only,
	void (*handle)(void *user, struct loop_http_request *req, const char *path), void *user);
void loop_http_free(struct loop_http *h);
/** The port that is bound. */
uint16_t loop_http_port(const struct loop_http *h);
void loop_http_reply(struct loop_http_request *req, int status, const char *content_type,
	const void *body, size_t len);
/** Another header of the answer, before it is given. */
void loop_http_header(struct loop_http_request *req, const char *name, const char *value);
/** Nobody will see the body of the answer. */
bool loop_http_is_head(const struct loop_http_request *req);
/**
 * The parameter `name` of the query, decoded. TT_OK; TT_ENOENT: there is none; TT_EINVAL: it cannot
 * be read or does not fit into cap bytes.
 */
int loop_http_query(const struct loop_http_request *req, const char *name, char *value, size_t cap);

/**
 * Answers with a body that goes on for as long as the reader stays. `closed` is called, from the
 * loop, when it has gone; the stream is no more then. TT_OK or TT_ENOMEM.
 */
int loop_http_stream_new(struct loop_http_stream **out, struct loop_http_request *req,
	const char *content_type, void (*closed)(void *user), void *user);
/**
 * Sends so many bytes more. TT_OK; TT_EAGAIN: the reader is too slow, four megabytes wait for it
 * already; TT_ENOMEM. After an error a part is missing, so that the stream should be freed.
 */
int loop_http_stream_send(struct loop_http_stream *s, const void *data, size_t len);
/** Bytes that the kernel has not taken yet, as the reader does not take what it was given. */
size_t loop_http_stream_waiting(const struct loop_http_stream *s);
/** Ends the connection, without calling `closed`. Not inside the handler. May be NULL. */
void loop_http_stream_free(struct loop_http_stream *s);

#endif
