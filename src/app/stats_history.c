#include "stats_history.h"

#include <stdlib.h>

struct stats_history {
	size_t n, next;
	struct stats_point points[STATS_HISTORY_MAX];
};

void stats_history_add(struct stats_history **h, const struct stats_point *p)
{
	if (!*h)
		*h = calloc(1, sizeof(**h));
	if (!*h)
		return;
	(*h)->points[(*h)->next] = *p;
	(*h)->next = ((*h)->next + 1) % STATS_HISTORY_MAX;
	if ((*h)->n < STATS_HISTORY_MAX)
		(*h)->n++;
}

void stats_history_free(struct stats_history *h)
{
	free(h);
}

static void put(cJSON *o, const char *name, bool known, double value)
{
	if (known)
		cJSON_AddNumberToObject(o, name, value);
	else
		cJSON_AddNullToObject(o, name);
}

cJSON *stats_history_json(const struct stats_history *h, tt_time now, uint64_t wall_us)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = h ? h->n : 0; i > 0; i--) {
		const struct stats_point *p =
			&h->points[(h->next + STATS_HISTORY_MAX - i) % STATS_HISTORY_MAX];
		cJSON *o = cJSON_CreateObject();
		put(o, "time_us", true, (double)(wall_us - tt_time_since(now, p->at)));
		put(o, "rate_in", p->online, p->rate_in);
		put(o, "rate_out", p->online, p->rate_out);
		put(o, "rtt_us", p->online && p->rtt_us, p->rtt_us);
		put(o, "segments_out", p->online, p->sent);
		put(o, "segments_lost", p->online, p->lost);
		put(o, "segments_retransmitted", p->online, p->repeated);
		cJSON_AddItemToArray(list, o);
	}
	return list;
}
