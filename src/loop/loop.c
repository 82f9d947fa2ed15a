#include "loop.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "loop_int.h"
#include "tt_err.h"

struct loop_watch {
	struct loop *loop;
	/* One event a direction: adding or removing one is a single epoll_ctl. Few sockets ever
	 * have to be waited for until they take bytes, so that event is made when it is wanted. */
	struct event read;
	struct event *write;
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

tt_time loop_monotonic(void)
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

/* The descriptor stays readable until the timer is set again, which happens before the next wait.
 */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;

	(void)fd;
	(void)what;
	loop_woken(loop);
	loop->timer_at = TT_TIME_NEVER;
}

int loop_new(struct loop **out, const struct tt_log *log)
{
	int rc = TT_ENOMEM;
	struct loop *loop = calloc(1, sizeof(*loop));
	if (!loop)
		goto out;
	loop->timer_at = TT_TIME_NEVER;
	loop->timer_fd = -1;
	event_set_log_callback(swallow_log);
	rc = TT_EIO;
	loop->base = event_base_new();
	if (!loop->base)
		goto out;
	/* Ours, because epoll alone counts in milliseconds, and libevent would set its own anew for
	 * every wait. */
	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->timer_fd < 0)
		goto out;
	rc = TT_ENOMEM;
	loop->timer = event_new(loop->base, loop->timer_fd, EV_READ | EV_PERSIST, on_timer, loop);
	if (!loop->timer || event_add(loop->timer, NULL) != 0)
		goto out;
	loop->log = log;
	loop->now = loop_monotonic();
	loop_dns_init(loop);
	*out = loop;
	loop = NULL;
	rc = TT_OK;
out:
	loop_free(loop);
	return rc;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->timer)
		event_free(loop->timer);
	if (loop->timer_fd >= 0)
		close(loop->timer_fd);
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
	loop->now = loop_monotonic();
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
	loop->now = loop_monotonic();
}

/*
 * Sets the timer where it must go off earlier than it would, or has gone off. One that goes off too
 * early costs a wake-up, and happens once; setting it costs a system call, before every wait.
 */
static int set_timer(struct loop *loop, tt_time deadline)
{
	struct itimerspec at = {.it_interval = {0}}; /* never */

	if (deadline >= loop->timer_at && loop->timer_at != TT_TIME_NEVER)
		return TT_OK;
	if (deadline != TT_TIME_NEVER) {
		at.it_value.tv_sec = (time_t)(deadline / 1000000u);
		at.it_value.tv_nsec = (long)(deadline % 1000000u) * 1000;
	}
	if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
		return TT_EIO;
	loop->timer_at = deadline;
	return TT_OK;
}

int loop_run_once(struct loop *loop, tt_time deadline)
{
	int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

	if (deadline <= loop_monotonic())
		flags |= EVLOOP_NONBLOCK; /* both: alone it goes on while a descriptor is ready */
	else if (set_timer(loop, deadline) != TT_OK)
		return TT_EIO;
	loop->sampled = false;
	int rc = event_base_loop(loop->base, flags);
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
	int rc = loop_watch_set(w, events);
	if (rc != TT_OK) {
		loop_watch_free(w);
		return rc;
	}
	*out = w;
	return TT_OK;
}

static int want_read(struct loop_watch *w, bool on)
{
	return (on ? event_add(&w->read, NULL) : event_del(&w->read)) == 0 ? TT_OK : TT_EIO;
}

static int want_write(struct loop_watch *w, bool on)
{
	if (on && !w->write)
		w->write = event_new(w->loop->base, event_get_fd(&w->read), EV_WRITE | EV_PERSIST,
			on_writable, w);
	if (on)
		return w->write && event_add(w->write, NULL) == 0 ? TT_OK : TT_EIO;
	event_free(w->write);
	w->write = NULL;
	return TT_OK;
}

int loop_watch_set(struct loop_watch *w, unsigned events)
{
	unsigned changed = w->events ^ events;
	int rc = TT_OK;

	if (changed == 0)
		return TT_OK;
	if (changed & LOOP_READ)
		rc = want_read(w, events & LOOP_READ);
	if (rc == TT_OK)
		w->events = (w->events & ~LOOP_READ) | (events & LOOP_READ);
	if (rc == TT_OK && (changed & LOOP_WRITE))
		rc = want_write(w, events & LOOP_WRITE);
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
	if (w->write)
		event_free(w->write);
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
