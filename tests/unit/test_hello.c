/* Two sessions whose messages are carried by hand: hello, the control stream, proofs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "control.h"
#include "tt_err.h"
#include "two_sessions.h"

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
	world_make(&w);
	world_start(&w);
	assert_false(session_ready(w.s[CLI]));
	struct channel_target t = {.host = "10.0.0.1", .port = 1080};
	struct channel *ch = NULL;
	assert_int_equal(session_open(w.s[CLI], &t, &ch, NULL, w.now), TT_EAGAIN);
	world_online(&w);
	for (size_t i = 0; i < 2; i++) {
		assert_true(session_ready(w.s[i]));
		assert_true(session_control_idle(w.s[i]));
		assert_true(world_stats(&w, i).control_sent <= 2);
	}
	assert_string_equal(world_stats(&w, CLI).peer_name, "box");
	world_finish(&w);
}

static void maps_that_were_not_confirmed_are_repeated_after_an_outage(void **state)
{
	struct world w;
	uint8_t buf[WIRE_MESSAGE_MAX];
	(void)state;
	world_up(&w);
	world_ask(&w, CLI, "10.0.0.1", 1080);
	assert_true(session_control_output(w.s[CLI], buf) > 0);
	session_control_sent(w.s[CLI], 1000); /* lost */
	world_carry(&w);
	world_want_nothing(&w, SRV);
	world_offline(&w);
	assert_int_equal(session_control_output(w.s[CLI], buf), 0);
	world_online(&w);
	world_want(&w, SRV, ACTION_DIAL);
	assert_true(session_control_idle(w.s[CLI]));
	world_finish(&w);
}

static void map_that_arrived_but_was_not_confirmed_is_taken_once(void **state)
{
	struct world w;
	uint8_t buf[WIRE_MESSAGE_MAX];
	(void)state;
	world_up(&w);
	world_ask(&w, CLI, "10.0.0.1", 1080);
	size_t len = session_control_output(w.s[CLI], buf);
	session_control_sent(w.s[CLI], 1000);
	session_control_input(w.s[SRV], buf, len, w.now); /* its receipt is lost */
	world_offline(&w);
	world_online(&w);
	world_want(&w, SRV, ACTION_DIAL);
	world_want_nothing(&w, SRV);
	assert_int_equal(world_stats(&w, SRV).opened, 1);
	world_finish(&w);
}

static void map_between_a_loss_we_noticed_alone_and_the_next_hello_is_taken(void **state)
{
	struct world w;
	(void)state;
	world_up(&w);
	session_path(w.s[SRV], LINK_DOWN, w.now);
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	world_ask(&w, CLI, "10.0.0.1", 1080);
	assert_true(world_carry_control(&w, CLI)); /* confirmed: it will not come again */
	world_want(&w, SRV, ACTION_DIAL);
	world_carry(&w);
	struct channel *ch[2];
	world_open_one(&w, ch);
	assert_int_equal(world_stats(&w, SRV).reasons[REASON_PROTOCOL_ERROR], 0);
	world_finish(&w);
}

static void second_hello_without_seen_repeats_what_is_not_confirmed(void **state)
{
	struct world w;
	uint8_t buf[WIRE_MESSAGE_MAX];
	(void)state;
	world_up(&w);
	world_ask(&w, CLI, "10.0.0.1", 1080);
	session_control_output(w.s[CLI], buf);
	session_control_sent(w.s[CLI], 1000); /* lost in a moment that only the other side sees */
	session_path(w.s[SRV], LINK_DOWN, w.now);
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	world_carry(&w);
	world_want(&w, SRV, ACTION_DIAL);
	world_finish(&w);
}

static void hello_that_comes_while_ours_is_being_sent_is_answered(void **state)
{
	struct world w;
	uint8_t buf[WIRE_MESSAGE_MAX];
	struct wire_msg m,
		hello = {.type = WIRE_HELLO, .hello = {.version = 1, .packet_max = 1373}};
	(void)state;
	world_make(&w);
	world_start(&w);
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	assert_true(session_control_output(w.s[SRV], buf) > 0);
	assert_int_equal(world_say(&w, SRV, &hello), TT_OK);
	session_control_sent(w.s[SRV], 1);
	size_t len = session_control_output(w.s[SRV], buf);
	assert_true(wire_decode(buf, len, &m) > 0);
	assert_int_equal(m.type, WIRE_HELLO);
	assert_true(m.hello.seen);
	world_finish(&w);
}

/* ---- more hellos than the limit allows ---- */

/* The peer, which is the test, says who it is. */
static int hello_of(struct world *w, uint8_t inst, bool seen)
{
	struct wire_msg hello = {.type = WIRE_HELLO,
		.hello = {.version = 1, .packet_max = 1373, .seen = seen, .inst = {inst}}};
	return world_say(w, SRV, &hello);
}

/* The server has taken as many hellos of the peer 9 as it takes at once. */
static void up_at_the_limit(struct world *w)
{
	world_up_alone(w);
	for (int i = 1; i < SESSION_HELLO_BURST; i++)
		assert_int_equal(hello_of(w, 9, true), TT_OK);
}

static bool says_hello(struct world *w, struct wire_msg *m)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	size_t len = session_control_output(w->s[SRV], buf);
	if (len > 0)
		session_control_sent(w->s[SRV], ++w->receipt);
	return len > 0 && wire_decode(buf, len, m) > 0 && m->type == WIRE_HELLO;
}

static void path_that_flaps_in_no_time_is_usable_again(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	world_up(&w);
	for (int i = 0; i < 20; i++) {
		world_offline(&w);
		world_online(&w);
	}
	tt_time end = w.now + TT_S(2);
	while (!session_ready(w.s[CLI]) || !session_ready(w.s[SRV])) {
		w.now = tt_time_min(session_deadline(w.s[CLI]), session_deadline(w.s[SRV]));
		assert_true(w.now <= end);
		world_carry(&w);
	}
	world_open_one(&w, ch);
	world_pass(&w, TT_S(10));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(session_deadline(w.s[i]), TT_TIME_NEVER);
	world_finish(&w);
}

/* Its maps are numbered for the server that has taken its hello, and are not repeated. */
static void process_that_restarts_all_the_time_loses_no_map(void **state)
{
	struct world w;
	uint64_t opened = 0;
	(void)state;
	world_up(&w);
	for (int i = 0; i <= 20; i++) {
		world_offline(&w);
		world_restart(&w, CLI);
		world_online(&w);
		while (i == 20 && !session_ready(w.s[CLI]))
			world_pass(&w, TT_MS(500));
		if (!session_ready(w.s[CLI]))
			continue;
		world_ask(&w, CLI, "10.0.0.1", 1080);
		world_carry(&w);
		assert_int_equal(world_stats(&w, SRV).opened, ++opened);
	}
	assert_int_equal(world_stats(&w, SRV).reasons[REASON_PROTOCOL_ERROR], 0);
	world_finish(&w);
}

static void newest_hello_above_the_limit_is_taken_when_it_allows_one(void **state)
{
	struct world w;
	struct wire_msg m;
	(void)state;
	up_at_the_limit(&w);
	assert_true(says_hello(&w, &m));
	for (uint8_t inst = 10; inst < 200; inst++)
		assert_int_equal(hello_of(&w, inst, false), TT_OK);
	assert_int_equal(world_stats(&w, SRV).restarts, 0);
	assert_false(session_ready(w.s[SRV])); /* the process that it knows is gone */
	m = syn_to(1, 1, "10.0.0.1", 1080);
	assert_int_equal(world_say(&w, SRV, &m), TT_OK);
	assert_int_equal(world_stats(&w, SRV).opened, 0); /* of a process not known yet */
	assert_false(says_hello(&w, &m));
	w.now += TT_S(1);
	session_on_deadline(w.s[SRV], w.now);
	assert_int_equal(world_stats(&w, SRV).restarts, 1);
	assert_true(says_hello(&w, &m) && m.hello.seen);
	m = syn_to(1, 1, "10.0.0.1", 1080);
	assert_int_equal(world_say(&w, SRV, &m), TT_OK);
	world_want(&w, SRV, ACTION_DIAL);
	world_finish(&w);
}

static void question_of_a_hello_above_the_limit_outlives_a_newer_one(void **state)
{
	struct world w;
	struct wire_msg m = syn_to(1, 1, "192.0.2.1", 1080);
	size_t n;
	(void)state;
	up_at_the_limit(&w);
	assert_int_equal(world_say(&w, SRV, &m), TT_OK);
	assert_true(says_hello(&w, &m)); /* with a rst that the peer does not confirm */
	assert_false(world_heard(&w, SRV, &m, &n));
	hello_of(&w, 9, false); /* it has lost us for a moment */
	hello_of(&w, 9, true);
	assert_false(world_heard(&w, SRV, &m, &n));
	w.now += TT_S(1);
	session_on_deadline(w.s[SRV], w.now);
	assert_int_equal(world_answer(&w), REASON_NOT_ALLOWED);
	world_finish(&w);
}

static void hello_that_waits_ends_with_its_connection(void **state)
{
	struct world w;
	(void)state;
	up_at_the_limit(&w);
	hello_of(&w, 10, false);
	session_path(w.s[SRV], LINK_DOWN, w.now);
	assert_int_equal(session_deadline(w.s[SRV]), TT_TIME_NEVER);
	w.now += TT_S(1);
	session_on_deadline(w.s[SRV], w.now);
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	assert_false(session_ready(w.s[SRV]));
	assert_int_equal(world_stats(&w, SRV).restarts, 0);
	world_finish(&w);
}

static void hello_that_waits_when_the_path_is_noticed_is_taken(void **state)
{
	struct world w;
	(void)state;
	up_at_the_limit(&w);
	session_path(w.s[SRV], LINK_DOWN, w.now);
	hello_of(&w, 9, false);
	w.now += TT_S(1);
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	assert_true(session_deadline(w.s[SRV]) <= w.now);
	session_on_deadline(w.s[SRV], w.now);
	assert_true(session_ready(w.s[SRV]));
	world_finish(&w);
}

/* ---- what cannot be taken ---- */

static void gap_in_the_numbers_ends_all_channels_and_goes_on(void **state)
{
	struct world w;
	struct wire_msg m = syn_to(1, 1, "10.0.0.1", 1080);
	(void)state;
	world_up_alone(&w);
	assert_int_equal(world_say(&w, SRV, &m), TT_OK);
	world_want(&w, SRV, ACTION_DIAL);
	m = syn_to(3, 2, "10.0.0.1", 1081);
	assert_int_equal(world_say(&w, SRV, &m), TT_OK);
	assert_int_equal(world_want(&w, SRV, ACTION_CLOSED).port, 1080);
	assert_int_equal(world_want(&w, SRV, ACTION_DIAL).port, 1081);
	assert_int_equal(world_stats(&w, SRV).reasons[REASON_PROTOCOL_ERROR], 1);
	assert_int_equal(world_answer(&w), REASON_PROTOCOL_ERROR);
	world_finish(&w);
}

static void message_that_cannot_be_read_is_counted(void **state)
{
	struct world w;
	static const uint8_t junk[] = {0x81, 0xa1, 't', 0xa3};
	(void)state;
	world_up_alone(&w);
	assert_int_equal(session_control_input(w.s[SRV], junk, sizeof(junk), w.now), TT_EPROTO);
	assert_int_equal(world_stats(&w, SRV).control_malformed, 1);
	world_finish(&w);
}

static void long_names_are_cut_between_characters(void **state)
{
	struct world w;
	char name[100] = "";
	(void)state;
	world_make(&w);
	for (size_t i = 0; i < 32; i++)
		memcpy(name + 3 * i, "\xe2\x82\xac", 4); /* 96 bytes, 63 would fit: 21 whole */
	name[0] = 'a';
	name[1] = 'b';
	name[2] = '\n';
	w.cfg[CLI].terms.name = name;
	world_start(&w);
	world_online(&w);
	assert_true(session_ready(w.s[SRV]));
	struct channel_target t = {.host = "10.0.0.1", .port = 1080, .tunnel = name + 3};
	struct channel *ch;
	assert_int_equal(session_open(w.s[CLI], &t, &ch, NULL, w.now), TT_OK);
	world_finish(&w);
}

/* ---- what a hello says ---- */

/* What an opener gets from a server that asks for the proof `peer_proof`. */
static bool served_with(const uint8_t *proof)
{
	struct world w;
	struct channel_target t = {.host = "10.1.2.3", .port = 1500};
	struct channel *ch;

	world_make(&w);
	w.cfg[SRV].terms.need_proof = true;
	memset(w.cfg[SRV].terms.peer_proof, 0xa5, WIRE_PROOF_LEN);
	if (proof) {
		w.cfg[CLI].terms.has_proof = true;
		memcpy(w.cfg[CLI].terms.proof, proof, WIRE_PROOF_LEN);
	}
	world_start(&w);
	world_online(&w);
	assert_int_equal(session_open(w.s[CLI], &t, &ch, NULL, w.now), TT_OK);
	world_carry(&w);
	struct session_action a;
	bool served = session_next_action(w.s[SRV], &a) && a.type == ACTION_DIAL;
	if (!served)
		assert_int_equal(world_want_closed(&w, CLI), REASON_NOT_ALLOWED);
	world_finish(&w);
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
	world_carry(w);
	bool dials = session_next_action(w->s[SRV], &a) && a.type == ACTION_DIAL;
	if (dials) {
		channel_abort(ch, REASON_RESET, w->now);
		world_carry(w);
		world_want_closed(w, SRV);
	}
	assert_int_equal(world_want_closed(w, CLI), dials ? REASON_RESET : REASON_NOT_ALLOWED);
	return dials;
}

static void secret_that_changes_is_proved_again_while_online(void **state)
{
	struct world w;
	(void)state;
	world_up(&w);
	assert_true(serves(&w));
	w.cfg[SRV].terms.need_proof = true;
	memset(w.cfg[SRV].terms.peer_proof, 0xa5, WIRE_PROOF_LEN);
	session_reconfigure(w.s[SRV], &w.cfg[SRV].terms);
	world_carry(&w);
	assert_false(serves(&w));
	w.cfg[CLI].terms.has_proof = true;
	memset(w.cfg[CLI].terms.proof, 0xa5, WIRE_PROOF_LEN);
	session_reconfigure(w.s[CLI], &w.cfg[CLI].terms);
	world_carry(&w);
	assert_true(serves(&w));
	world_finish(&w);
}

static void who_awaits_a_hello_says_nothing_before_it(void **state)
{
	struct world w;
	uint8_t buf[WIRE_MESSAGE_MAX];
	(void)state;
	world_make(&w);
	w.cfg[SRV].terms.await_hello = true;
	world_start(&w);
	for (int i = 0; i < 2; i++) {
		session_path(w.s[SRV], LINK_DIRECT, w.now);
		w.cfg[SRV].terms.name =
			i ? "one" : "other"; /* nor when there is something new in it */
		session_reconfigure(w.s[SRV], &w.cfg[SRV].terms);
		assert_int_equal(session_control_output(w.s[SRV], buf), 0);
		assert_true(session_control_idle(w.s[SRV]));
		world_online(&w);
		assert_true(session_ready(w.s[CLI]) && session_ready(w.s[SRV]));
		world_offline(&w);
	}
	session_path(w.s[SRV], LINK_DIRECT, w.now);
	w.cfg[SRV].terms.await_hello = false;
	session_reconfigure(w.s[SRV], &w.cfg[SRV].terms);
	assert_true(session_control_output(w.s[SRV], buf) > 0);
	world_finish(&w);
}

static void new_name_is_said_to_a_peer_that_is_online(void **state)
{
	struct world w;
	struct session_stats st;
	(void)state;
	world_up(&w);
	session_reconfigure(w.s[SRV], &w.cfg[SRV].terms);
	assert_true(session_control_idle(w.s[SRV])); /* nothing new, nothing said */
	w.cfg[SRV].terms.name = "crate";
	session_reconfigure(w.s[SRV], &w.cfg[SRV].terms);
	world_carry(&w);
	session_stats(w.s[CLI], &st);
	assert_string_equal(st.peer_name, "crate");
	world_finish(&w);
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
		cmocka_unit_test(path_that_flaps_in_no_time_is_usable_again),
		cmocka_unit_test(process_that_restarts_all_the_time_loses_no_map),
		cmocka_unit_test(newest_hello_above_the_limit_is_taken_when_it_allows_one),
		cmocka_unit_test(question_of_a_hello_above_the_limit_outlives_a_newer_one),
		cmocka_unit_test(hello_that_waits_ends_with_its_connection),
		cmocka_unit_test(hello_that_waits_when_the_path_is_noticed_is_taken),
		cmocka_unit_test(gap_in_the_numbers_ends_all_channels_and_goes_on),
		cmocka_unit_test(message_that_cannot_be_read_is_counted),
		cmocka_unit_test(long_names_are_cut_between_characters),
		cmocka_unit_test(peer_without_the_right_proof_is_not_served),
		cmocka_unit_test(secret_that_changes_is_proved_again_while_online),
		cmocka_unit_test(who_awaits_a_hello_says_nothing_before_it),
		cmocka_unit_test(new_name_is_said_to_a_peer_that_is_online),
	};
	return cmocka_run_group_tests_name("hello", tests, NULL, NULL);
}
