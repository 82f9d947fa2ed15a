/* What is promised of src/link: its share of a bad link and of a shared one, the queue that it
 * makes there, and how fast a keystroke is beside a download. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "scene.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static struct scene *new_scene(void)
{
	struct scene *sc = calloc(1, sizeof(*sc));
	assert_non_null(sc);
	sc->seed = 1;
	return sc;
}

static struct scene_result *run(struct scene *sc)
{
	struct scene_result *r = malloc(sizeof(*r));
	assert_non_null(r);
	scene_run(sc, r);
	free(sc);
	assert_true(r->sim.outcome == SIM_DONE || r->sim.outcome == SIM_TIMEOUT);
	return r;
}

/* The same both ways. */
static void set_link(struct scene *sc, double mbit, tt_time rtt_us, uint64_t queue_bytes)
{
	for (int i = 0; i < 2; i++)
		sc->link[i] = (struct sim_link){
			.rate = MBIT(mbit), .delay_us = rtt_us / 2, .queue_bytes = queue_bytes};
}

static void add_flow(struct scene *sc, enum flow_kind kind, struct load l)
{
	struct flow *f = &sc->flow[sc->n_flows++];
	f->kind = kind;
	f->n_loads = 1;
	f->load[0] = l;
}

/* 0, or 1 when the figure is out of its bounds: so that a test says all of them before it fails. */
static unsigned missed(const char *what, double is, double least, double most)
{
	bool in = is >= least && is <= most;
	print_message("# %-14s %8.3f%s\n", what, is, in ? "" : "  MISSED");
	if (!in)
		print_message("#   wanted: %g to %g\n", least, most);
	return !in;
}

static double ms(tt_time t)
{
	return (double)t / 1e3;
}

/* ---- one download over a bad link ---- */

static void one_download_gets_its_share(void **state)
{
	/* Loss, jitter and bursts both ways. `again` is the most that may be sent again, as a share
	 * of the segments; the rate steps and the blackout count what the link could have carried.
	 */
	static const struct {
		const char *name;
		double mbit;
		tt_time rtt_us;
		uint64_t queue_bytes, bytes;
		struct sim_link also; /* its loss, burst, jitter and clumps */
		double least, again;
	} links[] = {
		{"no loss", 100, TT_MS(100), 1250000, 60000000, {0}, 0.87, 0.01},
		{"loss 1 %", 100, TT_MS(100), 1250000, 60000000, {.loss = PERCENT(1)}, 0.85,
			0.0115},
		{"loss 5 %", 100, TT_MS(100), 1250000, 60000000, {.loss = PERCENT(5)}, 0.78,
			0.0575},
		{"loss 10 %", 100, TT_MS(100), 1250000, 60000000, {.loss = PERCENT(10)}, 0.7,
			0.115},
		{"far", 10, TT_MS(300), 375000, 60000000, {.loss = PERCENT(2)}, 0.75, 0.023},
		{"fast", 500, TT_MS(20), 1250000, 400000000, {.loss = PERCENT(0.1)}, 0.6, 0.01},
		{"short queue", 50, TT_MS(50), 30000, 60000000, {0}, 0.75, 0.1},
		{"reordering", 100, TT_MS(50), 1250000, 60000000,
			{.jitter_us = TT_MS(20), .jitter_reorders = true}, 0.8, 0.03},
		{"bursts of loss", 50, TT_MS(50), 312500, 30000000,
			{.burst = {1000, 100000, 1000000}}, 0.75, 0.02},
		{"drifting delay", 50, TT_MS(40), 312500, 30000000,
			{.jitter_us = TT_MS(30), .jitter_period_us = TT_MS(200)}, 0.8, 0.02},
		{"drifting for long", 50, TT_MS(40), 312500, 200000000,
			{.jitter_us = TT_MS(10), .jitter_period_us = TT_MS(200)}, 0.85, 0.02},
		{"clumped arrivals", 50, TT_MS(30), 312500, 30000000, {.clump_us = TT_MS(10)}, 0.8,
			0.02},
		{"duplicates", 50, TT_MS(30), 312500, 30000000, {.duplicate = PERCENT(5)}, 0.85,
			0.02},
	};
	unsigned n = 0;
	(void)state;
	for (size_t i = 0; i < LENGTH(links); i++) {
		struct scene *sc = new_scene();
		sc->limit_us = TT_S(200);
		for (int d = 0; d < 2; d++) {
			sc->link[d] = links[i].also;
			sc->link[d].rate = MBIT(links[i].mbit);
			sc->link[d].delay_us = links[i].rtt_us / 2;
			sc->link[d].queue_bytes = links[i].queue_bytes;
		}
		add_flow(sc, FLOW_TOXTUN, (struct load){LOAD_BULK, .bytes = links[i].bytes});
		struct scene_result *r = run(sc);
		print_message("# %s\n", links[i].name);
		assert_true(r->flow[0].finished_us > 0);
		n += missed("share", r->flow[0].share[0], links[i].least, 1);
		n += missed("sent again", r->flow[0].sent_again[0], 0, links[i].again);
		free(r);
	}
	assert_int_equal(n, 0);
}

static void policed_download_gets_most_of_the_policed_rate(void **state)
{
	unsigned n = 0;
	(void)state;
	struct scene *sc = new_scene();
	sc->limit_us = TT_S(60);
	set_link(sc, 100, TT_MS(40), 500000);
	sc->link[0].police_rate = MBIT(20);
	sc->link[0].police_bytes = 100000;
	add_flow(sc, FLOW_TOXTUN, (struct load){LOAD_BULK, .bytes = 30000000});
	struct scene_result *r = run(sc);
	n += missed("share", r->flow[0].share[0] * 5, 0.7, 1);
	free(r);
	assert_int_equal(n, 0);
}

static double changing_link(tt_time first, uint64_t queue_bytes)
{
	struct scene *sc = new_scene();

	sc->limit_us = TT_S(32);
	set_link(sc, 50, TT_MS(40), queue_bytes);
	for (size_t i = 0; i < 8; i++) {
		struct scene_change *c = &sc->change[sc->n_changes++];
		*c = (struct scene_change){TT_S(4 * i) + (i > 0 ? first : 0), 0, sc->link[0]};
		c->to.rate = MBIT(i % 2 ? 10 : 50);
		c->to.delay_us = TT_MS(i % 4 < 2 ? 20 : 60);
	}
	add_flow(sc, FLOW_TOXTUN, (struct load){.kind = LOAD_BULK});
	struct scene_result *r = run(sc);
	double share = r->flow[0].share[0];
	free(r);
	return share;
}

/*
 * The rate goes up three times, each time by 40 of 50 Mbit/s, and is looked for every 2 to 3 s, or
 * sooner when the way gets longer too; the payload is 0.944 of what is used. How long it takes
 * depends on the moment of the change, so this is the mean of several.
 */
static void changing_link_is_followed(void **state)
{
	unsigned runs = 0, n = 0;
	double sum = 0;

	(void)state;
	for (tt_time first = 0; first < TT_MS(1200); first += TT_MS(400))
		for (uint64_t queue = 200000; queue <= 300000; queue += 100000) {
			double share = changing_link(first, queue);
			n += missed("share", share, 0.6, 1);
			sum += share;
			runs++;
		}
	n += missed("mean", sum / runs, 0.7, 1);
	assert_int_equal(n, 0);
}

static void blackout_costs_little_more_than_itself(void **state)
{
	unsigned n = 0;
	(void)state;
	struct scene *sc = new_scene();
	sc->limit_us = TT_S(20);
	set_link(sc, 50, TT_MS(40), 250000);
	for (int i = 0; i < 2; i++) {
		struct sim_link dark = sc->link[i];
		dark.dark = true;
		sc->change[sc->n_changes++] = (struct scene_change){TT_S(5), i, dark};
	}
	for (int i = 0; i < 2; i++)
		sc->change[sc->n_changes++] = (struct scene_change){TT_S(8), i, sc->link[i]};
	add_flow(sc, FLOW_TOXTUN, (struct load){.kind = LOAD_BULK});
	struct scene_result *r = run(sc);
	n += missed("share", r->flow[0].share[0], 0.8, 1);
	free(r);
	assert_int_equal(n, 0);
}

/* ---- what else is on the link ---- */

static void ping_beside_a_download_is_fast(void **state)
{
	unsigned n = 0;
	(void)state;
	struct scene *sc = new_scene();
	sc->limit_us = TT_S(30);
	sc->warmup_us = TT_S(2);
	set_link(sc, 50, TT_MS(50), 625000);
	add_flow(sc, FLOW_TOXTUN, (struct load){LOAD_BULK, .from = 1});
	sc->flow[0].load[sc->flow[0].n_loads++] =
		(struct load){LOAD_PING, .bytes = 64, .period_us = TT_MS(20), .start_us = TT_S(2)};
	struct scene_result *r = run(sc);
	n += missed("share", r->flow[0].share[1], 0.85, 1);
	n += missed("ping, median", ms(sim_hist_quantile(&r->flow[0].ping, 0.5)), 50, 60);
	n += missed("ping, p99", ms(sim_hist_quantile(&r->flow[0].ping, 0.99)), 50, 70);
	n += missed("median wait", ms(sim_hist_quantile(&r->link[1].wait, 0.5)), 0, 25);
	free(r);
	assert_int_equal(n, 0);
}

/* Full packets are 1.059 times their payload; ACKs are the rest, one a millisecond or for 10
 * packets: 0.008 at this rate, 0.014 at half of it. */
static void download_costs_few_bytes_more_than_it_carries(void **state)
{
	unsigned n = 0;
	(void)state;
	struct scene *sc = new_scene();
	sc->limit_us = TT_S(20);
	set_link(sc, 100, TT_MS(100), 1250000);
	add_flow(sc, FLOW_TOXTUN, (struct load){LOAD_BULK, .bytes = 60000000});
	struct scene_result *r = run(sc);
	n += missed("overhead", r->flow[0].overhead, 1, 1.07);
	free(r);
	assert_int_equal(n, 0);
}

static void hundred_channels_get_the_same(void **state)
{
	unsigned n = 0;
	(void)state;
	struct scene *sc = new_scene();
	sc->limit_us = TT_S(20);
	sc->warmup_us = TT_S(2);
	set_link(sc, 100, TT_MS(40), 500000);
	add_flow(sc, FLOW_TOXTUN, (struct load){LOAD_BULK, .channels = 100});
	struct scene_result *r = run(sc);
	n += missed("share", r->flow[0].share[0], 0.85, 1);
	n += missed("Jain's index", r->flow[0].jain[0], 0.95, 1);
	free(r);
	assert_int_equal(n, 0);
}

static void competitors_leave_each_other_room(void **state)
{
	/* Whoever comes first; queues of two and of one bandwidth-delay product (BDP). BBR is that
	 * of TCP's first version, which keeps two BDP in flight whatever is lost. With a queue of
	 * one that is all that link and queue hold: the queue overflows all the time, and whoever
	 * takes loss beside a queue for congestion gets what BBR leaves. To pass over all such loss
	 * would give us a third of the link, and let eight of us lose a fifth of all packets to
	 * each other. Linux's BBR is milder than this one. */
	static const struct {
		const char *name;
		enum flow_kind other;
		double least[2], most;
	} pairs[] = {
		{"toxtun", FLOW_TOXTUN, {0.4, 0.4}, 0.6},
		{"CUBIC", FLOW_CUBIC, {0.25, 0.25}, 0.75},
		{"BBR", FLOW_BBR, {0.25, 0.1}, 0.75},
	};
	unsigned n = 0;
	(void)state;
	for (size_t i = 0; i < LENGTH(pairs) * 4; i++) {
		struct scene *sc = new_scene();
		sc->limit_us = TT_S(90);
		sc->warmup_us = TT_S(15);
		set_link(sc, 50, TT_MS(50), i % 2 ? 312500 : 625000);
		bool first = i / 2 % 2;
		add_flow(
			sc, FLOW_TOXTUN, (struct load){LOAD_BULK, .start_us = first ? 0 : TT_S(3)});
		add_flow(sc, pairs[i / 4].other,
			(struct load){LOAD_BULK, .start_us = first ? TT_S(3) : 0});
		struct scene_result *r = run(sc);
		double ours = (double)r->flow[0].share[0], others = r->flow[1].share[0];
		print_message("# beside %s, %s, queue of %d BDP\n", pairs[i / 4].name,
			first ? "first" : "second", i % 2 ? 1 : 2);
		n += missed("both", ours + others, 0.85, 1);
		n += missed("of both", ours / (ours + others), pairs[i / 4].least[i % 2],
			pairs[i / 4].most);
		free(r);
	}
	assert_int_equal(n, 0);
}

/* Whenever the second one comes. If both probed at the same times, neither would ever gain. */
static void two_downloads_become_equal(void **state)
{
	static const tt_time after[] = {TT_MS(200), TT_MS(500), TT_S(1), TT_S(3)};
	unsigned n = 0;
	(void)state;
	for (size_t i = 0; i < LENGTH(after); i++) {
		struct scene *sc = new_scene();
		sc->limit_us = TT_S(75);
		sc->warmup_us = TT_S(15);
		set_link(sc, 100, TT_MS(100), 1250000);
		add_flow(sc, FLOW_TOXTUN, (struct load){LOAD_BULK, .start_us = 0});
		add_flow(sc, FLOW_TOXTUN, (struct load){LOAD_BULK, .start_us = after[i]});
		struct scene_result *r = run(sc);
		double first = r->flow[0].share[0], second = r->flow[1].share[0];
		n += missed("both", first + second, 0.85, 1);
		n += missed("first, of both", first / (first + second), 0.3, 0.7);
		free(r);
	}
	assert_int_equal(n, 0);
}

static void flows_of_different_distance_share(void **state)
{
	unsigned n = 0;
	(void)state;
	struct scene *sc = new_scene();
	sc->limit_us = TT_S(90);
	sc->warmup_us = TT_S(15);
	set_link(sc, 50, TT_MS(20), 312500);
	for (size_t i = 0; i < 3; i++) {
		add_flow(sc, FLOW_TOXTUN, (struct load){LOAD_BULK, .start_us = TT_S(i)});
		sc->flow[i].access_us = TT_MS(20 * i);
	}
	struct scene_result *r = run(sc);
	for (size_t i = 0; i < 3; i++)
		n += missed("share", r->flow[i].share[0], 0.12, 0.6);
	free(r);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_download_gets_its_share),
		cmocka_unit_test(policed_download_gets_most_of_the_policed_rate),
		cmocka_unit_test(changing_link_is_followed),
		cmocka_unit_test(blackout_costs_little_more_than_itself),
		cmocka_unit_test(ping_beside_a_download_is_fast),
		cmocka_unit_test(download_costs_few_bytes_more_than_it_carries),
		cmocka_unit_test(hundred_channels_get_the_same),
		cmocka_unit_test(competitors_leave_each_other_room),
		cmocka_unit_test(two_downloads_become_equal),
		cmocka_unit_test(flows_of_different_distance_share),
	};
	return cmocka_run_group_tests_name("link-sim", tests, NULL, NULL);
}
