/* What is said by chat, and how answers become messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat_text.h"

static enum chat_word parse(const char *text)
{
	return chat_word_parse((const uint8_t *)text, strlen(text));
}

static void word_counts_whatever_its_case_and_the_blanks_around_it(void **state)
{
	(void)state;
	assert_int_equal(parse("status"), CHAT_STATUS);
	assert_int_equal(parse("Peers"), CHAT_PEERS);
	assert_int_equal(parse(" \t TUNNELS\r\n"), CHAT_TUNNELS);
	assert_int_equal(parse("help "), CHAT_HELP);
}

static void anything_else_is_unknown(void **state)
{
	static const char *const texts[] = {"", " ", "statu", "statuss", "status peers",
		"status\vx", "stat\xc3\xbcs", "{\"cmd\":\"stop\"}", "\xc2\xa0status"};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(parse(texts[i]), CHAT_UNKNOWN);
	assert_int_equal(chat_word_parse((const uint8_t *)"help\0", 5), CHAT_UNKNOWN);
	assert_int_equal(chat_word_parse((const uint8_t *)"helpless", 4), CHAT_HELP);
}

static void help_names_every_word(void **state)
{
	char *text = chat_help();
	(void)state;
	assert_non_null(text);
	for (int w = CHAT_STATUS; w <= CHAT_HELP; w++) {
		assert_non_null(strstr(text, chat_word_name((enum chat_word)w)));
		assert_int_equal(parse(chat_word_name((enum chat_word)w)), w);
	}
	free(text);
}

static void short_text_is_one_message(void **state)
{
	char out[CHAT_MESSAGE_CAP];
	const char *rest = "one\ntwo\n";
	(void)state;
	assert_int_equal(chat_message_next(&rest, false, out), 7);
	assert_string_equal(out, "one\ntwo");
	assert_int_equal(chat_message_next(&rest, false, out), 0);
	rest = "one\ntwo";
	assert_int_equal(chat_message_next(&rest, true, out), 7);
	assert_string_equal(out, "one\ntwo");
	rest = "";
	assert_int_equal(chat_message_next(&rest, true, out), 0);
}

static void columns_become_single_blanks_and_controls_question_marks(void **state)
{
	char out[CHAT_MESSAGE_CAP];
	const char *rest = "peer          n\xc3\xa4me\x1b[2J\x07: \xff\xc3\tx \xc2\x9b";
	(void)state;
	chat_message_next(&rest, false, out);
	assert_string_equal(out, "peer n\xc3\xa4me?[2J?: ???x ??");
}

/* n lines of `width` characters, numbered. */
static char *lines(size_t n, int width)
{
	char *text = malloc(n * (size_t)(width + 1) + 1);
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		snprintf(text + i * (size_t)(width + 1), (size_t)width + 2, "%0*zu\n", width, i);
	return text;
}

static void long_text_is_split_at_line_ends_and_nothing_is_lost(void **state)
{
	char out[CHAT_MESSAGE_CAP], *text = lines(100, 99), *whole = calloc(1, 20000);
	const char *rest = text;
	size_t n, at = 0, messages = 0;
	(void)state;
	while ((n = chat_message_next(&rest, false, out))) {
		assert_true(n <= TOXNET_MESSAGE_MAX);
		assert_int_equal((n + 1) % 100, 0); /* whole lines */
		at += (size_t)snprintf(whole + at, 20000 - at, "%s\n", out);
		messages++;
	}
	assert_int_equal(messages, 8); /* 13 lines each */
	assert_string_equal(whole, text);
	free(text);
	free(whole);
}

static void last_message_says_that_there_is_more(void **state)
{
	char out[CHAT_MESSAGE_CAP], *text = lines(100, 99);
	const char *rest = text;
	(void)state;
	size_t n = chat_message_next(&rest, true, out);
	assert_true(n <= TOXNET_MESSAGE_MAX);
	assert_int_equal(strlen(out), n);
	assert_non_null(strstr(out, "and more"));
	assert_int_equal(out[99], '\n');
	free(text);
}

static void line_longer_than_a_message_is_cut_at_a_character(void **state)
{
	char text[3001], out[CHAT_MESSAGE_CAP];
	const char *rest = text;
	(void)state;
	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 4);
	memcpy(text + 2997, "\nx", 3);
	size_t n = chat_message_next(&rest, false, out);
	assert_int_equal(n, TOXNET_MESSAGE_MAX / 3 * 3);
	assert_null(strchr(out, '?'));
	assert_int_equal(chat_message_next(&rest, true, out), 1);
	assert_string_equal(out, "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(word_counts_whatever_its_case_and_the_blanks_around_it),
		cmocka_unit_test(anything_else_is_unknown),
		cmocka_unit_test(help_names_every_word),
		cmocka_unit_test(short_text_is_one_message),
		cmocka_unit_test(columns_become_single_blanks_and_controls_question_marks),
		cmocka_unit_test(long_text_is_split_at_line_ends_and_nothing_is_lost),
		cmocka_unit_test(last_message_says_that_there_is_more),
		cmocka_unit_test(line_longer_than_a_message_is_cut_at_a_character),
	};
	return cmocka_run_group_tests_name("chat", tests, NULL, NULL);
}
