/* Connections at the control socket: the figures of those that are asked for, and their end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_int.h"
#include "peer.h"
#include "stats_int.h"
#include "tt_err.h"

/* As many as /stats.json can be asked for. */
#define CHANNELS_MAX 9999999

void control_put_stats(struct control_client *c, const cJSON *request)
{
	const char *order = control_text(request, "sort");
	struct stats_choice choice = {
		.max = control_number(request, "channels", 0, CHANNELS_MAX, STATS_CHANNELS),
		.reverse = control_true(request, "reverse"),
	};
	char *stats = NULL, *line = NULL;

	if (order && !channel_order_parse(order, &choice.order)) {
		control_error(c, "\"sort\" is rate, age, bytes or peer");
		control_end(c, EXIT_USAGE);
		return;
	}
	stats_wanted(c->app);
	stats = stats_json_channels(c->app, &choice);
	if (stats && asprintf(&line, "{\"stats\":%s}", stats) >= 0)
		control_put(c, line);
	else
		control_error(c, "out of memory");
	control_end(c, line ? EXIT_OK : EXIT_FAILED);
	free(line);
	free(stats);
}

/* The channel that a request names; NULL when it is over, or never was. */
static struct channel *find(struct app *app, const cJSON *request, const struct tt_peer_id *id)
{
	const struct peer *p = peer_find_key(app, id->key);
	struct channel_info info;

	if (!p)
		return NULL;
	struct channel *ch = channel_find(p->session, control_true(request, "opener"),
		control_number(request, "id", 0, UINT32_MAX, 0)); /* they begin with 1 */
	if (ch)
		channel_info(ch, &info);
	return ch && info.state != CHANNEL_CLOSED ? ch : NULL;
}

void control_run_end(struct control_client *c, const cJSON *request)
{
	const char *peer = control_text(request, "peer");
	char tag[9];
	struct tt_peer_id id;
	struct channel_info info;

	if (!peer || tt_peer_id_parse(peer, &id) != TT_OK) {
		control_error(c, "\"peer\" must be the Tox ID or public key of the peer");
		control_end(c, EXIT_USAGE);
		return;
	}
	struct channel *ch = find(c->app, request, &id);
	if (!ch) {
		control_error(c, "this connection is over already");
		control_end(c, EXIT_FAILED);
		return;
	}
	channel_info(ch, &info);
	tt_info(c->app->log, "peer=%s chan=%u is ended, as asked for at the control socket",
		tt_key_short(id.key, tag), info.ccid);
	channel_abort(ch, REASON_RESET, app_now(c->app));
	control_out(c, "connection %u ended", info.ccid);
	control_end(c, EXIT_OK);
}
