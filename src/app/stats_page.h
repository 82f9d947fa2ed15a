/* The page at /, made of web/ by web/embed.py when the program is built. */
#ifndef STATS_PAGE_H
#define STATS_PAGE_H

#include <stddef.h>

extern const unsigned char stats_page[];
extern const size_t stats_page_len;

/* What the page may do: run its own scripts and styles, ask this service, and nothing else. */
extern const char stats_page_policy[];

#endif
