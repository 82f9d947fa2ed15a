/**
 * The fields of a log line: `peer=89ABCDEF chan=7 reason=limit`, and what a line begins with, as
 * "peer 89ABCDEF is offline" and "tunnel web: closed" do. For the forms of the log that have a
 * place for each.
 */
#ifndef LOG_FIELDS_H
#define LOG_FIELDS_H

#include <stddef.h>

struct log_field {
	const char *json;    /* its names */
	const char *journal; /* with '=' at its end */
	const char *value;   /* in the line, not terminated */
	size_t len;
};

#define LOG_FIELDS_MAX 8

/** Finds the fields, each kind once, the first of it. How many. */
size_t log_fields(const char *line, struct log_field out[LOG_FIELDS_MAX]);

#endif
