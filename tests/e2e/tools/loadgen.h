/**
 * What the files of the load generator share. loadgen.c has the stream, the server and one
 * connection's exchange with it; loadgen_runs.c has what takes several connections or exchanges.
 */
#ifndef LOADGEN_H
#define LOADGEN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOB_MESSAGE_MAX 1024
#define JOB_PAUSES_MAX 64

/* A position in the stream of a seed. */
struct stream {
	uint64_t state;
	uint64_t word;
	unsigned left; /* bytes of `word` not yet given */
	uint64_t at;   /* bytes given */
	uint32_t crc;  /* of them */
};

/* A connection to the server and what one client found. */
struct job {
	const char *host, *port;
	uint64_t seed, bytes;
	pthread_barrier_t *all_open; /* NULL: do not wait for the others */
	int fd;                      /* -1: not connected */
	struct stream tx, rx;
	double first_byte_s;
	double last_byte_s;
	struct {
		double from_s, to_s;
	} pauses[JOB_PAUSES_MAX]; /* while nothing came; the first ones */
	size_t n_pauses;
	char error[160]; /* empty while all is well */
};

double now_s(void);
int thread_start(pthread_t *t, void *(*run)(void *), void *arg);

/* Functions that return int: 0, or -1 with the reason in j->error. */
int job_connect(struct job *j);
int job_send_line(struct job *j, const char *verb);
/* Sends the next `len` bytes, at most JOB_MESSAGE_MAX, of its stream. */
int job_send(struct job *j, size_t len);
/* Reads and checks until `bytes` have come, or the end when `to_end` is set; sleeps for stall_s
 * once stall_at bytes are there. */
int job_receive(struct job *j, uint64_t bytes, bool to_end, uint64_t stall_at, double stall_s);
int job_get(struct job *j, uint64_t stall_at, double stall_s);
int job_echo(struct job *j);
void job_close(struct job *j);

/* Each prints one line of JSON and returns the exit code. */
int run_many(const struct job *model, size_t count);
int run_fetch(const struct job *model, size_t count);
int run_serial(const struct job *model, size_t count);
int run_open(const struct job *model, size_t count);
int run_hold(const struct job *model, size_t count);
int run_ping(const struct job *model, size_t count);

#endif
