/**
 * What the running process says of itself, as rows in an order. The object is that of /stats.json
 * (doc/stats.md); members that are missing are 0 and "".
 */
#ifndef TOP_DATA_H
#define TOP_DATA_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel_order.h"
#include "tt_key.h"

#define TOP_ID_MAX (TT_KEY_HEX + 16)

struct top_row {
	char id[TOP_ID_MAX];      /* which peer or connection: the same in every snapshot */
	struct channel_rank rank; /* a peer has no age */
	const cJSON *peer;        /* its object */
	const cJSON *channel;     /* likewise, NULL: the row is a peer */
};

struct top_data {
	cJSON *stats;
	struct top_row *peers, *channels;
	size_t n_peers, n_channels;
};

/** Takes ownership of the object. NULL without memory, or when it is none. */
struct top_data *top_data_new(cJSON *stats);
void top_data_free(struct top_data *d);

/** Puts both lists in this order. */
void top_data_sort(struct top_data *d, enum channel_order order, bool reverse);

/** How many connections and UDP flows there are, also those that are not in the list. */
size_t top_data_channels(const struct top_data *d);

/** A member of an object, or of one that is in it: "self.path". */
const cJSON *top_data_member(const cJSON *o, const char *path);
uint64_t top_data_number(const cJSON *o, const char *path);
const char *top_data_text(const cJSON *o, const char *path);

#endif
