#include "chart.h"

#include <math.h>
#include <string.h>

#define WIDTH 960
#define LEFT 64
#define RIGHT 16
#define TOP 42  /* under the title, */
#define LINE 16 /* and so much for each line */
#define BOTTOM 44
#define PANEL 132 /* from one to the next, */
#define PLOT 96   /* of which so much is drawn on */
#define CHAR 7    /* width of a character of the legend, with room */

struct scale {
	double max, step;
};

/* The fewest ticks, at most so many, that are 1, 2 or 5 times a power of ten apart. */
static struct scale nice(double max, int ticks)
{
	static const double steps[] = {1, 2, 5, 10};
	max = max > 0 ? max : 1;
	double step = 0, power = pow(10, floor(log10(max / ticks)));
	for (size_t i = 0; i < 4 && (i == 0 || max / step > ticks); i++)
		step = steps[i] * power;
	return (struct scale){ceil(max / step - 1e-9) * step, step};
}

/* The highest point, NaN when there is none. */
static double series_max(const struct chart *c, const struct chart_series *s)
{
	double max = NAN;
	for (size_t i = 0; i < c->n; i++)
		max = fmax(max, s->y[i]); /* which passes over NaN */
	return max;
}

/* The highest point that is drawn, NaN when there is none. */
static double panel_max(const struct chart *c, const struct chart_panel *p)
{
	double max = NAN;
	for (size_t i = 0; i < p->n_series; i++)
		max = fmax(max, series_max(c, &p->series[i]));
	return p->most > 0 && max > p->most ? p->most : max;
}

static double x_of(const struct chart *c, double seconds)
{
	return LEFT + (WIDTH - LEFT - RIGHT) * seconds / c->seconds[c->n - 1];
}

static void text(FILE *f, double x, double y, const char *attributes, const char *s)
{
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
	for (; *s; s++) {
		if (*s == '<' || *s == '&')
			fputs(*s == '<' ? "&lt;" : "&amp;", f);
		else
			fputc(*s, f);
	}
	fputs("</text>\n", f);
}

static void number(FILE *f, double x, double y, const char *attributes, double value)
{
	char s[32];
	snprintf(s, sizeof(s), "%.6g", value);
	text(f, x, y, attributes, s);
}

static void line(FILE *f, double x1, double y1, double x2, double y2, const char *colour)
{
	fprintf(f, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2, colour);
}

/* To the right of the panel's title, in the order of the series. */
static void legend(FILE *f, const struct chart *c, const struct chart_panel *p, double y)
{
	double x = WIDTH - RIGHT;
	for (size_t i = p->n_series; i-- > 0;) {
		const struct chart_series *s = &p->series[i];
		if (!s->name || isnan(series_max(c, s)))
			continue;
		x -= (double)strlen(s->name) * CHAR;
		text(f, x, y, "", s->name);
		fprintf(f, "<path d=\"M%.1f %.1fh16\" stroke=\"%s\" stroke-width=\"%s\"%s/>\n",
			x - 21, y - 4, s->colour,
			s->style == CHART_BARS   ? "8"
			: s->style == CHART_LINE ? "2"
						 : "1",
			s->style == CHART_DASHED ? " stroke-dasharray=\"4 3\"" : "");
		x -= 36;
	}
}

/* Where the curves of a panel go: the height of 0, pixels of 1, and the highest value. */
struct plot {
	double base, scale, max;
};

static void bars(FILE *f, const struct chart *c, const struct chart_series *s, struct plot to)
{
	fprintf(f, "<path fill=\"%s\" d=\"", s->colour);
	for (size_t i = 1; i < c->n; i++) {
		double x = x_of(c, c->seconds[i - 1]), w = fmax(x_of(c, c->seconds[i]) - x, 1);
		if (s->y[i] > 0)
			fprintf(f, "M%.1f %.1fh%.1fv%.1fh%.1fz", x, to.base, w,
				-fmin(s->y[i], to.max) * to.scale, -w);
	}
	fputs("\"/>\n", f);
}

static void curve(FILE *f, const struct chart *c, const struct chart_series *s, struct plot to)
{
	bool pen = false;

	fprintf(f, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%s\"%s%s d=\"", s->colour,
		s->style == CHART_LINE ? "1.5" : "1",
		s->style == CHART_THIN ? " stroke-opacity=\"0.55\"" : "",
		s->style == CHART_DASHED ? " stroke-dasharray=\"4 3\"" : "");
	for (size_t i = 0; i < c->n; i++) {
		if (isnan(s->y[i])) {
			pen = false;
			continue;
		}
		/* A point between two of its height says nothing. */
		if (pen && i + 1 < c->n && s->y[i] == s->y[i - 1] && s->y[i] == s->y[i + 1])
			continue;
		fprintf(f, "%c%.1f %.1f", pen ? 'L' : 'M', x_of(c, c->seconds[i]),
			to.base - fmin(s->y[i], to.max) * to.scale);
		pen = true;
	}
	fputs("\"/>\n", f);
}

static void panel(FILE *f, const struct chart *c, const struct chart_panel *p, double top)
{
	struct scale y = nice(panel_max(c, p), 4), x = nice(c->seconds[c->n - 1], 12);
	struct plot to = {top + PLOT, PLOT / y.max, y.max};

	for (double v = 0; v <= y.max * 1.0001; v += y.step) {
		line(f, LEFT, to.base - v * to.scale, WIDTH - RIGHT, to.base - v * to.scale,
			"#ddd");
		number(f, LEFT - 8, to.base - v * to.scale + 4, "text-anchor=\"end\"", v);
	}
	for (double v = 0; v <= c->seconds[c->n - 1] * 1.0001; v += x.step)
		line(f, x_of(c, v), top, x_of(c, v), to.base, "#eee");
	for (size_t i = 0; i < p->n_series; i++) {
		if (p->series[i].style == CHART_BARS)
			bars(f, c, &p->series[i], to);
		else
			curve(f, c, &p->series[i], to);
	}
	line(f, LEFT, to.base, WIDTH - RIGHT, to.base, "#333");
	text(f, LEFT, top - 8, "font-weight=\"bold\"", p->title);
	legend(f, c, p, top - 8);
}

void chart_write(const struct chart *c, FILE *f)
{
	struct scale x = nice(c->seconds[c->n - 1], 12);
	size_t lines = 0, panels = 0;

	while (lines < CHART_LINES && c->lines[lines])
		lines++;
	for (size_t i = 0; i < c->n_panels; i++)
		panels += isnan(panel_max(c, &c->panel[i])) ? 0 : 1;
	double top = TOP + LINE * (double)lines + PANEL - PLOT - LINE;
	double bottom = top + PANEL * (double)panels - (PANEL - PLOT);
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
		"font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		WIDTH, bottom + BOTTOM);
	text(f, LEFT, 24, "font-size=\"16\" font-weight=\"bold\"", c->title);
	for (size_t i = 0; i < lines; i++)
		text(f, LEFT, TOP + LINE * (double)i, "fill=\"#555\"", c->lines[i]);
	for (size_t i = 0; i < c->n_panels; i++) {
		if (isnan(panel_max(c, &c->panel[i])))
			continue;
		panel(f, c, &c->panel[i], top);
		top += PANEL;
	}
	for (double v = 0; v <= c->seconds[c->n - 1] * 1.0001; v += x.step)
		number(f, x_of(c, v), bottom + 18, "text-anchor=\"middle\"", v);
	text(f, LEFT + (WIDTH - LEFT - RIGHT) / 2.0, bottom + 36, "text-anchor=\"middle\"",
		"time, s");
	fputs("</svg>\n", f);
}
