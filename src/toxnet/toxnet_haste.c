/*
 * toxcore waits for fixed times before it does things: three seconds before it announces itself,
 * six before it looks for friends, and so on. Two nodes that know each other's address need ten
 * seconds to meet on a network without any latency. At the start, after the network was lost,
 * when a path is in doubt and while we wait for a friend, its clock runs FACTOR times as fast, for
 * a bounded time.
 *
 * The factor leaves room for a slow path: the shortest time-out that waits for an answer is five
 * seconds (PING_TIMEOUT in ping.c, TCP handshakes have ten), which becomes one second; a
 * satellite's round trip is 0.6.
 */
#include "toxnet_int.h"
#include "toxnet_symbols.h"

#define FACTOR 5
#define HASTE_MAX TT_S(12)
/*
 * When a direct path is in doubt: just enough for the rest of toxcore's eight seconds
 * (UDP_DIRECT_TIMEOUT in net_crypto.h). The friend times out six seconds sooner by this than it
 * does at the other end (32 s, FRIEND_CONNECTION_TIMEOUT), which may be the one whose line is cut;
 * if that is back in between, it takes no new session until it has given up the old one.
 */
#define HASTE_DOUBT TT_MS(1500)
/* An answer that is later than this is not one to our question. */
#define DOUBT_MAX TT_S(2)
/* A friend that falls silent time and again must not keep the clock fast for all others. */
#define DOUBT_EVERY TT_S(60)

static void hasten(struct toxnet *tn, tt_time duration)
{
	if (!tn->cfg.fast_start)
		return;
	if (tn->haste_until < tn->now + duration)
		tn->haste_until = tn->now + duration;
	toxnet_symbols_clock_factor(FACTOR);
}

static bool has_direct_friend(const struct toxnet *tn)
{
	size_t n = toxnet_friend_count(tn);

	for (uint32_t i = 0; n > 0; i++) {
		if (!tox_friend_exists(tn->tox, i))
			continue;
		if (toxnet_friend_path(tn, i) == TOXNET_PATH_UDP)
			return true;
		n--;
	}
	return false;
}

void toxnet_haste_start(struct toxnet *tn)
{
	/* A friend that is online says so every 8 s. With the clock running fast for long it would
	 * be given up after less than that. */
	if (!has_direct_friend(tn))
		hasten(tn, HASTE_MAX);
}

void toxnet_seek_path(struct toxnet *tn)
{
	if (!tn->seek_due)
		return;
	tn->seek_due = false;
	toxnet_haste_start(tn);
}

static uint64_t packets_heard(const struct toxnet *tn)
{
	struct toxnet_stats st = {0};

	toxnet_io_stats(tn->io, &st);
	return st.udp_packets_received;
}

static void doubt(struct toxnet *tn, tt_time haste)
{
	if (!tn->io)
		return;
	tn->doubt_until = tn->now + DOUBT_MAX;
	tn->doubt_haste = haste;
	tn->doubt_heard = packets_heard(tn);
}

void toxnet_doubt_path(struct toxnet *tn)
{
	if (tn->now < tn->doubt_after)
		return;
	tn->doubt_after = tn->now + DOUBT_EVERY;
	tn->seek_due = true;
	doubt(tn, HASTE_DOUBT);
	toxnet_boot_again(tn);
}

void toxnet_doubt_network(struct toxnet *tn)
{
	doubt(tn, HASTE_MAX);
}

void toxnet_doubt_run(struct toxnet *tn)
{
	if (tn->doubt_until == 0)
		return;
	if (packets_heard(tn) != tn->doubt_heard) {
		tn->doubt_until = 0;
		hasten(tn, tn->doubt_haste);
	} else if (tn->now >= tn->doubt_until) {
		tn->doubt_until = 0; /* nobody is heard: it is our line, and haste does not help */
	}
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
