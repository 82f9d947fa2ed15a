#include "twice.h"

/* The share of losses follows the last few hundred transmissions. */
#define LOSS_ONE (1u << 24)
#define LOSS_SHIFT 8
#define LOSS_LOSSY (LOSS_ONE / 100)

/* A second of copies: one burst of keystrokes. */
#define CREDIT_MAX ((int32_t)(TWICE_ALWAYS * TWICE_SHARE))

void twice_init(struct twice *t, tt_time now)
{
	*t = (struct twice){.filled = now, .credit = CREDIT_MAX};
}

void twice_on_arrived(struct twice *t)
{
	t->loss -= t->loss >> LOSS_SHIFT;
}

void twice_on_lost(struct twice *t)
{
	t->loss += (LOSS_ONE - t->loss) >> LOSS_SHIFT;
}

void twice_on_late(struct twice *t, uint32_t count)
{
	uint64_t less = (uint64_t)count * (LOSS_ONE >> LOSS_SHIFT);
	t->loss -= less < t->loss ? (uint32_t)less : t->loss;
}

bool twice_lossy(const struct twice *t)
{
	return t->loss >= LOSS_LOSSY;
}

static void add_credit(struct twice *t, uint64_t bytes)
{
	int64_t sum = t->credit + (int64_t)bytes;
	t->credit = sum < CREDIT_MAX ? (int32_t)sum : CREDIT_MAX;
}

void twice_on_packet(struct twice *t, size_t len)
{
	add_credit(t, len + TWICE_PACKET);
}

void twice_on_sparse(struct twice *t, uint32_t conv, uint32_t sn, tt_time now)
{
	if (!twice_lossy(t) || t->next - t->first == TWICE_WAITING)
		return;
	t->waiting[t->next++ % TWICE_WAITING] = (struct twice_copy){now + TWICE_DELAY, conv, sn};
}

tt_time twice_at(const struct twice *t)
{
	return t->next == t->first ? TT_TIME_NEVER : t->waiting[t->first % TWICE_WAITING].due;
}

bool twice_take(struct twice *t, struct twice_copy *out, tt_time now)
{
	if (twice_at(t) > now)
		return false;
	*out = t->waiting[t->first++ % TWICE_WAITING];
	return true;
}

bool twice_may_spend(struct twice *t, tt_time now)
{
	/* Whole milliseconds, so that what is left over of one is not lost. */
	tt_time ms = tt_time_since(now, t->filled) / TT_MS(1);

	add_credit(t, ms * (TWICE_ALWAYS * TWICE_SHARE / 1000));
	t->filled += TT_MS(ms);
	return t->credit > 0;
}

void twice_spend(struct twice *t, size_t len)
{
	t->credit -= (int32_t)((len + TWICE_PACKET) * TWICE_SHARE);
}
