/* The state machine (section 5.3): Startup, Drain and ProbeRTT, and what comes when. */
#include "bbr.h"
#include "bbr_int.h"

/* The first probe after Startup comes soon, in case Startup ended too early. */
#define FIRST_PROBE_RTTS 2u

/* A ProbeRTT before its time costs 300 ms at half the rate. */
#define WAY_CHECK_INTERVAL TT_S(3)

void bbr_set_state(struct bbr *b, enum bbr_state state, uint32_t pacing_gain, uint32_t cwnd_gain)
{
	b->state = state;
	b->pacing_gain = pacing_gain;
	b->cwnd_gain = cwnd_gain;
	b->phase_rounds = 0;
}

/* ---- full pipe, 5.3.1.2 ---- */

static void check_full_bw(struct bbr *b, const struct rate_sample *rs)
{
	/* Growth that shows that the path was not full yet: in ProbeBW_UP half of what was tried.
	 */
	uint32_t growth = BBR_GAIN(1.25);

	if (b->full_bw_now || !b->round_start || rs->app_limited)
		return;
	if (b->state == BBR_UP)
		growth = BBR_GAIN_ONE + (b->pacing_gain - BBR_GAIN_ONE) / 2;
	if (rs->delivery_rate >= bbr_scale(b->full_bw, growth)) {
		bbr_reset_full_bw(b);
		b->full_bw = rs->delivery_rate;
		return;
	}
	if (++b->full_bw_count < 3)
		return;
	b->full_bw_now = true;
	b->full_bw_reached = true;
}

/* ---- Startup and Drain, 5.3.1 and 5.3.2 ---- */

void bbr_enter_startup(struct bbr *b)
{
	b->bw_yielded = BBR_INFINITE;
	bbr_set_state(b, BBR_STARTUP, BBR_STARTUP_PACING_GAIN, BBR_DEFAULT_CWND_GAIN);
}

static void enter_drain(struct bbr *b)
{
	bbr_set_state(b, BBR_DRAIN, BBR_DRAIN_PACING_GAIN, BBR_DEFAULT_CWND_GAIN);
	b->drain_start_round = b->round_count;
}

/* 5.3.1.3 */
static void check_startup_loss(struct bbr *b)
{
	if (!b->round_start || b->round_loss_events < BBR_STARTUP_FULL_LOSS_COUNT)
		return;
	if (!bbr_round_loss_is_congestion(b))
		return;
	b->undo_state = BBR_STARTUP;
	b->undo_valid = true;
	b->full_bw_reached = true;
	b->inflight_longterm = bbr_max_u64(bbr_bdp(b, BBR_GAIN_ONE), b->inflight_latest);
}

/*
 * The queue grows, so the ACKs come at the rate of the path: that of the newest train is the one.
 * Without a train too little was sent to tell a queue from noise.
 */
static void check_startup_delay(struct bbr *b, const struct rate_sample *rs)
{
	if (rs->train_rate == 0 || !bbr_queue_rising(b))
		return;
	b->full_bw_reached = true;
	bbr_max_bw_sample(b, rs->train_rate);
	b->bw = b->max_bw;
}

static void check_startup_done(struct bbr *b, const struct rate_sample *rs)
{
	if (b->state != BBR_STARTUP)
		return;
	check_startup_loss(b);
	check_startup_delay(b, rs);
	if (b->full_bw_reached)
		enter_drain(b);
}

static void check_drain_done(struct bbr *b, uint32_t inflight, tt_time now)
{
	if (b->state != BBR_DRAIN)
		return;
	if (inflight > bbr_quantized(b, bbr_bdp(b, BBR_GAIN_ONE)) &&
		b->round_count <= b->drain_start_round + 3)
		return;
	bbr_start_down(b, now);
	b->probe_wait = FIRST_PROBE_RTTS * b->min_rtt;
}

/* ---- ProbeRTT, 5.3.4 ---- */

static void enter_probe_rtt(struct bbr *b, tt_time now)
{
	bbr_slow_end(b, now);
	bbr_save_cwnd(b);
	bbr_set_state(b, BBR_PROBE_RTT, BBR_GAIN_ONE, BBR_PROBE_RTT_CWND_GAIN);
	b->probe_rtt_done_at = 0;
	b->probe_rtt_min = 0; /* now it is measured anew */
	b->acks = BBR_ACKS_STOPPING;
	bbr_round_begin(b);
}

/*
 * Not in the draft, which would take ten seconds to forget the shorter round trip, with a window
 * that is too small all the time. It is another path: what was learned of volumes counts for
 * nothing, and Startup finds its rate sooner than steps of ProbeBW_UP.
 */
static void take_longer_way(struct bbr *b, tt_time now)
{
	b->min_rtt = b->probe_rtt_min;
	b->min_rtt_at = now;
	b->inflight_longterm = BBR_INFINITE;
	b->train_bw = 0;
	b->full_bw_reached = false;
}

/* 5.3.4.4 */
static void exit_probe_rtt(struct bbr *b, tt_time now)
{
	bbr_reset_short_term(b);
	bbr_reset_full_bw(b); /* the samples of ProbeRTT are slow because we were */
	if (bbr_way_is_longer(b))
		take_longer_way(b, now);
	if (b->full_bw_reached) {
		bbr_start_down(b, now);
		bbr_start_cruise(b, now);
	} else {
		bbr_enter_startup(b);
	}
}

void bbr_check_probe_rtt_done(struct bbr *b, tt_time now)
{
	if (b->probe_rtt_done_at == 0 || now <= b->probe_rtt_done_at)
		return;
	b->probe_rtt_min_at = now;
	bbr_restore_cwnd(b);
	exit_probe_rtt(b, now);
}

static void handle_probe_rtt(struct bbr *b, uint32_t inflight, tt_time now)
{
	if (b->probe_rtt_done_at == 0) {
		if (inflight > bbr_max_u64(bbr_bdp(b, BBR_PROBE_RTT_CWND_GAIN), bbr_min_pipe(b)))
			return;
		b->probe_rtt_done_at = now + BBR_PROBE_RTT_DURATION;
		b->probe_rtt_round_done = false;
		bbr_round_begin(b);
		return;
	}
	if (b->round_start)
		b->probe_rtt_round_done = true;
	if (b->probe_rtt_round_done)
		bbr_check_probe_rtt_done(b, now);
}

static void check_probe_rtt(
	struct bbr *b, const struct rate_sample *rs, uint32_t inflight, tt_time now)
{
	bool doubt = bbr_is_probe_bw(b) && bbr_way_seems_longer(b) &&
		     now > b->way_checked_at + WAY_CHECK_INTERVAL;

	if (doubt)
		b->way_checked_at = now;
	if (b->state != BBR_PROBE_RTT && (b->probe_rtt_expired || doubt) && !b->idle_restart)
		enter_probe_rtt(b, now);
	if (b->state == BBR_PROBE_RTT)
		handle_probe_rtt(b, inflight, now);
	if (rs->delivered > 0)
		b->idle_restart = false;
}

void bbr_state_update(struct bbr *b, const struct rate_sample *rs, uint32_t inflight, tt_time now)
{
	check_full_bw(b, rs);
	check_startup_done(b, rs);
	check_drain_done(b, inflight, now);
	bbr_update_cycle(b, rs, inflight, now);
	check_probe_rtt(b, rs, inflight, now);
}
