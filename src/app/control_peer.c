/* The requests of the control socket that take their time with a peer: ping and bench. */
#include <stdlib.h>

#include "bench.h"
#include "control_int.h"
#include "peer.h"
#include "ping.h"
#include "tt_err.h"

#define PING_COUNT 4
#define PING_COUNT_MAX 1000000

/* The peer that the request names; false: it names none, and the answer is given. */
static bool need_peer(struct control_client *c, const cJSON *request, struct tt_peer_id *id)
{
	const char *peer = control_need_text(c, request, "peer");

	if (!peer)
		return false;
	if (tt_peer_id_parse(peer, id) == TT_OK)
		return true;
	control_error(c, "\"peer\" is no Tox ID and no public key");
	control_end(c, EXIT_USAGE);
	return false;
}

/* job NULL: there is no memory for it. Frees it. */
static void refuse(struct control_client *c, void *job)
{
	control_error(c, job ? "this peer is the machine itself, or its key is none of Tox"
			     : "out of memory");
	control_end(c, EXIT_FAILED);
	free(job);
}

/* The peer is wanted for this no more. One that was added for it goes, unless it uses us by now. */
static void let_go(const struct reach *r)
{
	struct peer *p = reach_peer(r);
	struct session_stats st;

	peers_want(r->app);
	if (p && r->added && !p->wanted && !p->leaving) {
		session_stats(p->session, &st);
		if (st.active == 0 && st.udp.flows == 0)
			peer_remove(p);
	}
}

/* ---- ping ---- */

static void say_ping(void *user, bool error, const char *line)
{
	if (error)
		control_error(user, "%s", line);
	else
		control_out(user, "%s", line);
}

static void poll_ping(struct control_client *c)
{
	int code = ping_poll(c->job);

	if (code != PING_WAITING)
		control_end(c, code);
	else
		c->job_at = ping_deadline(c->job);
}

static void cut_ping(struct control_client *c)
{
	control_end(c, ping_cut(c->job));
}

static void free_ping(void *job)
{
	struct ping *p = job;

	let_go(&p->reach);
	free(p);
}

void control_run_ping(struct control_client *c, const cJSON *request)
{
	unsigned count = control_number(request, "count", 1, PING_COUNT_MAX, PING_COUNT);
	struct tt_peer_id id;

	if (!need_peer(c, request, &id))
		return;
	struct ping *p = calloc(1, sizeof(*p));
	if (!p || ping_start(p, c->app, &id, count) != EXIT_OK) {
		refuse(c, p);
		return;
	}
	p->say = say_ping;
	p->user = c;
	p->json = control_true(request, "json");
	c->job = p;
	c->job_free = free_ping;
	c->poll = poll_ping;
	c->cut = cut_ping;
}

/* ---- bench ---- */

static void say_bench(void *user, enum bench_line kind, const char *line)
{
	switch (kind) {
	case BENCH_OUT:
		control_out(user, "%s", line);
		break;
	case BENCH_ERROR:
		control_error(user, "%s", line);
		break;
	case BENCH_PROGRESS:
		control_progress(user, line);
		break;
	}
}

static void poll_bench(struct control_client *c)
{
	int code = bench_poll(c->job);

	if (code != BENCH_WAITING)
		control_end(c, code);
	else
		c->job_at = bench_deadline(c->job);
}

static void cut_bench(struct control_client *c)
{
	control_end(c, bench_cut(c->job));
}

static void free_bench(void *job)
{
	struct bench *b = job;

	bench_clear(b);
	let_go(&b->reach);
	free(b);
}

void control_run_bench(struct control_client *c, const cJSON *request)
{
	uint32_t seconds =
		control_number(request, "seconds", 1, CONF_BENCH_SECONDS_MAX, CONF_BENCH_SECONDS);
	struct tt_peer_id id;

	if (!need_peer(c, request, &id))
		return;
	struct bench *b = calloc(1, sizeof(*b));
	if (!b || bench_start(b, c->app, &id, seconds) != EXIT_OK) {
		refuse(c, b);
		return;
	}
	b->say = say_bench;
	b->user = c;
	b->json = control_true(request, "json");
	c->job = b;
	c->job_free = free_bench;
	c->poll = poll_bench;
	c->cut = cut_bench;
}
