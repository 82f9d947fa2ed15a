/* What a running process asks of src/conf: single forwards, and how two of them compare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "conf.h"
#include "tt_err.h"
#include "tt_mem.h"

#define KEY_A "0B925BE7C2E9C3AA1E9ECC9E08EBE9E2A6A1B6EBCE3C3C7E8D5C1C1B8C7C4D01"
#define KEY_B "6BA28AC0C8EF2A50BBDB0E9B4B3D8A4E0C8B8A6F3E2D1C0B9A8F7E6D5C4B3A02"

static char said[1024];

static void report(void *user, const char *origin, const char *message)
{
	(void)user;
	snprintf(said, sizeof(said), "%s: %s", origin, message);
}

static struct conf_diag diag(void)
{
	said[0] = '\0';
	return (struct conf_diag){.report = report};
}

static struct conf *parsed(const char *ini)
{
	struct conf_diag d = diag();
	struct conf *c;

	assert_int_equal(conf_new(&c), TT_OK);
	assert_int_equal(conf_parse_ini(c, ini, strlen(ini), "t.ini", &d), TT_OK);
	return c;
}

static struct conf_forward forward(const char *spec)
{
	struct conf_diag d = diag();
	struct conf_forward *list = NULL, f;
	size_t n;

	assert_int_equal(conf_forward_spec(spec, false, &list, &n, &d), TT_OK);
	assert_int_equal(n, 1);
	f = list[0];
	tt_free(NULL, list);
	return f;
}

static void refused(const char *spec, const char *words)
{
	struct conf_diag d = diag();
	struct conf_forward *list;
	size_t n;

	assert_int_equal(conf_forward_spec(spec, false, &list, &n, &d), TT_EINVAL);
	if (d.errors != 1 || !strstr(said, words))
		fail_msg("wanted '%s', got '%s'", words, said);
}

static void spec_is_read_as_after_L(void **state)
{
	struct conf_forward f = forward("*:8080:[::1]:80");
	(void)state;
	assert_true(f.listen_any);
	assert_int_equal(f.listen_port, 8080);
	assert_string_equal(f.host, "::1");
	assert_int_equal(f.port, 80);
	assert_int_equal(f.n_peers, 0);
	f = forward("socks:[::1]:1080"); /* and as after -D */
	assert_true(f.socks);
	assert_int_equal(f.listen_port, 1080);
	refused("socks:x", "the local port");
	refused("8080", "-L takes [BIND:]PORT:HOST:HOSTPORT");
	refused("", "-L takes");
	refused("0:localhost:80", "the local port");
	refused("80:localhost:70000", "the remote port");
	refused("80-90:localhost:80", "equally long");
}

static struct conf_forward *range(const char *spec, bool reverse, size_t want)
{
	struct conf_diag d = diag();
	struct conf_forward *list = NULL;
	size_t n;

	assert_int_equal(conf_forward_spec(spec, reverse, &list, &n, &d), TT_OK);
	assert_int_equal(n, want);
	return list;
}

static void range_is_a_forward_for_each_port(void **state)
{
	struct conf_forward *f = range("[::1]:8000-8010:[fd00::1]:9000-9010", false, 11);
	char text[CONF_PLACE_MAX];
	(void)state;
	for (size_t i = 0; i < 11; i++) {
		assert_int_equal(f[i].listen_port, 8000 + i);
		assert_int_equal(f[i].port, 9000 + i);
		assert_string_equal(f[i].host, "fd00::1");
		for (size_t j = 0; j < i; j++)
			assert_false(conf_forward_collide(&f[i], &f[j]));
	}
	assert_string_equal(conf_forward_place(&f[10], text), "[::1]:8010");
	assert_string_equal(conf_forward_target(&f[10], text), "[fd00::1]:9010");
	tt_free(NULL, f);
	tt_free(NULL, range("65535-65535:h:1-1", false, 1));
	tt_free(NULL, range("1-1024:h:1-1024", true, 1024));
}

static void either_side_may_be_a_unix_socket(void **state)
{
	static const struct {
		const char *spec, *listens, *target;
	} cases[] = {
		{"/run/a:h:80", "/run/a", "h:80"},
		{"80:/run/b/udp", "localhost:80", "/run/b/udp"},
		{"[::]:80:/run/b", "[::]:80", "/run/b"},
		{"/run/a:/run/b", "/run/a", "/run/b"},
	};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct conf_forward f = forward(cases[i].spec);
		char text[CONF_PLACE_MAX];
		assert_string_equal(conf_forward_place(&f, text), cases[i].listens);
		assert_string_equal(conf_forward_target(&f, text), cases[i].target);
		assert_int_equal(f.target_path, cases[i].target[0] == '/');
		assert_int_equal(f.proto, CONF_TCP);
	}
	char longest[140];
	snprintf(longest, sizeof(longest), "80:/%0*d", TT_PATH_MAX - 1, 0);
	forward(longest);
	snprintf(longest, sizeof(longest), "80:/%0*d", TT_PATH_MAX, 0);
	refused(longest, "at most 107 characters");
}

static void reverse_forwards_are_read_from_both_sources(void **state)
{
	struct conf *c = parsed("[reverse]\nweb = *:0:localhost:80:" KEY_A "\n"
				"sock = /run/x:/run/y:" KEY_A "\n"
				"[server]\nlistens = 127.0.0.1:8000-9000, *:80, unix:/run/x\n"
				"[peer p]\nid = " KEY_B "\nlistens =\n");
	struct conf_forward *f = range("0:localhost:80", true, 1);
	(void)state;
	assert_int_equal(c->n_forwards, 2);
	assert_true(c->connect && c->forwards[0].reverse && c->forwards[1].reverse);
	assert_int_equal(c->forwards[0].listen_port, 0);
	assert_int_equal(c->n_listens, 3);
	assert_int_equal(c->listens[2].kind, TT_RULE_UNIX);
	assert_true(c->peers[0].has_listens);
	assert_int_equal(c->peers[0].n_listens, 0);
	assert_string_equal(f->name, "-R 0:localhost:80");
	tt_free(NULL, f);
	conf_free(c);
}

static void reverse_forwards_collide_at_the_same_peer_only(void **state)
{
	struct conf *c = parsed("[reverse]\na = 80:h:1:" KEY_A "\nb = 80:h:1:" KEY_B "\n"
				"c = 80:h:2:" KEY_A "," KEY_B "\nd = 0:h:1:" KEY_A "\n"
				"e = 0:h:2:" KEY_A "\n[client]\nf = 80:h:1:" KEY_A "\n");
	static const char *const collide[] = {"ac", "bc"};
	(void)state;
	for (size_t i = 0; i < 6; i++) {
		for (size_t j = i + 1; j < 6; j++) {
			const char pair[] = {(char)('a' + i), (char)('a' + j), '\0'};
			bool want = strcmp(pair, collide[0]) == 0 || strcmp(pair, collide[1]) == 0;
			assert_int_equal(
				conf_forward_collide(&c->forwards[i], &c->forwards[j]), want);
		}
	}
	conf_free(c);
}

static void server_is_the_one_named_or_that_of_the_command_line(void **state)
{
	struct conf *c = parsed("[peer laptop]\nid = " KEY_A "\n");
	struct conf_diag d = diag();
	struct conf_forward f = forward("8080:localhost:80");
	(void)state;
	assert_int_equal(conf_forward_server(c, "laptop", &f, 1, &d), TT_OK);
	assert_int_equal(f.n_peers, 1);
	assert_memory_equal(f.peers[0].key, c->peers[0].id.key, TT_KEY_LEN);

	f = forward("8080:localhost:80");
	assert_int_equal(conf_forward_server(c, NULL, &f, 1, &d), TT_EINVAL);
	assert_non_null(strstr(said, "to which server?"));
	c->servers[0] = c->peers[0].id;
	c->n_servers = 1;
	d = diag();
	assert_int_equal(conf_forward_server(c, NULL, &f, 1, &d), TT_OK);
	assert_memory_equal(f.peers[0].key, c->peers[0].id.key, TT_KEY_LEN);

	f = forward("8080:localhost:80");
	d = diag();
	assert_int_equal(conf_forward_server(c, "desktop", &f, 1, &d), TT_EINVAL);
	assert_non_null(strstr(said, "'desktop' is no Tox ID"));
	assert_non_null(strstr(said, "there are laptop"));

	f = forward("8080:localhost:80");
	d = diag();
	assert_int_equal(conf_forward_server(c, "laptop," KEY_B, &f, 1, &d), TT_OK);
	assert_int_equal(f.n_peers, 2);
	assert_memory_equal(f.peers[0].key, c->peers[0].id.key, TT_KEY_LEN);
	conf_free(c);
}

static void forwards_are_equal_whatever_their_name(void **state)
{
	struct conf *one = parsed("[client]\nweb = 80:localhost:80:" KEY_A "," KEY_B "\n");
	struct conf *two = parsed("[client]\n\nwww = 80:localhost:80:" KEY_A "," KEY_B "\n");
	(void)state;
	assert_true(conf_forward_equal(&one->forwards[0], &two->forwards[0]));
	conf_free(one);
	conf_free(two);
}

static void forwards_that_differ_in_anything_are_not_equal(void **state)
{
	static const char *const entries[] = {
		"80:localhost:80:" KEY_A,
		"80:localhost:80:" KEY_B,
		"80:localhost:80:" KEY_A "," KEY_B,
		"80:localhost:80:" KEY_B "," KEY_A,
		"81:localhost:80:" KEY_A,
		"80:localhost:81:" KEY_A,
		"80:127.0.0.1:80:" KEY_A,
		"*:80:localhost:80:" KEY_A,
		"127.0.0.2:80:localhost:80:" KEY_A,
		"127.0.0.1:80:localhost:80:" KEY_A,
		"udp:80:localhost:80:" KEY_A,
		"/run/a:localhost:80:" KEY_A,
		"/run/b:localhost:80:" KEY_A,
		"80:/run/a:" KEY_A,
	};
	const size_t n = sizeof(entries) / sizeof(entries[0]);
	struct conf *c[sizeof(entries) / sizeof(entries[0])];
	char text[256];
	(void)state;
	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "[client]\nx = %s\n", entries[i]);
		c[i] = parsed(text);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			assert_int_equal(
				conf_forward_equal(&c[i]->forwards[0], &c[j]->forwards[0]), i == j);
	/* Those to other servers are still the same forward for who cancels it. */
	assert_true(conf_forward_same_spec(&c[0]->forwards[0], &c[2]->forwards[0]));
	assert_false(conf_forward_same_spec(&c[0]->forwards[0], &c[5]->forwards[0]));
	for (size_t i = 0; i < n; i++)
		conf_free(c[i]);
}

static void node_has_its_port_twice(void **state)
{
	static const struct {
		const char *option;
		uint16_t udp, relay;
	} cases[] = {
		{"-v", CONF_NODE_PORT, CONF_NODE_PORT},
		{"--udp-port=5", 5, 5},
		{"--relay-port=0", CONF_NODE_PORT, 0},
		{"--relay-port=7", CONF_NODE_PORT, 7},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[] = {(char *)"toxtun", (char *)cases[i].option, (char *)"node"};
		struct conf_diag d = diag();
		struct conf *c;
		assert_int_equal(conf_new(&c), TT_OK);
		assert_int_equal(conf_parse_args(c, 3, argv, &d), TT_OK);
		assert_int_equal(conf_finish(c, &d), TT_OK);
		assert_int_equal(c->udp_port_first, cases[i].udp);
		assert_int_equal(c->udp_port_last, cases[i].udp);
		assert_int_equal(c->relay_port, cases[i].relay);
		conf_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spec_is_read_as_after_L),
		cmocka_unit_test(range_is_a_forward_for_each_port),
		cmocka_unit_test(either_side_may_be_a_unix_socket),
		cmocka_unit_test(reverse_forwards_are_read_from_both_sources),
		cmocka_unit_test(reverse_forwards_collide_at_the_same_peer_only),
		cmocka_unit_test(server_is_the_one_named_or_that_of_the_command_line),
		cmocka_unit_test(forwards_are_equal_whatever_their_name),
		cmocka_unit_test(forwards_that_differ_in_anything_are_not_equal),
		cmocka_unit_test(node_has_its_port_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
