/* /stats.json. Counts are since the start of the process, sizes in bytes, times in microseconds
 * where a name ends in _us. "schema" goes up when a field changes its meaning or goes away. */
#include "stats.h"
#include "stats_int.h"

#include <cjson/cJSON.h>

static void put_hex(cJSON *o, const char *key, const uint8_t *bytes, size_t n)
{
	char hex[TT_TOXID_HEX + 1];
	cJSON_AddStringToObject(o, key, tt_hex_encode(bytes, n, hex));
}

static void put_number(cJSON *o, const char *key, uint64_t v)
{
	cJSON_AddNumberToObject(o, key, (double)v);
}

static void put_connections(cJSON *o, const struct session_stats *s)
{
	cJSON *c = cJSON_AddObjectToObject(o, "connections");
	put_number(c, "total", s->opened);
	put_number(c, "ok", s->ok);
	put_number(c, "err", s->failed);
	put_number(c, "active", s->active);
}

static void put_reasons(cJSON *o, const struct session_stats *s)
{
	cJSON *r = cJSON_AddObjectToObject(o, "close_reasons");
	for (int i = 1; i < REASON_COUNT; i++)
		put_number(r, reason_name((enum close_reason)i), s->reasons[i]);
}

static void put_limits(cJSON *o, const struct session_stats *s)
{
	for (int i = 0; i < LIMIT_COUNT; i++)
		put_number(o, session_limit_name((enum session_limit)i), s->limits[i]);
}

static void put_link(cJSON *o, const struct link_stats *l)
{
	put_number(o, "payload_in", l->payload_received);
	put_number(o, "payload_out", l->payload_sent);
	put_number(o, "network_in", l->bytes_received);
	put_number(o, "network_out", l->bytes_sent);
	put_number(o, "packets_in", l->packets_received);
	put_number(o, "packets_out", l->packets_sent);
	put_number(o, "segments_out", l->segs_sent);
	put_number(o, "segments_retransmitted", l->segs_retransmitted);
	put_number(o, "segments_in", l->segs_received);
	put_number(o, "segments_duplicate", l->segs_duplicate);
	put_number(o, "queued_bytes", l->queued_bytes);
	put_number(o, "malformed", l->malformed);
}

static void put_datagrams(cJSON *parent, const struct session_stats *s)
{
	cJSON *o = cJSON_AddObjectToObject(parent, "udp");
	const struct dgram_stats *d = &s->udp;

	put_number(o, "flows", d->flows);
	put_number(o, "flows_total", d->flows_opened);
	put_number(o, "flows_failed", s->flows_failed);
	put_number(o, "datagrams_in", d->received);
	put_number(o, "datagrams_out", d->sent);
	put_number(o, "payload_in", d->bytes_received);
	put_number(o, "payload_out", d->bytes_sent);
	put_number(o, "network_in", d->network_received);
	put_number(o, "network_out", d->network_sent);
	put_number(o, "packets_in", d->packets_received);
	put_number(o, "packets_out", d->packets_sent);
	put_number(o, "malformed", d->malformed);
	cJSON *dropped = cJSON_AddObjectToObject(o, "dropped");
	for (int i = 0; i < DGRAM_DROP_COUNT; i++)
		put_number(dropped, dgram_drop_name((enum dgram_drop)i), d->dropped[i]);
}

static void put_channel(void *user, const struct channel *ch)
{
	cJSON *list = user, *o = cJSON_CreateObject();
	struct channel_info info;

	channel_info(ch, &info);
	put_number(o, "id", info.ccid);
	cJSON_AddBoolToObject(o, "opener", info.opener);
	cJSON_AddStringToObject(o, "state", channel_state_name(info.state));
	cJSON_AddStringToObject(o, "proto", info.udp ? "udp" : "tcp");
	cJSON_AddStringToObject(o, "tunnel", info.tunnel);
	cJSON_AddStringToObject(o, "host", info.host);
	put_number(o, "port", info.port);
	put_number(o, "in", info.bytes_in);
	put_number(o, "out", info.bytes_out);
	cJSON_AddItemToArray(list, o);
}

/* What mode `auto` knows of the path; zeros in the other modes. */
static void put_model(cJSON *o, const struct link_stats *l)
{
	cJSON_AddStringToObject(o, "state", l->state);
	put_number(o, "min_rtt_us", l->min_rtt_us);
	put_number(o, "cwnd_bytes", l->cwnd_bytes);
	put_number(o, "inflight_bytes", l->inflight_bytes);
	put_number(o, "pacing_rate", l->pacing_rate);
	put_number(o, "delivery_rate", l->delivery_rate);
	put_number(o, "segments_lost", l->segs_lost);
	put_number(o, "segments_spurious", l->segs_spurious);
	put_number(o, "probes", l->probes_sent);
	put_number(o, "segments_copied", l->segs_copied);
	put_number(o, "segments_saved", l->segs_saved);
}

static void put_peer(cJSON *list, const struct peer *p)
{
	cJSON *o = cJSON_CreateObject();
	struct session_stats s;
	struct link_stats l;

	session_stats(p->session, &s);
	link_stats(session_link(p->session), &l);
	put_hex(o, "key", p->key, TT_KEY_LEN);
	cJSON_AddStringToObject(o, "name", p->name[0] ? p->name : s.peer_name);
	cJSON_AddStringToObject(o, "path", peer_path_name(p->path));
	cJSON_AddBoolToObject(o, "ready", s.online);
	put_number(o, "drops", p->drops);
	put_number(o, "restarts", s.restarts);
	put_number(o, "rtt_us", l.srtt_us);
	put_number(o, "window", l.window);
	put_number(o, "inflight", l.inflight);
	put_model(cJSON_AddObjectToObject(o, "congestion"), &l);
	put_connections(o, &s);
	put_limits(cJSON_AddObjectToObject(o, "limits"), &s);
	put_link(o, &l);
	put_datagrams(o, &s);
	session_each_channel(p->session, put_channel, cJSON_AddArrayToObject(o, "channels"));
	cJSON_AddItemToArray(list, o);
}

char *stats_json(const struct app *app)
{
	struct stats_totals t;
	uint8_t id[TT_TOXID_LEN];
	cJSON *root = cJSON_CreateObject();

	if (!root)
		return NULL;
	stats_gather(app, &t);
	toxnet_self_id(app->tn, id);
	put_number(root, "schema", STATS_SCHEMA);
	cJSON_AddStringToObject(root, "role", stats_role(app));
	cJSON_AddStringToObject(root, "mode", tt_mode_name(app->conf->mode));
	put_number(root, "uptime_us", tt_time_since(app_now(app), app->started_at));
	put_hex(root, "toxid", id, TT_TOXID_LEN);
	cJSON *self = cJSON_AddObjectToObject(root, "self");
	cJSON_AddStringToObject(self, "path", peer_path_name(toxnet_self_path(app->tn)));
	put_number(self, "drops", t.tox.self_drops);
	put_connections(root, &t.sessions);
	put_number(root, "channels", t.sessions.active);
	put_reasons(root, &t.sessions);
	put_link(cJSON_AddObjectToObject(root, "data"), &t.links);
	put_datagrams(root, &t.sessions);
	cJSON *proc = cJSON_AddObjectToObject(root, "process");
	put_number(proc, "rss_bytes", t.rss_bytes);
	put_number(proc, "heap_bytes", t.heap_bytes);
	put_number(proc, "fds", t.fds);
	cJSON_AddNumberToObject(proc, "cpu_seconds", t.cpu_seconds);
	put_number(root, "refused_requests", app->refused_requests);
	cJSON *limits = cJSON_AddObjectToObject(root, "limits");
	put_limits(limits, &t.sessions);
	put_number(limits, "requests", app->limited_requests);
	cJSON *peers = cJSON_AddArrayToObject(root, "peers");
	for (const struct peer *p = app->peers; p; p = p->hh.next)
		put_peer(peers, p);
	char *text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}
