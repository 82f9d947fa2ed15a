/** The program's log: lines to stderr, as text or as one JSON object each. */
#ifndef LOGSINK_H
#define LOGSINK_H

#include "tt_log.h"

struct logsink {
	struct tt_log log; /* hand this one around */
	bool json;
};

void logsink_init(struct logsink *s, enum tt_log_level level, bool json);

#endif
