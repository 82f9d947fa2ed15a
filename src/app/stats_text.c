/* /stats: lines for a human, stable enough for a script. */
#include "stats.h"
#include "stats_int.h"
#include "status_int.h"
#include "text.h"

#include <stdio.h>

static double ratio(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1024.0 * 1024.0);
}

static void put_self(FILE *f, const struct app *app, const struct stats_totals *t)
{
	char hex[TT_TOXID_HEX + 1];
	uint8_t id[TT_TOXID_LEN];

	toxnet_self_id(app->tn, id);
	fprintf(f, "toxtun %s\n", stats_role(app));
	fprintf(f, "mode            %s\n", tt_mode_name(app->conf->mode));
	fprintf(f, "uptime          %.0f s\n",
		(double)tt_time_since(app_now(app), app->started_at) / 1e6);
	fprintf(f, "tox id          %s\n", tt_hex_encode(id, TT_TOXID_LEN, hex));
	fprintf(f, "self            %s, %llu drops\n", peer_path_name(toxnet_self_path(app->tn)),
		(unsigned long long)t->tox.self_drops);
	fprintf(f, "peers           %zu online of %u, %llu drops\n", t->peers_online,
		HASH_COUNT(app->peers), (unsigned long long)t->peer_drops);
}

static void put_limits(FILE *f, const struct session_stats *s, uint64_t requests)
{
	fprintf(f, "limits hit     ");
	for (int l = 0; l < LIMIT_COUNT; l++) {
		if (s->limits[l])
			fprintf(f, " %s %llu", session_limit_name((enum session_limit)l),
				(unsigned long long)s->limits[l]);
	}
	if (requests)
		fprintf(f, " requests %llu", (unsigned long long)requests);
	fprintf(f, "\n");
}

/* Only those reasons that there were. */
static void put_datagrams(FILE *f, const char *label, const struct session_stats *s)
{
	const struct dgram_stats *d = &s->udp;

	fprintf(f, "%s in %llu (%.3f MiB), out %llu (%.3f MiB), %zu flows of %llu, %llu err\n",
		label, (unsigned long long)d->received, mib(d->bytes_received),
		(unsigned long long)d->sent, mib(d->bytes_sent), d->flows,
		(unsigned long long)d->flows_opened, (unsigned long long)s->flows_failed);
	for (int i = 0; i < DGRAM_DROP_COUNT; i++) {
		if (d->dropped[i])
			fprintf(f, "%s dropped %s %llu\n", label,
				dgram_drop_name((enum dgram_drop)i),
				(unsigned long long)d->dropped[i]);
	}
}

static void put_totals(FILE *f, const struct app *app, const struct stats_totals *t)
{
	const struct session_stats *s = &t->sessions;
	const struct link_stats *l = &t->links;

	fprintf(f, "\nconnections     %llu total, %llu ok, %llu err, %zu active\n",
		(unsigned long long)s->opened, (unsigned long long)s->ok,
		(unsigned long long)s->failed, s->active);
	fprintf(f, "close reasons  ");
	for (int r = 1; r < REASON_COUNT; r++) {
		if (s->reasons[r])
			fprintf(f, " %s %llu", reason_name((enum close_reason)r),
				(unsigned long long)s->reasons[r]);
	}
	fprintf(f, "\ndata streams    payload in %.3f MiB, out %.3f MiB\n",
		mib(l->payload_received), mib(l->payload_sent));
	fprintf(f, "network         in %.3f MiB, out %.3f MiB, overhead in %.3f, out %.3f\n",
		mib(l->network_received), mib(l->network_sent),
		ratio(l->network_received, l->payload_received),
		ratio(l->network_sent, l->payload_sent));
	put_datagrams(f, "udp datagrams  ", s);
	put_limits(f, s, app->limited_requests);
	fprintf(f, "memory          %.1f MiB resident, %.1f MiB heap\n", mib(t->rss_bytes),
		mib(t->heap_bytes));
	fprintf(f, "process         %.2f s cpu, %zu fds\n", t->cpu_seconds, t->fds);
}

static void put_peer(FILE *f, const struct peer *p)
{
	struct status_peer st;
	const struct session_stats *s = &st.session;
	const struct link_stats *l = &st.link;
	char hex[TT_KEY_HEX + 1];

	status_gather(&st, p);
	fprintf(f, "\npeer %s%s%s\n", tt_hex_encode(p->key, TT_KEY_LEN, hex), p->name[0] ? " " : "",
		p->name);
	fprintf(f, "  path          %s%s, %llu drops\n", peer_path_name(p->path),
		p->path != TOXNET_PATH_NONE && !s->online ? " (no answer yet)" : "",
		(unsigned long long)p->drops);
	fprintf(f, "  rtt           %.3f ms\n", (double)l->srtt_us / 1e3);
	fprintf(f, "  retransmitted %.2f %% of %llu segments\n",
		100 * ratio(l->segs_retransmitted, l->segs_sent), (unsigned long long)l->segs_sent);
	fprintf(f, "  window        %u segments, %u in flight\n", l->window, l->inflight);
	if (l->state[0])
		fprintf(f,
			"  congestion    %s, pacing %.3f MB/s, delivery %.3f MB/s, min rtt %.3f "
			"ms\n",
			l->state, (double)l->pacing_rate / 1e6, (double)l->delivery_rate / 1e6,
			(double)l->min_rtt_us / 1e3);
	fprintf(f, "  queued        %zu bytes\n", l->queued_bytes);
	fprintf(f, "  payload       in %.3f MiB, out %.3f MiB\n", mib(l->payload_received),
		mib(l->payload_sent));
	fprintf(f, "  connections   %llu total, %llu ok, %llu err, %zu active\n",
		(unsigned long long)s->opened, (unsigned long long)s->ok,
		(unsigned long long)s->failed, s->active);
	put_datagrams(f, "  datagrams    ", s);
}

char *stats_text(const struct app *app)
{
	struct stats_totals t;
	struct text text;
	FILE *f = text_open(&text);

	if (!f)
		return NULL;
	stats_gather(app, &t);
	put_self(f, app, &t);
	put_totals(f, app, &t);
	for (const struct peer *p = app->peers; p; p = p->hh.next)
		put_peer(f, p);
	return text_close(&text);
}
