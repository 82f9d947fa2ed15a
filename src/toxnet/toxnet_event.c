/* toxcore's callbacks, and the queue that they fill. */
#include <stdlib.h>
#include <string.h>

#include "toxnet_int.h"
#include "tt_err.h"

/*
 * toxcore acknowledges a friend message before it calls us, so a message must not be dropped. The
 * queue grows instead, and above this many bytes toxnet_iterate does not run toxcore, whose own
 * flow control then holds the sender. One tox_iterate can go past it by what was in the socket.
 */
#define QUEUE_BYTES_MAX (4u << 20)
/* Anybody may send friend requests, and toxcore repeats them: they are dropped sooner. */
#define QUEUE_REQUEST_BYTES_MAX (QUEUE_BYTES_MAX / 4)

struct toxnet_node_event {
	struct toxnet_node_event *next;
	struct toxnet_event ev;
	uint8_t data[]; /* ev.len bytes */
};

void toxnet_queue_init(struct toxnet_queue *q)
{
	*q = (struct toxnet_queue){0};
	q->last = &q->first;
}

static size_t event_bytes(const struct toxnet_node_event *e)
{
	return sizeof(*e) + e->ev.len;
}

void toxnet_queue_release(struct toxnet_queue *q)
{
	free(q->taken);
	q->taken = NULL;
}

void toxnet_queue_clear(struct toxnet_queue *q)
{
	toxnet_queue_release(q);
	while (q->first) {
		struct toxnet_node_event *e = q->first;
		q->first = e->next;
		free(e);
	}
	toxnet_queue_init(q);
}

bool toxnet_queue_full(const struct toxnet_queue *q)
{
	return q->bytes > QUEUE_BYTES_MAX;
}

void toxnet_queue_drop_friend(struct toxnet_queue *q, uint32_t friend_number)
{
	struct toxnet_node_event **p = &q->first;
	while (*p) {
		struct toxnet_node_event *e = *p;
		if (e->ev.friend_number != friend_number) {
			p = &e->next;
			continue;
		}
		*p = e->next;
		q->bytes -= event_bytes(e);
		free(e);
	}
	q->last = p;
}

static void queue_push(
	struct toxnet *tn, const struct toxnet_event *ev, const uint8_t *data, size_t len)
{
	struct toxnet_node_event *e = malloc(sizeof(*e) + len);
	if (!e) {
		tt_error(tn->cfg.log, "tox: no memory, an event of type %d is lost", (int)ev->type);
		return;
	}
	e->next = NULL;
	e->ev = *ev;
	e->ev.data = e->data;
	e->ev.len = len;
	if (len > 0)
		memcpy(e->data, data, len);
	*tn->queue.last = e;
	tn->queue.last = &e->next;
	tn->queue.bytes += event_bytes(e);
}

bool toxnet_event_next(struct toxnet *tn, struct toxnet_event *ev)
{
	struct toxnet_queue *q = &tn->queue;
	toxnet_queue_release(q);
	struct toxnet_node_event *e = q->first;
	if (!e)
		return false;
	q->first = e->next;
	if (!q->first)
		q->last = &q->first;
	q->bytes -= event_bytes(e);
	q->taken = e;
	*ev = e->ev;
	return true;
}

enum toxnet_path toxnet_path_of(Tox_Connection c)
{
	switch (c) {
	case TOX_CONNECTION_UDP:
		return TOXNET_PATH_UDP;
	case TOX_CONNECTION_TCP:
		return TOXNET_PATH_TCP;
	case TOX_CONNECTION_NONE:
		break;
	}
	return TOXNET_PATH_NONE;
}

static void on_self(Tox *tox, Tox_Connection c, void *user)
{
	(void)tox;
	struct toxnet *tn = user;
	struct toxnet_event ev = {.type = TOXNET_EV_SELF, .friend_number = TOXNET_NO_FRIEND};
	enum toxnet_path from = tn->self_path;

	ev.path = tn->self_path = toxnet_path_of(c);
	if (from != TOXNET_PATH_NONE && ev.path == TOXNET_PATH_NONE)
		tn->stats.self_drops++;
	if (from == TOXNET_PATH_NONE && ev.path != TOXNET_PATH_NONE)
		toxnet_save_soon(tn); /* now it has DHT nodes to start from the next time */
	if (ev.path == TOXNET_PATH_NONE)
		toxnet_haste_start(tn); /* once back it goes on: we must be found, too */
	toxnet_boot_path_changed(tn, from, ev.path);
	queue_push(tn, &ev, NULL, 0);
}

static void on_request(Tox *tox, const uint8_t *key, const uint8_t *message, size_t len, void *user)
{
	(void)tox;
	struct toxnet *tn = user;
	struct toxnet_event ev = {.type = TOXNET_EV_REQUEST, .friend_number = TOXNET_NO_FRIEND};

	if (tn->queue.bytes > QUEUE_REQUEST_BYTES_MAX)
		return;
	memcpy(ev.key, key, TT_KEY_LEN);
	queue_push(tn, &ev, message, len);
}

static void on_friend(Tox *tox, uint32_t number, Tox_Connection c, void *user)
{
	struct toxnet *tn = user;
	struct toxnet_event ev = {
		.type = TOXNET_EV_FRIEND, .friend_number = number, .path = toxnet_path_of(c)};
	tn->paths_changed = true;
	if (ev.path == TOXNET_PATH_NONE)
		toxnet_haste_start(tn); /* it may come back by another address */
	else if (ev.path == TOXNET_PATH_UDP)
		toxnet_haste_stop(
			tn); /* by a relay it goes on: the direct way is still looked for */
	if (tox_friend_get_public_key(tox, number, ev.key, NULL))
		queue_push(tn, &ev, NULL, 0);
}

static void on_message(Tox *tox, uint32_t number, Tox_Message_Type type, const uint8_t *message,
	size_t len, void *user)
{
	(void)type;
	struct toxnet *tn = user;
	struct toxnet_event ev = {.type = TOXNET_EV_MESSAGE, .friend_number = number};
	tn->stats.messages_received++;
	if (tox_friend_get_public_key(tox, number, ev.key, NULL))
		queue_push(tn, &ev, message, len);
}

static void on_receipt(Tox *tox, uint32_t number, uint32_t receipt, void *user)
{
	struct toxnet_event ev = {
		.type = TOXNET_EV_RECEIPT, .friend_number = number, .receipt = receipt};
	if (tox_friend_get_public_key(tox, number, ev.key, NULL))
		queue_push(user, &ev, NULL, 0);
}

static void on_lossy(Tox *tox, uint32_t number, const uint8_t *data, size_t len, void *user)
{
	(void)tox;
	struct toxnet *tn = user;
	tn->stats.lossy_received++;
	tn->stats.lossy_bytes_received += len;
	/* Behind a message that still waits: the packet may be of the channel that it opens, and
	 * would be lost if it came first. */
	if (tn->queue.first) {
		struct toxnet_event ev = {.type = TOXNET_EV_LOSSY, .friend_number = number};
		queue_push(tn, &ev, data, len);
	} else if (tn->cfg.on_lossy) {
		tn->cfg.on_lossy(tn->cfg.user, number, data, len);
	}
}

void toxnet_callbacks_set(Tox *tox)
{
	tox_callback_self_connection_status(tox, on_self);
	tox_callback_friend_request(tox, on_request);
	tox_callback_friend_connection_status(tox, on_friend);
	tox_callback_friend_message(tox, on_message);
	tox_callback_friend_read_receipt(tox, on_receipt);
	tox_callback_friend_lossy_packet(tox, on_lossy);
}
