/* A download whose path changes between UDP and a relay: what was sent by one teaches nothing of
 * the other, and a path that is back in a moment is taken up as it was left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "scene.h"

#define SECONDS 8

/* Over 50 Mbit/s and 50 ms with a queue of one bandwidth-delay product, which both paths share. The
 * queue and the share tell how well the path is known. */
static void download(const struct path_change *changes, size_t n)
{
	struct scene *sc = calloc(1, sizeof(*sc));
	struct scene_result *r = malloc(sizeof(*r));
	assert_true(sc && r);

	sc->seed = 1;
	sc->limit_us = TT_S(SECONDS);
	for (int i = 0; i < 2; i++)
		sc->link[i] = (struct sim_link){
			.rate = MBIT(50), .delay_us = TT_MS(25), .queue_bytes = 312500};
	sc->n_flows = 1;
	sc->flow[0].n_loads = 1;
	sc->flow[0].load[0].kind = LOAD_BULK;
	sc->flow[0].n_paths = n;
	for (size_t i = 0; i < n; i++)
		sc->flow[0].path[i] = changes[i];
	scene_run(sc, r);

	double wait_ms = (double)sim_hist_quantile(&r->link[0].wait, 0.5) / 1e3;
	print_message("# share %.3f, sent again %.4f, wait %.1f ms\n", r->flow[0].share[0],
		r->flow[0].sent_again[0], wait_ms);
	assert_int_equal(r->sim.outcome, SIM_TIMEOUT);
	assert_int_equal(r->flow[0].bad, 0);
	assert_true(r->flow[0].share[0] > 0.88);
	assert_true(r->flow[0].sent_again[0] < 0.01);
	assert_true(wait_ms < 5);
	free(r);
	free(sc);
}

static void what_is_in_flight_at_a_change_teaches_nothing_of_the_new_path(void **state)
{
	static const struct path_change to_relay[] = {{TT_S(3), LINK_RELAYED}};
	static const struct path_change to_udp[] = {{1, LINK_RELAYED}, {TT_S(3), LINK_DIRECT}};
	(void)state;
	download(to_relay, 1);
	download(to_udp, 2);
}

static void path_that_flickers_is_known_all_the_time(void **state)
{
	struct path_change changes[HOST_PATHS];
	(void)state;
	for (size_t i = 0; i < HOST_PATHS; i++)
		changes[i] = (struct path_change){
			TT_S(2) + i * TT_MS(300), i % 2 ? LINK_DIRECT : LINK_RELAYED};
	download(changes, HOST_PATHS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_flight_at_a_change_teaches_nothing_of_the_new_path),
		cmocka_unit_test(path_that_flickers_is_known_all_the_time),
	};
	return cmocka_run_group_tests_name("paths-sim", tests, NULL, NULL);
}
