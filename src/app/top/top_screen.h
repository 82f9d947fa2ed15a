/** The terminal: the only part that knows ncurses. One at a time, as ncurses has it. */
#ifndef TOP_SCREEN_H
#define TOP_SCREEN_H

#include "top_picture.h"
#include "tt_log.h"

/** Standard input and output are a terminal that can do what is needed; if not, says why. */
bool top_screen_usable(const struct tt_log *log);
/** Takes that terminal over. */
void top_screen_open(void);
/** Gives the terminal back as it was. */
void top_screen_close(void);

/** The terminal has another size now. */
void top_screen_resized(void);
void top_screen_size(size_t *rows, size_t *columns);
/** It shows UTF-8. */
bool top_screen_utf8(void);

void top_screen_show(const struct top_picture *p);

/** The next key that is there already, as top_press takes it; -1 when there is none. */
int top_screen_key(void);

#endif
