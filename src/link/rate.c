#include "rate.h"

#define US_PER_S 1000000u

/* Shortest train, in bytes and as a share of the RTT: enough ACKs that the grain of their arrival
 * (batches, timers) is small beside the time they take. */
#define TRAIN_BYTES (16u * 1400u)
#define TRAIN_RTT_SHARE 8u

static uint32_t clamp_u32(uint64_t v)
{
	return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

void rate_init(struct rate *r, tt_time now)
{
	*r = (struct rate){.delivered_at = now, .first_sent_at = now};
}

/* Section 4.1.2.2. With nothing in flight the interval starts now: the time before was idle. */
void rate_on_sent(struct rate *r, struct rate_snapshot *out, uint32_t len, uint32_t inflight_before,
	tt_time now)
{
	if (inflight_before == 0) {
		r->first_sent_at = r->delivered_at = now;
		r->train_open = false;
	}
	*out = (struct rate_snapshot){
		.delivered = r->delivered,
		.lost = r->lost,
		.sent_at = now,
		.send_us = clamp_u32(tt_time_since(now, r->first_sent_at)),
		.ack_us = clamp_u32(tt_time_since(now, r->delivered_at)),
		.inflight = clamp_u32((uint64_t)inflight_before + len),
		.app_limited = r->app_limited_until != 0,
	};
}

/* Section 4.1.2.3. The newest packet stands for the event: its snapshot is the most recent one. */
void rate_on_acked(struct rate *r, struct rate_sample *rs, const struct rate_snapshot *s,
	uint32_t len, bool exact, tt_time now)
{
	tt_time rtt = tt_time_since(now, s->sent_at);
	bool first = rs->sent_at == 0;

	if (rtt == 0)
		rtt = 1; /* 0 means that there is none */
	if (exact && (rs->rtt_us == 0 || rtt < rs->rtt_us))
		rs->rtt_us = rtt;
	if (exact && s->sent_at >= rs->newest_rtt_sent_at) {
		rs->newest_rtt_us = rtt;
		rs->newest_rtt_sent_at = s->sent_at;
	}
	r->delivered += len;
	r->delivered_at = now;
	rs->newly_acked += len;
	if (!first && s->sent_at < rs->sent_at)
		return;
	rs->sent_at = s->sent_at;
	rs->prior_delivered = s->delivered;
	rs->prior_lost = s->lost;
	rs->tx_inflight = s->inflight;
	rs->app_limited = s->app_limited;
	rs->send_us = s->send_us;
	rs->ack_us = rtt + s->ack_us;
	r->first_sent_at = s->sent_at;
}

void rate_on_repeat_acked(struct rate *r, struct rate_sample *rs, uint32_t len, tt_time now)
{
	r->delivered += len;
	r->delivered_at = now;
	rs->newly_acked += len;
}

void rate_on_lost(struct rate *r, struct rate_sample *rs, uint32_t len)
{
	r->lost += len;
	if (rs)
		rs->newly_lost += len;
}

void rate_on_spurious(struct rate *r, uint32_t len)
{
	r->lost = r->lost > len ? r->lost - len : 0;
}

static uint64_t per_second(uint64_t bytes, tt_time us)
{
	return us ? bytes * US_PER_S / us : 0;
}

/*
 * A train is a run of packets acknowledged in a part of a round trip. Sent faster than the average
 * of their round (a window is sent in bursts while it is still small), they tell more than that
 * average does: the path carries at least this much. What holds for a whole sample holds here too:
 * the longer one of both intervals counts.
 */
static uint64_t train_rate(
	struct rate *r, const struct rate_sample *rs, tt_time min_rtt, tt_time now)
{
	uint64_t bytes = r->delivered - r->train_delivered;
	tt_time acked_us = tt_time_since(now, r->train_acked_at);
	tt_time sent_us = tt_time_since(rs->sent_at, r->train_sent_at);
	uint64_t rate = 0;

	if (r->train_open) {
		if (rs->sent_at <= r->train_sent_at)
			return 0; /* overtaken by packets of the train before */
		if (bytes < TRAIN_BYTES || acked_us < min_rtt / TRAIN_RTT_SHARE)
			return 0;
		rate = per_second(bytes, acked_us > sent_us ? acked_us : sent_us);
	}
	r->train_open = true;
	r->train_delivered = r->delivered;
	r->train_sent_at = rs->sent_at;
	r->train_acked_at = now;
	return rate;
}

void rate_sample_finish(struct rate *r, struct rate_sample *rs, tt_time min_rtt, tt_time now)
{
	if (r->app_limited_until && r->delivered > r->app_limited_until)
		r->app_limited_until = 0;
	if (rs->sent_at == 0)
		return;
	rs->interval_us = rs->send_us > rs->ack_us ? rs->send_us : rs->ack_us;
	rs->delivered = r->delivered - rs->prior_delivered;
	rs->lost = r->lost > rs->prior_lost ? r->lost - rs->prior_lost : 0;
	rs->train_rate = train_rate(r, rs, min_rtt, now);
	if (rs->interval_us >= min_rtt)
		rs->delivery_rate = per_second(rs->delivered, rs->interval_us);
}

/* Section 4.1.2.4. At least 1, because 0 says that there is no bubble. */
void rate_app_limited(struct rate *r, uint32_t inflight)
{
	r->app_limited_until = r->delivered + inflight;
	if (r->app_limited_until == 0)
		r->app_limited_until = 1;
}
