/* The model of the path: what each ACK and each loss teaches (section 5.5). */
#include "bbr.h"
#include "bbr_int.h"

#define US_PER_S 1000000u

/* A queue shorter than this is noise; one that may stand longer is a queue. */
#define QUEUE_LIMIT_MIN TT_MS(2)
#define QUEUE_LIMIT_MAX TT_MS(6)
#define QUEUE_LIMIT_RTT_SHARE 16u
/* Beside a loss less is enough. */
#define LOSS_QUEUE_MIN TT_MS(1)
#define LOSS_QUEUE_RTT_SHARE 32u
#define JITTER_FACTOR 2u /* times the mean difference of neighbours: the width of the noise */
#define JITTER_MEMORY 16u

/* Bytes that the base loss is an average of, in packets. */
#define BASE_LOSS_MEMORY 4000u

/* ---- volumes ---- */

uint64_t bbr_rate(const struct bbr *b, uint32_t gain)
{
	uint64_t sent = b->bw * BBR_LOSS_ONE / (BBR_LOSS_ONE - b->base_loss);
	return bbr_scale(sent, gain);
}

uint64_t bbr_volume(const struct bbr *b, tt_time us, uint32_t gain)
{
	return bbr_scale(bbr_rate(b, BBR_GAIN_ONE) * us / US_PER_S, gain);
}

uint64_t bbr_bdp(const struct bbr *b, uint32_t gain)
{
	if (b->min_rtt == 0 || b->bw == 0)
		return (uint64_t)b->cfg.initial_packets * b->cfg.packet_bytes;
	return bbr_volume(b, b->min_rtt, gain);
}

/* ---- rounds, 5.5.1 ---- */

void bbr_round_begin(struct bbr *b)
{
	b->next_round_delivered = b->delivered;
}

static void update_round(struct bbr *b, const struct rate_sample *rs)
{
	b->round_start = rs->prior_delivered >= b->next_round_delivered;
	if (!b->round_start)
		return;
	bbr_round_begin(b);
	b->round_count++;
	b->rounds_since_probe++;
	b->phase_rounds++;
	b->cwnd_limited_prev = b->cwnd_limited;
	b->cwnd_limited = false;
}

/* ---- rate, 5.5.2 to 5.5.6 ---- */

void bbr_max_bw_sample(struct bbr *b, uint64_t rate)
{
	b->max_bw_slot[0] = bbr_max_u64(b->max_bw_slot[0], bbr_min_u64(rate, BBR_RATE_MAX));
	b->max_bw = bbr_max_u64(b->max_bw_slot[0], b->max_bw_slot[1]);
}

void bbr_max_bw_advance(struct bbr *b)
{
	if (b->max_bw_slot[0] == 0)
		return; /* nothing was learned in this cycle: keep what the last one taught */
	b->max_bw_slot[1] = b->max_bw_slot[0];
	b->max_bw_slot[0] = 0;
}

static void update_max_bw(struct bbr *b, const struct rate_sample *rs)
{
	if (rs->delivery_rate > 0 && (rs->delivery_rate >= b->max_bw || !rs->app_limited))
		bbr_max_bw_sample(b, rs->delivery_rate);
	if (b->state == BBR_STARTUP && rs->train_rate > b->train_bw)
		b->train_bw = bbr_min_u64(rs->train_rate, BBR_RATE_MAX);
}

/* ---- round trips, 5.3.4.3 and 5.5.7 ---- */

/*
 * A sample this near to the minimum shows the empty path as well as a smaller one does; the
 * minimum keeps its value and is young again. So a flow that keeps no queue needs no ProbeRTT.
 */
static tt_time min_rtt_tolerance(tt_time min)
{
	return min / 64 + 200;
}

static void update_min_rtt(struct bbr *b, const struct rate_sample *rs, tt_time now)
{
	b->probe_rtt_expired = now > b->probe_rtt_min_at + BBR_PROBE_RTT_INTERVAL;
	if (rs->rtt_us == 0)
		return;
	if (b->probe_rtt_min == 0 || rs->rtt_us < b->probe_rtt_min || b->probe_rtt_expired) {
		b->probe_rtt_min = rs->rtt_us;
		b->probe_rtt_min_at = now;
	} else if (rs->rtt_us <= b->probe_rtt_min + min_rtt_tolerance(b->probe_rtt_min)) {
		b->probe_rtt_min_at = now;
	}
	bool expired = now > b->min_rtt_at + BBR_MIN_RTT_FILTER_LEN;
	if (b->min_rtt == 0 || b->probe_rtt_min < b->min_rtt || expired) {
		b->min_rtt = b->probe_rtt_min;
		b->min_rtt_at = b->probe_rtt_min_at;
	} else if (b->probe_rtt_min == b->min_rtt) {
		b->min_rtt_at = b->probe_rtt_min_at;
	}
}

/*
 * The queue is what the least of several round trips is above min_rtt; a single one may have been
 * delayed by anything. The mean difference between neighbours measures that anything: a queue
 * changes slowly and does not show in it.
 */
static void update_queue(struct bbr *b, const struct rate_sample *rs)
{
	tt_time rtt = rs->rtt_us;

	if (rtt == 0)
		return;
	if (b->rtt_last) {
		tt_time d = rtt > b->rtt_last ? rtt - b->rtt_last : b->rtt_last - rtt;
		if (b->jitter_n < JITTER_MEMORY)
			b->jitter_n++;
		b->jitter = b->jitter - b->jitter / b->jitter_n + d / b->jitter_n;
	}
	b->rtt_last = rtt;

	if (b->round_start) {
		b->rtt_prev_min = b->rtt_round_min;
		b->rtt_prev_high = b->rtt_round_high;
		b->rtt_round_min = rtt;
		b->rtt_round_high = 0;
	}
	b->rtt_round_min = tt_time_min(b->rtt_round_min, rtt);
	if (b->rtt_group_n == 0)
		b->rtt_group_min = rtt;
	b->rtt_group_min = tt_time_min(b->rtt_group_min, rtt);
	if (++b->rtt_group_n < BBR_RTT_GROUP)
		return;
	b->rtt_group_n = 0;
	b->rtt_group = b->rtt_group_min;
	b->rtt_round_high = bbr_max_u64(b->rtt_round_high, b->rtt_group);
}

static tt_time clamp_time(tt_time v, tt_time lo, tt_time hi)
{
	return v < lo ? lo : tt_time_min(v, hi);
}

tt_time bbr_queue_limit(const struct bbr *b)
{
	return clamp_time(b->min_rtt / QUEUE_LIMIT_RTT_SHARE, QUEUE_LIMIT_MIN, QUEUE_LIMIT_MAX);
}

static bool queue_above(const struct bbr *b, tt_time rtt, tt_time limit)
{
	return rtt > b->min_rtt + limit + JITTER_FACTOR * b->jitter;
}

bool bbr_queue_rising(const struct bbr *b)
{
	return !b->queue_foreign && queue_above(b, b->rtt_group, bbr_queue_limit(b));
}

/* ---- loss, 5.5.10 ---- */

/* Seen in this round or in the one before, as losses are noticed late. */
static bool queue_beside_loss(const struct bbr *b)
{
	tt_time limit = clamp_time(b->min_rtt / LOSS_QUEUE_RTT_SHARE, LOSS_QUEUE_MIN, TT_MS(5));
	return queue_above(b, bbr_max_u64(b->rtt_round_high, b->rtt_prev_high), limit);
}

/* A packet or two are no rate, however small the window is. */
static bool above_share(const struct bbr *b, uint64_t lost, uint64_t of, uint32_t share)
{
	return lost > of * share / BBR_LOSS_ONE + 2 * b->cfg.packet_bytes;
}

bool bbr_loss_is_congestion(const struct bbr *b, uint64_t lost, uint64_t of)
{
	/* Half as much again as the base leaves room for the spread within one round. */
	uint32_t chance = b->base_loss + b->base_loss / 2;

	if (above_share(b, lost, of, (uint32_t)bbr_max_u64(BBR_LOSS_MAX, 2 * b->base_loss)))
		return true;
	return above_share(b, lost, of, BBR_LOSS_THRESH + chance) && queue_beside_loss(b);
}

bool bbr_round_loss_is_congestion(const struct bbr *b)
{
	return bbr_loss_is_congestion(b, b->round_lost, b->round_acked + b->round_lost);
}

/* What a round lost that shows no queue is what the path always loses. */
static void update_base_loss(struct bbr *b)
{
	uint64_t memory = (uint64_t)BASE_LOSS_MEMORY * b->cfg.packet_bytes;
	uint64_t total;

	if (queue_beside_loss(b) || bbr_round_loss_is_congestion(b))
		return;
	b->base_acked += b->round_acked;
	b->base_lost += b->round_lost;
	total = b->base_acked + b->base_lost;
	if (total == 0)
		return;
	b->base_loss = (uint32_t)bbr_min_u64(b->base_lost * BBR_LOSS_ONE / total, BBR_LOSS_MAX);
	if (total > memory) {
		b->base_acked = b->base_acked * 7 / 8;
		b->base_lost = b->base_lost * 7 / 8;
	}
}

static void update_latest_signals(struct bbr *b, const struct rate_sample *rs)
{
	b->bw_latest = bbr_max_u64(b->bw_latest, rs->delivery_rate);
	b->inflight_latest = bbr_max_u64(b->inflight_latest, rs->delivered);
}

static bool is_probing(const struct bbr *b)
{
	return b->state == BBR_STARTUP || b->state == BBR_REFILL || b->state == BBR_UP;
}

/* A round that never came down to the empty path's round trip, by our doing. */
static bool queue_stands(const struct bbr *b)
{
	bool settled = b->state == BBR_CRUISE || (b->state == BBR_DOWN && b->phase_rounds > 2);
	return settled && !b->queue_foreign && queue_above(b, b->rtt_prev_min, bbr_queue_limit(b));
}

/* 5.5.10.3. A standing queue counts like a loss. */
static void adapt_short_term(struct bbr *b, bool loss)
{
	if (is_probing(b) || !(loss || queue_stands(b)))
		return;
	b->bw_shortterm = bbr_min_u64(b->bw_shortterm, b->max_bw);
	b->bw_shortterm = bbr_max_u64(b->bw_latest, bbr_scale(b->bw_shortterm, BBR_BETA));
	if (!loss)
		return;
	b->inflight_shortterm = bbr_min_u64(b->inflight_shortterm, b->cwnd);
	b->inflight_shortterm =
		bbr_max_u64(b->inflight_latest, bbr_scale(b->inflight_shortterm, BBR_BETA));
}

void bbr_reset_congestion_signals(struct bbr *b)
{
	b->bw_latest = 0;
	b->inflight_latest = 0;
}

void bbr_reset_short_term(struct bbr *b)
{
	b->bw_shortterm = BBR_INFINITE;
	b->inflight_shortterm = BBR_INFINITE;
}

/* ---- ACK aggregation, 5.5.9 ---- */

static void update_aggregation(struct bbr *b, const struct rate_sample *rs, tt_time now)
{
	struct bbr_max *f = &b->extra_acked_filter;
	uint64_t len = b->full_bw_reached ? BBR_EXTRA_ACKED_FILTER_LEN / 2 : 1;
	uint64_t expected = b->bw * tt_time_since(now, b->extra_acked_start) / US_PER_S;

	if (b->extra_acked_delivered <= expected) {
		b->extra_acked_delivered = 0;
		b->extra_acked_start = now;
		expected = 0;
	}
	b->extra_acked_delivered += rs->newly_acked;
	if (b->round_count - f->since >= len) {
		f->value[1] = f->value[0];
		f->value[0] = 0;
		f->since = b->round_count;
	}
	f->value[0] =
		bbr_max_u64(f->value[0], bbr_min_u64(b->extra_acked_delivered - expected, b->cwnd));
	b->extra_acked = bbr_max_u64(f->value[0], f->value[1]);
}

void bbr_model_update(struct bbr *b, const struct rate_sample *rs, tt_time now)
{
	update_round(b, rs);
	update_min_rtt(b, rs, now);
	update_queue(b, rs);
	update_latest_signals(b, rs);
	update_max_bw(b, rs);
	b->round_acked += rs->newly_acked;
	if (b->round_start) {
		update_base_loss(b);
		adapt_short_term(b, bbr_round_loss_is_congestion(b));
	}
	update_aggregation(b, rs, now);
}

void bbr_model_finish(struct bbr *b, const struct rate_sample *rs)
{
	if (b->round_start) {
		b->bw_latest = rs->delivery_rate;
		b->inflight_latest = rs->delivered;
		b->round_acked = 0;
		b->round_lost = 0;
		b->round_loss_events = 0;
	}
	b->bw = bbr_min_u64(b->max_bw, b->bw_shortterm);
	if (!b->full_bw_reached)
		b->bw = bbr_max_u64(b->bw, b->train_bw);
}
