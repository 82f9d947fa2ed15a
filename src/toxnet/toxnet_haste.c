/*
 * toxcore waits for fixed times before it does things: three seconds before it announces itself,
 * six before it looks for friends, and so on. Two nodes that know each other's address need ten
 * seconds to meet on a network without any latency. At the start, after the network was lost and
 * while we wait for a friend, its clock runs FACTOR times as fast, for a bounded time.
 *
 * The factor leaves room for a slow path: the shortest time-out that waits for an answer is five
 * seconds (PING_TIMEOUT in ping.c, TCP handshakes have ten), which becomes one second; a
 * satellite's round trip is 0.6.
 */
#include "toxnet_int.h"
#include "toxnet_symbols.h"

#define FACTOR 5
#define HASTE_MAX TT_S(12)

void toxnet_haste_start(struct toxnet *tn)
{
	if (!tn->cfg.fast_start)
		return;
	tn->haste_until = tn->now + HASTE_MAX;
	toxnet_symbols_clock_factor(FACTOR);
}

void toxnet_haste_stop(struct toxnet *tn)
{
	if (tn->haste_until == 0)
		return;
	tn->haste_until = 0;
	toxnet_symbols_clock_factor(1);
}

tt_time toxnet_haste_run(struct toxnet *tn, tt_time interval)
{
	if (tn->haste_until == 0)
		return interval;
	if (tn->now >= tn->haste_until) {
		toxnet_haste_stop(tn);
		return interval;
	}
	return interval / FACTOR;
}
