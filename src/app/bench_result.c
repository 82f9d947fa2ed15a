#include "bench_result.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

void bench_samples_add(struct bench_samples *s, tt_time us)
{
	if (s->n < BENCH_SAMPLES_MAX)
		s->us[s->n++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

void bench_samples_sort(struct bench_samples *s)
{
	qsort(s->us, s->n, sizeof(s->us[0]), compare);
}

tt_time bench_samples_quantile(const struct bench_samples *s, unsigned permille)
{
	size_t rank = (s->n * permille + 999) / 1000; /* the nearest-rank method, from 1 */
	return s->us[rank > 0 ? rank - 1 : 0];
}

static double ratio(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

double bench_rate(uint64_t bytes, tt_time us)
{
	return ratio(bytes, us) * 1e6;
}

double bench_repeated(const struct bench_transfer *t)
{
	return ratio(t->segs_repeated, t->segs_sent);
}

double bench_overhead(const struct bench_transfer *t)
{
	return ratio(t->bytes_sent, t->payload_sent);
}

const char *bench_mega(double bytes, char dst[16])
{
	double mega = bytes / 1e6;
	snprintf(dst, 16, "%.*f", mega < 1 ? 3 : mega < 100 ? 2 : 1, mega);
	return dst;
}

bool bench_result_any(const struct bench_result *r)
{
	return r->open.n > 0;
}

/* ---- for people ---- */

static void print_samples(
	FILE *out, const char *what, const struct bench_samples *s, const char *of)
{
	if (s->n == 0)
		return;
	fprintf(out, "%-20s%10.3f%10.3f%10.3f ms   %zu %s\n", what,
		(double)bench_samples_quantile(s, 0) / 1e3,
		(double)bench_samples_quantile(s, 500) / 1e3,
		(double)bench_samples_quantile(s, 990) / 1e3, s->n, of);
}

static void print_transfer(FILE *out, const char *what, const struct bench_transfer *t)
{
	char rate[16], size[16];

	if (t->bytes == 0)
		return;
	fprintf(out, "%-20s%10s%10s MB%13.2f %%%11.3f\n", what,
		bench_mega(bench_rate(t->bytes, t->us), rate), bench_mega((double)t->bytes, size),
		100 * bench_repeated(t), bench_overhead(t));
}

void bench_result_print(const struct bench_result *r, FILE *out)
{
	static const char *const names[BENCH_STEPS] = {
		"download", "upload", "both: download", "both: upload"};
	char tag[9], echo[32];
	bool changed = strcmp(r->first_path, r->path) != 0;

	snprintf(echo, sizeof(echo), "%d-byte round trip", BENCH_ECHO_SIZE);
	fprintf(out, "peer %s%s%s%s: %s%s%s%s\n\n", tt_key_short(r->key, tag),
		r->name[0] ? " (" : "", r->name, r->name[0] ? ")" : "", r->path,
		changed ? " (at first " : "", changed ? r->first_path : "", changed ? ")" : "");
	fprintf(out, "%-20s%10s%10s%10s\n", "", "min", "median", "p99");
	print_samples(out, "open + first byte", &r->open, "connections");
	print_samples(out, echo, &r->echo, "round trips");
	if (r->steps[BENCH_DOWN].bytes > 0)
		fprintf(out, "\n%-20s%10s%13s%15s%11s\n", "", "MB/s", "payload", "retransmitted",
			"overhead");
	for (size_t i = 0; i < BENCH_STEPS; i++)
		print_transfer(out, names[i], &r->steps[i]);
}

/* ---- for programs ---- */

static void put_number(cJSON *o, const char *key, uint64_t v)
{
	cJSON_AddNumberToObject(o, key, (double)v);
}

static void put_samples(cJSON *root, const char *key, const struct bench_samples *s)
{
	if (s->n == 0)
		return;
	cJSON *o = cJSON_AddObjectToObject(root, key);
	put_number(o, "samples", s->n);
	put_number(o, "min", bench_samples_quantile(s, 0));
	put_number(o, "median", bench_samples_quantile(s, 500));
	put_number(o, "p99", bench_samples_quantile(s, 990));
}

static void put_transfer(cJSON *root, const char *key, const struct bench_transfer *t)
{
	if (t->bytes == 0)
		return;
	cJSON *o = cJSON_AddObjectToObject(root, key);
	put_number(o, "bytes", t->bytes);
	put_number(o, "us", t->us);
	cJSON_AddNumberToObject(o, "bytes_per_second", bench_rate(t->bytes, t->us));
	cJSON_AddNumberToObject(o, "retransmitted", bench_repeated(t));
	cJSON_AddNumberToObject(o, "overhead", bench_overhead(t));
}

char *bench_result_json(const struct bench_result *r)
{
	static const char *const names[BENCH_STEPS] = {
		"download", "upload", "both_download", "both_upload"};
	char key[TT_KEY_HEX + 1];
	cJSON *root = cJSON_CreateObject();

	put_number(root, "schema", BENCH_SCHEMA);
	cJSON_AddBoolToObject(root, "complete", r->complete);
	cJSON_AddStringToObject(root, "peer", tt_hex_encode(r->key, TT_KEY_LEN, key));
	cJSON_AddStringToObject(root, "name", r->name);
	cJSON_AddStringToObject(root, "first_path", r->first_path);
	cJSON_AddStringToObject(root, "path", r->path);
	put_number(root, "seconds", r->seconds);
	put_samples(root, "open_us", &r->open);
	put_samples(root, "round_trip_us", &r->echo);
	for (size_t i = 0; i < BENCH_STEPS; i++)
		put_transfer(root, names[i], &r->steps[i]);
	char *text = cJSON_Print(root);
	cJSON_Delete(root);
	return text;
}
