#include "log_fields.h"

#include <stdbool.h>
#include <string.h>

static const struct {
	const char *word, *json, *journal;
	bool first; /* also at the beginning of a line, before a blank */
} kinds[] = {
	{"peer", "peer", "TOXTUN_PEER=", true},
	{"tunnel", "tunnel", "TOXTUN_TUNNEL=", true},
	{"chan", "channel", "TOXTUN_CHANNEL=", false},
	{"target", "target", "TOXTUN_TARGET=", false},
	{"listen", "listen", "TOXTUN_LISTEN=", false},
	{"reason", "reason", "TOXTUN_REASON=", false},
	{"err", "err", "TOXTUN_ERR=", false},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
_Static_assert(KINDS <= LOG_FIELDS_MAX, "LOG_FIELDS_MAX");

/* Where the value of this kind is, when it is what stands at `word`; NULL otherwise. */
static const char *value_at(const char *word, size_t kind, bool first)
{
	size_t n = strlen(kinds[kind].word);

	if (strncmp(word, kinds[kind].word, n) != 0)
		return NULL;
	if (word[n] == '=' || (first && kinds[kind].first && word[n] == ' '))
		return word + n + 1;
	return NULL;
}

static void take(const char *word, bool first, bool seen[KINDS], struct log_field *out, size_t *n)
{
	for (size_t k = 0; k < KINDS; k++) {
		const char *value = seen[k] ? NULL : value_at(word, k, first);
		size_t len = value ? strcspn(value, " ") : 0;
		while (len > 0 &&
			strchr(":;,", value[len - 1])) /* the sentence's, not the value's */
			len--;
		if (len == 0)
			continue;
		seen[k] = true;
		out[(*n)++] = (struct log_field){
			.json = kinds[k].json,
			.journal = kinds[k].journal,
			.value = value,
			.len = len,
		};
	}
}

size_t log_fields(const char *line, struct log_field out[LOG_FIELDS_MAX])
{
	bool seen[KINDS] = {false};
	size_t n = 0;

	for (const char *word = line; word; word = strchr(word, ' ')) {
		word += word != line; /* past the blank */
		take(word, word == line, seen, out, &n);
	}
	return n;
}
