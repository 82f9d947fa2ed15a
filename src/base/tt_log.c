#include "tt_log.h"

#include <stdarg.h>
#include <stdio.h>

void tt_log_write(const struct tt_log *log, enum tt_log_level level, const char *fmt, ...)
{
	if (!log || !log->write)
		return;
	char line[TT_LOG_LINE_MAX];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= 0)
		log->write(log->user, level, line);
}

const char *tt_log_level_name(enum tt_log_level level)
{
	static const char *const names[] = {"error", "warn", "info", "debug", "trace"};
	return level <= TT_LOG_TRACE ? names[level] : "?";
}

bool tt_ratelimit_take(struct tt_ratelimit *rl, tt_time now)
{
	if (rl->used == 0)
		rl->refilled_at = now;
	tt_time refill =
		rl->interval_us ? tt_time_since(now, rl->refilled_at) / rl->interval_us : 0;
	if (refill >= rl->used) {
		rl->used = 0;
		rl->refilled_at = now;
	} else {
		rl->used -= (uint32_t)refill;
		rl->refilled_at += refill * rl->interval_us;
	}
	if (rl->used >= rl->burst) {
		rl->suppressed++;
		return false;
	}
	rl->used++;
	return true;
}

tt_time tt_ratelimit_next(const struct tt_ratelimit *rl, tt_time now)
{
	if (rl->used < rl->burst || tt_time_since(now, rl->refilled_at) >= rl->interval_us)
		return now;
	return rl->refilled_at + rl->interval_us;
}
