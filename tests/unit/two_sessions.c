#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "two_sessions.h"

#include <string.h>

#include "tt_err.h"

static const char *const rule_texts[] = {"10.0.0.0/8:1000-2000", "files.test:22"};
static struct tt_rule rules[2];

void world_restart(struct world *w, size_t i)
{
	session_free(w->s[i]);
	w->s[i] = NULL;
	w->cfg[i].inst[0]++;
	assert_int_equal(session_new(&w->s[i], &w->cfg[i], w->now), TT_OK);
}

void world_make(struct world *w)
{
	const char *why;
	*w = (struct world){.now = TT_S(1000)};
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(tt_rule_parse(rule_texts[i], &rules[i], &why), TT_OK);
	for (size_t i = 0; i < 2; i++) {
		struct session_config *c = &w->cfg[i];
		c->self_key[0] = (uint8_t)(2 - i);
		c->peer_key[0] = (uint8_t)(1 + i);
		c->terms.name = i == CLI ? "desk" : "box";
		c->terms.accept = i == SRV;
		c->mode =
			TT_MODE_FAST3; /* no pacing: time stands still while packets are carried */
		c->terms.rules = rules;
		c->terms.n_rules = 2;
		c->mem = fail_mem_init(&w->mem[i], 0);
	}
}

void world_start(struct world *w)
{
	for (size_t i = 0; i < 2; i++)
		world_restart(w, i);
}

void world_finish(struct world *w)
{
	for (size_t i = 0; i < 2; i++) {
		session_free(w->s[i]);
		assert_int_equal(w->mem[i].held, 0);
	}
}

bool world_carry_control(struct world *w, size_t from)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	size_t len = session_control_output(w->s[from], buf);
	if (len == 0)
		return false;
	session_control_sent(w->s[from], ++w->receipt);
	assert_int_equal(session_control_input(w->s[!from], buf, len, w->now), TT_OK);
	session_control_confirmed(w->s[from], w->receipt);
	return true;
}

bool world_carry_packet(struct world *w, size_t from)
{
	uint8_t buf[LINK_PACKET_MAX];
	size_t len = session_packet_output(w->s[from], buf, w->now);
	if (len > 0)
		session_packet_input(w->s[!from], buf, len, w->now);
	return len > 0;
}

void world_carry(struct world *w)
{
	bool more = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < 2; i++) {
			if (session_deadline(w->s[i]) <= w->now)
				session_on_deadline(w->s[i], w->now);
			more |= !w->hold_control && world_carry_control(w, i);
			more |= !w->hold_packets && world_carry_packet(w, i);
		}
	}
}

struct session_action world_want(struct world *w, size_t i, enum session_action_type type)
{
	struct session_action a = {0};
	do
		assert_true(session_next_action(w->s[i], &a));
	while (a.type == ACTION_READY && type != ACTION_READY);
	assert_int_equal(a.type, type);
	return a;
}

void world_want_nothing(struct world *w, size_t i)
{
	struct session_action a;
	while (session_next_action(w->s[i], &a))
		assert_int_equal(a.type, ACTION_READY);
}

enum close_reason world_want_closed(struct world *w, size_t i)
{
	struct session_action a = world_want(w, i, ACTION_CLOSED);
	struct channel_info info;
	channel_info(a.channel, &info);
	assert_int_equal(info.state, CHANNEL_CLOSED);
	channel_release(a.channel);
	world_want_nothing(w, i);
	return info.reason;
}

void world_online(struct world *w)
{
	for (size_t i = 0; i < 2; i++)
		session_path(w->s[i], LINK_DIRECT, w->now);
	world_carry(w);
}

void world_offline(struct world *w)
{
	for (size_t i = 0; i < 2; i++)
		session_path(w->s[i], LINK_DOWN, w->now);
}

void world_up(struct world *w)
{
	world_make(w);
	world_start(w);
	world_online(w);
}

struct channel *world_ask(struct world *w, size_t from, const char *host, uint16_t port)
{
	struct channel_target t = {.host = host, .port = port, .tunnel = "web"};
	struct channel *ch = NULL;
	assert_int_equal(session_open(w->s[from], &t, &ch, w, w->now), TT_OK);
	return ch;
}

void world_open_one(struct world *w, struct channel *ch[2])
{
	ch[CLI] = world_ask(w, CLI, "10.0.0.1", 1080);
	world_carry(w);
	ch[SRV] = world_want(w, SRV, ACTION_DIAL).channel;
	channel_dialed(ch[SRV], REASON_NONE, w->now);
	world_want(w, SRV, ACTION_OPENED);
	world_carry(w);
	assert_ptr_equal(world_want(w, CLI, ACTION_OPENED).channel, ch[CLI]);
}

void bytes_put(struct channel *ch, size_t len, tt_time now)
{
	while (len > 0) {
		struct iovec v;
		assert_int_equal(channel_send_reserve(ch, &v, 1, len), 1);
		memset(v.iov_base, 'x', v.iov_len);
		channel_send_commit(ch, v.iov_len, now);
		len -= v.iov_len;
	}
}

size_t bytes_take(struct channel *ch, tt_time now)
{
	struct iovec v;
	size_t n = 0;
	while (channel_recv_peek(ch, &v, 1) > 0) {
		n += v.iov_len;
		channel_recv_consume(ch, v.iov_len, now);
	}
	return n;
}

size_t bytes_put_all(struct channel *ch, tt_time now)
{
	struct iovec v;
	size_t n = 0;
	for (; channel_send_reserve(ch, &v, 1, SIZE_MAX) > 0; n += v.iov_len)
		channel_send_commit(ch, v.iov_len, now);
	return n;
}

int world_say(struct world *w, size_t to, struct wire_msg *m)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	int n = wire_encode(m, buf, sizeof(buf));
	assert_true(n > 0);
	return session_control_input(w->s[to], buf, (size_t)n, w->now);
}

struct wire_msg syn_to(uint32_t n, uint32_t ccid, const char *host, uint16_t port)
{
	struct wire_msg m = {.type = WIRE_SYN,
		.n = n,
		.syn = {.version = 1,
			.ccid = ccid,
			.conv = 1000 + ccid,
			.proto = WIRE_TCP,
			.port = port}};
	wire_text_copy(m.syn.host, sizeof(m.syn.host), host);
	return m;
}

void world_start_alone(struct world *w)
{
	struct wire_msg hello = {.type = WIRE_HELLO,
		.hello = {.version = 1, .packet_max = 1373, .seen = true, .inst = {9}}};
	world_start(w);
	session_path(w->s[SRV], LINK_DIRECT, w->now);
	assert_int_equal(world_say(w, SRV, &hello), TT_OK);
}

void world_up_alone(struct world *w)
{
	world_make(w);
	world_start_alone(w);
}

bool world_heard(struct world *w, size_t from, struct wire_msg *m, size_t *count)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	size_t len = session_control_output(w->s[from], buf), at = 0;
	*count = 0;
	while (at < len) {
		struct wire_msg one;
		int n = wire_decode(buf + at, len - at, &one);
		assert_true(n > 0);
		at += (size_t)n;
		if (one.type == WIRE_HELLO)
			continue;
		if ((*count)++ == 0)
			*m = one;
	}
	if (len > 0) {
		session_control_sent(w->s[from], ++w->receipt);
		session_control_confirmed(w->s[from], w->receipt);
	}
	return *count > 0;
}

enum close_reason world_answer(struct world *w)
{
	struct wire_msg m;
	size_t n;
	assert_true(world_heard(w, SRV, &m, &n));
	assert_int_equal(m.type, WIRE_RST);
	return reason_parse(m.rst.reason);
}

struct session_stats world_stats(struct world *w, size_t i)
{
	struct session_stats st;
	session_stats(w->s[i], &st);
	return st;
}

void world_pass(struct world *w, tt_time us)
{
	for (tt_time end = w->now + us; w->now < end;) {
		w->now += TT_MS(500);
		for (size_t i = 0; i < 2; i++)
			session_on_deadline(w->s[i], w->now);
		world_carry(w);
	}
}
