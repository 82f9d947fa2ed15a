/**
 * Congestion control: BBR version 3 (draft-ietf-ccwg-bbr-06; sections below are its sections).
 *
 * It keeps a model of the path, the highest rate at which it delivered lately (max_bw) and its
 * shortest round trip (min_rtt), sends at that rate, keeps about their product in flight, and now
 * and then sends a little faster or slower to see whether the model still holds.
 *
 * Where it differs from the draft, and why:
 *
 * - Loss alone is not congestion. Paths between homes lose packets by chance (radio, broken
 *   cables), up to 15 %, whatever we send. A loss rate counts as congestion only when it is above
 *   what the path loses anyway (base loss, measured in rounds that show no queue) by LossThresh,
 *   and a queue is seen at the same time: round trips longer than min_rtt by more than their
 *   jitter explains. Above 15 % (or twice the base loss) it counts without a queue, because a
 *   policer has none.
 * - The rate is made up for the base loss: the draft measures what arrives and sends that much, of
 *   which the path loses the same share again.
 * - A queue that we have built ourselves is a signal of its own, as loss is in the draft: it ends
 *   Startup (as RFC 9406 does) and the acceleration of ProbeBW_UP, and while cruising it lowers
 *   the short-term rate, so that an estimate that was too high does not leave a queue standing. A
 *   queue that stays although we send less than the path's rate is somebody else's; then these
 *   signals are ignored, or a flow that fills its queue would push us aside. When that flow heeds
 *   loss, so do we: a probe that makes the queue overflow leaves us less than we had, not more.
 *   When it does not, neither do we, up to a share of what we send.
 * - Startup believes a train, a part of a round trip (rate.h), so that it grows faster than by
 *   doubling as long as the path keeps up with the bursts.
 * - ProbeBW_UP starts with a gain that builds only a few milliseconds of queue and doubles it
 *   while the path keeps up.
 * - ProbeRTT is put off while round trips within a few per cent of min_rtt are still seen: the
 *   queue is empty then anyway.
 * - A retransmission time-out does nothing here (5.6.4.4): while nothing is heard the link sends no
 *   more than a probe now and then (rack.h).
 *
 * Plain struct, embedded by the link; read its outputs through the functions. Units are bytes,
 * bytes/s, microseconds. No clock, no memory, no I/O; `now` must not go back.
 */
#ifndef BBR_H
#define BBR_H

#include <stdbool.h>
#include <stdint.h>

#include "rate.h"
#include "tt_time.h"

enum bbr_state {
	BBR_STARTUP,
	BBR_DRAIN,
	BBR_DOWN, /* ProbeBW_DOWN and so on */
	BBR_CRUISE,
	BBR_REFILL,
	BBR_UP,
	BBR_PROBE_RTT,
};

/* What the ACKs that come in now tell about the last bandwidth probe (section 2.14). */
enum bbr_acks {
	BBR_ACKS_INIT,
	BBR_ACKS_REFILLING,
	BBR_ACKS_STARTING,
	BBR_ACKS_FEEDBACK,
	BBR_ACKS_STOPPING,
};

struct bbr_config {
	uint32_t packet_bytes;    /* a full packet */
	uint32_t initial_packets; /* in flight at first, once the RTT is known */
	uint64_t seed;            /* of the choice of times to probe */
};

/* A maximum over the last `len` units of a virtual time (rounds). */
struct bbr_max {
	uint64_t value[2]; /* of the current and of the previous half of the window */
	uint64_t since;
};

struct bbr {
	struct bbr_config cfg;
	uint64_t rng;
	enum bbr_state state;
	uint32_t pacing_gain, cwnd_gain; /* BBR_GAIN() */

	/* outputs */
	uint64_t pacing_rate;
	uint64_t cwnd;
	uint32_t send_quantum;

	/* rounds (5.5.1) */
	uint64_t delivered; /* rate.delivered as of the last event */
	uint64_t round_count, next_round_delivered;
	bool round_start;

	/* rate (5.5.2 to 5.5.6), what arrives */
	uint64_t max_bw, max_bw_slot[2]; /* this ProbeBW cycle, the one before */
	uint64_t train_bw;               /* Startup only */
	uint64_t bw_latest, bw_shortterm, bw;
	uint64_t bw_yielded; /* max_bw is not more until the next probe */

	/* volume */
	uint64_t inflight_latest, inflight_shortterm, inflight_longterm;
	uint64_t extra_acked, extra_acked_delivered;
	tt_time extra_acked_start;
	struct bbr_max extra_acked_filter;

	/* round trips (5.3.4.3, 5.5.7) */
	tt_time min_rtt, min_rtt_at; /* 0: not known */
	tt_time probe_rtt_min, probe_rtt_min_at;
	bool probe_rtt_expired, probe_rtt_round_done;
	tt_time probe_rtt_done_at; /* 0: not yet in flight as little as is wanted */

	/* the queue, seen in round trips */
	tt_time rtt_sent_at; /* when the packet of the newest one was sent */
	tt_time rtt_last, jitter;
	tt_time rtt_group, rtt_group_min; /* last complete group, minimum of the current one */
	uint32_t rtt_group_n, jitter_n;
	tt_time rtt_round_min, rtt_round_high; /* current round */
	tt_time rtt_prev_min, rtt_prev_high;   /* round before */
	tt_time rtt_rise, rtt_fall;            /* means of its changes in ProbeBW_CRUISE */
	uint32_t flat_rounds;                  /* for so many it was the same, */
	tt_time flat_rtt;                      /* this */
	tt_time way_checked_at;                /* 0: never */
	uint32_t queue_rounds;                 /* for so many rounds it has stood */
	tt_time queue_rtt;                     /* round trip that has to get shorter */
	uint64_t queue_bw;                     /* max_bw before the queue lowered it */
	bool queue_foreign;
	uint32_t loss_rounds;  /* share of the rounds lately that lost anything, BBR_GAIN() */
	tt_time loss_at;       /* when one last did, 0: never */
	bool others_heed_loss; /* those who keep up the queue */

	/* loss (5.5.10) */
	uint64_t round_acked, round_lost;
	uint32_t round_loss_events;
	uint64_t base_acked, base_lost; /* rounds without a queue, fading */
	uint64_t all_acked, all_lost;   /* all rounds, fading */
	uint64_t slow_acked, slow_lost; /* what was sent in ProbeBW_DOWN, fading */
	tt_time slow_from, slow_to;     /* the last time that we sent that slowly */
	uint32_t base_loss;             /* BBR_LOSS_ONE is all */

	/* full pipe (5.3.1.2) */
	uint64_t full_bw;
	uint32_t full_bw_count;
	bool full_bw_now, full_bw_reached;

	/* ProbeBW (2.14) */
	enum bbr_acks acks;
	tt_time cycle_at, probe_wait;
	uint32_t rounds_since_probe, phase_rounds;
	uint32_t up_step, up_step_first; /* doublings of the gain of ProbeBW_UP; of the next one */
	uint64_t up_from_bw;             /* max_bw when it started */
	uint64_t up_acked, up_acked_per_inc;
	uint32_t up_rounds;
	bool up_capped; /* inflight_longterm held this probe back */
	bool bw_probe_sample, prev_probe_too_high, prev_probe_precautionary;

	uint64_t drain_start_round;
	bool idle_restart;
	bool cwnd_limited, cwnd_limited_prev; /* in this round, in the one before */

	/* recovery and its undoing (5.5.11, 5.6.4.4) */
	uint64_t prior_cwnd;
	enum bbr_state undo_state;
	bool undo_valid;
	uint64_t undo_bw_shortterm, undo_inflight_shortterm, undo_inflight_longterm;
	uint64_t episode_lost;
};

void bbr_init(struct bbr *b, const struct bbr_config *cfg, tt_time now);

/**
 * The RTT as a probe measured it, before there are samples (later calls are passed over). With it
 * the initial window goes out paced; without it only a few packets go out at first.
 */
void bbr_init_rtt(struct bbr *b, tt_time rtt, tt_time now);

/** A packet is about to go out; inflight_before is without it. */
void bbr_on_sent(struct bbr *b, const struct rate *r, uint32_t inflight_before, tt_time now);

/** A transmission was given up as lost; after rate_on_lost(), before bbr_on_ack() of the event. */
void bbr_on_loss(struct bbr *b, const struct rate *r, const struct rate_snapshot *lost,
	uint32_t len, tt_time now);

/** A transmission given up as lost has arrived after all. */
void bbr_on_spurious(struct bbr *b, uint32_t len, tt_time now);

/** End of an ACK event, after rate_sample_finish(). inflight is what is left in flight. */
void bbr_on_ack(struct bbr *b, const struct rate *r, const struct rate_sample *rs,
	uint32_t inflight, tt_time now);

/** Another path: forgets all but its configuration. */
void bbr_on_path_change(struct bbr *b, tt_time now);

/** Bytes/s, never 0. */
uint64_t bbr_pacing_rate(const struct bbr *b);
/** Most bytes that may be in flight. */
uint32_t bbr_cwnd(const struct bbr *b);
/** True while little is sent on purpose, to see the round trip of an empty path. */
bool bbr_probes_rtt(const struct bbr *b);
/** Most bytes that may go out in one burst. */
uint32_t bbr_send_quantum(const struct bbr *b);

/* For statistics. */
const char *bbr_state_name(const struct bbr *b);
/** Estimated rate of the path in bytes/s, what arrives; 0: not known. */
uint64_t bbr_bandwidth(const struct bbr *b);
/** Shortest round trip lately, 0: not known. */
tt_time bbr_min_rtt(const struct bbr *b);
/** What the path loses by chance, in 1/1000. */
uint32_t bbr_base_loss_permille(const struct bbr *b);

#endif
