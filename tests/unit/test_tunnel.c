/* Two sessions whose messages are carried by hand: how channels open, are judged, and fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "access.h"
#include "tt_err.h"
#include "two_sessions.h"

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
	world_up_alone(&w);
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_msg m = syn_to(i + 1, i + 1, cases[i].host, cases[i].port);
		assert_int_equal(world_say(&w, SRV, &m), TT_OK);
		if (cases[i].first == ACTION_CLOSED) {
			world_want_nothing(&w, SRV);
			assert_int_equal(world_answer(&w), REASON_NOT_ALLOWED);
			continue;
		}
		struct session_action a = world_want(&w, SRV, cases[i].first);
		assert_string_equal(a.host, cases[i].host);
		channel_abort(a.channel, REASON_RESET, w.now);
		assert_int_equal(world_want_closed(&w, SRV), REASON_RESET);
		assert_int_equal(world_answer(&w), REASON_RESET);
	}
	world_finish(&w);
}

static void name_is_dialled_only_where_the_rules_allow_its_addresses(void **state)
{
	struct world w;
	struct tt_addr a[3] = {{4, {11}}, {4, {10, 1}}, {4, {127, 0, 0, 1}}};
	struct wire_msg m = syn_to(1, 1, "some.test", 1080);
	(void)state;
	world_up_alone(&w);
	world_say(&w, SRV, &m);
	struct channel *ch = world_want(&w, SRV, ACTION_RESOLVE).channel;
	channel_resolved(ch, a, 3, w.now);
	struct session_action dial = world_want(&w, SRV, ACTION_DIAL);
	assert_int_equal(dial.n_addrs, 1);
	assert_true(tt_addr_equal(&dial.addrs[0], &a[1]));
	channel_resolved(ch, a, 3, w.now); /* twice: passed over */
	world_want_nothing(&w, SRV);

	m = syn_to(2, 2, "evil.test", 1080);
	world_say(&w, SRV, &m);
	ch = world_want(&w, SRV, ACTION_RESOLVE).channel;
	channel_resolved(ch, &a[2], 1, w.now); /* DNS rebinding */
	assert_int_equal(world_want_closed(&w, SRV), REASON_NOT_ALLOWED);
	assert_int_equal(world_answer(&w), REASON_NOT_ALLOWED);

	m = syn_to(3, 3, "files.test", 22);
	world_say(&w, SRV, &m);
	channel_resolved(world_want(&w, SRV, ACTION_RESOLVE).channel, a, 3, w.now);
	dial = world_want(&w, SRV, ACTION_DIAL);
	assert_int_equal(dial.n_addrs, 2); /* allowed by its name, but not to be this machine */
	assert_true(tt_addr_equal(&dial.addrs[1], &a[1]));

	m = syn_to(4, 4, "none.test", 1080);
	world_say(&w, SRV, &m);
	channel_resolved(world_want(&w, SRV, ACTION_RESOLVE).channel, NULL, 0, w.now);
	assert_int_equal(world_want_closed(&w, SRV), REASON_NO_SUCH_HOST);
	world_finish(&w);
}

static void side_that_accepts_nothing_and_other_protocols_are_refused(void **state)
{
	struct world w;
	struct wire_msg m = syn_to(1, 1, "10.0.0.1", 1080);
	(void)state;
	world_up_alone(&w);
	m.syn.proto = WIRE_UNIX;
	m.syn.port = 0;
	world_say(&w, SRV, &m); /* no rule names the path */
	assert_int_equal(world_answer(&w), REASON_NOT_ALLOWED);
	world_finish(&w);
	world_up(&w);
	world_ask(&w, SRV, "10.0.0.1", 1080); /* the client accepts nothing */
	world_carry(&w);
	assert_int_equal(world_want_closed(&w, SRV), REASON_NOT_ALLOWED);
	world_finish(&w);
}

static void new_rules_bind_the_next_channel(void **state)
{
	struct world w;
	struct wire_msg m = syn_to(1, 1, "10.0.0.1", 1080);
	(void)state;
	world_up_alone(&w);
	w.cfg[SRV].terms.n_rules = 0;
	session_reconfigure(w.s[SRV], &w.cfg[SRV].terms);
	world_say(&w, SRV, &m);
	assert_int_equal(world_answer(&w), REASON_NOT_ALLOWED);
	world_finish(&w);
}

/* ---- opening ---- */

static void every_failure_to_dial_reaches_the_opener(void **state)
{
	static const enum close_reason reasons[] = {REASON_REFUSED_BY_TARGET,
		REASON_TARGET_UNREACHABLE, REASON_TARGET_TIMEOUT, REASON_LIMIT};
	struct world w;
	(void)state;
	world_up(&w);
	for (size_t i = 0; i < 4; i++) {
		world_ask(&w, CLI, "10.0.0.1", 1080);
		world_carry(&w);
		channel_dialed(world_want(&w, SRV, ACTION_DIAL).channel, reasons[i], w.now);
		assert_int_equal(world_want_closed(&w, SRV), reasons[i]);
		world_carry(&w);
		assert_int_equal(world_want_closed(&w, CLI), reasons[i]);
		assert_int_equal(world_stats(&w, CLI).reasons[reasons[i]], 1);
	}
	assert_int_equal(world_stats(&w, CLI).failed, 4);
	assert_int_equal(world_stats(&w, CLI).ok, 0);
	world_finish(&w);
}

static void data_may_go_before_the_ack(void **state)
{
	struct world w;
	(void)state;
	world_up(&w);
	struct channel *c = world_ask(&w, CLI, "10.0.0.1", 1080);
	bytes_put(c, 5000, w.now);
	channel_send_eof(c, w.now);
	world_carry(&w);
	struct channel *s = world_want(&w, SRV, ACTION_DIAL).channel;
	struct iovec v;
	assert_int_equal(channel_recv_peek(s, &v, 1), 0); /* not before the target has accepted */
	channel_dialed(s, REASON_NONE, w.now);
	world_want(&w, SRV, ACTION_OPENED);
	assert_int_equal(bytes_take(s, w.now), 5000);
	world_want(&w, SRV, ACTION_SHUTDOWN);
	world_carry(&w);
	world_want(&w, CLI, ACTION_OPENED);
	world_finish(&w);
}

static void opener_moves_to_the_conv_that_the_accepter_names(void **state)
{
	struct world w;
	struct link_stream *other;
	struct wire_msg m;
	uint8_t buf[WIRE_MESSAGE_MAX];
	(void)state;
	world_up(&w);
	struct channel *c = world_ask(&w, CLI, "10.0.0.1", 1080);
	bytes_put(c, 3000, w.now);
	size_t len = session_control_output(w.s[CLI], buf);
	assert_true(wire_decode(buf, len, &m) > 0);
	/* the client has the greater key: bit 31 is set */
	assert_true(m.syn.conv >> 31);
	assert_int_equal(
		link_stream_new(&other, session_link(w.s[SRV]), m.syn.conv, NULL, w.now), TT_OK);
	w.hold_packets = true;
	world_carry(&w);
	struct channel *s = world_want(&w, SRV, ACTION_DIAL).channel;
	channel_dialed(s, REASON_NONE, w.now);
	world_want(&w, SRV, ACTION_OPENED);
	world_carry(&w);
	world_want(&w, CLI, ACTION_OPENED);
	link_stream_free(other);
	w.hold_packets = false;
	world_carry(&w);
	assert_int_equal(bytes_take(s, w.now), 3000);
	world_finish(&w);
}

static void words_beside_a_refusal_reach_the_opener(void **state)
{
	struct world w;
	struct wire_msg m;
	struct channel_info info;
	size_t n;
	(void)state;
	world_up_alone(&w);
	struct channel *ch = world_ask(&w, SRV, "10.0.0.1", 1080);
	assert_true(world_heard(&w, SRV, &m, &n));
	struct wire_msg rst = {.type = WIRE_RST,
		.n = 1,
		.rst = {.ccid = m.syn.ccid, .reason = "not_allowed", .text = "ask Ann"}};
	assert_int_equal(world_say(&w, SRV, &rst), TT_OK);
	channel_info(ch, &info);
	assert_string_equal(info.text, "ask Ann");
	assert_int_equal(world_want_closed(&w, SRV), REASON_NOT_ALLOWED);
	world_finish(&w);
}

static void opener_gives_up_after_the_connect_timeout(void **state)
{
	struct world w;
	(void)state;
	world_up(&w);
	world_ask(&w, CLI, "10.0.0.1", 1080);
	world_carry(&w);
	struct channel *s = world_want(&w, SRV, ACTION_DIAL).channel;
	assert_int_equal(session_deadline(w.s[CLI]), w.now + SESSION_CONNECT_TIMEOUT);
	w.now += SESSION_CONNECT_TIMEOUT - 1;
	session_on_deadline(w.s[CLI], w.now);
	world_want_nothing(&w, CLI);
	w.now += 1;
	session_on_deadline(w.s[CLI], w.now);
	assert_int_equal(world_want_closed(&w, CLI), REASON_CONNECT_TIMEOUT);
	world_carry(&w);
	assert_int_equal(world_want_closed(&w, SRV), REASON_CONNECT_TIMEOUT);
	(void)s;
	world_finish(&w);
}

static void accepter_gives_up_a_target_that_does_not_answer(void **state)
{
	struct world w;
	struct wire_msg m = syn_to(1, 1, "some.test", 1080);
	(void)state;
	world_up_alone(&w);
	world_say(&w, SRV, &m);
	world_want(&w, SRV, ACTION_RESOLVE);
	w.now += SESSION_CONNECT_TIMEOUT;
	session_on_deadline(w.s[SRV], w.now);
	assert_int_equal(world_want_closed(&w, SRV), REASON_TARGET_TIMEOUT);
	assert_int_equal(world_answer(&w), REASON_TARGET_TIMEOUT);
	world_finish(&w);
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
	world_make(&w);
	w.cfg[CLI].mode = w.cfg[SRV].mode = TT_MODE_AUTO;
	world_start(&w);
	world_online(&w);
	world_open_one(&w, ch);
	for (int round = 0; round < 200; round++) { /* until the window is wide */
		bytes_put_all(ch[CLI], w.now);
		w.now += TT_MS(5);
		world_carry(&w);
		bytes_take(ch[SRV], w.now);
	}
	world_want_nothing(&w, CLI);
	bytes_put_all(ch[CLI], w.now);
	assert_false(session_has_action(w.s[CLI]));
	size_t packets = 0;
	for (int ms = 0; ms < 50 && !session_has_action(w.s[CLI]); ms++, w.now += TT_MS(1)) {
		if (session_deadline(w.s[CLI]) <= w.now)
			session_on_deadline(w.s[CLI], w.now);
		while (session_packet_output(w.s[CLI], buf, w.now) > 0)
			packets++;
	}
	assert_true(packets > 0);
	assert_ptr_equal(world_want(&w, CLI, ACTION_READY).channel, ch[CLI]);
	assert_true(bytes_put_all(ch[CLI], w.now) > 0);
	world_finish(&w);
}

static void limits_of_channels_and_of_half_open_ones_hold(void **state)
{
	struct world w;
	(void)state;
	world_make(&w);
	w.cfg[CLI].terms.channels_max = w.cfg[SRV].terms.channels_max = 3;
	w.cfg[CLI].terms.channels_max = 4;
	world_start(&w);
	world_online(&w);
	for (size_t i = 0; i < 4; i++)
		world_ask(&w, CLI, "10.0.0.1", 1080);
	struct channel_target t = {.host = "10.0.0.1", .port = 1080};
	struct channel *ch = NULL;
	assert_int_equal(session_open(w.s[CLI], &t, &ch, NULL, w.now), TT_ELIMIT);
	world_carry(&w);
	assert_int_equal(world_want_closed(&w, CLI), REASON_LIMIT);
	assert_int_equal(world_stats(&w, SRV).active, 3);
	world_finish(&w);

	world_up_alone(&w);
	for (uint32_t i = 1; i <= SESSION_HALF_OPEN_MAX + 1; i++) {
		struct wire_msg m = syn_to(i, i, "10.0.0.1", 1080);
		world_say(&w, SRV, &m);
	}
	assert_int_equal(world_stats(&w, SRV).active, SESSION_HALF_OPEN_MAX);
	assert_int_equal(world_answer(&w), REASON_LIMIT);
	for (uint32_t i = 0; i < SESSION_HALF_OPEN_MAX; i++)
		channel_abort(world_want(&w, SRV, ACTION_DIAL).channel, REASON_RESET, w.now);
	struct wire_msg m = syn_to(2000, 2000, "10.0.0.1", 1080);
	m.n = SESSION_HALF_OPEN_MAX + 2;
	world_say(&w, SRV, &m);
	assert_int_equal(world_stats(&w, SRV).active, 1); /* there is room again */
	world_finish(&w);
}

static void answers_that_are_never_confirmed_are_bounded(void **state)
{
	struct world w;
	(void)state;
	world_up_alone(&w);
	for (uint32_t i = 1; i <= SESSION_CONTROL_MAX + 500; i++) {
		struct wire_msg m = syn_to(i, i, "11.0.0.1", 1080);
		world_say(&w, SRV, &m);
	}
	assert_true(w.mem[SRV].held <= SESSION_CONTROL_MAX + 100);
	world_finish(&w);
}

static void closed_channel_that_nobody_released_hides_no_new_one(void **state)
{
	struct world w;
	struct wire_msg rst = {
		.type = WIRE_RST, .n = 2, .rst = {.ccid = 1, .opener = true, .reason = "reset"}};
	struct wire_msg m = syn_to(1, 1, "10.0.0.1", 1080);
	(void)state;
	world_up_alone(&w);
	for (uint32_t i = 0; i < 50; i++) { /* the same number again and again in one go */
		m.n = 2 * i + 1;
		rst.n = 2 * i + 2;
		world_say(&w, SRV, &m);
		assert_int_equal(world_stats(&w, SRV).active, 1);
		world_say(&w, SRV, &rst);
		assert_int_equal(world_stats(&w, SRV).active, 0);
	}
	for (uint32_t i = 0; i < 50; i++)
		channel_release(world_want(&w, SRV, ACTION_CLOSED).channel);
	world_want_nothing(&w, SRV);
	world_finish(&w);
}

static void peers_packet_limit_is_kept(void **state)
{
	struct world w;
	struct wire_msg hello = {.type = WIRE_HELLO,
		.hello = {.version = 1, .packet_max = 200, .seen = true, .inst = {9}, .caps = 1}};
	uint8_t buf[LINK_PACKET_MAX];
	size_t len, sum = 0;
	(void)state;
	world_make(&w);
	world_start(&w);
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	world_say(&w, SRV, &hello);
	bytes_put(world_ask(&w, SRV, "10.0.0.1", 1080), 5000, w.now);
	while ((len = session_packet_output(w.s[SRV], buf, w.now)) > 0) {
		assert_true(len <= 200);
		sum += len;
	}
	assert_true(sum > 5000);
	world_finish(&w);
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

	world_make(&w);
	w.cfg[SRV].terms.bench = offered;
	w.cfg[SRV].terms.n_rules = n_rules;
	world_start_alone(&w);
	world_say(&w, SRV, &m);
	struct session_action a;
	if (session_next_action(w.s[SRV], &a)) {
		assert_int_equal(a.type, ACTION_DIAL);
		assert_string_equal(wire_bench_name(a.bench), kind);
		assert_int_equal(a.n_addrs, 0);
	} else {
		why = world_answer(&w);
	}
	world_finish(&w);
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
	world_up(&w); /* the client serves nobody, whatever else is set */
	w.cfg[CLI].terms.bench = true;
	world_restart(&w, CLI);
	world_online(&w);
	struct channel_target t = {.proto = WIRE_BENCH, .host = "echo"};
	struct channel *ch;
	assert_int_equal(session_open(w.s[SRV], &t, &ch, NULL, w.now), TT_OK);
	world_carry(&w);
	assert_int_equal(world_want_closed(&w, SRV), REASON_NOT_ALLOWED);
	world_finish(&w);
}

static void measuring_is_asked_only_of_a_peer_that_knows_it(void **state)
{
	struct world w;
	struct channel_target t = {.proto = WIRE_BENCH, .host = "echo"};
	struct channel *ch;
	struct wire_msg hello = {.type = WIRE_HELLO,
		.hello = {.version = 1, .packet_max = 1373, .seen = true, .inst = {9}}};
	(void)state;
	world_up_alone(&w); /* its hello has no capability */
	assert_int_equal(session_open(w.s[SRV], &t, &ch, NULL, w.now), TT_ENOTSUP);
	hello.hello.caps = WIRE_CAP_BENCH;
	world_say(&w, SRV, &hello);
	assert_int_equal(session_open(w.s[SRV], &t, &ch, NULL, w.now), TT_OK);
	struct wire_msg m;
	size_t n;
	assert_true(world_heard(&w, SRV, &m, &n));
	assert_int_equal(m.syn.proto, WIRE_BENCH);
	assert_string_equal(m.syn.host, "echo");
	world_finish(&w);
}

static void measurements_at_once_are_few_and_ended_ones_make_room(void **state)
{
	struct world w;
	struct channel *ch = NULL;
	(void)state;
	world_make(&w);
	w.cfg[SRV].terms.bench = true;
	world_start_alone(&w);
	for (uint32_t i = 1; i <= SESSION_BENCH_MAX + 1; i++) {
		struct wire_msg m = measure_syn(i, "source");
		world_say(&w, SRV, &m);
	}
	for (uint32_t i = 0; i < SESSION_BENCH_MAX; i++)
		ch = world_want(&w, SRV, ACTION_DIAL).channel;
	world_want_nothing(&w, SRV);
	assert_int_equal(world_answer(&w), REASON_LIMIT);

	struct wire_msg target = syn_to(100, 100, "10.0.0.1", 1080); /* is no measurement */
	target.n = SESSION_BENCH_MAX + 2;
	world_say(&w, SRV, &target);
	world_want(&w, SRV, ACTION_DIAL);

	channel_abort(ch, REASON_RESET, w.now);
	assert_int_equal(world_want_closed(&w, SRV), REASON_RESET);
	struct wire_msg m = measure_syn(200, "source");
	m.n = SESSION_BENCH_MAX + 3;
	world_say(&w, SRV, &m);
	world_want(&w, SRV, ACTION_DIAL);
	world_finish(&w);
}

static void measurement_is_cut_off_however_busy_it_is(void **state)
{
	struct world w;
	struct channel *ch[2];
	struct channel_target t = {.proto = WIRE_BENCH, .host = "sink"};
	(void)state;
	world_make(&w);
	w.cfg[SRV].terms.bench = true;
	world_start(&w);
	world_online(&w);
	assert_int_equal(session_open(w.s[CLI], &t, &ch[CLI], NULL, w.now), TT_OK);
	world_carry(&w);
	ch[SRV] = world_want(&w, SRV, ACTION_DIAL).channel;
	channel_dialed(ch[SRV], REASON_NONE, w.now);
	world_want(&w, SRV, ACTION_OPENED);
	world_carry(&w);
	world_want(&w, CLI, ACTION_OPENED);
	for (tt_time t_s = 0; t_s < 90; t_s += 10) {
		world_want_nothing(&w, SRV);
		bytes_put(ch[CLI], 1000, w.now);
		world_carry(&w);
		assert_int_equal(bytes_take(ch[SRV], w.now), 1000);
		world_pass(&w, TT_S(10));
	}
	assert_int_equal(world_want_closed(&w, SRV), REASON_LIMIT);
	assert_int_equal(world_want_closed(&w, CLI), REASON_LIMIT);
	world_finish(&w);
}

/* ---- memory ---- */

/* One life with a transfer; every allocation of one side may fail. True while one did. */
static bool live_with_a_failure(size_t side, uint64_t fail_at)
{
	struct world w;
	struct session_action a;
	world_make(&w);
	fail_mem_init(&w.mem[side], fail_at);
	for (size_t i = 0; i < 2; i++)
		if (session_new(&w.s[i], &w.cfg[i], w.now) != TT_OK)
			goto out;
	world_online(&w);
	for (size_t n = 0; n < 12; n++) {
		struct channel_target t = {.host = n % 2 ? "some.test" : "10.0.0.1", .port = 1080};
		struct channel *ch;
		session_open(w.s[CLI], &t, &ch, &w, w.now);
	}
	for (size_t turn = 0; turn < 80; turn++) {
		world_carry(&w);
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
					bytes_take(a.channel, w.now);
				}
			}
		}
		w.now += TT_MS(300);
	}
out:
	world_finish(&w);
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
	world_up(&w);
	world_open_one(&w, ch);
	bytes_put(ch[CLI], 100000, w.now);
	world_carry(&w);
	world_ask(&w, CLI, "some.test", 1080);
	world_finish(&w);
	session_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_decide_about_literals_names_and_what_names_resolve_to),
		cmocka_unit_test(name_is_dialled_only_where_the_rules_allow_its_addresses),
		cmocka_unit_test(side_that_accepts_nothing_and_other_protocols_are_refused),
		cmocka_unit_test(new_rules_bind_the_next_channel),
		cmocka_unit_test(every_failure_to_dial_reaches_the_opener),
		cmocka_unit_test(data_may_go_before_the_ack),
		cmocka_unit_test(opener_moves_to_the_conv_that_the_accepter_names),
		cmocka_unit_test(words_beside_a_refusal_reach_the_opener),
		cmocka_unit_test(opener_gives_up_after_the_connect_timeout),
		cmocka_unit_test(accepter_gives_up_a_target_that_does_not_answer),
		cmocka_unit_test(more_is_asked_for_before_the_last_bytes_have_left),
		cmocka_unit_test(limits_of_channels_and_of_half_open_ones_hold),
		cmocka_unit_test(answers_that_are_never_confirmed_are_bounded),
		cmocka_unit_test(closed_channel_that_nobody_released_hides_no_new_one),
		cmocka_unit_test(peers_packet_limit_is_kept),
		cmocka_unit_test(measuring_needs_a_server_that_offers_it_and_some_target),
		cmocka_unit_test(measuring_is_asked_only_of_a_peer_that_knows_it),
		cmocka_unit_test(measurements_at_once_are_few_and_ended_ones_make_room),
		cmocka_unit_test(measurement_is_cut_off_however_busy_it_is),
		cmocka_unit_test(every_failing_allocation_is_survived_without_a_leak),
		cmocka_unit_test(session_with_open_channels_is_freed_whole),
	};
	return cmocka_run_group_tests_name("tunnel", tests, NULL, NULL);
}
