#include "reassembly.h"

#include <string.h>
#include <utlist.h>

struct partial {
	struct partial *prev, *next;
	uint32_t conv;
	uint16_t id;
	uint8_t count, missing;
	uint8_t have[(WIRE_DGRAM_FRAGMENTS + 7) / 8]; /* bits by index */
	struct datagram *whole;
};

void reassembly_init(struct reassembly *r, struct datagram_store *store)
{
	*r = (struct reassembly){.store = store};
}

/* Takes it out; the datagram is the caller's. */
static struct datagram *unlink_partial(struct reassembly *r, struct partial *p)
{
	struct datagram *d = p->whole;
	DL_DELETE(r->oldest, p);
	r->n--;
	r->bytes -= datagram_cost(d->len);
	tt_free(r->store->mem, p);
	return d;
}

static void drop(struct reassembly *r, struct partial *p)
{
	if (p->missing > 0)
		r->dropped++;
	else
		r->strayed++;
	datagram_free(r->store, unlink_partial(r, p));
}

void reassembly_clear(struct reassembly *r)
{
	while (r->oldest)
		drop(r, r->oldest);
}

/* Makes room for one more datagram of this flow. */
static void make_room(struct reassembly *r, uint32_t conv, size_t size)
{
	struct partial *p, *first = NULL;
	size_t same = 0, cost = datagram_cost(size);

	DL_FOREACH (r->oldest, p) {
		if (p->conv != conv)
			continue;
		if (!first)
			first = p;
		same++;
	}
	if (same >= REASSEMBLY_FLOW_MAX)
		drop(r, first);
	while (r->oldest && (r->n >= REASSEMBLY_MAX || r->bytes + cost > REASSEMBLY_BYTES ||
				    kcp_budget_free(&r->store->budget) < cost))
		drop(r, r->oldest);
}

static struct partial *new_partial(struct reassembly *r, const struct wire_dgram *frag, tt_time now)
{
	make_room(r, frag->conv, frag->size);
	struct partial *p = tt_calloc(r->store->mem, 1, sizeof(*p));
	if (!p)
		return NULL;
	p->whole = datagram_new(r->store, frag->size, now);
	if (!p->whole) {
		tt_free(r->store->mem, p);
		return NULL;
	}
	p->conv = frag->conv;
	p->id = frag->id;
	p->count = p->missing = frag->count;
	DL_APPEND(r->oldest, p);
	r->n++;
	r->bytes += datagram_cost(frag->size);
	return p;
}

/* Those whose fragments still come are among the newest. */
static struct partial *find(const struct reassembly *r, const struct wire_dgram *frag)
{
	struct partial *p = r->oldest ? r->oldest->prev : NULL;

	for (size_t i = 0; i < r->n; i++, p = p->prev) {
		if (p->conv == frag->conv && p->id == frag->id && p->missing > 0)
			return p;
	}
	return NULL;
}

struct datagram *reassembly_add(struct reassembly *r, const struct wire_dgram *frag,
	const uint8_t *payload, bool known, tt_time now)
{
	struct partial *p = frag->count > 1 ? find(r, frag) : NULL;

	if (p && (p->count != frag->count || p->whole->len != frag->size)) {
		drop(r, p); /* its number has come around */
		p = NULL;
	}
	if (!p)
		p = new_partial(r, frag, now);
	if (!p) {
		r->dropped++;
		return NULL;
	}
	uint8_t *have = &p->have[frag->index / 8], bit = (uint8_t)(1u << frag->index % 8);
	if (*have & bit)
		return NULL;
	*have |= bit;
	p->missing--;
	memcpy(p->whole->data + wire_dgram_offset(frag), payload, wire_dgram_length(frag));
	return p->missing == 0 && known ? unlink_partial(r, p) : NULL;
}

struct datagram *reassembly_take(struct reassembly *r, uint32_t conv)
{
	struct partial *p;

	DL_FOREACH (r->oldest, p) {
		if (p->conv == conv && p->missing == 0)
			return unlink_partial(r, p);
	}
	return NULL;
}

void reassembly_expire(struct reassembly *r, tt_time now)
{
	while (reassembly_deadline(r) <= now)
		drop(r, r->oldest);
}

tt_time reassembly_deadline(const struct reassembly *r)
{
	return r->oldest ? r->oldest->whole->at + REASSEMBLY_TIME : TT_TIME_NEVER;
}
