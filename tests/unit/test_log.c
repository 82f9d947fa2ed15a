/* The log: equal lines folded, fields found, whatever is in a line; and the line on the terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"
#include "live_line.h"
#include "log_fields.h"
#include "logsink.h"

/* ---- folding ---- */

/* Offers a line, as the sink does; true when it is written, with what is said before it. */
static bool offer(struct tt_fold *f, const char *line, tt_time now, uint32_t *before)
{
	*before = 0;
	if (!tt_fold_is_new(f, TT_LOG_INFO, line, now))
		return false;
	*before = tt_fold_flush(f);
	tt_fold_keep(f, TT_LOG_INFO, line, now);
	return true;
}

static void equal_lines_in_a_row_are_counted_until_another_comes(void **state)
{
	struct tt_fold f = {.line = ""};
	uint32_t before;
	(void)state;

	assert_true(offer(&f, "a", TT_S(1), &before));
	assert_int_equal(tt_fold_deadline(&f), TT_TIME_NEVER);
	assert_false(offer(&f, "a", TT_S(2), &before));
	assert_false(offer(&f, "a", TT_S(3), &before));
	assert_true(offer(&f, "b", TT_S(4), &before));
	assert_int_equal(before, 2);
	assert_true(offer(&f, "a", TT_S(4), &before));
	assert_int_equal(before, 0);
	assert_true(tt_fold_is_new(&f, TT_LOG_WARN, "a", TT_S(4)));
}

static void count_is_due_while_the_line_goes_on(void **state)
{
	struct tt_fold f = {.line = ""};
	uint32_t before;
	(void)state;

	offer(&f, "a", 0, &before);
	for (tt_time s = 1; s <= 11; s++)
		assert_false(offer(&f, "a", TT_S(s), &before));
	assert_int_equal(tt_fold_deadline(&f), TT_S(1) + TT_FOLD_TIME);
	assert_int_equal(tt_fold_flush(&f), 11);
	assert_int_equal(tt_fold_deadline(&f), TT_TIME_NEVER);
	assert_false(offer(&f, "a", TT_S(12), &before));
	assert_int_equal(tt_fold_deadline(&f), TT_S(12) + TT_FOLD_TIME);
}

static void line_that_comes_again_much_later_is_written(void **state)
{
	struct tt_fold f = {.line = ""};
	uint32_t before;
	(void)state;

	offer(&f, "a", 0, &before);
	assert_false(offer(&f, "a", TT_FOLD_TIME - 1, &before));
	assert_true(offer(&f, "a", 2 * TT_FOLD_TIME, &before));
	assert_int_equal(before, 1);
}

/* ---- fields ---- */

static void assert_field(const struct log_field *f, const char *json, const char *value)
{
	assert_string_equal(f->json, json);
	assert_int_equal(f->len, strlen(value));
	assert_memory_equal(f->value, value, f->len);
}

static void fields_of_a_line_are_found(void **state)
{
	struct log_field f[LOG_FIELDS_MAX];
	(void)state;

	assert_int_equal(
		log_fields("channel: peer=89ABCDEF chan=7 target=::1:80 reason=limit: full", f), 4);
	assert_field(&f[0], "peer", "89ABCDEF");
	assert_field(&f[1], "channel", "7");
	assert_field(&f[2], "target", "::1:80");
	assert_field(&f[3], "reason", "limit");
	assert_int_equal(log_fields("peer 89ABCDEF is offline; 2 connections wait", f), 1);
	assert_field(&f[0], "peer", "89ABCDEF");
	assert_int_equal(log_fields("tunnel 8080:localhost:80: closed", f), 1);
	assert_field(&f[0], "tunnel", "8080:localhost:80");
}

static void only_the_first_of_a_kind_is_a_field(void **state)
{
	struct log_field f[LOG_FIELDS_MAX];
	(void)state;

	assert_int_equal(log_fields("x: peer=89ABCDEF listen=peer=0 peer=FEDCBA98 peer=", f), 2);
	assert_field(&f[0], "peer", "89ABCDEF");
	assert_field(&f[1], "listen", "peer=0");
	assert_int_equal(log_fields("no peer 89ABCDEF here, peers=3 repeer=4", f), 0);
	assert_int_equal(log_fields("peer", f), 0);
	assert_int_equal(log_fields("", f), 0);
}

static void journal_gets_priority_message_and_fields(void **state)
{
	char text[JOURNAL_TEXT_MAX];
	struct iovec v[JOURNAL_FIELDS_MAX];
	static const char *const wanted[] = {"PRIORITY=4", "MESSAGE=x: peer=89AB chan=7 lost",
		"TOXTUN_PEER=89AB", "TOXTUN_CHANNEL=7"};
	(void)state;

	assert_int_equal(journal_fields(TT_LOG_WARN, "x: peer=89AB chan=7 lost", text, v), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(v[i].iov_len, strlen(wanted[i]));
		assert_memory_equal(v[i].iov_base, wanted[i], v[i].iov_len);
	}
}

static void longest_line_fits_into_the_journals_fields(void **state)
{
	char line[TT_LOG_LINE_MAX], text[JOURNAL_TEXT_MAX];
	struct iovec v[JOURNAL_FIELDS_MAX];
	(void)state;

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	memcpy(line, "chan=7 tunnel=t listen=l reason=r err=e target=t peer=", 54);
	size_t n = journal_fields(TT_LOG_ERROR, line, text, v);
	assert_int_equal(n, 9);
	assert_true((char *)v[n - 1].iov_base + v[n - 1].iov_len <= text + sizeof(text));
}

/* ---- the sink ---- */

struct place {
	char dir[64], path[80];
	struct logsink sink;
};

static struct place *place_new(bool json)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	snprintf(p->dir, sizeof(p->dir), "/tmp/toxtun-log-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/log", p->dir);
	logsink_init(&p->sink, TT_LOG_INFO, json);
	assert_true(logsink_to_file(&p->sink, p->path));
	return p;
}

static void place_free(struct place *p)
{
	logsink_close(&p->sink);
	unlink(p->path);
	rmdir(p->dir);
	free(p);
}

static const char *content(const struct place *p, char text[16384])
{
	FILE *f = fopen(p->path, "r");

	assert_non_null(f);
	text[fread(text, 1, 16383, f)] = '\0';
	fclose(f);
	return text;
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		n++;
	return n;
}

static void every_line_is_one_json_object_whatever_it_says(void **state)
{
	struct place *p = place_new(true);
	char text[16384], full[2 * TT_LOG_LINE_MAX];
	(void)state;

	tt_error(&p->sink.log, "quote \" backslash \\ tab \t two\nlines \033[31m \177 \xff \xc3");
	memset(full, '"', sizeof(full) - 1);
	full[sizeof(full) - 1] = '\0';
	tt_error(&p->sink.log, "peer=%s", full);
	memset(full, 'x', sizeof(full) - 1);
	memcpy(full + TT_LOG_LINE_MAX - 2, "\xc3\xa4", 2); /* is cut in the middle */
	tt_error(&p->sink.log, "%s", full);
	tt_warn(&p->sink.log, "peer=89ABCDEF chan=7");

	char *rest = (char *)(uintptr_t)content(p, text), *line;
	cJSON *o[4];
	for (size_t i = 0; i < 4; i++) {
		line = strsep(&rest, "\n");
		o[i] = cJSON_ParseWithOpts(line, NULL, true);
		assert_non_null(o[i]);
	}
	assert_string_equal(rest, "");
	assert_string_equal(cJSON_GetObjectItem(o[0], "msg")->valuestring,
		"quote \" backslash \\ tab ? two?lines ?[31m ? ? ?");
	assert_int_equal(strlen(cJSON_GetObjectItem(o[1], "msg")->valuestring), 1023);
	assert_int_equal(strlen(cJSON_GetObjectItem(o[1], "peer")->valuestring), 1018);
	assert_string_equal(cJSON_GetObjectItem(o[2], "msg")->valuestring + 1020, "xx?");
	assert_string_equal(cJSON_GetObjectItem(o[3], "level")->valuestring, "warn");
	assert_string_equal(cJSON_GetObjectItem(o[3], "channel")->valuestring, "7");
	for (size_t i = 0; i < 4; i++)
		cJSON_Delete(o[i]);
	place_free(p);
}

static void repeated_line_is_said_once_with_its_count(void **state)
{
	struct place *p = place_new(false);
	char text[16384];
	(void)state;

	for (unsigned i = 0; i < 5; i++)
		tt_info(&p->sink.log, "again");
	assert_int_equal(count(content(p, text), "\n"), 1);
	logsink_run(&p->sink, logsink_deadline(&p->sink) - 1);
	assert_int_equal(count(content(p, text), "\n"), 1);
	logsink_run(&p->sink, logsink_deadline(&p->sink));
	assert_int_equal(count(content(p, text), "info  last line repeated 4 times\n"), 1);
	tt_info(&p->sink.log, "again");
	tt_info(&p->sink.log, "something else");
	content(p, text);
	assert_int_equal(count(text, "again\n"), 1);
	assert_int_equal(count(text, "last line repeated 1 time\n"), 1);
	assert_true(strstr(text, "1 time\n") < strstr(text, "something else\n"));
	place_free(p);
}

static void file_is_its_owners_and_stays_when_it_cannot_be_opened_again(void **state)
{
	struct place *p = place_new(false);
	char text[16384], away[100];
	struct stat st;
	(void)state;

	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(away, sizeof(away), "%s.1", p->path);
	assert_int_equal(rename(p->path, away), 0);
	assert_int_equal(mkdir(p->path, 0700), 0); /* in the way, for root too */
	logsink_reopen(&p->sink, &p->sink.log);
	assert_int_equal(rmdir(p->path), 0);
	assert_int_equal(rename(away, p->path), 0);
	tt_info(&p->sink.log, "still here");
	content(p, text);
	assert_non_null(
		strstr(text, "cannot be opened again, the old one is kept: Is a directory"));
	assert_non_null(strstr(text, "still here"));
	place_free(p);
}

static void only_whole_lines_are_in_a_file_that_was_full(void **state)
{
	struct place *p = place_new(false);
	char text[16384];
	struct logfile full = {.fd = -1};
	(void)state;

	assert_int_equal(logfile_open(&full, "/dev/full"), 0);
	tt_info(&p->sink.log, "before");
	int own = p->sink.file.fd;
	p->sink.file.fd = full.fd;
	for (unsigned i = 0; i < 3; i++)
		tt_info(&p->sink.log, "lost %u", i);
	p->sink.file.fd = own;
	tt_info(&p->sink.log, "after");
	content(p, text);
	assert_int_equal(count(text, "\n"), 3);
	assert_null(strstr(text, "lost 0"));
	assert_true(strstr(text, "3 lines could not be written here\n") < strstr(text, "after\n"));
	logfile_close(&full);
	place_free(p);
}

/* ---- the line on the terminal ---- */

static void assert_fits(const char *text, size_t columns, const char *wanted)
{
	char dst[LIVE_LINE_MAX];

	live_line_fit(dst, text, columns);
	assert_string_equal(dst, wanted);
}

static void line_is_never_wider_than_the_terminal(void **state)
{
	char longest[2 * LIVE_LINE_MAX], dst[LIVE_LINE_MAX];
	(void)state;

	assert_fits("connected", 9, "connected");
	assert_fits("connected", 8, "connecte");
	assert_fits("connected", 0, "");
	assert_fits("caf\xc3\xa9 bar", 4, "caf\xc3\xa9");
	assert_fits("\xe4\xb8\xad\xe6\x96\x87", 3, "\xe4\xb8\xad"); /* each is two columns wide */
	assert_fits("\xf0\x9f\x98\x80!", 2, "\xf0\x9f\x98\x80");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	live_line_fit(dst, longest, sizeof(longest));
	assert_int_equal(strlen(dst), LIVE_LINE_MAX - 1);
}

static void line_has_no_control_characters(void **state)
{
	(void)state;
	assert_fits("a\033[2Jb\nc\xc2\x9b\xff", 80, "a?[2Jb?c???");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_lines_in_a_row_are_counted_until_another_comes),
		cmocka_unit_test(count_is_due_while_the_line_goes_on),
		cmocka_unit_test(line_that_comes_again_much_later_is_written),
		cmocka_unit_test(fields_of_a_line_are_found),
		cmocka_unit_test(only_the_first_of_a_kind_is_a_field),
		cmocka_unit_test(journal_gets_priority_message_and_fields),
		cmocka_unit_test(longest_line_fits_into_the_journals_fields),
		cmocka_unit_test(every_line_is_one_json_object_whatever_it_says),
		cmocka_unit_test(repeated_line_is_said_once_with_its_count),
		cmocka_unit_test(file_is_its_owners_and_stays_when_it_cannot_be_opened_again),
		cmocka_unit_test(only_whole_lines_are_in_a_file_that_was_full),
		cmocka_unit_test(line_is_never_wider_than_the_terminal),
		cmocka_unit_test(line_has_no_control_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
