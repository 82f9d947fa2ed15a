/** A text that is written with stdio and grows as it must. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdio.h>

struct text {
	FILE *f;
	char *data; /* as far as it is flushed; text_close gives the whole */
	size_t len;
};

/** Where to write, NULL without memory. t must stay where it is until text_close. */
FILE *text_open(struct text *t);

/** The text, the caller's to free; NULL when there was no memory for all of it. */
char *text_close(struct text *t);

#endif
