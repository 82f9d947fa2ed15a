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
	struct conf_forward f;

	assert_int_equal(conf_forward_spec(spec, &f, &d), TT_OK);
	return f;
}

static void refused(const char *spec, const char *words)
{
	struct conf_diag d = diag();
	struct conf_forward f;

	assert_int_equal(conf_forward_spec(spec, &f, &d), TT_EINVAL);
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
	refused("/tmp/x:localhost:80", "unix sockets");
}

static void server_is_the_one_named_or_that_of_the_command_line(void **state)
{
	struct conf *c = parsed("[peer laptop]\nid = " KEY_A "\n");
	struct conf_diag d = diag();
	struct conf_forward f = forward("8080:localhost:80");
	(void)state;
	assert_int_equal(conf_forward_server(c, "laptop", &f, &d), TT_OK);
	assert_int_equal(f.n_peers, 1);
	assert_memory_equal(f.peers[0].key, c->peers[0].id.key, TT_KEY_LEN);

	f = forward("8080:localhost:80");
	assert_int_equal(conf_forward_server(c, NULL, &f, &d), TT_EINVAL);
	assert_non_null(strstr(said, "to which server?"));
	c->target = c->peers[0].id;
	c->has_target = true;
	d = diag();
	assert_int_equal(conf_forward_server(c, NULL, &f, &d), TT_OK);
	assert_memory_equal(f.peers[0].key, c->peers[0].id.key, TT_KEY_LEN);

	f = forward("8080:localhost:80");
	d = diag();
	assert_int_equal(conf_forward_server(c, "desktop", &f, &d), TT_EINVAL);
	assert_non_null(strstr(said, "desktop"));
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
		cmocka_unit_test(server_is_the_one_named_or_that_of_the_command_line),
		cmocka_unit_test(forwards_are_equal_whatever_their_name),
		cmocka_unit_test(forwards_that_differ_in_anything_are_not_equal),
		cmocka_unit_test(node_has_its_port_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
