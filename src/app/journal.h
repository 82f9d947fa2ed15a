/** The log of systemd, with its own fields in place of a line of text. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdbool.h>
#include <sys/uio.h>

#include "log_fields.h"
#include "tt_log.h"

#define JOURNAL_FIELDS_MAX (LOG_FIELDS_MAX + 2)
/* What the fields of one line take together: its words may be in them twice. */
#define JOURNAL_TEXT_MAX (2 * TT_LOG_LINE_MAX + 256)

/** Standard error is connected to the journal, which can be reached by its own protocol, too. */
bool journal_is_stderr(void);

/** Sends one line; false when the journal did not take it. */
bool journal_send(enum tt_log_level level, const char *line);

/** The fields of a line, which has at most TT_LOG_LINE_MAX - 1 bytes, in `text`. How many. */
size_t journal_fields(enum tt_log_level level, const char *line, char text[JOURNAL_TEXT_MAX],
	struct iovec out[JOURNAL_FIELDS_MAX]);

#endif
