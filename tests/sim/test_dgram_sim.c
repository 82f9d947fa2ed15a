/* Datagrams over bad paths in virtual time, alone and beside a download of the same peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "content.h"
#include "fail_mem.h"
#include "scene.h"
#include "session.h"
#include "sim_hist.h"
#include "tt_err.h"

#define START TT_S(1000)
#define FLOWS 3
#define HEADER 24 /* what each datagram says of itself: number, time, length */

enum { CLI, SRV };

/* Datagrams from the server's side of a flow, as often as a rate says. */
struct feed {
	size_t least, most; /* bytes of a datagram */
	tt_time period_us, from_us;
};

struct plan {
	struct sim_link link[2]; /* from the client, from the server */
	struct feed feed[FLOWS];
	bool download; /* a stream that the server fills without an end */
	tt_time limit_us;
};

struct traffic {
	struct channel *ch[2];
	tt_time next_at;
	uint64_t sent, sent_bytes, received, bad, reordered, twice, newest;
	struct sim_hist way; /* one way, from the application to the application */
	uint8_t *seen;       /* by number */
};

struct end {
	struct world *w;
	size_t index;
};

struct world {
	const struct plan *plan;
	struct session *s[2];
	struct fail_mem mem[2];
	struct end end[2];
	struct traffic flow[FLOWS];
	struct channel *stream[2];
	uint64_t downloaded;
	struct sim_rng rng;
	uint32_t receipt;
};

static const struct tt_rule rule = {
	.kind = TT_RULE_NET, .net = {4, {10}}, .prefix = 8, .port_first = 1, .port_last = 1000};

/* Control messages go by hand, before the clock starts. */
static void carry_control(struct world *w)
{
	uint8_t buf[WIRE_MESSAGE_MAX];

	for (int round = 0; round < 6; round++) {
		size_t i = (size_t)round & 1, n;
		while ((n = session_control_output(w->s[i], buf)) > 0) {
			session_control_sent(w->s[i], ++w->receipt);
			assert_int_equal(session_control_input(w->s[!i], buf, n, START), TT_OK);
			session_control_confirmed(w->s[i], w->receipt);
		}
	}
}

static void open_channel(struct world *w, enum wire_proto proto, struct channel *ch[2])
{
	struct channel_target t = {.proto = proto, .host = "10.0.0.1", .port = 53};
	struct session_action a;

	assert_int_equal(session_open(w->s[CLI], &t, &ch[CLI], w, START), TT_OK);
	carry_control(w);
	do
		assert_true(session_next_action(w->s[SRV], &a));
	while (a.type != ACTION_DIAL);
	ch[SRV] = a.channel;
	channel_dialed(a.channel, REASON_NONE, START);
	carry_control(w);
}

static void start(struct world *w, const struct plan *plan)
{
	memset(w, 0, sizeof(*w));
	w->plan = plan;
	w->rng.state = 5;
	for (size_t i = 0; i < 2; i++) {
		struct session_config c = {.terms.accept = i == SRV,
			.terms.rules = &rule,
			.terms.n_rules = 1,
			.mem = fail_mem_init(&w->mem[i], 0)};
		c.self_key[0] = (uint8_t)(2 - i);
		c.peer_key[0] = (uint8_t)(1 + i);
		c.inst[0] = (uint8_t)(1 + i);
		w->end[i] = (struct end){w, i};
		assert_int_equal(session_new(&w->s[i], &c, START), TT_OK);
		session_path(w->s[i], LINK_DIRECT, START);
	}
	carry_control(w);
	for (size_t i = 0; i < FLOWS; i++) {
		struct traffic *f = &w->flow[i];
		f->next_at = TT_TIME_NEVER;
		if (!plan->feed[i].period_us)
			continue;
		open_channel(w, WIRE_UDP, f->ch);
		f->next_at = START + plan->feed[i].from_us;
		f->seen = calloc(plan->limit_us / plan->feed[i].period_us + 2, 1);
		assert_non_null(f->seen);
	}
	if (plan->download)
		open_channel(w, WIRE_TCP, w->stream);
}

static void finish(struct world *w)
{
	for (size_t i = 0; i < FLOWS; i++)
		free(w->flow[i].seen);
	for (size_t i = 0; i < 2; i++) {
		session_free(w->s[i]);
		assert_int_equal(w->mem[i].held, 0);
	}
}

/* ---- applications ---- */

static void send_one(struct world *w, size_t i, tt_time now)
{
	static uint8_t data[WIRE_DGRAM_MAX];
	const struct feed *fd = &w->plan->feed[i];
	struct traffic *f = &w->flow[i];
	uint64_t len = fd->least + sim_rng_below(&w->rng, fd->most - fd->least + 1);

	memcpy(data, &f->sent, 8);
	memcpy(data + 8, &now, 8);
	memcpy(data + 16, &len, 8);
	content_fill(data + HEADER, len - HEADER, f->sent * FLOWS + i, 0);
	channel_dgram_send(f->ch[SRV], data, len, now);
	f->sent++;
	f->sent_bytes += len;
	f->next_at += fd->period_us;
}

static void take_one(struct traffic *f, size_t i, const struct datagram *dg, tt_time now)
{
	static uint8_t want[WIRE_DGRAM_MAX];
	uint64_t number, len;
	tt_time at;

	assert_true(dg->len >= HEADER);
	memcpy(&number, dg->data, 8);
	memcpy(&at, dg->data + 8, 8);
	memcpy(&len, dg->data + 16, 8);
	assert_true(number < f->sent); /* of this flow */
	content_fill(want, len - HEADER, number * FLOWS + i, 0);
	if (len != dg->len || memcmp(want, dg->data + HEADER, len - HEADER) != 0)
		f->bad++;
	f->reordered += number < f->newest;
	f->newest = number > f->newest ? number : f->newest;
	f->twice += f->seen[number];
	f->received += !f->seen[number];
	f->seen[number] = 1;
	sim_hist_add(&f->way, now - at);
}

static void fill(struct channel *ch, tt_time now)
{
	struct iovec v;

	while (channel_send_reserve(ch, &v, 1, SIZE_MAX) > 0) {
		memset(v.iov_base, 'x', v.iov_len);
		channel_send_commit(ch, v.iov_len, now);
	}
}

static void drain(struct world *w, tt_time now)
{
	struct iovec v;

	while (channel_recv_peek(w->stream[CLI], &v, 1) > 0) {
		w->downloaded += v.iov_len;
		channel_recv_consume(w->stream[CLI], v.iov_len, now);
	}
}

static tt_time app(void *user, tt_time now)
{
	struct end *e = user;
	struct world *w = e->w;
	struct session_action a;
	tt_time next = TT_TIME_NEVER;

	while (session_next_action(w->s[e->index], &a))
		assert_int_not_equal(a.type, ACTION_CLOSED);
	for (size_t i = 0; i < FLOWS; i++) {
		struct traffic *f = &w->flow[i];
		const struct datagram *dg;
		while (e->index == SRV && f->next_at <= now)
			send_one(w, i, now);
		next = e->index == SRV ? tt_time_min(next, f->next_at) : next;
		while (e->index == CLI && f->ch[CLI] && (dg = channel_dgram_next(f->ch[CLI]))) {
			take_one(f, i, dg, now);
			channel_dgram_done(f->ch[CLI], true, now);
		}
	}
	if (w->plan->download && e->index == SRV)
		fill(w->stream[SRV], now);
	else if (w->plan->download)
		drain(w, now);
	return next;
}

/* ---- the endpoints ---- */

static int input(void *user, const uint8_t *pkt, size_t len, tt_time now)
{
	struct end *e = user;
	return session_packet_input(e->w->s[e->index], pkt, len, now);
}

static size_t output(void *user, uint8_t *dst, size_t cap, tt_time now)
{
	struct end *e = user;
	(void)cap;
	return session_packet_output(e->w->s[e->index], dst, now);
}

static tt_time deadline(void *user)
{
	struct end *e = user;
	return session_deadline(e->w->s[e->index]);
}

static int on_deadline(void *user, tt_time now)
{
	struct end *e = user;
	session_on_deadline(e->w->s[e->index], now);
	return TT_OK;
}

static bool never(void *user)
{
	(void)user;
	return false;
}

static void run(struct world *w, const struct plan *plan)
{
	struct sim *sim = sim_new(1, START, plan->limit_us);

	start(w, plan);
	for (int i = 0; i < 2; i++) {
		struct sim_endpoint ep = {
			&w->end[i], input, output, deadline, on_deadline, app, tox_wire};
		sim_add_link(sim, &plan->link[i]);
		sim_add_end(sim, &ep);
	}
	for (int i = 0; i < 2; i++)
		sim_route(sim, i, !i, &i, 1);
	struct sim_result r = sim_run(sim, never, NULL);
	assert_string_equal(sim_outcome_name(r.outcome), sim_outcome_name(SIM_TIMEOUT));
	sim_free(sim);
}

static double share(const struct traffic *f)
{
	return (double)f->received / (double)f->sent;
}

static double ms(const struct traffic *f, double q)
{
	return (double)sim_hist_quantile(&f->way, q) / 1e3;
}

static void print(const struct world *w, const char *what)
{
	for (size_t i = 0; i < FLOWS; i++) {
		const struct traffic *f = &w->flow[i];
		if (f->sent)
			print_message("# %s: flow %zu %.1f %% of %llu arrived, one way median %.2f "
				      "ms, 99 %% %.2f ms\n",
				what, i, 100 * share(f), (unsigned long long)f->sent, ms(f, 0.5),
				ms(f, 0.99));
	}
}

/* ---- tests ---- */

static void bad_path_costs_datagrams_and_never_mixes_them_up(void **state)
{
	static struct world w;
	struct sim_link bad = {.rate = MBIT(200),
		.queue_bytes = 500000,
		.delay_us = TT_MS(20),
		.jitter_us = TT_MS(10),
		.jitter_reorders = true,
		.loss = PERCENT(5),
		.duplicate = PERCENT(3)};
	struct plan plan = {.link = {bad, bad},
		.feed = {{HEADER, 1300, 700, 0}, {HEADER, 20000, 7000, 0},
			{60000, WIRE_DGRAM_MAX, 100000, 0}},
		.limit_us = TT_S(20)};
	(void)state;
	run(&w, &plan);
	print(&w, "loss 5 %");
	for (size_t i = 0; i < FLOWS; i++)
		assert_int_equal(w.flow[i].bad, 0);
	assert_in_range((unsigned)(1000 * share(&w.flow[0])), 940, 960);
	/* 0.95 to the power of 1 to 15 fragments; of 45 to 49 */
	assert_in_range((unsigned)(1000 * share(&w.flow[1])), 600, 750);
	assert_in_range((unsigned)(1000 * share(&w.flow[2])), 40, 150);
	assert_true(w.flow[0].reordered > 1000); /* it does order nothing */
	assert_true(w.flow[0].twice > 500);
	assert_true(ms(&w.flow[0], 0.99) < 45);
	finish(&w);
}

/* 20 Mbit/s and 40 ms there and back, with a queue as long as that. */
static const struct sim_link narrow = {
	.rate = MBIT(20), .queue_bytes = 100000, .delay_us = TT_MS(20)};

static double download_mbit(const struct world *w, double seconds)
{
	double mbit = (double)w->downloaded * 8 / seconds / 1e6;
	print_message("# the download got %.2f Mbit/s\n", mbit);
	return mbit;
}

static void call_beside_a_download_waits_for_no_more_than_the_path(void **state)
{
	static struct world w;
	/* 100 kbit/s of small datagrams, as of a call, and 4 Mbit/s of large ones, as of a video,
	 * that come in the middle of the download */
	struct plan plan = {.link = {narrow, narrow},
		.feed = {{200, 200, 16000, 0}, {1200, 1200, 2400, TT_S(10)}},
		.download = true,
		.limit_us = TT_S(40)};
	(void)state;
	run(&w, &plan);
	print(&w, "beside a download");
	for (size_t i = 0; i < 2; i++) {
		assert_true(share(&w.flow[i]) > 0.99);
		assert_true(ms(&w.flow[i], 0.5) < 27);
		assert_true(ms(&w.flow[i], 0.99) < 40);
	}
	assert_true(download_mbit(&w, 40) > 14.5);
	finish(&w);
}

static void download_makes_room_for_many_datagrams_and_takes_the_rest(void **state)
{
	static struct world w;
	struct plan plan = {.link = {narrow, narrow},
		.feed = {{1200, 1200, 800, TT_S(5)}}, /* 12 Mbit/s */
		.download = true,
		.limit_us = TT_S(60)};
	(void)state;
	run(&w, &plan);
	print(&w, "12 of 20 Mbit/s");
	assert_true(share(&w.flow[0]) > 0.99);
	assert_true(ms(&w.flow[0], 0.5) < 30);
	assert_true(download_mbit(&w, 60) > 7);
	finish(&w);
}

static void more_datagrams_than_the_path_carries_do_not_stop_a_download(void **state)
{
	static struct world w;
	struct plan plan = {.link = {narrow, narrow},
		.feed = {{1200, 1200, 400, TT_S(5)}}, /* 24 Mbit/s */
		.download = true,
		.limit_us = TT_S(60)};
	(void)state;
	run(&w, &plan);
	print(&w, "24 of 20 Mbit/s");
	assert_true(share(&w.flow[0]) > 0.5);
	assert_true(download_mbit(&w, 60) > 1.6); /* 1.56 of them came before */
	finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_path_costs_datagrams_and_never_mixes_them_up),
		cmocka_unit_test(call_beside_a_download_waits_for_no_more_than_the_path),
		cmocka_unit_test(download_makes_room_for_many_datagrams_and_takes_the_rest),
		cmocka_unit_test(more_datagrams_than_the_path_carries_do_not_stop_a_download),
	};
	return cmocka_run_group_tests_name("dgram-sim", tests, NULL, NULL);
}
