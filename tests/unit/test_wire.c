/* Control messages: what is written is read back, and what must not be read is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <msgpack/pack.h>
#include <string.h>

#include "tt_err.h"
#include "wire.h"

/* ---- samples of each type ---- */

static struct wire_msg sample_hello(void)
{
	struct wire_msg m = {.type = WIRE_HELLO};
	m.hello.version = WIRE_VERSION;
	for (size_t i = 0; i < WIRE_INST_LEN; i++)
		m.hello.inst[i] = (uint8_t)(i * 17);
	m.hello.caps = WIRE_CAP_FAST_OPEN | WIRE_CAP_BENCH;
	m.hello.packet_max = 1373;
	memcpy(m.hello.name, "büro", sizeof("büro"));
	return m;
}

static struct wire_msg sample_syn(void)
{
	struct wire_msg m = {.type = WIRE_SYN, .n = 70000};
	m.syn = (struct wire_syn){.version = 1,
		.ccid = 1,
		.conv = 0x80000001,
		.proto = WIRE_TCP,
		.host = "127.0.0.1",
		.port = 8080,
		.tunnel = "web"};
	return m;
}

static struct wire_msg sample_rst(void)
{
	struct wire_msg m = {.type = WIRE_RST, .n = UINT32_MAX};
	m.rst = (struct wire_rst){.ccid = UINT32_MAX,
		.opener = true,
		.reason = "not_allowed",
		.text = "port 22 is not offered"};
	return m;
}

static struct wire_msg sample_ack(void)
{
	struct wire_msg m = {.type = WIRE_ACK, .n = 1};
	m.ack = (struct wire_ack){.ccid = 9, .scid = 0, .conv = 300};
	return m;
}

static struct wire_msg sample_fin(void)
{
	struct wire_msg m = {.type = WIRE_FIN, .n = 2};
	m.fin = (struct wire_fin){.ccid = 9, .opener = true, .bytes = UINT64_MAX};
	return m;
}

static struct wire_msg sample_end(void)
{
	struct wire_msg m = {.type = WIRE_END, .n = 3};
	m.end = (struct wire_end){.ccid = 9, .opener = false};
	return m;
}

static struct wire_msg sample_listen(bool path)
{
	struct wire_msg m = {.type = WIRE_LISTEN, .n = 4};
	m.listen = (struct wire_listen){
		.lid = 7, .host = "/run/x", .path = path, .port = path ? 0 : 8080, .tunnel = "web"};
	return m;
}

static struct wire_msg sample_listening(uint16_t port)
{
	struct wire_msg m = {.type = WIRE_LISTENING, .n = 5};
	m.listening = (struct wire_listening){.lid = 7, .port = port};
	return m;
}

static struct wire_msg sample_unlisten(void)
{
	struct wire_msg m = {.type = WIRE_UNLISTEN, .n = 6};
	m.unlisten = (struct wire_unlisten){
		.lid = 7, .asker = true, .reason = "cannot_listen", .text = "in use"};
	return m;
}

static struct wire_msg sample_reverse_syn(void)
{
	struct wire_msg m = {.type = WIRE_SYN, .n = 7};
	m.syn = (struct wire_syn){
		.version = 1, .ccid = 3, .conv = 4, .proto = WIRE_REVERSE, .lid = 7};
	return m;
}

static void assert_same(const struct wire_msg *a, const struct wire_msg *b)
{
	uint8_t x[WIRE_MESSAGE_MAX], y[WIRE_MESSAGE_MAX];
	int nx = wire_encode(a, x, sizeof(x)), ny = wire_encode(b, y, sizeof(y));
	assert_true(nx > 0);
	assert_int_equal(nx, ny);
	assert_memory_equal(x, y, (size_t)nx);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->n, b->n);
}

static void round_trip(struct wire_msg m)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	struct wire_msg out;
	int n = wire_encode(&m, buf, sizeof(buf));
	assert_true(n > 0);
	assert_int_equal(wire_kind(buf, (size_t)n), WIRE_KIND_MSGPACK);
	assert_int_equal(wire_decode(buf, (size_t)n, &out), n);
	assert_same(&m, &out);
	for (int cut = 0; cut < n; cut++) {
		assert_int_equal(wire_decode(buf, (size_t)cut, &out), TT_EPROTO);
		assert_int_equal(wire_encode(&m, buf, (size_t)cut), TT_ENOSPC);
		assert_int_equal(wire_encode(&m, buf, sizeof(buf)), n);
	}
}

/* ---- maps written by hand ---- */

struct hand {
	uint8_t buf[1 << 16];
	size_t len;
	msgpack_packer pk;
};

static int hand_write(void *user, const char *data, size_t len)
{
	struct hand *h = user;
	assert_true(h->len + len <= sizeof(h->buf));
	memcpy(h->buf + h->len, data, len);
	h->len += len;
	return 0;
}

static void raw(struct hand *h, const char *bytes, size_t len)
{
	hand_write(h, bytes, len);
}

static void str(struct hand *h, const char *s)
{
	msgpack_pack_str_with_body(&h->pk, s, strlen(s));
}

static void num(struct hand *h, const char *key, uint64_t v)
{
	str(h, key);
	msgpack_pack_uint64(&h->pk, v);
}

static void pair(struct hand *h, const char *key, const char *value)
{
	str(h, key);
	str(h, value);
}

static void map(struct hand *h, size_t pairs, const char *type)
{
	h->len = 0;
	msgpack_packer_init(&h->pk, h, hand_write);
	msgpack_pack_map(&h->pk, pairs);
	if (type)
		pair(h, "t", type);
}

/** An `end` that lacks nothing, with room for `more` pairs. */
static void good_end(struct hand *h, size_t more)
{
	map(h, 4 + more, "end");
	num(h, "n", 5);
	num(h, "ccid", 6);
	str(h, "o");
	msgpack_pack_true(&h->pk);
}

static int decode(const struct hand *h)
{
	struct wire_msg m;
	return wire_decode(h->buf, h->len, &m);
}

static void assert_taken(const struct hand *h)
{
	assert_int_equal(decode(h), (int)h->len);
}

static void assert_refused(const struct hand *h)
{
	assert_int_equal(decode(h), TT_EPROTO);
}

/* ---- tests ---- */

static void every_type_is_read_back_as_written(void **state)
{
	(void)state;
	round_trip(sample_hello());
	round_trip(sample_syn());
	round_trip(sample_ack());
	round_trip(sample_rst());
	round_trip(sample_fin());
	round_trip(sample_end());
	round_trip(sample_listen(false));
	round_trip(sample_listen(true));
	round_trip(sample_listening(8080));
	round_trip(sample_listening(0));
	round_trip(sample_unlisten());
	round_trip(sample_reverse_syn());
}

static void optional_keys_may_be_absent(void **state)
{
	(void)state;
	struct wire_msg m = sample_hello();
	m.hello.name[0] = '\0';
	m.hello.caps = 0;
	round_trip(m);
	m = sample_syn();
	m.syn.tunnel[0] = '\0';
	round_trip(m);
	m.syn.proto = WIRE_UNIX;
	m.syn.port = 0;
	memcpy(m.syn.host, "/run/x.sock", sizeof("/run/x.sock"));
	round_trip(m);
	m.syn.proto = WIRE_BENCH;
	memcpy(m.syn.host, "source", sizeof("source"));
	round_trip(m);
	m.syn.proto = WIRE_UDP;
	m.syn.port = 65535;
	round_trip(m);
	m = sample_rst();
	m.rst.text[0] = '\0';
	round_trip(m);
}

static void longest_fields_fit_one_message(void **state)
{
	(void)state;
	struct wire_msg m = sample_syn();
	memset(m.syn.host, 'h', WIRE_HOST_MAX);
	memset(m.syn.tunnel, 't', WIRE_NAME_MAX);
	round_trip(m);
	m = sample_rst();
	memset(m.rst.reason, 'r', WIRE_NAME_MAX);
	memset(m.rst.text, 't', WIRE_TEXT_MAX);
	round_trip(m);
	m = sample_hello();
	memset(m.hello.name, 'n', WIRE_NAME_MAX);
	round_trip(m);
}

static void several_maps_share_one_message(void **state)
{
	(void)state;
	struct wire_msg in[] = {sample_hello(), sample_syn(), sample_fin(), sample_end()}, out;
	uint8_t buf[WIRE_MESSAGE_MAX];
	size_t len = 0, at = 0;
	for (size_t i = 0; i < 4; i++) {
		int n = wire_encode(&in[i], buf + len, sizeof(buf) - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	for (size_t i = 0; i < 4; i++) {
		int n = wire_decode(buf + at, len - at, &out);
		assert_true(n > 0);
		assert_same(&in[i], &out);
		at += (size_t)n;
	}
	assert_int_equal(at, len);
	assert_int_equal(wire_decode(buf + at, 0, &out), TT_EPROTO);
}

static void type_and_keys_come_in_any_order_and_width(void **state)
{
	(void)state;
	static struct hand h;
	struct wire_msg m;
	map(&h, 5, NULL);
	str(&h, "bytes");
	raw(&h, "\xcf\0\0\0\0\0\0\0\x05", 9); /* uint 64 */
	str(&h, "o");
	msgpack_pack_false(&h.pk);
	str(&h, "ccid");
	raw(&h, "\xd2\0\0\0\x07", 5);          /* int 32 */
	raw(&h, "\xdb\0\0\0\x01n\xd0\x08", 8); /* str 32; int 8 */
	pair(&h, "t", "fin");
	assert_int_equal(wire_decode(h.buf, h.len, &m), (int)h.len);
	assert_int_equal(m.type, WIRE_FIN);
	assert_int_equal(m.n, 8);
	assert_int_equal(m.fin.ccid, 7);
	assert_int_equal(m.fin.bytes, 5);
	assert_false(m.fin.opener);
	/* map 32 with the same content */
	static struct hand w;
	w.len = 0;
	raw(&w, "\xdf\0\0\0\x05", 5);
	raw(&w, (const char *)h.buf + 1, h.len - 1);
	assert_taken(&w);
}

static void unknown_keys_are_passed_over_whatever_they_hold(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
	} values[] = {{"\xc0", 1}, {"\xc3", 1}, {"\x7f", 1}, {"\xe0", 1}, {"\xca....", 5},
		{"\xcb........", 9}, {"\xcc.", 2}, {"\xcd..", 3}, {"\xce....", 5},
		{"\xcf........", 9}, {"\xd0.", 2}, {"\xd1..", 3}, {"\xd2....", 5},
		{"\xd3........", 9}, {"\xd4t.", 3}, {"\xd5t..", 4}, {"\xd6t....", 6},
		{"\xd7t........", 10}, {"\xd8t................", 18}, {"\xc7\2t..", 5},
		{"\xc8\0\2t..", 6}, {"\xc9\0\0\0\2t..", 8}, {"\xc4\2..", 4}, {"\xc5\0\2..", 5},
		{"\xc6\0\0\0\2..", 7}, {"\xa1\xff", 2}, {"\xd9\2..", 4}, {"\xda\0\2..", 5},
		{"\xdb\0\0\0\2..", 7}, {"\x92\1\x91\2", 4}, {"\xdc\0\2..", 5},
		{"\xdd\0\0\0\2..", 7}, {"\x81\1\x81\xc0\xc0", 5}, {"\xde\0\1..", 5},
		{"\xdf\0\0\0\1..", 7}};
	static struct hand h;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		good_end(&h, 1);
		str(&h, "later");
		raw(&h, values[i].bytes, values[i].len);
		assert_taken(&h);
		for (size_t cut = 1; cut <= values[i].len; cut++) {
			struct wire_msg m;
			assert_int_equal(wire_decode(h.buf, h.len - cut, &m), TT_EPROTO);
		}
	}
	good_end(&h, 1); /* a known key of another type of map */
	pair(&h, "host", "\xff");
	assert_taken(&h);
}

static void unknown_types_keep_their_number(void **state)
{
	(void)state;
	static struct hand h;
	struct wire_msg m;
	uint8_t buf[64];
	map(&h, 3, "wave");
	num(&h, "n", 41);
	num(&h, "ccid", 0);
	assert_int_equal(wire_decode(h.buf, h.len, &m), (int)h.len);
	assert_int_equal(m.type, WIRE_UNKNOWN);
	assert_int_equal(m.n, 41);
	assert_int_equal(wire_encode(&m, buf, sizeof(buf)), TT_EINVAL);
	map(&h, 1, "wave");
	assert_refused(&h);
}

static void unknown_capabilities_are_passed_over(void **state)
{
	(void)state;
	static struct hand h;
	struct wire_msg m;
	map(&h, 5, "hello");
	num(&h, "ver", 9);
	str(&h, "inst");
	msgpack_pack_bin_with_body(&h.pk, "0123456789abcdef", 16);
	str(&h, "caps");
	msgpack_pack_array(&h.pk, 3);
	str(&h, "warp");
	str(&h, "fast_open");
	str(&h, "fast_open");
	num(&h, "max", 1373);
	assert_int_equal(wire_decode(h.buf, h.len, &m), (int)h.len);
	assert_int_equal(m.hello.caps, WIRE_CAP_FAST_OPEN);
	assert_int_equal(m.n, 0);
}

static void missing_key_is_refused(void **state)
{
	(void)state;
	static struct hand h;
	static const char *const names[] = {"n", "ccid", "scid", "conv"};
	for (size_t skip = 0; skip <= 4; skip++) {
		map(&h, skip < 4 ? 4 : 5, "ack");
		for (size_t i = 0; i < 4; i++)
			if (i != skip)
				num(&h, names[i], 1);
		if (skip < 4)
			assert_refused(&h);
		else
			assert_taken(&h);
	}
	map(&h, 1, NULL);
	num(&h, "n", 1);
	assert_refused(&h); /* no "t" */
}

static void duplicate_key_is_refused(void **state)
{
	(void)state;
	static struct hand h;
	good_end(&h, 1);
	num(&h, "ccid", 6);
	assert_refused(&h);
	good_end(&h, 1);
	pair(&h, "t", "end");
	assert_refused(&h);
}

static void wrong_types_are_refused(void **state)
{
	(void)state;
	static struct hand h;
	static const char *const bad[] = {"\xc0", "\xc3", "\xa1x", "\x90", "\x80", "\xff",
		"\xd0\x80", "\xca\x3f\x80\x01\x01", "\xd4\x01\x01", "\xc4\x01x"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		map(&h, 4, "end");
		num(&h, "n", 1);
		str(&h, "o");
		msgpack_pack_true(&h.pk);
		str(&h, "ccid");
		raw(&h, bad[i], strlen(bad[i]));
		assert_refused(&h);
	}
	map(&h, 4, "end");
	num(&h, "n", 1);
	num(&h, "o", 1); /* an integer is no bool */
	num(&h, "ccid", 1);
	assert_refused(&h);
	map(&h, 1, NULL);
	str(&h, "t");
	msgpack_pack_bin_with_body(&h.pk, "end", 3);
	assert_refused(&h);
	good_end(&h, 1);
	raw(&h, "\x01\x01", 2); /* a key that is no string */
	assert_refused(&h);
	h.len = 0;
	raw(&h, "\x93\x01\x02\x03", 4);
	assert_refused(&h);
	h.len = 0;
	raw(&h, "\xc1", 1);
	assert_refused(&h);
}

static void numbers_out_of_range_are_refused(void **state)
{
	(void)state;
	static struct hand h;
	static const uint64_t ccid[] = {0, UINT64_C(1) << 32, UINT64_MAX};
	for (size_t i = 0; i < 3; i++) {
		map(&h, 4, "ack");
		num(&h, "n", 1);
		num(&h, "ccid", ccid[i]);
		num(&h, "scid", 1);
		num(&h, "conv", 1);
		assert_int_equal(decode(&h), TT_EPROTO);
	}
	static const struct {
		const char *proto;
		uint64_t port;
		bool ok;
	} ports[] = {{"tcp", 1, true}, {"tcp", 65535, true}, {"tcp", 0, false},
		{"tcp", 65536, false}, {"unix", 1, false}, {"unix", 0, true}, {"bench", 1, false},
		{"bench", 0, true}, {"udp", 0, false}, {"sctp", 1, false}, {"invalid", 1, false},
		{"", 1, false}};
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		map(&h, 9, "syn");
		num(&h, "n", 1);
		num(&h, "ver", 1);
		num(&h, "ccid", 1);
		num(&h, "conv", 1);
		pair(&h, "proto", ports[i].proto);
		pair(&h, "host", "h");
		num(&h, "port", ports[i].port);
		pair(&h, "tunnel", "");
		assert_int_equal(decode(&h), ports[i].ok ? (int)h.len : TT_EPROTO);
	}
}

/** A hello with this inst and max. */
static void hello(struct hand *h, size_t inst_len, uint64_t max)
{
	map(h, 5, "hello");
	num(h, "ver", 1);
	str(h, "inst");
	msgpack_pack_bin_with_body(&h->pk, "0123456789abcdef0", inst_len);
	str(h, "caps");
	msgpack_pack_array(&h->pk, 0);
	num(h, "max", max);
}

static void hello_with_bad_instance_or_packet_size_is_refused(void **state)
{
	(void)state;
	static struct hand h;
	hello(&h, 16, WIRE_PACKET_MIN);
	assert_taken(&h);
	hello(&h, 15, 1373);
	assert_refused(&h);
	hello(&h, 17, 1373);
	assert_refused(&h);
	hello(&h, 16, WIRE_PACKET_MIN - 1);
	assert_refused(&h);
	hello(&h, 16, WIRE_PACKET_MAX + 1);
	assert_refused(&h);
}

static void rst_with(struct hand *h, const char *reason, const char *text, size_t text_len)
{
	map(h, 6, "rst");
	num(h, "n", 1);
	num(h, "ccid", 1);
	str(h, "o");
	msgpack_pack_false(&h->pk);
	pair(h, "reason", reason);
	str(h, "text");
	msgpack_pack_str_with_body(&h->pk, text, text_len);
}

static void strings_that_are_no_plain_text_are_refused(void **state)
{
	(void)state;
	static struct hand h;
	static const char *const good[] = {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf",
		"\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xc2\xa0", "\xe2\x80\x8d", "\xe2\x80\x90",
		"\xe2\x80\xa7", "\xe2\x80\xaf", "\xe2\x81\xa5", "\xe2\x81\xaa"};
	static const char *const bad[] = {"\x80", "\xc1\xa1", "\xe0\x81\xa1", "\xf0\x80\x81\xa1",
		"\xc3", "\xc3(", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80",
		"\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\nb",
		"\x1b[2J", "\x7f", "\xc2\x9b", "\xd8\x9c", "\xe2\x80\x8e", "\xe2\x80\x8f",
		"\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaa", "\xe2\x80\xae", "\xe2\x81\xa6",
		"\xe2\x81\xa9"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		rst_with(&h, "limit", good[i], strlen(good[i]));
		assert_taken(&h);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rst_with(&h, "limit", bad[i], strlen(bad[i]));
		assert_refused(&h);
	}
	rst_with(&h, "limit", "a\0b", 3);
	assert_refused(&h);
	rst_with(&h, "Limit", "", 0);
	assert_refused(&h);
	rst_with(&h, "", "", 0);
	assert_refused(&h);
}

static void strings_longer_than_their_field_are_refused(void **state)
{
	(void)state;
	static struct hand h;
	char text[WIRE_TEXT_MAX + 1];
	memset(text, 'x', sizeof(text));
	rst_with(&h, "limit", text, WIRE_TEXT_MAX);
	assert_taken(&h);
	rst_with(&h, "limit", text, WIRE_TEXT_MAX + 1);
	assert_refused(&h);
}

static void lying_counts_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
	} lies[] = {{"\xdf\xff\xff\xff\xff", 5}, {"\xde\xff\xff", 3}, {"\x8f\xa1t", 3},
		{"\x82\xa1t\xa3"
		 "end\xa1x\xdd\xff\xff\xff\xff",
			13},
		{"\x82\xa1t\xa3"
		 "end\xa1x\xdf\x80\0\0\0",
			13},
		{"\x82\xa1t\xa3"
		 "end\xa1x\xdb\xff\xff\xff\xff",
			13},
		{"\x82\xa1t\xa3"
		 "end\xa1x\xc9\xff\xff\xff\xff",
			13},
		{"\x82\xa1t\xa3"
		 "end\xa1x\xc6\xff\xff\xff\xff",
			13}};
	struct wire_msg m;
	size_t before = mallinfo2().uordblks;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		assert_int_equal(
			wire_decode((const uint8_t *)lies[i].bytes, lies[i].len, &m), TT_EPROTO);
	assert_int_equal(mallinfo2().uordblks, before);
}

static void deep_nesting_costs_neither_stack_nor_memory(void **state)
{
	(void)state;
	static struct hand h;
	good_end(&h, 1);
	str(&h, "later");
	for (int i = 0; i < 60000; i++)
		raw(&h, "\x91", 1);
	assert_refused(&h); /* the innermost has nothing in it */
	raw(&h, "\xc0", 1);
	assert_taken(&h);
}

static void listeners_that_could_not_be_read_are_not_written(void **state)
{
	(void)state;
	uint8_t buf[WIRE_MESSAGE_MAX];
	struct wire_msg bad[] = {sample_listen(false), sample_listen(false), sample_listen(true),
		sample_listening(1), sample_unlisten(), sample_unlisten(), sample_reverse_syn(),
		sample_reverse_syn(), sample_reverse_syn(), sample_syn()};
	size_t n = 0;
	bad[n++].listen.lid = 0;
	bad[n++].listen.host[0] = '\0';
	bad[n++].listen.port = 1;
	bad[n++].listening.lid = 0;
	bad[n++].unlisten.lid = 0;
	bad[n++].unlisten.reason[0] = '\0';
	bad[n++].syn.lid = 0;
	bad[n++].syn.host[0] = 'h';
	bad[n++].syn.port = 80;
	bad[n++].syn.lid = 1;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(wire_encode(&bad[i], buf, sizeof(buf)), TT_EINVAL);
}

static void message_that_could_not_be_read_is_not_written(void **state)
{
	(void)state;
	uint8_t buf[WIRE_MESSAGE_MAX];
	struct wire_msg bad[16];
	size_t n = 0;
	for (size_t i = 0; i < 16; i++)
		bad[i] = i < 3 ? sample_hello() : i < 9 ? sample_syn() : sample_rst();
	bad[n++].hello.version = 0;
	bad[n++].hello.packet_max = 1;
	bad[n++].hello.caps = 1u << 31;
	bad[n++].n = 0;
	bad[n++].syn.ccid = 0;
	bad[n++].syn.conv = 0;
	bad[n++].syn.port = 0;
	bad[n++].syn.host[0] = '\0';
	bad[n++].syn.proto = (enum wire_proto)77;
	bad[n++].rst.ccid = 0;
	bad[n++].rst.reason[0] = '\0';
	bad[n++].rst.reason[0] = ' ';
	bad[n++].rst.text[0] = '\n';
	memset(bad[n++].rst.text, 'x', WIRE_TEXT_MAX + 1);
	memset(bad[n++].rst.reason, 'x', WIRE_NAME_MAX + 1);
	bad[n++].type = (enum wire_type)99;
	assert_int_equal(n, 16);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(wire_encode(&bad[i], buf, sizeof(buf)), TT_EINVAL);
}

static void first_byte_tells_the_kind(void **state)
{
	(void)state;
	for (int b = 0; b < 256; b++) {
		uint8_t byte = (uint8_t)b;
		enum wire_kind want = b == '{' ? WIRE_KIND_JSON : WIRE_KIND_TEXT;
		if ((b >= 0x80 && b <= 0x8f) || b == 0xde || b == 0xdf)
			want = WIRE_KIND_MSGPACK;
		assert_int_equal(wire_kind(&byte, 1), want);
	}
	assert_int_equal(wire_kind(NULL, 0), WIRE_KIND_EMPTY);
}

static void names_are_never_null(void **state)
{
	(void)state;
	assert_string_equal(wire_type_name(WIRE_SYN), "syn");
	assert_string_equal(wire_type_name((enum wire_type)0), "invalid");
	assert_string_equal(wire_type_name((enum wire_type)99), "invalid");
	assert_string_equal(wire_proto_name(WIRE_UNIX), "unix");
	assert_string_equal(wire_proto_name(WIRE_BENCH), "bench");
	assert_string_equal(wire_proto_name((enum wire_proto)0), "invalid");
	assert_string_equal(wire_proto_name((enum wire_proto)99), "invalid");
}

static void text_copy_makes_any_text_fit_to_send(void **state)
{
	(void)state;
	char dst[8];
	wire_text_copy(dst, sizeof(dst), "abc");
	assert_string_equal(dst, "abc");
	wire_text_copy(dst, sizeof(dst), "a\n\xff\xc3\xa9");
	assert_string_equal(dst, "a??\xc3\xa9");
	wire_text_copy(dst, sizeof(dst), "123456\xc3\xa9");
	assert_string_equal(dst, "123456");
	wire_text_copy(dst, sizeof(dst), "12345\xc3\xa9");
	assert_string_equal(dst, "12345\xc3\xa9");
	wire_text_copy(dst, sizeof(dst), "123456789");
	assert_string_equal(dst, "1234567");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_read_back_as_written),
		cmocka_unit_test(optional_keys_may_be_absent),
		cmocka_unit_test(longest_fields_fit_one_message),
		cmocka_unit_test(several_maps_share_one_message),
		cmocka_unit_test(type_and_keys_come_in_any_order_and_width),
		cmocka_unit_test(unknown_keys_are_passed_over_whatever_they_hold),
		cmocka_unit_test(unknown_types_keep_their_number),
		cmocka_unit_test(unknown_capabilities_are_passed_over),
		cmocka_unit_test(missing_key_is_refused),
		cmocka_unit_test(duplicate_key_is_refused),
		cmocka_unit_test(wrong_types_are_refused),
		cmocka_unit_test(numbers_out_of_range_are_refused),
		cmocka_unit_test(hello_with_bad_instance_or_packet_size_is_refused),
		cmocka_unit_test(strings_that_are_no_plain_text_are_refused),
		cmocka_unit_test(strings_longer_than_their_field_are_refused),
		cmocka_unit_test(lying_counts_are_refused),
		cmocka_unit_test(deep_nesting_costs_neither_stack_nor_memory),
		cmocka_unit_test(message_that_could_not_be_read_is_not_written),
		cmocka_unit_test(listeners_that_could_not_be_read_are_not_written),
		cmocka_unit_test(first_byte_tells_the_kind),
		cmocka_unit_test(names_are_never_null),
		cmocka_unit_test(text_copy_makes_any_text_fit_to_send),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
