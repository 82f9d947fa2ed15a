#include "direction.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_US 1000
#define NS_PER_S 1e9

enum effect { EFFECT_LOSS, EFFECT_BURST_STATE, EFFECT_BURST_LOSS, EFFECT_DUPLICATE, EFFECT_JITTER };
#define EFFECTS (EFFECT_JITTER + 1)

struct direction {
	struct direction_params params;
	uint64_t rng[EFFECTS];
	bool cut;
	bool bad_spell; /* the state of Gilbert and Elliott's chain */

	struct packet *first, **last; /* the queue */
	uint64_t queued_bytes;
	struct packet *sending; /* in the serialiser, NULL: it is idle */
	uint64_t sent_at;       /* when `sending` is through */

	struct packet **flying; /* on the wire: a heap, the packet that is due first on top */
	size_t flying_count, flying_cap;
	uint64_t last_due, order;

	struct direction_stats stats;
};

struct direction *direction_new(const struct direction_params *params, uint64_t seed)
{
	struct direction *d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->params = *params;
	d->last = &d->first;
	direction_seed(d, seed);
	return d;
}

void direction_free(struct direction *d)
{
	if (!d)
		return;
	for (struct packet *p = d->first, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	while (d->flying_count > 0)
		free(d->flying[--d->flying_count]);
	free(d->flying);
	free(d->sending);
	free(d);
}

struct direction_params *direction_params(struct direction *d)
{
	return &d->params;
}

void direction_seed(struct direction *d, uint64_t seed)
{
	for (uint64_t i = 0; i < EFFECTS; i++)
		d->rng[i] = (seed * EFFECTS + i) * 0xd1342543de82ef95u;
	d->bad_spell = false;
}

void direction_cut(struct direction *d, bool cut)
{
	d->cut = cut;
}

/* splitmix64, as a number of 0 <= x < 1 */
static double draw(struct direction *d, enum effect e)
{
	uint64_t z = d->rng[e] += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* ---- the wire ---- */

static bool earlier(const struct packet *a, const struct packet *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

/* Takes ownership; without memory the packet is lost. */
static void fly(struct direction *d, struct packet *p, uint64_t due)
{
	if (d->flying_count == d->flying_cap) {
		size_t cap = d->flying_cap ? d->flying_cap * 2 : 1024;
		struct packet **grown = realloc(d->flying, cap * sizeof(struct packet *));
		if (!grown) {
			d->stats.lost++;
			free(p);
			return;
		}
		d->flying = grown;
		d->flying_cap = cap;
	}
	p->due = due;
	p->order = d->order++;
	size_t i = d->flying_count++;
	while (i > 0 && earlier(p, d->flying[(i - 1) / 2])) {
		d->flying[i] = d->flying[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	d->flying[i] = p;
}

static struct packet *land(struct direction *d)
{
	struct packet *top = d->flying[0], *last = d->flying[--d->flying_count];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < d->flying_count) {
		if (child + 1 < d->flying_count && earlier(d->flying[child + 1], d->flying[child]))
			child++;
		if (!earlier(d->flying[child], last))
			break;
		d->flying[i] = d->flying[child];
		i = child;
	}
	d->flying[i] = last;
	return top;
}

static uint64_t arrival(struct direction *d, uint64_t sent_at)
{
	double jitter_us =
		d->params.jitter_us > 0 ? d->params.jitter_us * draw(d, EFFECT_JITTER) : 0;
	uint64_t due = sent_at + (uint64_t)((d->params.delay_us + jitter_us) * NS_PER_US);
	if (d->params.reorder > 0)
		return due;
	if (due < d->last_due)
		due = d->last_due;
	d->last_due = due;
	return due;
}

static bool is_lost(struct direction *d)
{
	const struct direction_params *p = &d->params;
	if (p->ge_enter > 0) {
		double x = draw(d, EFFECT_BURST_STATE);
		d->bad_spell = d->bad_spell ? x >= p->ge_leave : x < p->ge_enter;
	} else {
		d->bad_spell = false;
	}
	if (d->bad_spell && draw(d, EFFECT_BURST_LOSS) < p->ge_loss)
		return true;
	return p->loss > 0 && draw(d, EFFECT_LOSS) < p->loss;
}

static struct packet *packet_new(const uint8_t *data, size_t len)
{
	struct packet *p = malloc(sizeof(*p) + len);
	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->len = len;
	memcpy(p->data, data, len);
	return p;
}

/* The packet has left the serialiser. */
static void depart(struct direction *d, struct packet *p, uint64_t at)
{
	bool lost = is_lost(d); /* before `cut`, so that a cut does not shift what is lost later */
	if (d->cut || lost) {
		d->stats.cut += d->cut;
		d->stats.lost += !d->cut;
		free(p);
		return;
	}
	struct packet *twin = NULL;
	if (d->params.duplicate > 0 && draw(d, EFFECT_DUPLICATE) < d->params.duplicate)
		twin = packet_new(p->data, p->len);
	fly(d, p, arrival(d, at));
	if (twin) {
		d->stats.duplicated++;
		fly(d, twin, arrival(d, at));
	}
}

/* ---- queue and serialiser ---- */

static void begin(struct direction *d, struct packet *p, uint64_t at)
{
	histogram_add(&d->stats.queue_us, (at - p->arrived) / NS_PER_US);
	d->sending = p;
	d->sent_at = at;
	if (d->params.rate > 0)
		d->sent_at += (uint64_t)((double)p->len * 8 * NS_PER_S / d->params.rate);
}

/* Everything that has left the serialiser by now. */
static void advance(struct direction *d, uint64_t now)
{
	while (d->sending && d->sent_at <= now) {
		depart(d, d->sending, d->sent_at);
		struct packet *p = d->sending = d->first;
		if (!p)
			break;
		d->first = p->next;
		if (!d->first)
			d->last = &d->first;
		d->queued_bytes -= p->len;
		begin(d, p, d->sent_at);
	}
}

bool direction_arrive(struct direction *d, const uint8_t *data, size_t len, uint64_t now)
{
	struct direction_stats *s = &d->stats;
	advance(d, now);
	s->packets_in++;
	s->bytes_in += len;
	if ((double)len > d->params.mtu) {
		s->too_big++;
		return true;
	}
	if (d->sending && (double)(d->queued_bytes + len) > d->params.queue_bytes) {
		s->queue_drops++;
		return true;
	}
	struct packet *p = packet_new(data, len);
	if (!p)
		return false;
	p->arrived = now;
	if (!d->sending) {
		begin(d, p, now);
		return true;
	}
	*d->last = p;
	d->last = &p->next;
	d->queued_bytes += len;
	if (d->queued_bytes > s->queue_bytes_max)
		s->queue_bytes_max = d->queued_bytes;
	return true;
}

struct packet *direction_take(struct direction *d, uint64_t now)
{
	advance(d, now);
	if (d->flying_count == 0 || d->flying[0]->due > now)
		return NULL;
	struct packet *p = land(d);
	d->stats.delivered++;
	d->stats.delivered_bytes += p->len;
	histogram_add(&d->stats.late_us, (now - p->due) / NS_PER_US);
	return p;
}

/* What is being sent arrives no earlier than a delay after it is through, so the end of its sending
 * needs no wake-up of its own. */
uint64_t direction_deadline(const struct direction *d)
{
	uint64_t t = d->flying_count > 0 ? d->flying[0]->due : DIRECTION_NEVER;
	if (d->sending) {
		uint64_t next = d->sent_at + (uint64_t)(d->params.delay_us * NS_PER_US);
		t = next < t ? next : t;
	}
	return t;
}

const struct direction_stats *direction_stats(struct direction *d, uint64_t now)
{
	advance(d, now);
	return &d->stats;
}

uint64_t direction_queued(const struct direction *d)
{
	return d->queued_bytes;
}

void direction_stats_reset(struct direction *d)
{
	memset(&d->stats, 0, sizeof(d->stats));
}
