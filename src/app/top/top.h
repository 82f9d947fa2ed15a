/**
 * `toxtun top` without its terminal and without its connection: what it shows, what is chosen, and
 * what a key does. Snapshots and keys come in; wishes come out, and a picture is made of it
 * (top_draw.h).
 */
#ifndef TOP_H
#define TOP_H

#include "top_data.h"
#include "top_history.h"

#define TOP_CHANNELS 500 /* that a snapshot names: those that come first in the order */

/** Keys are characters, and these. */
enum top_key {
	TOP_KEY_TAB = '\t',
	TOP_KEY_ENTER = '\n',
	TOP_KEY_ESCAPE = 0x1b,
	TOP_KEY_UP = 0x200000, /* beyond all characters */
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
};

enum top_view { TOP_VIEW_LIST, TOP_VIEW_DETAILS, TOP_VIEW_HELP };

/** What a key asks of the program around. */
enum top_wish {
	TOP_WISH_NONE,
	TOP_WISH_QUIT,
	TOP_WISH_REFRESH, /* send top_status_request now */
	TOP_WISH_END,     /* send top_end_request */
};

/** All zeros at first. */
struct top {
	struct top_data *data; /* NULL: none yet */
	struct top_history *history;
	enum channel_order order;
	bool reverse;
	enum top_view view;
	bool paused;
	char selected[TOP_ID_MAX]; /* the row; "": none */
	size_t selected_at;        /* where it is, or was: peers first, then channels */
	/* Lists longer than their place: the first row that is shown. `page`: rows of channels. */
	size_t first_peer, first_channel, page;
	cJSON *ending; /* the request that the question is about; NULL: none is asked */
	char question[128];
	char message[256]; /* until the next key */
	char trouble[256]; /* why the data are old; "": they are not */
};

void top_free(struct top *t);

/** A snapshot, which it takes ownership of. While paused only the trouble is over. */
void top_take(struct top *t, cJSON *stats);

/** Something to be shown at the foot of the screen until the next key. */
void top_say(struct top *t, const char *text);

/** There are no new data, and why; until the next snapshot. */
void top_trouble(struct top *t, const char *text);

enum top_wish top_press(struct top *t, int key);

/** The request of the control socket for the next snapshot; NULL without memory. */
cJSON *top_status_request(const struct top *t);
/** After TOP_WISH_END, once: the request that ends the channel. The caller's. */
cJSON *top_end_request(struct top *t);

/** Row i of peers and channels, one after the other; NULL behind the last. */
const struct top_row *top_row_at(const struct top *t, size_t i);
/** The row that is chosen; NULL when none is. */
const struct top_row *top_selected(const struct top *t);

#endif
