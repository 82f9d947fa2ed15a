/* What the page shows of the time before it was opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stats_history.h"

#define NOW TT_S(5000)
#define WALL (NOW + 1000000000000000u)

static double number(const cJSON *list, int i, const char *name)
{
	const cJSON *n = cJSON_GetObjectItem(cJSON_GetArrayItem(list, i), name);
	assert_true(cJSON_IsNumber(n));
	return n->valuedouble;
}

static bool is_null(const cJSON *list, int i, const char *name)
{
	return cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(list, i), name));
}

static void newest_points_are_kept_in_order(void **state)
{
	struct stats_history *h = NULL;
	(void)state;

	for (uint32_t i = 0; i < 1000; i++)
		stats_history_add(
			&h, &(struct stats_point){.at = TT_S(i), .rate_in = i, .online = true});
	cJSON *list = stats_history_json(h, NOW, WALL);
	assert_int_equal(cJSON_GetArraySize(list), STATS_HISTORY_MAX);
	for (int i = 0; i < STATS_HISTORY_MAX; i++) {
		assert_true(number(list, i, "rate_in") == 1000 - STATS_HISTORY_MAX + i);
		assert_true(number(list, i, "time_us") ==
			    (double)(WALL - NOW + TT_S(1000 - STATS_HISTORY_MAX + i)));
	}
	cJSON_Delete(list);
	stats_history_free(h);
}

static void what_was_not_known_is_null(void **state)
{
	struct stats_history *h = NULL;
	cJSON *list = stats_history_json(h, NOW, WALL);
	(void)state;

	assert_int_equal(cJSON_GetArraySize(list), 0);
	cJSON_Delete(list);
	stats_history_add(&h, &(struct stats_point){.at = TT_S(1), .online = true, .sent = 3});
	stats_history_add(&h, &(struct stats_point){.at = TT_S(2), .rtt_us = 7, .sent = 3});
	list = stats_history_json(h, NOW, WALL);
	assert_int_equal(cJSON_GetArraySize(list), 2);
	assert_true(number(list, 0, "segments_out") == 3);
	assert_true(is_null(list, 0, "rtt_us"));
	assert_true(is_null(list, 1, "rtt_us"));
	assert_true(is_null(list, 1, "segments_out"));
	cJSON_Delete(list);
	stats_history_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_points_are_kept_in_order),
		cmocka_unit_test(what_was_not_known_is_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
