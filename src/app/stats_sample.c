/* Rates, round trip times and connections of the last second. */
#include "stats.h"
#include "stats_history.h"
#include "stats_int.h"
#include "text.h"

#include <stdlib.h>

static uint64_t rate(uint64_t bytes, tt_time us)
{
	return us ? bytes * TT_S(1) / us : 0;
}

static void put_ended(FILE *f, const struct peer_second *last, const struct session_stats *now)
{
	const char *before = "ended: ";

	for (int r = 1; r < REASON_COUNT; r++) {
		uint64_t n = now->reasons[r] - last->reasons[r];
		if (n == 0)
			continue;
		fprintf(f, "%s%llu %s", before, (unsigned long long)n,
			reason_name((enum close_reason)r));
		before = ", ";
	}
}

/* However many there were, they are one event. */
static void tell_connections(const struct peer *p, const struct session_stats *now)
{
	const struct peer_second *last = &p->second;
	uint64_t opened = now->ok - last->ok;
	struct text t;
	FILE *f = text_open(&t);

	if (!f)
		return;
	if (opened)
		fprintf(f, "%llu connection%s opened", (unsigned long long)opened,
			opened == 1 ? "" : "s");
	size_t at = (size_t)ftell(f);
	put_ended(f, last, now);
	char *text = text_close(&t);
	if (text && text[0])
		stats_event(p->app, "connections", p, "%.*s%s%s", (int)at, text,
			at && text[at] ? "; " : "", text + at);
	free(text);
}

/* The fixed modes do not tell a lost segment from one that was only repeated. */
static uint64_t lost(const struct link_stats *l)
{
	if (!l->state[0])
		return l->segs_retransmitted;
	return l->segs_lost > l->segs_spurious ? l->segs_lost - l->segs_spurious : 0;
}

static uint32_t grown(uint64_t now, uint64_t before)
{
	uint64_t n = now > before ? now - before : 0;
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* What differs from the second before; nothing is kept of a peer that was never online. */
static void remember(struct peer *p, const struct peer_second *before, tt_time rtt_us)
{
	const struct peer_second *now = &p->second;
	struct stats_point point = {
		.at = now->at,
		.rate_in = grown(now->rate_in, 0),
		.rate_out = grown(now->rate_out, 0),
		.rtt_us = grown(rtt_us, 0),
		.sent = grown(now->segs_sent, before->segs_sent),
		.lost = grown(now->segs_lost, before->segs_lost),
		.repeated = grown(now->segs_repeated, before->segs_repeated),
		.online = p->path != TOXNET_PATH_NONE,
	};

	if (p->history || point.online)
		stats_history_add(&p->history, &point);
}

static void sample_peer(struct peer *p, tt_time now, bool probe)
{
	struct peer_second *last = &p->second, before = *last;
	struct session_stats s;
	struct link_stats l;

	session_sample(p->session, now);
	session_stats(p->session, &s);
	link_stats(session_link(p->session), &l);
	tell_connections(p, &s);
	tt_time rtt_us = l.packets_received != last->packets ? l.srtt_us : 0;
	if (rtt_us)
		tt_histogram_add(&p->rtt, rtt_us);
	tt_time us = tt_time_since(now, last->at);
	uint64_t in = l.payload_received + s.udp.bytes_received;
	uint64_t out = l.payload_sent + s.udp.bytes_sent;
	*last = (struct peer_second){
		.at = now,
		.in = in,
		.out = out,
		.packets = l.packets_received,
		.rate_in = rate(in - last->in, us),
		.rate_out = rate(out - last->out, us),
		.segs_sent = l.segs_sent,
		.segs_lost = lost(&l),
		.segs_repeated = l.segs_retransmitted,
		.ok = s.ok,
	};
	memcpy(last->reasons, s.reasons, sizeof(last->reasons));
	remember(p, &before, rtt_us);
	if (probe && p->path != TOXNET_PATH_NONE)
		link_probe(session_link(p->session));
}

void stats_sample(struct app *app, bool probe)
{
	app->sampled_at = app_now(app);
	for (struct peer *p = app->peers; p; p = p->hh.next)
		sample_peer(p, app->sampled_at, probe);
}
