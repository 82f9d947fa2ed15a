#include "top_text.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define UNSHOWN "?"
#define ELLIPSIS "\xe2\x80\xa6"

static const char *const steps_utf8[] = {"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83",
	"\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88"};
static const char *const steps_ascii[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
#define STEPS (sizeof(steps_utf8) / sizeof(steps_utf8[0]))

/* A character, or what stands for it. */
struct glyph {
	const char *bytes;
	size_t len, columns;
	size_t taken; /* bytes of the text */
};

static struct glyph unshown(size_t taken)
{
	return (struct glyph){.bytes = UNSHOWN, .len = 1, .columns = 1, .taken = taken};
}

/* Without UTF-8 a whole character of it becomes one mark. */
static struct glyph next_ascii(const char *at)
{
	size_t n = 1;

	if (*at >= 0x20 && *at < 0x7f)
		return (struct glyph){.bytes = at, .len = 1, .columns = 1, .taken = 1};
	if ((unsigned char)*at >= 0xc0) {
		while (((unsigned char)at[n] & 0xc0) == 0x80)
			n++;
	}
	return unshown(n);
}

/* The next character of a text that is not at its end. What takes no column is not shown either:
 * such are marks that turn the direction of writing, and those that make two names look alike. */
static struct glyph next(const char *at, bool utf8)
{
	mbstate_t state = {0};
	wchar_t c;

	if (!utf8)
		return next_ascii(at);
	size_t n = mbrtowc(&c, at, strlen(at), &state);
	if (n == 0 || n > TOP_BYTES_PER_COLUMN)
		return unshown(1);
	int columns = wcwidth(c);
	if (columns <= 0)
		return unshown(n);
	return (struct glyph){.bytes = at, .len = n, .columns = (size_t)columns, .taken = n};
}

size_t top_text_width(const char *text, bool utf8)
{
	size_t columns = 0;

	while (*text) {
		struct glyph g = next(text, utf8);
		columns += g.columns;
		text += g.taken;
	}
	return columns;
}

static char *blanks(char *dst, size_t n)
{
	memset(dst, ' ', n);
	return dst + n;
}

size_t top_text_fit(char *dst, const char *text, size_t columns, enum top_align align, bool utf8)
{
	size_t width = top_text_width(text, utf8), used = 0;
	bool shorten = width > columns;
	size_t room = shorten && columns > 0 ? columns - 1 : columns;
	char *at = dst;

	if (align == TOP_RIGHT && !shorten)
		at = blanks(at, columns - width);
	while (*text) {
		struct glyph g = next(text, utf8);
		if (used + g.columns > room)
			break;
		memcpy(at, g.bytes, g.len);
		at += g.len;
		used += g.columns;
		text += g.taken;
	}
	if (shorten && columns > 0) {
		const char *mark = utf8 ? ELLIPSIS : "~";
		memcpy(at, mark, strlen(mark));
		at += strlen(mark);
		used++;
	}
	if (align == TOP_LEFT || shorten)
		at = blanks(at, columns - used);
	*at = '\0';
	return (size_t)(at - dst);
}

const char *top_text_amount(char dst[TOP_FIGURE_MAX], uint64_t n)
{
	static const char units[] = " kMGTPE";
	double v = (double)n;
	size_t unit = 0;

	/* 999.95 would come out as 1000.0 */
	for (; v >= (unit ? 999.5 : 1000) && unit < sizeof(units) - 2; unit++)
		v /= 1000;
	if (unit == 0)
		snprintf(dst, TOP_FIGURE_MAX, "%.0f", v);
	else
		snprintf(dst, TOP_FIGURE_MAX, "%.*f%c", v < 99.95 ? 1 : 0, v, units[unit]);
	return dst;
}

const char *top_text_age(char dst[TOP_FIGURE_MAX], tt_time us)
{
	unsigned long s = (unsigned long)(us / TT_S(1));

	if (s < 60)
		snprintf(dst, TOP_FIGURE_MAX, "%lus", s);
	else if (s < 3600)
		snprintf(dst, TOP_FIGURE_MAX, "%lum", s / 60);
	else if (s < 86400)
		snprintf(dst, TOP_FIGURE_MAX, "%luh", s / 3600);
	else
		snprintf(dst, TOP_FIGURE_MAX, "%lud", s / 86400);
	return dst;
}

const char *top_text_ms(char dst[TOP_FIGURE_MAX], tt_time us)
{
	snprintf(dst, TOP_FIGURE_MAX, "%.1f ms", (double)us / 1e3);
	return dst;
}

size_t top_text_sparkline(char *dst, const uint64_t *values, size_t n, size_t columns, bool utf8)
{
	const char *const *steps = utf8 ? steps_utf8 : steps_ascii;
	uint64_t highest = 0;
	char *at = dst;

	if (n > columns) {
		values += n - columns;
		n = columns;
	}
	for (size_t i = 0; i < n; i++)
		highest = values[i] > highest ? values[i] : highest;
	at = blanks(at, columns - n);
	for (size_t i = 0; i < n; i++) {
		double share = highest ? (double)values[i] / (double)highest : 0;
		size_t step = values[i] ? 1 + (size_t)(share * (double)(STEPS - 2)) : 0;
		memcpy(at, steps[step], strlen(steps[step]));
		at += strlen(steps[step]);
	}
	*at = '\0';
	return (size_t)(at - dst);
}
