/** Panels of curves over one time axis, one above the other, as SVG. */
#ifndef CHART_H
#define CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CHART_SERIES 16
#define CHART_PANELS 8
#define CHART_LINES 4

enum chart_style {
	CHART_LINE,
	CHART_THIN, /* the same quantity as a line of the same colour, but as a background to it */
	CHART_DASHED,
	CHART_BARS,
};

struct chart_series {
	const char *name; /* in the legend; NULL: not there */
	const char *colour;
	enum chart_style style;
	double *y; /* as many as there are times; NaN: no point */
};

/* One without any point is left out. */
struct chart_panel {
	const char *title; /* what is drawn, with its unit */
	double most;       /* curves are cut off here; 0: nowhere */
	size_t n_series;
	struct chart_series series[CHART_SERIES];
};

struct chart {
	const char *title, *lines[CHART_LINES]; /* above it all; NULL: no more */
	size_t n, n_panels;
	const double *seconds;
	struct chart_panel panel[CHART_PANELS];
};

void chart_write(const struct chart *c, FILE *f);

#endif
