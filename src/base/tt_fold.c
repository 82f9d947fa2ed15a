#include "tt_fold.h"

#include <stdio.h>
#include <string.h>

bool tt_fold_is_new(struct tt_fold *f, enum tt_log_level level, const char *line, tt_time now)
{
	if (!f->line[0] || f->level != level || tt_time_since(now, f->seen_at) >= TT_FOLD_TIME ||
		strcmp(f->line, line) != 0)
		return true;
	f->seen_at = now;
	if (f->repeated++ == 0)
		f->due = now + TT_FOLD_TIME;
	return false;
}

void tt_fold_keep(struct tt_fold *f, enum tt_log_level level, const char *line, tt_time now)
{
	snprintf(f->line, sizeof(f->line), "%s", line);
	f->level = level;
	f->seen_at = now;
}

tt_time tt_fold_deadline(const struct tt_fold *f)
{
	return f->repeated ? f->due : TT_TIME_NEVER;
}

uint32_t tt_fold_flush(struct tt_fold *f)
{
	uint32_t repeated = f->repeated;

	f->repeated = 0;
	return repeated;
}
