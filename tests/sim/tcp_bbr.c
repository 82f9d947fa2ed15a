#include "tcp_cc.h"

#include <math.h>

#define HIGH_GAIN 2.885 /* 2 / ln 2 */
#define CWND_GAIN 2
#define MIN_CWND 4
#define MIN_RTT_WINDOW TT_S(10)
#define PROBE_RTT_TIME TT_MS(200)
#define PHASES 8

enum { STARTUP, DRAIN, PROBE_BW, PROBE_RTT };

static double bandwidth(const struct tcp_bbr *b)
{
	double max = 0;
	for (unsigned i = 0; i < TCP_BBR_ROUNDS; i++)
		max = fmax(max, b->round_max[i]);
	return max;
}

static void init(struct tcp_cc *cc)
{
	cc->cwnd = TCP_FIRST_CWND;
	cc->ssthresh = HUGE_VAL;
}

static void update_model(struct tcp_bbr *b, const struct tcp_ack *a)
{
	/* What PROBE_RTT let pass says nothing about the path, until it is acknowledged. */
	if (b->state == PROBE_RTT)
		b->idle_rounds = 2;
	else if (a->round_start && b->idle_rounds > 0)
		b->idle_rounds--;
	if (a->round_start && b->idle_rounds == 0) {
		b->round = (b->round + 1) % TCP_BBR_ROUNDS;
		b->round_max[b->round] = 0;
	}
	b->round_max[b->round] = fmax(b->round_max[b->round], a->rate);
	if (b->min_rtt == 0 || a->rtt_us <= b->min_rtt) {
		b->min_rtt = a->rtt_us;
		b->min_rtt_at = a->now;
	}
}

static void enter_probe_bw(struct tcp_bbr *b, tt_time now)
{
	b->state = PROBE_BW;
	b->phase = 2; /* the draft draws one that does not drain */
	b->phase_at = now;
}

static void check_full_pipe(struct tcp_bbr *b, const struct tcp_ack *a)
{
	if (b->state != STARTUP || !a->round_start)
		return;
	double bw = bandwidth(b);
	if (bw >= b->full_bw * 1.25) {
		b->full_bw = bw;
		b->full_rounds = 0;
	} else if (++b->full_rounds >= 3) {
		b->state = DRAIN;
	}
}

static void check_probe_rtt(struct tcp_cc *cc, const struct tcp_ack *a)
{
	struct tcp_bbr *b = &cc->bbr;

	if (b->state != PROBE_RTT && a->now - b->min_rtt_at > MIN_RTT_WINDOW) {
		b->state = PROBE_RTT;
		b->probe_rtt_until = 0;
		b->prior_cwnd = cc->cwnd;
	}
	if (b->state != PROBE_RTT)
		return;
	if (b->probe_rtt_until == 0 && a->inflight <= MIN_CWND) {
		b->probe_rtt_until = a->now + PROBE_RTT_TIME;
		b->min_rtt = 0; /* the next sample is of an empty queue */
	} else if (b->probe_rtt_until > 0 && a->now >= b->probe_rtt_until) {
		enter_probe_bw(b, a->now);
		cc->cwnd = b->prior_cwnd;
	}
}

static double pacing_gain(struct tcp_bbr *b, const struct tcp_ack *a, double bdp)
{
	static const double cycle[PHASES] = {1.25, 0.75, 1, 1, 1, 1, 1, 1};

	if (b->state == STARTUP)
		return HIGH_GAIN;
	if (b->state == DRAIN)
		return 1 / HIGH_GAIN;
	if (b->state == PROBE_RTT)
		return 1;
	bool over = a->now - b->phase_at > b->min_rtt;
	if (over || (b->phase == 1 && a->inflight <= bdp)) {
		b->phase = (b->phase + 1) % PHASES;
		b->phase_at = a->now;
	}
	return cycle[b->phase];
}

static void on_ack(struct tcp_cc *cc, const struct tcp_ack *a)
{
	struct tcp_bbr *b = &cc->bbr;

	update_model(b, a);
	double bw = bandwidth(b), bdp = bw * (double)b->min_rtt / 1e6;
	check_full_pipe(b, a);
	if (b->state == DRAIN && a->inflight <= bdp)
		enter_probe_bw(b, a->now);
	check_probe_rtt(cc, a);
	if (bw == 0)
		return;
	cc->pacing = pacing_gain(b, a, bdp) * bw;
	if (b->state == PROBE_RTT) {
		cc->cwnd = MIN_CWND;
		return;
	}
	/* Towards the target by what was delivered, so that it also recovers from a timeout. */
	double target = fmax((b->state == STARTUP ? HIGH_GAIN : CWND_GAIN) * bdp + 3, MIN_CWND);
	cc->cwnd = b->state == STARTUP ? fmax(cc->cwnd, fmin(cc->cwnd + a->delivered, target))
				       : fmin(cc->cwnd + a->delivered, target);
}

/* It does not take loss for congestion. */
static void on_loss(struct tcp_cc *cc, unsigned inflight)
{
}

static void on_timeout(struct tcp_cc *cc, unsigned inflight)
{
	cc->cwnd = 1;
}

const struct tcp_cc_ops tcp_bbr_ops = {init, on_ack, on_loss, on_timeout};
