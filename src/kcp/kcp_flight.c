#include "kcp_flight.h"

#include <assert.h>
#include <string.h>

#include "tt_err.h"

#define RING_MIN 64u

void kcp_flight_init(struct kcp_flight *f, size_t stride, const struct tt_mem *mem)
{
	assert(stride >= sizeof(struct kcp_tx));
	*f = (struct kcp_flight){.mem = mem, .stride = stride};
}

void kcp_flight_free(struct kcp_flight *f)
{
	tt_free(f->mem, f->ring);
	f->ring = NULL;
	f->cap = 0;
}

struct kcp_tx *kcp_flight_at(const struct kcp_flight *f, uint32_t number)
{
	return (struct kcp_tx *)(f->ring + (number & (f->cap - 1)) * f->stride);
}

static bool numbered(const struct kcp_flight *f, uint32_t number)
{
	return number - f->first < f->next - f->first;
}

int kcp_flight_reserve(struct kcp_flight *f)
{
	if (f->next - f->first < f->cap)
		return TT_OK;
	if (f->cap >= KCP_FLIGHT_MAX)
		return TT_EAGAIN;
	uint32_t cap = f->cap ? f->cap * 2 : RING_MIN;
	uint8_t *ring = tt_alloc(f->mem, cap * f->stride);
	if (!ring)
		return TT_ENOMEM;
	for (uint32_t n = f->first; n != f->next; n++)
		memcpy(ring + (n & (cap - 1)) * f->stride, kcp_flight_at(f, n), f->stride);
	tt_free(f->mem, f->ring);
	f->ring = ring;
	f->cap = cap;
	return TT_OK;
}

/* Passes over what nobody waits for at the old end. */
static void advance(struct kcp_flight *f)
{
	while (f->first != f->next && kcp_flight_at(f, f->first)->state == KCP_TX_DONE)
		f->first++;
}

static void settle(struct kcp_flight *f, struct kcp_tx *t)
{
	if (t->state == KCP_TX_INFLIGHT) {
		f->count--;
		f->bytes -= t->bytes;
	}
	t->owner = NULL;
}

uint32_t kcp_flight_sent(struct kcp_flight *f, struct kcp *owner, uint32_t sn, uint16_t bytes,
	tt_time former, tt_time now)
{
	uint32_t number = f->next++;
	*kcp_flight_at(f, number) = (struct kcp_tx){.sent = now,
		.owner = owner,
		.sn = sn,
		.bytes = bytes,
		.state = KCP_TX_INFLIGHT,
		.former = former};
	f->count++;
	f->bytes += bytes;
	return number;
}

void kcp_flight_acked(struct kcp_flight *f, uint32_t number, enum kcp_tx_evidence evidence)
{
	if (!numbered(f, number))
		return;
	struct kcp_tx *t = kcp_flight_at(f, number);
	if (t->state != KCP_TX_INFLIGHT)
		return;
	settle(f, t);
	t->state = KCP_TX_ACKED;
	t->evidence = (uint8_t)evidence;
	if (f->acked_count++ == 0)
		f->acked = number;
	else
		kcp_flight_at(f, f->acked_end)->acked_next = number;
	f->acked_end = number;
}

void kcp_flight_spurious(struct kcp_flight *f, uint16_t bytes, tt_time rtt_us)
{
	f->spurious++;
	f->late_bytes += bytes;
	f->late_count++;
	if (rtt_us > f->late_us)
		f->late_us = rtt_us;
}

struct kcp_tx *kcp_flight_take_acked(struct kcp_flight *f, uint32_t *number)
{
	if (f->acked_count == 0) {
		advance(f);
		return NULL;
	}
	struct kcp_tx *t = kcp_flight_at(f, f->acked);
	*number = f->acked;
	f->acked = t->acked_next;
	f->acked_count--;
	t->state = KCP_TX_DONE;
	return t;
}

void kcp_flight_drop(struct kcp_flight *f, uint32_t number)
{
	if (!numbered(f, number))
		return;
	struct kcp_tx *t = kcp_flight_at(f, number);
	if (t->state != KCP_TX_INFLIGHT)
		return;
	settle(f, t);
	t->state = KCP_TX_DONE;
	advance(f);
}

struct kcp_tx *kcp_flight_oldest(struct kcp_flight *f, uint32_t *number)
{
	advance(f);
	for (uint32_t n = f->first; f->count > 0 && n != f->next; n++) {
		struct kcp_tx *t = kcp_flight_at(f, n);
		if (t->state != KCP_TX_INFLIGHT)
			continue;
		*number = n;
		return t;
	}
	return NULL;
}

struct kcp_tx *kcp_flight_newest(const struct kcp_flight *f, uint32_t *number)
{
	for (uint32_t n = f->next; f->count > 0 && n != f->first; n--) {
		struct kcp_tx *t = kcp_flight_at(f, n - 1);
		if (t->state != KCP_TX_INFLIGHT)
			continue;
		*number = n - 1;
		return t;
	}
	return NULL;
}

void kcp_flight_trim(struct kcp_flight *f)
{
	if (f->count == 0 && f->acked_count == 0 && f->cap > 0) {
		kcp_flight_free(f);
		f->first = f->next;
	}
}
