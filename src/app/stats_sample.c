/* Rates, round trip times and connections of the last second. */
#include "stats.h"
#include "stats_int.h"

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
	char *text = NULL;
	size_t len = 0, at;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	if (opened)
		fprintf(f, "%llu connection%s opened", (unsigned long long)opened,
			opened == 1 ? "" : "s");
	at = (size_t)ftell(f);
	put_ended(f, last, now);
	if (fclose(f) == 0 && len > 0)
		stats_event(p->app, "connections", p, "%.*s%s%s", (int)at, text,
			at && text[at] ? "; " : "", text + at);
	free(text);
}

static void sample_peer(struct peer *p, tt_time now, bool probe)
{
	struct peer_second *last = &p->second;
	struct session_stats s;
	struct link_stats l;

	session_sample(p->session, now);
	session_stats(p->session, &s);
	link_stats(session_link(p->session), &l);
	tell_connections(p, &s);
	if (l.srtt_us && l.packets_received != last->packets)
		tt_histogram_add(&p->rtt, l.srtt_us);
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
		.ok = s.ok,
	};
	memcpy(last->reasons, s.reasons, sizeof(last->reasons));
	if (probe && p->path != TOXNET_PATH_NONE)
		link_probe(session_link(p->session));
}

void stats_sample(struct app *app, bool probe)
{
	for (struct peer *p = app->peers; p; p = p->hh.next)
		sample_peer(p, app_now(app), probe);
}
