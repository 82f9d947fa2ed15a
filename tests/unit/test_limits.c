/* A server's session whose peer is the test, and asks for too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "fail_mem.h"
#include "session.h"
#include "tt_err.h"

struct victim {
	struct session *s;
	struct session_config cfg;
	struct fail_mem mem;
	struct tt_log log;
	struct tt_rule rules[2];
	size_t lines;
	char last_line[256];
	tt_time now;
	uint32_t next_n; /* of the maps of the peer */
};

static void log_write(void *user, enum tt_log_level level, const char *line)
{
	struct victim *v = user;
	(void)level;
	v->lines++;
	snprintf(v->last_line, sizeof(v->last_line), "%s", line);
}

static int hear(struct victim *v, struct wire_msg *msg)
{
	uint8_t buf[WIRE_MESSAGE_MAX];

	msg->n = msg->type == WIRE_HELLO ? 0 : v->next_n++;
	int len = wire_encode(msg, buf, sizeof(buf));
	assert_true(len > 0);
	return session_control_input(v->s, buf, (size_t)len, v->now);
}

static int hear_hello(struct victim *v, uint8_t inst)
{
	struct wire_msg hello = {
		.type = WIRE_HELLO, .hello = {.version = 1, .packet_max = 1373, .inst = {inst}}};
	return hear(v, &hello);
}

static int hear_syn(struct victim *v, uint32_t ccid, const char *host)
{
	struct wire_msg syn = {.type = WIRE_SYN,
		.syn = {.version = 1, .ccid = ccid, .conv = ccid, .proto = WIRE_TCP, .port = 80}};
	snprintf(syn.syn.host, sizeof(syn.syn.host), "%s", host);
	return hear(v, &syn);
}

static int hear_end(struct victim *v, uint32_t ccid)
{
	struct wire_msg end = {.type = WIRE_END, .end = {.ccid = ccid, .opener = true}};
	return hear(v, &end);
}

static void make(struct victim *v)
{
	const char *why;

	*v = (struct victim){.now = TT_S(1000)};
	v->log = (struct tt_log){.write = log_write, .user = v, .level = TT_LOG_INFO};
	assert_int_equal(tt_rule_parse("10.0.0.1:80", &v->rules[0], &why), TT_OK);
	assert_int_equal(tt_rule_parse("some.test:80", &v->rules[1], &why), TT_OK);
	v->cfg.terms.accept = true;
	v->cfg.terms.rules = v->rules;
	v->cfg.terms.n_rules = 2;
	v->cfg.mem = fail_mem_init(&v->mem, 0);
	v->cfg.log = &v->log;
}

static void start(struct victim *v)
{
	assert_int_equal(session_new(&v->s, &v->cfg, v->now), TT_OK);
	v->next_n = 1;
	session_path(v->s, LINK_DIRECT, v->now);
	assert_int_equal(hear_hello(v, 1), TT_OK);
}

static void begin(struct victim *v)
{
	make(v);
	start(v);
}

static void finish(struct victim *v)
{
	session_free(v->s);
	assert_int_equal(v->mem.held, 0);
}

static struct session_stats stats(const struct victim *v)
{
	struct session_stats st;
	session_stats(v->s, &st);
	return st;
}

/* Everything that the session has to say is said and confirmed; returns the maps. */
static size_t listen(struct victim *v)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	size_t len, maps = 0;

	while ((len = session_control_output(v->s, buf)) > 0) {
		struct wire_msg msg;
		for (size_t at = 0; at < len; maps++)
			at += (size_t)wire_decode(buf + at, len - at, &msg);
		session_control_sent(v->s, 1);
		session_control_confirmed(v->s, 1);
	}
	return maps;
}

/* Takes all actions: closed channels go, others stay as they are. Returns how many were `type`. */
static size_t take(struct victim *v, enum session_action_type type, struct channel **first)
{
	struct session_action a;
	size_t n = 0;

	while (session_next_action(v->s, &a)) {
		if (a.type == type && n++ == 0 && first)
			*first = a.channel;
		if (a.type == ACTION_CLOSED)
			channel_release(a.channel);
	}
	return n;
}

/* ---- how often ---- */

static void control_maps_above_the_rate_are_dropped_and_end_the_channels(void **state)
{
	struct victim v;
	(void)state;
	begin(&v);
	hear_syn(&v, 1, "10.0.0.1");
	for (uint32_t i = 0; i < SESSION_CONTROL_BURST - 2; i++)
		assert_int_equal(hear_end(&v, 9), TT_OK);
	assert_int_equal(stats(&v).active, 1);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(hear_end(&v, 9), TT_ELIMIT);
	assert_int_equal(stats(&v).limits[LIMIT_CONTROL], 1000);
	assert_int_equal(stats(&v).active, 1);
	v.now += TT_S(1);
	for (uint32_t i = 0; i < SESSION_CONTROL_RATE; i++)
		assert_int_equal(hear_end(&v, 9), TT_OK);
	assert_int_equal(hear_end(&v, 9), TT_ELIMIT);
	assert_int_equal(stats(&v).active, 0); /* what was dropped is missing */
	assert_int_equal(stats(&v).reasons[REASON_PROTOCOL_ERROR], 1);
	finish(&v);
}

static void peer_at_the_rate_goes_on_for_ever(void **state)
{
	struct victim v;
	(void)state;
	begin(&v);
	for (uint32_t i = 0; i < 20 * SESSION_CONTROL_RATE; i++) {
		v.now += TT_S(1) / SESSION_CONTROL_RATE;
		assert_int_equal(hear_end(&v, 9), TT_OK);
	}
	finish(&v);
}

static void hellos_again_and_again_end_channels_once_a_second_only(void **state)
{
	struct victim v;
	(void)state;
	begin(&v);
	for (int i = 0; i < 1000; i++)
		hear_hello(&v, (uint8_t)(i % 2));
	assert_int_equal(stats(&v).restarts, SESSION_HELLO_BURST - 1);
	assert_int_equal(stats(&v).limits[LIMIT_HELLOS], 1001 - SESSION_HELLO_BURST);
	size_t before = v.mem.held;
	for (int s = 1; s <= 60; s++) {
		v.now += TT_S(1);
		session_on_deadline(v.s, v.now);
		for (int i = 0; i < 1000; i++)
			hear_hello(&v, (uint8_t)(s + i));
		assert_int_equal(stats(&v).restarts, SESSION_HELLO_BURST - 1 + s);
		assert_int_equal(v.mem.held, before);
	}
	v.now += TT_S(1);
	session_on_deadline(v.s, v.now);
	assert_int_equal(listen(&v), 1); /* it is answered when it leaves off */
	finish(&v);
}

static void lines_that_a_peer_can_cause_are_few_and_their_number_is_said(void **state)
{
	struct victim v;
	(void)state;
	begin(&v);
	for (uint32_t i = 1; i <= 100; i++) {
		uint8_t bad[] = {0x81, 0xa1, 'x'};
		hear_syn(&v, i, "192.0.2.1");                        /* refused */
		session_control_input(v.s, bad, sizeof(bad), v.now); /* cannot be read */
		hear_syn(&v, 1000, "10.0.0.1");                      /* open already */
		v.next_n++;                                          /* a gap */
	}
	assert_in_range(v.lines, 5, 12);
	assert_true(stats(&v).limits[LIMIT_LOG] > 200);
	v.lines = 0;
	v.now += TT_S(6);
	hear_syn(&v, 1, "192.0.2.1");
	assert_int_equal(v.lines, 2);
	for (uint32_t i = 0; i < 100; i++)
		hear_syn(&v, 1, "192.0.2.1");
	assert_int_equal(v.lines, 2);
	finish(&v);
}

/* Each of these channels is one byte longer than its fin says. */
static void wrong_fins_of_many_channels_are_not_a_line_each(void **state)
{
	struct victim v;
	uint8_t pkt[1 + 24 + 1] = {254, 0, 0, 0, 0, 81, 0, 128, 0, [21] = 1};
	(void)state;
	begin(&v);
	for (uint32_t i = 1; i <= 100; i++) {
		struct channel *ch = NULL;
		struct wire_msg fin = {.type = WIRE_FIN, .fin = {.ccid = i, .opener = true}};
		hear_syn(&v, i, "10.0.0.1");
		assert_int_equal(take(&v, ACTION_DIAL, &ch), 1);
		channel_dialed(ch, REASON_NONE, v.now);
		pkt[1] = (uint8_t)i;
		assert_int_equal(session_packet_input(v.s, pkt, sizeof(pkt), v.now), TT_OK);
		hear(&v, &fin);
		assert_int_equal(take(&v, ACTION_CLOSED, NULL), 1);
	}
	assert_int_equal(stats(&v).reasons[REASON_PROTOCOL_ERROR], 100);
	assert_in_range(v.lines, 5, 12);
	finish(&v);
}

static void every_limit_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int a = 0; a < LIMIT_COUNT; a++) {
		assert_non_null(session_limit_name((enum session_limit)a));
		for (int b = 0; b < a; b++)
			assert_string_not_equal(session_limit_name((enum session_limit)a),
				session_limit_name((enum session_limit)b));
	}
}

/* ---- how many ---- */

static void peer_may_have_as_many_channels_as_are_left_for_others(void **state)
{
	struct session_slots slots = {.cap = 100};
	struct victim v[3];
	static const size_t want[3] = {50, 25, 12};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		make(&v[i]);
		v[i].cfg.slots = &slots;
		start(&v[i]);
		for (uint32_t n = 1; n <= 200; n++)
			hear_syn(&v[i], n, "10.0.0.1");
		assert_in_range(stats(&v[i]).active, want[i], want[i] + 1);
		assert_int_equal(stats(&v[i]).limits[LIMIT_CHANNELS], 200 - stats(&v[i]).active);
	}
	finish(&v[0]);
	assert_int_equal(slots.used, stats(&v[1]).active + stats(&v[2]).active);
	hear_syn(&v[2], 500, "10.0.0.1");
	assert_int_equal(stats(&v[2]).reasons[REASON_LIMIT], stats(&v[2]).limits[LIMIT_CHANNELS]);
	finish(&v[1]);
	finish(&v[2]);
	assert_int_equal(slots.used, 0);
}

static void channels_that_come_and_go_too_fast_are_refused_and_no_more(void **state)
{
	struct victim v;
	uint32_t i;
	(void)state;
	begin(&v);
	for (i = 1; i <= SESSION_OPEN_BURST + 500; i++) {
		struct channel *ch = NULL;
		hear_syn(&v, i, "10.0.0.1");
		if (take(&v, ACTION_DIAL, &ch) == 1)
			channel_dialed(ch, REASON_REFUSED_BY_TARGET, v.now);
	}
	take(&v, ACTION_CLOSED, NULL);
	assert_int_equal(stats(&v).reasons[REASON_REFUSED_BY_TARGET], SESSION_OPEN_BURST);
	assert_int_equal(stats(&v).limits[LIMIT_OPENING], 500);
	v.now += TT_S(1);
	hear_syn(&v, i, "10.0.0.1");
	assert_int_equal(stats(&v).active, 1);
	assert_int_equal(stats(&v).reasons[REASON_PROTOCOL_ERROR], 0);
	finish(&v);
}

static void limits_of_one_peer_are_counted_by_kind(void **state)
{
	struct victim v;
	(void)state;
	make(&v);
	v.cfg.terms.channels_max = 3;
	v.cfg.terms.bench = true;
	start(&v);
	for (uint32_t i = 1; i <= 5; i++)
		hear_syn(&v, i, "10.0.0.1");
	assert_int_equal(stats(&v).limits[LIMIT_CHANNELS], 2);
	finish(&v);

	make(&v);
	v.cfg.terms.bench = true;
	start(&v);
	for (uint32_t i = 1; i <= SESSION_BENCH_MAX + 2; i++) {
		struct wire_msg syn = {.type = WIRE_SYN,
			.syn = {.version = 1, .ccid = i, .conv = i, .proto = WIRE_BENCH}};
		snprintf(syn.syn.host, sizeof(syn.syn.host), "source");
		hear(&v, &syn);
	}
	assert_int_equal(stats(&v).limits[LIMIT_MEASURING], 2);
	for (uint32_t i = 100; i < 100 + SESSION_HALF_OPEN_MAX; i++)
		hear_syn(&v, i, "10.0.0.1");
	assert_int_equal(stats(&v).limits[LIMIT_HALF_OPEN], SESSION_BENCH_MAX);
	finish(&v);
}

static void names_wait_while_others_of_the_peer_are_resolved(void **state)
{
	struct tt_addr addr;
	struct victim v;
	struct channel *ch = NULL;
	(void)state;
	begin(&v);
	assert_int_equal(tt_addr_parse("10.0.0.1", &addr), TT_OK);
	for (uint32_t i = 1; i <= SESSION_RESOLVE_MAX + 3; i++)
		hear_syn(&v, i, "some.test");
	assert_int_equal(take(&v, ACTION_RESOLVE, &ch), SESSION_RESOLVE_MAX);
	assert_int_equal(stats(&v).limits[LIMIT_RESOLVING], 3);
	channel_resolved(ch, &addr, 1, v.now); /* each answer makes room for one */
	assert_int_equal(take(&v, ACTION_RESOLVE, &ch), 1);
	channel_resolved(ch, NULL, 0, v.now);
	assert_int_equal(take(&v, ACTION_RESOLVE, &ch), 1);
	struct wire_msg rst = {.type = WIRE_RST,
		.rst = {.ccid = SESSION_RESOLVE_MAX + 3, .opener = true, .reason = "reset"}};
	hear(&v, &rst); /* one that still waits is given up */
	channel_abort(ch, REASON_RESET, v.now);
	assert_int_equal(take(&v, ACTION_RESOLVE, NULL), 0);
	hear_syn(&v, 100, "some.test");
	assert_int_equal(take(&v, ACTION_RESOLVE, NULL), 1);
	hear_syn(&v, 101, "some.test");
	assert_int_equal(take(&v, ACTION_RESOLVE, NULL), 0);
	finish(&v);
}

static void channels_that_wait_for_their_name_time_out(void **state)
{
	struct victim v;
	(void)state;
	begin(&v);
	for (uint32_t i = 1; i <= 10 * SESSION_RESOLVE_MAX; i++)
		hear_syn(&v, i, "some.test");
	v.now += SESSION_CONNECT_TIMEOUT;
	session_on_deadline(v.s, v.now);
	assert_int_equal(stats(&v).active, 0);
	assert_int_equal(stats(&v).reasons[REASON_TARGET_TIMEOUT], 10 * SESSION_RESOLVE_MAX);
	assert_int_equal(take(&v, ACTION_RESOLVE, NULL), 0);
	finish(&v);
}

static void peer_that_is_not_served_holds_nothing(void **state)
{
	struct victim v;
	uint8_t pkt[1300] = {254, 1, 0, 0, 0, 81, 0, 128, 0, [21] = 0xe8, [22] = 3};
	(void)state;
	make(&v);
	v.cfg.terms.accept = false;
	start(&v);
	listen(&v);
	size_t before = v.mem.held;
	for (uint32_t i = 1; i <= 2000; i++) {
		hear_syn(&v, i, i % 2 ? "10.0.0.1" : "some.test");
		session_packet_input(v.s, pkt, 1 + 24 + 1000, v.now);
		assert_int_equal(listen(&v), 1); /* "not_allowed", the same for every target */
		assert_int_equal(v.mem.held, before);
	}
	assert_int_equal(stats(&v).reasons[REASON_NOT_ALLOWED], 2000);
	finish(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_maps_above_the_rate_are_dropped_and_end_the_channels),
		cmocka_unit_test(peer_at_the_rate_goes_on_for_ever),
		cmocka_unit_test(hellos_again_and_again_end_channels_once_a_second_only),
		cmocka_unit_test(lines_that_a_peer_can_cause_are_few_and_their_number_is_said),
		cmocka_unit_test(wrong_fins_of_many_channels_are_not_a_line_each),
		cmocka_unit_test(every_limit_has_a_name_of_its_own),
		cmocka_unit_test(peer_may_have_as_many_channels_as_are_left_for_others),
		cmocka_unit_test(channels_that_come_and_go_too_fast_are_refused_and_no_more),
		cmocka_unit_test(limits_of_one_peer_are_counted_by_kind),
		cmocka_unit_test(names_wait_while_others_of_the_peer_are_resolved),
		cmocka_unit_test(channels_that_wait_for_their_name_time_out),
		cmocka_unit_test(peer_that_is_not_served_holds_nothing),
	};
	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
