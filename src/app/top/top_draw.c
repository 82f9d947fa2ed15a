/* The frame: title, the state in words, what is wrong, and the line of keys. */
#include "top_draw.h"

#include <stdio.h>
#include <string.h>

#define KEYS "q quit  ? help  arrows choose  Enter details  e end  r a b p sort  Space pause"

static const char *const help[] = {
	"Up Down, j k     choose a peer or a connection",
	"PageUp PageDown  ... a screen further",
	"Home End, Tab    ... the first, the last, the other table",
	"Enter            details of what is chosen, and back",
	"Esc              back; choose nothing",
	"r a b p          sort by rate, age, bytes, peer; again: the other way round",
	"e                end the connection that is chosen, after a question",
	"Space            pause, and go on",
	"q                quit",
	"",
	"In is from the peer to this machine, out the other way; rates are bytes a second.",
	"The graphs are the rates of the last two minutes, each to its own scale.",
	"toxtun status says in full what is wrong; man toxtun says the rest.",
};

static void put_sum(const struct top *t, struct top_picture *p)
{
	char in[TOP_FIGURE_MAX], out[TOP_FIGURE_MAX], text[128];
	uint64_t rate_in = 0, rate_out = 0;

	for (size_t i = 0; i < t->data->n_peers; i++) {
		rate_in += top_data_number(t->data->peers[i].peer, "rate_in");
		rate_out += top_data_number(t->data->peers[i].peer, "rate_out");
	}
	snprintf(text, sizeof(text), "; in %sB/s, out %sB/s", top_text_amount(in, rate_in),
		top_text_amount(out, rate_out));
	top_picture_text(p, text);
}

static void put_title(const struct top *t, struct top_picture *p)
{
	char text[128], age[TOP_FIGURE_MAX];
	const cJSON *stats = t->data ? t->data->stats : NULL;

	top_picture_line(p, 0, TOP_LOOK_TITLE);
	top_picture_text(p, "toxtun ");
	top_picture_text(p, stats ? top_data_text(stats, "role") : "top");
	if (stats) {
		top_picture_text(p, ", up ");
		top_picture_text(
			p, top_text_age(age, (tt_time)top_data_number(stats, "uptime_us")));
		put_sum(t, p);
	}
	snprintf(text, sizeof(text), " %sby %s%s", t->paused ? "PAUSED, " : "",
		channel_order_name(t->order), t->reverse ? ", reversed" : "");
	if (p->columns - p->used > strlen(text))
		top_picture_cell(p, text, p->columns - p->used, TOP_RIGHT);
}

/* Returns how many lines it takes. */
static size_t put_advice(const struct top *t, struct top_picture *p, size_t row)
{
	const cJSON *advice = top_data_member(t->data->stats, "advice");
	const char *first = cJSON_GetStringValue(cJSON_GetArrayItem(advice, 0));
	int n = cJSON_GetArraySize(advice);
	char more[64] = "! ";

	if (!first)
		return 0;
	if (n > 1)
		snprintf(more, sizeof(more), "! (1 of %d, see toxtun status) ", n);
	top_picture_put(p, row, TOP_LOOK_ALERT, more);
	top_picture_text(p, first);
	return 1;
}

static void put_foot(const struct top *t, struct top_picture *p)
{
	if (t->ending)
		top_picture_put(p, p->rows - 1, TOP_LOOK_ALERT, t->question);
	else if (t->message[0])
		top_picture_put(p, p->rows - 1, TOP_LOOK_TITLE, t->message);
	else
		top_picture_put(p, p->rows - 1, TOP_LOOK_DIM, KEYS);
}

static void put_help(struct top_picture *p, size_t first, size_t rows)
{
	for (size_t i = 0; i < rows && i < sizeof(help) / sizeof(help[0]); i++)
		top_picture_put(p, first + i, TOP_LOOK_PLAIN, help[i]);
}

void top_draw(struct top *t, struct top_picture *p)
{
	size_t row = 1;

	if (p->rows == 0)
		return;
	put_title(t, p);
	if (t->trouble[0])
		top_picture_put(p, row, TOP_LOOK_ALERT, t->trouble);
	else if (t->data)
		top_picture_put(p, row, TOP_LOOK_PLAIN, top_data_text(t->data->stats, "sentence"));
	row++;
	if (t->data)
		row += put_advice(t, p, row);
	row += p->rows >= 16; /* a blank line, where there is room */
	size_t rows = p->rows > row + 1 ? p->rows - row - 1 : 0;
	if (t->view == TOP_VIEW_HELP)
		put_help(p, row, rows);
	else if (t->view == TOP_VIEW_DETAILS && top_selected(t))
		top_draw_details(t, p, row, rows);
	else if (t->data)
		top_draw_list(t, p, row, rows);
	if (p->rows > 1 || t->ending)
		put_foot(t, p);
}
