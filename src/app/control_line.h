/** The lines of the control socket, see doc/control.md: bytes to lines, lines to requests. */
#ifndef CONTROL_LINE_H
#define CONTROL_LINE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/** Collects bytes into lines, at most `max` bytes at a time. Start with {.max = N}. */
struct control_lines {
	size_t max;
	char *buf;
	size_t len, cap;
	size_t start; /* of what was not given out yet */
};

/** TT_OK; TT_ELIMIT when more has been added than may wait; TT_ENOMEM. */
int control_lines_add(struct control_lines *l, const char *data, size_t n);

/** The next whole line, without its newline, until the next call; NULL when there is none. */
char *control_lines_next(struct control_lines *l);

/** Bytes that are no whole line yet. */
size_t control_lines_rest(const struct control_lines *l);

void control_lines_clear(struct control_lines *l);

/**
 * Reads a line that must be one JSON object and nothing else. NULL when it is none, or without
 * memory. cJSON_Delete it.
 */
cJSON *control_object(const char *line);

/** The text of this member, NULL when it is not there or not a text. */
const char *control_text(const cJSON *object, const char *key);

/** This member is there and true. */
bool control_true(const cJSON *object, const char *key);

/** The number of this member when it is a whole one from min to max, otherwise `other`. */
unsigned control_number(
	const cJSON *object, const char *key, unsigned min, unsigned max, unsigned other);

#endif
