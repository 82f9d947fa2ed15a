/**
 * One line on standard error that changes while the program runs, where that is a terminal. What
 * else is written there wipes it first and draws it again after.
 */
#ifndef LIVE_LINE_H
#define LIVE_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define LIVE_LINE_MAX 512

struct live_line {
	bool on;    /* there is a place for it */
	bool drawn; /* it is there now */
	char text[LIVE_LINE_MAX];
};

/** On when it is wanted and standard error is a terminal that knows how to wipe a line. */
void live_line_init(struct live_line *l, bool wanted);

/** The text from now on, drawn when it is another one; "" for none. */
void live_line_set(struct live_line *l, const char *text);

void live_line_wipe(struct live_line *l);

/** Draws it as it is, for the width that the terminal has now. */
void live_line_draw(struct live_line *l);

/**
 * As much of the text as fits into so many columns, without control characters. Characters that may
 * be two columns wide count as two.
 */
void live_line_fit(char dst[LIVE_LINE_MAX], const char *text, size_t columns);

#endif
