#include "rack.h"

#define MIN_RTT_WINDOW TT_S(30)
#define LATE_ROUNDS 16u
#define LATE_PERIOD_MIN TT_MS(200)
#define PROBE_BACKOFF_MAX 16u
/* ACKs of several streams share packets in any order: so little is no sign of reordering. */
#define LATE_SHARE 8u

void rack_init(struct rack *r)
{
	*r = (struct rack){0};
}

void rack_reset(struct rack *r)
{
	rack_init(r);
}

/* RFC 6298, section 2. */
static void rtt_sample(struct rack *r, tt_time rtt, tt_time now)
{
	if (r->srtt_us == 0) {
		r->srtt_us = rtt;
		r->rttvar_us = rtt / 2;
	} else {
		tt_time delta = rtt > r->srtt_us ? rtt - r->srtt_us : r->srtt_us - rtt;
		r->rttvar_us = (3 * r->rttvar_us + delta) / 4;
		r->srtt_us = (7 * r->srtt_us + rtt) / 8;
	}
	if (r->srtt_us == 0)
		r->srtt_us = 1; /* 0 means "no sample" */
	if (r->min_rtt_us == 0 || rtt <= r->min_rtt_us || now - r->min_rtt_at > MIN_RTT_WINDOW) {
		r->min_rtt_us = rtt ? rtt : 1;
		r->min_rtt_at = now;
	}
}

static void note_late(struct rack *r, tt_time late, tt_time now)
{
	tt_time period = LATE_ROUNDS * r->srtt_us;
	if (period < LATE_PERIOD_MIN)
		period = LATE_PERIOD_MIN;
	if (now - r->late_since > 2 * period)
		r->late_us[0] = r->late_us[1] = 0;
	if (now - r->late_since > period) {
		r->late_us[1] = r->late_us[0];
		r->late_us[0] = 0;
		r->late_since = now;
	}
	if (late > r->late_us[0])
		r->late_us[0] = late;
}

void rack_on_acked(struct rack *r, const struct rack_acked *a, tt_time now)
{
	tt_time rtt = tt_time_since(now, a->sent);

	r->probes = 0;
	/* RFC 8985, 6.2 step 2: quicker than any round trip, so an earlier transmission arrived. */
	if (a->ambiguous && rtt < r->min_rtt_us)
		return;
	if (a->exact)
		rtt_sample(r, rtt, now);
	if (!r->valid || (int32_t)(a->number - r->number) > 0) {
		r->valid = true;
		r->number = a->number;
		r->rtt_us = rtt;
		r->at = now;
		note_late(r, 0, now);
	} else if (a->exact && now > r->at && rtt > r->rtt_us + r->min_rtt_us / LATE_SHARE) {
		note_late(r, rtt - r->rtt_us, now);
	}
}

void rack_on_late(struct rack *r, tt_time rtt_us, tt_time now)
{
	/* A round trip like any other. On a path that is slower than the first probe waits, where
	 * everything is repeated, it is the only kind that there is. */
	r->probes = 0;
	rtt_sample(r, rtt_us, now);
	if (rtt_us > r->rtt_us)
		note_late(r, rtt_us - r->rtt_us, now);
}

/* RFC 8985, 6.2 step 4, with the measured lateness and a quarter of it more. */
static tt_time reorder_window(const struct rack *r)
{
	tt_time late = r->late_us[0] > r->late_us[1] ? r->late_us[0] : r->late_us[1];
	tt_time w = r->min_rtt_us / 4;
	if (w < late + late / 4)
		w = late + late / 4;
	return w < r->srtt_us ? w : r->srtt_us;
}

tt_time rack_lost_at(const struct rack *r, uint32_t number, tt_time sent)
{
	int32_t overtaken = (int32_t)(r->number - number);

	if (!r->valid || overtaken <= 0)
		return TT_TIME_NEVER;
	if (overtaken >= (int32_t)RACK_DUPTHRESH && r->late_us[0] == 0 && r->late_us[1] == 0)
		return 0;
	return sent + r->rtt_us + reorder_window(r);
}

tt_time rack_probe_at(const struct rack *r, tt_time sent)
{
	tt_time srtt = r->srtt_us ? r->srtt_us : RACK_RTT_INIT;
	tt_time var = r->srtt_us ? 4 * r->rttvar_us : RACK_RTT_INIT / 2;
	tt_time wait = srtt + (var > RACK_ACK_DELAY ? var : RACK_ACK_DELAY);
	tt_time max = wait > RACK_PROBE_MAX ? wait : RACK_PROBE_MAX;

	for (unsigned i = 0; i < r->probes && wait < max; i++)
		wait *= 2;
	return sent + tt_time_min(wait, max);
}

void rack_on_probe(struct rack *r)
{
	if (r->probes < PROBE_BACKOFF_MAX)
		r->probes++;
}
