#include "datagram.h"

size_t datagram_cost(size_t len)
{
	return sizeof(struct datagram) + len;
}

struct datagram *datagram_new(struct datagram_store *st, size_t len, tt_time now)
{
	size_t cost = datagram_cost(len);
	if (cost > kcp_budget_free(&st->budget))
		return NULL;
	struct datagram *d = tt_alloc(st->mem, cost);
	if (!d)
		return NULL;
	*d = (struct datagram){.at = now, .len = len};
	kcp_budget_take(&st->budget, cost);
	return d;
}

void datagram_free(struct datagram_store *st, struct datagram *d)
{
	if (d)
		kcp_budget_give(&st->budget, datagram_cost(d->len));
	tt_free(st->mem, d);
}

void datagram_queue_push(struct datagram_queue *q, struct datagram *d)
{
	d->next = NULL;
	if (q->tail)
		q->tail->next = d;
	else
		q->head = d;
	q->tail = d;
	q->bytes += datagram_cost(d->len);
}

struct datagram *datagram_queue_pop(struct datagram_queue *q)
{
	struct datagram *d = q->head;
	if (!d)
		return NULL;
	q->head = d->next;
	if (!q->head)
		q->tail = NULL;
	q->bytes -= datagram_cost(d->len);
	return d;
}

void datagram_queue_clear(struct datagram_queue *q, struct datagram_store *st)
{
	struct datagram *d;
	while ((d = datagram_queue_pop(q)))
		datagram_free(st, d);
}
