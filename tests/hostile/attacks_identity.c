/* Attacks by coming and going, and by being many. */
#include "hostile.h"

#define IDENTITIES 8

/* ---- restarts ---- */

static void restarts_tick(struct hostile *h)
{
	/* online for a moment each time, or the victim would not notice */
	if (!hostile_online(h))
		return;
	hostile_renew(h);
	for (int i = 0; i < 20; i++)
		hostile_open(h, WIRE_TCP, "127.0.0.1", h->port);
	hostile_flush(h);
	for (int i = 0; i < 20; i++)
		hostile_serve(h);
	hostile_stop(h);
	hostile_start(h);
}

/* ---- requests: friends that nobody wants ---- */

static struct toxnet *strangers[IDENTITIES];

static void requests_begin(struct hostile *h)
{
	static const uint8_t text[TOXNET_REQUEST_MAX] = "let me in";
	uint32_t number;

	for (int i = 0; i < IDENTITIES; i++) {
		strangers[i] = hostile_node(h, NULL);
		toxnet_friend_add(strangers[i], &h->victim, text, sizeof(text), &number);
	}
}

static void requests_tick(struct hostile *h)
{
	struct toxnet_event ev;

	(void)h;
	for (int i = 0; i < IDENTITIES; i++) {
		toxnet_iterate(strangers[i], hostile_now());
		while (toxnet_event_next(strangers[i], &ev))
			;
	}
}

static void requests_end(struct hostile *h)
{
	(void)h;
	for (int i = 0; i < IDENTITIES; i++)
		toxnet_free(strangers[i]);
}

const struct attack identity_attacks[] = {
	{.name = "restarts", .tick = restarts_tick},
	{.name = "requests",
		.alone = true,
		.begin = requests_begin,
		.tick = requests_tick,
		.end = requests_end},
	{0},
};
