#include "top_picture.h"

#include <stdlib.h>
#include <string.h>

bool top_picture_init(struct top_picture *p, size_t rows, size_t columns, bool utf8)
{
	*p = (struct top_picture){.rows = rows, .columns = columns, .utf8 = utf8};
	p->lines = calloc(rows + 1, sizeof(*p->lines));
	p->looks = calloc(rows + 1, sizeof(*p->looks));
	bool good = p->lines && p->looks;
	for (size_t i = 0; good && i < rows; i++) {
		p->lines[i] = malloc(columns * TOP_BYTES_PER_COLUMN + 1);
		good = p->lines[i] != NULL;
		if (good)
			top_text_fit(p->lines[i], "", columns, TOP_LEFT, utf8);
	}
	if (!good)
		top_picture_free(p);
	return good;
}

void top_picture_free(struct top_picture *p)
{
	for (size_t i = 0; p->lines && i < p->rows; i++)
		free(p->lines[i]);
	free(p->lines);
	free(p->looks);
	*p = (struct top_picture){0};
}

void top_picture_line(struct top_picture *p, size_t row, enum top_look look)
{
	p->row = row;
	p->len = p->used = 0;
	if (row < p->rows)
		p->looks[row] = look;
}

/* Where the next piece goes; its columns become those that are left, 0 where there is no line. */
static char *place(const struct top_picture *p, size_t *columns)
{
	size_t left = p->columns - p->used;

	if (p->row >= p->rows) {
		*columns = 0;
		return NULL;
	}
	*columns = *columns < left ? *columns : left;
	return p->lines[p->row] + p->len;
}

/* The rest of the line is blank again. */
static void wrote(struct top_picture *p, size_t len, size_t columns)
{
	p->len += len;
	p->used += columns;
	top_text_fit(p->lines[p->row] + p->len, "", p->columns - p->used, TOP_LEFT, p->utf8);
}

void top_picture_cell(struct top_picture *p, const char *text, size_t columns, enum top_align align)
{
	char *at = place(p, &columns);

	if (at)
		wrote(p, top_text_fit(at, text, columns, align, p->utf8), columns);
}

void top_picture_text(struct top_picture *p, const char *text)
{
	top_picture_cell(p, text, top_text_width(text, p->utf8), TOP_LEFT);
}

void top_picture_put(struct top_picture *p, size_t row, enum top_look look, const char *text)
{
	top_picture_line(p, row, look);
	top_picture_text(p, text);
}

void top_picture_sparkline(struct top_picture *p, const uint64_t *values, size_t n, size_t columns)
{
	char *at = place(p, &columns);

	if (at)
		wrote(p, top_text_sparkline(at, values, n, columns, p->utf8), columns);
}
