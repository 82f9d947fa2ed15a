#include "wire.h"

#include <string.h>

#include "tt_err.h"
#include "wire_int.h"

static const char *const type_names[] = {
	[WIRE_HELLO] = "hello",
	[WIRE_SYN] = "syn",
	[WIRE_ACK] = "ack",
	[WIRE_RST] = "rst",
	[WIRE_FIN] = "fin",
	[WIRE_END] = "end",
	[WIRE_LISTEN] = "listen",
	[WIRE_LISTENING] = "listening",
	[WIRE_UNLISTEN] = "unlisten",
	[WIRE_UNKNOWN] = "unknown",
};

static const char *const proto_names[] = {
	[WIRE_TCP] = "tcp",
	[WIRE_UDP] = "udp",
	[WIRE_UNIX] = "unix",
	[WIRE_BENCH] = "bench",
	[WIRE_REVERSE] = "reverse",
};

const char *wire_type_name(enum wire_type type)
{
	bool known = (size_t)type < WIRE_COUNT(type_names) && type_names[type];
	return known ? type_names[type] : "invalid";
}

const char *wire_proto_name(enum wire_proto proto)
{
	bool known = (size_t)proto < WIRE_COUNT(proto_names) && proto_names[proto];
	return known ? proto_names[proto] : "invalid";
}

const char *wire_cap_name(size_t bit)
{
	static const char *const names[WIRE_CAPS] = {"fast_open", "sack", "bench", "udp", "listen"};
	return names[bit];
}

enum wire_kind wire_kind(const uint8_t *buf, size_t len)
{
	if (len == 0)
		return WIRE_KIND_EMPTY;
	if ((buf[0] & 0xf0) == 0x80 || buf[0] == 0xde || buf[0] == 0xdf)
		return WIRE_KIND_MSGPACK;
	return buf[0] == '{' ? WIRE_KIND_JSON : WIRE_KIND_TEXT;
}

void wire_text_copy(char *dst, size_t cap, const char *src)
{
	size_t at = 0, took;

	for (; *src; src += took) {
		size_t n = wire_utf8_next((const uint8_t *)src, strnlen(src, 4));
		took = n ? n : 1;
		if (at + took >= cap)
			break;
		memcpy(dst + at, n ? src : "?", took);
		at += took;
	}
	dst[at] = '\0';
}

/** "refused_by_target": lower-case letters, digits and underscores; it becomes a metric's label. */
static bool reason_ok(const char *s)
{
	return s[0] != '\0' && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

bool wire_proto_has_port(enum wire_proto proto)
{
	return proto == WIRE_TCP || proto == WIRE_UDP;
}

bool wire_proto_has_host(enum wire_proto proto)
{
	return proto != WIRE_REVERSE;
}

static bool hello_ok(const struct wire_hello *h)
{
	return h->version > 0 && h->packet_max >= WIRE_PACKET_MIN &&
	       h->packet_max <= WIRE_PACKET_MAX && h->caps >> WIRE_CAPS == 0;
}

static bool syn_ok(const struct wire_syn *s)
{
	bool known = s->proto >= WIRE_TCP && s->proto <= WIRE_REVERSE;
	bool port = wire_proto_has_port(s->proto) == (s->port != 0);
	bool host = wire_proto_has_host(s->proto) == (s->host[0] != '\0');
	bool lid = (s->proto == WIRE_REVERSE) == (s->lid != 0);
	return s->version > 0 && s->ccid > 0 && s->conv > 0 && known && port && host && lid;
}

static bool listen_ok(const struct wire_listen *l)
{
	return l->lid > 0 && l->host[0] != '\0' && (!l->path || l->port == 0);
}

bool wire_message_ok(const struct wire_msg *m)
{
	if (m->type != WIRE_HELLO && m->n == 0)
		return false;
	switch (m->type) {
	case WIRE_HELLO:
		return hello_ok(&m->hello);
	case WIRE_SYN:
		return syn_ok(&m->syn);
	case WIRE_ACK:
		return m->ack.ccid > 0 && m->ack.conv > 0;
	case WIRE_RST:
		return m->rst.ccid > 0 && reason_ok(m->rst.reason);
	case WIRE_FIN:
		return m->fin.ccid > 0;
	case WIRE_END:
		return m->end.ccid > 0;
	case WIRE_LISTEN:
		return listen_ok(&m->listen);
	case WIRE_LISTENING:
		return m->listening.lid > 0;
	case WIRE_UNLISTEN:
		return m->unlisten.lid > 0 && reason_ok(m->unlisten.reason);
	case WIRE_UNKNOWN:
		return true;
	}
	return false;
}
