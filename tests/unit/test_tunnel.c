/* Two sessions whose messages are carried by hand: how channels open, carry, close and fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "access.h"
#include "control.h"
#include "fail_mem.h"
#include "session.h"
#include "tt_err.h"

enum { CLI, SRV };

struct world {
	struct session *s[2];
	struct fail_mem mem[2];
	struct session_config cfg[2];
	tt_time now;
	uint32_t receipt;
	bool hold_control, hold_packets;
};

static const char *const rule_texts[] = {"10.0.0.0/8:1000-2000", "files.test:22"};
static struct tt_rule rules[2];

static void restart(struct world *w, size_t i)
{
	session_free(w->s[i]);
	w->s[i] = NULL;
	w->cfg[i].inst[0]++;
	assert_int_equal(session_new(&w->s[i], &w->cfg[i], w->now), TT_OK);
}

static void make(struct world *w)
{
	const char *why;
	*w = (struct world){.now = TT_S(1000)};
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(tt_rule_parse(rule_texts[i], &rules[i], &why), TT_OK);
	for (size_t i = 0; i < 2; i++) {
		struct session_config *c = &w->cfg[i];
		c->self_key[0] = (uint8_t)(2 - i);
		c->peer_key[0] = (uint8_t)(1 + i);
		c->name = i == CLI ? "desk" : "box";
		c->accept = i == SRV;
		c->mode =
			TT_MODE_FAST3; /* no pacing: time stands still while packets are carried */
		c->rules = rules;
		c->n_rules = 2;
		c->mem = fail_mem_init(&w->mem[i], 0);
	}
}

static void start(struct world *w)
{
	for (size_t i = 0; i < 2; i++)
		restart(w, i);
}

static void finish(struct world *w)
{
	for (size_t i = 0; i < 2; i++) {
		session_free(w->s[i]);
		assert_int_equal(w->mem[i].held, 0);
	}
}

static bool carry_control(struct world *w, size_t from)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	size_t len = session_control_output(w->s[from], buf);
	if (len == 0)
		return false;
	session_control_sent(w->s[from], ++w->receipt);
	session_control_input(w->s[!from], buf, len, w->now);
	session_control_confirmed(w->s[from], w->receipt);
	return true;
}

static bool carry_packet(struct world *w, size_t from)
{
	uint8_t buf[LINK_PACKET_MAX];
	size_t len = session_packet_output(w->s[from], buf, w->now);
	if (len > 0)
		session_packet_input(w->s[!from], buf, len, w->now);
	return len > 0;
}

/* Carries until there is silence; takes no actions. */
static void carry(struct world *w)
{
	bool more = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < 2; i++) {
			if (session_deadline(w->s[i]) <= w->now)
				session_on_deadline(w->s[i], w->now);
			more |= !w->hold_control && carry_control(w, i);
			more |= !w->hold_packets && carry_packet(w, i);
		}
	}
}

/* The next action of an end, which must be of this type. */
static struct session_action want(struct world *w, size_t i, enum session_action_type type)
{
	struct session_action a = {0};
	do
		assert_true(session_next_action(w->s[i], &a));
	while (a.type == ACTION_READY && type != ACTION_READY);
	assert_int_equal(a.type, type);
	return a;
}

static void want_nothing(struct world *w, size_t i)
{
	struct session_action a;
	while (session_next_action(w->s[i], &a))
		assert_int_equal(a.type, ACTION_READY);
}

static enum close_reason want_closed(struct world *w, size_t i)
{
	struct session_action a = want(w, i, ACTION_CLOSED);
	struct channel_info info;
	channel_info(a.channel, &info);
	assert_int_equal(info.state, CHANNEL_CLOSED);
	channel_release(a.channel);
	want_nothing(w, i);
	return info.reason;
}

static void online(struct world *w)
{
	for (size_t i = 0; i < 2; i++)
		session_path(w->s[i], LINK_DIRECT, w->now);
	carry(w);
}

static void offline(struct world *w)
{
	for (size_t i = 0; i < 2; i++)
		session_path(w->s[i], LINK_DOWN, w->now);
}

static void up(struct world *w)
{
	make(w);
	start(w);
	online(w);
}

static struct channel *ask(struct world *w, size_t from, const char *host, uint16_t port)
{
	struct channel_target t = {.host = host, .port = port, .tunnel = "web"};
	struct channel *ch = NULL;
	assert_int_equal(session_open(w->s[from], &t, &ch, w, w->now), TT_OK);
	return ch;
}

/* An open channel; [CLI] is the opener's. */
static void open_one(struct world *w, struct channel *ch[2])
{
	ch[CLI] = ask(w, CLI, "10.0.0.1", 1080);
	carry(w);
	ch[SRV] = want(w, SRV, ACTION_DIAL).channel;
	channel_dialed(ch[SRV], REASON_NONE, w->now);
	want(w, SRV, ACTION_OPENED);
	carry(w);
	assert_ptr_equal(want(w, CLI, ACTION_OPENED).channel, ch[CLI]);
}

static void put(struct channel *ch, size_t len, tt_time now)
{
	while (len > 0) {
		struct iovec v;
		assert_int_equal(channel_send_reserve(ch, &v, 1, len), 1);
		memset(v.iov_base, 'x', v.iov_len);
		channel_send_commit(ch, v.iov_len, now);
		len -= v.iov_len;
	}
}

static size_t take(struct channel *ch, tt_time now)
{
	struct iovec v;
	size_t n = 0;
	while (channel_recv_peek(ch, &v, 1) > 0) {
		n += v.iov_len;
		channel_recv_consume(ch, v.iov_len, now);
	}
	return n;
}

/* Puts in whatever there is room for. */
static size_t put_all(struct channel *ch, tt_time now)
{
	struct iovec v;
	size_t n = 0;
	for (; channel_send_reserve(ch, &v, 1, SIZE_MAX) > 0; n += v.iov_len)
		channel_send_commit(ch, v.iov_len, now);
	return n;
}

/* Hands one map to an end as its peer would send it. */
static int say(struct world *w, size_t to, struct wire_msg *m)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	int n = wire_encode(m, buf, sizeof(buf));
	assert_true(n > 0);
	return session_control_input(w->s[to], buf, (size_t)n, w->now);
}

static struct wire_msg syn_to(uint32_t n, uint32_t ccid, const char *host, uint16_t port)
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

/* A server whose peer is the test: it has had a hello and nothing else. */
static void start_alone(struct world *w)
{
	struct wire_msg hello = {.type = WIRE_HELLO,
		.hello = {.version = 1, .packet_max = 1373, .seen = true, .inst = {9}}};
	start(w);
	session_path(w->s[SRV], LINK_DIRECT, w->now);
	assert_int_equal(say(w, SRV, &hello), TT_OK);
}

static void up_alone(struct world *w)
{
	make(w);
	start_alone(w);
}

/* The next map that an end has to say, hellos left out. It counts as sent and confirmed. */
static bool heard(struct world *w, size_t from, struct wire_msg *m, size_t *count)
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

static enum close_reason answer(struct world *w)
{
	struct wire_msg m;
	size_t n;
	assert_true(heard(w, SRV, &m, &n));
	assert_int_equal(m.type, WIRE_RST);
	return reason_parse(m.rst.reason);
}

static struct session_stats stats_of(struct world *w, size_t i)
{
	struct session_stats st;
	session_stats(w->s[i], &st);
	return st;
}

/* ---- control stream ---- */

static void push_end(struct control *c, uint32_t ccid)
{
	struct wire_msg m = {.type = WIRE_END, .end = {.ccid = ccid}};
	assert_int_equal(control_push(c, &m), TT_OK);
}

static void control_maps_are_numbered_kept_and_repeated_in_order(void **state)
{
	struct fail_mem fm;
	struct control c;
	uint8_t a[WIRE_MESSAGE_MAX], b[WIRE_MESSAGE_MAX];
	struct wire_msg m;
	(void)state;
	control_init(&c, fail_mem_init(&fm, 0));
	for (uint32_t i = 1; i <= 4; i++)
		push_end(&c, i);
	size_t one = control_peek(&c, a, WIRE_MESSAGE_MAX) / 4;
	assert_int_equal(control_peek(&c, a, 2 * one + one / 2), 2 * one); /* whole maps only */
	assert_true(wire_decode(a, one, &m) > 0);
	assert_int_equal(m.n, 1);
	push_end(&c, 5);
	control_sent(&c, 70); /* what was peeked, not what came since */
	assert_int_equal(control_peek(&c, b, WIRE_MESSAGE_MAX), 3 * one);
	assert_true(wire_decode(b, one, &m) > 0);
	assert_int_equal(m.n, 3);
	control_sent(&c, 71);
	assert_int_equal(control_peek(&c, b, WIRE_MESSAGE_MAX), 0);
	control_confirmed(&c, 99); /* nobody's */
	control_confirmed(&c, 70);
	assert_int_equal(c.items, 3);
	control_rewind(&c);
	control_confirmed(&c, 71); /* of the lost connection */
	assert_int_equal(c.items, 3);
	assert_int_equal(control_peek(&c, b, WIRE_MESSAGE_MAX), 3 * one);
	assert_true(wire_decode(b, one, &m) > 0);
	assert_int_equal(m.n, 3);
	control_sent(&c, 72);
	control_confirmed(&c, 72);
	assert_true(control_empty(&c));
	assert_int_equal(fm.held, 0);
	push_end(&c, 6);
	control_clear(&c);
	assert_int_equal(c.next_n, 1);
	assert_int_equal(fm.held, 0);
}

static void control_drops_duplicates_and_sees_gaps(void **state)
{
	struct control c;
	(void)state;
	control_init(&c, NULL);
	assert_int_equal(control_accept(&c, 1), TT_OK);
	assert_int_equal(control_accept(&c, 1), TT_EEXIST);
	assert_int_equal(control_accept(&c, 2), TT_OK);
	assert_int_equal(control_accept(&c, 4), TT_EPROTO);
	assert_int_equal(control_accept(&c, 3), TT_EEXIST);
	assert_int_equal(control_accept(&c, 5), TT_OK);
}

static void hellos_are_exchanged_once_and_then_there_is_silence(void **state)
{
	struct world w;
	(void)state;
	make(&w);
	start(&w);
	assert_false(session_ready(w.s[CLI]));
	struct channel_target t = {.host = "10.0.0.1", .port = 1080};
	struct channel *ch = NULL;
	assert_int_equal(session_open(w.s[CLI], &t, &ch, NULL, w.now), TT_EAGAIN);
	online(&w);
	for (size_t i = 0; i < 2; i++) {
		assert_true(session_ready(w.s[i]));
		assert_true(session_control_idle(w.s[i]));
		assert_true(stats_of(&w, i).control_sent <= 2);
	}
	assert_string_equal(stats_of(&w, CLI).peer_name, "box");
	finish(&w);
}

static void maps_that_were_not_confirmed_are_repeated_after_an_outage(void **state)
{
	struct world w;
	uint8_t buf[WIRE_MESSAGE_MAX];
	(void)state;
	up(&w);
	ask(&w, CLI, "10.0.0.1", 1080);
	assert_true(session_control_output(w.s[CLI], buf) > 0);
	session_control_sent(w.s[CLI], 1000); /* lost */
	carry(&w);
	want_nothing(&w, SRV);
	offline(&w);
	assert_int_equal(session_control_output(w.s[CLI], buf), 0);
	online(&w);
	want(&w, SRV, ACTION_DIAL);
	assert_true(session_control_idle(w.s[CLI]));
	finish(&w);
}

static void map_that_arrived_but_was_not_confirmed_is_taken_once(void **state)
{
	struct world w;
	uint8_t buf[WIRE_MESSAGE_MAX];
	(void)state;
	up(&w);
	ask(&w, CLI, "10.0.0.1", 1080);
	size_t len = session_control_output(w.s[CLI], buf);
	session_control_sent(w.s[CLI], 1000);
	session_control_input(w.s[SRV], buf, len, w.now); /* its receipt is lost */
	offline(&w);
	online(&w);
	want(&w, SRV, ACTION_DIAL);
	want_nothing(&w, SRV);
	assert_int_equal(stats_of(&w, SRV).opened, 1);
	finish(&w);
}

static void map_between_a_loss_we_noticed_alone_and_the_next_hello_is_taken(void **state)
{
	struct world w;
	(void)state;
	up(&w);
	session_path(w.s[SRV], LINK_DOWN, w.now);
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	ask(&w, CLI, "10.0.0.1", 1080);
	assert_true(carry_control(&w, CLI)); /* confirmed: it will not come again */
	want(&w, SRV, ACTION_DIAL);
	carry(&w);
	struct channel *ch[2];
	open_one(&w, ch);
	assert_int_equal(stats_of(&w, SRV).reasons[REASON_PROTOCOL_ERROR], 0);
	finish(&w);
}

static void second_hello_without_seen_repeats_what_is_not_confirmed(void **state)
{
	struct world w;
	uint8_t buf[WIRE_MESSAGE_MAX];
	(void)state;
	up(&w);
	ask(&w, CLI, "10.0.0.1", 1080);
	session_control_output(w.s[CLI], buf);
	session_control_sent(w.s[CLI], 1000); /* lost in a moment that only the other side sees */
	session_path(w.s[SRV], LINK_DOWN, w.now);
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	carry(&w);
	want(&w, SRV, ACTION_DIAL);
	finish(&w);
}

static void hello_that_comes_while_ours_is_being_sent_is_answered(void **state)
{
	struct world w;
	uint8_t buf[WIRE_MESSAGE_MAX];
	struct wire_msg m,
		hello = {.type = WIRE_HELLO, .hello = {.version = 1, .packet_max = 1373}};
	(void)state;
	make(&w);
	start(&w);
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	assert_true(session_control_output(w.s[SRV], buf) > 0);
	assert_int_equal(say(&w, SRV, &hello), TT_OK);
	session_control_sent(w.s[SRV], 1);
	size_t len = session_control_output(w.s[SRV], buf);
	assert_true(wire_decode(buf, len, &m) > 0);
	assert_int_equal(m.type, WIRE_HELLO);
	assert_true(m.hello.seen);
	finish(&w);
}

static void gap_in_the_numbers_ends_all_channels_and_goes_on(void **state)
{
	struct world w;
	struct wire_msg m = syn_to(1, 1, "10.0.0.1", 1080);
	(void)state;
	up_alone(&w);
	assert_int_equal(say(&w, SRV, &m), TT_OK);
	want(&w, SRV, ACTION_DIAL);
	m = syn_to(3, 2, "10.0.0.1", 1081);
	assert_int_equal(say(&w, SRV, &m), TT_OK);
	assert_int_equal(want(&w, SRV, ACTION_CLOSED).port, 1080);
	assert_int_equal(want(&w, SRV, ACTION_DIAL).port, 1081);
	assert_int_equal(stats_of(&w, SRV).reasons[REASON_PROTOCOL_ERROR], 1);
	assert_int_equal(answer(&w), REASON_PROTOCOL_ERROR);
	finish(&w);
}

static void message_that_cannot_be_read_is_counted(void **state)
{
	struct world w;
	static const uint8_t junk[] = {0x81, 0xa1, 't', 0xa3};
	(void)state;
	up_alone(&w);
	assert_int_equal(session_control_input(w.s[SRV], junk, sizeof(junk), w.now), TT_EPROTO);
	assert_int_equal(stats_of(&w, SRV).control_malformed, 1);
	finish(&w);
}

static void long_names_are_cut_between_characters(void **state)
{
	struct world w;
	char name[100] = "";
	(void)state;
	make(&w);
	for (size_t i = 0; i < 32; i++)
		memcpy(name + 3 * i, "\xe2\x82\xac", 4); /* 96 bytes, 63 would fit: 21 whole */
	name[0] = 'a';
	name[1] = 'b';
	name[2] = '\n';
	w.cfg[CLI].name = name;
	start(&w);
	online(&w);
	assert_true(session_ready(w.s[SRV]));
	struct channel_target t = {.host = "10.0.0.1", .port = 1080, .tunnel = name + 3};
	struct channel *ch;
	assert_int_equal(session_open(w.s[CLI], &t, &ch, NULL, w.now), TT_OK);
	finish(&w);
}

/* ---- access ---- */

static void rules_decide_about_literals_names_and_what_names_resolve_to(void **state)
{
	static const struct {
		const char *host;
		uint16_t port;
		enum session_action_type first; /* CLOSED: refused at once */
	} cases[] = {
		{"10.0.0.1", 1080, ACTION_DIAL},
		{"10.0.0.1", 999, ACTION_CLOSED},
		{"11.0.0.1", 1080, ACTION_CLOSED},
		{"::ffff:10.0.0.1", 1080, ACTION_DIAL},
		{"::1", 1080, ACTION_CLOSED},
		{"some.test", 1080, ACTION_RESOLVE},
		{"some.test", 80, ACTION_CLOSED}, /* no rule could match: nothing is asked */
		{"files.test", 22, ACTION_RESOLVE},
		{"FILES.test", 22, ACTION_RESOLVE},
		{"other.test", 22, ACTION_CLOSED},
	};
	struct world w;
	(void)state;
	up_alone(&w);
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_msg m = syn_to(i + 1, i + 1, cases[i].host, cases[i].port);
		assert_int_equal(say(&w, SRV, &m), TT_OK);
		if (cases[i].first == ACTION_CLOSED) {
			want_nothing(&w, SRV);
			assert_int_equal(answer(&w), REASON_NOT_ALLOWED);
			continue;
		}
		struct session_action a = want(&w, SRV, cases[i].first);
		assert_string_equal(a.host, cases[i].host);
		channel_abort(a.channel, REASON_RESET, w.now);
		assert_int_equal(want_closed(&w, SRV), REASON_RESET);
		assert_int_equal(answer(&w), REASON_RESET);
	}
	finish(&w);
}

static void name_is_dialled_only_where_the_rules_allow_its_addresses(void **state)
{
	struct world w;
	struct tt_addr a[3] = {{4, {11}}, {4, {10, 1}}, {4, {127, 0, 0, 1}}};
	struct wire_msg m = syn_to(1, 1, "some.test", 1080);
	(void)state;
	up_alone(&w);
	say(&w, SRV, &m);
	struct channel *ch = want(&w, SRV, ACTION_RESOLVE).channel;
	channel_resolved(ch, a, 3, w.now);
	struct session_action dial = want(&w, SRV, ACTION_DIAL);
	assert_int_equal(dial.n_addrs, 1);
	assert_true(tt_addr_equal(&dial.addrs[0], &a[1]));
	channel_resolved(ch, a, 3, w.now); /* twice: passed over */
	want_nothing(&w, SRV);

	m = syn_to(2, 2, "evil.test", 1080);
	say(&w, SRV, &m);
	ch = want(&w, SRV, ACTION_RESOLVE).channel;
	channel_resolved(ch, &a[2], 1, w.now); /* DNS rebinding */
	assert_int_equal(want_closed(&w, SRV), REASON_NOT_ALLOWED);
	assert_int_equal(answer(&w), REASON_NOT_ALLOWED);

	m = syn_to(3, 3, "files.test", 22);
	say(&w, SRV, &m);
	channel_resolved(want(&w, SRV, ACTION_RESOLVE).channel, a, 3, w.now);
	dial = want(&w, SRV, ACTION_DIAL);
	assert_int_equal(dial.n_addrs, 2); /* allowed by its name, but not to be this machine */
	assert_true(tt_addr_equal(&dial.addrs[1], &a[1]));

	m = syn_to(4, 4, "none.test", 1080);
	say(&w, SRV, &m);
	channel_resolved(want(&w, SRV, ACTION_RESOLVE).channel, NULL, 0, w.now);
	assert_int_equal(want_closed(&w, SRV), REASON_NO_SUCH_HOST);
	finish(&w);
}

static void side_that_accepts_nothing_and_other_protocols_are_refused(void **state)
{
	struct world w;
	struct wire_msg m = syn_to(1, 1, "10.0.0.1", 1080);
	(void)state;
	up_alone(&w);
	m.syn.proto = WIRE_UNIX;
	m.syn.port = 0;
	say(&w, SRV, &m); /* no rule names the path */
	assert_int_equal(answer(&w), REASON_NOT_ALLOWED);
	finish(&w);
	up(&w);
	ask(&w, SRV, "10.0.0.1", 1080); /* the client accepts nothing */
	carry(&w);
	assert_int_equal(want_closed(&w, SRV), REASON_NOT_ALLOWED);
	finish(&w);
}

static void new_rules_bind_the_next_channel(void **state)
{
	struct world w;
	struct wire_msg m = syn_to(1, 1, "10.0.0.1", 1080);
	(void)state;
	up_alone(&w);
	w.cfg[SRV].n_rules = 0;
	session_reconfigure(w.s[SRV], &w.cfg[SRV]);
	say(&w, SRV, &m);
	assert_int_equal(answer(&w), REASON_NOT_ALLOWED);
	finish(&w);
}

/* ---- opening ---- */

static void every_failure_to_dial_reaches_the_opener(void **state)
{
	static const enum close_reason reasons[] = {REASON_REFUSED_BY_TARGET,
		REASON_TARGET_UNREACHABLE, REASON_TARGET_TIMEOUT, REASON_LIMIT};
	struct world w;
	(void)state;
	up(&w);
	for (size_t i = 0; i < 4; i++) {
		ask(&w, CLI, "10.0.0.1", 1080);
		carry(&w);
		channel_dialed(want(&w, SRV, ACTION_DIAL).channel, reasons[i], w.now);
		assert_int_equal(want_closed(&w, SRV), reasons[i]);
		carry(&w);
		assert_int_equal(want_closed(&w, CLI), reasons[i]);
		assert_int_equal(stats_of(&w, CLI).reasons[reasons[i]], 1);
	}
	assert_int_equal(stats_of(&w, CLI).failed, 4);
	assert_int_equal(stats_of(&w, CLI).ok, 0);
	finish(&w);
}

static void data_may_go_before_the_ack(void **state)
{
	struct world w;
	(void)state;
	up(&w);
	struct channel *c = ask(&w, CLI, "10.0.0.1", 1080);
	put(c, 5000, w.now);
	channel_send_eof(c, w.now);
	carry(&w);
	struct channel *s = want(&w, SRV, ACTION_DIAL).channel;
	struct iovec v;
	assert_int_equal(channel_recv_peek(s, &v, 1), 0); /* not before the target has accepted */
	channel_dialed(s, REASON_NONE, w.now);
	want(&w, SRV, ACTION_OPENED);
	assert_int_equal(take(s, w.now), 5000);
	want(&w, SRV, ACTION_SHUTDOWN);
	carry(&w);
	want(&w, CLI, ACTION_OPENED);
	finish(&w);
}

static void opener_moves_to_the_conv_that_the_accepter_names(void **state)
{
	struct world w;
	struct link_stream *other;
	struct wire_msg m;
	uint8_t buf[WIRE_MESSAGE_MAX];
	(void)state;
	up(&w);
	struct channel *c = ask(&w, CLI, "10.0.0.1", 1080);
	put(c, 3000, w.now);
	size_t len = session_control_output(w.s[CLI], buf);
	assert_true(wire_decode(buf, len, &m) > 0);
	/* the client has the greater key: bit 31 is set */
	assert_true(m.syn.conv >> 31);
	assert_int_equal(
		link_stream_new(&other, session_link(w.s[SRV]), m.syn.conv, NULL, w.now), TT_OK);
	w.hold_packets = true;
	carry(&w);
	struct channel *s = want(&w, SRV, ACTION_DIAL).channel;
	channel_dialed(s, REASON_NONE, w.now);
	want(&w, SRV, ACTION_OPENED);
	carry(&w);
	want(&w, CLI, ACTION_OPENED);
	link_stream_free(other);
	w.hold_packets = false;
	carry(&w);
	assert_int_equal(take(s, w.now), 3000);
	finish(&w);
}

static void opener_gives_up_after_the_connect_timeout(void **state)
{
	struct world w;
	(void)state;
	up(&w);
	ask(&w, CLI, "10.0.0.1", 1080);
	carry(&w);
	struct channel *s = want(&w, SRV, ACTION_DIAL).channel;
	assert_int_equal(session_deadline(w.s[CLI]), w.now + SESSION_CONNECT_TIMEOUT);
	w.now += SESSION_CONNECT_TIMEOUT - 1;
	session_on_deadline(w.s[CLI], w.now);
	want_nothing(&w, CLI);
	w.now += 1;
	session_on_deadline(w.s[CLI], w.now);
	assert_int_equal(want_closed(&w, CLI), REASON_CONNECT_TIMEOUT);
	carry(&w);
	assert_int_equal(want_closed(&w, SRV), REASON_CONNECT_TIMEOUT);
	(void)s;
	finish(&w);
}

static void accepter_gives_up_a_target_that_does_not_answer(void **state)
{
	struct world w;
	struct wire_msg m = syn_to(1, 1, "some.test", 1080);
	(void)state;
	up_alone(&w);
	say(&w, SRV, &m);
	want(&w, SRV, ACTION_RESOLVE);
	w.now += SESSION_CONNECT_TIMEOUT;
	session_on_deadline(w.s[SRV], w.now);
	assert_int_equal(want_closed(&w, SRV), REASON_TARGET_TIMEOUT);
	assert_int_equal(answer(&w), REASON_TARGET_TIMEOUT);
	finish(&w);
}

/* A socket is not read while much of its stream waits to be sent. It is when little is left, and
 * not only when the peer has answered, or a path with a long round trip would stand idle until
 * then. */
static void more_is_asked_for_before_the_last_bytes_have_left(void **state)
{
	struct world w;
	struct channel *ch[2];
	uint8_t buf[LINK_PACKET_MAX];
	(void)state;
	make(&w);
	w.cfg[CLI].mode = w.cfg[SRV].mode = TT_MODE_AUTO;
	start(&w);
	online(&w);
	open_one(&w, ch);
	for (int round = 0; round < 200; round++) { /* until the window is wide */
		put_all(ch[CLI], w.now);
		w.now += TT_MS(5);
		carry(&w);
		take(ch[SRV], w.now);
	}
	want_nothing(&w, CLI);
	put_all(ch[CLI], w.now);
	assert_false(session_has_action(w.s[CLI]));
	size_t packets = 0;
	for (int ms = 0; ms < 50 && !session_has_action(w.s[CLI]); ms++, w.now += TT_MS(1)) {
		if (session_deadline(w.s[CLI]) <= w.now)
			session_on_deadline(w.s[CLI], w.now);
		while (session_packet_output(w.s[CLI], buf, w.now) > 0)
			packets++;
	}
	assert_true(packets > 0);
	assert_ptr_equal(want(&w, CLI, ACTION_READY).channel, ch[CLI]);
	assert_true(put_all(ch[CLI], w.now) > 0);
	finish(&w);
}

static void limits_of_channels_and_of_half_open_ones_hold(void **state)
{
	struct world w;
	(void)state;
	make(&w);
	w.cfg[CLI].channels_max = w.cfg[SRV].channels_max = 3;
	w.cfg[CLI].channels_max = 4;
	start(&w);
	online(&w);
	for (size_t i = 0; i < 4; i++)
		ask(&w, CLI, "10.0.0.1", 1080);
	struct channel_target t = {.host = "10.0.0.1", .port = 1080};
	struct channel *ch = NULL;
	assert_int_equal(session_open(w.s[CLI], &t, &ch, NULL, w.now), TT_ELIMIT);
	carry(&w);
	assert_int_equal(want_closed(&w, CLI), REASON_LIMIT);
	assert_int_equal(stats_of(&w, SRV).active, 3);
	finish(&w);

	up_alone(&w);
	for (uint32_t i = 1; i <= SESSION_HALF_OPEN_MAX + 1; i++) {
		struct wire_msg m = syn_to(i, i, "10.0.0.1", 1080);
		say(&w, SRV, &m);
	}
	assert_int_equal(stats_of(&w, SRV).active, SESSION_HALF_OPEN_MAX);
	assert_int_equal(answer(&w), REASON_LIMIT);
	for (uint32_t i = 0; i < SESSION_HALF_OPEN_MAX; i++)
		channel_abort(want(&w, SRV, ACTION_DIAL).channel, REASON_RESET, w.now);
	struct wire_msg m = syn_to(2000, 2000, "10.0.0.1", 1080);
	m.n = SESSION_HALF_OPEN_MAX + 2;
	say(&w, SRV, &m);
	assert_int_equal(stats_of(&w, SRV).active, 1); /* there is room again */
	finish(&w);
}

static void answers_that_are_never_confirmed_are_bounded(void **state)
{
	struct world w;
	(void)state;
	up_alone(&w);
	for (uint32_t i = 1; i <= SESSION_CONTROL_MAX + 500; i++) {
		struct wire_msg m = syn_to(i, i, "11.0.0.1", 1080);
		say(&w, SRV, &m);
	}
	assert_true(w.mem[SRV].held <= SESSION_CONTROL_MAX + 100);
	finish(&w);
}

static void closed_channel_that_nobody_released_hides_no_new_one(void **state)
{
	struct world w;
	struct wire_msg rst = {
		.type = WIRE_RST, .n = 2, .rst = {.ccid = 1, .opener = true, .reason = "reset"}};
	struct wire_msg m = syn_to(1, 1, "10.0.0.1", 1080);
	(void)state;
	up_alone(&w);
	for (uint32_t i = 0; i < 50; i++) { /* the same number again and again in one go */
		m.n = 2 * i + 1;
		rst.n = 2 * i + 2;
		say(&w, SRV, &m);
		assert_int_equal(stats_of(&w, SRV).active, 1);
		say(&w, SRV, &rst);
		assert_int_equal(stats_of(&w, SRV).active, 0);
	}
	for (uint32_t i = 0; i < 50; i++)
		channel_release(want(&w, SRV, ACTION_CLOSED).channel);
	want_nothing(&w, SRV);
	finish(&w);
}

static void peers_packet_limit_is_kept(void **state)
{
	struct world w;
	struct wire_msg hello = {.type = WIRE_HELLO,
		.hello = {.version = 1, .packet_max = 200, .seen = true, .inst = {9}, .caps = 1}};
	uint8_t buf[LINK_PACKET_MAX];
	size_t len, sum = 0;
	(void)state;
	make(&w);
	start(&w);
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	say(&w, SRV, &hello);
	put(ask(&w, SRV, "10.0.0.1", 1080), 5000, w.now);
	while ((len = session_packet_output(w.s[SRV], buf, w.now)) > 0) {
		assert_true(len <= 200);
		sum += len;
	}
	assert_true(sum > 5000);
	finish(&w);
}

/* ---- closing ---- */

static void each_direction_closes_alone_and_all_bytes_arrive(void **state)
{
	for (size_t first = 0; first < 2; first++) {
		struct world w;
		struct channel *ch[2];
		up(&w);
		open_one(&w, ch);
		put(ch[first], 100, w.now);
		channel_send_eof(ch[first], w.now);
		carry(&w);
		want(&w, !first, ACTION_READY);
		want_nothing(&w, !first);
		put(ch[!first], 50000, w.now); /* the other direction is as open as before */
		assert_int_equal(take(ch[!first], w.now), 100);
		want(&w, !first, ACTION_SHUTDOWN);
		carry(&w);
		assert_int_equal(take(ch[first], w.now), 50000);
		channel_send_eof(ch[!first], w.now);
		carry(&w);
		want(&w, first, ACTION_SHUTDOWN);
		enum close_reason want_reason =
			first == CLI ? REASON_CLIENT_CLOSE : REASON_SERVER_CLOSE;
		assert_int_equal(want_closed(&w, first), want_reason);
		assert_int_equal(want_closed(&w, !first), want_reason);
		for (size_t i = 0; i < 2; i++) {
			struct session_stats st = stats_of(&w, i);
			assert_int_equal(st.opened, 1);
			assert_int_equal(st.ok, 1);
			assert_int_equal(st.failed, 0);
			assert_int_equal(st.active, 0);
			assert_int_equal(st.reasons[want_reason], 1);
			assert_true(session_control_idle(w.s[i]));
			w.now += TT_S(5);
			session_on_deadline(w.s[i], w.now);
			carry(&w); /* whether the other is there */
			assert_int_equal(session_deadline(w.s[i]), TT_TIME_NEVER);
		}
		finish(&w);
	}
	(void)state;
}

static void fins_that_cross_are_both_close_on_both_sides(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up(&w);
	open_one(&w, ch);
	channel_send_eof(ch[CLI], w.now);
	channel_send_eof(ch[SRV], w.now);
	channel_send_eof(ch[SRV], w.now); /* twice: once */
	carry(&w);
	for (size_t i = 0; i < 2; i++) {
		want(&w, i, ACTION_SHUTDOWN);
		assert_int_equal(want_closed(&w, i), REASON_BOTH_CLOSE);
	}
	finish(&w);
}

static void end_stands_for_acknowledgements_that_were_lost(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up(&w);
	open_one(&w, ch);
	put(ch[CLI], 1000, w.now);
	channel_send_eof(ch[CLI], w.now);
	channel_send_eof(ch[SRV], w.now);
	while (carry_packet(&w, CLI))
		;
	w.hold_packets = true; /* no ACK comes back any more */
	carry(&w);
	want(&w, CLI, ACTION_SHUTDOWN);
	want_nothing(&w, CLI);
	assert_int_equal(take(ch[SRV], w.now), 1000);
	carry(&w);
	want(&w, SRV, ACTION_SHUTDOWN);
	assert_int_equal(want_closed(&w, SRV), REASON_BOTH_CLOSE);
	assert_int_equal(want_closed(&w, CLI), REASON_BOTH_CLOSE);
	finish(&w);
}

static void fin_of_fewer_bytes_than_came_is_a_protocol_error(void **state)
{
	for (int late = 0; late < 2; late++) {
		struct world w;
		struct channel *ch[2];
		up(&w);
		open_one(&w, ch);
		if (!late)
			put(ch[CLI], 100, w.now);
		carry(&w);
		struct wire_msg fin = {.type = WIRE_FIN,
			.n = 2,
			.fin = {.ccid = 1, .opener = true, .bytes = late ? 0 : 99}};
		say(&w, SRV, &fin);
		if (late) { /* more bytes after a direction that was complete */
			put(ch[CLI], 1, w.now);
			while (carry_packet(&w, CLI))
				;
		}
		assert_int_equal(want_closed(&w, SRV), REASON_PROTOCOL_ERROR);
		carry(&w);
		assert_int_equal(want_closed(&w, CLI), REASON_PROTOCOL_ERROR);
		finish(&w);
	}
	(void)state;
}

static void maps_out_of_place_are_protocol_errors(void **state)
{
	struct world w;
	struct channel *ch[2];
	struct wire_msg end = {.type = WIRE_END, .n = 2, .end = {.ccid = 1, .opener = true}};
	struct wire_msg fin = {.type = WIRE_FIN, .n = 2, .fin = {.ccid = 1, .opener = true}};
	struct wire_msg ack = {.type = WIRE_ACK, .n = 2, .ack = {.ccid = 1, .conv = 77}};
	(void)state;
	up(&w);
	open_one(&w, ch);
	say(&w, SRV, &end); /* before any fin */
	assert_int_equal(want_closed(&w, SRV), REASON_PROTOCOL_ERROR);
	finish(&w);
	up(&w);
	open_one(&w, ch);
	say(&w, SRV, &fin);
	fin.n = 3;
	say(&w, SRV, &fin); /* twice */
	want(&w, SRV, ACTION_CLOSED);
	assert_int_equal(stats_of(&w, SRV).reasons[REASON_PROTOCOL_ERROR], 1);
	finish(&w);
	up(&w);
	open_one(&w, ch);
	say(&w, CLI, &ack); /* twice */
	assert_int_equal(want_closed(&w, CLI), REASON_PROTOCOL_ERROR);
	finish(&w);
}

static void maps_for_channels_that_are_gone_are_passed_over(void **state)
{
	struct world w;
	struct wire_msg m;
	size_t n;
	struct wire_msg maps[] = {
		{.type = WIRE_FIN, .n = 1, .fin = {.ccid = 7, .opener = true}},
		{.type = WIRE_END, .n = 2, .end = {.ccid = 7}},
		{.type = WIRE_ACK, .n = 3, .ack = {.ccid = 7, .conv = 1}},
		{.type = WIRE_RST, .n = 4, .rst = {.ccid = 7, .reason = "reset"}},
	};
	(void)state;
	up_alone(&w);
	heard(&w, SRV, &m, &n);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(say(&w, SRV, &maps[i]), TT_OK);
	want_nothing(&w, SRV);
	assert_false(heard(&w, SRV, &m, &n));
	finish(&w);
}

static void abort_of_either_side_resets_both(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct world w;
		struct channel *ch[2];
		up(&w);
		open_one(&w, ch);
		put(ch[CLI], 1000, w.now);
		carry(&w);
		channel_abort(ch[i], REASON_RESET, w.now);
		channel_abort(ch[i], REASON_RESET, w.now);
		assert_int_equal(want_closed(&w, i), REASON_RESET);
		carry(&w);
		assert_int_equal(want_closed(&w, !i), REASON_RESET);
		assert_true(session_control_idle(w.s[!i])); /* nothing is answered */
		finish(&w);
	}
	(void)state;
}

static void rst_cannot_pretend_an_orderly_close(void **state)
{
	static const char *const reasons[] = {
		"client_close", "both_close", "none", "from_the_future"};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct world w;
		struct channel *ch[2];
		struct wire_msg rst = {
			.type = WIRE_RST, .n = 2, .rst = {.ccid = 1, .opener = true}};
		up(&w);
		open_one(&w, ch);
		wire_text_copy(rst.rst.reason, sizeof(rst.rst.reason), reasons[i]);
		say(&w, SRV, &rst);
		assert_int_equal(want_closed(&w, SRV), REASON_RESET);
		finish(&w);
	}
}

static void draining_side_takes_no_new_channels_and_keeps_the_others(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up(&w);
	open_one(&w, ch);
	session_drain(w.s[SRV]);
	ask(&w, CLI, "10.0.0.1", 1081);
	carry(&w);
	want_nothing(&w, SRV);
	assert_int_equal(want_closed(&w, CLI), REASON_SHUTDOWN);
	assert_int_equal(stats_of(&w, SRV).active, 1);
	put(ch[CLI], 1000, w.now);
	carry(&w);
	assert_ptr_equal(want(&w, SRV, ACTION_READY).channel, ch[SRV]);
	finish(&w);
}

static void shutdown_ends_all_channels_on_both_sides(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up(&w);
	open_one(&w, ch);
	ask(&w, CLI, "10.0.0.1", 1081);
	session_end(w.s[CLI], REASON_SHUTDOWN);
	assert_int_equal(stats_of(&w, CLI).active, 0);
	carry(&w);
	for (size_t i = 0; i < 2; i++) /* the second was never anybody's */
		channel_release(want(&w, SRV, ACTION_CLOSED).channel);
	want_nothing(&w, SRV);
	assert_int_equal(stats_of(&w, SRV).active, 0);
	assert_int_equal(stats_of(&w, SRV).reasons[REASON_SHUTDOWN], 2);
	assert_int_equal(stats_of(&w, CLI).reasons[REASON_SHUTDOWN], 2);
	finish(&w);
}

/* ---- time ---- */

/* Lets time pass in steps, on both sides. */
static void pass(struct world *w, tt_time us)
{
	for (tt_time end = w->now + us; w->now < end;) {
		w->now += TT_MS(500);
		for (size_t i = 0; i < 2; i++)
			session_on_deadline(w->s[i], w->now);
		carry(w);
	}
}

static void up_with_idle_timeout(struct world *w, struct channel *ch[2])
{
	make(w);
	w->cfg[SRV].idle_timeout_us = TT_S(60);
	start(w);
	online(w);
	open_one(w, ch);
}

static void idle_channel_ends_and_a_used_one_does_not(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up_with_idle_timeout(&w, ch);
	for (size_t i = 0; i < 5; i++) {
		pass(&w, TT_S(50));
		put(ch[CLI], 1, w.now);
		carry(&w);
		take(ch[SRV], w.now);
		want_nothing(&w, SRV);
	}
	pass(&w, TT_S(59));
	want_nothing(&w, SRV);
	pass(&w, TT_S(2));
	assert_int_equal(want_closed(&w, SRV), REASON_IDLE_TIMEOUT);
	assert_int_equal(want_closed(&w, CLI), REASON_IDLE_TIMEOUT);
	finish(&w);
}

static void time_offline_is_not_idle_time(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up_with_idle_timeout(&w, ch);
	pass(&w, TT_S(30));
	offline(&w);
	pass(&w, TT_S(300));
	online(&w);
	pass(&w, TT_S(25));
	want_nothing(&w, SRV);
	pass(&w, TT_S(10));
	assert_int_equal(want_closed(&w, SRV), REASON_IDLE_TIMEOUT);
	finish(&w);
}

static void bytes_that_the_peer_acknowledges_are_no_idleness(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up_with_idle_timeout(&w, ch);
	put(ch[SRV], 100000, w.now);
	channel_send_eof(ch[SRV], w.now); /* nothing is handed in any more: it only drains */
	w.hold_packets = true;
	for (size_t i = 0; i < 6; i++) {
		pass(&w, TT_S(40));
		for (size_t n = 0; n < 3; n++) {
			carry_packet(&w, SRV);
			carry_packet(&w, CLI);
		}
		want_nothing(&w, SRV);
	}
	pass(&w, TT_S(61));
	assert_int_equal(want_closed(&w, SRV), REASON_IDLE_TIMEOUT);
	finish(&w);
}

static void channels_survive_an_outage_and_end_after_the_resume_timeout(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up(&w);
	open_one(&w, ch);
	put(ch[CLI], 100, w.now);
	offline(&w);
	assert_int_equal(session_deadline(w.s[CLI]), w.now + SESSION_RESUME_TIMEOUT);
	pass(&w, SESSION_RESUME_TIMEOUT - TT_S(1));
	want_nothing(&w, CLI);
	online(&w);
	assert_int_equal(take(ch[SRV], w.now), 100);
	offline(&w);
	pass(&w, SESSION_RESUME_TIMEOUT + TT_S(1));
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(want_closed(&w, i), REASON_RESUME_TIMEOUT);
		assert_int_equal(session_deadline(w.s[i]), TT_TIME_NEVER);
	}
	online(&w);
	open_one(&w, ch);
	finish(&w);
}

/* The client has sent 1000 bytes and all is done but that the server's application reads. */
static void nearly_done(struct world *w, struct channel *ch[2])
{
	up(w);
	open_one(w, ch);
	put(ch[CLI], 1000, w->now);
	channel_send_eof(ch[CLI], w->now);
	carry(w);
	channel_send_eof(ch[SRV], w->now);
	carry(w);
	want(w, CLI, ACTION_SHUTDOWN);
	assert_int_equal(want_closed(w, CLI), REASON_CLIENT_CLOSE);
	want_nothing(w, SRV);
}

static void bytes_that_have_arrived_outlive_an_absence_of_the_peer(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	nearly_done(&w, ch);
	offline(&w);
	pass(&w, 2 * SESSION_RESUME_TIMEOUT);
	assert_true(session_deadline(w.s[SRV]) > w.now);
	want_nothing(&w, SRV);
	assert_int_equal(take(ch[SRV], w.now), 1000);
	want(&w, SRV, ACTION_SHUTDOWN);
	assert_int_equal(want_closed(&w, SRV), REASON_CLIENT_CLOSE);
	online(&w);
	assert_true(session_control_idle(w.s[SRV]));
	finish(&w);
}

static void bytes_that_have_arrived_outlive_a_restart_of_the_peer(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	nearly_done(&w, ch);
	offline(&w);
	restart(&w, CLI);
	online(&w);
	want_nothing(&w, SRV);
	struct channel *fresh[2];
	open_one(&w, fresh); /* of the same number */
	put(fresh[CLI], 10, w.now);
	carry(&w);
	assert_int_equal(take(fresh[SRV], w.now), 10);
	assert_int_equal(take(ch[SRV], w.now), 1000);
	want(&w, SRV, ACTION_SHUTDOWN);
	assert_int_equal(want_closed(&w, SRV), REASON_CLIENT_CLOSE);
	carry(&w);
	want_nothing(&w, CLI);
	assert_int_equal(stats_of(&w, SRV).active, 1);
	finish(&w);
}

static void restarted_peer_ends_the_channels_of_its_former_self(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up(&w);
	open_one(&w, ch);
	put(ch[SRV], 1000, w.now);
	restart(&w, CLI);
	session_path(w.s[CLI], LINK_DIRECT, w.now); /* the server has not even noticed */
	carry(&w);
	assert_int_equal(want_closed(&w, SRV), REASON_PEER_RESTARTED);
	assert_int_equal(stats_of(&w, SRV).restarts, 1);
	assert_true(session_control_idle(w.s[SRV]));
	open_one(&w, ch);
	assert_int_equal(stats_of(&w, CLI).active, 1);
	finish(&w);
}

/* ---- measuring ---- */

static struct wire_msg measure_syn(uint32_t n, const char *kind)
{
	struct wire_msg m = syn_to(n, n, kind, 0);
	m.syn.proto = WIRE_BENCH;
	return m;
}

/* What a server answers to one request for a measurement; REASON_NONE: it starts it. */
static enum close_reason measured(bool offered, const char *kind, size_t n_rules)
{
	struct world w;
	struct wire_msg m = measure_syn(1, kind);
	enum close_reason why = REASON_NONE;

	make(&w);
	w.cfg[SRV].bench = offered;
	w.cfg[SRV].n_rules = n_rules;
	start_alone(&w);
	say(&w, SRV, &m);
	struct session_action a;
	if (session_next_action(w.s[SRV], &a)) {
		assert_int_equal(a.type, ACTION_DIAL);
		assert_string_equal(wire_bench_name(a.bench), kind);
		assert_int_equal(a.n_addrs, 0);
	} else {
		why = answer(&w);
	}
	finish(&w);
	return why;
}

static void measuring_needs_a_server_that_offers_it_and_some_target(void **state)
{
	(void)state;
	assert_int_equal(measured(true, "source", 2), REASON_NONE);
	assert_int_equal(measured(true, "sink", 1), REASON_NONE);
	assert_int_equal(measured(true, "echo", 1), REASON_NONE);
	assert_int_equal(measured(false, "source", 2), REASON_NOT_ALLOWED);
	assert_int_equal(measured(true, "source", 0), REASON_NOT_ALLOWED);
	assert_int_equal(measured(true, "warp", 2), REASON_UNSUPPORTED);

	struct world w;
	up(&w); /* the client serves nobody, whatever else is set */
	w.cfg[CLI].bench = true;
	restart(&w, CLI);
	online(&w);
	struct channel_target t = {.proto = WIRE_BENCH, .host = "echo"};
	struct channel *ch;
	assert_int_equal(session_open(w.s[SRV], &t, &ch, NULL, w.now), TT_OK);
	carry(&w);
	assert_int_equal(want_closed(&w, SRV), REASON_NOT_ALLOWED);
	finish(&w);
}

static void measuring_is_asked_only_of_a_peer_that_knows_it(void **state)
{
	struct world w;
	struct channel_target t = {.proto = WIRE_BENCH, .host = "echo"};
	struct channel *ch;
	struct wire_msg hello = {.type = WIRE_HELLO,
		.hello = {.version = 1, .packet_max = 1373, .seen = true, .inst = {9}}};
	(void)state;
	up_alone(&w); /* its hello has no capability */
	assert_int_equal(session_open(w.s[SRV], &t, &ch, NULL, w.now), TT_ENOTSUP);
	hello.hello.caps = WIRE_CAP_BENCH;
	say(&w, SRV, &hello);
	assert_int_equal(session_open(w.s[SRV], &t, &ch, NULL, w.now), TT_OK);
	struct wire_msg m;
	size_t n;
	assert_true(heard(&w, SRV, &m, &n));
	assert_int_equal(m.syn.proto, WIRE_BENCH);
	assert_string_equal(m.syn.host, "echo");
	finish(&w);
}

static void measurements_at_once_are_few_and_ended_ones_make_room(void **state)
{
	struct world w;
	struct channel *ch = NULL;
	(void)state;
	make(&w);
	w.cfg[SRV].bench = true;
	start_alone(&w);
	for (uint32_t i = 1; i <= SESSION_BENCH_MAX + 1; i++) {
		struct wire_msg m = measure_syn(i, "source");
		say(&w, SRV, &m);
	}
	for (uint32_t i = 0; i < SESSION_BENCH_MAX; i++)
		ch = want(&w, SRV, ACTION_DIAL).channel;
	want_nothing(&w, SRV);
	assert_int_equal(answer(&w), REASON_LIMIT);

	struct wire_msg target = syn_to(100, 100, "10.0.0.1", 1080); /* is no measurement */
	target.n = SESSION_BENCH_MAX + 2;
	say(&w, SRV, &target);
	want(&w, SRV, ACTION_DIAL);

	channel_abort(ch, REASON_RESET, w.now);
	assert_int_equal(want_closed(&w, SRV), REASON_RESET);
	struct wire_msg m = measure_syn(200, "source");
	m.n = SESSION_BENCH_MAX + 3;
	say(&w, SRV, &m);
	want(&w, SRV, ACTION_DIAL);
	finish(&w);
}

static void measurement_is_cut_off_however_busy_it_is(void **state)
{
	struct world w;
	struct channel *ch[2];
	struct channel_target t = {.proto = WIRE_BENCH, .host = "sink"};
	(void)state;
	make(&w);
	w.cfg[SRV].bench = true;
	start(&w);
	online(&w);
	assert_int_equal(session_open(w.s[CLI], &t, &ch[CLI], NULL, w.now), TT_OK);
	carry(&w);
	ch[SRV] = want(&w, SRV, ACTION_DIAL).channel;
	channel_dialed(ch[SRV], REASON_NONE, w.now);
	want(&w, SRV, ACTION_OPENED);
	carry(&w);
	want(&w, CLI, ACTION_OPENED);
	for (tt_time t_s = 0; t_s < 90; t_s += 10) {
		want_nothing(&w, SRV);
		put(ch[CLI], 1000, w.now);
		carry(&w);
		assert_int_equal(take(ch[SRV], w.now), 1000);
		pass(&w, TT_S(10));
	}
	assert_int_equal(want_closed(&w, SRV), REASON_LIMIT);
	assert_int_equal(want_closed(&w, CLI), REASON_LIMIT);
	finish(&w);
}

/* ---- memory ---- */

/* One life with a transfer; every allocation of one side may fail. True while one did. */
static bool live_with_a_failure(size_t side, uint64_t fail_at)
{
	struct world w;
	struct session_action a;
	make(&w);
	fail_mem_init(&w.mem[side], fail_at);
	for (size_t i = 0; i < 2; i++)
		if (session_new(&w.s[i], &w.cfg[i], w.now) != TT_OK)
			goto out;
	online(&w);
	for (size_t n = 0; n < 12; n++) {
		struct channel_target t = {.host = n % 2 ? "some.test" : "10.0.0.1", .port = 1080};
		struct channel *ch;
		session_open(w.s[CLI], &t, &ch, &w, w.now);
	}
	for (size_t turn = 0; turn < 80; turn++) {
		carry(&w);
		for (size_t i = 0; i < 2; i++) {
			while (session_next_action(w.s[i], &a)) {
				struct tt_addr addr = {4, {10, 1}};
				struct iovec v;
				if (a.type == ACTION_RESOLVE)
					channel_resolved(a.channel, &addr, 1, w.now);
				else if (a.type == ACTION_DIAL)
					channel_dialed(a.channel, REASON_NONE, w.now);
				else if (a.type == ACTION_CLOSED)
					channel_release(a.channel);
				else if (a.type == ACTION_OPENED) {
					if (channel_send_reserve(a.channel, &v, 1, 500) > 0)
						channel_send_commit(a.channel, v.iov_len, w.now);
					channel_send_eof(a.channel, w.now);
				} else {
					take(a.channel, w.now);
				}
			}
		}
		w.now += TT_MS(300);
	}
out:
	finish(&w);
	return w.mem[side].asked >= fail_at;
}

static void every_failing_allocation_is_survived_without_a_leak(void **state)
{
	(void)state;
	for (size_t side = 0; side < 2; side++) {
		uint64_t n = 1;
		while (live_with_a_failure(side, n))
			n++;
		assert_in_range(n, 30, 100000);
	}
}

static void session_with_open_channels_is_freed_whole(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up(&w);
	open_one(&w, ch);
	put(ch[CLI], 100000, w.now);
	carry(&w);
	ask(&w, CLI, "some.test", 1080);
	finish(&w);
	session_free(NULL);
}

/* What an opener gets from a server that asks for the proof `peer_proof`. */
static bool served_with(const uint8_t *proof)
{
	struct world w;
	struct channel_target t = {.host = "10.1.2.3", .port = 1500};
	struct channel *ch;

	make(&w);
	w.cfg[SRV].need_proof = true;
	memset(w.cfg[SRV].peer_proof, 0xa5, WIRE_PROOF_LEN);
	if (proof) {
		w.cfg[CLI].has_proof = true;
		memcpy(w.cfg[CLI].proof, proof, WIRE_PROOF_LEN);
	}
	start(&w);
	online(&w);
	assert_int_equal(session_open(w.s[CLI], &t, &ch, NULL, w.now), TT_OK);
	carry(&w);
	struct session_action a;
	bool served = session_next_action(w.s[SRV], &a) && a.type == ACTION_DIAL;
	if (!served)
		assert_int_equal(want_closed(&w, CLI), REASON_NOT_ALLOWED);
	finish(&w);
	return served;
}

static void peer_without_the_right_proof_is_not_served(void **state)
{
	uint8_t proof[WIRE_PROOF_LEN];
	(void)state;
	memset(proof, 0xa5, sizeof(proof));
	assert_true(served_with(proof));
	assert_false(served_with(NULL));
	for (size_t i = 0; i < sizeof(proof); i += 31) {
		proof[i] ^= 0x10;
		assert_false(served_with(proof));
		proof[i] ^= 0x10;
	}
}

/* The server's answer to a new channel now. */
static bool serves(struct world *w)
{
	struct channel_target t = {.host = "10.1.2.3", .port = 1500};
	struct session_action a;
	struct channel *ch;

	assert_int_equal(session_open(w->s[CLI], &t, &ch, NULL, w->now), TT_OK);
	carry(w);
	bool dials = session_next_action(w->s[SRV], &a) && a.type == ACTION_DIAL;
	if (dials) {
		channel_abort(ch, REASON_RESET, w->now);
		carry(w);
		want_closed(w, SRV);
	}
	assert_int_equal(want_closed(w, CLI), dials ? REASON_RESET : REASON_NOT_ALLOWED);
	return dials;
}

static void secret_that_changes_is_proved_again_while_online(void **state)
{
	struct world w;
	(void)state;
	up(&w);
	assert_true(serves(&w));
	w.cfg[SRV].need_proof = true;
	memset(w.cfg[SRV].peer_proof, 0xa5, WIRE_PROOF_LEN);
	session_reconfigure(w.s[SRV], &w.cfg[SRV]);
	carry(&w);
	assert_false(serves(&w));
	w.cfg[CLI].has_proof = true;
	memset(w.cfg[CLI].proof, 0xa5, WIRE_PROOF_LEN);
	session_reconfigure(w.s[CLI], &w.cfg[CLI]);
	carry(&w);
	assert_true(serves(&w));
	finish(&w);
}

static void who_awaits_a_hello_says_nothing_before_it(void **state)
{
	struct world w;
	uint8_t buf[WIRE_MESSAGE_MAX];
	(void)state;
	make(&w);
	w.cfg[SRV].await_hello = true;
	start(&w);
	for (int i = 0; i < 2; i++) {
		session_path(w.s[SRV], LINK_DIRECT, w.now);
		w.cfg[SRV].name = i ? "one" : "other"; /* nor when there is something new in it */
		session_reconfigure(w.s[SRV], &w.cfg[SRV]);
		assert_int_equal(session_control_output(w.s[SRV], buf), 0);
		assert_true(session_control_idle(w.s[SRV]));
		online(&w);
		assert_true(session_ready(w.s[CLI]) && session_ready(w.s[SRV]));
		offline(&w);
	}
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	w.cfg[SRV].await_hello = false;
	session_reconfigure(w.s[SRV], &w.cfg[SRV]);
	assert_true(session_control_output(w.s[SRV], buf) > 0);
	finish(&w);
}

static void new_name_is_said_to_a_peer_that_is_online(void **state)
{
	struct world w;
	struct session_stats st;
	(void)state;
	up(&w);
	session_reconfigure(w.s[SRV], &w.cfg[SRV]);
	assert_true(session_control_idle(w.s[SRV])); /* nothing new, nothing said */
	w.cfg[SRV].name = "crate";
	session_reconfigure(w.s[SRV], &w.cfg[SRV]);
	carry(&w);
	session_stats(w.s[CLI], &st);
	assert_string_equal(st.peer_name, "crate");
	finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_maps_are_numbered_kept_and_repeated_in_order),
		cmocka_unit_test(control_drops_duplicates_and_sees_gaps),
		cmocka_unit_test(hellos_are_exchanged_once_and_then_there_is_silence),
		cmocka_unit_test(maps_that_were_not_confirmed_are_repeated_after_an_outage),
		cmocka_unit_test(map_that_arrived_but_was_not_confirmed_is_taken_once),
		cmocka_unit_test(map_between_a_loss_we_noticed_alone_and_the_next_hello_is_taken),
		cmocka_unit_test(second_hello_without_seen_repeats_what_is_not_confirmed),
		cmocka_unit_test(hello_that_comes_while_ours_is_being_sent_is_answered),
		cmocka_unit_test(gap_in_the_numbers_ends_all_channels_and_goes_on),
		cmocka_unit_test(message_that_cannot_be_read_is_counted),
		cmocka_unit_test(long_names_are_cut_between_characters),
		cmocka_unit_test(rules_decide_about_literals_names_and_what_names_resolve_to),
		cmocka_unit_test(name_is_dialled_only_where_the_rules_allow_its_addresses),
		cmocka_unit_test(side_that_accepts_nothing_and_other_protocols_are_refused),
		cmocka_unit_test(new_rules_bind_the_next_channel),
		cmocka_unit_test(every_failure_to_dial_reaches_the_opener),
		cmocka_unit_test(data_may_go_before_the_ack),
		cmocka_unit_test(opener_moves_to_the_conv_that_the_accepter_names),
		cmocka_unit_test(opener_gives_up_after_the_connect_timeout),
		cmocka_unit_test(accepter_gives_up_a_target_that_does_not_answer),
		cmocka_unit_test(more_is_asked_for_before_the_last_bytes_have_left),
		cmocka_unit_test(limits_of_channels_and_of_half_open_ones_hold),
		cmocka_unit_test(answers_that_are_never_confirmed_are_bounded),
		cmocka_unit_test(closed_channel_that_nobody_released_hides_no_new_one),
		cmocka_unit_test(peers_packet_limit_is_kept),
		cmocka_unit_test(each_direction_closes_alone_and_all_bytes_arrive),
		cmocka_unit_test(fins_that_cross_are_both_close_on_both_sides),
		cmocka_unit_test(end_stands_for_acknowledgements_that_were_lost),
		cmocka_unit_test(fin_of_fewer_bytes_than_came_is_a_protocol_error),
		cmocka_unit_test(maps_out_of_place_are_protocol_errors),
		cmocka_unit_test(maps_for_channels_that_are_gone_are_passed_over),
		cmocka_unit_test(abort_of_either_side_resets_both),
		cmocka_unit_test(rst_cannot_pretend_an_orderly_close),
		cmocka_unit_test(draining_side_takes_no_new_channels_and_keeps_the_others),
		cmocka_unit_test(shutdown_ends_all_channels_on_both_sides),
		cmocka_unit_test(idle_channel_ends_and_a_used_one_does_not),
		cmocka_unit_test(time_offline_is_not_idle_time),
		cmocka_unit_test(bytes_that_the_peer_acknowledges_are_no_idleness),
		cmocka_unit_test(measuring_needs_a_server_that_offers_it_and_some_target),
		cmocka_unit_test(measuring_is_asked_only_of_a_peer_that_knows_it),
		cmocka_unit_test(measurements_at_once_are_few_and_ended_ones_make_room),
		cmocka_unit_test(measurement_is_cut_off_however_busy_it_is),
		cmocka_unit_test(channels_survive_an_outage_and_end_after_the_resume_timeout),
		cmocka_unit_test(bytes_that_have_arrived_outlive_an_absence_of_the_peer),
		cmocka_unit_test(bytes_that_have_arrived_outlive_a_restart_of_the_peer),
		cmocka_unit_test(restarted_peer_ends_the_channels_of_its_former_self),
		cmocka_unit_test(every_failing_allocation_is_survived_without_a_leak),
		cmocka_unit_test(session_with_open_channels_is_freed_whole),
		cmocka_unit_test(peer_without_the_right_proof_is_not_served),
		cmocka_unit_test(secret_that_changes_is_proved_again_while_online),
		cmocka_unit_test(who_awaits_a_hello_says_nothing_before_it),
		cmocka_unit_test(new_name_is_said_to_a_peer_that_is_online),
	};
	return cmocka_run_group_tests_name("tunnel", tests, NULL, NULL);
}
