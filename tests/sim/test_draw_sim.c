/* Scenes from words, and pictures of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "scene_words.h"

static void words_become_a_scene(void **state)
{
	char *words[] = {"rate=8", "rtt=50", "loss=2.5", "back=1", "seconds=3", "at=1", "rate=4",
		"queue=60", "dark=1", "flow=cubic", "from=1", "start=0.5", "mbytes=2",
		"flow=toxtun", "channels=4", "ping=20", "mode=fast3", "path=2,relayed",
		"out=x.svg"};
	struct scene *sc = calloc(1, sizeof(*sc));
	const char *out = NULL;
	(void)state;
	assert_non_null(sc);

	assert_int_equal(scene_words(sc, words, sizeof(words) / sizeof(words[0]), &out), 0);
	assert_string_equal(out, "x.svg");
	assert_int_equal(sc->limit_us, TT_S(3));
	assert_int_equal(sc->link[0].rate, 1000000);
	assert_int_equal(sc->link[1].rate, 125000);
	assert_int_equal(sc->link[0].delay_us, TT_MS(25));
	assert_int_equal(sc->link[0].loss, 25000);
	assert_int_equal(sc->link[0].queue_bytes, 50000); /* one bandwidth-delay product */
	assert_int_equal(sc->n_changes, 2);
	assert_int_equal(sc->change[1].at, TT_S(1));
	assert_int_equal(sc->change[1].link, 1);
	assert_int_equal(sc->change[1].to.rate, 500000);
	assert_int_equal(sc->change[0].to.queue_bytes, 60000);
	assert_int_equal(sc->change[0].to.loss, 25000);
	assert_true(sc->change[0].to.dark && !sc->link[0].dark);
	assert_int_equal(sc->n_flows, 2);
	assert_int_equal(sc->flow[0].kind, FLOW_CUBIC);
	assert_int_equal(sc->flow[0].load[0].from, 1);
	assert_int_equal(sc->flow[0].load[0].start_us, TT_MS(500));
	assert_int_equal(sc->flow[0].load[0].bytes, 2000000);
	assert_int_equal(sc->flow[1].mode, TT_MODE_FAST3);
	assert_int_equal(sc->flow[1].n_loads, 2);
	assert_int_equal(sc->flow[1].load[0].channels, 4);
	assert_int_equal(sc->flow[1].load[1].kind, LOAD_PING);
	assert_int_equal(sc->flow[1].path[0].path, LINK_RELAYED);
	free(sc);
}

static void words_without_sense_are_refused(void **state)
{
	static char *bad[] = {
		"rate", "speed=3", "flow=vegas", "channels=3", "burst=1", "mode=fast"};
	struct scene *sc = calloc(1, sizeof(*sc));
	const char *out;
	(void)state;
	assert_non_null(sc);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(scene_words(sc, &bad[i], 1, &out), -1);
	char *no_ping[] = {"flow=bbr", "ping=3"};
	assert_int_equal(scene_words(sc, no_ping, 2, &out), -1);
	free(sc);
}

static void chart_draws_what_there_is(void **state)
{
	double seconds[] = {0, 1, 2, 3}, up[] = {0, 10, 20, 300}, none[] = {NAN, NAN, NAN, NAN};
	struct chart c = {.title = "a < b",
		.lines = {"one", "two"},
		.n = 4,
		.n_panels = 2,
		.seconds = seconds,
		.panel = {{.title = "up",
				  .most = 40,
				  .n_series = 2,
				  .series = {{"rise", "#123456", CHART_LINE, up},
					  {"nothing", "#654321", CHART_DASHED, none}}},
			{.title = "empty",
				.n_series = 1,
				.series = {{"void", "#000", CHART_BARS, none}}}}};
	char *svg = NULL;
	size_t len;
	FILE *f = open_memstream(&svg, &len);
	(void)state;
	assert_non_null(f);
	chart_write(&c, f);
	assert_int_equal(fclose(f), 0);
	assert_memory_equal(svg, "<svg ", 5);
	assert_string_equal(svg + len - 7, "</svg>\n");
	assert_non_null(strstr(svg, "a &lt; b"));
	assert_non_null(strstr(svg, ">two</text>"));
	assert_non_null(strstr(svg, "#123456"));
	assert_non_null(strstr(svg, ">40</text>")); /* the scale ends where the panel is cut off */
	assert_null(strstr(svg, ">100</text>"));
	assert_null(strstr(svg, "nothing"));
	assert_null(strstr(svg, "empty"));
	assert_null(strstr(svg, "nan"));
	free(svg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_a_scene),
		cmocka_unit_test(words_without_sense_are_refused),
		cmocka_unit_test(chart_draws_what_there_is),
	};
	return cmocka_run_group_tests_name("draw-sim", tests, NULL, NULL);
}
