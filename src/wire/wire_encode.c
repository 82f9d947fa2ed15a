/* Writing, by msgpack-c's packer into the caller's buffer; it allocates nothing. */
#include "wire.h"

#include <msgpack/pack.h>
#include <string.h>

#include "tt_err.h"
#include "wire_int.h"

struct sink {
	uint8_t *dst;
	size_t len, cap;
	bool bad; /* a string that could not be read back */
};

static int sink_write(void *user, const char *data, size_t len)
{
	struct sink *s = user;
	if (len > s->cap - s->len)
		return -1;
	memcpy(s->dst + s->len, data, len);
	s->len += len;
	return 0;
}

/* The packer writes into a fixed buffer and remembers no error, so each call's is added up: 0 or
 * negative. */

static int put_cstr(msgpack_packer *pk, const char *s)
{
	return msgpack_pack_str_with_body(pk, s, strlen(s));
}

static int put_uint(msgpack_packer *pk, const char *key, uint64_t v)
{
	return put_cstr(pk, key) | msgpack_pack_uint64(pk, v);
}

static int put_bool(msgpack_packer *pk, const char *key, bool v)
{
	return put_cstr(pk, key) | (v ? msgpack_pack_true(pk) : msgpack_pack_false(pk));
}

/** `cap` is the size of the field that holds the text, its NUL included. */
static int put_text(msgpack_packer *pk, const char *key, const char *text, size_t cap)
{
	struct sink *s = pk->data;
	size_t n = strnlen(text, cap);
	if (n == cap || !wire_text_ok((const uint8_t *)text, n)) {
		s->bad = true;
		return -1;
	}
	return put_cstr(pk, key) | msgpack_pack_str_with_body(pk, text, n);
}

static int put_head(msgpack_packer *pk, const struct wire_msg *m, size_t keys)
{
	int rc = msgpack_pack_map(pk, keys + (m->n ? 2 : 1));
	rc |= put_cstr(pk, "t") | put_cstr(pk, wire_type_name(m->type));
	return m->n ? rc | put_uint(pk, "n", m->n) : rc;
}

static int put_hello(msgpack_packer *pk, const struct wire_msg *m)
{
	const struct wire_hello *h = &m->hello;
	struct wire_msg unnumbered = {.type = WIRE_HELLO};
	int rc = put_head(pk, &unnumbered,
		4 + (h->name[0] ? 1u : 0u) + (h->seen ? 1u : 0u) + (h->has_proof ? 1u : 0u));

	rc |= put_uint(pk, "ver", h->version);
	rc |= put_cstr(pk, "inst") | msgpack_pack_bin_with_body(pk, h->inst, WIRE_INST_LEN);
	rc |= put_cstr(pk, "caps");
	rc |= msgpack_pack_array(pk, (size_t)__builtin_popcount(h->caps));
	for (size_t i = 0; i < WIRE_CAPS; i++)
		if (h->caps & 1u << i)
			rc |= put_cstr(pk, wire_cap_name(i));
	rc |= put_uint(pk, "max", h->packet_max);
	if (h->name[0])
		rc |= put_text(pk, "name", h->name, sizeof(h->name));
	if (h->seen)
		rc |= put_bool(pk, "seen", true);
	if (h->has_proof)
		rc |= put_cstr(pk, "proof") |
		      msgpack_pack_bin_with_body(pk, h->proof, WIRE_PROOF_LEN);
	return rc;
}

static int put_syn(msgpack_packer *pk, const struct wire_msg *m)
{
	const struct wire_syn *s = &m->syn;
	bool port = wire_proto_has_port(s->proto);
	bool host = wire_proto_has_host(s->proto);
	int rc = put_head(pk, m,
		4 + (port ? 1u : 0u) + (host ? 1u : 0u) + (s->lid ? 1u : 0u) +
			(s->tunnel[0] ? 1u : 0u));

	rc |= put_uint(pk, "ver", s->version);
	rc |= put_uint(pk, "ccid", s->ccid);
	rc |= put_uint(pk, "conv", s->conv);
	rc |= put_cstr(pk, "proto") | put_cstr(pk, wire_proto_name(s->proto));
	if (host)
		rc |= put_text(pk, "host", s->host, sizeof(s->host));
	if (port)
		rc |= put_uint(pk, "port", s->port);
	if (s->lid)
		rc |= put_uint(pk, "lid", s->lid);
	if (s->tunnel[0])
		rc |= put_text(pk, "tunnel", s->tunnel, sizeof(s->tunnel));
	return rc;
}

/** rst and unlisten: whose number it is, and why it is over. */
static int put_ending(msgpack_packer *pk, const struct wire_msg *m, const char *number,
	uint32_t value, bool own, const char reason[WIRE_NAME_MAX + 1],
	const char text[WIRE_TEXT_MAX + 1])
{
	int rc = put_head(pk, m, text[0] ? 4 : 3);

	rc |= put_uint(pk, number, value);
	rc |= put_bool(pk, "o", own);
	rc |= put_text(pk, "reason", reason, WIRE_NAME_MAX + 1);
	if (text[0])
		rc |= put_text(pk, "text", text, WIRE_TEXT_MAX + 1);
	return rc;
}

static int put_fin(msgpack_packer *pk, const struct wire_msg *m)
{
	const struct wire_fin *f = &m->fin;
	int rc = put_head(pk, m, f->seen ? 4 : 3);

	rc |= put_uint(pk, "ccid", f->ccid);
	rc |= put_bool(pk, "o", f->opener);
	rc |= put_uint(pk, "bytes", f->bytes);
	if (f->seen)
		rc |= put_bool(pk, "seen", true);
	return rc;
}

static int put_listen(msgpack_packer *pk, const struct wire_msg *m)
{
	const struct wire_listen *l = &m->listen;
	int rc = put_head(pk, m, 3 + (l->tunnel[0] ? 1u : 0u));

	rc |= put_uint(pk, "lid", l->lid);
	rc |= put_text(pk, "host", l->host, sizeof(l->host));
	rc |= l->path ? put_bool(pk, "path", true) : put_uint(pk, "port", l->port);
	if (l->tunnel[0])
		rc |= put_text(pk, "tunnel", l->tunnel, sizeof(l->tunnel));
	return rc;
}

static int put_listening(msgpack_packer *pk, const struct wire_msg *m)
{
	const struct wire_listening *l = &m->listening;
	int rc = put_head(pk, m, l->port ? 2 : 1) | put_uint(pk, "lid", l->lid);

	return l->port ? rc | put_uint(pk, "port", l->port) : rc;
}

static int put_message(msgpack_packer *pk, const struct wire_msg *m)
{
	switch (m->type) {
	case WIRE_HELLO:
		return put_hello(pk, m);
	case WIRE_SYN:
		return put_syn(pk, m);
	case WIRE_ACK:
		return put_head(pk, m, 3) | put_uint(pk, "ccid", m->ack.ccid) |
		       put_uint(pk, "scid", m->ack.scid) | put_uint(pk, "conv", m->ack.conv);
	case WIRE_RST:
		return put_ending(
			pk, m, "ccid", m->rst.ccid, m->rst.opener, m->rst.reason, m->rst.text);
	case WIRE_FIN:
		return put_fin(pk, m);
	case WIRE_END:
		return put_head(pk, m, 2) | put_uint(pk, "ccid", m->end.ccid) |
		       put_bool(pk, "o", m->end.opener);
	case WIRE_LISTEN:
		return put_listen(pk, m);
	case WIRE_LISTENING:
		return put_listening(pk, m);
	case WIRE_UNLISTEN:
		return put_ending(pk, m, "lid", m->unlisten.lid, m->unlisten.asker,
			m->unlisten.reason, m->unlisten.text);
	case WIRE_UNKNOWN:
		break;
	}
	return -1;
}

/** Fields that are read as C strings before they are packed have their NUL. */
static bool terminated(const struct wire_msg *m)
{
	if (m->type == WIRE_RST)
		return memchr(m->rst.reason, '\0', sizeof(m->rst.reason)) != NULL;
	if (m->type == WIRE_UNLISTEN)
		return memchr(m->unlisten.reason, '\0', sizeof(m->unlisten.reason)) != NULL;
	return true;
}

int wire_encode(const struct wire_msg *msg, uint8_t *dst, size_t cap)
{
	struct sink s = {.dst = dst, .cap = cap < INT32_MAX ? cap : INT32_MAX};
	msgpack_packer pk;

	if (msg->type == WIRE_UNKNOWN || !terminated(msg) || !wire_message_ok(msg))
		return TT_EINVAL;
	msgpack_packer_init(&pk, &s, sink_write);
	if (put_message(&pk, msg) != 0)
		return s.bad ? TT_EINVAL : TT_ENOSPC;
	return (int)s.len;
}
