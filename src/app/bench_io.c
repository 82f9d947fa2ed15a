#include "bench_io.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "wire_bench.h"

#define CHUNK (32u << 10)
/* Chunks of one turn: together what a socket buffer of the usual size holds. */
#define TURN 8

/* What a system call that failed means; true: call again. */
static bool again(enum bench_io *out)
{
	if (errno == EINTR)
		return true;
	*out = errno == EAGAIN || errno == EWOULDBLOCK ? BENCH_AGAIN : BENCH_END;
	return false;
}

enum bench_io bench_send(int fd, struct bench_pattern *p)
{
	uint8_t buf[CHUNK];
	enum bench_io rc = BENCH_MORE;

	for (int i = 0; i < TURN; i++) {
		wire_bench_fill(p->seed, p->offset, buf, sizeof(buf));
		ssize_t n = send(fd, buf, sizeof(buf), MSG_NOSIGNAL);
		if (n < 0 && !again(&rc))
			return rc;
		if (n > 0)
			p->offset += (uint64_t)n;
	}
	return rc;
}

static void check(struct bench_pattern *p, const uint8_t *buf, size_t n)
{
	if (!p->wrong) {
		size_t good = wire_bench_match(p->seed, p->offset, buf, n);
		if (good < n)
			p->wrong = p->offset + good + 1;
	}
	p->offset += n;
}

enum bench_io bench_take(int fd, struct bench_pattern *p)
{
	uint8_t buf[CHUNK];
	enum bench_io rc = BENCH_MORE;

	for (int i = 0; i < TURN; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		if (n == 0)
			return BENCH_END;
		if (n < 0 && !again(&rc))
			return rc;
		if (n > 0)
			check(p, buf, (size_t)n);
	}
	return rc;
}
