/* All about one peer or one connection. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "top_draw.h"
#include "top_names.h"

#define LABEL 16 /* columns */

/* Where the next line goes, and where there is no more room. */
struct page {
	struct top_picture *p;
	size_t row, end;
};

static bool begin(struct page *g, const char *label)
{
	if (g->row >= g->end)
		return false;
	top_picture_line(g->p, g->row++, TOP_LOOK_PLAIN);
	top_picture_cell(g->p, label, LABEL, TOP_LEFT);
	return true;
}

static void put(struct page *g, const char *label, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void put(struct page *g, const char *label, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (begin(g, label))
		top_picture_text(g->p, text);
}

static void put_bytes(struct page *g, const char *label, uint64_t n)
{
	char amount[TOP_FIGURE_MAX];

	put(g, label, "%sB (%" PRIu64 " bytes)", top_text_amount(amount, n), n);
}

static void put_rate(struct page *g, const char *label, uint64_t n)
{
	char amount[TOP_FIGURE_MAX];

	put(g, label, "%sB/s", top_text_amount(amount, n));
}

static void put_rates(struct page *g, const cJSON *o)
{
	char in[TOP_FIGURE_MAX], out[TOP_FIGURE_MAX];

	put(g, "rate", "in %sB/s, out %sB/s", top_text_amount(in, top_data_number(o, "rate_in")),
		top_text_amount(out, top_data_number(o, "rate_out")));
}

static void put_graph(struct page *g, const struct top *t, const struct top_row *r)
{
	char peak[TOP_FIGURE_MAX];
	size_t n, room = g->p->columns > LABEL ? g->p->columns - LABEL : 0;
	const uint64_t *rates = top_history_of(t->history, r->id, &n);
	uint64_t highest = 0;

	for (size_t i = 0; i < n; i++)
		highest = rates[i] > highest ? rates[i] : highest;
	if (n == 0)
		return;
	put(g, "", "the last %zu seconds, up to %sB/s:", n, top_text_amount(peak, highest));
	if (begin(g, ""))
		top_picture_sparkline(g->p, rates, n, n < room ? n : room);
}

static void put_channel(struct page *g, const struct top_row *r)
{
	const cJSON *o = r->channel;
	char text[TOP_NAME_MAX], target[TOP_TARGET_MAX], age[TOP_FIGURE_MAX];

	put(g, "connection", "%u, opened by %s", r->rank.id,
		cJSON_IsTrue(top_data_member(o, "opener")) ? "this machine" : "the peer");
	put(g, "peer", "%s", top_peer_name(r->peer, text));
	put(g, "", "%s", top_data_text(r->peer, "key"));
	put(g, "tunnel", "%s", top_data_text(o, "tunnel"));
	put(g, "target", "%s", top_target(o, target));
	put(g, "state", "%s", top_data_text(o, "state"));
	put(g, "age", "%s", top_text_age(age, r->rank.age_us));
	put_bytes(g, "in", top_data_number(o, "in"));
	put_bytes(g, "out", top_data_number(o, "out"));
	put_rates(g, o);
}

static void put_path(struct page *g, const cJSON *o)
{
	char rtt[TOP_FIGURE_MAX], least[TOP_FIGURE_MAX], loss[TOP_NAME_MAX];
	uint64_t sent = top_data_number(o, "segments_out");
	uint64_t again = top_data_number(o, "segments_retransmitted");

	put(g, "path", "%s%s", top_data_text(o, "path"),
		cJSON_IsTrue(top_data_member(o, "ready")) ? "" : ", not ready");
	put(g, "RTT", "%s, at least %s", top_text_ms(rtt, top_data_number(o, "rtt_us")),
		top_text_ms(least, top_data_number(o, "congestion.min_rtt_us")));
	put(g, "loss", "%s; sent again: %" PRIu64 " of %" PRIu64 " segments", top_loss(o, loss),
		again, sent);
	put_rates(g, o);
	put_rate(g, "delivery rate", top_data_number(o, "congestion.delivery_rate"));
	put_rate(g, "pacing rate", top_data_number(o, "congestion.pacing_rate"));
	put(g, "cwnd", "%" PRIu64 " bytes, %" PRIu64 " in flight",
		top_data_number(o, "congestion.cwnd_bytes"),
		top_data_number(o, "congestion.inflight_bytes"));
	put_bytes(g, "queued", top_data_number(o, "queued_bytes"));
}

static void put_peer(struct page *g, const struct top_row *r)
{
	const cJSON *o = r->peer;
	char text[TOP_NAME_MAX];

	put(g, "peer", "%s", top_peer_name(o, text));
	put(g, "", "%s", top_data_text(o, "key"));
	put_path(g, o);
	put(g, "connections",
		"%" PRIu64 " open, %" PRIu64 " ever, %" PRIu64 " failed; %" PRIu64 " UDP flows",
		top_data_number(o, "connections.active"), top_data_number(o, "connections.total"),
		top_data_number(o, "connections.err"), top_data_number(o, "udp.flows"));
	put_bytes(g, "in", top_data_number(o, "payload_in"));
	put_bytes(g, "out", top_data_number(o, "payload_out"));
	put(g, "went offline", "%" PRIu64 " times; restarted %" PRIu64 " times",
		top_data_number(o, "drops"), top_data_number(o, "restarts"));
}

void top_draw_details(const struct top *t, struct top_picture *p, size_t first, size_t rows)
{
	const struct top_row *r = top_selected(t);
	struct page g = {.p = p, .row = first, .end = first + rows};

	if (r->channel)
		put_channel(&g, r);
	else
		put_peer(&g, r);
	put_graph(&g, t, r);
}
