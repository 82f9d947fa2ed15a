#include "bench_progress.h"

#include <stdio.h>
#include <string.h>

#define INTERVAL TT_MS(200)
#define BAR 12

void bench_progress_init(struct bench_progress *p, struct live_line *line)
{
	*p = (struct bench_progress){.line = line, .next_at = TT_TIME_NEVER};
}

void bench_progress_begin(struct bench_progress *p, const char *step, tt_time length, tt_time now)
{
	p->step = step;
	p->since = now;
	p->length = length;
	p->next_at = p->line->on ? now : TT_TIME_NEVER;
}

void bench_progress_show(struct bench_progress *p, const char *figure, tt_time now)
{
	char bar[BAR + 1], line[128];
	tt_time gone = tt_time_min(tt_time_since(now, p->since), p->length);

	if (now < p->next_at)
		return;
	p->next_at = now + INTERVAL;
	memset(bar, ' ', BAR);
	memset(bar, '=', (size_t)(gone * BAR / p->length));
	bar[BAR] = '\0';
	snprintf(line, sizeof(line), "%-18s[%s] %4.1f of %.0f s   %s", p->step, bar,
		(double)gone / 1e6, (double)p->length / 1e6, figure);
	live_line_set(p->line, line);
}

void bench_progress_end(struct bench_progress *p)
{
	p->next_at = TT_TIME_NEVER;
	live_line_set(p->line, "");
}
