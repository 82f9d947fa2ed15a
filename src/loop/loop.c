#include "loop.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <time.h>

#include "loop_int.h"
#include "tt_err.h"

struct loop_watch {
	struct loop *loop;
	/* One event a direction: adding or removing one is a single epoll_ctl. */
	struct event read, write;
	unsigned events;
	void (*ready)(void *user, unsigned events);
	void *user;
};

struct loop_signal {
	struct loop *loop;
	struct event ev;
	void (*raised)(void *user, int signo);
	void *user;
};

static tt_time monotonic_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return TT_S((tt_time)ts.tv_sec) + (tt_time)ts.tv_nsec / 1000;
}

/* libevent would print its warnings to stderr past our log; what matters comes as an error code. */
static void swallow_log(int severity, const char *msg)
{
	(void)severity;
	(void)msg;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	loop_woken(arg);
}

int loop_new(struct loop **out, const struct tt_log *log)
{
	int rc = TT_ENOMEM;
	struct event_config *cfg = NULL;
	struct loop *loop = calloc(1, sizeof(*loop));
	if (!loop)
		goto out;
	event_set_log_callback(swallow_log);
	cfg = event_config_new();
	if (!cfg)
		goto out;
	/* A timerfd for the wait: epoll alone counts in milliseconds. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER);
	rc = TT_EIO;
	loop->base = event_base_new_with_config(cfg);
	if (!loop->base)
		goto out;
	rc = TT_ENOMEM;
	loop->timer = evtimer_new(loop->base, on_timer, loop);
	if (!loop->timer)
		goto out;
	loop->log = log;
	loop->now = monotonic_us();
	loop_dns_init(loop);
	*out = loop;
	loop = NULL;
	rc = TT_OK;
out:
	if (cfg)
		event_config_free(cfg);
	loop_free(loop);
	return rc;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->timer)
		event_free(loop->timer);
	if (loop->base) {
		/* Cancelled names and closed connections end in callbacks that are still due. */
		event_base_loop(loop->base, EVLOOP_NONBLOCK);
		loop_dns_free(loop);
		event_base_loop(loop->base, EVLOOP_NONBLOCK);
		event_base_free(loop->base);
	}
	free(loop);
}

tt_time loop_now(const struct loop *loop)
{
	return loop->now;
}

tt_time loop_clock(struct loop *loop)
{
	loop->now = monotonic_us();
	return loop->now;
}

uint64_t loop_wall_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000;
}

void loop_woken(struct loop *loop)
{
	if (loop->sampled)
		return;
	loop->sampled = true;
	loop->now = monotonic_us();
}

int loop_run_once(struct loop *loop, tt_time deadline)
{
	int flags = EVLOOP_ONCE;
	bool timed = false;

	if (deadline != TT_TIME_NEVER) {
		tt_time wait = tt_time_since(deadline, monotonic_us());
		if (wait > TT_S(86400)) /* keeps timeval small; waking up too early does no harm */
			wait = TT_S(86400);
		if (wait == 0) {
			/* Both: NONBLOCK alone goes on for as long as a descriptor stays ready. */
			flags = EVLOOP_ONCE | EVLOOP_NONBLOCK;
		} else {
			struct timeval tv = {.tv_sec = (time_t)(wait / 1000000u),
				.tv_usec = (suseconds_t)(wait % 1000000u)};
			if (evtimer_add(loop->timer, &tv) != 0)
				return TT_EIO;
			timed = true;
		}
	}
	loop->sampled = false;
	int rc = event_base_loop(loop->base, flags | EVLOOP_NO_EXIT_ON_EMPTY);
	if (timed)
		evtimer_del(loop->timer);
	loop_woken(loop);
	return rc < 0 ? TT_EIO : TT_OK;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct loop_watch *w = arg;
	loop_woken(w->loop);
	w->ready(w->user, LOOP_READ);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct loop_watch *w = arg;
	loop_woken(w->loop);
	w->ready(w->user, LOOP_WRITE);
}

int loop_watch_new(struct loop_watch **out, struct loop *loop, int fd, unsigned events,
	void (*ready)(void *user, unsigned events), void *user)
{
	struct loop_watch *w = calloc(1, sizeof(*w));
	if (!w)
		return TT_ENOMEM;
	w->loop = loop;
	w->ready = ready;
	w->user = user;
	event_assign(&w->read, loop->base, fd, EV_READ | EV_PERSIST, on_readable, w);
	event_assign(&w->write, loop->base, fd, EV_WRITE | EV_PERSIST, on_writable, w);
	int rc = loop_watch_set(w, events);
	if (rc != TT_OK) {
		loop_watch_free(w);
		return rc;
	}
	*out = w;
	return TT_OK;
}

static int want(struct event *ev, bool on)
{
	return (on ? event_add(ev, NULL) : event_del(ev)) == 0 ? TT_OK : TT_EIO;
}

int loop_watch_set(struct loop_watch *w, unsigned events)
{
	unsigned changed = w->events ^ events;
	int rc = TT_OK;

	if (changed == 0)
		return TT_OK;
	if (changed & LOOP_READ)
		rc = want(&w->read, events & LOOP_READ);
	if (rc == TT_OK)
		w->events = (w->events & ~LOOP_READ) | (events & LOOP_READ);
	if (rc == TT_OK && (changed & LOOP_WRITE))
		rc = want(&w->write, events & LOOP_WRITE);
	if (rc == TT_OK)
		w->events = events & (LOOP_READ | LOOP_WRITE);
	return rc;
}

void loop_watch_free(struct loop_watch *w)
{
	if (!w)
		return;
	/* Also takes a pending call of either out of this round. */
	event_del(&w->read);
	event_del(&w->write);
	free(w);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct loop_signal *s = arg;
	loop_woken(s->loop);
	s->raised(s->user, (int)fd);
}

int loop_signal_new(struct loop_signal **out, struct loop *loop, int signo,
	void (*raised)(void *user, int signo), void *user)
{
	struct loop_signal *s = calloc(1, sizeof(*s));
	if (!s)
		return TT_ENOMEM;
	s->loop = loop;
	s->raised = raised;
	s->user = user;
	event_assign(&s->ev, loop->base, signo, EV_SIGNAL | EV_PERSIST, on_signal, s);
	if (event_add(&s->ev, NULL) != 0) {
		free(s);
		return TT_EIO;
	}
	*out = s;
	return TT_OK;
}

void loop_signal_free(struct loop_signal *s)
{
	if (!s)
		return;
	event_del(&s->ev);
	free(s);
}
