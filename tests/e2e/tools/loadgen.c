/**
 * Load for the end-to-end tests: a TCP server and clients that check every byte.
 *
 * What travels is a pseudo-random stream that both ends make from the same seed, so nothing need be
 * stored and a byte that is lost, doubled or moved is found where it is. A client's first line says
 * what the server is to do:
 *
 *	get SEED BYTES	the server sends so much of the stream and closes
 *	put SEED BYTES	the server reads until the end, then answers with its verdict and closes
 *	push SEED BYTES	the same, but the answer comes after so many bytes: for tunnels that close
 *			both directions when one ends
 *	echo		the server sends back whatever comes, until the end
 *
 * Clients print one line of JSON and exit with 0 when everything was right, with 1 when not. It has
 * the pauses in what came, by the monotonic clock, so that they can be held against what was done
 *to the network.
 */
#include "loadgen.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define BLOCK 65536
#define LINE_MAX_LEN 128
#define THREAD_STACK (256 * 1024)
#define PAUSE_S 0.2 /* shorter ones are not told */

double now_s(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void stream_init(struct stream *s, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->state = seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;
	if (s->state == 0)
		s->state = 1;
}

/* xorshift64 (Marsaglia, 2003). */
static uint64_t stream_word(struct stream *s)
{
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return s->state;
}

static void stream_give(struct stream *s, uint8_t *dst, size_t len)
{
	size_t i = 0;
	while (i < len) {
		if (s->left == 0) {
			s->word = stream_word(s);
			s->left = 8;
		}
		if (s->left == 8 && len - i >= 8) {
			memcpy(dst + i, &s->word, 8);
			s->left = 0;
			i += 8;
			continue;
		}
		dst[i++] = (uint8_t)s->word;
		s->word >>= 8;
		s->left--;
	}
	s->at += len;
	s->crc = (uint32_t)crc32(s->crc, dst, (uInt)len);
}

/* True where buf is the next part of the stream. */
static bool stream_check(struct stream *s, const uint8_t *buf, size_t len)
{
	uint8_t want[4096];
	while (len > 0) {
		size_t n = len < sizeof(want) ? len : sizeof(want);
		stream_give(s, want, n);
		if (memcmp(want, buf, n) != 0)
			return false;
		buf += n;
		len -= n;
	}
	return true;
}

static int send_all(int fd, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static ssize_t recv_some(int fd, void *buf, size_t cap)
{
	ssize_t n;
	do
		n = recv(fd, buf, cap, 0);
	while (n < 0 && errno == EINTR);
	return n;
}

static int send_stream(int fd, struct stream *s, uint64_t bytes)
{
	uint8_t *buf = malloc(BLOCK);
	int rc = buf ? 0 : -1;
	while (rc == 0 && bytes > 0) {
		size_t n = bytes < BLOCK ? (size_t)bytes : BLOCK;
		stream_give(s, buf, n);
		rc = send_all(fd, buf, n);
		bytes -= n;
	}
	free(buf);
	return rc;
}

/* Reads one line without its newline, a byte at a time so that what follows stays in the socket. */
static int recv_line(int fd, char line[LINE_MAX_LEN])
{
	for (size_t n = 0; n < LINE_MAX_LEN; n++) {
		if (recv_some(fd, line + n, 1) != 1)
			return -1;
		if (line[n] == '\n') {
			line[n] = '\0';
			return 0;
		}
	}
	return -1;
}

static void serve_echo(int fd)
{
	uint8_t *buf = malloc(BLOCK);
	ssize_t n;
	while (buf && (n = recv_some(fd, buf, BLOCK)) > 0) {
		if (send_all(fd, buf, (size_t)n) < 0)
			break;
	}
	free(buf);
}

static void serve_put(int fd, uint64_t seed, uint64_t bytes, bool to_end)
{
	struct stream rx;
	stream_init(&rx, seed);
	uint8_t *buf = malloc(BLOCK);
	bool good = buf != NULL;
	while (good && (to_end || rx.at < bytes)) {
		ssize_t n = recv_some(fd, buf, BLOCK);
		if (n == 0)
			break;
		good = n > 0 && stream_check(&rx, buf, (size_t)n);
	}
	free(buf);
	char answer[LINE_MAX_LEN];
	int len = snprintf(answer, sizeof(answer), "%s %" PRIu64 " %08" PRIx32 "\n",
		good && rx.at == bytes ? "ok" : "bad", rx.at, rx.crc);
	send_all(fd, answer, (size_t)len);
}

static void *serve_connection(void *arg)
{
	int fd = (int)(intptr_t)arg;
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	char line[LINE_MAX_LEN];
	uint64_t seed, bytes;
	if (recv_line(fd, line) == 0) {
		if (strcmp(line, "echo") == 0) {
			serve_echo(fd);
		} else if (sscanf(line, "get %" SCNu64 " %" SCNu64, &seed, &bytes) == 2) {
			struct stream tx;
			stream_init(&tx, seed);
			send_stream(fd, &tx, bytes);
		} else if (sscanf(line, "put %" SCNu64 " %" SCNu64, &seed, &bytes) == 2) {
			serve_put(fd, seed, bytes, true);
		} else if (sscanf(line, "push %" SCNu64 " %" SCNu64, &seed, &bytes) == 2) {
			serve_put(fd, seed, bytes, false);
		}
	}
	close(fd);
	return NULL;
}

int thread_start(pthread_t *t, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	int rc = pthread_create(t, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return rc;
}

static int resolve(const char *host, const char *port, struct addrinfo **out)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	int rc = getaddrinfo(host, port, &hints, out);
	if (rc != 0)
		fprintf(stderr, "loadgen: %s: %s\n", host, gai_strerror(rc));
	return rc;
}

static int serve(const char *host, const char *port)
{
	struct addrinfo *ai;
	if (resolve(host, port, &ai) != 0)
		return 1;
	int one = 1;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 4096) < 0) {
		fprintf(stderr, "loadgen: port %s: %s\n", port, strerror(errno));
		freeaddrinfo(ai);
		return 1;
	}
	freeaddrinfo(ai);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int conn = accept(fd, NULL, NULL);
		if (conn < 0) {
			usleep(1000); /* EMFILE: until a connection has closed */
			continue;
		}
		pthread_t t;
		if (thread_start(&t, serve_connection, (void *)(intptr_t)conn) == 0)
			pthread_detach(t);
		else
			close(conn);
	}
}

static int job_fail(struct job *j, const char *what)
{
	if (!j->error[0])
		snprintf(j->error, sizeof(j->error),
			"%s after %" PRIu64 " sent, %" PRIu64 " received: %s", what, j->tx.at,
			j->rx.at, errno ? strerror(errno) : "-");
	return -1;
}

int job_connect(struct job *j)
{
	struct addrinfo *ai;
	stream_init(&j->tx, j->seed);
	stream_init(&j->rx, j->seed);
	errno = 0;
	if (resolve(j->host, j->port, &ai) != 0)
		return job_fail(j, "resolve");
	const char *limit = getenv("LOADGEN_TIMEOUT");
	struct timeval tv = {.tv_sec = limit ? strtol(limit, NULL, 10) : 60};
	int one = 1;
	j->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(j->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(j->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(j->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	int rc = connect(j->fd, ai->ai_addr, ai->ai_addrlen);
	freeaddrinfo(ai);
	return rc < 0 ? job_fail(j, "connect") : 0;
}

int job_send_line(struct job *j, const char *verb)
{
	char line[LINE_MAX_LEN];
	int len = strcmp(verb, "echo") == 0
			  ? snprintf(line, sizeof(line), "echo\n")
			  : snprintf(line, sizeof(line), "%s %" PRIu64 " %" PRIu64 "\n", verb,
				    j->seed, j->bytes);
	return send_all(j->fd, line, (size_t)len) < 0 ? job_fail(j, "send") : 0;
}

int job_send(struct job *j, size_t len)
{
	uint8_t buf[JOB_MESSAGE_MAX];
	stream_give(&j->tx, buf, len);
	return send_all(j->fd, buf, len) < 0 ? job_fail(j, "send") : 0;
}

static void note_arrival(struct job *j)
{
	double now = now_s();

	if (j->rx.at == 0)
		j->first_byte_s = now;
	else if (now - j->last_byte_s >= PAUSE_S && j->n_pauses < JOB_PAUSES_MAX) {
		j->pauses[j->n_pauses].from_s = j->last_byte_s;
		j->pauses[j->n_pauses++].to_s = now;
	}
	j->last_byte_s = now;
}

int job_receive(struct job *j, uint64_t bytes, bool to_end, uint64_t stall_at, double stall_s)
{
	uint8_t *buf = malloc(BLOCK);
	int rc = buf ? 0 : -1;
	while (rc == 0 && (to_end || j->rx.at < bytes)) {
		uint64_t want = to_end ? BLOCK : bytes - j->rx.at;
		errno = 0;
		ssize_t n = recv_some(j->fd, buf, want < BLOCK ? (size_t)want : BLOCK);
		if (n < 0 || (n == 0 && j->rx.at < bytes))
			rc = job_fail(j, n < 0 ? "receive" : "early end");
		if (n <= 0)
			break;
		note_arrival(j);
		uint64_t before = j->rx.at;
		if (!stream_check(&j->rx, buf, (size_t)n) || j->rx.at > bytes)
			rc = job_fail(j, "wrong bytes");
		if (stall_s > 0 && before < stall_at && j->rx.at >= stall_at)
			usleep((useconds_t)(stall_s * 1e6));
	}
	free(buf);
	return rc;
}

int job_get(struct job *j, uint64_t stall_at, double stall_s)
{
	if (job_connect(j) < 0 || job_send_line(j, "get") < 0)
		return -1;
	return job_receive(j, j->bytes, true, stall_at, stall_s);
}

/* `verb` says whether the end of our direction tells the server that this was all (put) or the
 * count of bytes does (push). */
static int job_put(struct job *j, const char *verb)
{
	if (job_connect(j) < 0 || job_send_line(j, verb) < 0)
		return -1;
	if (send_stream(j->fd, &j->tx, j->bytes) < 0)
		return job_fail(j, "send");
	if (strcmp(verb, "put") == 0)
		shutdown(j->fd, SHUT_WR);
	char answer[LINE_MAX_LEN], want[LINE_MAX_LEN];
	errno = 0;
	if (recv_line(j->fd, answer) < 0)
		return job_fail(j, "no answer");
	j->first_byte_s = now_s();
	snprintf(want, sizeof(want), "ok %" PRIu64 " %08" PRIx32, j->tx.at, j->tx.crc);
	if (strcmp(answer, want) != 0)
		return job_fail(j, answer);
	char extra;
	return recv_some(j->fd, &extra, 1) == 0 ? 0 : job_fail(j, "no end after the answer");
}

static void *job_echo_sender(void *arg)
{
	struct job *j = arg;
	if (send_stream(j->fd, &j->tx, j->bytes - j->tx.at) == 0)
		shutdown(j->fd, SHUT_WR);
	return NULL;
}

/* Sends and receives at the same time. The first bytes go round before the others are awaited. */
int job_echo(struct job *j)
{
	uint64_t head = j->bytes < 64 ? j->bytes : 64;
	int rc = job_connect(j);
	if (rc == 0)
		rc = job_send_line(j, "echo");
	if (rc == 0)
		rc = send_stream(j->fd, &j->tx, head) < 0 ? job_fail(j, "send") : 0;
	if (rc == 0)
		rc = job_receive(j, head, false, 0, 0);
	if (j->all_open)
		pthread_barrier_wait(j->all_open);
	if (rc < 0)
		return rc;
	pthread_t sender;
	if (thread_start(&sender, job_echo_sender, j) != 0)
		return job_fail(j, "thread");
	rc = job_receive(j, j->bytes, true, 0, 0);
	if (rc < 0)
		shutdown(j->fd, SHUT_RDWR);
	pthread_join(sender, NULL);
	return rc;
}

void job_close(struct job *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
}

static int report(const struct job *j, double start, int rc)
{
	double took = now_s() - start;
	uint64_t bytes = j->rx.at > j->tx.at ? j->rx.at : j->tx.at;
	printf("{\"ok\": %s, \"bytes\": %" PRIu64 ", \"crc\": \"%08" PRIx32
	       "\", \"seconds\": %.4f, \"mb_per_s\": %.2f, \"first_byte_ms\": %.2f, \"pauses\": [",
		rc == 0 ? "true" : "false", bytes, j->rx.at > j->tx.at ? j->rx.crc : j->tx.crc,
		took, (double)bytes / took / 1e6,
		j->first_byte_s > 0 ? (j->first_byte_s - start) * 1e3 : -1.0);
	for (size_t i = 0; i < j->n_pauses; i++)
		printf("%s[%.3f, %.3f]", i ? ", " : "", j->pauses[i].from_s, j->pauses[i].to_s);
	printf("], \"error\": \"%s\"}\n", j->error);
	return rc == 0 ? 0 : 1;
}

static int usage(void)
{
	fputs("loadgen serve HOST PORT\n"
	      "loadgen get  HOST PORT SEED BYTES [STALL_AFTER_BYTES STALL_SECONDS]\n"
	      "loadgen put|push|echo HOST PORT SEED BYTES\n"
	      "loadgen many|fetch|serial|open|hold|ping HOST PORT COUNT BYTES\n"
	      "LOADGEN_TIMEOUT: seconds without a byte that end a client (60)\n",
		stderr);
	return 2;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argv[3]);
	if (argc != 6 && !(argc == 8 && strcmp(argv[1], "get") == 0))
		return usage();

	uint64_t first = strtoull(argv[4], NULL, 10);
	struct job j = {.host = argv[2],
		.port = argv[3],
		.seed = first,
		.bytes = strtoull(argv[5], NULL, 10),
		.fd = -1};
	static const struct {
		const char *verb;
		int (*run)(const struct job *model, size_t count);
	} runs[] = {{"many", run_many}, {"fetch", run_fetch}, {"serial", run_serial},
		{"open", run_open}, {"hold", run_hold}, {"ping", run_ping}};
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		if (strcmp(argv[1], runs[i].verb) == 0)
			return first > 0 ? runs[i].run(&j, (size_t)first) : usage();
	}
	double start = now_s();
	int rc;
	if (strcmp(argv[1], "get") == 0)
		rc = job_get(&j, argc == 8 ? strtoull(argv[6], NULL, 10) : 0,
			argc == 8 ? strtod(argv[7], NULL) : 0);
	else if (strcmp(argv[1], "put") == 0 || strcmp(argv[1], "push") == 0)
		rc = job_put(&j, argv[1]);
	else if (strcmp(argv[1], "echo") == 0)
		rc = job_echo(&j);
	else
		return usage();
	job_close(&j);
	return report(&j, start, rc);
}
