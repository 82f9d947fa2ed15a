#include "top_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cJSON *top_data_member(const cJSON *o, const char *path)
{
	char key[64];
	size_t n = strcspn(path, ".");

	if (n >= sizeof(key))
		return NULL;
	memcpy(key, path, n);
	key[n] = '\0';
	o = cJSON_GetObjectItemCaseSensitive(o, key);
	return path[n] ? top_data_member(o, path + n + 1) : o;
}

uint64_t top_data_number(const cJSON *o, const char *path)
{
	const cJSON *item = top_data_member(o, path);

	return cJSON_IsNumber(item) && item->valuedouble > 0 && item->valuedouble < 1.8e19
		       ? (uint64_t)item->valuedouble
		       : 0;
}

const char *top_data_text(const cJSON *o, const char *path)
{
	const char *text = cJSON_GetStringValue(top_data_member(o, path));

	return text ? text : "";
}

static void fill_peer(struct top_row *r, const cJSON *peer)
{
	r->peer = peer;
	snprintf(r->id, sizeof(r->id), "%s", top_data_text(peer, "key"));
	r->rank.peer = top_data_text(peer, "label");
	r->rank.rate = top_data_number(peer, "rate_in") + top_data_number(peer, "rate_out");
	r->rank.bytes = top_data_number(peer, "payload_in") + top_data_number(peer, "payload_out") +
			top_data_number(peer, "udp.payload_in") +
			top_data_number(peer, "udp.payload_out");
}

static void fill_channel(struct top_row *r, const cJSON *peer, const cJSON *channel)
{
	r->peer = peer;
	r->channel = channel;
	r->rank.peer = top_data_text(peer, "label");
	r->rank.id = (uint32_t)top_data_number(channel, "id");
	snprintf(r->id, sizeof(r->id), "%s %c%u", top_data_text(peer, "key"),
		cJSON_IsTrue(top_data_member(channel, "opener")) ? 'o' : 'a', r->rank.id);
	r->rank.rate = top_data_number(channel, "rate_in") + top_data_number(channel, "rate_out");
	r->rank.bytes = top_data_number(channel, "in") + top_data_number(channel, "out");
	r->rank.age_us = top_data_number(channel, "age_us");
}

struct top_data *top_data_new(cJSON *stats)
{
	const cJSON *peers = top_data_member(stats, "peers"), *peer, *channel;
	struct top_data *d = calloc(1, sizeof(*d));
	size_t n = 0;

	if (!d || !cJSON_IsObject(stats))
		goto fail;
	cJSON_ArrayForEach(peer, peers)
	{
		d->n_peers++;
		n += (size_t)cJSON_GetArraySize(top_data_member(peer, "channels"));
	}
	d->peers = calloc(d->n_peers + 1, sizeof(*d->peers));
	d->channels = calloc(n + 1, sizeof(*d->channels));
	if (!d->peers || !d->channels)
		goto fail;
	n = 0;
	cJSON_ArrayForEach(peer, peers)
	{
		fill_peer(&d->peers[n++], peer);
		cJSON_ArrayForEach(channel, top_data_member(peer, "channels"))
			fill_channel(&d->channels[d->n_channels++], peer, channel);
	}
	d->stats = stats;
	return d;
fail:
	cJSON_Delete(stats);
	top_data_free(d);
	return NULL;
}

void top_data_free(struct top_data *d)
{
	if (!d)
		return;
	free(d->peers);
	free(d->channels);
	cJSON_Delete(d->stats);
	free(d);
}

struct sorting {
	enum channel_order order;
	bool reverse;
};

static int compare(const void *a, const void *b, void *user)
{
	const struct sorting *s = user;

	return channel_order_compare(s->order, s->reverse, &((const struct top_row *)a)->rank,
		&((const struct top_row *)b)->rank);
}

void top_data_sort(struct top_data *d, enum channel_order order, bool reverse)
{
	struct sorting s = {.order = order, .reverse = reverse};

	qsort_r(d->peers, d->n_peers, sizeof(*d->peers), compare, &s);
	qsort_r(d->channels, d->n_channels, sizeof(*d->channels), compare, &s);
}

size_t top_data_channels(const struct top_data *d)
{
	return top_data_number(d->stats, "channels") + top_data_number(d->stats, "udp.flows");
}
