/*
 * A hostile peer and a careless application against one session. The input is a program: an
 * operation byte, then its operands. Maps are built from few values, so that they meet; raw bytes
 * reach the decoders too. Aborts where the contract of session.h is broken.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fail_mem.h"
#include "listen.h"
#include "session.h"
#include "tt_err.h"

#define CHANNELS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p, *end;
};

struct world {
	struct session *s;
	tt_time now;
	uint32_t next_n;
	uint32_t receipt;
	struct channel *ch[CHANNELS]; /* those that the application knows */
	struct channel *resolving[CHANNELS], *dialing[CHANNELS];
	char users[4]; /* of listeners */
};

static uint8_t byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static void forget(struct channel *v[CHANNELS], const struct channel *ch)
{
	for (size_t i = 0; i < CHANNELS; i++)
		if (v[i] == ch)
			v[i] = NULL;
}

static void keep(struct channel *v[CHANNELS], struct channel *ch)
{
	forget(v, ch);
	for (size_t i = 0; i < CHANNELS; i++)
		if (!v[i]) {
			v[i] = ch;
			return;
		}
}

static void take_action(struct world *w)
{
	struct session_action a;
	if (!session_next_action(w->s, &a))
		return;
	switch (a.type) {
	case ACTION_RESOLVE:
		keep(w->resolving, a.channel);
		break;
	case ACTION_DIAL:
		if (a.n_addrs == 0 && !a.bench && !a.path)
			abort();
		keep(w->dialing, a.channel);
		break;
	case ACTION_CLOSED:
		forget(w->ch, a.channel);
		forget(w->resolving, a.channel);
		forget(w->dialing, a.channel);
		channel_release(a.channel);
		return;
	default:
		break;
	}
	keep(w->ch, a.channel);
}

static void say(struct world *w, struct input *in)
{
	static const char *const hosts[] = {"10.0.0.1", "11.0.0.1", "a.test", "b.test"};
	static const char *const kinds[] = {"source", "sink", "echo", "x"};
	static const char *const reasons[] = {"reset", "limit", "client_close", "x"};
	static const char *const places[] = {"localhost", "*", "10.0.0.1", "x.test"};
	uint8_t buf[WIRE_MESSAGE_MAX], kind = byte(in), bits = byte(in);
	/* Maps of listeners have kinds of their own, so that the corpus keeps its meaning. */
	struct wire_msg m = {.type = (enum wire_type)((kind & 0x60) == 0x60 ? WIRE_LISTEN + kind % 3
									    : 1 + kind % 6)};
	uint32_t ccid = 1 + bits % 4;
	bool o = bits & 0x80;

	m.n = m.type == WIRE_HELLO ? 0 : kind & 0x80 ? byte(in) + 1u : w->next_n++;
	switch (m.type) {
	case WIRE_HELLO:
		m.hello = (struct wire_hello){.version = 1,
			.inst = {bits & 3},
			.caps = (bits >> 2 & 1) | (bits & 32 ? WIRE_CAP_UDP : 0),
			.seen = bits & 8,
			.packet_max = bits & 16 ? 128 : 1373};
		break;
	case WIRE_SYN:
		m.syn = (struct wire_syn){.version = 1,
			.ccid = ccid,
			.conv = 1 + (bits >> 2 & 3),
			.proto = bits & 64 ? WIRE_UDP : WIRE_TCP,
			.port = 80};
		memcpy(m.syn.host, hosts[bits >> 4 & 3], strlen(hosts[bits >> 4 & 3]));
		if ((bits & 0xc0) == 0xc0) {
			m.syn.proto = WIRE_BENCH;
			m.syn.port = 0;
			memcpy(m.syn.host, kinds[bits >> 4 & 3], strlen(kinds[bits >> 4 & 3]) + 1);
		}
		if ((kind & 0x60) == 0x40) {
			m.syn.proto = WIRE_REVERSE;
			m.syn.port = 0;
			m.syn.lid = ccid;
			memset(m.syn.host, 0, sizeof(m.syn.host));
		}
		break;
	case WIRE_ACK:
		m.ack = (struct wire_ack){.ccid = ccid, .conv = 1 + (bits >> 2 & 3)};
		break;
	case WIRE_RST:
		m.rst = (struct wire_rst){.ccid = ccid, .opener = o};
		memcpy(m.rst.reason, reasons[bits >> 2 & 3], strlen(reasons[bits >> 2 & 3]));
		memcpy(m.rst.text, "why", bits & 64 ? 3 : 0);
		break;
	case WIRE_FIN:
		m.fin = (struct wire_fin){
			.ccid = ccid, .opener = o, .seen = bits & 4, .bytes = byte(in)};
		break;
	case WIRE_LISTEN:
		m.listen = (struct wire_listen){
			.lid = ccid, .path = bits & 64, .port = bits & 64 ? 0 : bits >> 2 & 1};
		memcpy(m.listen.host, places[bits >> 4 & 3], strlen(places[bits >> 4 & 3]));
		break;
	case WIRE_LISTENING:
		m.listening = (struct wire_listening){.lid = ccid, .port = bits};
		break;
	case WIRE_UNLISTEN:
		m.unlisten = (struct wire_unlisten){.lid = ccid, .asker = o};
		memcpy(m.unlisten.reason, reasons[bits >> 2 & 3], strlen(reasons[bits >> 2 & 3]));
		break;
	default:
		m.end = (struct wire_end){.ccid = ccid, .opener = o};
		break;
	}
	int n = wire_encode(&m, buf, sizeof(buf));
	if (n < 0)
		abort();
	session_control_input(w->s, buf, (size_t)n, w->now);
}

static void raw(struct world *w, struct input *in, bool control)
{
	uint8_t *copy;
	size_t n = byte(in);
	if (n > (size_t)(in->end - in->p))
		n = (size_t)(in->end - in->p);
	copy = malloc(n ? n : 1); /* so that a sanitizer sees its end */
	if (!copy)
		abort();
	memcpy(copy, in->p, n);
	in->p += n;
	if (control)
		session_control_input(w->s, copy, n, w->now);
	else
		session_packet_input(w->s, copy, n, w->now);
	free(copy);
}

/* A packet with a few small segments. */
static void segments(struct world *w, struct input *in)
{
	uint8_t pkt[LINK_PACKET_MAX] = {LINK_ID_KCP};
	size_t n = 1, count = 1 + byte(in) % 3;

	while (count-- > 0) {
		uint8_t *p = pkt + n, bits = byte(in), len = bits & 64 ? byte(in) : 0;
		memset(p, 0, KCP_HEADER);
		p[0] = (uint8_t)(1 + (bits & 3));
		p[4] = (uint8_t)(81 + (bits >> 2 & 3));
		p[6] = byte(in);
		p[8] = byte(in);
		p[12] = byte(in);
		p[16] = byte(in);
		p[20] = len;
		memset(p + KCP_HEADER, 'x', len);
		n += KCP_HEADER + len;
	}
	session_packet_input(w->s, pkt, n, w->now);
}

static void datagrams(struct world *w, struct channel *ch, uint8_t what, uint8_t arg)
{
	static const uint8_t data[255 * 20];

	if (what / CHANNELS % 2 == 0) {
		channel_dgram_send(ch, data, arg * 20u, w->now);
		return;
	}
	while (channel_dgram_next(ch))
		channel_dgram_done(ch, arg & 1, w->now);
}

static void application(struct world *w, struct input *in)
{
	uint8_t what = byte(in), arg = byte(in);
	struct channel *ch = w->ch[what % CHANNELS];
	struct channel_info info;
	struct iovec v[4];
	size_t len = 0;

	if (!ch)
		return;
	channel_info(ch, &info);
	if (info.udp)
		datagrams(w, ch, what, arg);
	switch (what / CHANNELS % 6) {
	case 0: {
		int n = channel_send_reserve(ch, v, 4, arg * 20u);
		for (int i = 0; i < n; i++) {
			memset(v[i].iov_base, 'y', v[i].iov_len);
			len += v[i].iov_len;
		}
		if (n > 0)
			channel_send_commit(ch, len - len * (arg & 1) / 2, w->now);
		break;
	}
	case 1: {
		int n = channel_recv_peek(ch, v, 4);
		for (int i = 0; i < n; i++)
			len += v[i].iov_len;
		if (n > 0)
			channel_recv_consume(ch, arg < len && arg ? arg : len, w->now);
		break;
	}
	case 2:
		channel_send_eof(ch, w->now);
		break;
	case 3:
		channel_abort(ch, REASON_RESET, w->now);
		break;
	case 4: {
		struct tt_addr a[2] = {{4, {10}}, {4, {arg}}};
		struct channel *r = w->resolving[what % CHANNELS];
		if (r)
			channel_resolved(r, a, arg % 3, w->now);
		break;
	}
	default:
		if (w->dialing[what % CHANNELS])
			channel_dialed(w->dialing[what % CHANNELS],
				arg & 1 ? REASON_REFUSED_BY_TARGET : REASON_NONE, w->now);
		break;
	}
}

static void output(struct world *w, uint8_t arg)
{
	uint8_t buf[WIRE_MESSAGE_MAX > LINK_PACKET_MAX ? WIRE_MESSAGE_MAX : LINK_PACKET_MAX];
	unsigned n = 0;

	if (arg & 1 && session_control_output(w->s, buf) > 0)
		session_control_sent(w->s, ++w->receipt);
	if (arg & 2)
		session_control_confirmed(w->s, w->receipt - (arg >> 6));
	if (arg & 8) /* a carrier that is full: timers without packets */
		session_on_deadline(w->s, w->now);
	if (!(arg & 4))
		return;
	if (session_deadline(w->s) <= w->now)
		session_on_deadline(w->s, w->now);
	while (session_packet_output(w->s, buf, w->now) > 0)
		if (++n > 100000)
			abort();
	if (session_deadline(w->s) <= w->now)
		abort(); /* stuck in the past */
}

/* What listeners are wanted, and what becomes of those that the peer wants. */
static void listeners(struct world *w, uint8_t arg)
{
	struct listen_request r = {.host = "localhost",
		.port = arg >> 4 & 1,
		.target = {.proto = WIRE_TCP, .host = "127.0.0.1", .port = 22}};
	struct listen_action a;

	if (arg == 7)
		session_end(w->s, REASON_SHUTDOWN);
	else if (arg & 0x80)
		session_listen(w->s, &r, &w->users[arg & 3], w->now);
	else if (arg & 0x40)
		session_unlisten(w->s, &w->users[arg & 3]);
	else if (arg & 0x20 && session_next_listen_action(w->s, &a) &&
		 a.type == LISTEN_ACTION_OPEN) {
		if (!a.path && a.at.n_addrs == 0)
			abort();
		session_listen_opened(w->s, a.lid, w, arg & 1 ? REASON_CANNOT_LISTEN : REASON_NONE,
			arg, "why", w->now);
	}
}

static void step(struct world *w, struct input *in)
{
	static const enum link_path paths[] = {LINK_DOWN, LINK_RELAYED, LINK_DIRECT, LINK_DIRECT};
	struct channel_target t = {.host = "10.0.0.1", .port = 80, .tunnel = "t"};
	struct channel *ch;

	switch (byte(in) % 11) {
	case 0:
		say(w, in);
		break;
	case 1:
		raw(w, in, true);
		break;
	case 2:
		raw(w, in, false);
		break;
	case 3:
		segments(w, in);
		break;
	case 4:
		application(w, in);
		break;
	case 5:
		take_action(w);
		break;
	case 6:
		output(w, byte(in));
		break;
	case 7:
		w->now += TT_MS(1) << byte(in) % 16;
		break;
	case 8:
		session_path(w->s, paths[byte(in) & 3], w->now);
		break;
	case 9:
		t.proto = w->next_n & 1 ? WIRE_TCP : WIRE_UDP;
		if (session_open(w->s, &t, &ch, NULL, w->now) == TT_OK)
			keep(w->ch, ch);
		break;
	default:
		listeners(w, byte(in));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tt_rule rule = {.kind = TT_RULE_NET,
		.net = {4, {10}},
		.prefix = 8,
		.port_first = 1,
		.port_last = 65535};
	struct fail_mem fm;
	struct input in = {data, data + size};
	struct world w = {.now = TT_S(10), .next_n = 1};
	struct session_config cfg = {.terms.accept = true,
		.terms.bench = true,
		.terms.rules = &rule,
		.terms.n_rules = 1,
		.terms.listens = &rule,
		.terms.n_listens = 1,
		.terms.channels_max = CHANNELS,
		.terms.idle_timeout_us = TT_S(60),
		.terms.resume_timeout_us = TT_S(100),
		.mem = fail_mem_init(&fm, 0)};
	uint8_t first = byte(&in);

	cfg.self_key[0] = first & 1;
	cfg.mode = first & 2 ? TT_MODE_FAST : TT_MODE_AUTO;
	if (session_new(&w.s, &cfg, w.now) != TT_OK)
		abort();
	session_path(w.s, LINK_DIRECT, w.now);
	while (in.p < in.end)
		step(&w, &in);
	session_path(w.s, LINK_DIRECT, w.now);
	output(&w, 7);
	session_free(w.s);
	if (fm.held > 0)
		abort();
	return 0;
}
