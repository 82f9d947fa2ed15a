/* Attacks by lossy packets, and by not sending any. */
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include <uthash.h>

#include "hostile.h"

#define LOCALHOST "127.0.0.1"
#define STREAMS 64

/* Some channels to a target that answers, and the victim's own sources: they have much to say. */
static void open_streams(struct hostile *h)
{
	for (int i = 0; i < 4; i++)
		hostile_open(h, WIRE_BENCH, "source", 0);
	for (int i = 4; i < STREAMS; i++)
		hostile_open(h, WIRE_TCP, LOCALHOST, h->port);
	hostile_flush(h);
}

static const struct chan *any_chan(struct hostile *h)
{
	return &h->chans[hostile_random(h) % h->n_chans];
}

static uint32_t conv_of(const uint8_t *pkt, size_t len)
{
	uint32_t v = 0;
	if (len > KCP_HEADER)
		memcpy(&v, pkt + 1, sizeof(v));
	return le32toh(v);
}

/* ---- lossy: noise of every first byte ---- */

static void lossy_tick(struct hostile *h)
{
	uint8_t pkt[TOXNET_LOSSY_MAX];

	hostile_random_bytes(h, pkt, 256);
	for (int i = 0; i < 20; i++) {
		size_t len = 1 + hostile_random(h) % sizeof(pkt);
		pkt[0] = (uint8_t)(192 + hostile_random(h) % 63);
		hostile_packet(h, pkt, len);
	}
	uint8_t probe[10] = {WIRE_ID_PROBE, 0};
	for (int i = 0; i < 10; i++)
		hostile_packet(h, probe, sizeof(probe));
}

/* ---- convs: well-formed segments of streams that are not there ---- */

static void convs_tick(struct hostile *h)
{
	for (int i = 0; i < 20; i++) {
		uint8_t pkt[TOXNET_LOSSY_MAX] = {WIRE_ID_KCP};
		size_t n = 1, more;
		do {
			struct segment s = {.conv = hostile_random(h),
				.cmd = (uint8_t)(KCP_PUSH + hostile_random(h) % 4),
				.wnd = 128};
			more = hostile_segment(pkt + n, sizeof(pkt) - n, &s);
			n += more;
		} while (more > 0);
		hostile_packet(h, pkt, n);
	}
}

/* ---- collide: streams that all fall into one bucket of uthash, if its own hash is used ---- */

#define COLLIDING 4000
#define BUCKET_MASK 0x3ffu

static uint32_t colliding_conv(struct hostile *h)
{
	uint32_t conv;
	unsigned hash;

	do {
		conv = hostile_random(h) | 1;
		HASH_JEN(&conv, sizeof(conv), hash);
	} while (hash & BUCKET_MASK);
	return conv;
}

static void collide_begin(struct hostile *h)
{
	for (int i = 0; i < COLLIDING; i++)
		hostile_open_conv(h, WIRE_TCP, LOCALHOST, h->black_hole, colliding_conv(h));
}

/* Segments for other convs of that bucket: each is looked for among all. */
static void collide_tick(struct hostile *h)
{
	uint8_t pkt[TOXNET_LOSSY_MAX] = {WIRE_ID_KCP};
	size_t n = 1, more;

	do {
		struct segment s = {.conv = colliding_conv(h), .cmd = KCP_WASK};
		more = hostile_segment(pkt + n, sizeof(pkt) - n, &s);
		n += more;
	} while (more > 0);
	for (int i = 0; i < 10; i++)
		hostile_packet(h, pkt, n);
}

/* ---- lengths: counts and lengths that are not true ---- */

static void lying_message(struct hostile *h)
{
	/* maps, arrays, strings and binaries that say to hold more than there is */
	static const struct {
		uint8_t bytes[24];
		size_t len;
	} lies[] = {
		{{0xdf, 0xff, 0xff, 0xff, 0xff}, 5},
		{{0xde, 0xff, 0xff}, 3},
		{{0x81, 0xdb, 0xff, 0xff, 0xff, 0xff}, 6},
		{{0x81, 0xa1, 't', 0xdb, 0x7f, 0xff, 0xff, 0xff, 'h'}, 9},
		{{0x82, 0xa1, 't', 0xa5, 'h', 'e', 'l', 'l', 'o', 0xa4, 'c', 'a', 'p', 's', 0xdd,
			 0xff, 0xff, 0xff, 0xff},
			19},
		{{0x82, 0xa1, 't', 0xa5, 'h', 'e', 'l', 'l', 'o', 0xa4, 'i', 'n', 's', 't', 0xc6,
			 0xff, 0xff, 0xff, 0xff},
			19},
		{{0x81, 0xa1, 'x', 0xc9, 0xff, 0xff, 0xff, 0xff, 1}, 9},
		{{0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 0x8f}, 8},
	};
	size_t i = hostile_random(h) % (sizeof(lies) / sizeof(lies[0]));
	uint8_t msg[WIRE_MESSAGE_MAX];

	memset(msg, 0x91, sizeof(msg)); /* arrays in arrays, after it */
	memcpy(msg, lies[i].bytes, lies[i].len);
	hostile_message(h, msg, hostile_random(h) % 2 ? lies[i].len : sizeof(msg));
}

static void lying_segment(struct hostile *h)
{
	static const uint32_t lens[] = {
		1, 24, 1348, 1350, 65535, 65536, 0x7fffffff, 0xffffffe8, 0xffffffff};
	uint8_t body[1200] = {0};
	struct segment s = {.conv = any_chan(h)->conv,
		.cmd = (uint8_t)(KCP_PUSH + hostile_random(h) % 6),
		.frg = (uint8_t)hostile_random(h),
		.wnd = (uint16_t)hostile_random(h),
		.sn = hostile_random(h) % 64,
		.len = lens[hostile_random(h) % 9],
		.data = body,
		.size = hostile_random(h) % sizeof(body)};

	if (s.cmd == KCP_SACK) {
		hostile_random_bytes(h, body, 80);
		s.len = (uint32_t)(s.size = hostile_random(h) % 120);
	}
	hostile_send_segment(h, &s);
}

static void lengths_tick(struct hostile *h)
{
	for (int i = 0; i < 20; i++) {
		lying_message(h);
		lying_segment(h);
	}
}

/* ---- replay: everything that was sent, again ---- */

static void replay_tick(struct hostile *h)
{
	uint8_t pkt[TOXNET_LOSSY_MAX] = {WIRE_ID_KCP};
	uint8_t body[600];

	hostile_random_bytes(h, body, 32);
	struct segment s = {.conv = any_chan(h)->conv,
		.cmd = KCP_PUSH,
		.wnd = 128,
		.ts = (uint32_t)h->step,
		.sn = (uint32_t)(h->step / STREAMS),
		.data = body,
		.len = sizeof(body),
		.size = sizeof(body)};
	size_t len = 1 + hostile_segment(pkt + 1, sizeof(pkt) - 1, &s);
	memcpy(h->old[h->n_old % OLD_PACKETS], pkt, len);
	h->old_len[h->n_old++ % OLD_PACKETS] = len;
	for (int i = 0; i < 20; i++) {
		size_t at = hostile_random(h) % (h->n_old < OLD_PACKETS ? h->n_old : OLD_PACKETS);
		hostile_packet(h, h->old[at], h->old_len[at]);
	}
	if (h->step % 10 == 0) { /* and the openings, under their old numbers */
		uint32_t n = h->next_n;
		h->n_chans = 0;
		h->next_n = 1;
		open_streams(h);
		h->next_n = n;
	}
}

/* ---- deaf: asks for much and acknowledges nothing ---- */

/* A window that is wide open, and then not a word. */
static void ask_for_much(struct hostile *h)
{
	open_streams(h);
	for (uint32_t i = 0; i < h->n_chans; i++)
		hostile_send_segment(h,
			&(struct segment){.conv = h->chans[i].conv, .cmd = KCP_WINS, .wnd = 32768});
}

static void deaf_tick(struct hostile *h)
{
	if (h->step % 200 == 0) /* the victim may have missed what came before its channels */
		ask_for_much(h);
}

/* ---- window: at the edges of the window and beyond them ---- */

static void window_begin(struct hostile *h)
{
	for (int i = 0; i < 2000; i++)
		hostile_open(h, WIRE_TCP, LOCALHOST, i % 2 ? h->port : h->black_hole);
}

static void window_tick(struct hostile *h)
{
	static const uint32_t far[] = {63, 127, 1000, 4095, 8191, 16383, 32766, 32767, 32768, 65535,
		65536, 0x7fffffff, 0x80000000, 0xfffffffe};

	for (int i = 0; i < 100; i++)
		hostile_send_segment(h, &(struct segment){.conv = any_chan(h)->conv,
						.cmd = KCP_PUSH,
						.wnd = 128,
						.sn = far[hostile_random(h) % 14],
						.data = "x",
						.len = 1,
						.size = 1});
}

/* ---- acks: of what was never sent, and of what was not received ---- */

static void acks_begin(struct hostile *h)
{
	ask_for_much(h);
}

static void bogus_acks(struct hostile *h, uint32_t conv, uint32_t near)
{
	uint8_t pkt[TOXNET_LOSSY_MAX] = {WIRE_ID_KCP}, sack[101];
	size_t n = 1, more;

	do {
		bool is_sack = hostile_random(h) % 4 == 0;
		struct segment s = {.conv = conv,
			.cmd = is_sack ? KCP_SACK : KCP_ACK,
			.wnd = (uint16_t)hostile_random(h),
			.ts = hostile_random(h),
			.sn = hostile_random(h) % 2 ? near + hostile_random(h) % 64
						    : hostile_random(h),
			.una = hostile_random(h) % 2 ? near + 1 : hostile_random(h),
			.data = sack};
		if (is_sack) {
			hostile_random_bytes(h, sack, sizeof(sack));
			sack[4] = (uint8_t)(hostile_random(h) % 17);
			s.len = (uint32_t)(s.size = sizeof(sack));
		}
		more = hostile_segment(pkt + n, sizeof(pkt) - n, &s);
		n += more;
	} while (more > 0);
	hostile_packet(h, pkt, n);
}

/* What the victim sends says which numbers are in flight; some more are said to be here. Not after
 * each packet, or this would be a second honest download at full speed. */
static void acks_packet(struct hostile *h, const uint8_t *data, size_t len)
{
	uint32_t sn;

	if (h->packets_in % 8 || data[0] != WIRE_ID_KCP || len <= KCP_HEADER || data[5] != KCP_PUSH)
		return;
	memcpy(&sn, data + 13, sizeof(sn));
	bogus_acks(h, conv_of(data, len), le32toh(sn));
}

static void acks_tick(struct hostile *h)
{
	for (int i = 0; i < 10; i++)
		bogus_acks(h, any_chan(h)->conv, hostile_random(h) % 4096);
}

const struct attack stream_attacks[] = {
	{.name = "lossy", .tick = lossy_tick},
	{.name = "convs", .tick = convs_tick},
	{.name = "collide", .begin = collide_begin, .tick = collide_tick},
	{.name = "lengths", .begin = open_streams, .tick = lengths_tick},
	{.name = "replay", .begin = open_streams, .tick = replay_tick},
	{.name = "deaf", .tick = deaf_tick},
	{.name = "window", .begin = window_begin, .tick = window_tick},
	{.name = "acks", .begin = acks_begin, .tick = acks_tick, .packet = acks_packet},
	{0},
};
