/** The rates of the last minutes, of each peer and connection that is in the list. */
#ifndef TOP_HISTORY_H
#define TOP_HISTORY_H

#include "top_data.h"

#define TOP_SAMPLES 120

/** Empty: NULL. */
struct top_history;

/** One more value for each row. What is not in the data any more is forgotten. */
void top_history_add(struct top_history **h, const struct top_data *d);

/** The values of a row, the oldest first; n = 0 when there are none. Until the next call above. */
const uint64_t *top_history_of(const struct top_history *h, const char *id, size_t *n);

void top_history_free(struct top_history **h);

#endif
