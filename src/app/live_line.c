#include "live_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "wire.h"

#define COLUMNS 80 /* of a terminal that does not say */
/* To the end of the screen. The cursor stays at the beginning of the line: a terminal that breaks
 * it into two, because it was made narrower, keeps the cursor there, and both rows are wiped. */
#define WIPE "\033[J"

void live_line_init(struct live_line *l, bool wanted)
{
	const char *term = getenv("TERM");

	*l = (struct live_line){
		.on = wanted && term && strcmp(term, "dumb") != 0 && isatty(STDERR_FILENO)};
}

static size_t columns(void)
{
	struct winsize w;
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : COLUMNS;
}

/* In the background it would be drawn into what the user types. A terminal that is not ours to ask
 * shows nothing else. */
static bool in_foreground(void)
{
	pid_t group = tcgetpgrp(STDERR_FILENO);
	return group < 0 || group == getpgrp();
}

/* Of the character at p: two from U+1100 on, where the scripts with wide characters begin. */
static size_t width(const unsigned char *p)
{
	return p[0] > 0xe1 || (p[0] == 0xe1 && p[1] >= 0x84) ? 2 : 1;
}

void live_line_fit(char dst[LIVE_LINE_MAX], const char *text, size_t columns)
{
	size_t at = 0, used = 0;

	wire_text_copy(dst, LIVE_LINE_MAX, text);
	while (dst[at]) {
		used += width((const unsigned char *)dst + at);
		if (used > columns)
			break;
		do
			at++;
		while (((unsigned char)dst[at] & 0xc0) == 0x80);
	}
	dst[at] = '\0';
}

void live_line_set(struct live_line *l, const char *text)
{
	bool same = strcmp(l->text, text) == 0;

	/* One that could not be drawn in the background is tried again. */
	if (!l->on || (same && (l->drawn || !text[0])))
		return;
	snprintf(l->text, sizeof(l->text), "%s", text);
	if (l->text[0])
		live_line_draw(l);
	else
		live_line_wipe(l);
}

void live_line_wipe(struct live_line *l)
{
	if (l->drawn && in_foreground()) {
		fputs("\r" WIPE, stderr);
		fflush(stderr);
	}
	l->drawn = false;
}

void live_line_draw(struct live_line *l)
{
	char fits[LIVE_LINE_MAX];

	if (!l->text[0] || !in_foreground())
		return;
	/* The last column stays free: there some terminals begin another row at once. */
	live_line_fit(fits, l->text, columns() - 1);
	fprintf(stderr, "\r%s" WIPE "\r", fits);
	fflush(stderr);
	l->drawn = true;
}
