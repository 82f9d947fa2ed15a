/* Two sessions whose messages are carried by hand: reverse forwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "access.h"
#include "listen.h"
#include "tt_err.h"
#include "two_sessions.h"

static struct tt_rule rules[3];
static const char *const rule_texts[] = {"localhost:8000-8999", "10.0.0.0/8:80", "unix:/run/x"};

/* Only the server serves, and it offers no targets. */
static void make(struct world *w)
{
	const char *why;
	world_make(w);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(tt_rule_parse(rule_texts[i], &rules[i], &why), TT_OK);
	for (size_t i = 0; i < 2; i++) {
		w->cfg[i].terms.n_rules = 0;
		w->cfg[i].terms.listens = rules;
	}
	w->cfg[SRV].terms.n_listens = 3;
	world_start(w);
}

static void up(struct world *w)
{
	make(w);
	world_online(w);
}

static struct listen_request request(const char *host, uint16_t port)
{
	return (struct listen_request){.host = host,
		.port = port,
		.target = {.proto = WIRE_TCP, .host = "192.168.7.7", .port = 22, .tunnel = "ssh"}};
}

/* Asks for it as `user`. */
static void ask(struct world *w, const char *host, uint16_t port, void *user)
{
	struct listen_request r = request(host, port);
	assert_int_equal(session_listen(w->s[CLI], &r, user, w->now), TT_OK);
	world_carry(w);
}

static struct listen_action want(struct world *w, size_t i, enum listen_action_type type)
{
	struct listen_action a = {0};
	assert_true(session_next_listen_action(w->s[i], &a));
	assert_int_equal(a.type, type);
	return a;
}

static void want_nothing(struct world *w, size_t i)
{
	struct listen_action a;
	assert_false(session_next_listen_action(w->s[i], &a));
	assert_false(session_has_action(w->s[i]));
}

static struct listen_info info(struct world *w, const void *user)
{
	struct listen_info out = {0};
	assert_true(session_listen_info(w->s[CLI], user, &out));
	return out;
}

/* The server's owner opens what it is asked to, on this port. */
static struct listen_action grant(struct world *w, uint16_t port, void *user)
{
	struct listen_action a = want(w, SRV, LISTEN_ACTION_OPEN);
	session_listen_opened(w->s[SRV], a.lid, user, REASON_NONE, port, "", w->now);
	world_carry(w);
	return a;
}

/* A world in which `user` has a listener, for each side. */
static uint32_t listening(struct world *w, void *user)
{
	up(w);
	ask(w, "localhost", 8080, user);
	uint32_t lid = grant(w, 8080, user).lid;
	want(w, CLI, LISTEN_ACTION_NEWS);
	return lid;
}

static void want_refused(struct world *w, const void *user, enum close_reason why)
{
	assert_ptr_equal(want(w, CLI, LISTEN_ACTION_NEWS).user, user);
	assert_int_equal(info(w, user).state, LISTEN_REFUSED);
	assert_int_equal(info(w, user).reason, why);
	want_nothing(w, SRV);
}

static struct channel *connection(struct world *w, uint32_t lid)
{
	struct channel_target t = {
		.proto = WIRE_REVERSE, .host = "listener", .port = 8080, .lid = lid};
	struct channel *ch;
	assert_int_equal(session_open(w->s[SRV], &t, &ch, w, w->now), TT_OK);
	world_carry(w);
	return ch;
}

static void connection_at_the_listener_is_dialled_to_the_askers_target_only(void **state)
{
	struct world w;
	int web, other;
	(void)state;
	up(&w);
	ask(&w, "localhost", 8080, &web);
	assert_int_equal(info(&w, &web).state, LISTEN_ASKED);
	struct listen_action a = grant(&w, 8080, &other);
	assert_int_equal(a.at.n_addrs, 2);
	assert_string_equal(a.tunnel, "ssh");
	assert_ptr_equal(want(&w, CLI, LISTEN_ACTION_NEWS).user, &web);
	assert_int_equal(info(&w, &web).state, LISTEN_OPEN);
	assert_int_equal(info(&w, &web).port, 8080);

	connection(&w, a.lid);
	struct session_action dial;
	assert_true(session_next_action(w.s[CLI], &dial));
	assert_int_equal(dial.type, ACTION_DIAL);
	assert_string_equal(dial.host, "192.168.7.7");
	assert_int_equal(dial.port, 22);
	assert_int_equal(dial.n_addrs, 1);
	channel_dialed(dial.channel, REASON_NONE, w.now);
	world_carry(&w);
	struct session_action opened;
	assert_true(session_next_action(w.s[SRV], &opened));
	assert_int_equal(opened.type, ACTION_OPENED);
	world_finish(&w);
}

static void peer_cannot_open_what_was_not_asked_for(void **state)
{
	struct world w;
	struct channel_target t = {.host = "192.168.7.7", .port = 22};
	struct channel *ch[2];
	struct session_action a;
	struct channel_info ci;
	int web;
	(void)state;
	uint32_t lid = listening(&w, &web);
	assert_int_equal(session_open(w.s[SRV], &t, &ch[0], NULL, w.now), TT_OK);
	ch[1] = connection(&w, lid + 1);
	for (size_t i = 0; i < 2; i++) {
		assert_true(session_next_action(w.s[SRV], &a));
		assert_int_equal(a.type, ACTION_CLOSED);
		channel_info(a.channel, &ci);
		assert_int_equal(ci.reason, REASON_NOT_ALLOWED);
		channel_release(a.channel);
	}
	session_unlisten(w.s[CLI], &web); /* and no more when it is given up */
	world_carry(&w);
	want(&w, SRV, LISTEN_ACTION_CLOSE);
	connection(&w, lid);
	assert_true(session_next_action(w.s[SRV], &a));
	assert_int_equal(a.type, ACTION_CLOSED);
	channel_release(a.channel);
	world_finish(&w);
}

static void rules_decide_where_the_peer_may_listen(void **state)
{
	static const struct {
		const char *host;
		uint16_t port;
		bool may;
	} cases[] = {
		{"localhost", 8000, true},
		{"localhost", 9000, false},
		{"127.0.0.1", 8000, true},
		{"10.1.2.3", 80, true},
		{"10.1.2.3", 81, false},
		{"*", 80, false},
		{"*", 8000, false},
		{"0.0.0.0", 80, false},
		{"::", 8000, false},
		{"192.168.1.1", 80, false},
		{"name.test", 80, false},
		{"10.1.2.3", 0, true},
	};
	struct world w;
	(void)state;
	up(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int user;
		ask(&w, cases[i].host, cases[i].port, &user);
		if (cases[i].may) {
			struct listen_action a = grant(&w, 80, &user);
			if (cases[i].port == 0) {
				assert_int_equal(a.at.port_first, 80);
				assert_int_equal(a.at.port_last, 80);
			}
			want(&w, CLI, LISTEN_ACTION_NEWS);
			session_unlisten(w.s[CLI], &user);
			world_carry(&w);
			assert_ptr_equal(want(&w, SRV, LISTEN_ACTION_CLOSE).user, &user);
		} else {
			want_refused(&w, &user, REASON_NOT_ALLOWED);
			session_unlisten(w.s[CLI], &user);
		}
	}
	world_finish(&w);
}

static void star_needs_a_rule_for_every_address(void **state)
{
	struct access_listen at;
	struct tt_rule any, v4;
	const char *why;
	(void)state;
	assert_int_equal(tt_rule_parse("*:80", &any, &why), TT_OK);
	assert_int_equal(tt_rule_parse("0.0.0.0/0:80", &v4, &why), TT_OK);
	assert_true(access_may_listen(&any, 1, "*", 80, &at));
	assert_true(at.any);
	assert_false(access_may_listen(&v4, 1, "*", 80, &at));
	assert_true(access_may_listen(&v4, 1, "localhost", 80, &at));
	assert_int_equal(at.n_addrs, 1); /* IPv4 only */
	assert_false(access_may_listen(&v4, 0, "localhost", 80, &at));
}

static void unix_sockets_need_a_rule_of_their_own(void **state)
{
	static const char *const paths[] = {"/run/x", "/run/y", "/run/x/"};
	struct world w;
	int user;
	(void)state;
	up(&w);
	for (size_t i = 0; i < 3; i++) {
		struct listen_request r = request(paths[i], 0);
		r.path = true;
		assert_int_equal(session_listen(w.s[CLI], &r, &user, w.now), TT_OK);
		world_carry(&w);
		if (i == 0) {
			assert_string_equal(want(&w, SRV, LISTEN_ACTION_OPEN).path, "/run/x");
			session_unlisten(w.s[CLI], &user);
			world_carry(&w);
			want(&w, SRV, LISTEN_ACTION_CLOSE);
			continue;
		}
		want_refused(&w, &user, REASON_NOT_ALLOWED);
		session_unlisten(w.s[CLI], &user);
	}
	world_finish(&w);
}

static void listener_outlives_a_short_absence_and_is_asked_for_again(void **state)
{
	struct world w;
	int user;
	(void)state;
	listening(&w, &user);
	world_offline(&w);
	w.now += TT_S(30);
	world_online(&w);
	want_nothing(&w, CLI);
	want_nothing(&w, SRV);

	world_offline(&w);
	w.now += SESSION_RESUME_TIMEOUT;
	assert_true(session_deadline(w.s[SRV]) <= w.now);
	session_on_deadline(w.s[SRV], w.now);
	want(&w, SRV, LISTEN_ACTION_CLOSE);
	world_online(&w);
	grant(&w, 8080, &user);
	world_finish(&w);
}

static void restart_of_either_side_ends_the_listener_and_it_comes_back(void **state)
{
	struct world w;
	int user;
	(void)state;
	listening(&w, &user);
	world_restart(&w, SRV); /* it knows nothing */
	world_offline(&w);
	world_online(&w);
	grant(&w, 8080, &user);

	world_restart(&w, CLI); /* with the same number for another listener */
	ask(&w, "localhost", 8081, &user);
	world_offline(&w);
	world_online(&w);
	want(&w, SRV, LISTEN_ACTION_CLOSE); /* first, so that its port is free */
	grant(&w, 8081, &user);
	assert_int_equal(info(&w, &user).port, 8081);
	world_finish(&w);
}

static void place_that_is_taken_is_asked_for_again_after_a_while(void **state)
{
	struct world w;
	int user;
	(void)state;
	up(&w);
	ask(&w, "localhost", 8080, &user);
	for (int i = 0; i < 2; i++) {
		struct listen_action a = want(&w, SRV, LISTEN_ACTION_OPEN);
		session_listen_opened(
			w.s[SRV], a.lid, NULL, REASON_CANNOT_LISTEN, 0, "in use", w.now);
		world_carry(&w);
		if (i == 0) {
			want_refused(&w, &user, REASON_CANNOT_LISTEN);
			assert_string_equal(info(&w, &user).text, "in use");
		}
		want_nothing(&w, CLI); /* the second time it is no news */
		assert_true(session_deadline(w.s[CLI]) <= w.now + SESSION_LISTEN_RETRY);
		w.now += SESSION_LISTEN_RETRY;
		session_on_deadline(w.s[CLI], w.now);
		world_carry(&w);
	}
	grant(&w, 8080, &user);
	assert_int_equal(info(&w, &user).state, LISTEN_OPEN);
	world_finish(&w);
}

static void chosen_port_is_asked_for_again(void **state)
{
	struct world w;
	int user;
	(void)state;
	up(&w);
	ask(&w, "localhost", 0, &user);
	struct listen_action a = grant(&w, 8123, &user);
	assert_int_equal(a.at.port_first, 8000);
	assert_int_equal(a.at.port_last, 8999);
	world_restart(&w, SRV);
	world_offline(&w);
	world_online(&w);
	a = want(&w, SRV, LISTEN_ACTION_OPEN);
	assert_int_equal(a.at.port_first, 8123);
	assert_int_equal(a.at.port_last, 8123);
	world_finish(&w);
}

static void new_rules_close_and_open(void **state)
{
	struct world w;
	int web, ten;
	(void)state;
	listening(&w, &web);
	ask(&w, "10.0.0.1", 443, &ten);
	want_refused(&w, &ten, REASON_NOT_ALLOWED);
	const char *why;
	struct tt_rule other;
	assert_int_equal(tt_rule_parse("10.0.0.1:443", &other, &why), TT_OK);
	w.cfg[SRV].terms.listens = &other;
	w.cfg[SRV].terms.n_listens = 1;
	session_reconfigure(w.s[SRV], &w.cfg[SRV].terms);
	world_carry(&w);
	assert_ptr_equal(want(&w, SRV, LISTEN_ACTION_CLOSE).user, &web);
	assert_int_equal(info(&w, &web).reason, REASON_NOT_ALLOWED);
	grant(&w, 443, &ten);
	assert_int_equal(info(&w, &ten).state, LISTEN_OPEN);
	world_finish(&w);
}

static void end_of_the_server_is_said(void **state)
{
	struct world w;
	int user;
	(void)state;
	listening(&w, &user);
	session_end(w.s[SRV], REASON_SHUTDOWN);
	world_carry(&w);
	want(&w, SRV, LISTEN_ACTION_CLOSE);
	want_refused(&w, &user, REASON_SHUTDOWN);
	world_finish(&w);
}

static void peer_that_is_served_no_more_loses_its_listeners_and_their_connections(void **state)
{
	struct world w;
	int user;
	(void)state;
	up(&w);
	ask(&w, "localhost", 8080, &user);
	connection(&w, grant(&w, 8080, &user).lid);
	world_carry(&w);
	session_end_served(w.s[CLI], REASON_NOT_ALLOWED); /* of its own listener */
	assert_int_equal(world_stats(&w, CLI).active, 1);
	session_end_served(w.s[SRV], REASON_NOT_ALLOWED);
	assert_int_equal(world_stats(&w, SRV).active, 0);
	world_carry(&w);
	assert_int_equal(world_stats(&w, CLI).active, 0);
	world_finish(&w);
}

static void limits_hold_on_both_sides(void **state)
{
	static int users[SESSION_LISTENS_MAX + 1];
	struct world w;
	struct listen_request r = request("localhost", 8080);
	(void)state;
	up(&w);
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		assert_int_equal(session_listen(w.s[CLI], &r, &users[i], w.now), TT_OK);
	assert_int_equal(
		session_listen(w.s[CLI], &r, &users[SESSION_LISTENS_MAX], w.now), TT_ELIMIT);
	world_carry(&w);
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		grant(&w, 8080, &users[i]);

	struct wire_msg m = {.type = WIRE_LISTEN,
		.n = SESSION_LISTENS_MAX + 1,
		.listen = {.lid = 5000, .host = "localhost", .port = 8080}};
	uint8_t buf[WIRE_MESSAGE_MAX];
	int n = wire_encode(&m, buf, sizeof(buf));
	assert_true(n > 0);
	assert_int_equal(session_control_input(w.s[SRV], buf, (size_t)n, w.now), TT_OK);
	want_nothing(&w, SRV);
	size_t len = session_control_output(w.s[SRV], buf);
	assert_true(wire_decode(buf, len, &m) > 0);
	assert_int_equal(m.type, WIRE_UNLISTEN);
	assert_string_equal(m.unlisten.reason, "limit");
	world_finish(&w);
}

static void side_that_serves_nobody_listens_for_nobody(void **state)
{
	struct world w;
	int user;
	(void)state;
	make(&w);
	w.cfg[SRV].terms.accept = false;
	world_restart(&w, SRV);
	world_online(&w);
	ask(&w, "localhost", 8080, &user);
	want_refused(&w, &user, REASON_NOT_ALLOWED);
	world_finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_at_the_listener_is_dialled_to_the_askers_target_only),
		cmocka_unit_test(peer_cannot_open_what_was_not_asked_for),
		cmocka_unit_test(rules_decide_where_the_peer_may_listen),
		cmocka_unit_test(star_needs_a_rule_for_every_address),
		cmocka_unit_test(unix_sockets_need_a_rule_of_their_own),
		cmocka_unit_test(listener_outlives_a_short_absence_and_is_asked_for_again),
		cmocka_unit_test(restart_of_either_side_ends_the_listener_and_it_comes_back),
		cmocka_unit_test(place_that_is_taken_is_asked_for_again_after_a_while),
		cmocka_unit_test(chosen_port_is_asked_for_again),
		cmocka_unit_test(new_rules_close_and_open),
		cmocka_unit_test(end_of_the_server_is_said),
		cmocka_unit_test(
			peer_that_is_served_no_more_loses_its_listeners_and_their_connections),
		cmocka_unit_test(limits_hold_on_both_sides),
		cmocka_unit_test(side_that_serves_nobody_listens_for_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
