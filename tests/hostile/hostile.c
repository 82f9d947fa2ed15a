#include "hostile.h"

#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tt_err.h"

static void die(const char *what)
{
	fprintf(stderr, "hostile: %s\n", what);
	exit(1);
}

tt_time hostile_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return TT_S((tt_time)ts.tv_sec) + (tt_time)ts.tv_nsec / 1000;
}

/* xorshift64 (Marsaglia, 2003). */
uint32_t hostile_random(struct hostile *h)
{
	h->rng ^= h->rng << 13;
	h->rng ^= h->rng >> 7;
	h->rng ^= h->rng << 17;
	return (uint32_t)(h->rng >> 16);
}

void hostile_random_bytes(struct hostile *h, uint8_t *dst, size_t len)
{
	for (size_t i = 0; i < len; i++)
		dst[i] = (uint8_t)hostile_random(h);
}

/* ---- out ---- */

bool hostile_message(struct hostile *h, const void *data, size_t len)
{
	uint32_t receipt;
	if (toxnet_message_send(h->tn, h->friend_number, data, len, &receipt) != TT_OK) {
		h->full++;
		return false;
	}
	h->messages++;
	return true;
}

bool hostile_packet(struct hostile *h, const void *data, size_t len)
{
	if (toxnet_lossy_send(h->tn, h->friend_number, data, len) != TT_OK) {
		h->full++;
		return false;
	}
	h->packets++;
	return true;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

size_t hostile_segment(uint8_t *dst, size_t cap, const struct segment *s)
{
	uint8_t *p = dst;

	if (cap < KCP_HEADER + s->size)
		return 0;
	p = put32(p, s->conv);
	*p++ = s->cmd;
	*p++ = s->frg;
	*p++ = (uint8_t)s->wnd;
	*p++ = (uint8_t)(s->wnd >> 8);
	p = put32(p, s->ts);
	p = put32(p, s->sn);
	p = put32(p, s->una);
	p = put32(p, s->len);
	if (s->size > 0)
		memcpy(p, s->data, s->size);
	return KCP_HEADER + s->size;
}

bool hostile_send_segment(struct hostile *h, const struct segment *s)
{
	uint8_t pkt[TOXNET_LOSSY_MAX] = {WIRE_ID_KCP};
	return hostile_packet(h, pkt, 1 + hostile_segment(pkt + 1, sizeof(pkt) - 1, s));
}

bool hostile_flush(struct hostile *h)
{
	bool sent = h->batch_len == 0 || hostile_message(h, h->batch, h->batch_len);
	h->batch_len = 0;
	return sent;
}

void hostile_say(struct hostile *h, struct wire_msg *msg)
{
	uint8_t map[WIRE_MESSAGE_MAX];

	msg->n = msg->type == WIRE_HELLO ? 0 : h->next_n;
	int len = wire_encode(msg, map, sizeof(map));
	if (len < 0)
		die("a map cannot be encoded");
	if (h->batch_len + (size_t)len > sizeof(h->batch) && !hostile_flush(h))
		return; /* what toxcore did not take had no numbers that count */
	h->next_n += msg->type != WIRE_HELLO;
	memcpy(h->batch + h->batch_len, map, (size_t)len);
	h->batch_len += (size_t)len;
}

void hostile_hello(struct hostile *h, bool seen)
{
	struct wire_msg msg = {.type = WIRE_HELLO,
		.hello = {.version = WIRE_VERSION,
			.caps = WIRE_CAP_FAST_OPEN | WIRE_CAP_SACK | WIRE_CAP_BENCH,
			.packet_max = TOXNET_LOSSY_MAX,
			.seen = seen,
			.name = "hostile"}};

	memcpy(msg.hello.inst, h->inst, sizeof(h->inst));
	hostile_say(h, &msg);
}

void hostile_forget_chans(struct hostile *h)
{
	h->n_chans = 0;
}

void hostile_renew(struct hostile *h)
{
	hostile_random_bytes(h, h->inst, sizeof(h->inst));
	h->greeted = false;
	h->next_n = 1;
	h->batch_len = 0;
	hostile_forget_chans(h);
	hostile_hello(h, false);
	hostile_flush(h);
}

struct chan *hostile_open_conv(
	struct hostile *h, enum wire_proto proto, const char *host, uint16_t port, uint32_t conv)
{
	if (h->n_chans == CHANS_MAX)
		return NULL;
	struct chan *ch = &h->chans[h->n_chans++];
	*ch = (struct chan){.ccid = h->n_chans, .conv = conv};
	struct wire_msg msg = {.type = WIRE_SYN,
		.syn = {.version = WIRE_VERSION,
			.ccid = ch->ccid,
			.conv = ch->conv,
			.proto = proto,
			.port = port}};
	snprintf(msg.syn.host, sizeof(msg.syn.host), "%s", host);
	hostile_say(h, &msg);
	return ch;
}

struct chan *hostile_open(struct hostile *h, enum wire_proto proto, const char *host, uint16_t port)
{
	return hostile_open_conv(h, proto, host, port, hostile_random(h) | 1);
}

/* ---- in ---- */

static void on_map(struct hostile *h, const struct wire_msg *msg)
{
	switch (msg->type) {
	case WIRE_HELLO:
		h->greeted |= msg->hello.seen;
		break;
	case WIRE_ACK:
		h->acks_in++;
		if (msg->ack.ccid <= h->n_chans) {
			h->chans[msg->ack.ccid - 1].open = true;
			h->chans[msg->ack.ccid - 1].conv = msg->ack.conv;
		}
		break;
	case WIRE_RST:
		h->rsts_in++;
		break;
	default:
		break;
	}
}

static void on_message(struct hostile *h, const uint8_t *data, size_t len)
{
	struct wire_msg msg;
	int n;

	for (; len > 0 && (n = wire_decode(data, len, &msg)) > 0; len -= (size_t)n) {
		on_map(h, &msg);
		data += n;
	}
}

static void on_lossy(void *user, uint32_t friend_number, const uint8_t *data, size_t len)
{
	struct hostile *h = user;

	(void)friend_number;
	h->packets_in++;
	if (h->attack && h->attack->packet)
		h->attack->packet(h, data, len);
}

/* ---- the node ---- */

struct toxnet *hostile_node(const struct hostile *h, const char *data_dir)
{
	struct toxnet *tn;
	char why[512] = "";
	struct toxnet_config cfg = {.data_dir = data_dir,
		.udp = true,
		.udp_port_first = (uint16_t)(21000 + (hostile_now() / 1000) % 9000),
		.udp_port_last = 39999,
		.fast_start = true,
		.on_lossy = on_lossy,
		.user = (void *)(uintptr_t)h};
	if (toxnet_new(&tn, &cfg, hostile_now(), why, sizeof(why)) != TT_OK)
		die(why);
	if (toxnet_node_add(tn, &h->node_addr, h->node_port, (const uint16_t[4]){0}, h->node_key) !=
		TT_OK)
		die("the bootstrap node cannot be used");
	return tn;
}

void hostile_start(struct hostile *h)
{
	static const char greeting[] = "toxtun";

	h->tn = hostile_node(h, h->data_dir);
	if (toxnet_friend_add(h->tn, &h->victim, (const uint8_t *)greeting, sizeof(greeting) - 1,
		    &h->friend_number) != TT_OK)
		die("the victim cannot be asked to be our friend");
}

void hostile_stop(struct hostile *h)
{
	toxnet_free(h->tn);
	h->tn = NULL;
}

bool hostile_online(const struct hostile *h)
{
	return toxnet_friend_path(h->tn, h->friend_number) != TOXNET_PATH_NONE;
}

void hostile_serve(struct hostile *h)
{
	struct toxnet_event ev;
	struct toxnet_fd fd;
	struct pollfd p = {.fd = -1, .events = POLLIN};

	if (toxnet_fds(h->tn, &fd, 1) > 0)
		p.fd = fd.fd;
	poll(&p, 1, 1);
	toxnet_iterate(h->tn, hostile_now());
	while (toxnet_event_next(h->tn, &ev)) {
		if (ev.type == TOXNET_EV_MESSAGE)
			on_message(h, ev.data, ev.len);
		else if (ev.type == TOXNET_EV_LOSSY)
			on_lossy(h, ev.friend_number, ev.data, ev.len);
	}
	toxnet_flush(h->tn);
}
