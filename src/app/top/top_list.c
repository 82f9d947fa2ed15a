/* The two tables: peers, and connections. */
#include <stdio.h>
#include <string.h>

#include "top_draw.h"
#include "top_names.h"

#define GRAPH_MIN 4
#define CELL_MAX 512

/* What one cell says of a row. */
enum field {
	F_ID,
	F_PEER,
	F_PATH,
	F_RTT,
	F_LOSS,
	F_CONNECTIONS,
	F_QUEUED,
	F_TARGET,
	F_TUNNEL,
	F_AGE,
	F_BYTES,
	F_IN,
	F_OUT,
	F_RATE_IN,
	F_RATE_OUT,
};

/* A column is there on screens of `from` to `to` columns (0: any), and grows with them by a quarter
 * of what is left over, up to `grow`. */
struct column {
	enum field field;
	const char *title;
	size_t width, grow, from, to;
	enum top_align align;
};

struct table {
	const struct column *columns;
	size_t n_columns;
};

static const struct column peer_columns[] = {
	{F_PEER, "PEER", 18, 30, 0, 0, TOP_LEFT},
	{F_PATH, "PATH", 10, 0, 50, 0, TOP_LEFT},
	{F_RTT, "RTT", 9, 0, 60, 0, TOP_RIGHT},
	{F_LOSS, "LOSS", 6, 0, 70, 0, TOP_RIGHT},
	{F_CONNECTIONS, "CONNS", 5, 0, 80, 0, TOP_RIGHT},
	{F_QUEUED, "QUEUED", 6, 0, 120, 0, TOP_RIGHT},
	{F_RATE_IN, "IN/s", 6, 0, 0, 0, TOP_RIGHT},
	{F_RATE_OUT, "OUT/s", 6, 0, 0, 0, TOP_RIGHT},
};

static const struct column channel_columns[] = {
	{F_ID, "ID", 5, 0, 60, 0, TOP_RIGHT},
	{F_PEER, "PEER", 12, 18, 50, 0, TOP_LEFT},
	{F_TUNNEL, "TUNNEL", 12, 8, 120, 0, TOP_LEFT},
	{F_TARGET, "TARGET", 18, 20, 0, 0, TOP_LEFT},
	{F_AGE, "AGE", 4, 0, 60, 0, TOP_RIGHT},
	{F_BYTES, "BYTES", 6, 0, 70, 119, TOP_RIGHT},
	{F_IN, "IN", 6, 0, 120, 0, TOP_RIGHT},
	{F_OUT, "OUT", 6, 0, 120, 0, TOP_RIGHT},
	{F_RATE_IN, "IN/s", 6, 0, 0, 0, TOP_RIGHT},
	{F_RATE_OUT, "OUT/s", 6, 0, 0, 0, TOP_RIGHT},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct table peers = {peer_columns, COUNT(peer_columns)};
static const struct table channels = {channel_columns, COUNT(channel_columns)};

static void cell(const struct top_row *r, enum field f, char text[CELL_MAX])
{
	const cJSON *o = r->channel ? r->channel : r->peer;
	const char *from = text;

	text[0] = '\0';
	switch (f) {
	case F_ID:
		snprintf(text, CELL_MAX, "%u", r->rank.id);
		break;
	case F_PEER:
		from = top_peer_name(r->peer, text);
		break;
	case F_PATH:
		from = top_data_text(o, "path");
		break;
	case F_RTT:
		if (top_data_number(o, "rtt_us"))
			top_text_ms(text, top_data_number(o, "rtt_us"));
		break;
	case F_LOSS:
		top_loss(o, text);
		break;
	case F_CONNECTIONS:
		top_text_amount(text,
			top_data_number(o, "connections.active") + top_data_number(o, "udp.flows"));
		break;
	case F_QUEUED:
		top_text_amount(text, top_data_number(o, "queued_bytes"));
		break;
	case F_TARGET:
		from = top_target(o, text);
		break;
	case F_TUNNEL:
		from = top_data_text(o, "tunnel");
		break;
	case F_AGE:
		top_text_age(text, r->rank.age_us);
		break;
	case F_BYTES:
		top_text_amount(text, r->rank.bytes);
		break;
	case F_IN:
		top_text_amount(text, top_data_number(o, "in"));
		break;
	case F_OUT:
		top_text_amount(text, top_data_number(o, "out"));
		break;
	case F_RATE_IN:
		top_text_amount(text, top_data_number(o, "rate_in"));
		break;
	case F_RATE_OUT:
		top_text_amount(text, top_data_number(o, "rate_out"));
		break;
	}
	if (from != text)
		snprintf(text, CELL_MAX, "%s", from);
}

static bool is_shown(const struct column *c, size_t screen)
{
	return screen >= c->from && (c->to == 0 || screen <= c->to);
}

/* What the columns leave of the screen, with a blank between them, and one for the mark. */
static size_t spare(const struct table *t, size_t screen)
{
	size_t used = 1;

	for (size_t i = 0; i < t->n_columns; i++) {
		if (is_shown(&t->columns[i], screen))
			used += t->columns[i].width + 1;
	}
	return screen > used + GRAPH_MIN ? screen - used - GRAPH_MIN : 0;
}

static void put_row(const struct top *t, struct top_picture *p, const struct table *table,
	const struct top_row *r)
{
	size_t extra = spare(table, p->columns) / 4, n;
	char text[CELL_MAX];

	for (size_t i = 0; i < table->n_columns; i++) {
		const struct column *c = &table->columns[i];
		if (!is_shown(c, p->columns))
			continue;
		if (r)
			cell(r, c->field, text);
		top_picture_cell(p, r ? text : c->title,
			c->width + (extra < c->grow ? extra : c->grow), c->align);
		top_picture_text(p, " ");
	}
	if (!r)
		return;
	size_t left = p->columns - p->used;
	const char *state = top_data_text(r->channel, "state");
	const uint64_t *rates = top_history_of(t->history, r->id, &n);
	if (r->channel && strcmp(state, "open") != 0)
		top_picture_text(p, state);
	else if (left >= GRAPH_MIN)
		top_picture_sparkline(p, rates, n, left < TOP_SAMPLES ? left : TOP_SAMPLES);
}

static enum top_look look_of(const struct top *t, const struct top_row *r, bool selected)
{
	if (selected)
		return TOP_LOOK_SELECTED;
	if (t->trouble[0] || (!r->channel && !cJSON_IsTrue(top_data_member(r->peer, "ready"))))
		return TOP_LOOK_DIM;
	return TOP_LOOK_PLAIN;
}

/* A table of so many rows and its heading; the first is number `base` of both tables. */
static void put_table(const struct top *t, struct top_picture *p, const struct table *table,
	size_t row, size_t base, size_t n)
{
	const struct top_row *selected = top_selected(t);

	top_picture_line(p, row, TOP_LOOK_HEAD);
	top_picture_text(p, " ");
	put_row(t, p, table, NULL);
	for (size_t i = 0; i < n; i++) {
		const struct top_row *r = top_row_at(t, base + i);
		top_picture_line(p, row + 1 + i, look_of(t, r, r == selected));
		top_picture_text(p, r == selected ? ">" : " ");
		put_row(t, p, table, r);
	}
}

/* The first row to be shown of a list with n, so that row `at` of it is; SIZE_MAX: none must be. */
static size_t scroll(size_t first, size_t n, size_t rows, size_t at)
{
	if (at == SIZE_MAX)
		return 0;
	if (at < n && at < first)
		first = at;
	else if (at < n && rows > 0 && at >= first + rows)
		first = at - rows + 1;
	return n > rows ? (first < n - rows ? first : n - rows) : 0;
}

static void put_more(const struct top *t, struct top_picture *p, size_t row, size_t shown)
{
	size_t listed = t->data->n_channels, all = top_data_channels(t->data);
	char text[128];

	/* counted a moment before they were listed */
	all = all < listed ? listed : all;
	if (shown >= all)
		return;
	int n = snprintf(text, sizeof(text), " connections %zu to %zu of ", t->first_channel + 1,
		t->first_channel + shown);
	if (listed < all)
		n += snprintf(
			text + n, sizeof(text) - (size_t)n, "the %zu that come first, of ", listed);
	snprintf(text + n, sizeof(text) - (size_t)n, "%zu", all);
	top_picture_put(p, row, TOP_LOOK_DIM, text);
}

void top_draw_list(struct top *t, struct top_picture *p, size_t first, size_t rows)
{
	size_t n_peers = t->data->n_peers, n_channels = t->data->n_channels;
	size_t at = top_selected(t) ? t->selected_at : SIZE_MAX;
	/* Headings and the line of what is not shown; the peers get a third of the rest. */
	size_t gap = rows >= 12;
	size_t room = rows > 3 + gap ? rows - 3 - gap : 0;
	size_t peer_rows = n_peers < room / 3 + 1 ? n_peers : room / 3 + 1;
	size_t channel_rows = room > peer_rows ? room - peer_rows : 0;

	if (rows < 4) { /* only what is asked about most */
		peer_rows = 0;
		channel_rows = rows > 1 ? rows - 1 : 0;
	}
	if (n_channels < channel_rows)
		channel_rows = n_channels;
	t->page = channel_rows;
	t->first_peer = scroll(t->first_peer, n_peers, peer_rows, at);
	t->first_channel = scroll(t->first_channel, n_channels, channel_rows,
		at == SIZE_MAX  ? at
		: at >= n_peers ? at - n_peers
				: n_channels);
	if (rows >= 4) {
		put_table(t, p, &peers, first, t->first_peer, peer_rows);
		first += peer_rows + 1 + gap;
	}
	put_table(t, p, &channels, first, n_peers + t->first_channel, channel_rows);
	put_more(t, p, first + channel_rows + 1, channel_rows);
}
