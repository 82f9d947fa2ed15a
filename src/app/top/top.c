#include "top.h"

#include <stdio.h>
#include <string.h>

#include "top_names.h"

void top_free(struct top *t)
{
	top_data_free(t->data);
	top_history_free(&t->history);
	cJSON_Delete(t->ending);
	*t = (struct top){0};
}

/* ---- rows ---- */

static size_t n_rows(const struct top *t)
{
	return t->data ? t->data->n_peers + t->data->n_channels : 0;
}

const struct top_row *top_row_at(const struct top *t, size_t i)
{
	if (i >= n_rows(t))
		return NULL;
	return i < t->data->n_peers ? &t->data->peers[i] : &t->data->channels[i - t->data->n_peers];
}

const struct top_row *top_selected(const struct top *t)
{
	return t->selected[0] ? top_row_at(t, t->selected_at) : NULL;
}

static void select_row(struct top *t, size_t i)
{
	size_t n = n_rows(t);
	const struct top_row *r = top_row_at(t, n && i >= n ? n - 1 : i);

	t->selected_at = n && i >= n ? n - 1 : i;
	snprintf(t->selected, sizeof(t->selected), "%s", r ? r->id : "");
}

/* The choice stays with its row, wherever that is now; where it has gone, with its place. */
static void find_selected(struct top *t)
{
	for (size_t i = 0; t->selected[0] && i < n_rows(t); i++) {
		if (strcmp(top_row_at(t, i)->id, t->selected) == 0) {
			t->selected_at = i;
			return;
		}
	}
	if (t->selected[0])
		select_row(t, t->selected_at);
}

static void sort(struct top *t)
{
	if (t->data)
		top_data_sort(t->data, t->order, t->reverse);
	find_selected(t);
}

/* ---- what comes in ---- */

void top_take(struct top *t, cJSON *stats)
{
	struct top_data *d = NULL;

	t->trouble[0] = '\0';
	if (t->paused && t->data) {
		cJSON_Delete(stats);
		return;
	}
	d = top_data_new(stats);
	if (!d)
		return;
	/* Another process: the same numbers are other connections. */
	if (t->data && top_data_number(d->stats, "uptime_us") <
			       top_data_number(t->data->stats, "uptime_us"))
		top_history_free(&t->history);
	top_data_free(t->data);
	t->data = d;
	top_history_add(&t->history, d);
	sort(t);
}

void top_say(struct top *t, const char *text)
{
	snprintf(t->message, sizeof(t->message), "%s", text);
}

void top_trouble(struct top *t, const char *text)
{
	snprintf(t->trouble, sizeof(t->trouble), "%s", text);
}

/* ---- requests ---- */

cJSON *top_status_request(const struct top *t)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "cmd", "status");
	cJSON_AddTrueToObject(o, "json");
	cJSON_AddNumberToObject(o, "channels", TOP_CHANNELS);
	cJSON_AddStringToObject(o, "sort", channel_order_name(t->order));
	cJSON_AddBoolToObject(o, "reverse", t->reverse);
	return o;
}

cJSON *top_end_request(struct top *t)
{
	cJSON *o = t->ending;

	t->ending = NULL;
	return o;
}

static void ask_end(struct top *t)
{
	const struct top_row *r = top_selected(t);
	char peer[TOP_NAME_MAX], target[TOP_TARGET_MAX];

	if (!r || !r->channel) {
		top_say(t, "choose a connection first: Tab and the arrow keys");
		return;
	}
	/* What is confirmed is this one, whatever the next snapshot puts in its place. */
	t->ending = cJSON_CreateObject();
	cJSON_AddStringToObject(t->ending, "cmd", "end");
	cJSON_AddStringToObject(t->ending, "peer", top_data_text(r->peer, "key"));
	cJSON_AddNumberToObject(t->ending, "id", r->rank.id);
	cJSON_AddBoolToObject(
		t->ending, "opener", cJSON_IsTrue(top_data_member(r->channel, "opener")));
	snprintf(t->question, sizeof(t->question), "End connection %u, %.40s to %.40s, now? y/n",
		r->rank.id, top_peer_name(r->peer, peer), top_target(r->channel, target));
}

static enum top_wish answer_end(struct top *t, int key)
{
	if (key == 'y' || key == 'Y')
		return TOP_WISH_END;
	cJSON_Delete(top_end_request(t));
	top_say(t, "not ended");
	return TOP_WISH_NONE;
}

/* ---- keys ---- */

static void move(struct top *t, int key)
{
	size_t n = n_rows(t), peers = t->data ? t->data->n_peers : 0;
	size_t at = t->selected_at, page = t->page ? t->page : 1;

	if (n == 0)
		return;
	if (!t->selected[0] && key != TOP_KEY_HOME && key != TOP_KEY_END)
		at = peers < n ? peers : 0; /* connections are what most is done with */
	else if (key == TOP_KEY_UP)
		at -= at > 0;
	else if (key == TOP_KEY_DOWN)
		at++;
	else if (key == TOP_KEY_PAGE_UP)
		at -= at < page ? at : page;
	else if (key == TOP_KEY_PAGE_DOWN)
		at += page;
	else if (key == TOP_KEY_TAB)
		at = at < peers ? peers : 0;
	else
		at = key == TOP_KEY_HOME ? 0 : n - 1;
	select_row(t, at);
}

static enum top_wish order_by(struct top *t, enum channel_order order)
{
	t->reverse = t->order == order && !t->reverse;
	t->order = order;
	sort(t);
	return TOP_WISH_REFRESH;
}

static void go_back(struct top *t)
{
	if (t->view == TOP_VIEW_LIST)
		t->selected[0] = '\0';
	t->view = TOP_VIEW_LIST;
}

static void toggle_view(struct top *t, enum top_view view)
{
	if (t->view == view)
		t->view = TOP_VIEW_LIST;
	else if (view == TOP_VIEW_DETAILS && !top_selected(t))
		top_say(t, "choose a line first: Tab and the arrow keys");
	else
		t->view = view;
}

enum top_wish top_press(struct top *t, int key)
{
	t->message[0] = '\0';
	if (t->ending)
		return answer_end(t, key);
	switch (key) {
	case 'q':
	case 'Q':
		return TOP_WISH_QUIT;
	case 'r':
		return order_by(t, CHANNEL_ORDER_RATE);
	case 'a':
		return order_by(t, CHANNEL_ORDER_AGE);
	case 'b':
		return order_by(t, CHANNEL_ORDER_BYTES);
	case 'p':
		return order_by(t, CHANNEL_ORDER_PEER);
	case ' ':
		t->paused = !t->paused;
		return t->paused ? TOP_WISH_NONE : TOP_WISH_REFRESH;
	case '?':
	case 'h':
		toggle_view(t, TOP_VIEW_HELP);
		break;
	case TOP_KEY_ENTER:
		toggle_view(t, TOP_VIEW_DETAILS);
		break;
	case TOP_KEY_ESCAPE:
		go_back(t);
		break;
	case 'e':
		ask_end(t);
		break;
	case 'k':
		move(t, TOP_KEY_UP);
		break;
	case 'j':
		move(t, TOP_KEY_DOWN);
		break;
	case TOP_KEY_TAB:
	case TOP_KEY_UP:
	case TOP_KEY_DOWN:
	case TOP_KEY_PAGE_UP:
	case TOP_KEY_PAGE_DOWN:
	case TOP_KEY_HOME:
	case TOP_KEY_END:
		move(t, key);
		break;
	default:
		top_say(t, "this key does nothing; ? lists those that do");
	}
	return TOP_WISH_NONE;
}
