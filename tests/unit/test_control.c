/* The lines of the control socket: what comes in pieces, what is too long, what is no request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/un.h>

#include "control.h"
#include "control_line.h"
#include "tt_err.h"

static int add(struct control_lines *l, const char *text)
{
	return control_lines_add(l, text, strlen(text));
}

static void lines_are_whole_however_their_bytes_come(void **state)
{
	static const char text[] = "{\"cmd\":\"status\"}\n\n{}\nrest";
	(void)state;
	for (size_t piece = 1; piece <= sizeof(text) - 1; piece++) {
		struct control_lines l = {.max = 100};
		const char *want[] = {"{\"cmd\":\"status\"}", "", "{}"};
		size_t n = 0;
		for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
			size_t left = sizeof(text) - 1 - at;
			char *line;
			assert_int_equal(
				control_lines_add(&l, text + at, left < piece ? left : piece),
				TT_OK);
			while ((line = control_lines_next(&l))) {
				assert_true(n < 3);
				assert_string_equal(line, want[n++]);
			}
		}
		assert_int_equal(n, 3);
		assert_int_equal(control_lines_rest(&l), 4);
		control_lines_clear(&l);
		assert_int_equal(control_lines_rest(&l), 0);
	}
}

static void more_than_may_wait_is_refused(void **state)
{
	struct control_lines l = {.max = 10};
	(void)state;
	assert_int_equal(add(&l, "0123456789"), TT_OK);
	assert_int_equal(add(&l, "x"), TT_ELIMIT);
	control_lines_clear(&l);
	assert_int_equal(add(&l, "{}\n{}\n{}\n{}\n"), TT_ELIMIT); /* many short ones as well */
	control_lines_clear(&l);
	for (int i = 0; i < 100; i++) { /* what was taken does not count */
		assert_int_equal(add(&l, "12345678\n"), TT_OK);
		assert_string_equal(control_lines_next(&l), "12345678");
	}
	control_lines_clear(&l);
}

static void line_with_a_nul_byte_is_no_request(void **state)
{
	struct control_lines l = {.max = 100};
	(void)state;
	assert_int_equal(control_lines_add(&l, "{\"cmd\":\0\"x\"}\n{}\n", 17), TT_OK);
	assert_null(control_object(control_lines_next(&l)));
	cJSON *o = control_object(control_lines_next(&l));
	assert_non_null(o);
	cJSON_Delete(o);
	control_lines_clear(&l);
}

static void only_one_whole_object_is_a_request(void **state)
{
	static const char *const bad[] = {"", "x", "1", "\"status\"", "[]", "null", "{", "{}{}",
		"{} x", "{\"cmd\":}", "status"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(control_object(bad[i]));
}

static void members_of_the_wrong_kind_count_as_absent(void **state)
{
	cJSON *o = control_object(
		"{\"t\":\"x\",\"n\":7,\"half\":1.5,\"big\":1e30,\"neg\":-1,\"b\":true}");
	(void)state;
	assert_non_null(o);
	assert_string_equal(control_text(o, "t"), "x");
	assert_null(control_text(o, "n"));
	assert_null(control_text(o, "T"));
	assert_null(control_text(NULL, "t"));
	assert_int_equal(control_number(o, "n", 1, 10, 4), 7);
	assert_int_equal(control_number(o, "n", 8, 10, 4), 4);
	assert_int_equal(control_number(o, "half", 1, 10, 4), 4);
	assert_int_equal(control_number(o, "big", 1, 10, 4), 4);
	assert_int_equal(control_number(o, "neg", 0, 10, 4), 4);
	assert_int_equal(control_number(o, "t", 0, 10, 4), 4);
	assert_int_equal(control_number(o, "none", 0, 10, 4), 4);
	cJSON_Delete(o);
}

static void path_that_does_not_fit_into_an_address_is_refused(void **state)
{
	struct sockaddr_un a;
	char dir[sizeof(a.sun_path) + 1];
	const size_t fits = sizeof(a.sun_path) - sizeof("/" CONTROL_SOCKET);
	(void)state;
	memset(dir, 'd', sizeof(dir));
	dir[fits] = '\0';
	assert_int_equal(control_address(dir, &a), TT_OK);
	assert_int_equal(strlen(a.sun_path), sizeof(a.sun_path) - 1);
	dir[fits] = 'd';
	dir[fits + 1] = '\0';
	assert_int_equal(control_address(dir, &a), TT_ELIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_whole_however_their_bytes_come),
		cmocka_unit_test(more_than_may_wait_is_refused),
		cmocka_unit_test(line_with_a_nul_byte_is_no_request),
		cmocka_unit_test(only_one_whole_object_is_a_request),
		cmocka_unit_test(members_of_the_wrong_kind_count_as_absent),
		cmocka_unit_test(path_that_does_not_fit_into_an_address_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
