/*
 * /metrics in the text format of Prometheus, version 0.0.4: base units (seconds, bytes), _total for
 * what only grows. The label `peer` is a name of our own configuration or the whole key: Prometheus
 * refuses all of a page with two equal series, and a peer must not be able to make them.
 */
#include "forward.h"
#include "stats_int.h"
#include "status_int.h"
#include "text.h"
#include "version.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Sums over all peers, those that are gone too; and the same of one peer. */
struct metric {
	const char *name; /* without its beginning */
	const char *type, *help;
	size_t offset, size; /* of an unsigned number */
	double scale;        /* to the base unit */
};

#define TOTAL(field) offsetof(struct stats_totals, field), sizeof(((struct stats_totals *)0)->field)
#define PEER(field) offsetof(struct status_peer, field), sizeof(((struct status_peer *)0)->field)
#define US 1e-6

static const struct metric totals[] = {
	{"connections_requested_total", "counter", "Connections asked for, by either side.",
		TOTAL(sessions.opened), 1},
	{"connections_opened_total", "counter", "Connections that were opened.", TOTAL(sessions.ok),
		1},
	{"connections_failed_total", "counter", "Connections that failed before they were open.",
		TOTAL(sessions.failed), 1},
	{"connections", "gauge", "Connections that are not closed.", TOTAL(sessions.active), 1},
	{"peers_online", "gauge", "Peers that are online.", TOTAL(peers_online), 1},
	{"payload_received_bytes_total", "counter", "Bytes of connections from peers.",
		TOTAL(links.payload_received), 1},
	{"payload_sent_bytes_total", "counter", "Bytes of connections to peers.",
		TOTAL(links.payload_sent), 1},
	{"network_received_bytes_total", "counter", "Bytes of IP packets from peers.",
		TOTAL(links.network_received), 1},
	{"network_sent_bytes_total", "counter", "Bytes of IP packets to peers.",
		TOTAL(links.network_sent), 1},
	{"udp_flows", "gauge", "UDP flows.", TOTAL(sessions.udp.flows), 1},
	{"udp_received_datagrams_total", "counter", "Datagrams of UDP forwards from peers.",
		TOTAL(sessions.udp.received), 1},
	{"udp_sent_datagrams_total", "counter", "Datagrams of UDP forwards to peers.",
		TOTAL(sessions.udp.sent), 1},
	{"udp_received_bytes_total", "counter", "Bytes of these datagrams from peers.",
		TOTAL(sessions.udp.bytes_received), 1},
	{"udp_sent_bytes_total", "counter", "Bytes of these datagrams to peers.",
		TOTAL(sessions.udp.bytes_sent), 1},
	{"malformed_packets_total", "counter", "Packets of peers that were refused.",
		TOTAL(links.malformed), 1},
	{"network_drops_total", "counter", "How often this machine lost the Tox network.",
		TOTAL(tox.self_drops), 1},
	{"socket_received_packets_total", "counter", "Datagrams of the Tox socket that came in.",
		TOTAL(tox.udp_packets_received), 1},
	{"socket_sent_packets_total", "counter", "Datagrams of the Tox socket that went out.",
		TOTAL(tox.udp_packets_sent), 1},
	{"socket_received_bytes_total", "counter", "Bytes of their IP packets that came in.",
		TOTAL(tox.udp_bytes_received), 1},
	{"socket_sent_bytes_total", "counter", "Bytes of their IP packets that went out.",
		TOTAL(tox.udp_bytes_sent), 1},
	{"socket_receive_calls_total", "counter", "System calls that took datagrams in.",
		TOTAL(tox.udp_receive_calls), 1},
	{"socket_send_calls_total", "counter", "System calls that put datagrams out.",
		TOTAL(tox.udp_send_calls), 1},
	{"heap_bytes", "gauge", "Memory that is allocated.", TOTAL(heap_bytes), 1},
};

static const struct metric of_peers[] = {
	{"offline_total", "counter", "How often the peer went offline.", PEER(drops), 1},
	{"restarts_total", "counter", "How often the peer's program was a new one.",
		PEER(session.restarts), 1},
	{"connections", "gauge", "Connections with the peer that are not closed.",
		PEER(session.active), 1},
	{"connections_opened_total", "counter", "Connections with the peer that were opened.",
		PEER(session.ok), 1},
	{"connections_failed_total", "counter", "Connections with the peer that failed.",
		PEER(session.failed), 1},
	{"smoothed_rtt_seconds", "gauge", "Round trip time, smoothed; 0: not known.",
		PEER(link.srtt_us), US},
	{"min_rtt_seconds", "gauge", "Shortest round trip time of the last seconds.",
		PEER(link.min_rtt_us), US},
	{"payload_received_bytes_total", "counter", "Bytes of connections from the peer.",
		PEER(link.payload_received), 1},
	{"payload_sent_bytes_total", "counter", "Bytes of connections to the peer.",
		PEER(link.payload_sent), 1},
	{"network_received_bytes_total", "counter", "Bytes of IP packets from the peer.",
		PEER(link.network_received), 1},
	{"network_sent_bytes_total", "counter", "Bytes of IP packets to the peer.",
		PEER(link.network_sent), 1},
	{"received_packets_total", "counter", "Packets from the peer.", PEER(link.packets_received),
		1},
	{"sent_packets_total", "counter", "Packets to the peer.", PEER(link.packets_sent), 1},
	{"sent_segments_total", "counter", "Segments with data that were sent, repeats included.",
		PEER(link.segs_sent), 1},
	{"retransmitted_segments_total", "counter", "Segments that were repeated.",
		PEER(link.segs_retransmitted), 1},
	{"lost_segments_total", "counter", "Segments taken for lost; mode auto.",
		PEER(link.segs_lost), 1},
	{"spurious_segments_total", "counter", "Segments repeated without need; mode auto.",
		PEER(link.segs_spurious), 1},
	{"queued_bytes", "gauge", "Bytes that the peer has not acknowledged.",
		PEER(link.queued_bytes), 1},
	{"cwnd_bytes", "gauge", "Bytes that may be in flight; mode auto.", PEER(link.cwnd_bytes),
		1},
	{"inflight_bytes", "gauge", "Bytes in flight; mode auto.", PEER(link.inflight_bytes), 1},
	{"pacing_bytes_per_second", "gauge", "Rate of sending; mode auto.", PEER(link.pacing_rate),
		1},
	{"delivery_bytes_per_second", "gauge", "Rate that the path carries; mode auto.",
		PEER(link.delivery_rate), 1},
};

static void put_family(
	FILE *f, const char *prefix, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, name, help, prefix, name, type);
}

static const char *label_of(const struct status_peer *p, char hex[TT_KEY_HEX + 1])
{
	return p->peer->name[0] ? p->peer->name : tt_hex_encode(p->peer->key, TT_KEY_LEN, hex);
}

/* In quotes, escaped as the format wants it. */
static void put_quoted(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', f);
		if (*text == '\n')
			fputs("\\n", f);
		else
			fputc(*text, f);
	}
	fputc('"', f);
}

static double value_of(const struct metric *m, const void *object)
{
	const char *at = (const char *)object + m->offset;
	uint64_t wide;
	uint32_t narrow;

	if (m->size == sizeof(wide)) {
		memcpy(&wide, at, sizeof(wide));
		return (double)wide * m->scale;
	}
	memcpy(&narrow, at, sizeof(narrow));
	return narrow * m->scale;
}

static void put_value(FILE *f, double v)
{
	fprintf(f, " %.17g\n", v);
}

static void put_simple(FILE *f, const char *name, const char *type, const char *help, double v)
{
	put_family(f, "", name, type, help);
	fputs(name, f);
	put_value(f, v);
}

/* One of a family's series, with a label or without. */
static void put_labelled(FILE *f, const char *name, const char *label, const char *text, double v)
{
	fprintf(f, "%s{%s=", name, label);
	put_quoted(f, text);
	fputc('}', f);
	put_value(f, v);
}

static void put_histogram(FILE *f, const char *name, const char *label, const char *text,
	const struct tt_histogram *h)
{
	uint64_t n = 0;

	for (unsigned i = 0; i <= TT_HISTOGRAM_BOUNDS; i++) {
		n += h->counts[i];
		fprintf(f, "%s_bucket{%s=", name, label);
		put_quoted(f, text);
		if (i < TT_HISTOGRAM_BOUNDS)
			fprintf(f, ",le=\"%g\"}", (double)tt_histogram_bound_us(i) * US);
		else
			fprintf(f, ",le=\"+Inf\"}");
		put_value(f, (double)n);
	}
	fprintf(f, "%s_sum{%s=", name, label);
	put_quoted(f, text);
	fputc('}', f);
	put_value(f, (double)h->sum_us * US);
	fprintf(f, "%s_count{%s=", name, label);
	put_quoted(f, text);
	fputc('}', f);
	put_value(f, (double)n);
}

static void put_process(FILE *f, const struct app *app, const struct stats_totals *t)
{
	double up = (double)tt_time_since(app_now(app), app->started_at) * US;

	put_family(f, "toxtun_", "build_info", "gauge", "Always 1.");
	fprintf(f, "toxtun_build_info{version=\"%s\",role=\"%s\",mode=\"%s\",io=\"%s\"} 1\n",
		TOXTUN_VERSION, stats_role(app), tt_mode_name(app->conf->mode),
		toxnet_io_level_name(t->tox.io_level));
	put_simple(f, "process_start_time_seconds", "gauge", "Start of the process, Unix time.",
		(double)loop_wall_us() * US - up);
	put_simple(f, "process_cpu_seconds_total", "counter", "Processor time, user and system.",
		t->cpu_seconds);
	put_simple(f, "process_resident_memory_bytes", "gauge", "Resident memory.",
		(double)t->rss_bytes);
	put_simple(f, "process_open_fds", "gauge", "Open descriptors.", (double)t->fds);
	put_simple(f, "toxtun_online", "gauge", "1: this machine is on the Tox network.",
		toxnet_self_path(app->tn) != TOXNET_PATH_NONE);
	put_simple(f, "toxtun_peers", "gauge", "Peers, online or not.", HASH_COUNT(app->peers));
	put_simple(f, "toxtun_friend_requests_refused_total", "counter",
		"Friend requests that were not accepted.", (double)app->refused_requests);
}

static void put_totals(FILE *f, const struct app *app, const struct stats_totals *t)
{
	const struct session_stats *s = &t->sessions;

	for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
		put_family(f, "toxtun_", totals[i].name, totals[i].type, totals[i].help);
		fprintf(f, "toxtun_%s", totals[i].name);
		put_value(f, value_of(&totals[i], t));
	}
	put_family(f, "toxtun_", "connections_closed_total", "counter", "Connections that ended.");
	for (int r = 1; r < REASON_COUNT; r++)
		put_labelled(f, "toxtun_connections_closed_total", "reason",
			reason_name((enum close_reason)r), (double)s->reasons[r]);
	put_family(f, "toxtun_", "udp_dropped_datagrams_total", "counter",
		"Datagrams of UDP forwards that went no further.");
	for (int d = 0; d < DGRAM_DROP_COUNT; d++)
		put_labelled(f, "toxtun_udp_dropped_datagrams_total", "reason",
			dgram_drop_name((enum dgram_drop)d), (double)s->udp.dropped[d]);
	put_family(
		f, "toxtun_", "limit_hits_total", "counter", "How often a limit held a peer back.");
	for (int l = 0; l < LIMIT_COUNT; l++)
		put_labelled(f, "toxtun_limit_hits_total", "limit",
			session_limit_name((enum session_limit)l), (double)s->limits[l]);
	put_labelled(
		f, "toxtun_limit_hits_total", "limit", "requests", (double)app->limited_requests);
	put_family(f, "toxtun_", "connect_duration_seconds", "histogram",
		"Time until a connection was open: ours at the peer, the peers' at their targets.");
	put_histogram(f, "toxtun_connect_duration_seconds", "side", "own", &s->connect_own);
	put_histogram(f, "toxtun_connect_duration_seconds", "side", "peer", &s->connect_peer);
}

static void put_tunnels(FILE *f, const struct app *app)
{
	if (!app->forwards)
		return;
	put_family(f, "toxtun_", "tunnel_listening", "gauge",
		"1: the tunnel listens, here or at its peers.");
	for (const struct forward *t = app->forwards; t; t = t->next)
		put_labelled(f, "toxtun_tunnel_listening", "tunnel", t->conf.name,
			stats_tunnel_works(app, t));
}

static void put_peer_paths(FILE *f, const struct status_peer *peers, size_t n)
{
	static const enum toxnet_path paths[] = {
		TOXNET_PATH_NONE, TOXNET_PATH_TCP, TOXNET_PATH_UDP};
	char key[TT_KEY_HEX + 1];

	put_family(f, "toxtun_peer_", "info", "gauge", "Always 1.");
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "toxtun_peer_info{key=\"%s\",peer=",
			tt_hex_encode(peers[i].peer->key, TT_KEY_LEN, key));
		put_quoted(f, label_of(&peers[i], key));
		fputs("} 1\n", f);
	}
	put_family(f, "toxtun_peer_", "path", "gauge", "1 for the way to the peer, 0 for others.");
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < sizeof(paths) / sizeof(paths[0]); j++) {
			fprintf(f, "toxtun_peer_path{path=\"%s\",peer=", peer_path_name(paths[j]));
			put_quoted(f, label_of(&peers[i], key));
			fprintf(f, "} %d\n", peers[i].peer->path == paths[j]);
		}
	}
}

static void put_peers(FILE *f, const struct status_peer *peers, size_t n)
{
	char name[64], key[TT_KEY_HEX + 1];

	put_peer_paths(f, peers, n);
	for (size_t m = 0; m < sizeof(of_peers) / sizeof(of_peers[0]); m++) {
		put_family(f, "toxtun_peer_", of_peers[m].name, of_peers[m].type, of_peers[m].help);
		snprintf(name, sizeof(name), "toxtun_peer_%s", of_peers[m].name);
		for (size_t i = 0; i < n; i++)
			put_labelled(f, name, "peer", label_of(&peers[i], key),
				value_of(&of_peers[m], &peers[i]));
	}
	put_family(f, "toxtun_peer_", "rtt_seconds", "histogram",
		"Smoothed round trip time, each second in which the peer was heard.");
	for (size_t i = 0; i < n; i++)
		put_histogram(f, "toxtun_peer_rtt_seconds", "peer", label_of(&peers[i], key),
			&peers[i].peer->rtt);
}

char *stats_metrics(const struct app *app)
{
	size_t n = 0, n_peers = HASH_COUNT(app->peers);
	struct status_peer *peers = calloc(n_peers ? n_peers : 1, sizeof(*peers));
	struct stats_totals t;
	struct text text;
	FILE *f = peers ? text_open(&text) : NULL;

	if (!f) {
		free(peers);
		return NULL;
	}
	stats_gather(app, &t);
	put_process(f, app, &t);
	put_totals(f, app, &t);
	put_tunnels(f, app);
	for (const struct peer *p = app->peers; p; p = p->hh.next)
		status_gather(&peers[n++], p);
	if (n > 0)
		put_peers(f, peers, n);
	free(peers);
	return text_close(&text);
}
