/* Two KCP streams over a bad path, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kcp.h"
#include "kcp_int.h" /* kcp_new_at */
#include "sim.h"
#include "tt_err.h"

#define MTU 1373u
#define CHUNK 20000 /* bytes of the messages in message mode */

/* One end: sends `to_send` bytes of a known pattern, checks those that come. */
struct peer {
	struct kcp *k;
	uint64_t to_send, sent;
	uint64_t to_receive, received;
	uint64_t bad; /* bytes that were not the expected ones */
	bool message;
	uint64_t stop_at;            /* the reader stops after so many bytes, */
	tt_time stop_us, resumes_at; /* for so long */
	tt_time back_at;             /* kcp_resume is called at this time, 0: never */
};

/* Byte number `pos` of every transfer. */
static uint8_t pattern(uint64_t pos)
{
	return (uint8_t)(pos * 131 + (pos >> 8) * 7 + (pos >> 16));
}

static int peer_input(void *user, const uint8_t *pkt, size_t len, tt_time now)
{
	struct peer *p = user;
	return kcp_input(p->k, pkt, len, now);
}

static size_t peer_output(void *user, uint8_t *dst, size_t cap, tt_time now)
{
	struct peer *p = user;
	return kcp_output(p->k, dst, cap, now);
}

static tt_time peer_deadline(void *user)
{
	struct peer *p = user;
	return kcp_deadline(p->k);
}

static int peer_on_deadline(void *user, tt_time now)
{
	struct peer *p = user;
	return kcp_on_deadline(p->k, now);
}

static void check(struct peer *p, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p->bad += data[i] != pattern(p->received + i);
	p->received += len;
}

static void write_stream(struct peer *p)
{
	struct iovec v[8];
	int n;
	while (p->sent < p->to_send &&
		(n = kcp_send_reserve(p->k, v, 8, p->to_send - p->sent)) > 0) {
		size_t len = 0;
		for (int i = 0; i < n; i++) {
			for (size_t j = 0; j < v[i].iov_len; j++)
				((uint8_t *)v[i].iov_base)[j] = pattern(p->sent + len + j);
			len += v[i].iov_len;
		}
		kcp_send_commit(p->k, len);
		p->sent += len;
	}
}

static void write_messages(struct peer *p)
{
	static uint8_t buf[CHUNK];
	while (p->sent < p->to_send) {
		uint64_t len = p->to_send - p->sent < CHUNK ? p->to_send - p->sent : CHUNK;
		for (uint64_t i = 0; i < len; i++)
			buf[i] = pattern(p->sent + i);
		if (kcp_send(p->k, buf, len) != (int)len)
			return;
		p->sent += len;
	}
}

static void read_stream(struct peer *p)
{
	struct iovec v[8];
	int n;
	while ((n = kcp_recv_peek(p->k, v, 8)) > 0) {
		size_t len = 0;
		for (int i = 0; i < n; i++) {
			check(p, v[i].iov_base, v[i].iov_len);
			len += v[i].iov_len;
		}
		kcp_recv_consume(p->k, len);
	}
}

static void read_messages(struct peer *p)
{
	static uint8_t buf[CHUNK];
	int n;
	while ((n = kcp_recv(p->k, buf, sizeof(buf))) > 0) {
		if (n != CHUNK && p->received + (uint64_t)n != p->to_receive)
			p->bad++; /* a border is gone */
		check(p, buf, (size_t)n);
	}
}

static tt_time peer_app(void *user, tt_time now)
{
	struct peer *p = user;
	tt_time next = TT_TIME_NEVER;

	if (p->message)
		write_messages(p);
	else
		write_stream(p);
	if (p->stop_us > 0 && p->resumes_at == 0 && p->received >= p->stop_at)
		p->resumes_at = now + p->stop_us;
	if (p->resumes_at > now)
		next = p->resumes_at;
	else if (p->message)
		read_messages(p);
	else
		read_stream(p);
	if (p->back_at > 0 && now >= p->back_at) {
		kcp_resume(p->k, now);
		p->back_at = 0;
	}
	return p->back_at > 0 ? tt_time_min(next, p->back_at) : next;
}

struct pair {
	struct peer p[2];
};

static bool pair_done(void *user)
{
	struct pair *pair = user;
	for (int i = 0; i < 2; i++) {
		struct peer *p = &pair->p[i];
		if (p->received < p->to_receive || p->sent < p->to_send ||
			kcp_send_pending(p->k) > 0)
			return false;
	}
	return true;
}

/* What a test chooses; the rest has defaults. */
struct scene {
	const char *name;
	enum tt_mode mode;
	bool message;
	uint64_t seed, bytes, back_bytes; /* end 0 to 1, end 1 to 0 */
	struct sim_link link;             /* both directions */
	uint32_t snd_wnd, rcv_wnd;
	tt_time start, limit_us;
	uint32_t first_sn;
	uint64_t stop_at;
	tt_time stop_us;
	tt_time dark_from, dark_to; /* both directions drop everything in between; 0: never */
	bool resumes;               /* kcp_resume is called at dark_to */
};

struct outcome {
	struct sim_result sim;
	struct kcp_stats st[2];
	uint64_t received, bad;
};

static struct outcome play(const struct scene *sc)
{
	struct pair pair = {0};
	tt_time start = sc->start ? sc->start : TT_S(5);
	struct sim *sim = sim_new(sc->seed, start, sc->limit_us ? sc->limit_us : TT_S(3600));
	struct outcome out = {0};

	for (int i = 0; i < 2; i++) {
		struct kcp_config kc = {.conv = 42,
			.mode = sc->mode,
			.mtu = MTU,
			.snd_wnd = sc->snd_wnd,
			.rcv_wnd = sc->rcv_wnd,
			.message = sc->message};
		struct peer *p = &pair.p[i];
		assert_int_equal(kcp_new_at(&p->k, &kc, start, sc->first_sn), TT_OK);
		p->message = sc->message;
		p->to_send = i == 0 ? sc->bytes : sc->back_bytes;
		p->to_receive = i == 0 ? sc->back_bytes : sc->bytes;
		if (sc->resumes)
			p->back_at = start + sc->dark_to;
		int link = sim_add_link(sim, &sc->link);
		if (sc->dark_to > 0) {
			struct sim_link dark = sc->link;
			dark.dark = true;
			sim_change(sim, sc->dark_from, link, &dark);
			sim_change(sim, sc->dark_to, link, &sc->link);
		}
		struct sim_endpoint end = {.user = p,
			.input = peer_input,
			.output = peer_output,
			.deadline = peer_deadline,
			.on_deadline = peer_on_deadline,
			.app = peer_app};
		sim_route(sim, sim_add_end(sim, &end), !i, &link, 1);
	}
	pair.p[1].stop_at = sc->stop_at;
	pair.p[1].stop_us = sc->stop_us;

	out.sim = sim_run(sim, pair_done, &pair);
	sim_free(sim);
	for (int i = 0; i < 2; i++) {
		kcp_stats(pair.p[i].k, &out.st[i]);
		out.received += pair.p[i].received;
		out.bad += pair.p[i].bad;
		kcp_free(pair.p[i].k);
	}
	if (out.sim.outcome != SIM_DONE || out.bad > 0)
		fail_msg("%s mode=%s seed=%llu: %s after %.3f s, %llu of %llu bytes, %llu bad",
			sc->name ? sc->name : "transfer", tt_mode_name(sc->mode),
			(unsigned long long)sc->seed, sim_outcome_name(out.sim.outcome),
			(double)out.sim.elapsed_us / 1e6, (unsigned long long)out.received,
			(unsigned long long)(sc->bytes + sc->back_bytes),
			(unsigned long long)out.bad);
	assert_int_equal(out.received, sc->bytes + sc->back_bytes);
	return out;
}

static double seconds(const struct outcome *o)
{
	return (double)o->sim.elapsed_us / 1e6;
}

/* Repeats for each segment that had to be sent. */
static double repeats(const struct kcp_stats *st)
{
	return (double)st->segs_retransmitted / (double)(st->segs_sent - st->segs_retransmitted);
}

static void report(const struct scene *sc, const struct outcome *o)
{
	print_message("# %-8s loss %2u %% seed %llu: %7.3f s, repeats %.3f, spurious %llu\n",
		tt_mode_name(sc->mode), sc->link.loss / 10000, (unsigned long long)sc->seed,
		seconds(o), repeats(&o->st[0]), (unsigned long long)o->st[0].segs_spurious);
}

static void clean_path_delivers_at_window_speed_without_repeats(void **state)
{
	/* 4 MB at 40 ms round trip; the bounds are (bytes / (window * mss)) round trips plus some
	 * for the start, which is what a sender that always fills its window needs. */
	static const struct {
		enum tt_mode mode;
		double most;
	} want[] = {{TT_MODE_DEFAULT, 7.5}, {TT_MODE_NORMAL, 7.5}, {TT_MODE_FAST, 2.1},
		{TT_MODE_FAST2, 1.45}, {TT_MODE_FAST3, 1.1}, {TT_MODE_AUTO, 0.35}};
	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct scene sc = {.mode = want[i].mode,
			.seed = 1,
			.bytes = 4000000,
			.link = {.delay_us = TT_MS(20)}};
		struct outcome o = play(&sc);
		report(&sc, &o);
		assert_true(seconds(&o) <= want[i].most);
		assert_int_equal(o.st[0].segs_retransmitted, 0);
	}
}

static void every_mode_delivers_at_every_loss(void **state)
{
	/* Seconds for 500 kB at 40 ms round trip, at 0, 1, 5, 15 and 30 % loss both ways. default
	 * and normal have KCP's congestion window, which collapses on loss, and all but the
	 * nodelay modes double the RTO, so that one segment lost ten times takes minutes. A lost
	 * ACK costs a repeat as well, hence the bound of six repeats for each loss. The
	 * seconds are at least what 99 of 100 seeds stay below. */
	static const uint32_t loss[] = {0, 10000, 50000, 150000, 300000};
	static const struct {
		enum tt_mode mode;
		double most[5];
	} want[] = {
		{TT_MODE_DEFAULT, {2, 6, 12, 40, 1000}},
		{TT_MODE_NORMAL, {2, 5, 9, 30, 1000}},
		{TT_MODE_FAST, {0.3, 0.7, 2, 4, 300}},
		{TT_MODE_FAST2, {0.3, 0.5, 0.8, 2, 5}},
		{TT_MODE_FAST3, {0.2, 0.4, 0.6, 1.2, 2.5}},
		{TT_MODE_AUTO, {0.2, 0.2, 0.5, 0.6, 3}},
	};
	(void)state;
	for (size_t m = 0; m < sizeof(want) / sizeof(want[0]); m++) {
		for (size_t l = 0; l < 5; l++) {
			for (uint64_t seed = 1; seed <= 3; seed++) {
				struct scene sc = {.mode = want[m].mode,
					.seed = seed,
					.bytes = 500000,
					.back_bytes = 20000,
					.link = {.delay_us = TT_MS(20), .loss = loss[l]}};
				struct outcome o = play(&sc);
				double p = loss[l] / 1e6;
				if (seed == 1)
					report(&sc, &o);
				if (seconds(&o) > want[m].most[l] ||
					repeats(&o.st[0]) > 0.1 + 6.0 * p)
					fail_msg("mode=%s loss=%.2f seed=%llu: %.3f s repeats %.3f",
						tt_mode_name(sc.mode), p, (unsigned long long)seed,
						seconds(&o), repeats(&o.st[0]));
			}
		}
	}
}

static void reordering_and_duplication_are_survived(void **state)
{
	(void)state;
	for (int m = TT_MODE_AUTO; m <= TT_MODE_FAST3; m++) {
		for (int message = 0; message < 2; message++) {
			for (uint64_t seed = 1; seed <= 3; seed++) {
				struct scene sc = {.name = "reorder",
					.mode = (enum tt_mode)m,
					.message = message,
					.seed = seed,
					.bytes = 1000000,
					.back_bytes = 300000,
					.limit_us = TT_S(120),
					.link = {.delay_us = TT_MS(15),
						.jitter_us = TT_MS(5),
						.loss = 5000,
						.reorder = 100000,
						.reorder_us = TT_MS(3),
						.duplicate = 50000,
						.rate = 5000000}};
				struct outcome o = play(&sc);
				if (seed == 1)
					report(&sc, &o);
			}
		}
	}
}

static void reader_that_stops_closes_the_window_and_reopens_it(void **state)
{
	(void)state;
	for (int m = TT_MODE_AUTO; m <= TT_MODE_FAST3; m++) {
		for (uint32_t loss = 0; loss <= 200000; loss += 100000) {
			struct scene sc = {.name = "stop",
				.mode = (enum tt_mode)m,
				.seed = 11 + loss,
				.bytes = 600000,
				.rcv_wnd = 128,
				.snd_wnd = 128,
				.link = {.delay_us = TT_MS(10), .loss = loss},
				.stop_at = 100000,
				.stop_us = TT_S(30)};
			struct outcome o = play(&sc);
			assert_true(seconds(&o) > 30);
			/* Not the seven seconds of the probe, when a word gets through. */
			if (loss == 0 && m != TT_MODE_DEFAULT && m != TT_MODE_NORMAL)
				assert_true(seconds(&o) < 30.5);
		}
	}
}

static void sn_and_clock_wrap_in_mid_transfer(void **state)
{
	(void)state;
	for (int m = TT_MODE_AUTO; m <= TT_MODE_FAST3; m++) {
		struct scene sc = {.name = "wrap",
			.mode = (enum tt_mode)m,
			.seed = 3,
			.bytes = 2000000,
			.back_bytes = 2000000,
			.start = TT_MS((tt_time)UINT32_MAX - 400),
			.first_sn = UINT32_MAX - 500,
			.link = {.delay_us = TT_MS(20),
				.loss = 20000,
				.reorder = 10000,
				.reorder_us = TT_MS(2),
				.duplicate = 10000}};
		struct scene plain = sc;
		plain.start = 0;
		plain.first_sn = 0;
		struct outcome o = play(&sc), p = play(&plain);
		/* The same seed drops the same packets, so a wrap that mattered would show. Ticks
		 * lie elsewhere, so small differences are right. */
		assert_true(seconds(&o) < seconds(&p) * 1.25 + 1 &&
			    seconds(&p) < seconds(&o) * 1.25 + 1);
	}
}

static void resume_after_a_blackout_goes_on_at_once(void **state)
{
	(void)state;
	for (int m = TT_MODE_AUTO; m <= TT_MODE_FAST3; m++) {
		struct scene sc = {.name = "blackout",
			.mode = (enum tt_mode)m,
			.seed = 9,
			.bytes = 1000000,
			.back_bytes = 1000,
			.link = {.delay_us = TT_MS(20)},
			.dark_from = TT_MS(100),
			.dark_to = TT_S(120),
			.resumes = true};
		struct outcome with = play(&sc);
		sc.resumes = false;
		struct outcome without = play(&sc);
		report(&sc, &with);
		assert_true(seconds(&with) < 124);
		assert_true(seconds(&with) <= seconds(&without));
		if (m != TT_MODE_DEFAULT && m != TT_MODE_NORMAL)
			assert_true(seconds(&with) < 121);
	}
}

static void bottleneck_with_a_short_queue_is_survived(void **state)
{
	(void)state;
	for (int m = TT_MODE_DEFAULT; m <= TT_MODE_FAST3; m++) {
		struct scene sc = {.name = "bottleneck",
			.mode = (enum tt_mode)m,
			.seed = 4,
			.bytes = 2000000,
			.limit_us = TT_S(60),
			.link = {.delay_us = TT_MS(25), .rate = 1000000, .queue_bytes = 100000}};
		struct outcome o = play(&sc);
		report(&sc, &o);
	}
}

static void round_trip_longer_than_the_first_rto_is_learnt(void **state)
{
	(void)state;
	for (int m = TT_MODE_AUTO; m <= TT_MODE_FAST3; m++) {
		struct scene sc = {.name = "satellite",
			.mode = (enum tt_mode)m,
			.seed = 6,
			.bytes = 400000,
			.link = {.delay_us = TT_MS(400)}};
		struct outcome o = play(&sc);
		report(&sc, &o);
		assert_in_range(o.st[0].srtt_us, TT_MS(800), TT_MS(830));
		assert_true(repeats(&o.st[0]) < 2.5); /* the first flight, twice */
	}
}

static void equal_seeds_give_equal_traces(void **state)
{
	struct scene sc = {.mode = TT_MODE_FAST2,
		.seed = 77,
		.bytes = 300000,
		.back_bytes = 300000,
		.link = {.delay_us = TT_MS(20),
			.jitter_us = TT_MS(9),
			.loss = 80000,
			.reorder = 50000,
			.reorder_us = TT_MS(5),
			.duplicate = 20000}};
	(void)state;
	struct outcome a = play(&sc), b = play(&sc);
	assert_true(a.sim.trace == b.sim.trace);
	assert_int_equal(a.sim.events, b.sim.events);
	sc.seed = 78;
	struct outcome c = play(&sc);
	assert_true(a.sim.trace != c.sim.trace);
}

/* ---- the simulator itself ---- */

static int nothing_input(void *user, const uint8_t *pkt, size_t len, tt_time now)
{
	return TT_OK;
}

static size_t nothing_output(void *user, uint8_t *dst, size_t cap, tt_time now)
{
	return 0;
}

static tt_time given_deadline(void *user)
{
	return *(tt_time *)user;
}

static int ten_ms_later(void *user, tt_time now)
{
	tt_time *t = user;
	if (*t != 1)
		*t = now + TT_MS(10);
	return TT_OK;
}

static tt_time no_app(void *user, tt_time now)
{
	return TT_TIME_NEVER;
}

static bool never_done(void *user)
{
	return false;
}

static void deadlock_timeout_and_spin_are_told_apart(void **state)
{
	static const struct {
		tt_time deadline;
		enum sim_outcome want;
	} cases[] = {{TT_TIME_NEVER, SIM_DEADLOCK}, {TT_S(2), SIM_TIMEOUT}, {1, SIM_SPIN}};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		tt_time t[2] = {cases[i].deadline, TT_TIME_NEVER};
		struct sim *sim = sim_new(1, TT_S(1), TT_S(10));
		for (int e = 0; e < 2; e++) {
			struct sim_endpoint end = {.user = &t[e],
				.input = nothing_input,
				.output = nothing_output,
				.deadline = given_deadline,
				.on_deadline = ten_ms_later,
				.app = no_app};
			sim_add_end(sim, &end);
		}
		assert_int_equal(sim_run(sim, never_done, NULL).outcome, cases[i].want);
		sim_free(sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_path_delivers_at_window_speed_without_repeats),
		cmocka_unit_test(every_mode_delivers_at_every_loss),
		cmocka_unit_test(reordering_and_duplication_are_survived),
		cmocka_unit_test(reader_that_stops_closes_the_window_and_reopens_it),
		cmocka_unit_test(sn_and_clock_wrap_in_mid_transfer),
		cmocka_unit_test(resume_after_a_blackout_goes_on_at_once),
		cmocka_unit_test(bottleneck_with_a_short_queue_is_survived),
		cmocka_unit_test(round_trip_longer_than_the_first_rto_is_learnt),
		cmocka_unit_test(equal_seeds_give_equal_traces),
		cmocka_unit_test(deadlock_timeout_and_spin_are_told_apart),
	};
	return cmocka_run_group_tests_name("kcp-sim", tests, NULL, NULL);
}
