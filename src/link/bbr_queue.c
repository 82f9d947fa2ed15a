/*
 * The queue at the bottleneck, seen in round trips: whether there is one, whose it is, and what
 * those do who fill it with us. The draft knows queues by loss alone.
 */
#include "bbr.h"
#include "bbr_int.h"

/* A queue shorter than this is noise; one that may stand longer is a queue. */
#define QUEUE_LIMIT_MIN TT_MS(2)
#define QUEUE_LIMIT_MAX TT_MS(6)
#define QUEUE_LIMIT_RTT_SHARE 16u
#define QUEUE_LIMIT_PACKETS 2u /* on a slow path a burst is not a queue */
#define QUEUE_ROUNDS 8u        /* in which a queue of ours gets shorter by a quarter at least */
#define FOREIGN_LIMITS 4u      /* a queue of so many limits at least is taken for somebody else's */
#define FLAT_ROUNDS 4u         /* with the same round trip are no queue, it seems */
/* Beside a loss less is enough. */
#define LOSS_QUEUE_MIN TT_MS(1)
#define LOSS_QUEUE_RTT_SHARE 32u
#define LOSS_QUEUE_PACKETS 2u
#define JITTER_FACTOR 2u /* times the mean difference of neighbours: the width of the noise */
#define JITTER_MEMORY 16u

/* Who fills a queue and heeds loss (Reno, CUBIC) makes it overflow once in so long, and there are
 * losses in this share of the rounds at most; who does not (the first BBR), all the time. */
#define HEEDED_LOSS_INTERVAL TT_S(20)
#define HEEDED_LOSS_ROUNDS BBR_GAIN(0.15)
#define LOSS_ROUNDS_MEMORY 32u

/* Beside those who do not heed it, with losses in more of the rounds than this, nor do we, as long
 * as we lose no more than eight flows of the first BBR lose to each other. Without that bound eight
 * of ours would take each other for such flows and lose a fifth. */
#define IGNORED_LOSS_ROUNDS BBR_GAIN(0.25)
#define IGNORED_LOSS_MAX BBR_LOSS(6)

/* A round trip that swings by itself may get longer by so many times the mean of its changes. */
#define SWING_FACTOR 3u
#define SWING_MEMORY 16u /* rounds */

static tt_time clamp_time(tt_time v, tt_time lo, tt_time hi)
{
	return v < lo ? lo : tt_time_min(v, hi);
}

/* Of about the last n values. */
static uint64_t mean_with(uint64_t mean, uint64_t value, uint32_t n)
{
	return mean - mean / n + value / n;
}

static tt_time packets_time(const struct bbr *b, uint32_t packets)
{
	return b->bw ? packets * (uint64_t)b->cfg.packet_bytes * BBR_US_PER_S / b->bw : 0;
}

tt_time bbr_queue_limit(const struct bbr *b)
{
	tt_time share = b->min_rtt / QUEUE_LIMIT_RTT_SHARE;
	return bbr_max_u64(clamp_time(share, QUEUE_LIMIT_MIN, QUEUE_LIMIT_MAX),
		packets_time(b, QUEUE_LIMIT_PACKETS));
}

static bool queue_above(const struct bbr *b, tt_time rtt, tt_time limit)
{
	return rtt > b->min_rtt + limit + JITTER_FACTOR * b->jitter;
}

/*
 * Does the round trip stay the same for rounds? A queue that somebody keeps up moves with what
 * everybody sends; a way that got longer does not.
 */
static void update_flatness(struct bbr *b)
{
	tt_time tolerance = bbr_min_rtt_tolerance(b->rtt_prev_min);
	tt_time low = tt_time_min(b->rtt_prev_min, b->flat_rtt);
	tt_time high = bbr_max_u64(b->rtt_prev_min, b->flat_rtt);

	if (b->rtt_prev_min == TT_TIME_NEVER || b->rtt_prev_min == 0)
		return;
	if (bbr_max_u64(high, b->rtt_prev_high) <= low + tolerance) {
		b->flat_rounds++;
		return;
	}
	b->flat_rounds = 0;
	b->flat_rtt = b->rtt_prev_min;
}

bool bbr_way_seems_longer(const struct bbr *b)
{
	return b->flat_rounds >= FLAT_ROUNDS &&
	       queue_above(b, b->flat_rtt, FOREIGN_LIMITS * bbr_queue_limit(b));
}

bool bbr_way_is_longer(const struct bbr *b)
{
	return bbr_way_seems_longer(b) &&
	       b->probe_rtt_min + bbr_min_rtt_tolerance(b->flat_rtt) >= b->flat_rtt;
}

/*
 * How much does the round trip rise and fall by itself, from round to round, while we send the
 * same? A way whose delay drifts (radio does that) takes less than was sent while it gets longer,
 * and gives it back when it gets shorter.
 */
static void update_swing(struct bbr *b)
{
	tt_time is = b->rtt_round_min, was = b->rtt_prev_min;

	if (b->state != BBR_CRUISE || is == TT_TIME_NEVER || was == TT_TIME_NEVER || was == 0)
		return;
	b->rtt_rise = mean_with(b->rtt_rise, tt_time_since(is, was), SWING_MEMORY);
	b->rtt_fall = mean_with(b->rtt_fall, tt_time_since(was, is), SWING_MEMORY);
}

/*
 * The queue is what the least of several round trips is above min_rtt; a single one may have been
 * delayed by anything. The mean difference between neighbours measures that anything: a queue
 * changes slowly and does not show in it. Packets that were overtaken do not count: of a burst that
 * was mixed up the late ones come last, which would look like a queue that grows.
 */
void bbr_queue_update(struct bbr *b, const struct rate_sample *rs)
{
	tt_time rtt = rs->newest_rtt_us;

	if (b->round_start) {
		update_swing(b);
		b->rtt_prev_min = b->rtt_round_min;
		b->rtt_prev_high = b->rtt_round_high;
		b->rtt_round_min = TT_TIME_NEVER;
		b->rtt_round_high = 0;
		update_flatness(b);
	}
	if (rtt == 0 || rs->newest_rtt_sent_at < b->rtt_sent_at)
		return;
	b->rtt_sent_at = rs->newest_rtt_sent_at;
	if (b->rtt_last) {
		tt_time d = rtt > b->rtt_last ? rtt - b->rtt_last : b->rtt_last - rtt;
		if (b->jitter_n < JITTER_MEMORY)
			b->jitter_n++;
		b->jitter = mean_with(b->jitter, d, b->jitter_n);
	}
	b->rtt_last = rtt;

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

bool bbr_queue_above(const struct bbr *b, tt_time limit)
{
	return queue_above(b, b->rtt_group, limit);
}

bool bbr_queue_rising(const struct bbr *b)
{
	return !b->queue_foreign && bbr_queue_above(b, bbr_queue_limit(b));
}

/* Seen in this round or in the one before, as losses are noticed late. */
bool bbr_queue_beside_loss(const struct bbr *b)
{
	tt_time limit = clamp_time(b->min_rtt / LOSS_QUEUE_RTT_SHARE, LOSS_QUEUE_MIN, TT_MS(5));
	limit = bbr_max_u64(limit, packets_time(b, LOSS_QUEUE_PACKETS));
	return queue_above(b, bbr_max_u64(b->rtt_round_high, b->rtt_prev_high), limit);
}

/* ---- others, who fill it with us ---- */

/*
 * Do those who fill the queue with us heed loss? Then it overflows now and then only. Round trips
 * that stay the same are no queue but a longer way.
 */
static void update_others(struct bbr *b, tt_time now)
{
	if (b->round_lost > 0)
		b->loss_at = now;
	if (b->state == BBR_DOWN || b->state == BBR_CRUISE)
		b->loss_rounds = (uint32_t)mean_with(
			b->loss_rounds, b->round_lost > 0 ? BBR_GAIN_ONE : 0, LOSS_ROUNDS_MEMORY);
	b->others_heed_loss = b->loss_at && now < b->loss_at + HEEDED_LOSS_INTERVAL &&
			      b->loss_rounds <= HEEDED_LOSS_ROUNDS && b->flat_rounds < FLAT_ROUNDS;
}

/* In the first round of ProbeBW_CRUISE the ACKs answer what was sent slowly in ProbeBW_DOWN. */
static bool settled(const struct bbr *b)
{
	return b->state == BBR_DOWN || b->phase_rounds >= 2;
}

/* What the path took in the last round is clearly less than what we meant to send. */
static bool falls_behind(const struct bbr *b)
{
	tt_time swing = SWING_FACTOR * tt_time_min(b->rtt_rise, b->rtt_fall);
	uint64_t sent = bbr_scale(bbr_scale(b->bw, b->pacing_gain), BBR_GAIN(0.96));

	return b->bw_latest + b->bw * swing / b->rtt_prev_min < sent;
}

/* A window that limits us makes room by itself as the queue grows. */
static bool can_make_room(const struct bbr *b)
{
	return !b->queue_foreign ||
	       (b->others_heed_loss && !b->cwnd_limited && !b->cwnd_limited_prev);
}

/*
 * A queue stands when a whole round never came down to the empty path's round trip though it was
 * not probed. While the path takes less than is sent, max_bw is of the past: the path, or our share
 * of it, got slower, and ProbeBW_UP will find it when it comes back. But when the queue does not
 * get shorter either, it is kept up by somebody else, and to step back further would only make
 * room for that, unless he heeds loss: he grows as long as the queue does not overflow, and what we
 * leave him is how a faster flow of ours and a slower one of his become equal.
 */
static void update_standing_queue(struct bbr *b)
{
	if (!queue_above(b, b->rtt_prev_min, bbr_queue_limit(b))) {
		b->queue_rounds = 0;
		b->queue_foreign = false;
		return;
	}
	if (b->queue_rounds++ % QUEUE_ROUNDS == 0) {
		tt_time was = tt_time_since(b->queue_rtt, b->min_rtt);
		tt_time is = tt_time_since(b->rtt_prev_min, b->min_rtt);
		b->queue_rtt = b->rtt_prev_min;
		if (b->queue_rounds > 1 && is > was * 3 / 4 && !b->queue_foreign &&
			queue_above(b, b->rtt_prev_min, FOREIGN_LIMITS * bbr_queue_limit(b))) {
			b->queue_foreign = true;
			if (!b->others_heed_loss)
				bbr_max_bw_set(b, b->max_bw_slot[0], b->queue_bw);
		}
		if (!b->queue_foreign)
			b->queue_bw = b->max_bw; /* it helped: the lower rate is right */
	}
	if (can_make_room(b) && settled(b) && falls_behind(b)) {
		uint64_t bw = bbr_max_u64(b->bw_latest, bbr_scale(b->max_bw, BBR_BETA));
		bbr_max_bw_set(
			b, bbr_min_u64(b->max_bw_slot[0], bw), bbr_min_u64(b->max_bw_slot[1], bw));
	}
}

bool bbr_others_ignore_loss(const struct bbr *b)
{
	return b->queue_foreign && b->loss_rounds > IGNORED_LOSS_ROUNDS &&
	       bbr_lost_share(b->all_acked, b->all_lost) < IGNORED_LOSS_MAX;
}

void bbr_queue_round(struct bbr *b, tt_time now)
{
	update_others(b, now);
	if (b->state == BBR_DOWN || b->state == BBR_CRUISE)
		update_standing_queue(b);
}
