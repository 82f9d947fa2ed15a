#include "chat_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text.h"
#include "wire.h"

#define MORE "\n(and more, which toxtun status says on the machine)"

static const struct {
	const char *name, *help;
} words[] = {
	[CHAT_UNKNOWN] = {"", NULL},
	[CHAT_STATUS] = {"status", "how it is, what is wrong and what to do"},
	[CHAT_PEERS] = {"peers", "who is there, by which path and how fast"},
	[CHAT_TUNNELS] = {"tunnels", "what listens, and where it leads"},
	[CHAT_HELP] = {"help", "this list"},
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

enum chat_word chat_word_parse(const uint8_t *text, size_t len)
{
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	while (len > 0 && is_blank(text[0])) {
		text++;
		len--;
	}
	for (size_t w = CHAT_STATUS; w < WORDS; w++) {
		if (strlen(words[w].name) == len &&
			strncasecmp(words[w].name, (const char *)text, len) == 0)
			return (enum chat_word)w;
	}
	return CHAT_UNKNOWN;
}

const char *chat_word_name(enum chat_word word)
{
	return words[word].name;
}

char *chat_help(void)
{
	struct text t;

	if (!text_open(&t))
		return NULL;
	for (size_t w = CHAT_STATUS; w < WORDS; w++)
		fprintf(t.f, "%s: %s\n", words[w].name, words[w].help);
	return text_close(&t);
}

/* Columns that are right in a terminal are not in a proportional font. */
static void squeeze_blanks(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s != ' ' || s[1] != ' ')
			*to++ = *s;
	}
	*to = '\0';
}

/* The first len bytes of `line`, cut at the end of a character when they are more than `room`.
 * Returns the length of what came out. */
static size_t clean_line(const char *line, size_t len, size_t room, char dst[CHAT_MESSAGE_CAP])
{
	char raw[CHAT_MESSAGE_CAP + 4]; /* a character that is cut here does not fit into dst */

	snprintf(raw, sizeof(raw), "%.*s", (int)len, line);
	wire_text_copy(dst, room + 1, raw);
	squeeze_blanks(dst);
	return strlen(dst);
}

size_t chat_message_next(const char **rest, bool last, char dst[CHAT_MESSAGE_CAP])
{
	const size_t room = TOXNET_MESSAGE_MAX - (last ? sizeof(MORE) - 1 : 0);
	char line[CHAT_MESSAGE_CAP];
	size_t n = 0;

	while (**rest) {
		size_t len = strcspn(*rest, "\n"), got = clean_line(*rest, len, room, line);
		size_t at = n ? n + 1 : 0;
		if (at + got > room)
			break;
		if (n > 0)
			dst[n] = '\n';
		memcpy(dst + at, line, got);
		n = at + got;
		*rest += len + ((*rest)[len] == '\n');
	}
	dst[n] = '\0';
	if (last && **rest) {
		memcpy(dst + n, MORE, sizeof(MORE));
		n += sizeof(MORE) - 1;
	}
	return n;
}
