#include "tt_histogram.h"

static const tt_time bounds[TT_HISTOGRAM_BOUNDS] = {TT_MS(1), TT_MS(2), TT_MS(5), TT_MS(10),
	TT_MS(25), TT_MS(50), TT_MS(100), TT_MS(250), TT_MS(500), TT_S(1), TT_MS(2500), TT_S(5),
	TT_S(15), TT_S(60)};

tt_time tt_histogram_bound_us(unsigned i)
{
	return bounds[i];
}

void tt_histogram_add(struct tt_histogram *h, tt_time us)
{
	unsigned i = 0;

	while (i < TT_HISTOGRAM_BOUNDS && us > bounds[i])
		i++;
	h->counts[i]++;
	h->sum_us += us;
}

void tt_histogram_merge(struct tt_histogram *into, const struct tt_histogram *h)
{
	for (unsigned i = 0; i <= TT_HISTOGRAM_BOUNDS; i++)
		into->counts[i] += h->counts[i];
	into->sum_us += h->sum_us;
}
