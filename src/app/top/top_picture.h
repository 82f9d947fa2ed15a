/** A screen full of text, line by line; what shows it on a terminal is top_screen.h. */
#ifndef TOP_PICTURE_H
#define TOP_PICTURE_H

#include "top_text.h"

enum top_look {
	TOP_LOOK_PLAIN,
	TOP_LOOK_TITLE,
	TOP_LOOK_HEAD, /* of a table */
	TOP_LOOK_SELECTED,
	TOP_LOOK_DIM,
	TOP_LOOK_ALERT,
	TOP_LOOK_COUNT
};

struct top_picture {
	size_t rows, columns;
	bool utf8;
	char **lines; /* each exactly as many columns */
	enum top_look *looks;
	/* the line that is being written */
	size_t row, len, used;
};

/** True, or false without memory. All lines are blank. */
bool top_picture_init(struct top_picture *p, size_t rows, size_t columns, bool utf8);
void top_picture_free(struct top_picture *p);

/** The next pieces go to this row, from its beginning. Rows that are not there take nothing. */
void top_picture_line(struct top_picture *p, size_t row, enum top_look look);
/** A piece of so many columns, as top_text_fit; what is beyond the line's end is cut. */
void top_picture_cell(
	struct top_picture *p, const char *text, size_t columns, enum top_align align);
/** A piece as long as its text. */
void top_picture_text(struct top_picture *p, const char *text);
/** A line that is one text. */
void top_picture_put(struct top_picture *p, size_t row, enum top_look look, const char *text);
/** The newest values, as top_text_sparkline. */
void top_picture_sparkline(struct top_picture *p, const uint64_t *values, size_t n, size_t columns);

#endif
