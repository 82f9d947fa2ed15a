#include "control.h"

#include <string.h>

#include "tt_err.h"

struct control_item {
	struct control_item *next;
	uint32_t receipt;
	bool sent;
	uint16_t len;
	uint8_t data[];
};

void control_init(struct control *c, const struct tt_mem *mem)
{
	*c = (struct control){.mem = mem, .next_n = 1};
}

void control_clear(struct control *c)
{
	struct control_item *next;
	for (struct control_item *it = c->head; it; it = next) {
		next = it->next;
		tt_free(c->mem, it);
	}
	control_init(c, c->mem);
}

int control_push(struct control *c, struct wire_msg *msg)
{
	uint8_t buf[WIRE_MESSAGE_MAX];

	msg->n = c->next_n;
	int len = wire_encode(msg, buf, sizeof(buf));
	if (len < 0)
		return len;
	struct control_item *it = tt_alloc(c->mem, sizeof(*it) + (size_t)len);
	if (!it)
		return TT_ENOMEM;
	*it = (struct control_item){.len = (uint16_t)len};
	memcpy(it->data, buf, (size_t)len);
	if (c->tail)
		c->tail->next = it;
	else
		c->head = it;
	c->tail = it;
	if (!c->unsent)
		c->unsent = it;
	c->next_n++;
	c->items++;
	return TT_OK;
}

void control_skip(struct control *c)
{
	c->next_n++;
}

size_t control_peek(struct control *c, uint8_t *dst, size_t cap)
{
	size_t n = 0;

	c->peeked = NULL;
	for (struct control_item *it = c->unsent; it && it->len <= cap - n; it = it->next) {
		memcpy(dst + n, it->data, it->len);
		n += it->len;
		c->peeked = it;
	}
	return n;
}

void control_sent(struct control *c, uint32_t receipt)
{
	if (!c->peeked)
		return;
	struct control_item *end = c->peeked->next;
	for (struct control_item *it = c->unsent; it != end; it = it->next) {
		it->sent = true;
		it->receipt = receipt;
	}
	c->unsent = end;
	c->peeked = NULL;
}

void control_confirmed(struct control *c, uint32_t receipt)
{
	struct control_item *last = NULL;

	for (struct control_item *it = c->head; it && it->sent; it = it->next) {
		if (it->receipt == receipt)
			last = it;
	}
	if (!last)
		return; /* a receipt from before the connection was lost, or of a hello */
	for (struct control_item *it = c->head, *next;; it = next) {
		bool done = it == last;
		next = it->next;
		c->head = next;
		c->items--;
		tt_free(c->mem, it);
		if (done)
			break;
	}
	if (!c->head)
		c->tail = NULL;
}

void control_rewind(struct control *c)
{
	for (struct control_item *it = c->head; it; it = it->next)
		it->sent = false;
	c->unsent = c->head;
	c->peeked = NULL;
}

int control_accept(struct control *c, uint32_t n)
{
	if (n <= c->last_seen)
		return TT_EEXIST;
	bool gap = n != c->last_seen + 1;
	c->last_seen = n;
	return gap ? TT_EPROTO : TT_OK;
}

bool control_empty(const struct control *c)
{
	return !c->head;
}
