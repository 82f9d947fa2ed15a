/**
 * A link emulator: joins two network namespaces by two TUN devices and does to the packets between
 * them what a long, narrow, lossy link does (direction.h). It works where the kernel has no netem,
 * and tells what happened in its own counters.
 *
 *	linkem [-s SEED] NETNS:DEVICE NETNS:DEVICE [NAME=VALUE...]
 *
 * NETNS is a name under /run/netns or a path; the devices are made there, up and without addresses,
 * and vanish when the program ends. Commands come as lines on stdin, each is answered by one line
 *of JSON on stdout, the first of all when the devices are there. The end of stdin ends the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

#define PACKET_MAX 65536
#define LINE_CAP 4096
#define ANSWER_CAP 8192
/* What the device holds until it is read must never overflow: losing is the emulation's business.
 */
#define DEVICE_QUEUE 10000
/* Packets that are read before those that are due are looked at again. */
#define READ_BUDGET 64
/* Pause after each round. At 40,000 packets a second it saves a third of the processor, since
 * several are moved by one wake-up; it makes a packet late by no more than this. */
#define PAUSE_NS 50000
/* Ahead of the programs under test, which would otherwise make the link late; low among its kind.
 */
#define REALTIME_PRIORITY 1

struct linkem {
	int tun[DIRECTIONS]; /* of end a, of end b */
	struct direction *link[DIRECTIONS];
	int epoll, timer, signals;
	char line[LINE_CAP];
	size_t line_len;
};

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int fail(const char *what, const char *which)
{
	fprintf(stderr, "linkem: %s%s%s: %s\n", what, which ? " " : "", which ? which : "",
		strerror(errno));
	return -1;
}

/* ---- devices ---- */

static int enter_namespace(const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/run/netns/", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
	if (rc < 0)
		fail("network namespace", path);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Makes the device in the present namespace. */
static int tun_open(const char *device)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fail("/dev/net/tun", NULL);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = s < 0 ? -1 : ioctl(fd, TUNSETIFF, &ifr);
	if (rc == 0) {
		ifr.ifr_qlen = DEVICE_QUEUE;
		rc = ioctl(s, SIOCSIFTXQLEN, &ifr);
	}
	if (rc == 0) {
		ifr.ifr_flags = IFF_UP;
		rc = ioctl(s, SIOCSIFFLAGS, &ifr);
	}
	if (rc < 0) {
		fail("device", device);
		close(fd);
		fd = -1;
	}
	if (s >= 0)
		close(s);
	return fd;
}

static int open_end(char *spec)
{
	char *colon = strrchr(spec, ':');
	if (!colon) {
		errno = EINVAL;
		return fail("not NETNS:DEVICE:", spec);
	}
	*colon = '\0';
	return enter_namespace(spec) < 0 ? -1 : tun_open(colon + 1);
}

/* ---- loop ---- */

static void read_packets(struct linkem *l, int from)
{
	static uint8_t buf[PACKET_MAX];
	for (int i = 0; i < READ_BUDGET; i++) {
		ssize_t n = read(l->tun[from], buf, sizeof(buf));
		if (n <= 0)
			return;
		if (!direction_arrive(l->link[from], buf, (size_t)n, now_ns())) {
			fprintf(stderr, "linkem: out of memory\n");
			exit(1);
		}
	}
}

static void write_packets(struct linkem *l, int from)
{
	struct packet *p;
	while ((p = direction_take(l->link[from], now_ns()))) {
		/* It fails when the device has been taken down: the packet is lost, as anywhere. */
		ssize_t n = write(l->tun[!from], p->data, p->len);
		(void)n;
		free(p);
	}
}

static void arm_timer(const struct linkem *l)
{
	uint64_t at = DIRECTION_NEVER;
	for (int i = 0; i < DIRECTIONS; i++) {
		uint64_t t = direction_deadline(l->link[i]);
		at = t < at ? t : at;
	}
	struct itimerspec its = {0};
	if (at != DIRECTION_NEVER) {
		its.it_value.tv_sec = (time_t)(at / 1000000000u);
		its.it_value.tv_nsec = (long)(at % 1000000000u);
	}
	timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &its, NULL);
}

/* False at the end of the input. */
static bool read_commands(struct linkem *l)
{
	ssize_t n = read(STDIN_FILENO, l->line + l->line_len, LINE_CAP - 1 - l->line_len);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	l->line_len += (size_t)n;
	char *start = l->line, *end;
	while ((end = memchr(start, '\n', l->line_len - (size_t)(start - l->line)))) {
		char answer[ANSWER_CAP];
		*end = '\0';
		command_run(l->link, start, now_ns(), answer, sizeof(answer));
		puts(answer);
		fflush(stdout);
		start = end + 1;
	}
	l->line_len -= (size_t)(start - l->line);
	memmove(l->line, start, l->line_len);
	return l->line_len < LINE_CAP - 1;
}

static void run(struct linkem *l)
{
	static const struct timespec pause = {.tv_nsec = PAUSE_NS};
	for (;;) {
		struct epoll_event events[8];
		arm_timer(l);
		int n = epoll_wait(l->epoll, events, 8, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == l->signals || (fd == STDIN_FILENO && !read_commands(l)))
				return;
		}
		for (int i = 0; i < DIRECTIONS; i++)
			read_packets(l, i);
		for (int i = 0; i < DIRECTIONS; i++)
			write_packets(l, i);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
}

/* ---- start ---- */

static int watch(struct linkem *l, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};
	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e);
}

static int set_up_loop(struct linkem *l)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	l->signals = signalfd(-1, &set, SFD_CLOEXEC);
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	/* The timer is edge-triggered: setting it anew clears it, so it is never read. */
	if (l->signals < 0 || l->timer < 0 || l->epoll < 0 || watch(l, l->signals, EPOLLIN) < 0 ||
		watch(l, l->timer, EPOLLIN | EPOLLET) < 0 || watch(l, STDIN_FILENO, EPOLLIN) < 0 ||
		watch(l, l->tun[0], EPOLLIN) < 0 || watch(l, l->tun[1], EPOLLIN) < 0)
		return fail("event loop", NULL);
	return 0;
}

/* Keeps the link punctual on a busy machine; it works without. */
static void be_punctual(void)
{
	struct sched_param param = {.sched_priority = REALTIME_PRIORITY};
	if (sched_setscheduler(0, SCHED_FIFO, &param) < 0)
		fail("no real-time priority", NULL);
}

static int usage(void)
{
	fputs("linkem [-s SEED] NETNS:DEVICE NETNS:DEVICE [[ab.|ba.]NAME=VALUE...]\n"
	      "commands: set [ab.|ba.]NAME=VALUE..., cut [ab|ba], restore [ab|ba], seed N, stats, "
	      "reset\n",
		stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static struct linkem l;
	static const struct direction_params defaults = {.queue_bytes = 1e6, .mtu = 1500};
	uint64_t seed = 1;
	int opt;
	while ((opt = getopt(argc, argv, "+s:")) != -1) {
		if (opt != 's')
			return usage();
		seed = strtoull(optarg, NULL, 0);
	}
	argv += optind;
	if (argc - optind < DIRECTIONS)
		return usage();
	for (int i = 0; i < DIRECTIONS; i++) {
		l.link[i] = direction_new(&defaults, 0);
		if (!l.link[i])
			return 1;
	}
	command_seed(l.link, seed);
	for (char **word = argv + DIRECTIONS; *word; word++) {
		const char *wrong = command_set(l.link, *word);
		if (wrong) {
			fprintf(stderr, "linkem: %s: %s\n", *word, wrong);
			return 2;
		}
	}
	for (int i = 0; i < DIRECTIONS; i++) {
		l.tun[i] = open_end(argv[i]);
		if (l.tun[i] < 0)
			return 1;
	}
	if (set_up_loop(&l) < 0)
		return 1;
	be_punctual();
	puts("{\"ready\":true}");
	fflush(stdout);
	run(&l);
	for (int i = 0; i < DIRECTIONS; i++) {
		close(l.tun[i]);
		direction_free(l.link[i]);
	}
	return 0;
}
