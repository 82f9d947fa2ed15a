/* Interface and control: rate, window and burst size from the model (sections 5.2, 5.4, 5.6). */
#include "bbr.h"
#include "bbr_int.h"

#define PACING_MARGIN_PERCENT 1u
#define QUANTUM_US TT_MS(1)
#define QUANTUM_MAX 65536u
#define QUANTUM_SLOW 150000u /* bytes/s; below, a second packet would be a queue of 10 ms */
/* The initial window is the first train; a faster one says more (5.6.2 has the gain of Startup). */
#define INITIAL_PACING_GAIN BBR_GAIN(4)
/* A train tells the rate of the path at once, not that of a round: the window need not be doubled
 * for the next round to be faster, and what it is too large by becomes a queue. */
#define TRAIN_CWND_GAIN BBR_GAIN(1.5)
/* Packets at first while the RTT is not known (RFC 6928), and the RTT that paces them. */
#define BLIND_PACKETS 10u
#define BLIND_RTT TT_MS(10)

uint64_t bbr_min_pipe(const struct bbr *b)
{
	return BBR_MIN_PIPE_PACKETS * (uint64_t)b->cfg.packet_bytes;
}

void bbr_reset_full_bw(struct bbr *b)
{
	b->full_bw = 0;
	b->full_bw_count = 0;
	b->full_bw_now = false;
}

/* ---- control, 5.6 ---- */

static void set_pacing_rate(struct bbr *b, uint32_t gain)
{
	uint64_t rate = bbr_rate(b, gain) * (100 - PACING_MARGIN_PERCENT) / 100;

	if (b->full_bw_reached || rate > b->pacing_rate)
		b->pacing_rate = bbr_max_u64(rate, 1);
}

static void set_send_quantum(struct bbr *b)
{
	uint64_t q = bbr_min_u64(b->pacing_rate * QUANTUM_US / BBR_US_PER_S, QUANTUM_MAX);
	uint32_t packets = b->pacing_rate < QUANTUM_SLOW ? 1 : 2;
	b->send_quantum = (uint32_t)bbr_max_u64(q, packets * (uint64_t)b->cfg.packet_bytes);
}

/* 5.6.4.2. The budget for offload is that of a transport over UDP (5.5.8.2). */
uint64_t bbr_quantized(const struct bbr *b, uint64_t bytes)
{
	bytes = bbr_max_u64(bytes, b->send_quantum);
	bytes = bbr_max_u64(bytes, bbr_min_pipe(b));
	if (b->state == BBR_UP)
		bytes += 2 * (uint64_t)b->cfg.packet_bytes;
	return bytes;
}

/* 5.6.4.7 */
static uint64_t model_cap(const struct bbr *b)
{
	uint64_t cap = BBR_INFINITE;

	if (b->state == BBR_PROBE_RTT || b->state == BBR_CRUISE)
		cap = bbr_inflight_with_headroom(b);
	else if (bbr_is_probe_bw(b))
		cap = b->inflight_longterm;
	cap = bbr_min_u64(cap, b->inflight_shortterm);
	return bbr_max_u64(cap, bbr_min_pipe(b));
}

/* 5.6.4.6. In Startup the window follows the trains at once: what it lets out is paced. */
static void set_cwnd(struct bbr *b, const struct rate *r, const struct rate_sample *rs)
{
	bool train = !b->full_bw_reached && b->train_bw > b->max_bw;
	uint32_t gain = train ? TRAIN_CWND_GAIN : b->cwnd_gain;
	uint64_t max = bbr_quantized(b, bbr_bdp(b, gain) + b->extra_acked);
	uint64_t initial = (uint64_t)b->cfg.initial_packets * b->cfg.packet_bytes;

	if (b->full_bw_reached)
		b->cwnd = bbr_min_u64(b->cwnd + rs->newly_acked, max);
	else if (b->cwnd < max || r->delivered < initial)
		b->cwnd = bbr_max_u64(b->cwnd + rs->newly_acked, train ? max : 0);
	b->cwnd = bbr_max_u64(b->cwnd, bbr_min_pipe(b));
	if (b->state == BBR_PROBE_RTT)
		b->cwnd = bbr_min_u64(
			b->cwnd, bbr_max_u64(bbr_bdp(b, BBR_PROBE_RTT_CWND_GAIN), bbr_min_pipe(b)));
	b->cwnd = bbr_min_u64(b->cwnd, model_cap(b));
}

/* 5.6.4.4: the last window that neither recovery nor ProbeRTT had cut. */
void bbr_save_cwnd(struct bbr *b)
{
	if (b->state != BBR_PROBE_RTT)
		b->prior_cwnd = b->cwnd;
	else
		b->prior_cwnd = bbr_max_u64(b->prior_cwnd, b->cwnd);
}

void bbr_restore_cwnd(struct bbr *b)
{
	b->cwnd = bbr_max_u64(b->cwnd, b->prior_cwnd);
}

/* ---- interface ---- */

/* 5.6.2, InitPacingRate */
static void init_window(struct bbr *b, uint32_t packets, tt_time rtt)
{
	b->cwnd = (uint64_t)packets * b->cfg.packet_bytes;
	b->pacing_rate =
		bbr_max_u64(bbr_scale(b->cwnd * BBR_US_PER_S / rtt, INITIAL_PACING_GAIN), 1);
	set_send_quantum(b);
}

void bbr_init(struct bbr *b, const struct bbr_config *cfg, tt_time now)
{
	*b = (struct bbr){.cfg = *cfg, .rng = cfg->seed ? cfg->seed : 1};
	b->extra_acked_start = now;
	b->inflight_longterm = BBR_INFINITE;
	b->up_acked_per_inc = BBR_INFINITE;
	bbr_reset_short_term(b);
	bbr_enter_startup(b);
	init_window(b, (uint32_t)bbr_min_u64(cfg->initial_packets, BLIND_PACKETS), BLIND_RTT);
}

void bbr_init_rtt(struct bbr *b, tt_time rtt, tt_time now)
{
	if (b->min_rtt || rtt == 0)
		return;
	b->min_rtt = b->probe_rtt_min = rtt;
	b->min_rtt_at = b->probe_rtt_min_at = now;
	init_window(b, b->cfg.initial_packets, rtt);
}

void bbr_on_path_change(struct bbr *b, tt_time now)
{
	struct bbr_config cfg = b->cfg;
	cfg.seed = b->rng;
	bbr_init(b, &cfg, now);
}

/* 5.4.1 */
void bbr_on_sent(struct bbr *b, const struct rate *r, uint32_t inflight_before, tt_time now)
{
	if (inflight_before + 2 * (uint64_t)b->cfg.packet_bytes > b->cwnd)
		b->cwnd_limited = true;
	if (inflight_before > 0 || r->app_limited_until == 0)
		return;
	b->idle_restart = true;
	b->extra_acked_start = now;
	if (bbr_is_probe_bw(b))
		set_pacing_rate(b, BBR_GAIN_ONE);
	else if (b->state == BBR_PROBE_RTT)
		bbr_check_probe_rtt_done(b, now);
}

static void save_state(struct bbr *b)
{
	bbr_save_cwnd(b);
	b->undo_valid = false;
	b->undo_bw_shortterm = b->bw_shortterm;
	b->undo_inflight_shortterm = b->inflight_shortterm;
	b->undo_inflight_longterm = b->inflight_longterm;
	b->episode_lost = 0;
}

/* 5.5.10.2, InflightAtLoss: how much was in flight when the losses passed what is tolerated. */
static uint64_t inflight_at_loss(
	const struct bbr *b, uint64_t lost, uint64_t inflight, uint32_t len)
{
	uint64_t before = inflight > len ? inflight - len : 0;
	uint64_t lost_before = lost > len ? lost - len : 0;
	uint64_t share = BBR_LOSS_THRESH + b->base_loss;
	uint64_t tolerated = before * share / BBR_LOSS_ONE;

	if (tolerated <= lost_before)
		return before;
	return before + (tolerated - lost_before) * BBR_LOSS_ONE / (BBR_LOSS_ONE - share);
}

void bbr_on_loss(struct bbr *b, const struct rate *r, const struct rate_snapshot *lost,
	uint32_t len, tt_time now)
{
	uint64_t lost_since = r->lost > lost->lost ? r->lost - lost->lost : 0;

	if (b->round_lost == 0)
		save_state(b);
	b->delivered = r->delivered;
	b->round_lost += len;
	b->round_loss_events++;
	b->episode_lost += len;
	if (bbr_sent_slowly(b, lost->sent_at))
		b->slow_lost += len;
	if (!b->bw_probe_sample || !bbr_loss_is_congestion(b, lost_since, lost->inflight))
		return;
	bbr_handle_inflight_too_high(
		b, inflight_at_loss(b, lost_since, lost->inflight, len), lost->app_limited, now);
}

/* 5.5.11.2, once all that was lost in a round turned out not to be. */
void bbr_on_spurious(struct bbr *b, uint32_t len, tt_time now)
{
	b->round_lost = b->round_lost > len ? b->round_lost - len : 0;
	b->base_lost = b->base_lost > len ? b->base_lost - len : 0;
	b->all_lost = b->all_lost > len ? b->all_lost - len : 0;
	b->slow_lost = b->slow_lost > len ? b->slow_lost - len : 0;
	if (b->episode_lost == 0)
		return;
	b->episode_lost = b->episode_lost > len ? b->episode_lost - len : 0;
	if (b->episode_lost > 0)
		return;
	bbr_restore_cwnd(b);
	bbr_reset_full_bw(b);
	b->bw_shortterm = bbr_max_u64(b->bw_shortterm, b->undo_bw_shortterm);
	b->inflight_shortterm = bbr_max_u64(b->inflight_shortterm, b->undo_inflight_shortterm);
	b->inflight_longterm = bbr_max_u64(b->inflight_longterm, b->undo_inflight_longterm);
	if (b->undo_valid && b->undo_state == BBR_STARTUP && b->state != BBR_STARTUP) {
		b->full_bw_reached = false;
		if (b->state != BBR_PROBE_RTT)
			bbr_enter_startup(b);
	} else if (b->undo_valid && b->undo_state == BBR_UP && b->state != BBR_UP &&
		   b->state != BBR_PROBE_RTT) {
		bbr_resume_probe(b, now);
	}
	b->undo_valid = false;
}

void bbr_on_ack(struct bbr *b, const struct rate *r, const struct rate_sample *rs,
	uint32_t inflight, tt_time now)
{
	if (rs->newly_acked == 0)
		return;
	if (b->min_rtt == 0)
		bbr_init_rtt(b, rs->rtt_us, now); /* the rest of the initial window, paced */
	b->delivered = r->delivered;
	bbr_model_update(b, rs, now);
	bbr_state_update(b, rs, inflight, now);
	bbr_model_finish(b, rs);
	set_pacing_rate(b, b->pacing_gain);
	set_send_quantum(b);
	set_cwnd(b, r, rs);
}

uint64_t bbr_pacing_rate(const struct bbr *b)
{
	return b->pacing_rate;
}

bool bbr_probes_rtt(const struct bbr *b)
{
	return b->state == BBR_PROBE_RTT;
}

uint32_t bbr_cwnd(const struct bbr *b)
{
	return (uint32_t)bbr_min_u64(b->cwnd, UINT32_MAX);
}

uint32_t bbr_send_quantum(const struct bbr *b)
{
	return b->send_quantum;
}

const char *bbr_state_name(const struct bbr *b)
{
	static const char *const names[] = {
		"startup", "drain", "down", "cruise", "refill", "up", "probe_rtt"};
	return names[b->state];
}

uint64_t bbr_bandwidth(const struct bbr *b)
{
	return b->bw;
}

tt_time bbr_min_rtt(const struct bbr *b)
{
	return b->min_rtt;
}

uint32_t bbr_base_loss_permille(const struct bbr *b)
{
	return b->base_loss * 1000 / BBR_LOSS_ONE;
}
