/*
 * ProbeBW (section 5.3.3): for most of its life a flow goes round DOWN, CRUISE, REFILL and UP, to
 * see whether the path, or its share of it, has become more.
 */
#include "bbr.h"
#include "bbr_int.h"

/* ProbeBW_UP: queue that the first step may build, and the bounds of its gain above one. */
#define UP_QUEUE_LIMITS 1u
#define UP_GAIN_MIN BBR_GAIN(0.03)
#define UP_GAIN_MAX BBR_GAIN(0.25)
#define UP_STEPS_GAIN_MAX BBR_GAIN(1)
#define UP_STEPS_MAX 10u

/* A queue of others is not drained for longer than this. */
#define DOWN_ROUNDS_FOREIGN 3u

/* What is left of the rate when a probe in somebody else's queue made it overflow. */
#define YIELD BBR_GAIN(0.9)

/* After a probe that found more, the next one comes this much sooner. */
#define SUCCESS_WAIT_DIVISOR 4u

bool bbr_is_probe_bw(const struct bbr *b)
{
	return b->state == BBR_DOWN || b->state == BBR_CRUISE || b->state == BBR_REFILL ||
	       b->state == BBR_UP;
}

/* xorshift64* */
static uint64_t random_below(struct bbr *b, uint64_t n)
{
	b->rng ^= b->rng >> 12;
	b->rng ^= b->rng << 25;
	b->rng ^= b->rng >> 27;
	return (b->rng * 2685821657736338717u >> 32) % n;
}

uint64_t bbr_target_inflight(const struct bbr *b)
{
	return bbr_min_u64(bbr_bdp(b, BBR_GAIN_ONE), b->cwnd);
}

/*
 * 5.3.3.9. The headroom is left in the buffer, not in the pipe: it never takes the window below
 * the bandwidth-delay product, which for a short buffer would be most of what it takes.
 */
uint64_t bbr_inflight_with_headroom(const struct bbr *b)
{
	uint64_t all = b->inflight_longterm, room;

	if (all == BBR_INFINITE)
		return BBR_INFINITE;
	room = bbr_max_u64(b->cfg.packet_bytes, bbr_scale(all, BBR_HEADROOM));
	room = bbr_max_u64(all > room ? all - room : 0, bbr_min_pipe(b));
	return bbr_max_u64(room, bbr_min_u64(all, bbr_bdp(b, BBR_GAIN_ONE)));
}

static void raise_longterm_slope(struct bbr *b)
{
	uint64_t growth = (uint64_t)1 << b->up_rounds;

	if (b->up_rounds < 30)
		b->up_rounds++;
	b->up_acked_per_inc = bbr_max_u64(b->cwnd / growth, b->cfg.packet_bytes);
}

/* 5.3.3.8: a time of two to three seconds, or as many round trips as Reno would take. */
static void pick_probe_wait(struct bbr *b)
{
	b->rounds_since_probe = (uint32_t)random_below(b, 2);
	b->probe_wait = TT_S(2) + random_below(b, TT_S(1));
}

void bbr_start_down(struct bbr *b, tt_time now)
{
	bbr_reset_congestion_signals(b);
	b->up_acked_per_inc = BBR_INFINITE;
	pick_probe_wait(b);
	b->cycle_at = now;
	b->acks = BBR_ACKS_STOPPING;
	bbr_round_begin(b);
	bbr_set_state(b, BBR_DOWN, BBR_DOWN_PACING_GAIN, BBR_DEFAULT_CWND_GAIN);
	bbr_slow_begin(b, now);
}

/*
 * An empty queue takes the pacing margin back, one that is too long takes more. So what the max
 * filter adds to the rate (it keeps the luckiest sample) does not become a standing queue.
 */
static uint32_t cruise_gain(const struct bbr *b)
{
	tt_time limit = bbr_queue_limit(b);

	if (b->queue_foreign)
		return BBR_GAIN_ONE;
	if (bbr_queue_above(b, limit))
		return BBR_GAIN(0.95);
	return bbr_queue_above(b, limit / 2) ? BBR_GAIN_ONE : BBR_GAIN(1.01);
}

void bbr_start_cruise(struct bbr *b, tt_time now)
{
	bbr_slow_end(b, now);
	bbr_set_state(b, BBR_CRUISE, BBR_GAIN_ONE, BBR_DEFAULT_CWND_GAIN);
}

static void start_refill(struct bbr *b, tt_time now)
{
	bbr_slow_end(b, now);
	bbr_reset_short_term(b);
	b->bw_yielded = BBR_INFINITE;
	b->up_rounds = 0;
	b->up_acked = 0;
	b->prev_probe_precautionary = false;
	b->acks = BBR_ACKS_REFILLING;
	bbr_round_begin(b);
	bbr_set_state(b, BBR_REFILL, BBR_GAIN_ONE, BBR_DEFAULT_CWND_GAIN);
}

void bbr_resume_probe(struct bbr *b, tt_time now)
{
	start_refill(b, now);
}

/* Small at first, so that a full path gets little more than the queue that can be seen. */
static uint32_t up_gain(const struct bbr *b, uint32_t step)
{
	uint64_t g = UP_GAIN_MAX;

	if (!b->queue_foreign && b->min_rtt > 0)
		g = UP_QUEUE_LIMITS * bbr_queue_limit(b) * BBR_GAIN_ONE / b->min_rtt;
	g = bbr_min_u64(bbr_max_u64(g, UP_GAIN_MIN), UP_GAIN_MAX);
	if (!b->queue_foreign)
		g <<= step;
	return BBR_GAIN_ONE + (uint32_t)bbr_min_u64(g, UP_STEPS_GAIN_MAX);
}

static void set_up_gain(struct bbr *b)
{
	b->pacing_gain = up_gain(b, b->up_step);
	b->cwnd_gain = (uint32_t)bbr_max_u64(BBR_UP_CWND_GAIN, b->pacing_gain + BBR_GAIN_ONE);
}

static void start_up(struct bbr *b, const struct rate_sample *rs)
{
	b->acks = BBR_ACKS_STARTING;
	bbr_round_begin(b);
	bbr_reset_full_bw(b);
	b->full_bw = rs->delivery_rate;
	bbr_set_state(b, BBR_UP, BBR_GAIN_ONE, BBR_UP_CWND_GAIN);
	b->up_step = b->up_step_first;
	b->up_from_bw = b->max_bw;
	b->up_capped = false;
	set_up_gain(b);
	raise_longterm_slope(b);
}

static bool elapsed(const struct bbr *b, tt_time wait, tt_time now)
{
	return now > b->cycle_at + wait;
}

static bool is_time_to_probe(struct bbr *b, tt_time now)
{
	uint64_t reno_rounds = bbr_target_inflight(b) / b->cfg.packet_bytes;

	if (!elapsed(b, b->probe_wait, now) && b->rounds_since_probe < bbr_min_u64(reno_rounds, 63))
		return false;
	start_refill(b, now);
	return true;
}

/*
 * Jitter lets more fit into the pipe than min_rtt says: with a queue that cannot be seen any more
 * the pipe is empty enough.
 */
static bool is_time_to_cruise(const struct bbr *b, uint32_t inflight)
{
	if (b->base_loss > BBR_LOSS_CHECK && b->phase_rounds < 1)
		return false;
	return inflight <= bbr_inflight_with_headroom(b) &&
	       (inflight <= bbr_quantized(b, bbr_bdp(b, BBR_GAIN_ONE)) ||
		       !bbr_queue_above(b, bbr_queue_limit(b) / 2));
}

static bool cwnd_was_limited(const struct bbr *b)
{
	return b->cwnd_limited || b->cwnd_limited_prev;
}

static bool is_time_to_go_down(struct bbr *b, const struct rate_sample *rs, uint32_t inflight)
{
	bool capped = cwnd_was_limited(b) && b->cwnd >= b->inflight_longterm;

	b->up_capped = b->up_capped || capped;
	if (b->prev_probe_too_high && inflight >= b->inflight_longterm) {
		b->prev_probe_precautionary = true;
		return true;
	}
	if (b->acks == BBR_ACKS_FEEDBACK && !b->queue_foreign &&
		bbr_queue_above(b, bbr_queue_limit(b) / 2))
		return true;
	if (capped) {
		bbr_reset_full_bw(b); /* what limits is inflight_longterm, not the path */
		b->full_bw = rs->delivery_rate;
		return false;
	}
	return b->full_bw_now;
}

static void probe_longterm_upward(struct bbr *b, const struct rate_sample *rs)
{
	if (!cwnd_was_limited(b) || b->cwnd < b->inflight_longterm)
		return;
	b->up_acked += rs->newly_acked;
	if (b->up_acked >= b->up_acked_per_inc) {
		uint64_t steps = b->up_acked / b->up_acked_per_inc;
		b->up_acked -= steps * b->up_acked_per_inc;
		b->inflight_longterm += steps * b->cfg.packet_bytes;
	}
	if (b->round_start)
		raise_longterm_slope(b);
}

/*
 * A probe that got more shows that there is more, or that somebody has more of it: the next one
 * comes sooner and starts with twice the gain, so that flows of unequal rate become equal soon.
 */
static void judge_probe(struct bbr *b)
{
	uint32_t gain = up_gain(b, b->up_step_first);

	if (b->up_capped && !b->prev_probe_too_high)
		b->inflight_longterm += b->inflight_longterm / 4;
	if (b->max_bw_slot[0] < bbr_scale(b->up_from_bw, (BBR_GAIN_ONE + gain) / 2)) {
		b->up_step_first = 0;
		return;
	}
	if (2 * (gain - BBR_GAIN_ONE) <= UP_GAIN_MAX)
		b->up_step_first++;
	b->probe_wait /= SUCCESS_WAIT_DIVISOR;
}

/*
 * In the queue of senders that heed loss a probe that made it overflow is answered as they answer:
 * with less than there was before. To keep what it took from them would take all in the end; its
 * last ACKs, which are of what the queue held, still come when it is over.
 */
static void end_probe(struct bbr *b)
{
	if (b->prev_probe_too_high && b->queue_foreign && b->others_heed_loss) {
		b->bw_yielded = bbr_scale(b->up_from_bw, YIELD);
		bbr_max_bw_set(b, 0, b->bw_yielded);
	} else {
		bbr_max_bw_advance(b);
	}
}

/* 5.3.3.9, AdaptLongTermModel. True when it decided about the state. */
static bool adapt_long_term(struct bbr *b, const struct rate_sample *rs, tt_time now)
{
	if (b->acks == BBR_ACKS_STARTING && b->round_start)
		b->acks = BBR_ACKS_FEEDBACK;
	if (b->acks == BBR_ACKS_STOPPING && b->round_start) {
		b->bw_probe_sample = false;
		b->acks = BBR_ACKS_INIT;
		if (bbr_is_probe_bw(b) && !rs->app_limited) {
			judge_probe(b);
			end_probe(b);
		}
		if (bbr_is_probe_bw(b) && b->prev_probe_precautionary && !b->prev_probe_too_high) {
			start_refill(b, now);
			return true;
		}
	}
	if (b->inflight_longterm == BBR_INFINITE ||
		bbr_loss_is_congestion(b, rs->lost, rs->tx_inflight))
		return false;
	b->inflight_longterm = bbr_max_u64(b->inflight_longterm, rs->tx_inflight);
	if (b->state == BBR_UP)
		probe_longterm_upward(b, rs);
	return false;
}

static void update_down(struct bbr *b, uint32_t inflight, tt_time now)
{
	if (is_time_to_probe(b, now))
		return;
	if (is_time_to_cruise(b, inflight) ||
		(b->queue_foreign && b->phase_rounds >= DOWN_ROUNDS_FOREIGN)) {
		bbr_start_cruise(b, now);
	} else if (!b->queue_foreign) {
		bool queue = bbr_queue_above(b, bbr_queue_limit(b)) &&
			     inflight > bbr_bdp(b, BBR_GAIN_ONE);
		b->pacing_gain = queue ? BBR_GAIN(0.75) : BBR_DOWN_PACING_GAIN;
	}
}

void bbr_update_cycle(struct bbr *b, const struct rate_sample *rs, uint32_t inflight, tt_time now)
{
	if (!b->full_bw_reached)
		return;
	if (adapt_long_term(b, rs, now) || !bbr_is_probe_bw(b))
		return;
	switch (b->state) {
	case BBR_DOWN:
		update_down(b, inflight, now);
		break;
	case BBR_CRUISE:
		if (!is_time_to_probe(b, now))
			b->pacing_gain = cruise_gain(b);
		break;
	case BBR_REFILL:
		if (b->round_start) {
			b->bw_probe_sample = true;
			start_up(b, rs);
		}
		break;
	default: /* UP */
		if (is_time_to_go_down(b, rs, inflight)) {
			b->prev_probe_too_high = false;
			bbr_start_down(b, now);
		} else if (b->round_start && b->phase_rounds > 1 && b->full_bw_count == 0 &&
			   b->up_step < UP_STEPS_MAX) {
			b->up_step++;
			set_up_gain(b);
		}
		break;
	}
}

void bbr_handle_inflight_too_high(struct bbr *b, uint64_t inflight, bool app_limited, tt_time now)
{
	b->prev_probe_too_high = true;
	b->bw_probe_sample = false;
	if (!app_limited)
		b->inflight_longterm =
			bbr_max_u64(inflight, bbr_scale(bbr_target_inflight(b), BBR_BETA));
	if (b->state == BBR_UP) {
		b->undo_state = BBR_UP;
		b->undo_valid = true;
		bbr_start_down(b, now);
	}
}
