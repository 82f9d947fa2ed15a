#include "bench_progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define INTERVAL TT_MS(200)
#define BAR 12
#define COLUMNS 80

static int columns(void)
{
	struct winsize w;
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : COLUMNS;
}

static void wipe(struct bench_progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}

static void write_log(void *user, enum tt_log_level level, const char *line)
{
	struct bench_progress *p = user;

	wipe(p);
	p->inner->write(p->inner->user, level, line);
}

void bench_progress_init(struct bench_progress *p, const struct tt_log *log)
{
	*p = (struct bench_progress){
		.log = {.write = write_log, .user = p, .level = log->level},
		.inner = log,
		.on = isatty(STDERR_FILENO) && log->level > TT_LOG_ERROR,
		.next_at = TT_TIME_NEVER,
	};
}

void bench_progress_begin(struct bench_progress *p, const char *step, tt_time length, tt_time now)
{
	p->step = step;
	p->since = now;
	p->length = length;
	p->next_at = p->on ? now : TT_TIME_NEVER;
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
	fprintf(stderr, "\r%.*s\033[K", columns() - 1, line); /* a second row could not be wiped */
	fflush(stderr);
	p->drawn = true;
}

void bench_progress_end(struct bench_progress *p)
{
	p->next_at = TT_TIME_NEVER;
	wipe(p);
	fflush(stderr);
}
