/** The picture of `toxtun top`, for a screen of any size. */
#ifndef TOP_DRAW_H
#define TOP_DRAW_H

#include "top.h"
#include "top_picture.h"

/** Fills the picture, and moves the lists so that what is chosen is in it. */
void top_draw(struct top *t, struct top_picture *p);

/* ---- its parts: from row `first` on, `rows` rows ---- */

/* top_list.c */
void top_draw_list(struct top *t, struct top_picture *p, size_t first, size_t rows);
/* top_details.c: t has a row that is chosen */
void top_draw_details(const struct top *t, struct top_picture *p, size_t first, size_t rows);

#endif
