/** What the files of src/loop share with each other, and what its tests set. */
#ifndef LOOP_INT_H
#define LOOP_INT_H

#include <event2/event.h>
#include <sys/stat.h>

#include "loop.h"

#define LOOP_PATH_MAX 256

struct evdns_base;

/* The identity of a configuration file as it was when it was read. */
struct loop_file {
	char path[LOOP_PATH_MAX];
	struct timespec mtime;
	ino_t ino;
	bool read;
};

struct loop {
	struct event_base *base;
	int timer_fd;           /* the deadline of loop_run_once, a timerfd */
	struct event *timer;    /* of timer_fd */
	tt_time timer_at;       /* when it goes off, TT_TIME_NEVER: it does not, or has done so */
	struct evdns_base *dns; /* NULL until the first name */
	struct loop_file resolv_conf, hosts;
	const struct tt_log *log;
	tt_time now;
	bool sampled; /* `now` is of this wake-up */
};

/** Called first in every callback: samples the clock once for each wake-up. */
void loop_woken(struct loop *loop);

void loop_dns_init(struct loop *loop);
void loop_dns_free(struct loop *loop);

/** For tests: other files in place of /etc/resolv.conf and /etc/hosts. Before the first name. */
void loop_dns_files(struct loop *loop, const char *resolv_conf, const char *hosts);

#endif
