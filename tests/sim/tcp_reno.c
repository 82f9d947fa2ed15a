#include "tcp_cc.h"

#include <math.h>

static void init(struct tcp_cc *cc)
{
	cc->cwnd = TCP_FIRST_CWND;
	cc->ssthresh = HUGE_VAL;
}

static void on_ack(struct tcp_cc *cc, const struct tcp_ack *a)
{
	if (a->recovering)
		return;
	cc->cwnd += cc->cwnd < cc->ssthresh ? a->delivered : a->delivered / cc->cwnd;
}

static void on_loss(struct tcp_cc *cc, unsigned inflight)
{
	cc->cwnd = cc->ssthresh = fmax(cc->cwnd / 2, 2);
}

static void on_timeout(struct tcp_cc *cc, unsigned inflight)
{
	cc->ssthresh = fmax(inflight / 2.0, 2);
	cc->cwnd = 1;
}

const struct tcp_cc_ops tcp_reno_ops = {init, on_ack, on_loss, on_timeout};
