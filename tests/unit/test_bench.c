/* What a measurement is made of: the pattern, reports, bytes through a socket, and the figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench_io.h"
#include "bench_result.h"
#include "net.h"
#include "wire_bench.h"

/* ---- the pattern ---- */

static void pattern_is_the_same_wherever_it_is_cut(void **state)
{
	(void)state;
	uint8_t whole[300], part[300];

	wire_bench_fill(7, 1000, whole, sizeof(whole));
	for (size_t from = 0; from < 20; from++) {
		for (size_t len = 0; len < 40; len++) {
			memset(part, 0xee, sizeof(part));
			wire_bench_fill(7, 1000 + from, part, len);
			assert_memory_equal(part, whole + from, len);
			assert_int_equal(part[len], 0xee);
			assert_int_equal(wire_bench_match(7, 1000 + from, whole + from, len), len);
		}
	}
}

static void first_wrong_byte_is_found_at_any_place(void **state)
{
	(void)state;
	uint8_t buf[100];

	for (size_t from = 0; from < 9; from++) {
		for (size_t at = 0; at < sizeof(buf); at++) {
			wire_bench_fill(7, from, buf, sizeof(buf));
			buf[at] ^= 0x40;
			assert_int_equal(wire_bench_match(7, from, buf, sizeof(buf)), at);
			assert_int_equal(wire_bench_match(7, from, buf, at), at);
		}
	}
}

static void channels_and_directions_have_patterns_of_their_own(void **state)
{
	(void)state;
	uint8_t buf[64];

	wire_bench_fill(wire_bench_seed(1, true), 0, buf, sizeof(buf));
	assert_true(wire_bench_match(wire_bench_seed(1, false), 0, buf, sizeof(buf)) < 8);
	assert_true(wire_bench_match(wire_bench_seed(2, true), 0, buf, sizeof(buf)) < 8);
	assert_true(wire_bench_match(wire_bench_seed(1, true), 8, buf, sizeof(buf)) < 8);
	assert_true(wire_bench_match(wire_bench_seed(1, true), UINT64_C(1) << 35, buf, 64) < 8);
}

static void kinds_have_names(void **state)
{
	(void)state;
	for (enum wire_bench k = WIRE_BENCH_SOURCE; k <= WIRE_BENCH_ECHO; k++)
		assert_int_equal(wire_bench_parse(wire_bench_name(k)), k);
	assert_string_equal(wire_bench_name((enum wire_bench)0), "invalid");
	assert_string_equal(wire_bench_name((enum wire_bench)99), "invalid");
	assert_int_equal(wire_bench_parse("invalid"), 0);
	assert_int_equal(wire_bench_parse(""), 0);
}

static void report_that_is_read_is_the_one_written(void **state)
{
	(void)state;
	const struct wire_bench_report r = {1, UINT64_C(1) << 63, 3, 0x0405060708090a0b, 5, 6, 7};
	struct wire_bench_report again;
	uint8_t buf[WIRE_BENCH_REPORT_LEN];

	wire_bench_report_encode(&r, buf);
	assert_int_equal(buf[15], 0x80);
	wire_bench_report_decode(&again, buf);
	assert_memory_equal(&again, &r, sizeof(r));
}

/* ---- through a socket ---- */

/* Sends and takes, with a byte changed at `bad`, until `total` bytes have come. */
static void carry(struct bench_pattern *out, struct bench_pattern *in, uint64_t total, uint64_t bad)
{
	int fds[2], far[2];
	uint8_t buf[5000];

	assert_int_equal(net_pair(fds), 0);
	assert_int_equal(net_pair(far), 0);
	while (in->offset < total) {
		assert_int_not_equal(bench_send(fds[0], out), BENCH_END);
		uint64_t at = in->offset;
		ssize_t n = recv(fds[1], buf, sizeof(buf), 0);
		assert_true(n > 0);
		if (bad >= at && bad < at + (uint64_t)n)
			buf[bad - at] ^= 1;
		assert_int_equal(send(far[0], buf, (size_t)n, 0), n);
		assert_int_equal(bench_take(far[1], in), BENCH_AGAIN);
		assert_int_equal(in->offset, at + (uint64_t)n);
	}
	close(far[0]);
	assert_int_equal(bench_take(far[1], in), BENCH_END);
	close(fds[1]);
	assert_int_equal(bench_send(fds[0], out), BENCH_END);
	close(fds[0]);
	close(far[1]);
}

static void bytes_through_a_socket_are_checked(void **state)
{
	(void)state;
	struct bench_pattern out = {.seed = 9}, in = {.seed = 9};

	carry(&out, &in, 1000000, UINT64_MAX);
	assert_int_equal(in.wrong, 0);

	out = in = (struct bench_pattern){.seed = 9};
	carry(&out, &in, 500000, 123456);
	assert_int_equal(in.wrong, 123457); /* and not a later one */

	out = (struct bench_pattern){.seed = 9};
	in = (struct bench_pattern){.seed = 10};
	carry(&out, &in, 1000, UINT64_MAX);
	assert_in_range(in.wrong, 1, 8);
}

/* ---- figures ---- */

static void quantiles_are_samples_of_nearest_rank(void **state)
{
	(void)state;
	struct bench_samples s = {.n = 0};

	for (tt_time i = 200; i > 0; i--)
		bench_samples_add(&s, i);
	bench_samples_sort(&s);
	assert_int_equal(bench_samples_quantile(&s, 0), 1);
	assert_int_equal(bench_samples_quantile(&s, 500), 100);
	assert_int_equal(bench_samples_quantile(&s, 990), 198);
	assert_int_equal(bench_samples_quantile(&s, 1000), 200);

	s.n = 0;
	bench_samples_add(&s, 5);
	for (unsigned q = 0; q <= 1000; q += 10)
		assert_int_equal(bench_samples_quantile(&s, q), 5);
}

static void samples_beyond_the_room_are_left_out_and_long_ones_cut(void **state)
{
	(void)state;
	struct bench_samples s = {.n = 0};

	bench_samples_add(&s, TT_S(100000));
	for (size_t i = 0; i < BENCH_SAMPLES_MAX + 10; i++)
		bench_samples_add(&s, i);
	assert_int_equal(s.n, BENCH_SAMPLES_MAX);
	assert_int_equal(s.us[0], UINT32_MAX);
	assert_int_equal(s.us[BENCH_SAMPLES_MAX - 1], BENCH_SAMPLES_MAX - 2);
}

static void nothing_is_divided_by_nothing(void **state)
{
	(void)state;
	const struct bench_transfer none = {0}, some = {.segs_sent = 1000,
							.segs_repeated = 5,
							.bytes_sent = 1030,
							.payload_sent = 1000};
	char text[16];

	assert_true(bench_rate(1000, 0) == 0 && bench_repeated(&none) == 0 &&
		    bench_overhead(&none) == 0);
	assert_true(bench_rate(3000000, TT_S(2)) == 1500000);
	assert_true(bench_repeated(&some) == 0.005 && bench_overhead(&some) == 1.03);
	assert_string_equal(bench_mega(12345, text), "0.012");
	assert_string_equal(bench_mega(12345678, text), "12.35");
	assert_string_equal(bench_mega(1234567890, text), "1234.6");
}

static struct bench_result *full_result(void)
{
	struct bench_result *r = calloc(1, sizeof(*r));
	assert_non_null(r);
	memcpy(r->name, "büro", sizeof("büro"));
	r->first_path = "tcp relay";
	r->path = "udp direct";
	r->seconds = 60;
	r->complete = true;
	for (tt_time i = 1; i <= 10; i++)
		bench_samples_add(&r->open, TT_S(i));
	for (size_t i = 1; i <= BENCH_SAMPLES_MAX; i++)
		bench_samples_add(&r->echo, 100 + i);
	for (size_t i = 0; i < BENCH_STEPS; i++)
		r->steps[i] = (struct bench_transfer){.bytes = 60000000000 + i,
			.us = TT_S(60),
			.segs_sent = 4,
			.segs_repeated = 1,
			.bytes_sent = 1020,
			.payload_sent = 1000};
	return r;
}

/* What the table prints; to be freed. */
static char *table_of(const struct bench_result *r)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	bench_result_print(r, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void table_fits_a_terminal(void **state)
{
	(void)state;
	struct bench_result *r = full_result();
	char *text = table_of(r);

	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		assert_in_range(strcspn(line, "\n"), 0, 80);
	assert_non_null(strstr(text, "peer 00000000 (büro): udp direct (at first tcp relay)\n"));
	assert_non_null(strstr(text, "1000.000  5000.000 10000.000 ms"));
	assert_non_null(strstr(text, "0.101     1.100     2.080 ms   2000 round trips"));
	assert_non_null(strstr(text, "1000.0"));
	assert_non_null(strstr(text, "60000.0 MB"));
	assert_non_null(strstr(text, "25.00 %"));
	assert_non_null(strstr(text, "1.020\n"));
	free(text);
	free(r);
}

static void table_shows_only_what_was_measured(void **state)
{
	(void)state;
	struct bench_result *r = full_result();

	memset(r->steps, 0, sizeof(r->steps));
	r->echo.n = 0;
	r->path = r->first_path;
	char *text = table_of(r);
	assert_non_null(strstr(text, "open + first byte"));
	assert_null(strstr(text, "round trip"));
	assert_null(strstr(text, "MB/s"));
	assert_null(strstr(text, "at first"));
	free(text);
	assert_true(bench_result_any(r));
	r->open.n = 0;
	assert_false(bench_result_any(r));
	free(r);
}

static double number(const cJSON *root, const char *object, const char *key)
{
	const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, object);
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
	assert_true(cJSON_IsNumber(v));
	return v->valuedouble;
}

static void json_has_every_figure(void **state)
{
	(void)state;
	static const char *const steps[BENCH_STEPS] = {
		"download", "upload", "both_download", "both_upload"};
	struct bench_result *r = full_result();
	char *text = bench_result_json(r);
	cJSON *root = cJSON_Parse(text);

	assert_non_null(root);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "complete")));
	assert_true(number(root, "open_us", "samples") == 10);
	assert_true(number(root, "open_us", "median") == 5e6);
	assert_true(number(root, "round_trip_us", "p99") == 2080);
	for (size_t i = 0; i < BENCH_STEPS; i++) {
		assert_true(number(root, steps[i], "bytes") == 6e10 + (double)i);
		assert_in_range((uint64_t)number(root, steps[i], "bytes_per_second"), 999999999,
			1000000001);
		assert_true(number(root, steps[i], "retransmitted") == 0.25);
		assert_true(number(root, steps[i], "overhead") == 1.02);
	}
	cJSON_Delete(root);
	free(text);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pattern_is_the_same_wherever_it_is_cut),
		cmocka_unit_test(first_wrong_byte_is_found_at_any_place),
		cmocka_unit_test(channels_and_directions_have_patterns_of_their_own),
		cmocka_unit_test(kinds_have_names),
		cmocka_unit_test(report_that_is_read_is_the_one_written),
		cmocka_unit_test(bytes_through_a_socket_are_checked),
		cmocka_unit_test(quantiles_are_samples_of_nearest_rank),
		cmocka_unit_test(samples_beyond_the_room_are_left_out_and_long_ones_cut),
		cmocka_unit_test(nothing_is_divided_by_nothing),
		cmocka_unit_test(table_fits_a_terminal),
		cmocka_unit_test(table_shows_only_what_was_measured),
		cmocka_unit_test(json_has_every_figure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
