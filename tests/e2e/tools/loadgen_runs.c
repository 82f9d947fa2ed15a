/**
 * The load generator's runs of several connections, or of many exchanges over one:
 *
 *	many	all open at once, each echoing a stream of its own
 *	fetch	downloads, all at once; PORT may be several, PORT,PORT..., which take turns
 *	serial	echoing connections, one after another
 *	open	connections one after another, timed from connect() to the first byte
 *	hold	connections that stay open and idle until stdin ends, and must still work then
 *	ping	small messages there and back, one at a time over one connection
 */
#include "loadgen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PING_PAUSE_US 2000
/* How many connections `hold` opens before it looks at the first one's answer. */
#define HOLD_BATCH 100

static struct job job_nth(const struct job *model, size_t i)
{
	struct job j = *model;
	j.fd = -1;
	j.seed = model->seed + i;
	return j;
}

static void *echo_thread(void *arg)
{
	struct job *j = arg;
	job_echo(j);
	job_close(j);
	return NULL;
}

static void *get_thread(void *arg)
{
	struct job *j = arg;
	job_get(j, 0, 0);
	job_close(j);
	return NULL;
}

/* Runs `count` clients in a thread each. They meet at a barrier when `together` is set. */
static int at_once(const struct job *model, size_t count, const char *const *ports, size_t n_ports,
	void *(*run)(void *), bool together)
{
	struct job *jobs = calloc(count, sizeof(*jobs));
	pthread_t *threads = calloc(count, sizeof(*threads));
	pthread_barrier_t all_open;
	if (!jobs || !threads || pthread_barrier_init(&all_open, NULL, (unsigned)count) != 0)
		return 1;
	double start = now_s();
	for (size_t i = 0; i < count; i++) {
		jobs[i] = job_nth(model, i);
		jobs[i].port = ports[i % n_ports];
		jobs[i].all_open = together ? &all_open : NULL;
		if (thread_start(&threads[i], run, &jobs[i]) != 0) {
			fprintf(stderr, "loadgen: no more threads\n");
			exit(1);
		}
	}
	size_t failed = 0;
	uint64_t bytes = 0;
	const char *first = "";
	for (size_t i = 0; i < count; i++) {
		pthread_join(threads[i], NULL);
		bytes += jobs[i].rx.at;
		if (jobs[i].error[0] || jobs[i].rx.at != model->bytes)
			first = failed++ == 0 ? jobs[i].error : first;
	}
	double took = now_s() - start;
	printf("{\"ok\": %s, \"connections\": %zu, \"failed\": %zu, \"seconds\": %.4f, "
	       "\"mb_per_s\": %.2f, \"error\": \"%s\"}\n",
		failed ? "false" : "true", count, failed, took, (double)bytes / took / 1e6, first);
	pthread_barrier_destroy(&all_open);
	free(jobs);
	free(threads);
	return failed ? 1 : 0;
}

int run_many(const struct job *model, size_t count)
{
	return at_once(model, count, &model->port, 1, echo_thread, true);
}

int run_fetch(const struct job *model, size_t count)
{
	char *list = strdup(model->port);
	const char **ports = calloc(count, sizeof(*ports));
	size_t n = 0;
	char *rest = list;
	while (ports && n < count && rest)
		ports[n++] = strsep(&rest, ",");
	int rc = n > 0 ? at_once(model, count, ports, n, get_thread, false) : 1;
	free(ports);
	free(list);
	return rc;
}

/* What a run says that stopped at its connection number `done`. */
static int report_failure(const struct job *j, size_t done)
{
	printf("{\"ok\": false, \"connections\": %zu, \"error\": \"%s\"}\n", done, j->error);
	return 1;
}

int run_serial(const struct job *model, size_t count)
{
	double start = now_s();
	for (size_t i = 0; i < count; i++) {
		struct job j = job_nth(model, i);
		int rc = job_echo(&j);
		job_close(&j);
		if (rc < 0)
			return report_failure(&j, i);
	}
	double took = now_s() - start;
	printf("{\"ok\": true, \"connections\": %zu, \"seconds\": %.4f, \"each_ms\": %.3f}\n",
		count, took, took * 1e3 / (double)count);
	return 0;
}

static size_t message_len(const struct job *j)
{
	return j->bytes < JOB_MESSAGE_MAX ? (size_t)j->bytes : JOB_MESSAGE_MAX;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static int report_times(double *ms, size_t count, uint64_t size)
{
	qsort(ms, count, sizeof(*ms), by_value);
	printf("{\"ok\": true, \"count\": %zu, \"size\": %" PRIu64 ", \"min_ms\": %.3f, "
	       "\"median_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
		count, size, ms[0], ms[count / 2], ms[count * 99 / 100], ms[count - 1]);
	return 0;
}

int run_open(const struct job *model, size_t count)
{
	double *ms = calloc(count, sizeof(*ms));
	int rc = ms ? 0 : 1;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct job j = job_nth(model, i);
		double start = now_s();
		if (job_get(&j, 0, 0) < 0)
			rc = report_failure(&j, i);
		ms[i] = (j.first_byte_s - start) * 1e3;
		job_close(&j);
	}
	if (rc == 0)
		rc = report_times(ms, count, model->bytes);
	free(ms);
	return rc;
}

int run_ping(const struct job *model, size_t count)
{
	double *ms = calloc(count, sizeof(*ms));
	struct job j = job_nth(model, 0);
	size_t len = message_len(&j);
	int rc = ms ? job_connect(&j) : -1;
	if (rc == 0)
		rc = job_send_line(&j, "echo");
	for (size_t i = 0; rc == 0 && i < count; i++) {
		double start = now_s();
		rc = job_send(&j, len);
		if (rc == 0)
			rc = job_receive(&j, j.tx.at, false, 0, 0);
		ms[i] = (now_s() - start) * 1e3;
		usleep(PING_PAUSE_US);
	}
	rc = rc == 0 ? report_times(ms, count, len) : report_failure(&j, 1);
	job_close(&j);
	free(ms);
	return rc;
}

/* One message there and back over each connection; the index of the first that fails, or count. */
static size_t hold_exchange(struct job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (job_send(&jobs[i], message_len(&jobs[i])) < 0)
			return i;
	}
	for (size_t i = 0; i < count; i++) {
		if (job_receive(&jobs[i], jobs[i].tx.at, false, 0, 0) < 0)
			return i;
	}
	return count;
}

static size_t hold_open(struct job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (job_connect(&jobs[i]) < 0 || job_send_line(&jobs[i], "echo") < 0)
			return i;
	}
	return hold_exchange(jobs, count);
}

int run_hold(const struct job *model, size_t count)
{
	struct job *jobs = calloc(count, sizeof(*jobs));
	if (!jobs)
		return 1;
	for (size_t i = 0; i < count; i++)
		jobs[i] = job_nth(model, i);
	double start = now_s();
	size_t done = 0;
	while (done < count) {
		size_t batch = count - done < HOLD_BATCH ? count - done : HOLD_BATCH;
		size_t good = hold_open(jobs + done, batch);
		done += good;
		if (good < batch)
			break;
	}
	double took = now_s() - start;
	if (done == count) {
		printf("holding %zu\n", count);
		fflush(stdout);
		while (getchar() != EOF)
			;
		done = hold_exchange(jobs, count);
	}
	int rc = 0;
	if (done < count)
		rc = report_failure(&jobs[done], done);
	else
		printf("{\"ok\": true, \"connections\": %zu, \"seconds\": %.4f}\n", count, took);
	for (size_t i = 0; i < count; i++)
		job_close(&jobs[i]);
	free(jobs);
	return rc;
}
