#include "command.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARE 1.0
#define MINUTE_US 60e6
#define RATE_MAX 1e12
#define BYTES_MAX 1e9
#define SEPARATORS " \t\r"

static const char *const direction_name[DIRECTIONS] = {"ab", "ba"};

static const struct {
	const char *name;
	size_t offset;
	double max;
} params[] = {
	{"rate", offsetof(struct direction_params, rate), RATE_MAX},
	{"delay_us", offsetof(struct direction_params, delay_us), MINUTE_US},
	{"jitter_us", offsetof(struct direction_params, jitter_us), MINUTE_US},
	{"reorder", offsetof(struct direction_params, reorder), 1},
	{"loss", offsetof(struct direction_params, loss), SHARE},
	{"ge_enter", offsetof(struct direction_params, ge_enter), SHARE},
	{"ge_leave", offsetof(struct direction_params, ge_leave), SHARE},
	{"ge_loss", offsetof(struct direction_params, ge_loss), SHARE},
	{"duplicate", offsetof(struct direction_params, duplicate), SHARE},
	{"queue_bytes", offsetof(struct direction_params, queue_bytes), BYTES_MAX},
	{"mtu", offsetof(struct direction_params, mtu), UINT16_MAX},
};

static const char *set_value(struct direction *d, const char *name, size_t name_len, double value)
{
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		if (strlen(params[i].name) != name_len ||
			strncmp(params[i].name, name, name_len) != 0)
			continue;
		if (!(value >= 0 && value <= params[i].max))
			return "value out of range";
		memcpy((char *)direction_params(d) + params[i].offset, &value, sizeof(value));
		return NULL;
	}
	return "unknown parameter";
}

const char *command_set(struct direction *const link[DIRECTIONS], const char *word)
{
	int only = -1;
	for (int i = 0; i < DIRECTIONS; i++) {
		size_t n = strlen(direction_name[i]);
		if (strncmp(word, direction_name[i], n) == 0 && word[n] == '.') {
			only = i;
			word += n + 1;
			break;
		}
	}
	const char *sign = strchr(word, '=');
	if (!sign)
		return "not NAME=VALUE";
	char *end;
	double value = strtod(sign + 1, &end);
	if (end == sign + 1 || *end != '\0')
		return "not a number";
	const char *wrong = NULL;
	for (int i = 0; i < DIRECTIONS && !wrong; i++) {
		if (only < 0 || only == i)
			wrong = set_value(link[i], word, (size_t)(sign - word), value);
	}
	return wrong;
}

void command_seed(struct direction *const link[DIRECTIONS], uint64_t seed)
{
	for (int i = 0; i < DIRECTIONS; i++)
		direction_seed(link[i], seed * DIRECTIONS + (uint64_t)i);
}

/* ---- answers ---- */

struct text {
	char *at;
	size_t left;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(t->at, t->left, format, ap);
	va_end(ap);
	size_t used = n < 0 ? 0 : (size_t)n < t->left ? (size_t)n : t->left - 1;
	t->at += used;
	t->left -= used;
}

static void put_times(struct text *t, const char *name, const struct histogram *h)
{
	put(t, ",\"%s\":{\"median\":%ju,\"p95\":%ju,\"p99\":%ju,\"max\":%ju}", name,
		(uintmax_t)histogram_quantile(h, 0.5), (uintmax_t)histogram_quantile(h, 0.95),
		(uintmax_t)histogram_quantile(h, 0.99), (uintmax_t)h->max);
}

static void put_stats(struct text *t, struct direction *d, uint64_t now)
{
	const struct direction_stats *s = direction_stats(d, now);
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{"packets_in", s->packets_in},
		{"bytes_in", s->bytes_in},
		{"too_big", s->too_big},
		{"queue_drops", s->queue_drops},
		{"lost", s->lost},
		{"cut", s->cut},
		{"duplicated", s->duplicated},
		{"delivered", s->delivered},
		{"delivered_bytes", s->delivered_bytes},
		{"queue_bytes_max", s->queue_bytes_max},
	};
	put(t, "{\"queue_bytes\":%ju", (uintmax_t)direction_queued(d));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		put(t, ",\"%s\":%ju", counts[i].name, (uintmax_t)counts[i].value);
	put_times(t, "queue_us", &s->queue_us);
	put_times(t, "late_us", &s->late_us);
	put(t, "}");
}

static void run_stats(struct direction *const link[DIRECTIONS], uint64_t now, struct text *t)
{
	put(t, "{\"time_us\":%ju", (uintmax_t)(now / 1000));
	for (int i = 0; i < DIRECTIONS; i++) {
		put(t, ",\"%s\":", direction_name[i]);
		put_stats(t, link[i], now);
	}
	put(t, "}");
}

static const char *run_set(struct direction *const link[DIRECTIONS], char **rest)
{
	const char *wrong = NULL, *word;
	while (!wrong && (word = strtok_r(NULL, SEPARATORS, rest)))
		wrong = command_set(link, word);
	return wrong;
}

/* Cut or restored: both directions, or the one that is named. */
static const char *run_cut(struct direction *const link[DIRECTIONS], bool cut, const char *only)
{
	bool found = false;
	for (int i = 0; i < DIRECTIONS; i++) {
		if (!only || strcmp(only, direction_name[i]) == 0) {
			direction_cut(link[i], cut);
			found = true;
		}
	}
	return found ? NULL : "unknown direction";
}

static const char *run_seed(struct direction *const link[DIRECTIONS], const char *word)
{
	char *end = NULL;
	uint64_t seed = word ? strtoull(word, &end, 10) : 0;
	if (!word || end == word || *end != '\0')
		return "not a number";
	command_seed(link, seed);
	return NULL;
}

void command_run(struct direction *const link[DIRECTIONS], char *line, uint64_t now, char *answer,
	size_t cap)
{
	struct text t = {answer, cap};
	char *rest = NULL;
	const char *verb = strtok_r(line, SEPARATORS, &rest), *wrong = NULL;
	if (!verb)
		verb = "";
	if (strcmp(verb, "stats") == 0) {
		run_stats(link, now, &t);
		return;
	}
	if (strcmp(verb, "set") == 0) {
		wrong = run_set(link, &rest);
	} else if (strcmp(verb, "cut") == 0 || strcmp(verb, "restore") == 0) {
		wrong = run_cut(link, verb[0] == 'c', strtok_r(NULL, SEPARATORS, &rest));
	} else if (strcmp(verb, "seed") == 0) {
		wrong = run_seed(link, strtok_r(NULL, SEPARATORS, &rest));
	} else if (strcmp(verb, "reset") == 0) {
		for (int i = 0; i < DIRECTIONS; i++)
			direction_stats_reset(link[i]);
	} else {
		wrong = "unknown command";
	}
	if (wrong)
		put(&t, "{\"error\":\"%s\"}", wrong);
	else
		put(&t, "{}");
}
