/**
 * The words that say what a link is like, at the start and while it runs, and its statistics as
 * JSON; README.md has both.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "direction.h"

#define DIRECTIONS 2

/**
 * `NAME=VALUE` sets a parameter of both directions, `ab.NAME=VALUE` or `ba.NAME=VALUE` of one.
 * NULL, or what is wrong.
 */
const char *command_set(struct direction *const link[DIRECTIONS], const char *word);

/** Each direction gets random streams of its own out of one seed. */
void command_seed(struct direction *const link[DIRECTIONS], uint64_t seed);

/**
 * Does what a line asks for and writes the answer, one line of JSON without its newline. `line` is
 * changed. An answer that does not fit is cut short.
 */
void command_run(struct direction *const link[DIRECTIONS], char *line, uint64_t now, char *answer,
	size_t cap);

#endif
