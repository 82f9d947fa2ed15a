/** Congestion control of the TCP model: one algorithm a file. Windows and rates count segments. */
#ifndef TCP_CC_H
#define TCP_CC_H

#include <stdbool.h>
#include <stdint.h>

#include "tt_time.h"

#define TCP_FIRST_CWND 10 /* RFC 6928 */

/* What an acknowledgement said. */
struct tcp_ack {
	tt_time now;
	unsigned delivered; /* segments, newly */
	unsigned inflight;  /* afterwards */
	tt_time rtt_us;     /* its sample */
	tt_time srtt_us, min_rtt_us;
	double rate;      /* segments a second of its delivery rate sample, 0: none */
	bool round_start; /* what was sent after the last start of a round is acknowledged */
	bool recovering;  /* the window was reduced less than a round trip ago */
};

struct tcp_hystart {
	tt_time last_min, round_min; /* round trips of the last round and of this; 0: none */
	unsigned samples;            /* of this round */
	unsigned css_rounds;         /* of conservative slow start so far; 0: not in it */
	tt_time css_baseline;
};

struct tcp_cubic {
	struct tcp_hystart hystart;
	tt_time epoch; /* of this avoidance phase; 0: none yet */
	double w_max, k, w_est, cwnd_prior;
};

#define TCP_BBR_ROUNDS 10

struct tcp_bbr {
	int state;
	double round_max[TCP_BBR_ROUNDS]; /* highest rate of each of the last rounds */
	unsigned round;
	double full_bw; /* startup: what must be beaten by a quarter */
	unsigned full_rounds;
	tt_time min_rtt, min_rtt_at;
	unsigned phase;
	tt_time phase_at, probe_rtt_until;
	double prior_cwnd;    /* before PROBE_RTT */
	unsigned idle_rounds; /* whose rates are those of PROBE_RTT */
};

struct tcp_cc {
	double cwnd, ssthresh;
	double pacing; /* segments a second, 0: as they come */
	union {
		struct tcp_cubic cubic;
		struct tcp_bbr bbr;
	};
};

struct tcp_cc_ops {
	void (*init)(struct tcp_cc *cc);
	void (*on_ack)(struct tcp_cc *cc, const struct tcp_ack *a);
	/** Something was lost; at most once a round trip. */
	void (*on_loss)(struct tcp_cc *cc, unsigned inflight);
	void (*on_timeout)(struct tcp_cc *cc, unsigned inflight);
};

extern const struct tcp_cc_ops tcp_reno_ops;  /* RFC 5681 */
extern const struct tcp_cc_ops tcp_cubic_ops; /* RFC 9438, with HyStart++ of RFC 9406 */
extern const struct tcp_cc_ops tcp_bbr_ops;   /* draft-cardwell-iccrg-bbr-congestion-control-00 */

#endif
