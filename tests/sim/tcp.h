/**
 * A model of TCP as a competitor for a bottleneck: one transfer with selective acknowledgements and
 * timestamps, its congestion control Reno, CUBIC or BBR. Carries no content.
 *
 * Kept: slow start, one reduction a round trip, loss detection three transmissions behind (so that
 * a repeat that is lost is noticed too, as RACK does), RTO of RFC 6298 with Linux's 200 ms, SACK
 * with three ranges. Left out: handshake, delayed acknowledgements, flow control, tail loss probes,
 * and what BBR does in the first round trip after a loss, so that it stands 10 % of loss better
 * than Linux's.
 */
#ifndef TCP_H
#define TCP_H

#include <stdint.h>

#include "sim.h"
#include "tt_time.h"

#define TCP_MSS 1448u  /* payload of a segment */
#define TCP_WIRE 1500u /* bytes that it costs on the way */

enum tcp_kind { TCP_RENO, TCP_CUBIC, TCP_BBR };

struct tcp_config {
	enum tcp_kind kind;
	int from;         /* the end that sends, 0 or 1 */
	tt_time start_at; /* of the clock */
	uint64_t bytes;   /* 0: for ever */
};

struct tcp_stats {
	uint64_t delivered;    /* bytes, in order at the receiver */
	uint64_t sent, resent; /* segments; those sent again are in both */
	uint64_t reductions, timeouts;
	uint32_t cwnd, inflight; /* segments */
	uint64_t pacing_rate;    /* bytes a second, 0: not paced */
	tt_time srtt_us, min_rtt_us;
	tt_time finished_at; /* of the clock; 0: not yet */
};

struct tcp;

/** Never NULL. */
struct tcp *tcp_new(const struct tcp_config *cfg);
void tcp_free(struct tcp *t);

/** The endpoint for the simulator of end 0 or 1. */
struct sim_endpoint tcp_endpoint(struct tcp *t, int end);

void tcp_stats(const struct tcp *t, struct tcp_stats *out);

#endif
