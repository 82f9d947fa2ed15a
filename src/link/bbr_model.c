/* The model of the path: what each ACK and each loss teaches (section 5.5). */
#include "bbr.h"
#include "bbr_int.h"

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
	return bbr_scale(bbr_rate(b, BBR_GAIN_ONE) * us / BBR_US_PER_S, gain);
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
	rate = bbr_min_u64(rate, bbr_min_u64(BBR_RATE_MAX, b->bw_yielded));
	b->max_bw_slot[0] = bbr_max_u64(b->max_bw_slot[0], rate);
	b->max_bw = bbr_max_u64(b->max_bw_slot[0], b->max_bw_slot[1]);
}

void bbr_max_bw_advance(struct bbr *b)
{
	if (b->max_bw_slot[0] == 0)
		return; /* nothing was learned in this cycle: keep what the last one taught */
	b->max_bw_slot[1] = b->max_bw_slot[0];
	b->max_bw_slot[0] = 0;
}

void bbr_max_bw_set(struct bbr *b, uint64_t now, uint64_t before)
{
	b->max_bw_slot[0] = now;
	b->max_bw_slot[1] = before;
	b->max_bw = bbr_max_u64(now, before);
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
tt_time bbr_min_rtt_tolerance(tt_time min)
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
	} else if (rs->rtt_us <= b->probe_rtt_min + bbr_min_rtt_tolerance(b->probe_rtt_min)) {
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

/* ---- loss, 5.5.10 ---- */

static uint64_t square_root(uint64_t v)
{
	uint64_t r = 0;
	for (uint64_t bit = (uint64_t)1 << 31; bit; bit >>= 1)
		if ((r + bit) * (r + bit) <= v)
			r += bit;
	return r;
}

/* A packet or two are no rate, however small the window is. */
static bool above_share(const struct bbr *b, uint64_t lost, uint64_t of, uint32_t share)
{
	return lost > of * share / BBR_LOSS_ONE + 2 * b->cfg.packet_bytes;
}

/* More than chance is blamed for, by three standard deviations. */
static bool severe(const struct bbr *b, uint64_t lost, uint64_t of)
{
	uint64_t expected = of / b->cfg.packet_bytes * BBR_LOSS_MAX / BBR_LOSS_ONE;
	return lost / b->cfg.packet_bytes > expected + 3 * square_root(expected) + 3;
}

bool bbr_loss_is_congestion(const struct bbr *b, uint64_t lost, uint64_t of)
{
	/* Half as much again as the base leaves room for the spread within one round. */
	uint32_t chance = b->base_loss + b->base_loss / 2;

	if (severe(b, lost, of))
		return true;
	if (bbr_others_ignore_loss(b))
		return false;
	return above_share(b, lost, of, BBR_LOSS_THRESH + chance) && bbr_queue_beside_loss(b);
}

bool bbr_round_loss_is_congestion(const struct bbr *b)
{
	return bbr_loss_is_congestion(b, b->round_lost, b->round_acked + b->round_lost);
}

/*
 * What the path cannot lose more than, by what it lost of the packets that were sent slowly. A
 * policer loses none of those, so its losses at full rate are not mistaken for chance, made up for
 * and so kept up. Two standard deviations and the rule of three leave room for chance.
 */
static uint32_t slow_loss_bound(const struct bbr *b)
{
	uint64_t lost = b->slow_lost / b->cfg.packet_bytes;
	uint64_t total = (b->slow_acked + b->slow_lost) / b->cfg.packet_bytes;

	if (total == 0)
		return BBR_LOSS_MAX;
	return (uint32_t)bbr_min_u64(
		(lost + 2 * square_root(lost) + 3) * BBR_LOSS_ONE / total, BBR_LOSS_MAX);
}

bool bbr_sent_slowly(const struct bbr *b, tt_time sent_at)
{
	return sent_at >= b->slow_from && sent_at < b->slow_to;
}

void bbr_slow_begin(struct bbr *b, tt_time now)
{
	b->slow_acked = b->slow_acked * 3 / 4;
	b->slow_lost = b->slow_lost * 3 / 4;
	b->slow_from = now;
	b->slow_to = TT_TIME_NEVER;
}

void bbr_slow_end(struct bbr *b, tt_time now)
{
	b->slow_to = tt_time_min(b->slow_to, now);
}

uint32_t bbr_lost_share(uint64_t acked, uint64_t lost)
{
	return acked + lost ? (uint32_t)(lost * BBR_LOSS_ONE / (acked + lost)) : 0;
}

static void fade(const struct bbr *b, uint64_t *acked, uint64_t *lost)
{
	if (*acked + *lost <= (uint64_t)BASE_LOSS_MEMORY * b->cfg.packet_bytes)
		return;
	*acked = *acked * 7 / 8;
	*lost = *lost * 7 / 8;
}

/*
 * What a round lost that shows no queue is what the path always loses. A queue only adds to that:
 * all rounds together bound it, or one that was too high from the few packets of Startup would be
 * made up for with a queue that keeps the path from being seen without one.
 */
static void update_base_loss(struct bbr *b)
{
	b->all_acked += b->round_acked;
	b->all_lost += b->round_lost;
	if (!b->bw_probe_sample && !bbr_queue_beside_loss(b) && !bbr_round_loss_is_congestion(b)) {
		b->base_acked += b->round_acked;
		b->base_lost += b->round_lost;
	}
	uint64_t bound = bbr_min_u64(bbr_lost_share(b->all_acked, b->all_lost), slow_loss_bound(b));
	b->base_loss = (uint32_t)bbr_min_u64(bbr_lost_share(b->base_acked, b->base_lost), bound);
	fade(b, &b->base_acked, &b->base_lost);
	fade(b, &b->all_acked, &b->all_lost);
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

/* 5.5.10.3 */
static void adapt_short_term(struct bbr *b)
{
	b->bw_shortterm = bbr_min_u64(b->bw_shortterm, b->max_bw);
	b->bw_shortterm = bbr_max_u64(b->bw_latest, bbr_scale(b->bw_shortterm, BBR_BETA));
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
	uint64_t expected = b->bw * tt_time_since(now, b->extra_acked_start) / BBR_US_PER_S;

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
	bbr_queue_update(b, rs);
	update_latest_signals(b, rs);
	update_max_bw(b, rs);
	b->round_acked += rs->newly_acked;
	if (bbr_sent_slowly(b, rs->sent_at))
		b->slow_acked += rs->newly_acked;
	if (b->round_start) {
		update_base_loss(b);
		bbr_queue_round(b, now);
		/* Who answers the losses that each probe of others brings gets what they leave. */
		if (!is_probing(b) && !bbr_others_ignore_loss(b) && bbr_round_loss_is_congestion(b))
			adapt_short_term(b);
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
