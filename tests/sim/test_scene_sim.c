/* Flows over src/link at a simulated bottleneck: what the scene says of them is true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "content.h"
#include "scene.h"

/* A link of 100 Mbit/s and 40 ms both ways, with one flow. */
static struct scene *new_scene(uint64_t seed, tt_time limit_us)
{
	struct scene *sc = calloc(1, sizeof(*sc));
	assert_non_null(sc);
	sc->seed = seed;
	sc->limit_us = limit_us;
	sc->n_flows = 1;
	for (int i = 0; i < 2; i++)
		sc->link[i] = (struct sim_link){.rate = MBIT(100), .delay_us = TT_MS(20)};
	return sc;
}

static void add_load(struct scene *sc, size_t flow, struct load l)
{
	struct flow *f = &sc->flow[flow];
	f->load[f->n_loads++] = l;
}

static struct scene_result *run(struct scene *sc, enum sim_outcome want)
{
	struct scene_result *r = malloc(sizeof(*r));
	assert_non_null(r);
	scene_run(sc, r);
	free(sc);
	if (r->sim.outcome != want)
		fail_msg("%s after %.3f s", sim_outcome_name(r->sim.outcome),
			(double)r->sim.elapsed_us / 1e6);
	return r;
}

static double ms(tt_time t)
{
	return (double)t / 1e3;
}

static void assert_between(double x, double low, double high)
{
	if (!(x >= low && x <= high))
		fail_msg("%g is not in %g..%g", x, low, high);
}

static void bulk_loads_of_both_directions_arrive_whole(void **state)
{
	(void)state;
	struct scene *sc = new_scene(1, TT_S(60));
	for (int i = 0; i < 2; i++)
		sc->link[i].loss = PERCENT(2);
	add_load(sc, 0, (struct load){LOAD_BULK, .from = 0, .channels = 7, .bytes = 300001});
	add_load(sc, 0, (struct load){LOAD_BULK, .from = 1, .start_us = TT_MS(333), .bytes = 999});
	struct scene_result *r = run(sc, SIM_DONE);
	assert_int_equal(r->flow[0].bad, 0);
	assert_int_equal(r->flow[0].delivered[0], 7 * 300001);
	assert_int_equal(r->flow[0].delivered[1], 999);
	assert_int_equal(r->flow[0].finished_us, r->sim.elapsed_us);
	assert_true(r->link[0].lost > 0);
	free(r);
}

static void ping_measures_the_round_trip(void **state)
{
	(void)state;
	struct scene *sc = new_scene(2, TT_S(10));
	sc->flow[0].access_us = TT_MS(5);
	add_load(sc, 0, (struct load){LOAD_PING, .bytes = 64, .period_us = TT_MS(50)});
	struct scene_result *r = run(sc, SIM_TIMEOUT);
	const struct sim_hist *h = &r->flow[0].ping;
	assert_in_range(h->n, 180, 220);
	assert_int_equal(r->flow[0].pings_skipped, 0);
	/* 20 + 5 each way, and twice a packet of less than 200 bytes at 12.5 bytes a microsecond */
	assert_between(ms(sim_hist_quantile(h, 0.5)), 50, 50.8);
	assert_between(ms(h->max), 50, 51);
	free(r);
}

static void load_of_an_application_is_not_more_than_it_writes(void **state)
{
	(void)state;
	struct scene *sc = new_scene(3, TT_S(20));
	add_load(sc, 0, (struct load){LOAD_BURST, .bytes = 50000, .period_us = TT_MS(100)});
	struct scene_result *r = run(sc, SIM_TIMEOUT);
	/* 200 bursts of 0.4 Mbit, the last of them still on its way perhaps: 4 Mbit/s of 100 */
	assert_in_range(r->flow[0].delivered[0], 199 * 50000, 201 * 50000);
	assert_between(r->flow[0].share[0], 0.0395, 0.0405);
	assert_between(r->flow[0].overhead, 1.05, 1.2);
	free(r);
}

static void path_that_is_down_carries_nothing(void **state)
{
	(void)state;
	struct scene *sc = new_scene(4, TT_S(60));
	sc->flow[0].n_paths = 2;
	sc->flow[0].path[0] = (struct path_change){TT_S(1), LINK_DOWN};
	sc->flow[0].path[1] = (struct path_change){TT_S(11), LINK_RELAYED};
	add_load(sc, 0, (struct load){LOAD_BULK, .bytes = 20000000});
	struct scene_result *r = run(sc, SIM_DONE);
	assert_int_equal(r->flow[0].bad, 0);
	assert_in_range(r->flow[0].finished_us, TT_S(11), TT_S(20));
	free(r);
}

static void flows_of_tcp_are_counted_like_ours(void **state)
{
	(void)state;
	for (int kind = FLOW_TOXTUN; kind <= FLOW_BBR; kind++) {
		struct scene *sc = new_scene(5, TT_S(60));
		sc->flow[0].kind = (enum flow_kind)kind;
		sc->flow[0].access_us = TT_MS(15);
		sc->warmup_us = TT_S(1);
		for (int i = 0; i < 2; i++)
			sc->link[i].queue_bytes = 2000000;
		add_load(sc, 0,
			(struct load){
				LOAD_BULK, .from = 1, .start_us = TT_MS(500), .bytes = 25000000});
		struct scene_result *r = run(sc, SIM_DONE);
		assert_int_equal(r->flow[0].delivered[0], 0);
		assert_int_equal(r->flow[0].delivered[1], 25000000);
		assert_int_equal(r->flow[0].finished_us, r->sim.elapsed_us);
		assert_in_range(r->sim.elapsed_us, TT_MS(2500), TT_MS(3600));
		assert_between(r->flow[0].share[1], 0.8, 0.97);
		assert_between(r->flow[0].overhead, 1.05, 1.25);
		free(r);
	}
}

static void capacity_follows_the_changes_of_the_link(void **state)
{
	struct scene *sc = new_scene(6, TT_S(10));
	(void)state;
	sc->n_changes = 3;
	sc->change[0] = (struct scene_change){TT_S(1), 0, {.rate = 1000}};
	sc->change[1] = (struct scene_change){TT_S(2), 1, {.rate = 7}};
	sc->change[2] = (struct scene_change){TT_S(3), 0, {.rate = 5000, .dark = true}};
	assert_between(scene_capacity(sc, 0, 0, TT_S(5)), 12502000 - 1, 12502000 + 1);
	assert_between(scene_capacity(sc, 0, TT_MS(1500), TT_MS(2500)), 999, 1001);
	assert_between(scene_capacity(sc, 1, TT_S(3), TT_S(4)), 6, 8);
	free(sc);
}

static void jain_index_is_one_for_equals_and_a_share_for_one_of_many(void **state)
{
	static const double equal[] = {3, 3, 3, 3}, one[] = {9, 0, 0, 0};
	(void)state;
	assert_between(jain_index(equal, 4), 0.999, 1.001);
	assert_between(jain_index(one, 4), 0.249, 0.251);
	assert_between(jain_index(one, 0), 1, 1);
}

static void content_is_right_at_its_own_place_only(void **state)
{
	uint8_t buf[1000];
	(void)state;
	for (uint64_t pos = 0; pos < 20; pos += 3) {
		content_fill(buf, sizeof(buf), 7, pos);
		assert_int_equal(content_errors(buf, sizeof(buf), 7, pos), 0);
		assert_int_equal(content_errors(buf + 11, 500, 7, pos + 11), 0);
		assert_true(content_errors(buf, sizeof(buf), 7, pos + 1) > 950);
		assert_true(content_errors(buf, sizeof(buf), 7, pos + 65536) > 950);
		assert_true(content_errors(buf, sizeof(buf), 7 + (1ull << 40), pos) > 950);
		buf[500] ^= 1;
		assert_int_equal(content_errors(buf, sizeof(buf), 7, pos), 1);
	}
}

static void equal_seeds_give_equal_traces(void **state)
{
	struct scene_result *r[3];
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct scene *sc = new_scene(i == 2 ? 78 : 77, TT_S(5));
		sc->n_flows = 2;
		for (int l = 0; l < 2; l++) {
			sc->link[l].loss = PERCENT(1);
			sc->link[l].jitter_us = TT_MS(5);
			sc->link[l].queue_bytes = 200000;
		}
		add_load(sc, 0, (struct load){LOAD_BULK, .from = 1, .channels = 3});
		add_load(sc, 0, (struct load){LOAD_PING, .bytes = 64, .period_us = TT_MS(20)});
		sc->flow[1].kind = FLOW_CUBIC;
		add_load(sc, 1, (struct load){LOAD_BULK, .from = 1});
		r[i] = run(sc, SIM_TIMEOUT);
	}
	assert_true(r[0]->sim.trace == r[1]->sim.trace);
	assert_int_equal(r[0]->sim.events, r[1]->sim.events);
	assert_memory_equal(&r[0]->flow[0], &r[1]->flow[0], sizeof(r[0]->flow[0]));
	assert_true(r[0]->sim.trace != r[2]->sim.trace);
	for (size_t i = 0; i < 3; i++)
		free(r[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bulk_loads_of_both_directions_arrive_whole),
		cmocka_unit_test(ping_measures_the_round_trip),
		cmocka_unit_test(load_of_an_application_is_not_more_than_it_writes),
		cmocka_unit_test(path_that_is_down_carries_nothing),
		cmocka_unit_test(flows_of_tcp_are_counted_like_ours),
		cmocka_unit_test(capacity_follows_the_changes_of_the_link),
		cmocka_unit_test(jain_index_is_one_for_equals_and_a_share_for_one_of_many),
		cmocka_unit_test(content_is_right_at_its_own_place_only),
		cmocka_unit_test(equal_seeds_give_equal_traces),
	};
	return cmocka_run_group_tests_name("scene-sim", tests, NULL, NULL);
}
