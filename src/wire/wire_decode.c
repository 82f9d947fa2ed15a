/* Reading: a table of the keys of each type, and two walks over the map. */
#include "wire.h"

#include <string.h>

#include "tt_err.h"
#include "wire_int.h"

enum key_kind {
	KEY_U16,
	KEY_U32,
	KEY_U64,
	KEY_BOOL,
	KEY_STR,
	KEY_INST,
	KEY_PROOF,
	KEY_CAPS,
	KEY_PROTO
};

/** One key of one type of map. The size of a string's field bounds its length. */
struct key {
	enum wire_type type;
	const char *name;
	enum key_kind kind;
	bool required;
	size_t offset, size;
};

#define KEY(t, n, k, req, field)                                                                   \
	{                                                                                          \
		t, n, k, req, offsetof(struct wire_msg, field),                                    \
			sizeof(((struct wire_msg *)0)->field)                                      \
	}

static const struct key keys[] = {
	KEY(WIRE_HELLO, "ver", KEY_U32, true, hello.version),
	KEY(WIRE_HELLO, "inst", KEY_INST, true, hello.inst),
	KEY(WIRE_HELLO, "caps", KEY_CAPS, true, hello.caps),
	KEY(WIRE_HELLO, "max", KEY_U32, true, hello.packet_max),
	KEY(WIRE_HELLO, "name", KEY_STR, false, hello.name),
	KEY(WIRE_HELLO, "seen", KEY_BOOL, false, hello.seen),
	KEY(WIRE_HELLO, "proof", KEY_PROOF, false, hello.proof),
	KEY(WIRE_SYN, "n", KEY_U32, true, n),
	KEY(WIRE_SYN, "ver", KEY_U32, true, syn.version),
	KEY(WIRE_SYN, "ccid", KEY_U32, true, syn.ccid),
	KEY(WIRE_SYN, "conv", KEY_U32, true, syn.conv),
	KEY(WIRE_SYN, "proto", KEY_PROTO, true, syn.proto),
	/* which of these three there must be is up to the proto: syn_ok() */
	KEY(WIRE_SYN, "host", KEY_STR, false, syn.host),
	KEY(WIRE_SYN, "port", KEY_U16, false, syn.port),
	KEY(WIRE_SYN, "lid", KEY_U32, false, syn.lid),
	KEY(WIRE_SYN, "tunnel", KEY_STR, false, syn.tunnel),
	KEY(WIRE_ACK, "n", KEY_U32, true, n),
	KEY(WIRE_ACK, "ccid", KEY_U32, true, ack.ccid),
	KEY(WIRE_ACK, "scid", KEY_U32, true, ack.scid),
	KEY(WIRE_ACK, "conv", KEY_U32, true, ack.conv),
	KEY(WIRE_RST, "n", KEY_U32, true, n),
	KEY(WIRE_RST, "ccid", KEY_U32, true, rst.ccid),
	KEY(WIRE_RST, "o", KEY_BOOL, true, rst.opener),
	KEY(WIRE_RST, "reason", KEY_STR, true, rst.reason),
	KEY(WIRE_RST, "text", KEY_STR, false, rst.text),
	KEY(WIRE_FIN, "n", KEY_U32, true, n),
	KEY(WIRE_FIN, "ccid", KEY_U32, true, fin.ccid),
	KEY(WIRE_FIN, "o", KEY_BOOL, true, fin.opener),
	KEY(WIRE_FIN, "bytes", KEY_U64, true, fin.bytes),
	KEY(WIRE_FIN, "seen", KEY_BOOL, false, fin.seen),
	KEY(WIRE_END, "n", KEY_U32, true, n),
	KEY(WIRE_END, "ccid", KEY_U32, true, end.ccid),
	KEY(WIRE_END, "o", KEY_BOOL, true, end.opener),
	KEY(WIRE_LISTEN, "n", KEY_U32, true, n),
	KEY(WIRE_LISTEN, "lid", KEY_U32, true, listen.lid),
	KEY(WIRE_LISTEN, "host", KEY_STR, true, listen.host),
	KEY(WIRE_LISTEN, "path", KEY_BOOL, false, listen.path),
	KEY(WIRE_LISTEN, "port", KEY_U16, false, listen.port),
	KEY(WIRE_LISTEN, "tunnel", KEY_STR, false, listen.tunnel),
	KEY(WIRE_LISTENING, "n", KEY_U32, true, n),
	KEY(WIRE_LISTENING, "lid", KEY_U32, true, listening.lid),
	KEY(WIRE_LISTENING, "port", KEY_U16, false, listening.port),
	KEY(WIRE_UNLISTEN, "n", KEY_U32, true, n),
	KEY(WIRE_UNLISTEN, "lid", KEY_U32, true, unlisten.lid),
	KEY(WIRE_UNLISTEN, "o", KEY_BOOL, true, unlisten.asker),
	KEY(WIRE_UNLISTEN, "reason", KEY_STR, true, unlisten.reason),
	KEY(WIRE_UNLISTEN, "text", KEY_STR, false, unlisten.text),
	KEY(WIRE_UNKNOWN, "n", KEY_U32, true, n),
};
_Static_assert(WIRE_COUNT(keys) <= 64, "one bit of a uint64_t for each key");

static bool span_is(struct wire_span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

static int read_uint_field(struct wire_cursor *c, uint64_t max, void *field, size_t size)
{
	uint64_t v = 0;
	int rc = wire_read_uint(c, 0, max, &v);
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;
	memcpy(field, size == 2 ? (void *)&v16 : size == 4 ? (void *)&v32 : (void *)&v, size);
	return rc;
}

static int read_str_field(struct wire_cursor *c, char *dst, size_t size)
{
	struct wire_span s;
	int rc = wire_read_str(c, &s);
	if (rc != TT_OK || s.len >= size || !wire_text_ok(s.p, s.len))
		return TT_EPROTO;
	memcpy(dst, s.p, s.len);
	dst[s.len] = '\0';
	return TT_OK;
}

/** Bytes of exactly the field's size. */
static int read_bin_field(struct wire_cursor *c, uint8_t *dst, size_t size)
{
	struct wire_span s;
	int rc = wire_read_bin(c, &s);
	if (rc != TT_OK || s.len != size)
		return TT_EPROTO;
	memcpy(dst, s.p, s.len);
	return TT_OK;
}

static int read_caps(struct wire_cursor *c, uint32_t *caps)
{
	size_t count;
	int rc = wire_read_array(c, &count);
	while (rc == TT_OK && count-- > 0) {
		struct wire_span s;
		rc = wire_read_str(c, &s);
		for (size_t i = 0; rc == TT_OK && i < WIRE_CAPS; i++)
			if (span_is(s, wire_cap_name(i)))
				*caps |= 1u << i;
	}
	return rc;
}

static int read_proto(struct wire_cursor *c, enum wire_proto *out)
{
	struct wire_span s;
	if (wire_read_str(c, &s) != TT_OK)
		return TT_EPROTO;
	for (enum wire_proto p = WIRE_TCP; p <= WIRE_REVERSE; p++) {
		if (span_is(s, wire_proto_name(p))) {
			*out = p;
			return TT_OK;
		}
	}
	return TT_EPROTO;
}

static int read_value(struct wire_cursor *c, const struct key *k, struct wire_msg *m)
{
	void *field = (uint8_t *)m + k->offset;
	switch (k->kind) {
	case KEY_U16:
		return read_uint_field(c, UINT16_MAX, field, 2);
	case KEY_U32:
		return read_uint_field(c, UINT32_MAX, field, 4);
	case KEY_U64:
		return read_uint_field(c, UINT64_MAX, field, 8);
	case KEY_BOOL:
		return wire_read_bool(c, field);
	case KEY_STR:
		return read_str_field(c, field, k->size);
	case KEY_INST:
		return read_bin_field(c, field, k->size);
	case KEY_PROOF:
		m->hello.has_proof = true;
		return read_bin_field(c, field, k->size);
	case KEY_CAPS:
		return read_caps(c, field);
	case KEY_PROTO:
		return read_proto(c, field);
	}
	return TT_EPROTO;
}

static const struct key *find_key(enum wire_type type, struct wire_span name)
{
	for (size_t i = 0; i < WIRE_COUNT(keys); i++)
		if (keys[i].type == type && span_is(name, keys[i].name))
			return &keys[i];
	return NULL;
}

/** First walk: over the whole map, to find its type, wherever "t" stands, and its end. */
static int read_type(struct wire_cursor *c, size_t pairs, enum wire_type *type)
{
	struct wire_span name, t = {NULL, 0};
	int rc = TT_OK;

	while (rc == TT_OK && pairs-- > 0) {
		rc = wire_read_str(c, &name);
		if (rc == TT_OK && !span_is(name, "t"))
			rc = wire_skip(c);
		else if (rc == TT_OK)
			rc = t.p ? TT_EPROTO : wire_read_str(c, &t);
	}
	if (rc != TT_OK || !t.p)
		return TT_EPROTO;
	*type = WIRE_UNKNOWN;
	for (enum wire_type i = WIRE_HELLO; i < WIRE_UNKNOWN; i++)
		if (span_is(t, wire_type_name(i)))
			*type = i;
	return TT_OK;
}

/** Second walk: the values. A key that is there twice is an error. */
static int read_fields(struct wire_cursor *c, size_t pairs, struct wire_msg *m)
{
	uint64_t seen = 0;

	while (pairs-- > 0) {
		struct wire_span name;
		int rc = wire_read_str(c, &name);
		const struct key *k = rc == TT_OK ? find_key(m->type, name) : NULL;
		if (rc == TT_OK)
			rc = k ? read_value(c, k, m) : wire_skip(c);
		uint64_t bit = k ? UINT64_C(1) << (k - keys) : 0;
		if (rc != TT_OK || seen & bit)
			return TT_EPROTO;
		seen |= bit;
	}
	for (size_t i = 0; i < WIRE_COUNT(keys); i++)
		if (keys[i].type == m->type && keys[i].required && !(seen & UINT64_C(1) << i))
			return TT_EPROTO;
	return wire_message_ok(m) ? TT_OK : TT_EPROTO;
}

int wire_decode(const uint8_t *buf, size_t len, struct wire_msg *out)
{
	struct wire_cursor c = {buf, buf + (len < INT32_MAX ? len : INT32_MAX)};
	struct wire_msg m;
	size_t pairs;

	memset(&m, 0, sizeof(m)); /* padding too, so that messages can be compared as bytes */
	if (wire_kind(buf, len) != WIRE_KIND_MSGPACK || wire_read_map(&c, &pairs) != TT_OK)
		return TT_EPROTO;
	struct wire_cursor fields = c;
	int rc = read_type(&c, pairs, &m.type);
	if (rc == TT_OK)
		rc = read_fields(&fields, pairs, &m);
	if (rc != TT_OK)
		return rc;
	memcpy(out, &m, sizeof(m));
	return (int)(c.p - buf);
}
