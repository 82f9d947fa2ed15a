/**
 * Pieces of a line of the screen: text that may be a peer's own, figures, sparklines.
 *
 * Everything comes out as UTF-8 that can be shown, or as plain ASCII where the terminal has no
 * UTF-8 (`utf8` false), and never with a control character. What UTF-8 a terminal can show is the
 * business of the locale: setlocale(LC_CTYPE) must have been called for one.
 */
#ifndef TOP_TEXT_H
#define TOP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_time.h"

#define TOP_BYTES_PER_COLUMN 4 /* of UTF-8, at most */
#define TOP_FIGURE_MAX 32

enum top_align { TOP_LEFT, TOP_RIGHT };

/**
 * Writes `text` as exactly `columns` columns, filled up with blanks, or shortened with a mark at
 * its end. `dst` has space for columns * TOP_BYTES_PER_COLUMN + 1 bytes. Returns the bytes written.
 */
size_t top_text_fit(char *dst, const char *text, size_t columns, enum top_align align, bool utf8);

/** The columns that the text takes when nothing is shortened. */
size_t top_text_width(const char *text, bool utf8);

/** "0", "999", "1.2k", "12.3M", "123G": at most five columns. Returns dst. */
const char *top_text_amount(char dst[TOP_FIGURE_MAX], uint64_t n);

/** "5s", "12m", "3h", "2d": at most four columns up to 999 days. Returns dst. */
const char *top_text_age(char dst[TOP_FIGURE_MAX], tt_time us);

/** "23.4 ms". Returns dst. */
const char *top_text_ms(char dst[TOP_FIGURE_MAX], tt_time us);

/**
 * A graph of one line: the newest `columns` of the n values, oldest first, at its right end. The
 * highest of those shown is the full height; only 0 is the lowest step. `dst` as for top_text_fit.
 * Returns the bytes written.
 */
size_t top_text_sparkline(char *dst, const uint64_t *values, size_t n, size_t columns, bool utf8);

#endif
