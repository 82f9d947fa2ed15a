#include "top_history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct top_history {
	char id[TOP_ID_MAX]; /* key of the hash */
	uint64_t rates[TOP_SAMPLES];
	size_t n;
	bool seen; /* in the newest data */
	UT_hash_handle hh;
};

static struct top_history *find(const struct top_history *h, const char *id)
{
	struct top_history *item;

	HASH_FIND_STR(h, id, item);
	return item;
}

static struct top_history *make(struct top_history **h, const char *id)
{
	struct top_history *item = calloc(1, sizeof(*item));

	if (!item)
		return NULL;
	snprintf(item->id, sizeof(item->id), "%s", id);
	HASH_ADD_STR(*h, id, item);
	if (item->hh.tbl)
		return item;
	free(item);
	return NULL;
}

static void add_row(struct top_history **h, const struct top_row *row)
{
	struct top_history *item = find(*h, row->id);

	if (!item)
		item = make(h, row->id);
	if (!item)
		return; /* no memory: a line without a graph */
	if (item->n == TOP_SAMPLES)
		memmove(item->rates, item->rates + 1, --item->n * sizeof(item->rates[0]));
	item->rates[item->n++] = row->rank.rate;
	item->seen = true;
}

void top_history_add(struct top_history **h, const struct top_data *d)
{
	struct top_history *item, *next;

	for (size_t i = 0; i < d->n_peers; i++)
		add_row(h, &d->peers[i]);
	for (size_t i = 0; i < d->n_channels; i++)
		add_row(h, &d->channels[i]);
	HASH_ITER (hh, *h, item, next) {
		if (!item->seen) {
			HASH_DEL(*h, item);
			free(item);
		} else {
			item->seen = false;
		}
	}
}

const uint64_t *top_history_of(const struct top_history *h, const char *id, size_t *n)
{
	const struct top_history *item = find(h, id);

	*n = item ? item->n : 0;
	return item ? item->rates : NULL;
}

void top_history_free(struct top_history **h)
{
	struct top_history *item, *next;

	HASH_ITER (hh, *h, item, next) {
		HASH_DEL(*h, item);
		free(item);
	}
}
