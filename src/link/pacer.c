#include "pacer.h"

#define NS_PER_S 1000000000u

static uint64_t duration_ns(size_t bytes, uint64_t rate)
{
	uint64_t ns = (uint64_t)bytes * NS_PER_S / (rate ? rate : 1);
	return ns < PACER_WAIT_MAX * 1000u ? ns : PACER_WAIT_MAX * 1000u;
}

void pacer_reset(struct pacer *p)
{
	*p = (struct pacer){0};
}

bool pacer_may_send(const struct pacer *p, tt_time now)
{
	return now >= p->wake;
}

tt_time pacer_at(const struct pacer *p)
{
	return p->wake;
}

void pacer_idle(struct pacer *p, tt_time now)
{
	if (p->wake <= now)
		p->wake = 0;
}

void pacer_on_sent(struct pacer *p, size_t bytes, uint64_t rate, size_t batch, tt_time now)
{
	uint64_t now_ns = (uint64_t)now * 1000u;
	uint64_t batch_ns = duration_ns(batch, rate);
	uint64_t credit_ns = batch_ns;

	/* What the pace allowed while the program was kept from its turn is not lost. */
	if (p->wake && now > p->wake)
		credit_ns += (uint64_t)tt_time_min(now - p->wake, PACER_LATE_MAX) * 1000u;
	if (p->next_ns + credit_ns < now_ns)
		p->next_ns = now_ns - credit_ns;
	p->next_ns += duration_ns(bytes, rate);
	if (p->next_ns > now_ns)
		p->wake = (p->next_ns + batch_ns / 2 + 999u) / 1000u;
}
