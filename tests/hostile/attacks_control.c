/* Attacks by friend messages. */
#include <stdio.h>
#include <string.h>

#include "hostile.h"

#define LOCALHOST "127.0.0.1"
#define FORBIDDEN "192.0.2.1" /* RFC 5737; no rule allows it */

/* ---- control: as many maps as toxcore takes ---- */

static void control_tick(struct hostile *h)
{
	for (int i = 0; i < 500; i++) {
		struct wire_msg msg = {.type = WIRE_SYN,
			.syn = {.version = WIRE_VERSION,
				.ccid = hostile_random(h) | 1,
				.conv = hostile_random(h) | 1,
				.proto = WIRE_TCP,
				.port = 80,
				.host = FORBIDDEN}};
		hostile_say(h, &msg);
		msg = (struct wire_msg){
			.type = WIRE_END, .end = {.ccid = hostile_random(h) | 1, .opener = true}};
		hostile_say(h, &msg);
	}
}

/* ---- open: channels to a target that answers, and no more ---- */

static void open_tick(struct hostile *h)
{
	for (int i = 0; i < 20; i++)
		hostile_open(h, WIRE_TCP, LOCALHOST, h->port);
}

/* ---- half-open: channels to a target that never answers, with early data ---- */

static void half_open_tick(struct hostile *h)
{
	static const uint8_t early[1024];

	for (int i = 0; i < 20; i++) {
		struct chan *ch = hostile_open(h, WIRE_TCP, LOCALHOST, h->black_hole);
		if (!ch) /* the victim gives them up in its own time: ask for more */
			hostile_forget_chans(h);
		else if (h->step % 4 == 0)
			hostile_send_segment(h, &(struct segment){.conv = ch->conv,
							.cmd = KCP_PUSH,
							.wnd = 128,
							.data = early,
							.len = sizeof(early),
							.size = sizeof(early)});
	}
}

/* ---- fins: ends that do not fit ---- */

static void wrong_ends(struct hostile *h, const struct chan *ch)
{
	static const uint64_t counts[] = {0, 5, 10, 11, 1u << 31, UINT64_MAX};

	hostile_send_segment(h, &(struct segment){.conv = ch->conv,
					.cmd = KCP_PUSH,
					.wnd = 128,
					.data = "0123456789",
					.len = 10,
					.size = 10});
	for (int i = 0; i < 2; i++) {
		struct wire_msg fin = {.type = WIRE_FIN,
			.fin = {.ccid = ch->ccid,
				.opener = true,
				.bytes = counts[hostile_random(h) % 6],
				.seen = i > 0}};
		struct wire_msg end = {.type = WIRE_END, .end = {.ccid = ch->ccid, .opener = true}};
		struct wire_msg ack = {
			.type = WIRE_ACK, .ack = {.ccid = ch->ccid, .scid = 1, .conv = ch->conv}};
		bool early = hostile_random(h) % 2;
		hostile_say(h, early ? &end : &fin);
		hostile_say(h, early ? &fin : &end);
		hostile_say(h, &ack);
	}
}

static void fins_tick(struct hostile *h)
{
	for (int i = 0; i < 4; i++) {
		if (!hostile_open(h, WIRE_TCP, LOCALHOST, h->port))
			hostile_renew(h);
	}
	for (uint32_t i = 0; i < h->n_chans; i++) {
		if (h->chans[i].open) {
			wrong_ends(h, &h->chans[i]);
			h->chans[i].open = false;
		}
	}
}

/* ---- hellos: a new instance in each ---- */

static void hellos_tick(struct hostile *h)
{
	for (int i = 0; i < 40; i++) {
		hostile_random_bytes(h, h->inst, sizeof(h->inst));
		hostile_hello(h, false);
		h->next_n = 1;
		hostile_open(h, WIRE_TCP, LOCALHOST, h->port);
	}
	hostile_forget_chans(h);
}

/* ---- numbers: maps are missing, or come again ---- */

static void numbers_tick(struct hostile *h)
{
	for (int i = 0; i < 20; i++) {
		struct wire_msg msg = {.type = WIRE_END,
			.end = {.ccid = 1 + hostile_random(h) % 50, .opener = true}};
		h->next_n = i % 2 ? hostile_random(h) : h->next_n - 3;
		hostile_say(h, &msg);
		hostile_open(h, WIRE_TCP, LOCALHOST, h->port);
	}
	if (h->step % 50 == 0)
		hostile_renew(h);
}

/* ---- chat and huge: what is no control message ---- */

static void chat_tick(struct hostile *h)
{
	static const char *const texts[] = {"hello, is this thing on?", "{\"action\":\"open\"}",
		"{", "\xf0\x9f\x98\x80", "%s%s%n\x1b[2J"};

	for (int i = 0; i < 20; i++) {
		const char *text = texts[hostile_random(h) % 5];
		hostile_message(h, text, strlen(text));
	}
}

static void huge_tick(struct hostile *h)
{
	uint8_t msg[WIRE_MESSAGE_MAX];

	for (int i = 0; i < 20; i++) {
		/* a map header, JSON, a text */
		static const uint8_t first[] = {0x8f, 0xde, 0xdf, '{', 'a'};
		hostile_random_bytes(h, msg, 64);
		memset(msg + 64, 'x', sizeof(msg) - 64);
		msg[0] = first[i % 5];
		hostile_message(h, msg, sizeof(msg));
	}
}

/* ---- calm: nothing, but that what was before is over ---- */

static void calm_tick(struct hostile *h)
{
	(void)h;
}

const struct attack control_attacks[] = {
	{.name = "calm", .tick = calm_tick},
	{.name = "control", .tick = control_tick},
	{.name = "open", .tick = open_tick},
	{.name = "half-open", .tick = half_open_tick},
	{.name = "fins", .tick = fins_tick},
	{.name = "hellos", .tick = hellos_tick},
	{.name = "numbers", .tick = numbers_tick},
	{.name = "chat", .tick = chat_tick},
	{.name = "huge", .tick = huge_tick},
	{0},
};
