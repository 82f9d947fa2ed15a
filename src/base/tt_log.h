/**
 * The log sink that is handed to every module. Lines carry fields (`peer= chan= err=`) and never a
 * secret. What a peer can trigger goes through a struct tt_ratelimit first.
 */
#ifndef TT_LOG_H
#define TT_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "tt_time.h"

enum tt_log_level {
	TT_LOG_ERROR,
	TT_LOG_WARN,
	TT_LOG_INFO,
	TT_LOG_DEBUG,
	TT_LOG_TRACE,
};

struct tt_log {
	/** `line` has no newline and lives for the call. */
	void (*write)(void *user, enum tt_log_level level, const char *line);
	void *user;
	enum tt_log_level level; /* lines above this level are not formatted at all */
};

#define TT_LOG_LINE_MAX 1024 /* with the end of the string */

/** Formats and writes one line, cut at that length; a NULL log or sink swallows it. */
void tt_log_write(const struct tt_log *log, enum tt_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define tt_log_at(log, lvl, ...)                                                                   \
	do {                                                                                       \
		const struct tt_log *tt_log_sink_ = (log);                                         \
		if (tt_log_sink_ && (lvl) <= tt_log_sink_->level)                                  \
			tt_log_write(tt_log_sink_, (lvl), __VA_ARGS__);                            \
	} while (0)
#define tt_error(log, ...) tt_log_at(log, TT_LOG_ERROR, __VA_ARGS__)
#define tt_warn(log, ...) tt_log_at(log, TT_LOG_WARN, __VA_ARGS__)
#define tt_info(log, ...) tt_log_at(log, TT_LOG_INFO, __VA_ARGS__)
#define tt_debug(log, ...) tt_log_at(log, TT_LOG_DEBUG, __VA_ARGS__)
#define tt_trace(log, ...) tt_log_at(log, TT_LOG_TRACE, __VA_ARGS__)

/** Lower-case name of a level ("warn"). */
const char *tt_log_level_name(enum tt_log_level level);

/** Token bucket: `burst` events at once, one more every `interval_us`. Zeroed tokens start full. */
struct tt_ratelimit {
	uint32_t burst;
	tt_time interval_us;
	uint32_t used;       /* tokens taken and not yet refilled */
	uint32_t suppressed; /* refused since the last time that one was granted */
	tt_time refilled_at;
};

/** True when one event may happen now; otherwise it is counted in `suppressed`. */
bool tt_ratelimit_take(struct tt_ratelimit *rl, tt_time now);

/** From when on the next event may happen; `now` when it may at once. */
tt_time tt_ratelimit_next(const struct tt_ratelimit *rl, tt_time now);

#endif
