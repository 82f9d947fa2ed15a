#include "tcp_cc.h"

#include <math.h>

#define C 0.4
#define BETA 0.7
#define ALPHA (3 * (1 - BETA) / (1 + BETA)) /* as much as Reno gets: RFC 9438, section 4.3 */

/* RFC 9406, section 4.3 */
#define MIN_RTT_THRESH TT_MS(4)
#define MAX_RTT_THRESH TT_MS(16)
#define N_RTT_SAMPLE 8
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS 5

static void init(struct tcp_cc *cc)
{
	cc->cwnd = TCP_FIRST_CWND;
	cc->ssthresh = HUGE_VAL;
}

static void hystart_round(struct tcp_cc *cc)
{
	struct tcp_hystart *h = &cc->cubic.hystart;
	h->last_min = h->round_min;
	h->round_min = 0;
	h->samples = 0;
	if (h->css_rounds > 0 && ++h->css_rounds > CSS_ROUNDS)
		cc->ssthresh = cc->cwnd;
}

/* Slow start until round trips grow; then more slowly for some rounds, in case they shrink again.
 */
static void slow_start(struct tcp_cc *cc, const struct tcp_ack *a)
{
	struct tcp_hystart *h = &cc->cubic.hystart;

	if (a->round_start)
		hystart_round(cc);
	if (h->round_min == 0 || a->rtt_us < h->round_min)
		h->round_min = a->rtt_us;
	h->samples++;
	if (h->samples >= N_RTT_SAMPLE && h->last_min > 0) {
		tt_time thresh = h->last_min / 8;
		thresh = thresh < MIN_RTT_THRESH ? MIN_RTT_THRESH
						 : tt_time_min(thresh, MAX_RTT_THRESH);
		if (h->css_rounds == 0 && h->round_min >= h->last_min + thresh) {
			h->css_baseline = h->round_min;
			h->css_rounds = 1;
		} else if (h->css_rounds > 0 && h->round_min < h->css_baseline) {
			h->css_rounds = 0;
		}
	}
	cc->cwnd += (double)a->delivered / (h->css_rounds > 0 ? CSS_GROWTH_DIVISOR : 1);
}

static double w_cubic(const struct tcp_cubic *q, double t)
{
	return C * pow(t - q->k, 3) + q->w_max;
}

static void start_epoch(struct tcp_cc *cc, tt_time now)
{
	struct tcp_cubic *q = &cc->cubic;
	q->epoch = now;
	q->w_est = cc->cwnd;
	if (cc->cwnd < q->w_max) {
		q->k = cbrt((q->w_max - cc->cwnd) / C);
	} else {
		q->k = 0;
		q->w_max = cc->cwnd;
	}
}

static void on_ack(struct tcp_cc *cc, const struct tcp_ack *a)
{
	struct tcp_cubic *q = &cc->cubic;

	if (a->recovering)
		return;
	if (cc->cwnd < cc->ssthresh) {
		slow_start(cc, a);
		return;
	}
	if (q->epoch == 0)
		start_epoch(cc, a->now);
	double t = (double)(a->now - q->epoch) / 1e6, rtt = (double)a->srtt_us / 1e6;
	double target = fmin(fmax(w_cubic(q, t + rtt), cc->cwnd), 1.5 * cc->cwnd);
	q->w_est += (q->w_est < q->cwnd_prior ? ALPHA : 1) * a->delivered / cc->cwnd;
	if (w_cubic(q, t) < q->w_est)
		cc->cwnd = fmax(cc->cwnd, q->w_est);
	else
		cc->cwnd += (target - cc->cwnd) / cc->cwnd * a->delivered;
}

static void reduce(struct tcp_cc *cc)
{
	struct tcp_cubic *q = &cc->cubic;
	/* Fast convergence: a flow that did not come back to its last peak leaves room. */
	q->w_max = cc->cwnd < q->w_max ? cc->cwnd * (1 + BETA) / 2 : cc->cwnd;
	q->cwnd_prior = cc->cwnd;
	q->epoch = 0;
	cc->ssthresh = fmax(cc->cwnd * BETA, 2);
}

static void on_loss(struct tcp_cc *cc, unsigned inflight)
{
	reduce(cc);
	cc->cwnd = cc->ssthresh;
}

static void on_timeout(struct tcp_cc *cc, unsigned inflight)
{
	reduce(cc);
	cc->cwnd = 1;
	cc->cubic.hystart = (struct tcp_hystart){0};
}

const struct tcp_cc_ops tcp_cubic_ops = {init, on_ack, on_loss, on_timeout};
