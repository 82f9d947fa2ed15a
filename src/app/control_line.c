#include "control_line.h"

#include <stdlib.h>
#include <string.h>

#include "tt_err.h"

int control_lines_add(struct control_lines *l, const char *data, size_t n)
{
	if (l->start > 0) {
		memmove(l->buf, l->buf + l->start, l->len - l->start);
		l->len -= l->start;
		l->start = 0;
	}
	if (l->len + n + 1 > l->cap) {
		size_t cap = l->cap ? l->cap : 512;
		while (cap < l->len + n + 1)
			cap *= 2;
		char *bigger = realloc(l->buf, cap);
		if (!bigger)
			return TT_ENOMEM;
		l->buf = bigger;
		l->cap = cap;
	}
	memcpy(l->buf + l->len, data, n);
	l->len += n;
	return l->len > l->max ? TT_ELIMIT : TT_OK;
}

char *control_lines_next(struct control_lines *l)
{
	size_t left = l->len - l->start;
	char *line = left ? l->buf + l->start : NULL;
	char *end = line ? memchr(line, '\n', left) : NULL;

	if (!end)
		return NULL;
	*end = '\0';
	l->start += (size_t)(end - line) + 1;
	return line;
}

size_t control_lines_rest(const struct control_lines *l)
{
	return l->len - l->start;
}

void control_lines_clear(struct control_lines *l)
{
	free(l->buf);
	*l = (struct control_lines){.max = l->max};
}

cJSON *control_object(const char *line)
{
	cJSON *o = cJSON_ParseWithOpts(line, NULL, true);

	if (cJSON_IsObject(o))
		return o;
	cJSON_Delete(o);
	return NULL;
}

const char *control_text(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

bool control_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

unsigned control_number(
	const cJSON *object, const char *key, unsigned min, unsigned max, unsigned other)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	if (!cJSON_IsNumber(item) || !(item->valuedouble >= min && item->valuedouble <= max))
		return other;
	unsigned n = (unsigned)item->valuedouble;
	return (double)n < item->valuedouble ? other : n;
}
