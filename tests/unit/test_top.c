/* The live screen: order, figures, text that must not reach the terminal as it is, and what keys
 * do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "top.h"
#include "top_draw.h"
#include "top_names.h"

#define KEY_A "0B925B0B925B0B925B0B925B0B925B0B925B0B925B0B925B0B925B0B925B0B92"
#define KEY_B "1C925B0B925B0B925B0B925B0B925B0B925B0B925B0B925B0B925B0B925B0B92"

/* ---- pieces of text ---- */

static void check_fit(
	const char *text, size_t columns, enum top_align align, bool utf8, const char *want)
{
	char *dst = malloc(columns * TOP_BYTES_PER_COLUMN + 1); /* exactly: ASan sees one more */

	assert_non_null(dst);
	assert_int_equal(top_text_fit(dst, text, columns, align, utf8), strlen(want));
	assert_string_equal(dst, want);
	free(dst);
}

static void text_fills_its_columns_or_is_shortened(void **state)
{
	(void)state;
	check_fit("web", 5, TOP_LEFT, true, "web  ");
	check_fit("web", 5, TOP_RIGHT, true, "  web");
	check_fit("web", 3, TOP_LEFT, true, "web");
	check_fit("webserver", 4, TOP_LEFT, true, "web\u2026");
	check_fit("webserver", 4, TOP_RIGHT, false, "web~");
	check_fit("web", 1, TOP_LEFT, false, "~");
	check_fit("web", 0, TOP_LEFT, true, "");
	check_fit("", 2, TOP_LEFT, true, "  ");
	check_fit("B\u00fcro", 5, TOP_LEFT, true, "B\u00fcro ");
	check_fit("B\u00fcro", 5, TOP_LEFT, false, "B?ro ");
	/* Two columns each: what is cut leaves one over. */
	check_fit("\u6771\u4eac", 5, TOP_LEFT, true, "\u6771\u4eac ");
	check_fit("\u6771\u4eac\u90fd", 5, TOP_LEFT, true, "\u6771\u4eac\u2026");
	check_fit("\u6771\u4eac\u90fd", 4, TOP_LEFT, true, "\u6771\u2026 ");
	check_fit("\u6771", 1, TOP_LEFT, true, "\u2026");
}

static void no_control_character_comes_out(void **state)
{
	static const char *const hostile[] = {"\x1b[2J", "\x1b]0;title\x07", "a\r\nb\tc", "\x7f",
		"\xc2\x85\xc2\x9b"
		"31m",                 /* C1 controls */
		"\u202eoot", "\u200b", /* turns the direction of writing; takes no place */
		"e\u0301",             /* a mark above the character before it */
		"\xff\xfe\xc3", "\xc3\x28", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"};
	char dst[20 * TOP_BYTES_PER_COLUMN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		for (int utf8 = 0; utf8 <= 1; utf8++) {
			top_text_fit(dst, hostile[i], 20, TOP_LEFT, utf8);
			assert_non_null(strchr(dst, '?'));
			assert_int_equal(top_text_width(dst, utf8), 20);
			for (const char *c = dst; *c; c++)
				assert_in_range((unsigned char)*c, 0x20, 0x7e);
		}
	}
	check_fit("\x1b[2J", 5, TOP_LEFT, true, "?[2J ");
	check_fit("e\u0301", 3, TOP_LEFT, true, "e? ");
	check_fit("\u202e\u6771", 3, TOP_LEFT, false, "?? ");
}

static void amounts_take_five_columns_at_most(void **state)
{
	static const struct {
		uint64_t n;
		const char *text;
	} cases[] = {{0, "0"}, {999, "999"}, {1000, "1.0k"}, {1949, "1.9k"}, {12345, "12.3k"},
		{99949, "99.9k"}, {99950, "100k"}, {999499, "999k"}, {999500, "1.0M"},
		{1234567890, "1.2G"}, {UINT64_MAX, "18.4E"}};
	char dst[TOP_FIGURE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(top_text_amount(dst, cases[i].n), cases[i].text);
}

static void ages_are_in_the_largest_unit(void **state)
{
	char dst[TOP_FIGURE_MAX];

	(void)state;
	assert_string_equal(top_text_age(dst, TT_MS(999)), "0s");
	assert_string_equal(top_text_age(dst, TT_S(59)), "59s");
	assert_string_equal(top_text_age(dst, TT_S(3599)), "59m");
	assert_string_equal(top_text_age(dst, TT_S(86399)), "23h");
	assert_string_equal(top_text_age(dst, TT_S(86400) * 400), "400d");
}

static void check_graph(
	const uint64_t *values, size_t n, size_t columns, bool utf8, const char *want)
{
	char dst[16 * TOP_BYTES_PER_COLUMN + 1];

	assert_int_equal(top_text_sparkline(dst, values, n, columns, utf8), strlen(want));
	assert_string_equal(dst, want);
}

static void sparkline_has_the_newest_at_its_right_end(void **state)
{
	static const uint64_t v[] = {80, 0, 1, 35, 70};
	static const uint64_t none[3] = {0};

	(void)state;
	check_graph(v, 5, 5, true, "\u2588\u2581\u2582\u2584\u2587");
	check_graph(v, 5, 5, false, "#_.-*");
	check_graph(v, 5, 7, false, "  #_.-*");
	check_graph(v, 5, 4, true, "\u2581\u2582\u2585\u2588"); /* scaled by what is shown */
	check_graph(none, 3, 3, true, "\u2581\u2581\u2581");
	check_graph(v, 0, 3, true, "   ");
	check_graph(NULL, 0, 0, true, "");
}

/* ---- order ---- */

static void check_order(enum channel_order order, bool reverse, const char *want)
{
	struct channel_rank r[] = {
		{.rate = 5, .bytes = 10, .age_us = 3, .peer = "b", .id = 1},
		{.rate = 5, .bytes = 30, .age_us = 2, .peer = "a", .id = 2},
		{.rate = 9, .bytes = 20, .age_us = 4, .peer = "b", .id = 3},
		{.rate = 5, .bytes = 10, .age_us = 3, .peer = "b", .id = 4},
	};
	char got[5] = "";

	for (size_t done = 0; done < 4; done++) {
		size_t first = 0;
		for (size_t i = 1; i < 4; i++) {
			if (r[first].id == 0 || (r[i].id && channel_order_compare(order, reverse,
								    &r[i], &r[first]) < 0))
				first = i;
		}
		got[done] = (char)('0' + r[first].id);
		r[first].id = 0;
	}
	assert_string_equal(got, want);
}

static void equal_ones_keep_their_places(void **state)
{
	enum channel_order o;

	(void)state;
	check_order(CHANNEL_ORDER_RATE, false, "3214");
	check_order(CHANNEL_ORDER_RATE, true, "4123");
	check_order(CHANNEL_ORDER_AGE, false, "2143");
	check_order(CHANNEL_ORDER_BYTES, false, "2314");
	check_order(CHANNEL_ORDER_PEER, false, "2314");
	check_order(CHANNEL_ORDER_PEER, true, "4132");
	for (int i = 0; i < CHANNEL_ORDER_COUNT; i++) {
		assert_true(channel_order_parse(channel_order_name((enum channel_order)i), &o));
		assert_int_equal(o, i);
	}
	assert_false(channel_order_parse("size", &o));
}

/* ---- the screen ---- */

/* Two peers; n connections of the first, the higher its number the quicker, and one of the other.
 */
static cJSON *snapshot(unsigned n, unsigned uptime_s)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fprintf(f,
		"{\"role\":\"client\",\"uptime_us\":%u000000,\"sentence\":\"connected to 2 of 2 "
		"peers\",\"advice\":[],\"channels\":%u,\"udp\":{\"flows\":0},\"peers\":["
		"{\"key\":\"" KEY_A "\",\"name\":\"evil\\u001b[2J\",\"label\":\"0B925B0B\","
		"\"path\":\"udp direct\",\"ready\":true,\"rtt_us\":23400,\"loss_percent\":0.5,"
		"\"rate_in\":1500000,\"rate_out\":0,\"channels\":[",
		uptime_s, n + 1);
	for (unsigned i = 1; i <= n; i++)
		fprintf(f,
			"%s{\"id\":%u,\"opener\":true,\"state\":\"open\",\"proto\":\"tcp\","
			"\"tunnel\":\"web\",\"host\":\"10.0.0.%u\",\"port\":80,\"in\":%u,\"out\":0,"
			"\"rate_in\":%u,\"rate_out\":0,\"age_us\":%u000000}",
			i > 1 ? "," : "", i, i, i * 1000, i * 100, 1000 - i);
	fprintf(f, "]},{\"key\":\"" KEY_B "\",\"name\":\"office\",\"label\":\"office\","
		   "\"path\":\"offline\",\"ready\":false,\"rate_in\":0,\"rate_out\":0,\"channels\":"
		   "[{\"id\":1,\"opener\":false,\"state\":\"opening\",\"proto\":\"udp\",\"tunnel\":"
		   "\"\",\"host\":\"::1\",\"port\":53,\"rate_in\":0,\"rate_out\":0,\"age_us\":"
		   "500000}]}]}");
	assert_int_equal(fclose(f), 0);
	cJSON *o = cJSON_Parse(text);
	free(text);
	assert_non_null(o);
	return o;
}

/* The picture as one text, to be freed. Each line is as wide as the screen. */
static char *draw(struct top *t, size_t rows, size_t columns)
{
	struct top_picture p;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	assert_true(top_picture_init(&p, rows, columns, true));
	top_draw(t, &p);
	for (size_t i = 0; i < rows; i++) {
		assert_int_equal(top_text_width(p.lines[i], true), columns);
		fprintf(f, "%s\n", p.lines[i]);
	}
	top_picture_free(&p);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void check_shows(struct top *t, const char *what, bool shown)
{
	char *text = draw(t, 24, 80);

	if ((strstr(text, what) != NULL) != shown)
		fail_msg("\"%s\" is %son the screen:\n%s", what, shown ? "not " : "", text);
	free(text);
}

static void list_has_the_quickest_first(void **state)
{
	struct top t = {0};

	(void)state;
	check_shows(&t, "toxtun top", true); /* before anything is known */
	top_take(&t, snapshot(3, 60));
	check_shows(&t, "toxtun client, up 1m; in 1.5MB/s, out 0B/s", true);
	check_shows(&t, "connected to 2 of 2 peers", true);
	check_shows(&t, " evil?[2J (0B925B0B)  udp direct   23.4 ms  0.5 %", true);
	check_shows(&t, "[::1]:53/udp", true);
	check_shows(&t, "opening", true);
	char *text = draw(&t, 24, 80);
	assert_true(strstr(text, "10.0.0.3:80") < strstr(text, "10.0.0.2:80"));
	assert_true(strstr(text, "10.0.0.2:80") < strstr(text, "10.0.0.1:80"));
	free(text);
	assert_int_equal(top_press(&t, 'a'), TOP_WISH_REFRESH);
	assert_int_equal(top_press(&t, 'a'), TOP_WISH_REFRESH); /* again: the oldest first */
	text = draw(&t, 24, 80);
	assert_true(strstr(text, "10.0.0.1:80") < strstr(text, "10.0.0.2:80"));
	free(text);
	cJSON *o = top_status_request(&t);
	assert_string_equal(top_data_text(o, "sort"), "age");
	assert_true(cJSON_IsTrue(top_data_member(o, "reverse")));
	cJSON_Delete(o);
	top_free(&t);
}

static void every_size_can_be_drawn(void **state)
{
	struct top t = {0};

	(void)state;
	for (int filled = 0; filled <= 1; filled++) {
		for (int view = TOP_VIEW_LIST; view <= TOP_VIEW_HELP; view++) {
			t.view = (enum top_view)view;
			for (size_t rows = 0; rows < 30; rows++) {
				for (size_t columns = 0; columns < 130; columns += 1 + columns / 9)
					free(draw(&t, rows, columns));
			}
		}
		top_take(&t, snapshot(50, 60));
		t.view = TOP_VIEW_LIST;
		top_press(&t, TOP_KEY_DOWN);
	}
	top_free(&t);
}

static void the_choice_stays_with_its_row(void **state)
{
	struct top t = {0};

	(void)state;
	top_take(&t, snapshot(3, 60));
	assert_null(top_selected(&t));
	top_press(&t, TOP_KEY_DOWN); /* the first connection */
	assert_int_equal(top_selected(&t)->rank.id, 3);
	top_take(&t, snapshot(5, 61)); /* now two others are quicker */
	assert_int_equal(top_selected(&t)->rank.id, 3);
	check_shows(&t, ">    3 evil", true);
	top_press(&t, 'r'); /* again: the other way round */
	assert_int_equal(top_selected(&t)->rank.id, 3);
	top_take(&t, snapshot(2, 62)); /* it has gone */
	assert_non_null(top_selected(&t));
	top_press(&t, TOP_KEY_TAB);
	assert_null(top_selected(&t)->channel);
	top_press(&t, TOP_KEY_ESCAPE);
	assert_null(top_selected(&t));
	top_free(&t);
}

static void a_long_list_moves_with_the_choice(void **state)
{
	struct top t = {0};

	(void)state;
	top_take(&t, snapshot(200, 60));
	check_shows(&t, "10.0.0.200:80", true);
	check_shows(&t, "10.0.0.1:80", false);
	check_shows(&t, " connections 1 to 14 of 201 ", true);
	top_press(&t, TOP_KEY_END);
	check_shows(&t, "[::1]:53/udp", true);
	top_press(&t, TOP_KEY_UP);
	check_shows(&t, "10.0.0.200:80", false);
	check_shows(&t, "10.0.0.1:80", true);
	check_shows(&t, " connections 188 to 201 of 201 ", true);
	top_press(&t, TOP_KEY_PAGE_UP);
	assert_int_equal(top_selected(&t)->rank.id, 15);
	top_press(&t, TOP_KEY_HOME);
	assert_null(top_selected(&t)->channel);
	for (int i = 0; i < 300; i++)
		top_press(&t, i % 2 ? TOP_KEY_PAGE_DOWN : 'j');
	assert_string_equal(top_selected(&t)->rank.peer, "office");
	top_free(&t);
}

static void an_end_is_asked_about_first(void **state)
{
	struct top t = {0};

	(void)state;
	top_take(&t, snapshot(3, 60));
	assert_int_equal(top_press(&t, 'e'), TOP_WISH_NONE); /* nothing is chosen */
	assert_null(top_end_request(&t));
	check_shows(&t, "choose a connection first", true);
	top_press(&t, TOP_KEY_DOWN);
	assert_int_equal(top_press(&t, 'e'), TOP_WISH_NONE);
	check_shows(&t, "End connection 3, evil?[2J (0B925B0B) to 10.0.0.3:80, now? y/n", true);
	assert_int_equal(top_press(&t, 'q'), TOP_WISH_NONE); /* whatever is not yes is no */
	assert_null(top_end_request(&t));
	check_shows(&t, "not ended", true);
	top_press(&t, 'e');
	top_take(&t, snapshot(1, 61)); /* its place has another one by now */
	assert_int_equal(top_press(&t, 'y'), TOP_WISH_END);
	cJSON *o = top_end_request(&t);
	assert_string_equal(top_data_text(o, "cmd"), "end");
	assert_string_equal(top_data_text(o, "peer"), KEY_A);
	assert_int_equal(top_data_number(o, "id"), 3);
	assert_true(cJSON_IsTrue(top_data_member(o, "opener")));
	cJSON_Delete(o);
	assert_int_equal(top_press(&t, 'y'), TOP_WISH_NONE); /* once */
	top_free(&t);
}

static void a_pause_keeps_the_picture(void **state)
{
	struct top t = {0};

	(void)state;
	top_take(&t, snapshot(3, 60));
	assert_int_equal(top_press(&t, ' '), TOP_WISH_NONE);
	top_take(&t, snapshot(9, 61));
	check_shows(&t, "PAUSED", true);
	check_shows(&t, "10.0.0.9:80", false);
	assert_int_equal(top_press(&t, ' '), TOP_WISH_REFRESH);
	top_take(&t, snapshot(9, 62));
	check_shows(&t, "10.0.0.9:80", true);
	assert_int_equal(top_press(&t, 'q'), TOP_WISH_QUIT);
	top_free(&t);
}

static void details_follow_the_choice(void **state)
{
	struct top t = {0};

	(void)state;
	top_take(&t, snapshot(3, 60));
	top_press(&t, TOP_KEY_ENTER);
	check_shows(&t, "choose a line first", true);
	top_press(&t, TOP_KEY_DOWN);
	top_press(&t, TOP_KEY_ENTER);
	check_shows(&t, "connection      3, opened by this machine", true);
	check_shows(&t, "target          10.0.0.3:80", true);
	check_shows(&t, "in              3.0kB (3000 bytes)", true);
	check_shows(&t, KEY_A, true);
	top_press(&t, TOP_KEY_TAB);
	check_shows(&t, "RTT             23.4 ms", true);
	top_press(&t, '?');
	check_shows(&t, "sort by rate, age, bytes, peer", true);
	top_press(&t, '?');
	check_shows(&t, "TARGET", true);
	top_free(&t);
}

static void graphs_go_with_their_rows(void **state)
{
	struct top t = {0};
	size_t n;

	(void)state;
	for (unsigned i = 0; i < TOP_SAMPLES + 5; i++)
		top_take(&t, snapshot(2, 60 + i));
	top_take(&t, snapshot(3, 300));
	const uint64_t *v = top_history_of(t.history, KEY_A " o2", &n);
	assert_int_equal(n, TOP_SAMPLES);
	assert_int_equal(v[n - 1], 200);
	top_history_of(t.history, KEY_A " o3", &n);
	assert_int_equal(n, 1);
	top_take(&t, snapshot(2, 301));
	top_history_of(t.history, KEY_A " o3", &n);
	assert_int_equal(n, 0);
	top_take(&t, snapshot(2, 1)); /* another process */
	top_history_of(t.history, KEY_A " o2", &n);
	assert_int_equal(n, 1);
	top_free(&t);
}

static void trouble_is_said_until_it_is_over(void **state)
{
	struct top t = {0};

	(void)state;
	top_take(&t, snapshot(3, 60));
	top_trouble(&t, "it has ended");
	check_shows(&t, "it has ended", true);
	check_shows(&t, "10.0.0.3:80", true); /* the last that is known */
	top_take(&t, snapshot(3, 61));
	check_shows(&t, "it has ended", false);
	top_take(&t, cJSON_CreateNumber(7)); /* no snapshot */
	check_shows(&t, "10.0.0.3:80", true);
	top_take(&t, cJSON_Parse("{\"peers\":[7,{\"channels\":3},{\"channels\":[[],{}]}]}"));
	check_shows(&t, "CONNS", true);
	top_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_fills_its_columns_or_is_shortened),
		cmocka_unit_test(no_control_character_comes_out),
		cmocka_unit_test(amounts_take_five_columns_at_most),
		cmocka_unit_test(ages_are_in_the_largest_unit),
		cmocka_unit_test(sparkline_has_the_newest_at_its_right_end),
		cmocka_unit_test(equal_ones_keep_their_places),
		cmocka_unit_test(list_has_the_quickest_first),
		cmocka_unit_test(every_size_can_be_drawn),
		cmocka_unit_test(the_choice_stays_with_its_row),
		cmocka_unit_test(a_long_list_moves_with_the_choice),
		cmocka_unit_test(an_end_is_asked_about_first),
		cmocka_unit_test(a_pause_keeps_the_picture),
		cmocka_unit_test(details_follow_the_choice),
		cmocka_unit_test(graphs_go_with_their_rows),
		cmocka_unit_test(trouble_is_said_until_it_is_over),
	};

	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
