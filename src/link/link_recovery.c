/*
 * Mode `auto`: what the path is asked to carry. Here meet the flight (what was sent), RACK-TLP
 * (what of it is lost), the delivery rate and BBR (how fast, how much), and the pacer (when).
 */
#include "link.h"
#include "link_int.h"

#include "tt_err.h"

/* So many probes in a row without an ACK: the path is taken to be dead, and only probes go out. */
#define SILENT_PROBES 2u
/* Packets of a probe: the newest segment, which shows all that was lost before it, and the oldest,
 * which is what the reader waits for. */
#define PROBE_PACKETS 2u

/* Round trips are measured by ACKs, which wait so long for more of them; what acknowledges by the
 * way, the head of a segment with data, does not. */
#define ACK_WAIT TT_MS(1)

/* What is known of a path is not what it is like any more after this. */
#define AWAY_MAX TT_S(10)

/* Of the pace, so many parts at most are given away for each one that segments get. */
#define FOREIGN_SHARE 3u

/* How long to wait when a segment may go out and cannot. */
#define STARVED_RETRY TT_MS(50)
/* Records that an idle link keeps room for. */
#define FLIGHT_KEEP 1024u

struct link_tx {
	struct kcp_tx tx; /* first: the flight knows only this */
	struct rate_snapshot snap;
	uint8_t model;    /* number of that which snap is of */
	uint64_t foreign; /* foreign_sent of the link when it was sent */
};

void link_recovery_init(struct link *l, tt_time now)
{
	kcp_flight_init(&l->flight, sizeof(struct link_tx), l->mem);
	link_recovery_reset(l, now);
}

/* What belongs to no path. */
static void start_afresh(struct link *l)
{
	pacer_reset(&l->pacer);
	l->probe_credit = 0;
	l->foreign_passed = l->foreign_sent;
}

static void new_model(struct link *l, tt_time now)
{
	struct bbr_config cfg = {
		.packet_bytes = (uint32_t)l->packet_max,
		.initial_packets = LINK_INITIAL_WINDOW,
		.seed = l->bbr_seed++,
	};
	if (++l->models == 0)
		l->models = 1;
	l->m.number = l->models;
	rack_init(&l->m.rack);
	rate_init(&l->m.rate, now);
	bbr_init(&l->m.bbr, &cfg, now);
	twice_init(&l->m.twice, now);
	start_afresh(l);
}

void link_recovery_reset(struct link *l, tt_time now)
{
	l->away.number = 0;
	new_model(l, now);
}

bool link_recovery_switch(struct link *l, tt_time now)
{
	struct link_model back = l->away;
	bool known = back.number != 0 && now - l->away_since <= AWAY_MAX;

	l->away = l->m;
	l->away_since = now;
	if (!known) {
		new_model(l, now);
		return false;
	}
	l->m = back;
	l->m.rack.probes = 0;
	/* The time that the other path was used belongs to no sample of this one's rate. */
	rate_app_limited(&l->m.rate, (uint32_t)l->flight.bytes);
	start_afresh(l);
	return true;
}

static bool silent(const struct link *l)
{
	return l->m.rack.probes >= SILENT_PROBES;
}

/*
 * Bytes that may be in flight. Behind a relay there is TCP, which takes what it cannot send into
 * buffers of its own, and drops or stops for seconds when those are full (a burst of about 90
packets is enough). So there the window follows the product of rate and round trip closely.
 *
 * It is never less than what a relay always takes: some, as tox-bootstrapd, sleep between their
 * rounds, and the least round trip is that of the luckiest packet, a tenth of the usual one.
 */
static uint64_t window(const struct link *l)
{
	uint64_t cwnd = bbr_cwnd(&l->m.bbr);

	if (l->path != LINK_RELAYED)
		return cwnd;
	uint64_t bdp = bbr_bandwidth(&l->m.bbr) * l->m.rack.min_rtt_us / TT_S(1);
	uint64_t most = bdp + bdp / 4, least = (uint64_t)LINK_WINDOW_RELAYED * l->packet_max;
	if (cwnd < least && !bbr_probes_rtt(&l->m.bbr))
		cwnd = least;
	most = most > least ? most : least;
	return cwnd < most ? cwnd : most;
}

/* With nothing in flight there is nothing whose ACK or time-out could open it again. */
static bool window_open(const struct link *l)
{
	return l->flight.count == 0 || (!silent(l) && l->flight.bytes < window(l));
}

bool link_may_send_data(const struct link *l, tt_time now)
{
	if (l->mode != TT_MODE_AUTO)
		return l->inflight < l->window;
	if (now < l->starved_until)
		return false;
	return l->probe_credit > 0 || (window_open(l) && pacer_may_send(&l->pacer, now));
}

tt_time link_may_send_data_at(const struct link *l)
{
	if (l->mode != TT_MODE_AUTO)
		return l->inflight < l->window ? 0 : TT_TIME_NEVER;
	tt_time at = TT_TIME_NEVER;
	if (l->probe_credit > 0)
		at = 0;
	else if (window_open(l))
		at = pacer_at(&l->pacer);
	return at > l->starved_until ? at : l->starved_until;
}

/* A relay's TCP loses nothing by chance: what it drops, it has no room for. */
static void copy_later(struct link *l, const struct kcp_tx *t, tt_time now)
{
	if (l->path == LINK_DIRECT && kcp_send_pending(t->owner) <= TWICE_SPARSE)
		twice_on_sparse(&l->m.twice, kcp_conv(t->owner), t->sn, now);
}

size_t link_output_copies(struct link *l, uint8_t *dst, size_t cap, tt_time now)
{
	struct twice_copy c;
	size_t n = 0;

	while (twice_take(&l->m.twice, &c, now)) {
		struct link_stream *s = link_stream_find(l, c.conv);
		if (!s || silent(l) || !twice_may_spend(&l->m.twice, now))
			continue;
		size_t got = kcp_output_copy(s->kcp, c.sn, dst + n, cap - n, now);
		if (got == 0)
			continue; /* it has arrived */
		twice_spend(&l->m.twice, got);
		l->sum.segs_copied++;
		l->sum.bytes_copied += got;
		n += got;
	}
	return n;
}

void link_on_data_sent(struct link *l, uint32_t first, tt_time now)
{
	struct kcp_flight *f = &l->flight;
	size_t bytes = 0, inflight = f->bytes;

	for (uint32_t n = first; n != f->next; n++)
		inflight -= kcp_flight_at(f, n)->bytes;
	if (inflight == 0) /* nothing was there to tell what became of them */
		l->foreign_passed = l->foreign_sent;
	for (uint32_t n = first; n != f->next; n++) {
		struct link_tx *t = (struct link_tx *)kcp_flight_at(f, n);
		t->foreign = l->foreign_sent;
		t->model = l->m.number;
		rate_on_sent(&l->m.rate, &t->snap, t->tx.bytes, (uint32_t)inflight, now);
		bbr_on_sent(&l->m.bbr, &l->m.rate, (uint32_t)inflight, now);
		inflight += t->tx.bytes;
		bytes += t->tx.bytes;
		copy_later(l, &t->tx, now);
	}
	l->foreign_charged = 0;
	if (l->probe_credit > 0)
		l->probe_credit--;
	pacer_on_sent(
		&l->pacer, bytes, bbr_pacing_rate(&l->m.bbr), bbr_send_quantum(&l->m.bbr), now);
}

/*
 * Charged to the pacer as a segment is, so that the streams leave room, but up to a share only: a
 * flood, or what is sent while the pace is a guess, must not make debts that the streams pay for.
 */
void link_on_foreign_sent(struct link *l, size_t len, tt_time now)
{
	size_t batch = bbr_send_quantum(&l->m.bbr);

	l->foreign_sent += len;
	if (l->mode != TT_MODE_AUTO || l->flight.count == 0 ||
		l->foreign_charged > FOREIGN_SHARE * batch)
		return;
	l->foreign_charged += len;
	pacer_on_sent(&l->pacer, len, bbr_pacing_rate(&l->m.bbr), batch, now);
}

void link_ran_dry(struct link *l, tt_time now)
{
	bool data = sched_has_data(&l->sched);

	if (!data && l->flight.bytes < window(l))
		rate_app_limited(&l->m.rate, (uint32_t)l->flight.bytes);
	if (!data || !window_open(l))
		pacer_idle(&l->pacer, now);
	if (data && link_may_send_data(l, now))
		l->starved_until = now + STARVED_RETRY; /* no memory, or the flight is full */
	if (l->flight.count == 0 && l->flight.cap > FLIGHT_KEEP)
		kcp_flight_trim(&l->flight);
}

/* Takes a transmission out of the flight; its segment is due to be repeated. */
static void give_up(struct link *l, const struct kcp_tx *t, uint32_t number, bool timeout)
{
	struct kcp *k = t->owner;

	kcp_lost(k, t->sn, number, timeout);
	link_stream_update(kcp_user(k));
}

/* `outage`: nothing got through for a while, which says nothing about the path's capacity. */
static void give_up_overtaken(struct link *l, struct rate_sample *rs, bool outage, tt_time now)
{
	struct kcp_tx *t;
	uint32_t number;

	while ((t = kcp_flight_oldest(&l->flight, &number)) &&
		rack_lost_at(&l->m.rack, number, t->sent) <= now) {
		const struct link_tx *lt = (const struct link_tx *)t;
		if (!outage && lt->model == l->m.number) {
			rate_on_lost(&l->m.rate, rs, t->bytes);
			bbr_on_loss(&l->m.bbr, &l->m.rate, &lt->snap, t->bytes, now);
			twice_on_lost(&l->m.twice);
		}
		l->sum.segs_lost++;
		give_up(l, t, number, false);
	}
}

/* What was given up and arrived after all. */
static void take_late(struct link *l, tt_time now)
{
	struct kcp_flight *f = &l->flight;

	if (f->late_us == 0)
		return;
	rack_on_late(&l->m.rack, f->late_us, now);
	rate_on_spurious(&l->m.rate, (uint32_t)f->late_bytes);
	bbr_on_spurious(&l->m.bbr, (uint32_t)f->late_bytes, now);
	twice_on_late(&l->m.twice, f->late_count);
	f->late_us = 0;
	f->late_bytes = 0;
	f->late_count = 0;
}

/* What was sent before a segment that has arrived has had its chance to arrive too. */
static void pass_foreign(
	struct link *l, const struct link_tx *t, struct rate_sample *rs, tt_time now)
{
	if (t->foreign <= l->foreign_passed)
		return;
	rate_on_repeat_acked(&l->m.rate, rs, (uint32_t)(t->foreign - l->foreign_passed), now);
	l->foreign_passed = t->foreign;
}

static void take_acked(struct link *l, const struct link_tx *t, uint32_t number,
	struct rate_sample *rs, tt_time now)
{
	enum kcp_tx_evidence evidence = (enum kcp_tx_evidence)t->tx.evidence;
	struct rack_acked a = {
		number, t->tx.sent, evidence == KCP_TX_EXACT, evidence == KCP_TX_ANY};

	if (t->model != l->m.number) { /* sent by another path: nothing is known of this one */
		l->m.rack.probes = 0;
		return;
	}
	if (evidence == KCP_TX_FORMER) { /* nothing is known of this transmission */
		rate_on_repeat_acked(&l->m.rate, rs, t->tx.bytes, now);
		return;
	}
	if (evidence == KCP_TX_COPY) {
		l->m.rack.probes = 0; /* the path answers */
		l->sum.segs_saved++;
		twice_on_lost(&l->m.twice);
		rate_on_repeat_acked(&l->m.rate, rs, t->tx.bytes, now);
		return;
	}
	twice_on_arrived(&l->m.twice);
	/* Sooner than any answer to the repeat can be: what it repeats had arrived. */
	if (a.ambiguous && now - t->tx.sent + ACK_WAIT < l->m.rack.min_rtt_us)
		kcp_flight_spurious(&l->flight, t->tx.bytes, now - t->tx.former);
	rack_on_acked(&l->m.rack, &a, now);
	if (a.ambiguous)
		rate_on_repeat_acked(&l->m.rate, rs, t->tx.bytes, now);
	else
		rate_on_acked(&l->m.rate, rs, &t->snap, t->tx.bytes, a.exact, now);
	if (!a.ambiguous)
		pass_foreign(l, t, rs, now);
}

void link_on_acks(struct link *l, tt_time now)
{
	struct kcp_flight *f = &l->flight;
	struct rate_sample rs = {0};
	const struct kcp_tx *t;
	bool outage = silent(l);
	uint32_t number;

	if (f->acked_count == 0 && f->late_us == 0)
		return;
	while ((t = kcp_flight_take_acked(f, &number)))
		take_acked(l, (const struct link_tx *)t, number, &rs, now);
	take_late(l, now);
	if (l->m.rack.srtt_us) /* else that of the probes stands */
		l->srtt_us = l->m.rack.srtt_us;
	give_up_overtaken(l, &rs, outage, now);
	rate_sample_finish(&l->m.rate, &rs, l->m.rack.min_rtt_us, now);
	bbr_on_ack(&l->m.bbr, &l->m.rate, &rs, (uint32_t)f->bytes, now);
}

tt_time link_recovery_deadline(struct link *l)
{
	uint32_t number;
	const struct kcp_tx *t = kcp_flight_oldest(&l->flight, &number);

	if (!t)
		return TT_TIME_NEVER;
	tt_time lost_at = rack_lost_at(&l->m.rack, number, t->sent);
	if (lost_at != TT_TIME_NEVER)
		return lost_at;
	return rack_probe_at(&l->m.rack, kcp_flight_newest(&l->flight, &number)->sent);
}

static void probe(struct link *l)
{
	uint32_t number;
	const struct kcp_tx *t = kcp_flight_newest(&l->flight, &number);

	rack_on_probe(&l->m.rack);
	l->sum.probes_sent++;
	give_up(l, t, number, true);
	if (!silent(l))
		twice_on_lost(&l->m.twice);
	t = kcp_flight_oldest(&l->flight, &number);
	if (t)
		give_up(l, t, number, true);
	l->probe_credit = PROBE_PACKETS;
}

void link_recovery_on_deadline(struct link *l, tt_time now)
{
	struct rate_sample rs = {0};

	if (link_recovery_deadline(l) > now)
		return;
	give_up_overtaken(l, &rs, silent(l), now);
	if (link_recovery_deadline(l) <= now)
		probe(l);
}

void link_recovery_stats(const struct link *l, struct link_stats *out)
{
	out->state = "";
	if (l->mode != TT_MODE_AUTO)
		return;
	out->state = bbr_state_name(&l->m.bbr);
	out->segs_spurious = l->flight.spurious;
	out->pacing_rate = bbr_pacing_rate(&l->m.bbr);
	out->delivery_rate = bbr_bandwidth(&l->m.bbr);
	out->cwnd_bytes = window(l);
	out->inflight_bytes = l->flight.bytes;
	out->min_rtt_us = l->m.rack.min_rtt_us;
	out->window = (uint32_t)(out->cwnd_bytes / l->packet_max);
}
