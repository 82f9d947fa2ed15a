/*
 * A peer made of src/kcp over a UDP socket on loopback, for the interoperability test. Sends N
 *bytes of a known pattern, receives N bytes, prints the CRC-32 of both.
 *
 *	kcp_peer listen|dial PORT N stream|message|fragments
 *
 * "fragments" is message mode where the other side keeps the borders too.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "kcp.h"
#include "tt_err.h"

#define MTU 1373
#define CHUNK 8000           /* bytes of a message */
#define PACKETS 64           /* read before the application runs again */
#define LIMIT_S 100          /* the test is over by then */
#define LINGER_US TT_MS(300) /* keeps acknowledging after the end */

struct sum {
	uint32_t table[256];
	uint32_t crc;
};

struct peer {
	int fd;
	bool connected, message, borders;
	struct kcp *k;
	uint64_t x; /* state of the pattern */
	uint64_t to_send, to_receive;
	uint8_t part[CHUNK]; /* a message that waits for room */
	size_t part_len;
	struct sum in, out;
};

static tt_time now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (tt_time)ts.tv_sec * 1000000u + (tt_time)ts.tv_nsec / 1000u;
}

static void sum_init(struct sum *s)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int j = 0; j < 8; j++)
			c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
		s->table[i] = c;
	}
	s->crc = UINT32_MAX;
}

static void sum_add(struct sum *s, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		s->crc = s->table[(s->crc ^ p[i]) & 0xff] ^ s->crc >> 8;
}

static void fill(struct peer *p, uint8_t *dst, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		p->x ^= p->x << 13;
		p->x ^= p->x >> 7;
		p->x ^= p->x << 17;
		dst[i] = (uint8_t)(p->x >> 32);
	}
	sum_add(&p->out, dst, len);
	p->to_send -= len;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The windows fit a socket buffer of Linux's default size; more would only measure its drops. */
static void open_stream(struct peer *p, uint32_t conv)
{
	struct kcp_config cfg = {.conv = conv,
		.mode = TT_MODE_FAST3,
		.mtu = MTU,
		.snd_wnd = 128,
		.rcv_wnd = 256,
		.message = p->message};
	if (kcp_new(&p->k, &cfg, now_us()) != TT_OK)
		die("kcp_new");
}

static void write_data(struct peer *p)
{
	struct iovec v[16];
	int n;
	while (p->message && (p->to_send > 0 || p->part_len > 0)) {
		if (p->part_len == 0) {
			p->part_len = p->to_send < CHUNK ? p->to_send : CHUNK;
			fill(p, p->part, p->part_len);
		}
		if (kcp_send(p->k, p->part, p->part_len) < 0)
			return;
		p->part_len = 0;
	}
	while (!p->message && p->to_send > 0 &&
		(n = kcp_send_reserve(p->k, v, 16, p->to_send)) > 0) {
		size_t len = 0;
		for (int i = 0; i < n; i++) {
			fill(p, v[i].iov_base, v[i].iov_len);
			len += v[i].iov_len;
		}
		kcp_send_commit(p->k, len);
	}
}

static void read_data(struct peer *p)
{
	static uint8_t buf[65536];
	int n;
	while ((n = kcp_recv(p->k, buf, sizeof(buf))) > 0) {
		sum_add(&p->in, buf, (size_t)n);
		p->to_receive -= (size_t)n;
		if (p->borders && n != CHUNK && p->to_receive > 0) {
			fprintf(stderr, "kcp_peer: message of %d bytes\n", n);
			exit(1);
		}
	}
}

static void read_packets(struct peer *p)
{
	uint8_t buf[2048];
	struct sockaddr_in from;
	uint32_t conv;
	for (int i = 0; i < PACKETS; i++) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(
			p->fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len);
		if (n < 0)
			return;
		if (!p->connected) {
			if (connect(p->fd, (struct sockaddr *)&from, len) < 0)
				die("connect");
			p->connected = true;
		}
		if (!p->k && kcp_run_length(buf, (size_t)n, &conv) > 0)
			open_stream(p, conv);
		if (!p->k || kcp_input(p->k, buf, (size_t)n, now_us()) != TT_OK) {
			fprintf(stderr, "kcp_peer: packet refused\n");
			exit(1);
		}
	}
}

static void write_packets(struct peer *p)
{
	uint8_t buf[MTU];
	size_t n;
	while ((n = kcp_output(p->k, buf, sizeof(buf), now_us())) > 0)
		(void)!send(p->fd, buf, n, 0); /* a full socket buffer is loss */
}

static void open_socket(struct peer *p, const char *role, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int size = 4 << 20;

	p->fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (p->fd < 0)
		die("socket");
	setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	a.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (strcmp(role, "dial") == 0) {
		if (connect(p->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
			die("connect");
		p->connected = true;
		open_stream(p, 0x01020304);
		return;
	}
	if (bind(p->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		getsockname(p->fd, (struct sockaddr *)&a, &len) < 0)
		die("bind");
	printf("port %u\n", ntohs(a.sin_port));
	fflush(stdout);
}

/* Milliseconds for poll, rounded up. */
static int wait_ms(const struct peer *p, tt_time now)
{
	tt_time t = p->k ? kcp_deadline(p->k) : TT_TIME_NEVER;
	if (t <= now)
		return 0;
	return t - now < TT_MS(50) ? (int)((t - now + 999) / 1000) : 50;
}

int main(int argc, char **argv)
{
	static struct peer p = {.x = 1};
	if (argc != 5) {
		fprintf(stderr, "usage: kcp_peer listen|dial PORT N stream|message|fragments\n");
		return 2;
	}
	p.to_send = p.to_receive = strtoull(argv[3], NULL, 10);
	p.borders = strcmp(argv[4], "fragments") == 0;
	p.message = p.borders || strcmp(argv[4], "message") == 0;
	sum_init(&p.in);
	sum_init(&p.out);
	open_socket(&p, argv[1], argv[2]);

	tt_time start = now_us(), now = start, done_at = 0;
	while (done_at == 0 || now < done_at + LINGER_US) {
		struct pollfd pfd = {.fd = p.fd, .events = POLLIN};
		poll(&pfd, 1, wait_ms(&p, now));
		read_packets(&p);
		now = now_us();
		if (now - start > TT_S(LIMIT_S)) {
			fprintf(stderr, "kcp_peer: too slow\n");
			return 1;
		}
		if (!p.k)
			continue;
		read_data(&p);
		write_data(&p);
		if (kcp_deadline(p.k) <= now)
			kcp_on_deadline(p.k, now);
		write_packets(&p);
		if (done_at == 0 && p.to_send == 0 && p.part_len == 0 && p.to_receive == 0 &&
			kcp_send_pending(p.k) == 0)
			done_at = now;
	}
	struct kcp_stats st;
	kcp_stats(p.k, &st);
	fprintf(stderr, "kcp_peer: %.2f s, %llu segments sent, %llu of them again, rtt %llu us\n",
		(double)(done_at - start) / 1e6, (unsigned long long)st.segs_sent,
		(unsigned long long)st.segs_retransmitted, (unsigned long long)st.srtt_us);
	printf("received %08x\nsent %08x\n", p.in.crc ^ UINT32_MAX, p.out.crc ^ UINT32_MAX);
	kcp_free(p.k);
	close(p.fd);
	return 0;
}
