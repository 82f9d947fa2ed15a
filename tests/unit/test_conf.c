/* The ini file, options, forwards and node lists: what is taken, and what each mistake says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "tt_err.h"

#define KEY_A "A5A02F00112233445566778899AABBCCDDEEFF00112233445566778899AABBCC"
#define KEY_B "6BA28A00112233445566778899AABBCCDDEEFF00112233445566778899AABBCC"
#define KEY_C "0b925b00112233445566778899aabbccddeeff00112233445566778899aabbcc"
#define TOXID "00000000000000000000000000000000000000000000000000000000000000AB0000000000AB"

/* ---- a parser with a memory of what it reported ---- */

struct fixture {
	struct conf *c;
	struct conf_diag d;
	char said[16384]; /* "origin: message\n" of each */
};

static void report(void *user, const char *origin, const char *message)
{
	struct fixture *f = user;
	size_t n = strlen(f->said);
	int took = snprintf(f->said + n, sizeof(f->said) - n, "%s: %s\n", origin, message);
	assert_in_range(took, 1, sizeof(f->said) - n - 1);
}

static struct fixture *fresh(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	assert_int_equal(conf_new(&f->c), TT_OK);
	f->d = (struct conf_diag){.report = report, .user = f};
	return f;
}

static void done(struct fixture *f)
{
	conf_free(f->c);
	free(f);
}

static int ini(struct fixture *f, const char *text)
{
	return conf_parse_ini(f->c, text, strlen(text), "t.ini", &f->d);
}

#define ARGS_MAX 24

/** Splits at single blanks; an argument cannot be empty. */
static int args(struct fixture *f, const char *line)
{
	char copy[2048], *argv[ARGS_MAX], *save = NULL;
	int argc = 1;
	argv[0] = (char *)"toxtun";
	assert_in_range(snprintf(copy, sizeof(copy), "%s", line), 0, sizeof(copy) - 1);
	for (char *s = strtok_r(copy, " ", &save); s; s = strtok_r(NULL, " ", &save)) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = s;
	}
	return conf_parse_args(f->c, argc, argv, &f->d);
}

static void assert_clean(const struct fixture *f, int rc)
{
	if (rc != TT_OK || f->d.errors)
		fail_msg("rc %d: %s", rc, f->said);
}

/** Exactly one diagnostic, which starts with the origin and contains the words. */
static void assert_said(struct fixture *f, int rc, const char *origin, const char *words)
{
	char start[256];
	snprintf(start, sizeof(start), "%s: ", origin);
	if (rc != TT_EINVAL || f->d.errors != 1 || strncmp(f->said, start, strlen(start)) != 0 ||
		!strstr(f->said, words))
		fail_msg("wanted '%s%s', got %d, %zu: %s", start, words, rc, f->d.errors, f->said);
}

struct mistake {
	const char *text, *origin, *words;
};

static void ini_mistakes(const struct mistake *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fixture *f = fresh();
		int rc = ini(f, m[i].text);
		assert_said(f, rc, m[i].origin, m[i].words);
		done(f);
	}
}

static void args_mistakes(const struct mistake *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fixture *f = fresh();
		int rc = args(f, m[i].text);
		assert_said(f, rc, m[i].origin, m[i].words);
		done(f);
	}
}

#define ALL(v) v, sizeof(v) / sizeof((v)[0])

/* ---- ini: what is taken ---- */

static void both_established_forms_of_an_entry_are_taken(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	int rc = ini(f, "[client]\n"
			"web  = *:81:127.0.0.1:8181:" KEY_A "\n"
			"near = 82:localhost:80:" TOXID "\n"
			"db   = tcp:127.0.0.1:5432:127.0.0.1:5433:" KEY_A "," KEY_B " , " KEY_C "\n"
			"v6   = [::1]:90:[2001:db8::7]:443:" KEY_A "\n"
			"lo   = localhost:91:a.example:443:" KEY_A "\n"
			"emp  = :92:a.example:443:" KEY_A "\n"
			"dns  = udp:*:5353:127.0.0.1:53:" KEY_A "\n");
	assert_clean(f, rc);
	struct conf *c = f->c;
	assert_true(c->connect);
	assert_false(c->serve);
	assert_int_equal(c->n_forwards, 7);
	struct conf_forward *v = c->forwards;
	assert_string_equal(v[0].name, "web");
	assert_string_equal(v[0].origin, "t.ini:2");
	assert_true(v[0].listen_any);
	assert_int_equal(v[0].listen_port, 81);
	assert_string_equal(v[0].host, "127.0.0.1");
	assert_int_equal(v[0].port, 8181);
	assert_int_equal(v[0].n_peers, 1);
	assert_int_equal(v[0].peers[0].key[0], 0xa5);
	assert_false(v[0].peers[0].has_toxid);
	assert_true(v[1].listen_loopback);
	assert_false(v[1].listen_any);
	assert_true(v[1].peers[0].has_toxid);
	assert_int_equal(v[2].n_peers, 3);
	assert_int_equal(v[2].peers[1].key[0], 0x6b);
	assert_int_equal(v[2].peers[2].key[0], 0x0b);
	assert_int_equal(v[2].listen_addr.family, 4);
	assert_false(v[2].listen_loopback);
	assert_int_equal(v[3].listen_addr.family, 6);
	assert_string_equal(v[3].host, "2001:db8::7");
	assert_true(v[4].listen_loopback && v[5].listen_loopback);
	assert_int_equal(v[6].proto, CONF_UDP);
	assert_int_equal(v[0].proto, CONF_TCP);
	done(f);
}

static void server_section_is_read(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	int rc = ini(f, "\xef\xbb\xbf; a comment\r\n"
			"[server] ; another\r\n"
			"  name = whttpd\t; not part of it\r\n"
			"allow = laptop, " KEY_B " " TOXID "\r\n"
			"admin = " TOXID ", laptop\r\n"
			"# and another\r\n"
			"targets = 127.0.0.1:*, [::1]:* 10.0.0.0/8:80-90\r\n"
			"listens =\r\n"
			"\r\n"
			"[peer laptop]\r\n"
			"id = " KEY_C "\r\n"
			"targets = 127.0.0.1:22\r\n"
			"secret-file = /etc/x;y\r\n"
			"[node]\n"
			"bootstrap = 192.0.2.1:33445:" KEY_A ", [2001:db8::1]:443:" KEY_B "\n"
			"bootstrap = tox.example.org:33445:" KEY_B);
	assert_clean(f, rc);
	assert_clean(f, conf_finish(f->c, &f->d));
	struct conf *c = f->c;
	assert_int_equal(c->command, CONF_CMD_SERVER); /* none was given */
	assert_true(c->serve);
	assert_false(c->connect);
	assert_string_equal(c->name, "whttpd");
	assert_true(c->has_allow);
	assert_int_equal(c->n_allow, 3);
	assert_int_equal(c->allow[0].key[0], 0x0b); /* of the section further down */
	assert_int_equal(c->allow[1].key[0], 0x6b);
	assert_true(c->allow[2].has_toxid);
	assert_int_equal(c->n_admins, 2);
	assert_true(c->admins[0].has_toxid);
	assert_int_equal(c->admins[1].key[0], 0x0b);
	assert_int_equal(c->n_targets, 3);
	assert_int_equal(c->targets[2].port_last, 90);
	assert_int_equal(c->n_peers, 1);
	assert_string_equal(c->peers[0].origin, "t.ini:10");
	assert_true(c->peers[0].has_targets);
	assert_int_equal(c->peers[0].n_targets, 1);
	assert_string_equal(c->peers[0].secret_file, "/etc/x;y");
	assert_int_equal(c->n_nodes, 3);
	assert_string_equal(c->nodes[1].host, "2001:db8::1");
	assert_int_equal(c->nodes[1].port, 443);
	assert_int_equal(c->nodes[1].tcp_ports[0], 443);
	assert_string_equal(c->nodes[2].host, "tox.example.org");
	done(f);
}

static void empty_server_section_serves_this_host_to_everybody(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	assert_clean(f, ini(f, "[server]\nallow =\n"));
	assert_clean(f, conf_finish(f->c, &f->d));
	assert_true(f->c->serve);
	assert_false(f->c->has_allow);
	assert_int_equal(f->c->n_targets, 2);
	struct tt_addr a;
	tt_addr_parse("127.1.2.3", &a);
	assert_true(tt_rule_match(&f->c->targets[0], NULL, &a, 22));
	tt_addr_parse("::1", &a);
	assert_true(tt_rule_match(&f->c->targets[1], NULL, &a, 65535));
	tt_addr_parse("192.168.0.1", &a);
	assert_false(tt_rule_match(&f->c->targets[0], NULL, &a, 22));
	done(f);
	f = fresh();
	assert_clean(f, ini(f, "[server]"));
	assert_true(f->c->serve);
	done(f);
}

static void entries_may_name_a_peer_section_below(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	int rc = ini(f, "[client]\nssh = 2222:127.0.0.1:22:home,office\n"
			"[peer home]\nid=" TOXID "\n[peer office]\nid = " KEY_B "\n");
	assert_clean(f, rc);
	assert_clean(f, conf_finish(f->c, &f->d));
	assert_int_equal(f->c->command, CONF_CMD_CLIENT);
	assert_int_equal(f->c->forwards[0].n_peers, 2);
	assert_true(f->c->forwards[0].peers[0].has_toxid);
	assert_int_equal(f->c->forwards[0].peers[1].key[0], 0x6b);
	done(f);
}

static void every_option_has_its_place_in_the_file(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	int rc = ini(f, "[options]\n"
			"data-dir = /var/lib/tt\nid-file=/run/id\nsecret-file = s\nnodes = n.json\n"
			"passphrase-file = p\ndrain-timeout = 0\n"
			"kcp-mode = fast2\nconnect-timeout = 3\nidle-timeout = 0\n"
			"resume-timeout = 86400\nmax-connections = 7\nexit-on-failure = "
			"yes\nno-default-nodes = on\n"
			"no-udp = true\nno-relay = no\nno-lan = 1\nudp-port = 1000:2000\n"
			"relay-port = 0\nproxy = socks5://[::1]:9050\nstats = 0.0.0.0:80\n"
			"verbose = 2\nlog-format = json\nno-bench = yes\nallow = " KEY_A
			"\nallow = " KEY_B "\n"
			"bootstrap = 192.0.2.1:33445:" KEY_A "\n");
	assert_clean(f, rc);
	assert_clean(f, args(f, "check"));
	assert_clean(f, conf_finish(f->c, &f->d));
	struct conf *c = f->c;
	assert_string_equal(c->data_dir, "/var/lib/tt");
	assert_string_equal(c->id_file, "/run/id");
	assert_string_equal(c->secret_file, "s");
	assert_string_equal(c->passphrase_file, "p");
	assert_int_equal(c->drain_timeout_s, 0);
	assert_string_equal(c->nodes_file, "n.json");
	assert_int_equal(c->mode, TT_MODE_FAST2);
	assert_int_equal(c->connect_timeout_s, 3);
	assert_int_equal(c->idle_timeout_s, 0);
	assert_int_equal(c->resume_timeout_s, 86400);
	assert_int_equal(c->max_connections, 7);
	assert_true(c->exit_on_failure);
	assert_false(c->default_nodes || c->udp || c->lan || c->bench);
	assert_true(c->relay);
	assert_true(c->has_relay_port);
	assert_int_equal(c->relay_port, 0);
	assert_int_equal(c->proxy_type, CONF_PROXY_SOCKS5);
	assert_string_equal(c->proxy_host, "::1");
	assert_int_equal(c->proxy_port, 9050);
	assert_true(c->stats_on && c->stats_fixed);
	assert_int_equal(c->stats_port, 80);
	assert_int_equal(c->log_level, TT_LOG_TRACE);
	assert_true(c->log_json);
	assert_int_equal(c->n_allow, 2);
	assert_int_equal(c->n_nodes, 1);
	assert_int_equal(c->udp_port_first, 0); /* a proxy carries no UDP */
	done(f);
}

static void lines_may_be_of_any_length(void **state)
{
	(void)state;
	static char text[200000];
	struct fixture *f = fresh();
	FILE *out = fmemopen(text, sizeof(text), "w");
	assert_non_null(out);
	fputs("[server]\nallow = ", out);
	for (int i = 0; i < 1500; i++)
		fprintf(out, "%s,", i == 1000 ? TOXID : KEY_B);
	fprintf(out, " ; %0*d\nname = x\n", 20000, 0);
	assert_int_equal(fclose(out), 0);
	assert_clean(f, ini(f, text));
	assert_int_equal(f->c->n_allow, 1500);
	assert_string_equal(f->c->name, "x");
	done(f);
}

/* ---- ini: mistakes ---- */

static void mistakes_of_form_have_their_line(void **state)
{
	(void)state;
	static const struct mistake m[] = {
		{"\n\nname = x\n", "t.ini:3", "before the first [SECTION]"},
		{"[servr]\nbla = 1\n", "t.ini:1", "did you mean [server]?"},
		{"[per x]\n", "t.ini:1", "did you mean [peer NAME]?"},
		{"[other]\nx = 1\ny = 2\n", "t.ini:1", "there are [server], [client]"},
		{"[]\n", "t.ini:1", "there is no section []"},
		{"[server\n", "t.ini:1", "a section is [NAME]"},
		{"[server] x\n", "t.ini:1", "a section is [NAME]"},
		{"[server x]\n", "t.ini:1", "has no name of its own"},
		{"[server]\n[client]\n[server]\n", "t.ini:3", "in line 1"},
		{"[server]\nname\n", "t.ini:2", "KEY = VALUE"},
		{"[server]\n= x\n", "t.ini:2", "KEY = VALUE"},
		{"[server]\nname = a\n;\nname = b\n", "t.ini:4",
			"name is there already, in line 2"},
		{"[server]\nnme = a\n", "t.ini:2", "did you mean name?"},
		{"[server]\ncolour = red\n", "t.ini:2", "it has name, allow, admin, targets"},
		{"[node]\nbotstrap = x\n", "t.ini:2", "did you mean bootstrap?"},
		{"[node]\nudp-port = 5\n", "t.ini:2", "goes into the section [options]"},
		{"[node]\nzzz = 5\n", "t.ini:2", "it has bootstrap"},
		{"[options]\nkcp-mod = fast\n", "t.ini:2", "did you mean kcp-mode?"},
		{"[options]\nsomething = 1\n", "t.ini:2", "toxtun -h"},
		{"[options]\nconfig = x\n", "t.ini:2", "only be given on the command line"},
		{"[options]\nno-udp = yes\nno-udp = yes\n", "t.ini:3", "already, in line 2"},
		{"[options]\nno-udp = perhaps\n", "t.ini:2", "no-udp is yes or no"},
		{"[options]\nverbose = 3\n", "t.ini:2", "verbose is yes or no"},
		{"[options]\ndata-dir =\n", "t.ini:2", "needs the name"},
	};
	ini_mistakes(ALL(m));
	struct fixture *f = fresh();
	static const char nul[] = "[server]\nname = a\0b\n";
	int rc = conf_parse_ini(f->c, nul, sizeof(nul) - 1, "t.ini", &f->d);
	assert_said(f, rc, "t.ini:2", "NUL byte");
	done(f);
}

static void mistakes_of_server_and_peers_have_their_line(void **state)
{
	(void)state;
	static const struct mistake m[] = {
		{"[server]\nname = a b\n", "t.ini:2", "no blanks"},
		{"[server]\nname =\n", "t.ini:2", "1 to 63"},
		{"[server]\nlistens = 80\n", "t.ini:2", "HOST:PORT"},
		{"[server]\nlistens = box.test:80\n", "t.ini:2", "has an address and no name"},
		{"[server]\ntargets = unix:run/x\n", "t.ini:2", "starts with /"},
		{"[server]\ntargets =\n", "t.ini:2", "targets is empty"},
		{"[server]\nproxy-protocol = *\n", "t.ini:2", "'*': "},
		{"[server]\nproxy-protocol = *:80, web.lan:80\n", "t.ini:2", "no names (web.lan)"},
		{"[server]\ntargets = 1.2.3.4:70000\n", "t.ini:2", "the port must be"},
		{"[server]\ntargets = 10.0.0.0/33:1\n", "t.ini:2", "0 to 32"},
		{"[server]\nallow = ,\n", "t.ini:2", "names nobody"},
		{"[server]\nadmin = ,\n", "t.ini:2", "admin names nobody"},
		{"[server]\nadmin = phone\n", "t.ini:2", "no Tox ID (76 hex digits)"},
		{"[server]\nallow = laptop\n", "t.ini:2", "no Tox ID (76 hex digits)"},
		{"[server]\nallow = latop\n[peer laptop]\nid=" KEY_A "\n", "t.ini:2",
			"did you mean laptop?"},
		{"[server]\nallow = home\n[peer laptop]\nid=" KEY_A "\n[peer work]\nid=" KEY_B "\n",
			"t.ini:2",
			"'home' is no Tox ID and there is no such [peer] section; there are "
			"laptop, work"},
		{"[server]\nallow = " KEY_A "00\n", "t.ini:2", "has 66 characters"},
		{"[server]\nallow = " KEY_A "000000000001\n", "t.ini:2",
			"checksum is wrong: it was mistyped or cut"},
		{"[peer]\nid = " KEY_A "\n", "t.ini:1", "[peer NAME]"},
		{"[peer a,b]\nid = " KEY_A "\n", "t.ini:1", "[peer NAME]"},
		{"[peer " KEY_A "]\nid = " KEY_B "\n", "t.ini:1", "[peer NAME]"},
		{"[peer a]\n", "t.ini:1", "the peer has no id"},
		{"[peer a]\nid = b\n[peer b]\nid=" KEY_A "\n", "t.ini:2", "is no Tox ID"},
		{"[peer a]\nid=" KEY_A "\n[peer a]\nid=" KEY_B "\n", "t.ini:3", "in line 1"},
		{"[peer a]\nid=" KEY_A "\n[peer b]\nid=" KEY_A "\n", "t.ini:3",
			"this is the id of [peer a] too (t.ini:1)"},
		{"[peer a]\nid=" KEY_A "\nid=" KEY_B "\n", "t.ini:3", "already, in line 2"},
		{"[peer a]\nid=" KEY_A "\ntarget = x\n", "t.ini:3", "did you mean targets?"},
		{"[peer a]\nid=" KEY_A "\ntargets = x\n", "t.ini:3", "HOST:PORT"},
		{"[peer a]\nid=" KEY_A "\nsecret-file =\n", "t.ini:3", "name of a file"},
	};
	ini_mistakes(ALL(m));
}

static void mistakes_of_entries_have_their_line(void **state)
{
	(void)state;
#define ENTRY(e) "[client]\nweb = " e "\n"
	static const struct mistake m[] = {
		{ENTRY(""), "t.ini:2", "parts are missing"},
		{ENTRY("80"), "t.ini:2", "parts are missing"},
		{ENTRY("80:h:80"), "t.ini:2", "the Tox ID of the server is missing"},
		{ENTRY("*:81:127.0.0.1:8181"), "t.ini:2", "the Tox ID of the server is missing"},
		{ENTRY("*:81:127.0.0.1:8181:"), "t.ini:2", "the Tox ID of the server is missing"},
		{ENTRY("tcp:81:h:8181"), "t.ini:2", "the Tox ID of the server is missing"},
		{ENTRY("0:h:80:" KEY_A), "t.ini:2", "the local port must be"},
		{ENTRY("65536:h:80:" KEY_A), "t.ini:2", "not '65536'"},
		{ENTRY("+5:h:80:" KEY_A), "t.ini:2", "the local port"},
		{ENTRY("80:h:http:" KEY_A), "t.ini:2", "the remote port must be"},
		{ENTRY("80::80:" KEY_A), "t.ini:2", "the host must have"},
		{ENTRY("80:a_b!:80:" KEY_A), "t.ini:2", "neither a host name nor an address"},
		{ENTRY("80:10.0.0.300:80:" KEY_A), "t.ini:2", "neither a host name nor an address"},
		{ENTRY("80:[::1:80:" KEY_A), "t.ini:2", "parts are missing"},
		{ENTRY("80:[1.2.3.4]:80:" KEY_A), "t.ini:2", "neither a host name"},
		{ENTRY("80:[xyz::]:80:" KEY_A), "t.ini:2", "neither a host name"},
		{ENTRY("80:2001:db8::7:80:" KEY_A), "t.ini:2", "an IPv6 address goes in brackets"},
		{ENTRY("host.example:80:h:80:" KEY_A), "t.ini:2", "no address to listen on"},
		{ENTRY("[::g]:80:h:80:" KEY_A), "t.ini:2", "no address to listen on"},
		{ENTRY("80:h:80:nobody"), "t.ini:2", "no name of a [peer] section"},
		{ENTRY("80:h:80:" KEY_A "," KEY_A), "t.ini:2", "named twice"},
		{ENTRY("80:/run/x.sock"), "t.ini:2", "the Tox ID of the server is missing"},
		{ENTRY("80-82:h:80-81:" KEY_A), "t.ini:2", "there are 3 ports"},
		{ENTRY("80-82:h:80:" KEY_A), "t.ini:2", "1 of the target"},
		{ENTRY("80-82:h:82-80:" KEY_A), "t.ini:2", "ends before it starts"},
		{ENTRY("0-2:h:1-3:" KEY_A), "t.ini:2", "the local port"},
		{ENTRY("1-2000:h:1-2000:" KEY_A), "t.ini:2", "at most 1024 ports"},
		{ENTRY("/run/x:h:80-81:" KEY_A), "t.ini:2", "1 ports to listen on"},
		{ENTRY("127.0.0.1:/run/x:h:80:" KEY_A), "t.ini:2", "the local port"},
		{"[client]\na b = 80:h:80:" KEY_A "\n", "t.ini:2", "name of an entry"},
		{"[node]\nbootstrap = 1.2.3.4:33445\n", "t.ini:2", "a node is HOST:PORT:PUBKEY"},
		{"[node]\nbootstrap = ::1:33445:" KEY_A "\n", "t.ini:2", "goes in brackets"},
		{"[node]\nbootstrap = h:0:" KEY_A "\n", "t.ini:2", "the node's port"},
		{"[node]\nbootstrap = h:1:" TOXID "\n", "t.ini:2", "names a person, not a node"},
		{"[node]\nbootstrap = h:1:00\n", "t.ini:2", "64 hex digits"},
		{"[node]\nbootstrap =\n", "t.ini:2", "needs HOST:PORT:PUBKEY"},
	};
	ini_mistakes(ALL(m));
	char text[4096] = "";
	struct fixture *f = fresh();
	FILE *out = fmemopen(text, sizeof(text), "w");
	assert_non_null(out);
	fputs("[client]\nx = 80:h:80:", out);
	for (int i = 0; i <= CONF_FORWARD_PEERS_MAX; i++)
		fprintf(out, "%064X,", i);
	assert_int_equal(fclose(out), 0);
	assert_said(f, ini(f, text), "t.ini:2", "at most 16 servers");
	done(f);
}

static void all_mistakes_are_reported_in_one_run(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	assert_int_equal(ini(f, "[server]\nbad\nname = a b\n[options]\nkcp-mode = x\n"
				"[client]\na = 1:h:2:" KEY_A "\nb = 0:!:0:x\n"),
		TT_EINVAL);
	assert_int_equal(f->d.errors, 6);
	assert_int_equal(f->c->n_forwards, 1);
	done(f);
}

/* ---- command line ---- */

static void options_take_one_dash_or_two_and_stand_anywhere(void **state)
{
	(void)state;
	static const char *const forms[] = {"-kcp-mode fast server -v", "--kcp-mode=fast -v server",
		"server -k fast -v", "-kfast -v -- server", "server -v -kcp-mode=fast",
		"-v -k=fast server"};
	for (size_t i = 0; i < 6; i++) {
		struct fixture *f = fresh();
		assert_clean(f, args(f, forms[i]));
		assert_clean(f, conf_finish(f->c, &f->d));
		assert_int_equal(f->c->command, CONF_CMD_SERVER);
		assert_int_equal(f->c->mode, TT_MODE_FAST);
		assert_int_equal(f->c->log_level, TT_LOG_DEBUG);
		assert_true(f->c->serve);
		done(f);
	}
}

static void local_forwards_are_taken_as_in_ssh(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	int rc = args(f, "client " TOXID " -L 8080:localhost:80 -L *:81:a.example:82 "
			 "-L [::1]:83:[2001:db8::1]:84 -L:85:h:86 -L localhost:87:h:88 "
			 "--local-forward=192.0.2.1:89:h:90/tcp");
	assert_clean(f, rc);
	assert_clean(f, conf_finish(f->c, &f->d));
	struct conf_forward *v = f->c->forwards;
	assert_int_equal(f->c->n_forwards, 6);
	assert_string_equal(v[0].origin, "-L 8080:localhost:80");
	assert_string_equal(v[0].name, "8080:localhost:80");
	assert_true(v[0].listen_loopback && v[3].listen_loopback && v[4].listen_loopback);
	assert_true(v[1].listen_any);
	assert_int_equal(v[2].listen_addr.family, 6);
	assert_string_equal(v[2].host, "2001:db8::1");
	assert_int_equal(v[3].listen_port, 85);
	assert_int_equal(v[5].listen_addr.family, 4);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(v[i].n_peers, 1);
		assert_true(v[i].peers[0].has_toxid);
	}
	done(f);
}

static void options_override_the_file_and_add_to_its_lists(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	assert_clean(f, ini(f, "[options]\nkcp-mode = fast\nstats = off\nquiet = yes\n"
			       "idle-timeout = 7\nno-udp = yes\nadmin = " KEY_C "\n"
			       "[server]\nallow = " KEY_A "\n[peer b]\nid = " KEY_B "\n"
			       "[node]\nbootstrap = h:1:" KEY_A "\n"
			       "[client]\nx = 1:h:2:" KEY_A "\n"));
	assert_false(f->c->stats_on);
	assert_int_equal(f->c->log_level, TT_LOG_ERROR);
	assert_clean(
		f, args(f, "server -k fast3 --stats 9000 -v --allow b --admin b --idle-timeout 8 "
			   "-b i:2:" KEY_B " --to b -L 3:h:4"));
	assert_clean(f, conf_finish(f->c, &f->d));
	struct conf *c = f->c;
	assert_int_equal(c->mode, TT_MODE_FAST3);
	assert_true(c->stats_on && c->stats_fixed);
	assert_int_equal(c->stats_port, 9000);
	assert_true(tt_addr_is_loopback(&c->stats_addr));
	assert_int_equal(c->log_level, TT_LOG_DEBUG);
	assert_int_equal(c->n_allow, 2);
	assert_int_equal(c->allow[1].key[0], 0x6b);
	assert_int_equal(c->n_admins, 2);
	assert_int_equal(c->admins[1].key[0], 0x6b);
	assert_int_equal(c->idle_timeout_s, 8);
	assert_int_equal(c->n_nodes, 2);
	assert_int_equal(c->n_forwards, 2);
	assert_int_equal(c->forwards[1].peers[0].key[0], 0x6b);
	assert_true(c->serve && c->connect);
	assert_false(c->udp);
	done(f);
}

static void tcp_and_udp_forwards_may_have_the_same_port(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	assert_clean(f, args(f, "client " TOXID " -L 5353:h:53/udp -L 5353:h:53 --udp-timeout 30"));
	assert_clean(f, conf_finish(f->c, &f->d));
	assert_int_equal(f->c->forwards[0].proto, CONF_UDP);
	assert_int_equal(f->c->forwards[1].proto, CONF_TCP);
	assert_int_equal(f->c->udp_timeout_s, 30);
	done(f);
}

static void names_of_peers_stand_for_their_ids_on_the_command_line(void **state)
{
	static const char *const same[] = {"client a,b -L 1:h:2", "client -L 1:h:2 --to a,b",
		"client --to a,b a," KEY_B " -L 1:h:2", "client " KEY_A ",b -L 1:h:2"};
	static const struct {
		const char *line, *said;
	} wrong[] = {
		{"client c -L 1:h:2",
			": there is no [peer c] section; did you mean a? There are a, b"},
		{"ping desktop", "no such [peer] section; there are a, b"},
		{"bench c", "There are a, b"},
		{"client -L 1:h:2 --to c", "--to: there is no [peer c] section"},
		{"server --allow c", "--allow: there is no [peer c] section"},
		{"client a,a -L 1:h:2", "named twice"},
		{"client , -L 1:h:2", "there is no [peer ,] section"},
		{"client --to a a,b -L 1:h:2", "name different peers"},
		{"ping a,b", "one peer at a time"},
		{"bench --to a,b", "one peer at a time"},
	};
	static const char file[] = "[peer a]\nid = " KEY_A "\n[peer b]\nid = " KEY_B "\n";
	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct fixture *f = fresh();
		assert_clean(f, ini(f, file));
		assert_clean(f, args(f, same[i]));
		assert_clean(f, conf_finish(f->c, &f->d));
		assert_int_equal(f->c->forwards[0].n_peers, 2);
		assert_int_equal(f->c->forwards[0].peers[0].key[0], 0xa5);
		assert_int_equal(f->c->forwards[0].peers[1].key[0], 0x6b);
		done(f);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fixture *f = fresh();
		assert_clean(f, ini(f, file));
		if (args(f, wrong[i].line) == TT_OK)
			conf_finish(f->c, &f->d);
		if (f->d.errors != 1 || !strstr(f->said, wrong[i].said))
			fail_msg(
				"%s: wanted '%s', got '%s'", wrong[i].line, wrong[i].said, f->said);
		done(f);
	}
}

static void defaults_are_those_of_the_manual(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	assert_clean(f, args(f, "node"));
	assert_clean(f, conf_finish(f->c, &f->d));
	struct conf *c = f->c;
	assert_int_equal(c->command, CONF_CMD_NODE);
	assert_false(c->serve || c->connect || c->has_relay_port || c->stats_fixed || c->log_json);
	assert_true(c->udp && c->relay && c->lan && c->default_nodes && c->stats_on);
	assert_int_equal(c->mode, TT_MODE_AUTO);
	assert_int_equal(c->connect_timeout_s, 15);
	assert_int_equal(c->idle_timeout_s, 0);
	assert_int_equal(c->resume_timeout_s, 600);
	assert_int_equal(c->max_connections, 16384);
	assert_int_equal(c->udp_timeout_s, 180);
	assert_int_equal(c->stats_port, CONF_STATS_PORT);
	assert_int_equal(c->ping_count, 4);
	assert_int_equal(c->bench_seconds, 5);
	assert_true(c->bench && !c->json);
	assert_int_equal(c->log_level, TT_LOG_INFO);
	assert_null(c->data_dir);
	done(f);
}

static void commands_take_their_own_words(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		enum conf_command command;
	} good[] = {{"id --qr", CONF_CMD_ID}, {"ping -n 2 " TOXID, CONF_CMD_PING},
		{"ping --to " KEY_A, CONF_CMD_PING}, {"check", CONF_CMD_CHECK},
		{"bench --json " TOXID, CONF_CMD_BENCH}, {"-h", CONF_CMD_HELP},
		{"server --help --nonsense", CONF_CMD_HELP}, {"-V", CONF_CMD_VERSION},
		{"-qV", CONF_CMD_VERSION}};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct fixture *f = fresh();
		assert_clean(f, args(f, good[i].line));
		assert_clean(f, conf_finish(f->c, &f->d));
		assert_int_equal(f->c->command, good[i].command);
		done(f);
	}
	struct fixture *f = fresh();
	assert_clean(f, args(f, "ping -n 2 " TOXID " -vv"));
	assert_int_equal(f->c->ping_count, 2);
	assert_int_equal(f->c->log_level, TT_LOG_TRACE);
	assert_true(f->c->has_target && f->c->target.has_toxid);
	done(f);
	f = fresh();
	assert_clean(f, args(f, "bench --seconds 60 --json " TOXID));
	assert_int_equal(f->c->bench_seconds, 60);
	assert_true(f->c->json && f->c->has_target);
	done(f);
	f = fresh();
	assert_clean(f, args(f, "forward 8080:localhost:80 laptop"));
	assert_int_equal(f->c->command, CONF_CMD_FORWARD);
	assert_string_equal(f->c->spec, "8080:localhost:80");
	assert_string_equal(f->c->spec_peer, "laptop"); /* the running process knows who that is */
	done(f);
	f = fresh();
	assert_clean(f, args(f, "cancel web"));
	assert_string_equal(f->c->spec, "web");
	assert_null(f->c->spec_peer);
	done(f);
	f = fresh();
	assert_clean(f, args(f, "status --json"));
	assert_true(f->c->json);
	done(f);
}

static void proxies_have_no_target(void **state)
{
	struct fixture *f = fresh();
	(void)state;
	assert_clean(f, ini(f, "[client]\na = socks:1080:" TOXID "\nb = SOCKS:*:1081:" TOXID
			       "," KEY_B "\n"));
	assert_clean(f, args(f, "client -D [::1]:1082 -D 1083 --to " TOXID));
	assert_clean(f, conf_finish(f->c, &f->d));
	assert_int_equal(f->c->n_forwards, 4);
	const struct conf_forward *v = f->c->forwards;
	for (size_t i = 0; i < 4; i++) {
		assert_true(v[i].socks && v[i].host[0] == '\0' && v[i].port == 0);
		assert_int_equal(v[i].listen_port, 1080 + i);
	}
	assert_true(v[0].listen_loopback && v[1].listen_any && v[2].listen_addr.family == 6);
	assert_int_equal(v[1].n_peers, 2);
	assert_string_equal(v[3].name, "socks:1083");
	done(f);
	f = fresh();
	assert_said(f, ini(f, "[client]\na = socks:1080\n"), "t.ini:2", "an entry for a proxy is");
	done(f);
	f = fresh(); /* its port is a TCP port like any other */
	assert_clean(f, args(f, "client -D 1080 -L 1080:h:1 " TOXID));
	assert_said(f, conf_finish(f->c, &f->d), "-L 1080:h:1", "localhost:1080 is taken");
	done(f);
}

static void standard_input_goes_to_one_target(void **state)
{
	struct fixture *f = fresh();
	(void)state;
	assert_clean(f, ini(f, "[server]\n[client]\na = 80:h:80:" TOXID "\n"));
	assert_clean(f, args(f, "-W ::1:22 client " TOXID));
	assert_clean(f, conf_finish(f->c, &f->d));
	assert_int_equal(f->c->command, CONF_CMD_STDIO);
	assert_string_equal(f->c->stdio.host, "::1");
	assert_int_equal(f->c->stdio.port, 22);
	assert_int_equal(f->c->stdio.n_peers, 1);
	assert_int_equal(f->c->n_forwards, 0); /* as with ssh -W */
	assert_false(f->c->serve);
	assert_int_equal(f->c->log_level, TT_LOG_WARN);
	done(f);
	f = fresh();
	assert_clean(f, args(f, "-W [::1]:22 -v client " TOXID));
	assert_clean(f, conf_finish(f->c, &f->d));
	assert_string_equal(f->c->stdio.host, "::1");
	assert_int_equal(f->c->log_level, TT_LOG_INFO);
	done(f);
	f = fresh();
	assert_clean(f, args(f, "-W h:22 client"));
	assert_said(f, conf_finish(f->c, &f->d), "-W h:22", "to which server?");
	done(f);
	f = fresh();
	assert_clean(f, args(f, "-W h:22 server --to " TOXID));
	assert_said(f, conf_finish(f->c, &f->d), "-W h:22", "goes with the command client");
	done(f);
}

static void mistakes_on_the_command_line_name_their_option(void **state)
{
	(void)state;
	static const struct mistake m[] = {
		{"server --kcp-mod fast", "--kcp-mod", "did you mean --kcp-mode?"},
		{"-kcp-mdoe=fast", "-kcp-mdoe", "did you mean --kcp-mode?"},
		{"server --nonsense", "--nonsense", "toxtun -h"},
		{"server -z", "-z", "no such option"},
		{"server -vz", "-z", "no such option"},
		{"server -k", "-k", "a value is missing"},
		{"server --config -v", "--config", "a value is missing"},
		{"server --no-udp=yes", "--no-udp", "takes no value"},
		{"server -k quick", "-k", "'quick' is no KCP mode; there are auto, default"},
		{"client -R 80", "-R", "-R takes [BIND:]PORT:HOST:HOSTPORT"},
		{"client -R 80:h:0", "-R", "the local port"},
		{"client -R 65536:h:80", "-R", "the remote port"},
		{"client -D 0", "-D", "the local port"},
		{"client -D 1:2:3", "-D", "-D takes [BIND:]PORT"},
		{"client -D name:1080", "-D", "no address to listen on"},
		{"client -W h", "-W", "-W takes HOST:PORT"},
		{"client -W h:x", "-W", "the remote port"},
		{"client -W a:b:1", "-W", "neither a host name nor an address"},
		{"server -v=2", "-v", "takes no value"},
		{"server --secret=hunter2", "--secret", "use --secret-file"},
		{"server --passphrase hunter2", "--passphrase", "use --passphrase-file"},
		{"status now", "", "one word too many after the command status"},
		{"cancel web ftp", "", "one word too many after the command cancel"},
		{"forward 1:h:2 laptop x", "", "one word too many after the command forward"},
		{"sever", "", "did you mean server?"},
		{"frobnicate", "", "there are server, client"},
		{"server " TOXID, "", "one word too many after the command server"},
		{"client " KEY_A " " KEY_B, "", "one word too many"},
		{"client --to " KEY_A " " KEY_B, "", "name different peers"},
		{"ping 1234", "", "is no Tox ID"},
		{"ping " KEY_A "000000000001", "", "checksum is wrong"},
		{"server --allow=", "--allow", "needs a Tox ID"},
		{"server --admin=", "--admin", "admin needs a Tox ID"},
		{"server --drain-timeout soon", "--drain-timeout", "0 to 86400 seconds"},
		{"server --udp-port 0", "--udp-port", "the UDP port must be"},
		{"server --udp-port 5:x", "--udp-port", "the last UDP port"},
		{"server --udp-port 5:4", "--udp-port", "ends before it starts"},
		{"server --udp-port 5:6:7", "--udp-port", "one port or a range"},
		{"server --relay-port 65536", "--relay-port", "from 0 to 65535"},
		{"server --proxy ftp://h:1", "--proxy", "socks5://HOST:PORT"},
		{"server --proxy socks5://u:p@h:1", "--proxy", "without user and password"},
		{"server --proxy http://h:0", "--proxy", "the proxy's port"},
		{"server --stats h:80", "--stats", "ADDR being numeric"},
		{"server --stats 1:2:3", "--stats", "[ADDR:]PORT or off"},
		{"server --stats 0", "--stats", "the stats port"},
		{"server --connect-timeout 0", "--connect-timeout", "1 to 86400"},
		{"server --connect-timeout 15s", "--connect-timeout", "1 to 86400"},
		{"server --idle-timeout 86401", "--idle-timeout", "0 for never"},
		{"server --resume-timeout 99999999999", "--resume-timeout", "1 to 86400"},
		{"server --max-connections 0", "--max-connections", "1 to 65536"},
		{"server --max-connections 65537", "--max-connections", "1 to 65536"},
		{"server --log-format xml", "--log-format", "text or json"},
		{"ping -n 0 " KEY_A, "-n", "from 1 to"},
		{"bench --seconds 0 " KEY_A, "--seconds", "from 1 to 60"},
		{"bench --seconds 61 " KEY_A, "--seconds", "from 1 to 60"},
		{"bench " KEY_A " " KEY_B, "", "one word too many"},
		{"server -b x", "-b", "HOST:PORT:PUBKEY"},
		{"client -L 80", "-L", "-L takes [BIND:]PORT:HOST:HOSTPORT"},
		{"client -L a:b:c:d:e", "-L", "IPv6 address in brackets"},
		{"client -L /tmp/x", "-L", "path of a unix socket on either side"},
		{"client -L /tmp/x:/tmp/y:h:80", "-L", "path of a unix socket on either side"},
		{"client -L 0:h:80", "-L", "the local port"},
		{"client -L 80:h:0", "-L", "the remote port"},
		{"client -L name:80:h:80", "-L", "no address to listen on"},
	};
	args_mistakes(ALL(m));
}

static void secrets_never_get_into_a_diagnostic(void **state)
{
	(void)state;
	static const char *const lines[] = {"server --secret=hunter2", "server -secret=hunter2",
		"server --secret hunter2", "--password hunter2 server", "client -S hunter2",
		"server --secrets=hunter2", "server --proxy=socks5://me:hunter2@h:1",
		"server --no-udp=hunter2"};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct fixture *f = fresh();
		assert_int_equal(args(f, lines[i]), TT_EINVAL);
		assert_null(strstr(f->said, "hunter2"));
		done(f);
	}
	struct fixture *f = fresh();
	assert_int_equal(ini(f, "[options]\nsecret = hunter2\n[peer x]\nid = " KEY_A
				"\nsecret = hunter2\nhunter2\n"),
		TT_EINVAL);
	assert_int_equal(f->d.errors, 3);
	assert_null(strstr(f->said, "hunter2"));
	done(f);
}

static void config_option_is_found_before_the_rest_is_judged(void **state)
{
	(void)state;
	static const struct {
		const char *argv[8];
		const char *want;
	} cases[] = {{{"t", "-c", "a.ini"}, "a.ini"}, {{"t", "server", "--config=b.ini"}, "b.ini"},
		{{"t", "-config", "a", "--bad", "-vca.ini"}, "a.ini"},
		{{"t", "--", "-c", "a.ini"}, NULL}, {{"t", "-k", "-c", "a.ini"}, "a.ini"},
		{{"t", "--to", "c", "client"}, NULL}, {{"t", "-c"}, NULL}, {{"t"}, NULL}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int argc = 0;
		while (cases[i].argv[argc])
			argc++;
		const char *got = conf_find_config_option(argc, (char *const *)cases[i].argv);
		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
		else
			assert_null(got);
	}
}

/* ---- the whole ---- */

static void what_does_not_go_together_is_said_at_the_end(void **state)
{
	(void)state;
	static const struct {
		const char *file, *line, *origin, *words;
	} m[] = {
		{"", "", "", "say what to do: server, client"},
		{"", "client", "", "nothing to forward: give -L"},
		{"[client]\n", "client " TOXID, "", "nothing to forward"},
		{"", "ping", "", "ping whom?"},
		{"", "bench", "", "to whom?"},
		{"", "client -L 1:h:2", "-L 1:h:2", "to which server?"},
		{"", "client " TOXID " -L 1:h:2/udp -L 1:i:3/udp", "-L 1:i:3/udp",
			"localhost:1/udp is taken"},
		{"[client]\nd = udp:1:h:2:" KEY_A "\ne = udp:*:1:i:3:" KEY_A "\n", "check",
			"t.ini:3", "*:1/udp is taken"},
		{"", "server --no-udp --no-relay", "", "no way to reach"},
		{"", "server --set-passphrase", "", "with toxtun id"},
		{"", "id --set-passphrase --remove-passphrase", "", "one of them"},
		{"", "id --new-passphrase-file f", "", "goes with set-passphrase"},
		{"", "server --proxy http://h:1 --no-relay", "", "carries TCP only"},
		{"[client]\na = 1:h:2:" KEY_A "\n", "client " TOXID " -L *:1:h:2", "-L *:1:h:2",
			"*:1 is taken by a (t.ini:2) already"},
		{"[client]\na = 1:h:2:" KEY_A "\nb = 1:i:3:" KEY_A "\n", "client", "t.ini:3",
			"taken by a (t.ini:2)"},
		{"[client]\na = 127.0.0.1:1:h:2:" KEY_A "\nb = 1:i:3:" KEY_A "\n", "client",
			"t.ini:3", "taken by a"},
		{"[client]\na = 10.0.0.1:1:h:2:" KEY_A "\nb = *:1:i:3:" KEY_A "\n", "client",
			"t.ini:3", "taken by a"},
		{"[client]\na = 0.0.0.0:1:h:2:" KEY_A "\nb = 10.0.0.1:1:i:3:" KEY_A "\n", "client",
			"t.ini:3", "taken by a"},
		{"[client]\na = [::1]:1:h:2:" KEY_A "\nb = [0::1]:1:i:3:" KEY_A "\n", "client",
			"t.ini:3", "taken by a"},
	};
	for (size_t i = 0; i < sizeof(m) / sizeof(m[0]); i++) {
		struct fixture *f = fresh();
		assert_clean(f, ini(f, m[i].file));
		assert_clean(f, args(f, m[i].line));
		assert_said(f, conf_finish(f->c, &f->d), m[i].origin, m[i].words);
		done(f);
	}
}

static void one_mistake_is_not_reported_twice(void **state)
{
	(void)state;
	static const char *const lines[] = {"sever", "client " KEY_A " -L 80", "ping 1234",
		"client -L 1:h:2 --to 1234", "client 1234 -L 1:h:2 -L 2:h:2"};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct fixture *f = fresh();
		assert_int_equal(args(f, lines[i]), TT_EINVAL);
		conf_finish(f->c, &f->d);
		assert_int_equal(f->d.errors, 1);
		done(f);
	}
}

static void different_sockets_do_not_collide(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	assert_clean(f, ini(f, "[client]\na = 10.0.0.1:1:h:2:" KEY_A "\n"
			       "b = 10.0.0.2:1:h:2:" KEY_A "\nc = [fd00::1]:1:h:2:" KEY_A "\n"
			       "d = 1:h:2:" KEY_A "\ne = 2:h:2:" KEY_A "\n"));
	assert_clean(f, conf_finish(f->c, &f->d));
	assert_int_equal(f->c->n_forwards, 5);
	done(f);
}

static void help_names_every_option_in_even_columns(void **state)
{
	(void)state;
	static const char *const names[] = {"config", "data-dir", "kcp-mode", "bootstrap", "nodes",
		"no-default-nodes", "no-udp", "no-relay", "udp-port", "relay-port", "proxy",
		"no-lan", "to", "allow", "secret-file", "stats", "connect-timeout", "idle-timeout",
		"resume-timeout", "udp-timeout", "max-connections", "exit-on-failure", "verbose",
		"quiet", "log-format", "version", "help", "id-file", "qr", "count", "no-bench",
		"seconds", "json", "passphrase-file", "drain-timeout", "set-passphrase",
		"remove-passphrase", "new-passphrase-file", "dynamic-forward", "stdio-forward",
		"socks-login-file", "admin"};
	const char *usage = conf_usage();
	char text[40];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), "--%s ", names[i]);
		const char *at = strstr(usage, text);
		if (!at)
			fail_msg("-h says nothing of %s", text);
	}
	for (const char *line = usage; *line; line = strchr(line, '\n') + 1) {
		assert_in_range(strcspn(line, "\n"), 0, 90);
		if (strncmp(line, "  -", 3) == 0 || strncmp(line, "      --", 8) == 0) {
			const char *help = line + 30;
			if (strcspn(line, "\n") < 30 || line[29] != ' ') /* it is below */
				help = strchr(line, '\n') + 31;
			assert_true(help[-1] == ' ' && help[0] != ' ');
		}
	}
}

/* ---- nodes ---- */

static int json(struct fixture *f, const char *text)
{
	return conf_parse_nodes_json(f->c, text, strlen(text), "n.json", &f->d);
}

static void node_list_gives_one_node_for_each_address(void **state)
{
	(void)state;
	struct fixture *f = fresh();
	int rc = json(f,
		"{\"last_scan\": 1, \"nodes\": [\n"
		"{\"ipv4\": \"192.0.2.1\", \"ipv6\": \"-\", \"port\": 33445,"
		" \"tcp_ports\": [443, 3389, 33445, 1, 2], \"public_key\": \"" KEY_A "\"},\n"
		"{\"ipv4\": \"tox.example.org\", \"ipv6\": \"2001:db8::1\", \"port\": 1,"
		" \"tcp_ports\": [], \"public_key\": \"" KEY_B "\", \"motd\": \"hi\"},\n"
		"{\"ipv4\": \"NONE\", \"ipv6\": \"\", \"port\": 1,"
		" \"tcp_ports\": [], \"public_key\": \"" KEY_B "\"}]}");
	assert_clean(f, rc);
	assert_int_equal(f->c->n_nodes, 3);
	assert_string_equal(f->c->nodes[0].host, "192.0.2.1");
	assert_int_equal(f->c->nodes[0].port, 33445);
	assert_int_equal(f->c->nodes[0].tcp_ports[0], 443);
	assert_int_equal(f->c->nodes[0].tcp_ports[3], 1);
	assert_string_equal(f->c->nodes[1].host, "tox.example.org");
	assert_string_equal(f->c->nodes[2].host, "2001:db8::1");
	assert_int_equal(f->c->nodes[2].tcp_ports[0], 0);
	assert_int_equal(f->c->nodes[2].key[0], 0x6b);
	done(f);
}

static void mistakes_in_node_lists_are_said(void **state)
{
	(void)state;
#define NODE(addr, port, tcp, key)                                                                 \
	"{\"nodes\":[{\"ipv4\":" addr ",\"port\":" port ",\"tcp_ports\":" tcp                      \
	",\"public_key\":" key "}]}"
	static const struct mistake m[] = {
		{"", "n.json:1", "no valid JSON"},
		{"{\n\"nodes\": [\n{]}", "n.json:3", "no valid JSON"},
		{"{\n\n\"nodes\": [", "n.json:3", "no valid JSON"},
		{"[]", "n.json", "\"nodes\" is missing"},
		{"{\"nodes\": 5}", "n.json", "\"nodes\" is missing"},
		{"{\"nodes\": []}", "n.json", "is empty"},
		{"{\"nodes\": [5]}", "n.json", "node 1: \"public_key\" is missing"},
		{NODE("\"1.2.3.4\"", "1", "[]", "\"00\""), "n.json", "64 hex digits"},
		{NODE("\"1.2.3.4\"", "0", "[]", "\"" KEY_A "\""), "n.json", "node 1: \"port\""},
		{NODE("\"1.2.3.4\"", "1.5", "[]", "\"" KEY_A "\""), "n.json", "node 1: \"port\""},
		{NODE("\"1.2.3.4\"", "1", "[65536]", "\"" KEY_A "\""), "n.json", "\"tcp_ports\""},
		{NODE("\"1.2.3\"", "1", "[]", "\"" KEY_A "\""), "n.json", "neither a host name"},
	};
	for (size_t i = 0; i < sizeof(m) / sizeof(m[0]); i++) {
		struct fixture *f = fresh();
		assert_said(f, json(f, m[i].text), m[i].origin, m[i].words);
		done(f);
	}
}

static void builtin_nodes_are_usable(void **state)
{
	(void)state;
	size_t n = 0, v6 = 0;
	const struct conf_node *v = conf_builtin_nodes(&n);
	assert_true(n >= 10);
	for (size_t i = 0; i < n; i++) {
		struct tt_addr a;
		assert_int_equal(tt_addr_parse(v[i].host, &a), TT_OK);
		assert_true(v[i].port > 0);
		v6 += a.family == 6;
	}
	assert_true(v6 > 0 && v6 < n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_established_forms_of_an_entry_are_taken),
		cmocka_unit_test(server_section_is_read),
		cmocka_unit_test(empty_server_section_serves_this_host_to_everybody),
		cmocka_unit_test(entries_may_name_a_peer_section_below),
		cmocka_unit_test(every_option_has_its_place_in_the_file),
		cmocka_unit_test(lines_may_be_of_any_length),
		cmocka_unit_test(mistakes_of_form_have_their_line),
		cmocka_unit_test(mistakes_of_server_and_peers_have_their_line),
		cmocka_unit_test(mistakes_of_entries_have_their_line),
		cmocka_unit_test(all_mistakes_are_reported_in_one_run),
		cmocka_unit_test(options_take_one_dash_or_two_and_stand_anywhere),
		cmocka_unit_test(local_forwards_are_taken_as_in_ssh),
		cmocka_unit_test(options_override_the_file_and_add_to_its_lists),
		cmocka_unit_test(tcp_and_udp_forwards_may_have_the_same_port),
		cmocka_unit_test(names_of_peers_stand_for_their_ids_on_the_command_line),
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(commands_take_their_own_words),
		cmocka_unit_test(proxies_have_no_target),
		cmocka_unit_test(standard_input_goes_to_one_target),
		cmocka_unit_test(mistakes_on_the_command_line_name_their_option),
		cmocka_unit_test(secrets_never_get_into_a_diagnostic),
		cmocka_unit_test(config_option_is_found_before_the_rest_is_judged),
		cmocka_unit_test(what_does_not_go_together_is_said_at_the_end),
		cmocka_unit_test(one_mistake_is_not_reported_twice),
		cmocka_unit_test(different_sockets_do_not_collide),
		cmocka_unit_test(help_names_every_option_in_even_columns),
		cmocka_unit_test(node_list_gives_one_node_for_each_address),
		cmocka_unit_test(mistakes_in_node_lists_are_said),
		cmocka_unit_test(builtin_nodes_are_usable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
