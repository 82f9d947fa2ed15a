/** Memory that is not needed any more goes back to the system. */
#ifndef MEMORY_H
#define MEMORY_H

#include "app.h"

/** Before anything else is allocated. */
void memory_settings(void);

/** Locks memory where it may, makes app->pool, and keeps both tidy. TT_OK or TT_ENOMEM. */
int memory_init(struct app *app);

/** Bytes that the process has in memory, and of them those of allocations; 0: not known. */
size_t memory_resident(void);
size_t memory_allocated(void);

/** The last part of the program to go that uses app->pool. */
void memory_clear(struct app *app);

#endif
