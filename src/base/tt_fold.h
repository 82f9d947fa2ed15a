/**
 * Folds log lines that repeat: of equal lines in a row the first is written, the others are counted
 * and said together. How much one peer may have written at all is the business of struct
 * tt_ratelimit; this is for what goes on in the same words, whoever says it.
 */
#ifndef TT_FOLD_H
#define TT_FOLD_H

#include <stdbool.h>

#include "tt_log.h"

/** How far apart equal lines may be, and how long they are counted before that is said. */
#define TT_FOLD_TIME TT_S(10)

/** Zeroed: no line yet. */
struct tt_fold {
	char line[TT_LOG_LINE_MAX]; /* the last one */
	enum tt_log_level level;
	tt_time seen_at;   /* when it came last */
	uint32_t repeated; /* how often since it was written, or since that was said */
	tt_time due;       /* when that must be said */
};

/**
 * True when the line is to be written: first what tt_fold_flush has to say of the one before, then
 * tt_fold_keep. False when it was counted.
 */
bool tt_fold_is_new(struct tt_fold *f, enum tt_log_level level, const char *line, tt_time now);
void tt_fold_keep(struct tt_fold *f, enum tt_log_level level, const char *line, tt_time now);

/** When something counted must be said; TT_TIME_NEVER when nothing was. */
tt_time tt_fold_deadline(const struct tt_fold *f);

/** How often the last line came again and was not written; counts from zero after it. */
uint32_t tt_fold_flush(struct tt_fold *f);

#endif
