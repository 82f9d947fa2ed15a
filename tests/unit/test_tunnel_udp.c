/* Two sessions with channels of datagrams between them, carried by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tt_err.h"
#include "two_sessions.h"

static struct world w;
static struct session_slots slots; /* of the server */
static const struct tt_rule rule = {
	.kind = TT_RULE_NET, .net = {4, {10}}, .prefix = 8, .port_first = 1, .port_last = 1000};

static void run_timers(void)
{
	for (size_t i = 0; i < 2; i++)
		if (session_deadline(w.s[i]) <= w.now)
			session_on_deadline(w.s[i], w.now);
}

/* Packets go first: they overtake the control messages, as they do inside toxcore. */
static void carry(void)
{
	bool more = true;
	while (more) {
		more = false;
		run_timers();
		for (size_t i = 0; i < 2; i++) {
			while (world_carry_packet(&w, i))
				more = true;
			more |= world_carry_control(&w, i);
		}
	}
	for (size_t i = 0; i < 2; i++)
		assert_true(session_deadline(w.s[i]) > w.now);
}

static void start(void)
{
	world_make(&w);
	slots = (struct session_slots){.cap = SIZE_MAX};
	w.cfg[SRV].slots = &slots;
	for (size_t i = 0; i < 2; i++) {
		w.cfg[i].mode = TT_MODE_AUTO;
		w.cfg[i].terms.rules = &rule;
		w.cfg[i].terms.n_rules = 1;
		w.cfg[i].terms.idle_timeout_us = TT_S(5);
	}
	world_start(&w);
	for (size_t i = 0; i < 2; i++)
		session_path(w.s[i], LINK_DIRECT, w.now);
	carry();
}

static struct channel *ask(const char *host, uint16_t port)
{
	struct channel_target t = {.proto = WIRE_UDP, .host = host, .port = port};
	struct channel *ch = NULL;
	assert_int_equal(session_open(w.s[CLI], &t, &ch, &w, w.now), TT_OK);
	return ch;
}

static struct channel *want(size_t i, enum session_action_type type)
{
	struct session_action a = {0};
	do
		assert_true(session_next_action(w.s[i], &a));
	while (a.type == ACTION_READY && type != ACTION_READY);
	assert_int_equal(a.type, type);
	assert_true(a.udp);
	return a.channel;
}

static enum close_reason want_closed(size_t i)
{
	struct channel_info info;
	struct channel *ch = want(i, ACTION_CLOSED);
	channel_info(ch, &info);
	channel_release(ch);
	return info.reason;
}

static void expect(struct channel *ch, const char *text)
{
	const struct datagram *dg = channel_dgram_next(ch);
	assert_non_null(dg);
	assert_int_equal(dg->len, strlen(text));
	assert_memory_equal(dg->data, text, dg->len);
	channel_dgram_done(ch, true, w.now);
}

static bool say(struct channel *ch, const char *text)
{
	return channel_dgram_send(ch, text, strlen(text), w.now);
}

static void open_one(struct channel *ch[2])
{
	ch[CLI] = ask("10.0.0.1", 53);
	carry();
	ch[SRV] = want(SRV, ACTION_DIAL);
	channel_dialed(ch[SRV], REASON_NONE, w.now);
	want(SRV, ACTION_OPENED);
	carry();
	want(CLI, ACTION_OPENED);
}

static void first_datagrams_go_with_the_syn_and_may_be_there_before_it(void **state)
{
	(void)state;
	start();
	struct channel *a = ask("10.0.0.1", 53);
	assert_true(say(a, "one"));
	assert_true(say(a, "two"));
	assert_true(world_carry_packet(&w, CLI));
	carry();
	struct channel *b = want(SRV, ACTION_DIAL);
	assert_null(channel_dgram_next(b)); /* there is no socket yet */
	channel_dialed(b, REASON_NONE, w.now);
	want(SRV, ACTION_OPENED);
	expect(b, "one");
	expect(b, "two");
	/* the answer may overtake the ack */
	say(b, "three");
	assert_true(world_carry_packet(&w, SRV));
	assert_ptr_equal(want(CLI, ACTION_READY), a);
	expect(a, "three");
	world_finish(&w);
}

static void rules_and_ports_hold_for_datagrams_too(void **state)
{
	(void)state;
	start();
	say(ask("10.0.0.1", 1001), "x");
	carry();
	assert_int_equal(want_closed(CLI), REASON_NOT_ALLOWED);
	say(ask("11.0.0.1", 53), "x");
	carry();
	assert_int_equal(want_closed(CLI), REASON_NOT_ALLOWED);
	assert_int_equal(world_stats(&w, SRV).flows_failed, 2);
	assert_int_equal(world_stats(&w, SRV).failed, 0);
	world_finish(&w);
}

static void target_that_refuses_ends_the_flow(void **state)
{
	struct channel *ch[2];
	(void)state;
	start();
	open_one(ch);
	say(ch[CLI], "x");
	carry();
	expect(ch[SRV], "x");
	channel_abort(ch[SRV], REASON_REFUSED_BY_TARGET, w.now);
	assert_int_equal(want_closed(SRV), REASON_REFUSED_BY_TARGET);
	carry();
	assert_false(say(ch[CLI], "y"));
	assert_int_equal(want_closed(CLI), REASON_REFUSED_BY_TARGET);
	world_finish(&w);
}

/* The flow's end at the accepter, when nothing happens for the rest of its life. `timeout` is that
 * of a configuration that was read again; 0: it was not. */
static tt_time lifetime(bool answered, tt_time timeout)
{
	struct channel *ch[2];
	start();
	for (size_t i = 0; timeout && i < 2; i++) {
		w.cfg[i].terms.udp_timeout_us = timeout;
		session_reconfigure(w.s[i], &w.cfg[i].terms);
	}
	open_one(ch);
	say(ch[CLI], "x");
	carry();
	expect(ch[SRV], "x");
	if (answered)
		say(ch[SRV], "y");
	carry();
	if (answered)
		expect(ch[CLI], "y");
	tt_time begin = w.now;
	while (world_stats(&w, CLI).udp.flows > 0) {
		w.now += TT_S(1);
		carry();
	}
	carry();
	assert_int_equal(world_stats(&w, SRV).udp.flows, 0);
	assert_int_equal(want_closed(CLI), REASON_IDLE_TIMEOUT);
	tt_time life = w.now - begin;
	world_finish(&w);
	return life;
}

static void silent_flow_ends_and_later_when_it_was_answered(void **state)
{
	(void)state;
	assert_int_equal(lifetime(false, 0), SESSION_UDP_UNANSWERED);
	assert_int_equal(lifetime(true, 0), SESSION_UDP_TIMEOUT);
	assert_int_equal(lifetime(true, TT_S(7)), TT_S(7));
}

static void flow_in_use_does_not_end(void **state)
{
	struct channel *ch[2];
	(void)state;
	start();
	open_one(ch);
	for (int i = 0; i < 20; i++) {
		w.now += TT_S(40);
		say(ch[CLI], "x");
		carry();
		expect(ch[SRV], "x");
	}
	assert_int_equal(world_stats(&w, SRV).udp.flows, 1);
	world_finish(&w);
}

static void too_many_flows_end_the_one_unused_for_longest(void **state)
{
	struct channel *first = NULL, *second = NULL;
	(void)state;
	start();
	for (size_t i = 0; i < SESSION_FLOWS_MAX; i++) {
		struct channel *ch = ask("10.0.0.1", 53);
		first = first ? first : ch;
		second = i == 1 ? ch : second;
	}
	carry();
	assert_int_equal(world_stats(&w, SRV).udp.flows, SESSION_FLOWS_MAX);
	say(first, "x");
	ask("10.0.0.1", 53);
	struct session_action a;
	assert_true(session_next_action(w.s[CLI], &a));
	assert_int_equal(a.type, ACTION_CLOSED);
	assert_ptr_equal(a.channel, second);
	channel_release(a.channel);
	carry();
	assert_int_equal(world_stats(&w, CLI).udp.flows, SESSION_FLOWS_MAX);
	assert_int_equal(world_stats(&w, SRV).udp.flows, SESSION_FLOWS_MAX);
	assert_int_equal(world_stats(&w, SRV).flows_failed, 1); /* it had not been dialled */
	world_finish(&w);
}

static void peer_that_opens_more_flows_than_allowed_is_refused(void **state)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	struct wire_msg m = {.type = WIRE_SYN,
		.syn = {.version = 1, .proto = WIRE_UDP, .host = "10.0.0.1", .port = 53}};
	(void)state;
	start();
	for (uint32_t i = 1; i <= SESSION_FLOWS_MAX + 5; i++) {
		m.n = m.syn.ccid = m.syn.conv = i;
		int n = wire_encode(&m, buf, sizeof(buf));
		assert_int_equal(session_control_input(w.s[SRV], buf, (size_t)n, w.now), TT_OK);
	}
	assert_int_equal(world_stats(&w, SRV).udp.flows, SESSION_FLOWS_MAX);
	assert_int_equal(world_stats(&w, SRV).flows_failed, 5);
	assert_int_equal(world_stats(&w, SRV).limits[LIMIT_FLOWS], 5);
	world_finish(&w);
}

static void flows_take_part_in_what_all_channels_may_be(void **state)
{
	(void)state;
	start();
	slots.cap = 4; /* a peer may have as many as are free */
	for (int i = 0; i < 3; i++)
		ask("10.0.0.1", 53);
	carry();
	assert_int_equal(slots.used, 2);
	assert_int_equal(world_stats(&w, SRV).limits[LIMIT_CHANNELS], 1);
	session_end(w.s[SRV], REASON_SHUTDOWN);
	assert_int_equal(slots.used, 0);
	world_finish(&w);
}

static void names_of_flows_wait_for_their_turn(void **state)
{
	struct channel *ch = NULL;
	(void)state;
	start();
	for (int i = 0; i <= SESSION_RESOLVE_MAX; i++)
		ask("host.test", 53);
	carry();
	for (int i = 0; i < SESSION_RESOLVE_MAX; i++)
		ch = want(SRV, ACTION_RESOLVE);
	assert_false(session_has_action(w.s[SRV]));
	assert_int_equal(world_stats(&w, SRV).limits[LIMIT_RESOLVING], 1);
	channel_resolved(ch, NULL, 0, w.now);
	want(SRV, ACTION_RESOLVE);
	assert_int_equal(want_closed(SRV), REASON_NO_SUCH_HOST);
	world_finish(&w);
}

static void draining_session_refuses_new_flows(void **state)
{
	struct channel *ch[2];
	(void)state;
	start();
	open_one(ch);
	session_drain(w.s[SRV]);
	ask("10.0.0.1", 53);
	say(ch[CLI], "x");
	carry();
	assert_int_equal(want_closed(CLI), REASON_SHUTDOWN);
	expect(ch[SRV], "x");
	world_finish(&w);
}

static void peer_without_the_capability_is_not_asked(void **state)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	struct wire_msg m = {.type = WIRE_HELLO,
		.hello = {.version = 1,
			.inst = {9},
			.caps = WIRE_CAP_FAST_OPEN,
			.packet_max = 1373,
			.seen = true}};
	struct channel_target t = {.proto = WIRE_UDP, .host = "10.0.0.1", .port = 53};
	struct channel *ch;
	(void)state;
	start();
	int n = wire_encode(&m, buf, sizeof(buf));
	session_control_input(w.s[CLI], buf, (size_t)n, w.now);
	assert_int_equal(session_open(w.s[CLI], &t, &ch, NULL, w.now), TT_ENOTSUP);
	world_finish(&w);
}

static void fin_for_a_flow_is_a_mistake_of_the_peer(void **state)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	struct wire_msg m[2] = {{.type = WIRE_FIN, .n = 2, .fin = {.ccid = 1, .opener = true}},
		{.type = WIRE_END, .n = 2, .end = {.ccid = 1, .opener = true}}};
	struct channel *ch[2];
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		start();
		open_one(ch);
		int n = wire_encode(&m[i], buf, sizeof(buf));
		session_control_input(w.s[SRV], buf, (size_t)n, w.now);
		assert_int_equal(want_closed(SRV), REASON_PROTOCOL_ERROR);
		world_finish(&w);
	}
}

static void flow_gets_through_beside_a_stream_that_is_stuck(void **state)
{
	struct channel_target t = {.host = "10.0.0.1", .port = 80};
	struct channel *ch[2], *stream;
	struct iovec v;
	(void)state;
	start();
	open_one(ch);
	assert_int_equal(session_open(w.s[CLI], &t, &stream, &w, w.now), TT_OK);
	while (channel_send_reserve(stream, &v, 1, SIZE_MAX) > 0)
		channel_send_commit(stream, v.iov_len, w.now);
	while (world_carry_packet(&w, CLI)) /* all that window and pace allow */
		;
	say(ch[CLI], "x");
	assert_true(world_carry_packet(&w, CLI));
	expect(ch[SRV], "x");
	world_finish(&w);
}

static void flood_before_a_stream_leaves_it_no_debts(void **state)
{
	static const uint8_t data[1300];
	struct channel_target t = {.host = "10.0.0.1", .port = 80};
	struct channel *ch[2], *stream;
	uint8_t buf[LINK_PACKET_MAX];
	struct iovec v;
	(void)state;
	start();
	open_one(ch);
	for (int i = 0; i < 10000; i++) {
		channel_dgram_send(ch[CLI], data, sizeof(data), w.now);
		while (world_carry_packet(&w, CLI))
			;
	}
	assert_int_equal(session_open(w.s[CLI], &t, &stream, &w, w.now), TT_OK);
	assert_int_equal(channel_send_reserve(stream, &v, 1, 1000), 1);
	channel_send_commit(stream, v.iov_len, w.now);
	assert_true(session_packet_output(w.s[CLI], buf, w.now) > 0);
	assert_int_equal(buf[0], WIRE_ID_KCP);
	world_finish(&w);
}

static void streams_have_their_turn_in_a_flood_of_datagrams(void **state)
{
	static const uint8_t data[1300];
	struct channel_target t = {.host = "10.0.0.1", .port = 80};
	struct channel *ch[2], *stream;
	uint8_t buf[LINK_PACKET_MAX];
	struct iovec v;
	int of_streams = 0;
	(void)state;
	start();
	open_one(ch);
	assert_int_equal(session_open(w.s[CLI], &t, &stream, &w, w.now), TT_OK);
	assert_int_equal(channel_send_reserve(stream, &v, 1, 1000), 1);
	channel_send_commit(stream, v.iov_len, w.now);
	for (int i = 0; i < 100; i++)
		channel_dgram_send(ch[CLI], data, sizeof(data), w.now);
	for (int i = 0; i < 10; i++) {
		assert_true(session_packet_output(w.s[CLI], buf, w.now) > 0);
		of_streams += buf[0] == WIRE_ID_KCP;
	}
	assert_int_equal(of_streams, 1);
	world_finish(&w);
}

static void datagrams_to_a_peer_that_is_offline_are_dropped_after_a_moment(void **state)
{
	struct channel *ch[2];
	(void)state;
	start();
	open_one(ch);
	session_path(w.s[CLI], LINK_DOWN, w.now);
	say(ch[CLI], "x");
	assert_false(world_carry_packet(&w, CLI));
	assert_int_equal(session_deadline(w.s[CLI]), w.now + DGRAM_SEND_TIME);
	w.now += DGRAM_SEND_TIME;
	carry();
	assert_int_equal(world_stats(&w, CLI).udp.dropped[DGRAM_DROP_LATE], 1);
	world_finish(&w);
}

static void one_way_flood_asks_for_signs_of_life_and_stops_without_them(void **state)
{
	static const uint8_t data[1300];
	struct channel *ch[2];
	uint8_t buf[LINK_PACKET_MAX];
	unsigned sent = 0, probes = 0;
	(void)state;
	start();
	open_one(ch);
	for (int i = 0; i < 40000; i++) {
		channel_dgram_send(ch[CLI], data, sizeof(data), w.now);
		while (session_packet_output(w.s[CLI], buf, w.now) > 0) {
			sent++;
			probes += buf[0] == WIRE_ID_PROBE;
		}
	}
	assert_in_range(sent, LINK_UNHEARD_MAX - 8, LINK_UNHEARD_MAX);
	assert_int_equal(probes, 15);
	w.now += DGRAM_SEND_TIME;
	carry(); /* does not spin */
	w.now += TT_S(1);
	carry(); /* the path answers */
	say(ch[CLI], "x");
	assert_true(world_carry_packet(&w, CLI));
	world_finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_datagrams_go_with_the_syn_and_may_be_there_before_it),
		cmocka_unit_test(rules_and_ports_hold_for_datagrams_too),
		cmocka_unit_test(target_that_refuses_ends_the_flow),
		cmocka_unit_test(silent_flow_ends_and_later_when_it_was_answered),
		cmocka_unit_test(flow_in_use_does_not_end),
		cmocka_unit_test(too_many_flows_end_the_one_unused_for_longest),
		cmocka_unit_test(peer_that_opens_more_flows_than_allowed_is_refused),
		cmocka_unit_test(flows_take_part_in_what_all_channels_may_be),
		cmocka_unit_test(names_of_flows_wait_for_their_turn),
		cmocka_unit_test(draining_session_refuses_new_flows),
		cmocka_unit_test(peer_without_the_capability_is_not_asked),
		cmocka_unit_test(fin_for_a_flow_is_a_mistake_of_the_peer),
		cmocka_unit_test(flow_gets_through_beside_a_stream_that_is_stuck),
		cmocka_unit_test(flood_before_a_stream_leaves_it_no_debts),
		cmocka_unit_test(streams_have_their_turn_in_a_flood_of_datagrams),
		cmocka_unit_test(datagrams_to_a_peer_that_is_offline_are_dropped_after_a_moment),
		cmocka_unit_test(one_way_flood_asks_for_signs_of_life_and_stops_without_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
