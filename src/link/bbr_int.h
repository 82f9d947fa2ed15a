/* What the files of BBR share: bbr.c (interface, control), bbr_model.c, bbr_queue.c,
 * bbr_state.c, bbr_probe.c. */
#ifndef BBR_INT_H
#define BBR_INT_H

#include "bbr.h"

#define BBR_GAIN_ONE 1024u
#define BBR_GAIN(x) ((uint32_t)((x)*1024 + 0.5))
#define BBR_LOSS_ONE 65536u
#define BBR_LOSS(percent) ((uint32_t)((percent)*65536 / 100))
#define BBR_INFINITE UINT64_MAX
#define BBR_US_PER_S 1000000u

/* Section 2, the names of the draft. */
#define BBR_STARTUP_PACING_GAIN BBR_GAIN(2.77)
#define BBR_DRAIN_PACING_GAIN BBR_GAIN(0.35)
#define BBR_DOWN_PACING_GAIN BBR_GAIN(0.9)
#define BBR_DEFAULT_CWND_GAIN BBR_GAIN(2)
#define BBR_UP_CWND_GAIN BBR_GAIN(2.25)
#define BBR_PROBE_RTT_CWND_GAIN BBR_GAIN(0.5)
#define BBR_BETA BBR_GAIN(0.7)
#define BBR_HEADROOM BBR_GAIN(0.15)
#define BBR_LOSS_THRESH BBR_LOSS(2)
#define BBR_STARTUP_FULL_LOSS_COUNT 6u
#define BBR_EXTRA_ACKED_FILTER_LEN 10u
#define BBR_MIN_RTT_FILTER_LEN TT_S(10)
#define BBR_PROBE_RTT_INTERVAL TT_S(5)
#define BBR_PROBE_RTT_DURATION TT_MS(200)
#define BBR_MIN_PIPE_PACKETS 4u

/* Ours. */
#define BBR_LOSS_MAX BBR_LOSS(15)    /* the most that chance is blamed for */
#define BBR_LOSS_CHECK BBR_LOSS(0.5) /* less is not worth a round of slow sending to check it */
#define BBR_RTT_GROUP 8u             /* samples whose minimum is free of noise, as in RFC 9406 */
#define BBR_RATE_MAX 100000000000u   /* bytes/s, so that rate times time fits 64 bits */

/* ---- bbr_model.c ---- */

/** Takes in a sample: rounds, rate, round trips, base loss, ACK aggregation. */
void bbr_model_update(struct bbr *b, const struct rate_sample *rs, tt_time now);
/** After the state machine: what counts from the next ACK on, and bw. */
void bbr_model_finish(struct bbr *b, const struct rate_sample *rs);
void bbr_round_begin(struct bbr *b);
void bbr_reset_congestion_signals(struct bbr *b);
void bbr_reset_short_term(struct bbr *b);
void bbr_max_bw_advance(struct bbr *b);
/** What counts as learned of the rate in this ProbeBW cycle and in the one before. */
void bbr_max_bw_set(struct bbr *b, uint64_t now, uint64_t before);
void bbr_max_bw_sample(struct bbr *b, uint64_t rate);

/** Bytes that leave in `us` when the rate is `gain` times bw, made up for the base loss. */
uint64_t bbr_volume(const struct bbr *b, tt_time us, uint32_t gain);
/** gain times the bandwidth-delay product; the initial window while there is no RTT. */
uint64_t bbr_bdp(const struct bbr *b, uint32_t gain);
uint64_t bbr_rate(const struct bbr *b, uint32_t gain);

/** So many lost of so many bytes are more than chance, and a queue is to blame. */
bool bbr_loss_is_congestion(const struct bbr *b, uint64_t lost, uint64_t of);
/** The same of the round that ends with this ACK. */
bool bbr_round_loss_is_congestion(const struct bbr *b);

/** By so much more than this minimum a round trip may be and show the empty path as well. */
tt_time bbr_min_rtt_tolerance(tt_time min);

/** What was lost of all, BBR_LOSS_ONE is all. */
uint32_t bbr_lost_share(uint64_t acked, uint64_t lost);

/** Packets sent between these two are proof of what the path loses by chance. */
void bbr_slow_begin(struct bbr *b, tt_time now);
void bbr_slow_end(struct bbr *b, tt_time now);
bool bbr_sent_slowly(const struct bbr *b, tt_time sent_at);

/* ---- bbr_queue.c ---- */

/** Takes in the round trip of a sample. */
void bbr_queue_update(struct bbr *b, const struct rate_sample *rs);
/** At the start of a round, after its losses are known: a queue that stands, and whose it is. */
void bbr_queue_round(struct bbr *b, tt_time now);
/** Queueing delay that tells more than noise. */
tt_time bbr_queue_limit(const struct bbr *b);
/** The newest round trips are longer than the empty path's by more than that. */
bool bbr_queue_rising(const struct bbr *b);
/** The newest round trips exceed the empty path's by more than `limit` and their noise. */
bool bbr_queue_above(const struct bbr *b, tt_time limit);
/** Round trips have become longer and stay the same: worth a ProbeRTT before its time. */
bool bbr_way_seems_longer(const struct bbr *b);
/** At its end: they were the same with little in flight. */
bool bbr_way_is_longer(const struct bbr *b);
/** Others keep the queue up and do not mind that it overflows. */
bool bbr_others_ignore_loss(const struct bbr *b);
/** There is some queue, in this round or in the one before, as losses are noticed late. */
bool bbr_queue_beside_loss(const struct bbr *b);

/* ---- bbr_state.c ---- */

void bbr_enter_startup(struct bbr *b);
void bbr_state_update(struct bbr *b, const struct rate_sample *rs, uint32_t inflight, tt_time now);
void bbr_check_probe_rtt_done(struct bbr *b, tt_time now);
void bbr_set_state(struct bbr *b, enum bbr_state state, uint32_t pacing_gain, uint32_t cwnd_gain);

/* ---- bbr_probe.c ---- */

bool bbr_is_probe_bw(const struct bbr *b);
void bbr_start_down(struct bbr *b, tt_time now);
void bbr_start_cruise(struct bbr *b, tt_time now);
/** What the sample says about the last probe, and the next step. */
void bbr_update_cycle(struct bbr *b, const struct rate_sample *rs, uint32_t inflight, tt_time now);
/** REFILL again, when a probe ended for a loss that was none. */
void bbr_resume_probe(struct bbr *b, tt_time now);
void bbr_handle_inflight_too_high(struct bbr *b, uint64_t inflight, bool app_limited, tt_time now);
uint64_t bbr_inflight_with_headroom(const struct bbr *b);
uint64_t bbr_target_inflight(const struct bbr *b);

/* ---- bbr.c ---- */

void bbr_save_cwnd(struct bbr *b);
void bbr_restore_cwnd(struct bbr *b);
void bbr_reset_full_bw(struct bbr *b);
uint64_t bbr_min_pipe(const struct bbr *b);
/** The volume with what offload and pipelining need at least (5.6.4.2). */
uint64_t bbr_quantized(const struct bbr *b, uint64_t bytes);

static inline uint64_t bbr_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t bbr_max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t bbr_scale(uint64_t v, uint32_t gain)
{
	return v * gain / BBR_GAIN_ONE;
}

#endif
