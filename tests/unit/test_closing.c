/* Two sessions whose messages are carried by hand: how channels end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tt_err.h"
#include "two_sessions.h"

/* ---- closing ---- */

static void each_direction_closes_alone_and_all_bytes_arrive(void **state)
{
	for (size_t first = 0; first < 2; first++) {
		struct world w;
		struct channel *ch[2];
		world_up(&w);
		world_open_one(&w, ch);
		bytes_put(ch[first], 100, w.now);
		channel_send_eof(ch[first], w.now);
		world_carry(&w);
		world_want(&w, !first, ACTION_READY);
		world_want_nothing(&w, !first);
		bytes_put(ch[!first], 50000, w.now); /* the other direction is as open as before */
		assert_int_equal(bytes_take(ch[!first], w.now), 100);
		world_want(&w, !first, ACTION_SHUTDOWN);
		world_carry(&w);
		assert_int_equal(bytes_take(ch[first], w.now), 50000);
		channel_send_eof(ch[!first], w.now);
		world_carry(&w);
		world_want(&w, first, ACTION_SHUTDOWN);
		enum close_reason want_reason =
			first == CLI ? REASON_CLIENT_CLOSE : REASON_SERVER_CLOSE;
		assert_int_equal(world_want_closed(&w, first), want_reason);
		assert_int_equal(world_want_closed(&w, !first), want_reason);
		for (size_t i = 0; i < 2; i++) {
			struct session_stats st = world_stats(&w, i);
			assert_int_equal(st.opened, 1);
			assert_int_equal(st.ok, 1);
			assert_int_equal(st.failed, 0);
			assert_int_equal(st.active, 0);
			assert_int_equal(st.reasons[want_reason], 1);
			assert_true(session_control_idle(w.s[i]));
			w.now += TT_S(5);
			session_on_deadline(w.s[i], w.now);
			world_carry(&w); /* whether the other is there */
			assert_int_equal(session_deadline(w.s[i]), TT_TIME_NEVER);
		}
		world_finish(&w);
	}
	(void)state;
}

static void fins_that_cross_are_both_close_on_both_sides(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	world_up(&w);
	world_open_one(&w, ch);
	channel_send_eof(ch[CLI], w.now);
	channel_send_eof(ch[SRV], w.now);
	channel_send_eof(ch[SRV], w.now); /* twice: once */
	world_carry(&w);
	for (size_t i = 0; i < 2; i++) {
		world_want(&w, i, ACTION_SHUTDOWN);
		assert_int_equal(world_want_closed(&w, i), REASON_BOTH_CLOSE);
	}
	world_finish(&w);
}

static void end_stands_for_acknowledgements_that_were_lost(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	world_up(&w);
	world_open_one(&w, ch);
	bytes_put(ch[CLI], 1000, w.now);
	channel_send_eof(ch[CLI], w.now);
	channel_send_eof(ch[SRV], w.now);
	while (world_carry_packet(&w, CLI))
		;
	w.hold_packets = true; /* no ACK comes back any more */
	world_carry(&w);
	world_want(&w, CLI, ACTION_SHUTDOWN);
	world_want_nothing(&w, CLI);
	assert_int_equal(bytes_take(ch[SRV], w.now), 1000);
	world_carry(&w);
	world_want(&w, SRV, ACTION_SHUTDOWN);
	assert_int_equal(world_want_closed(&w, SRV), REASON_BOTH_CLOSE);
	assert_int_equal(world_want_closed(&w, CLI), REASON_BOTH_CLOSE);
	world_finish(&w);
}

static void fin_of_fewer_bytes_than_came_is_a_protocol_error(void **state)
{
	for (int late = 0; late < 2; late++) {
		struct world w;
		struct channel *ch[2];
		world_up(&w);
		world_open_one(&w, ch);
		if (!late)
			bytes_put(ch[CLI], 100, w.now);
		world_carry(&w);
		struct wire_msg fin = {.type = WIRE_FIN,
			.n = 2,
			.fin = {.ccid = 1, .opener = true, .bytes = late ? 0 : 99}};
		world_say(&w, SRV, &fin);
		if (late) { /* more bytes after a direction that was complete */
			bytes_put(ch[CLI], 1, w.now);
			while (world_carry_packet(&w, CLI))
				;
		}
		assert_int_equal(world_want_closed(&w, SRV), REASON_PROTOCOL_ERROR);
		world_carry(&w);
		assert_int_equal(world_want_closed(&w, CLI), REASON_PROTOCOL_ERROR);
		world_finish(&w);
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
	world_up(&w);
	world_open_one(&w, ch);
	world_say(&w, SRV, &end); /* before any fin */
	assert_int_equal(world_want_closed(&w, SRV), REASON_PROTOCOL_ERROR);
	world_finish(&w);
	world_up(&w);
	world_open_one(&w, ch);
	world_say(&w, SRV, &fin);
	fin.n = 3;
	world_say(&w, SRV, &fin); /* twice */
	world_want(&w, SRV, ACTION_CLOSED);
	assert_int_equal(world_stats(&w, SRV).reasons[REASON_PROTOCOL_ERROR], 1);
	world_finish(&w);
	world_up(&w);
	world_open_one(&w, ch);
	world_say(&w, CLI, &ack); /* twice */
	assert_int_equal(world_want_closed(&w, CLI), REASON_PROTOCOL_ERROR);
	world_finish(&w);
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
	world_up_alone(&w);
	world_heard(&w, SRV, &m, &n);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(world_say(&w, SRV, &maps[i]), TT_OK);
	world_want_nothing(&w, SRV);
	assert_false(world_heard(&w, SRV, &m, &n));
	world_finish(&w);
}

static void abort_of_either_side_resets_both(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct world w;
		struct channel *ch[2];
		world_up(&w);
		world_open_one(&w, ch);
		bytes_put(ch[CLI], 1000, w.now);
		world_carry(&w);
		channel_abort(ch[i], REASON_RESET, w.now);
		channel_abort(ch[i], REASON_RESET, w.now);
		assert_int_equal(world_want_closed(&w, i), REASON_RESET);
		world_carry(&w);
		assert_int_equal(world_want_closed(&w, !i), REASON_RESET);
		assert_true(session_control_idle(w.s[!i])); /* nothing is answered */
		world_finish(&w);
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
		world_up(&w);
		world_open_one(&w, ch);
		wire_text_copy(rst.rst.reason, sizeof(rst.rst.reason), reasons[i]);
		world_say(&w, SRV, &rst);
		assert_int_equal(world_want_closed(&w, SRV), REASON_RESET);
		world_finish(&w);
	}
}

static void draining_side_takes_no_new_channels_and_keeps_the_others(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	world_up(&w);
	world_open_one(&w, ch);
	session_drain(w.s[SRV]);
	world_ask(&w, CLI, "10.0.0.1", 1081);
	world_carry(&w);
	world_want_nothing(&w, SRV);
	assert_int_equal(world_want_closed(&w, CLI), REASON_SHUTDOWN);
	assert_int_equal(world_stats(&w, SRV).active, 1);
	bytes_put(ch[CLI], 1000, w.now);
	world_carry(&w);
	assert_ptr_equal(world_want(&w, SRV, ACTION_READY).channel, ch[SRV]);
	world_finish(&w);
}

static void shutdown_ends_all_channels_on_both_sides(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	world_up(&w);
	world_open_one(&w, ch);
	world_ask(&w, CLI, "10.0.0.1", 1081);
	session_end(w.s[CLI], REASON_SHUTDOWN);
	assert_int_equal(world_stats(&w, CLI).active, 0);
	world_carry(&w);
	for (size_t i = 0; i < 2; i++) /* the second was never anybody's */
		channel_release(world_want(&w, SRV, ACTION_CLOSED).channel);
	world_want_nothing(&w, SRV);
	assert_int_equal(world_stats(&w, SRV).active, 0);
	assert_int_equal(world_stats(&w, SRV).reasons[REASON_SHUTDOWN], 2);
	assert_int_equal(world_stats(&w, CLI).reasons[REASON_SHUTDOWN], 2);
	world_finish(&w);
}

static void peer_that_is_served_no_more_keeps_what_we_have_by_it(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	world_up(&w);
	world_open_one(&w, ch);
	session_end_served(w.s[CLI], REASON_NOT_ALLOWED);
	world_carry(&w);
	world_want_nothing(&w, CLI);
	session_end_served(w.s[SRV], REASON_NOT_ALLOWED);
	world_carry(&w);
	assert_int_equal(world_want_closed(&w, SRV), REASON_NOT_ALLOWED);
	assert_int_equal(world_want_closed(&w, CLI), REASON_NOT_ALLOWED);
	world_finish(&w);
}

/* ---- time ---- */

static void note_rates(void *user, const struct channel *ch)
{
	struct channel_info info, *sum = user;

	channel_info(ch, &info);
	sum->rate_in += info.rate_in;
	sum->rate_out += info.rate_out;
	sum->ccid++; /* how many there were */
}

static struct channel_info rates(struct world *w, size_t i)
{
	struct channel_info sum = {0};

	session_sample(w->s[i], w->now);
	session_each_channel(w->s[i], note_rates, &sum);
	return sum;
}

static void rates_are_of_the_time_since_the_last_sample(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	world_up(&w);
	world_open_one(&w, ch);
	rates(&w, CLI);
	rates(&w, SRV);
	bytes_put(ch[CLI], 10000, w.now);
	world_carry(&w);
	assert_int_equal(bytes_take(ch[SRV], w.now), 10000);
	w.now += TT_S(2);
	assert_int_equal(rates(&w, CLI).rate_out, 5000);
	assert_int_equal(rates(&w, SRV).rate_in, 5000);
	w.now += TT_S(1);
	assert_int_equal(rates(&w, CLI).rate_out, 0);
	assert_int_equal(rates(&w, CLI).ccid, 1);
	channel_abort(ch[CLI], REASON_RESET, w.now);
	assert_int_equal(rates(&w, CLI).ccid, 0);
	world_finish(&w);
}

static void up_with_idle_timeout(struct world *w, struct channel *ch[2])
{
	world_make(w);
	w->cfg[SRV].terms.idle_timeout_us = TT_S(60);
	world_start(w);
	world_online(w);
	world_open_one(w, ch);
}

static void idle_channel_ends_and_a_used_one_does_not(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up_with_idle_timeout(&w, ch);
	for (size_t i = 0; i < 5; i++) {
		world_pass(&w, TT_S(50));
		bytes_put(ch[CLI], 1, w.now);
		world_carry(&w);
		bytes_take(ch[SRV], w.now);
		world_want_nothing(&w, SRV);
	}
	world_pass(&w, TT_S(59));
	world_want_nothing(&w, SRV);
	world_pass(&w, TT_S(2));
	assert_int_equal(world_want_closed(&w, SRV), REASON_IDLE_TIMEOUT);
	assert_int_equal(world_want_closed(&w, CLI), REASON_IDLE_TIMEOUT);
	world_finish(&w);
}

static void time_offline_is_not_idle_time(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up_with_idle_timeout(&w, ch);
	world_pass(&w, TT_S(30));
	world_offline(&w);
	world_pass(&w, TT_S(300));
	world_online(&w);
	world_pass(&w, TT_S(25));
	world_want_nothing(&w, SRV);
	world_pass(&w, TT_S(10));
	assert_int_equal(world_want_closed(&w, SRV), REASON_IDLE_TIMEOUT);
	world_finish(&w);
}

static void bytes_that_the_peer_acknowledges_are_no_idleness(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	up_with_idle_timeout(&w, ch);
	bytes_put(ch[SRV], 100000, w.now);
	channel_send_eof(ch[SRV], w.now); /* nothing is handed in any more: it only drains */
	w.hold_packets = true;
	for (size_t i = 0; i < 6; i++) {
		world_pass(&w, TT_S(40));
		for (size_t n = 0; n < 3; n++) {
			world_carry_packet(&w, SRV);
			world_carry_packet(&w, CLI);
		}
		world_want_nothing(&w, SRV);
	}
	world_pass(&w, TT_S(61));
	assert_int_equal(world_want_closed(&w, SRV), REASON_IDLE_TIMEOUT);
	world_finish(&w);
}

static void channels_survive_an_outage_and_end_after_the_resume_timeout(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	world_up(&w);
	world_open_one(&w, ch);
	bytes_put(ch[CLI], 100, w.now);
	world_offline(&w);
	assert_int_equal(session_deadline(w.s[CLI]), w.now + SESSION_RESUME_TIMEOUT);
	world_pass(&w, SESSION_RESUME_TIMEOUT - TT_S(1));
	world_want_nothing(&w, CLI);
	world_online(&w);
	assert_int_equal(bytes_take(ch[SRV], w.now), 100);
	world_offline(&w);
	world_pass(&w, SESSION_RESUME_TIMEOUT + TT_S(1));
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(world_want_closed(&w, i), REASON_RESUME_TIMEOUT);
		assert_int_equal(session_deadline(w.s[i]), TT_TIME_NEVER);
	}
	world_online(&w);
	world_open_one(&w, ch);
	world_finish(&w);
}

/* The client has sent 1000 bytes and all is done but that the server's application reads. */
static void nearly_done(struct world *w, struct channel *ch[2])
{
	world_up(w);
	world_open_one(w, ch);
	bytes_put(ch[CLI], 1000, w->now);
	channel_send_eof(ch[CLI], w->now);
	world_carry(w);
	channel_send_eof(ch[SRV], w->now);
	world_carry(w);
	world_want(w, CLI, ACTION_SHUTDOWN);
	assert_int_equal(world_want_closed(w, CLI), REASON_CLIENT_CLOSE);
	world_want_nothing(w, SRV);
}

static void bytes_that_have_arrived_outlive_an_absence_of_the_peer(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	nearly_done(&w, ch);
	world_offline(&w);
	world_pass(&w, 2 * SESSION_RESUME_TIMEOUT);
	assert_true(session_deadline(w.s[SRV]) > w.now);
	world_want_nothing(&w, SRV);
	assert_int_equal(bytes_take(ch[SRV], w.now), 1000);
	world_want(&w, SRV, ACTION_SHUTDOWN);
	assert_int_equal(world_want_closed(&w, SRV), REASON_CLIENT_CLOSE);
	world_online(&w);
	assert_true(session_control_idle(w.s[SRV]));
	world_finish(&w);
}

static void bytes_that_have_arrived_outlive_a_restart_of_the_peer(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	nearly_done(&w, ch);
	world_offline(&w);
	world_restart(&w, CLI);
	world_online(&w);
	world_want_nothing(&w, SRV);
	struct channel *fresh[2];
	world_open_one(&w, fresh); /* of the same number */
	bytes_put(fresh[CLI], 10, w.now);
	world_carry(&w);
	assert_int_equal(bytes_take(fresh[SRV], w.now), 10);
	assert_int_equal(bytes_take(ch[SRV], w.now), 1000);
	world_want(&w, SRV, ACTION_SHUTDOWN);
	assert_int_equal(world_want_closed(&w, SRV), REASON_CLIENT_CLOSE);
	world_carry(&w);
	world_want_nothing(&w, CLI);
	assert_int_equal(world_stats(&w, SRV).active, 1);
	world_finish(&w);
}

static void restarted_peer_ends_the_channels_of_its_former_self(void **state)
{
	struct world w;
	struct channel *ch[2];
	(void)state;
	world_up(&w);
	world_open_one(&w, ch);
	bytes_put(ch[SRV], 1000, w.now);
	world_restart(&w, CLI);
	session_path(w.s[CLI], LINK_DIRECT, w.now); /* the server has not even noticed */
	world_carry(&w);
	assert_int_equal(world_want_closed(&w, SRV), REASON_PEER_RESTARTED);
	assert_int_equal(world_stats(&w, SRV).restarts, 1);
	assert_true(session_control_idle(w.s[SRV]));
	world_open_one(&w, ch);
	assert_int_equal(world_stats(&w, CLI).active, 1);
	world_finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		cmocka_unit_test(peer_that_is_served_no_more_keeps_what_we_have_by_it),
		cmocka_unit_test(rates_are_of_the_time_since_the_last_sample),
		cmocka_unit_test(idle_channel_ends_and_a_used_one_does_not),
		cmocka_unit_test(time_offline_is_not_idle_time),
		cmocka_unit_test(bytes_that_the_peer_acknowledges_are_no_idleness),
		cmocka_unit_test(channels_survive_an_outage_and_end_after_the_resume_timeout),
		cmocka_unit_test(bytes_that_have_arrived_outlive_an_absence_of_the_peer),
		cmocka_unit_test(bytes_that_have_arrived_outlive_a_restart_of_the_peer),
		cmocka_unit_test(restarted_peer_ends_the_channels_of_its_former_self),
	};
	return cmocka_run_group_tests_name("closing", tests, NULL, NULL);
}
