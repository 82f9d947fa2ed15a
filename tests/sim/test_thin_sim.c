/* Thin traffic: how fast a 64-byte request is answered over a path that loses packets, alone and
 * beside a download, and what its copies cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "scene.h"
#include "twice.h"

enum beside { ALONE, DOWNLOAD };
static const unsigned seconds_of[] = {[ALONE] = 600, [DOWNLOAD] = 120};

/* A request each 75 ms, more or less, over 50 Mbit/s and 50 ms. */
static struct flow_result *run(enum beside beside, double loss, struct path_change path)
{
	struct scene *sc = calloc(1, sizeof(*sc));
	struct scene_result *r = malloc(sizeof(*r));
	struct flow_result *f = malloc(sizeof(*f));
	assert_true(sc && r && f);

	sc->seed = 1;
	sc->limit_us = TT_S(seconds_of[beside]);
	for (int i = 0; i < 2; i++)
		sc->link[i] = (struct sim_link){.rate = MBIT(50),
			.delay_us = TT_MS(25),
			.queue_bytes = 625000,
			.loss = PERCENT(loss)};
	sc->n_flows = 1;
	struct flow *flow = &sc->flow[0];
	flow->load[flow->n_loads++] = (struct load){LOAD_PING, .bytes = 64, .period_us = TT_MS(75)};
	if (beside == DOWNLOAD)
		flow->load[flow->n_loads++] = (struct load){LOAD_BULK, .from = 1};
	if (path.at > 0)
		flow->path[flow->n_paths++] = path;
	scene_run(sc, r);
	assert_int_equal(r->sim.outcome, SIM_TIMEOUT);
	*f = r->flow[0];
	assert_int_equal(f->bad, 0);
	free(r);
	free(sc);
	return f;
}

static struct flow_result *run_direct(enum beside beside, double loss)
{
	return run(beside, loss, (struct path_change){0});
}

static void lost_keystroke_is_there_by_its_copy(void **state)
{
	/* In ms; without copies it is 180 and 260 ms alone, 210 and 290 ms beside it. */
	static const struct {
		enum beside beside;
		double loss;
		tt_time p99;
	} cases[] = {{ALONE, 5, 125}, {ALONE, 10, 135}, {DOWNLOAD, 5, 140}, {DOWNLOAD, 10, 160}};
	unsigned missed = 0;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flow_result *f = run_direct(cases[i].beside, cases[i].loss);
		tt_time p99 = sim_hist_quantile(&f->ping, 0.99);
		bool in = p99 <= TT_MS(cases[i].p99);
		print_message("# %g %%, %s: p99 %.1f ms%s\n", cases[i].loss,
			cases[i].beside == ALONE ? "alone" : "download", (double)p99 / 1e3,
			in ? "" : "  MISSED");
		missed += !in;
		free(f);
	}
	assert_int_equal(missed, 0);
}

static void copies_stay_within_their_share(void **state)
{
	(void)state;
	for (int beside = ALONE; beside <= DOWNLOAD; beside++) {
		struct flow_result *f = run_direct((enum beside)beside, 10);
		double seconds = seconds_of[beside];
		for (int end = 0; end < 2; end++) {
			const struct link_stats *st = &f->stats[end];
			double bytes = (double)(st->bytes_copied + st->segs_copied * TWICE_PACKET);
			double sent = (double)(st->bytes_sent + st->packets_sent * TWICE_PACKET);
			assert_true(st->segs_copied > 0);
			assert_true(st->segs_saved > 0 && st->segs_saved < st->segs_copied);
			assert_true(bytes <= sent / TWICE_SHARE + (seconds + 1) * TWICE_ALWAYS);
		}
		free(f);
	}
}

static void clean_path_carries_everything_once(void **state)
{
	(void)state;
	for (int beside = ALONE; beside <= DOWNLOAD; beside++) {
		struct flow_result *f = run_direct((enum beside)beside, 0);
		for (int end = 0; end < 2; end++) {
			assert_int_equal(f->stats[end].segs_copied, 0);
		}
		free(f);
	}
}

static void relay_carries_everything_once(void **state)
{
	struct flow_result *f = run(ALONE, 10, (struct path_change){1, LINK_RELAYED});
	(void)state;
	assert_int_equal(f->stats[0].segs_copied + f->stats[1].segs_copied, 0);
	free(f);
}

static void answers_that_acknowledge_make_no_repeat_spurious(void **state)
{
	/* The answer says by the way that the request is there, a millisecond before an ACK would:
	 * that is no sign that what was repeated had arrived before. */
	struct flow_result *f = run_direct(ALONE, 5);
	const struct link_stats *st = &f->stats[0];
	(void)state;
	assert_true(st->segs_retransmitted > 50);
	assert_true(st->segs_spurious * 10 <= st->segs_retransmitted);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_keystroke_is_there_by_its_copy),
		cmocka_unit_test(copies_stay_within_their_share),
		cmocka_unit_test(clean_path_carries_everything_once),
		cmocka_unit_test(relay_carries_everything_once),
		cmocka_unit_test(answers_that_acknowledge_make_no_repeat_spurious),
	};
	return cmocka_run_group_tests_name("thin-sim", tests, NULL, NULL);
}
