/* /stats.json and /history.json, see doc/stats.md. "schema" goes up when a field changes its
 * meaning or goes away. */
#include "stats.h"
#include "stats_int.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "forward.h"
#include "listener.h"
#include "reverse.h"
#include "stats_history.h"
#include "status_int.h"
#include "text.h"
#include "version.h"

#define NODES_MAX 100
#define HISTORY_SCHEMA 1

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
	put_number(o, "network_in", l->network_received);
	put_number(o, "network_out", l->network_sent);
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

static void put_channel(cJSON *list, const struct channel_info *info, tt_time now)
{
	cJSON *o = cJSON_CreateObject();

	put_number(o, "id", info->ccid);
	cJSON_AddBoolToObject(o, "opener", info->opener);
	cJSON_AddStringToObject(o, "state", channel_state_name(info->state));
	cJSON_AddStringToObject(o, "proto", info->udp ? "udp" : "tcp");
	cJSON_AddStringToObject(o, "tunnel", info->tunnel);
	cJSON_AddStringToObject(o, "host", info->host);
	put_number(o, "port", info->port);
	put_number(o, "in", info->bytes_in);
	put_number(o, "out", info->bytes_out);
	put_number(o, "rate_in", info->rate_in);
	put_number(o, "rate_out", info->rate_out);
	put_number(o, "age_us", tt_time_since(now, info->opened_at));
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

static void put_peer(
	cJSON *list, const struct peer *p, const struct stats_channel *channels, size_t n_channels)
{
	cJSON *o = cJSON_CreateObject();
	struct status_peer st;

	status_gather(&st, p);
	put_hex(o, "key", p->key, TT_KEY_LEN);
	cJSON_AddStringToObject(o, "name", p->name[0] ? p->name : st.session.peer_name);
	cJSON_AddStringToObject(o, "label", stats_peer_label(p));
	cJSON_AddStringToObject(o, "path", peer_path_name(p->path));
	cJSON_AddBoolToObject(o, "ready", st.session.online);
	put_number(o, "drops", p->drops);
	put_number(o, "restarts", st.session.restarts);
	put_number(o, "rtt_us", st.link.srtt_us);
	cJSON_AddNumberToObject(o, "loss_percent", status_loss(&st));
	put_number(o, "rate_in", p->second.rate_in);
	put_number(o, "rate_out", p->second.rate_out);
	put_number(o, "window", st.link.window);
	put_number(o, "inflight", st.link.inflight);
	put_model(cJSON_AddObjectToObject(o, "congestion"), &st.link);
	put_connections(o, &st.session);
	put_limits(cJSON_AddObjectToObject(o, "limits"), &st.session);
	put_link(o, &st.link);
	put_datagrams(o, &st.session);
	cJSON *busiest = cJSON_AddArrayToObject(o, "channels");
	for (size_t i = 0; i < n_channels; i++) {
		if (channels[i].peer == p)
			put_channel(busiest, &channels[i].info, app_now(p->app));
	}
	cJSON_AddItemToArray(list, o);
}

static void put_words(cJSON *root, const struct app *app)
{
	char *sentence = NULL, *advice = status_advice(app), *rest = NULL;
	struct text text;

	if (text_open(&text)) {
		status_sentence(text.f, app);
		sentence = text_close(&text);
	}
	if (sentence)
		cJSON_AddStringToObject(root, "sentence", sentence);
	free(sentence);
	cJSON *list = cJSON_AddArrayToObject(root, "advice");
	for (char *line = advice ? strtok_r(advice, "\n", &rest) : NULL; line;
		line = strtok_r(NULL, "\n", &rest))
		cJSON_AddItemToArray(list, cJSON_CreateString(line + 2)); /* without the "- " */
	free(advice);
}

static void put_self(cJSON *root, const struct app *app, const struct stats_totals *t)
{
	uint8_t id[TT_TOXID_LEN];

	toxnet_self_id(app->tn, id);
	put_number(root, "schema", STATS_SCHEMA);
	cJSON_AddStringToObject(root, "version", TOXTUN_VERSION);
	cJSON_AddStringToObject(root, "role", stats_role(app));
	cJSON_AddStringToObject(root, "mode", tt_mode_name(app->conf->mode));
	put_number(root, "uptime_us", tt_time_since(app_now(app), app->started_at));
	put_number(root, "time_us", loop_wall_us());
	put_hex(root, "toxid", id, TT_TOXID_LEN);
	cJSON *self = cJSON_AddObjectToObject(root, "self");
	cJSON_AddStringToObject(self, "path", peer_path_name(toxnet_self_path(app->tn)));
	put_number(self, "drops", t->tox.self_drops);
	put_words(root, app);
}

static void put_socket(cJSON *root, const struct toxnet_stats *s)
{
	cJSON *o = cJSON_AddObjectToObject(root, "socket");

	cJSON_AddStringToObject(o, "io", toxnet_io_level_name(s->io_level));
	put_number(o, "packets_in", s->udp_packets_received);
	put_number(o, "packets_out", s->udp_packets_sent);
	put_number(o, "packets_lost", s->udp_packets_lost);
	put_number(o, "bytes_in", s->udp_bytes_received);
	put_number(o, "bytes_out", s->udp_bytes_sent);
	put_number(o, "calls_in", s->udp_receive_calls);
	put_number(o, "calls_out", s->udp_send_calls);
}

static void put_process(cJSON *root, const struct stats_totals *t)
{
	cJSON *o = cJSON_AddObjectToObject(root, "process");

	put_number(o, "rss_bytes", t->rss_bytes);
	put_number(o, "heap_bytes", t->heap_bytes);
	put_number(o, "fds", t->fds);
	cJSON_AddNumberToObject(o, "cpu_seconds", t->cpu_seconds);
}

static void put_nodes(cJSON *root, const struct app *app)
{
	cJSON *list = cJSON_AddArrayToObject(root, "nodes");
	struct toxnet_node node;

	for (size_t i = 0; i < NODES_MAX && toxnet_node_at(app->tn, i, &node); i++) {
		cJSON *o = cJSON_CreateObject();
		cJSON_AddStringToObject(o, "host", node.host);
		put_number(o, "udp_port", node.udp_port);
		put_number(o, "relay_port", node.tcp_ports[0]);
		put_hex(o, "key", node.key, TT_KEY_LEN);
		put_number(o, "tries", node.tries);
		cJSON_AddItemToArray(list, o);
	}
}

static cJSON *put_listening(cJSON *list, const struct app *app, const struct forward *t)
{
	cJSON *o = cJSON_CreateObject(), *peers;
	char where[512], hex[TT_KEY_HEX + 1];

	if (t->conf.reverse)
		reverse_describe(app, t, where, sizeof(where));
	else
		listener_describe(app, t, where, sizeof(where));
	cJSON_AddStringToObject(o, "name", t->conf.name);
	cJSON_AddStringToObject(o, "listen", where);
	cJSON_AddBoolToObject(o, "listens", stats_tunnel_works(app, t));
	peers = cJSON_AddArrayToObject(o, "peers");
	for (size_t i = 0; i < t->conf.n_peers; i++)
		cJSON_AddItemToArray(peers,
			cJSON_CreateString(tt_hex_encode(t->conf.peers[i].key, TT_KEY_LEN, hex)));
	cJSON_AddItemToArray(list, o);
	return o;
}

static void put_tunnels(cJSON *root, const struct app *app)
{
	cJSON *list = cJSON_AddArrayToObject(root, "tunnels");
	char target[CONF_PLACE_MAX];

	for (const struct forward *t = app->forwards; t; t = t->next) {
		cJSON *o = put_listening(list, app, t);
		cJSON_AddStringToObject(o, "target", conf_forward_target(&t->conf, target));
		cJSON_AddStringToObject(o, "proto", t->conf.proto == CONF_UDP ? "udp" : "tcp");
		cJSON_AddBoolToObject(o, "reverse", t->conf.reverse);
		cJSON_AddBoolToObject(o, "added", t->added);
	}
	list = cJSON_AddArrayToObject(root, "listeners");
	for (const struct forward *t = app->granted; t; t = t->next)
		put_listening(list, app, t);
}

static void put_peers(cJSON *root, const struct app *app, const struct stats_choice *choice)
{
	size_t n;
	struct stats_channel *channels = stats_channels(app, choice, &n);

	put_number(root, "channels_listed", n);
	cJSON *list = cJSON_AddArrayToObject(root, "peers");
	for (const struct peer *p = app->peers; p; p = p->hh.next)
		put_peer(list, p, channels, n);
	free(channels);
}

char *stats_json_channels(const struct app *app, const struct stats_choice *choice)
{
	struct stats_totals t;
	cJSON *root = cJSON_CreateObject();

	if (!root)
		return NULL;
	stats_gather(app, &t);
	put_self(root, app, &t);
	put_connections(root, &t.sessions);
	put_number(root, "channels", t.sessions.active);
	put_reasons(root, &t.sessions);
	put_link(cJSON_AddObjectToObject(root, "data"), &t.links);
	put_datagrams(root, &t.sessions);
	put_socket(root, &t.tox);
	put_process(root, &t);
	put_number(root, "refused_requests", app->refused_requests);
	cJSON *limits = cJSON_AddObjectToObject(root, "limits");
	put_limits(limits, &t.sessions);
	put_number(limits, "requests", app->limited_requests);
	put_nodes(root, app);
	put_tunnels(root, app);
	put_peers(root, app, choice);
	char *text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}

char *stats_json_history(const struct peer *p)
{
	cJSON *root = cJSON_CreateObject();

	if (!root)
		return NULL;
	put_number(root, "schema", HISTORY_SCHEMA);
	put_hex(root, "key", p->key, TT_KEY_LEN);
	cJSON_AddItemToObject(
		root, "samples", stats_history_json(p->history, app_now(p->app), loop_wall_us()));
	char *text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}
