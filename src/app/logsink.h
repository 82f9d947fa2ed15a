/**
 * The program's log: lines to standard error, as text or as one JSON object each, to a file, or as
 * fields to the journal that standard error is connected to. Equal lines in a row are folded. On a
 * terminal the sink also has the line that changes, so that the two keep out of each other's way.
 */
#ifndef LOGSINK_H
#define LOGSINK_H

#include "live_line.h"
#include "logfile.h"
#include "tt_fold.h"

struct logsink {
	struct tt_log log; /* hand this one around */
	bool json;
	bool journal;
	struct logfile file;
	struct tt_fold fold;
	struct live_line line;
};

void logsink_init(struct logsink *s, enum tt_log_level level, bool json);

/** Lines go to this file from now on, unless it is NULL. False when it cannot be opened, said. */
bool logsink_to_file(struct logsink *s, const char *path);

/** Opens the file anew, where there is one. When it cannot be, the old one is kept, said on `log`.
 */
void logsink_reopen(struct logsink *s, const struct tt_log *log);

/** Says what was folded, when it is time; the next time, TT_TIME_NEVER for none. */
void logsink_run(struct logsink *s, tt_time now);
tt_time logsink_deadline(const struct logsink *s);

/** Says what was folded, takes the line away and closes the file. */
void logsink_close(struct logsink *s);

/** The sink of its `log`. */
struct logsink *logsink_of(const struct tt_log *log);

#endif
