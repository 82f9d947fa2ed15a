/* The options: one table for the command line, [options] of the ini file and the text of -h. */
#include "conf_int.h"

#include <stddef.h>
#include <string.h>

#include "tt_err.h"
#include "tt_mem.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- setters; flags come with "yes" from the command line ---- */

static void *field(struct conf_ctx *x, const struct conf_option *o)
{
	return (uint8_t *)x->c + o->offset;
}

static void set_path(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	char **path = field(x, o);
	if (value[0] == '\0') {
		conf_fail(x, "%s needs the name of a file or directory", o->name);
		return;
	}
	char *copy = conf_strndup(x, value, strlen(value));
	if (!copy)
		return;
	tt_free(NULL, *path);
	*path = copy;
}

static bool parse_bool(
	struct conf_ctx *x, const struct conf_option *o, const char *value, bool *out)
{
	static const char *const words[2][4] = {
		{"no", "false", "off", "0"}, {"yes", "true", "on", "1"}};
	for (size_t i = 0; i < 8; i++) {
		if (strcmp(value, words[i / 4][i % 4]) == 0) {
			*out = i >= 4;
			return true;
		}
	}
	conf_fail(x, "%s is yes or no", o->name);
	return false;
}

static void set_on(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	parse_bool(x, o, value, field(x, o));
}

/** For the options that are named no-...: yes makes the field false. */
static void set_off(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	bool *flag = field(x, o), given;
	if (parse_bool(x, o, value, &given))
		*flag = !given;
}

static void set_seconds(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	if (!conf_number(value, 1, 86400, field(x, o)))
		conf_fail(x, "%s takes 1 to 86400 seconds, as a plain number", o->name);
}

static void set_seconds_or_none(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	if (!conf_number(value, 0, 86400, field(x, o)))
		conf_fail(x, "%s takes 0 to 86400 seconds, as a plain number", o->name);
}

static void set_seconds_or_never(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	if (!conf_number(value, 0, 86400, field(x, o)))
		conf_fail(x, "%s takes 1 to 86400 seconds, as a plain number, or 0 for never",
			o->name);
}

static void set_forward(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	bool reverse = o->letter == 'R';

	conf_forward_option(x, value, reverse);
	if (x->c->spec) /* of the commands forward and cancel, which take one */
		return;
	x->c->spec = conf_strndup(x, value, strlen(value));
	x->c->spec_reverse = reverse;
}

static void set_dynamic(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	(void)o;
	conf_forward_dynamic(x, value);
}

static void set_stdio(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	(void)o;
	conf_forward_stdio(x, value);
}

static void set_to(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	(void)o;
	conf_servers(x, value);
}

static void set_allow(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	(void)o;
	if (value[0] == '\0')
		conf_fail(x, "allow needs a Tox ID or public key");
	else
		conf_allow(x, value);
}

static void set_admin(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	(void)o;
	if (value[0] == '\0')
		conf_fail(x, "admin needs a Tox ID or public key");
	else
		conf_admin(x, value);
}

static void set_bootstrap(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	(void)o;
	char *copy = conf_strndup(x, value, strlen(value)), *rest = copy, *item;
	size_t items = 0;
	for (; copy && (item = conf_item(&rest)); items++)
		conf_node_add(x, item);
	if (copy && items == 0)
		conf_fail(x, "bootstrap needs HOST:PORT:PUBKEY");
	tt_free(NULL, copy);
}

static void set_mode(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	char q[CONF_QUOTE_MAX];
	(void)o;
	if (tt_mode_parse(value, &x->c->mode) != TT_OK)
		conf_fail(x, "'%s' is no KCP mode; there are " TT_MODE_NAMES, conf_quote(q, value));
}

static void set_udp_port(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	char *copy = conf_strndup(x, value, strlen(value)), *v[2];
	uint16_t first, last;
	(void)o;
	if (!copy)
		return;
	size_t n = conf_split(copy, v, 2);
	if (n > 2)
		conf_fail(x, "udp-port takes one port or a range FIRST:LAST");
	else if (!conf_port(x, v[0], 1, "the UDP port", &first) ||
		 !conf_port(x, v[n - 1], 1, "the last UDP port", &last))
		goto out;
	else if (last < first)
		conf_fail(x, "the range of UDP ports ends before it starts");
	else
		x->c->udp_port_first = first, x->c->udp_port_last = last;
out:
	tt_free(NULL, copy);
}

static void set_relay_port(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	(void)o;
	if (conf_port(x, value, 0, "the relay port", &x->c->relay_port))
		x->c->has_relay_port = true;
}

static void set_proxy(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	struct conf *c = x->c;
	char host[TT_HOST_MAX + 1], *v[2];
	bool socks = strncmp(value, "socks5://", 9) == 0, http = strncmp(value, "http://", 7) == 0;
	uint16_t port;
	(void)o;
	char *copy = conf_strndup(x, value, strlen(value));
	if (!copy)
		return;
	char *rest = copy + (socks ? 9 : http ? 7 : 0);
	size_t n = strlen(rest);
	if (n > 0 && rest[n - 1] == '/')
		rest[n - 1] = '\0';
	if ((!socks && !http) || conf_split(rest, v, 2) != 2) {
		/* The value is not repeated: people write user:password@ into it. */
		conf_fail(x, "proxy takes socks5://HOST:PORT or http://HOST:PORT, without user "
			     "and password, which Tox cannot send");
	} else if (conf_host(x, v[0], host) && conf_port(x, v[1], 1, "the proxy's port", &port)) {
		/* whole, so that two configurations compare byte by byte */
		strncpy(c->proxy_host, host, sizeof(c->proxy_host));
		c->proxy_port = port;
		c->proxy_type = socks ? CONF_PROXY_SOCKS5 : CONF_PROXY_HTTP;
	}
	tt_free(NULL, copy);
}

static void set_stats(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	struct conf *c = x->c;
	struct tt_addr addr = c->stats_addr;
	char *v[2], q[CONF_QUOTE_MAX];
	uint16_t port;
	(void)o;
	c->stats_on = strcmp(value, "off") != 0;
	char *copy = c->stats_on ? conf_strndup(x, value, strlen(value)) : NULL;
	if (!copy)
		return;
	size_t n = conf_split(copy, v, 2);
	if (n > 2 || (n == 2 && ((strchr(v[0], ':') && v[0][0] != '[') ||
					tt_addr_parse(v[0], &addr) != TT_OK))) {
		conf_fail(x,
			"stats takes [ADDR:]PORT or off, ADDR being numeric (IPv6 in brackets), "
			"not '%s'",
			conf_quote(q, value));
	} else if (conf_port(x, v[n - 1], 1, "the stats port", &port)) {
		c->stats_addr = addr;
		c->stats_port = port;
		c->stats_fixed = true;
	}
	tt_free(NULL, copy);
}

static void set_count(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	if (!conf_number(value, 1, 1000000, field(x, o)))
		conf_fail(x, "count takes a number from 1 to 1000000");
}

static void set_max_connections(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	if (!conf_number(value, 1, CONF_CONNECTIONS_MAX, field(x, o)))
		conf_fail(x, "max-connections takes a number from 1 to %d", CONF_CONNECTIONS_MAX);
}

static void set_bench_seconds(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	if (!conf_number(value, 1, CONF_BENCH_SECONDS_MAX, field(x, o)))
		conf_fail(x, "seconds takes a number from 1 to %d", CONF_BENCH_SECONDS_MAX);
}

/** -v once more; in a file yes, or how many times. */
static void set_verbose(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	struct conf *c = x->c;
	uint32_t more = 0;
	bool on = false;
	if (!conf_number(value, 0, 2, &more) && parse_bool(x, o, value, &on))
		more = on;
	if (c->log_level < TT_LOG_INFO && more > 0)
		c->log_level = TT_LOG_INFO; /* after a quiet in the file */
	for (; more > 0 && c->log_level < TT_LOG_TRACE; more--)
		c->log_level++;
}

static void set_quiet(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	bool on = false;
	if (parse_bool(x, o, value, &on) && on)
		x->c->log_level = TT_LOG_ERROR;
}

static void set_strategy(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	(void)o;
	if (strcmp(value, "failover") != 0 && strcmp(value, "spread") != 0)
		conf_fail(x, "strategy is failover (the first server that is there) or spread "
			     "(each in turn)");
	x->c->strategy = strcmp(value, "spread") == 0 ? CONF_SPREAD : CONF_FAILOVER;
}

static void set_log_format(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	(void)o;
	if (strcmp(value, "json") != 0 && strcmp(value, "text") != 0)
		conf_fail(x, "log-format is text or json");
	x->c->log_json = strcmp(value, "json") == 0;
}

/** -h and -V do a command's work. */
static void set_command(struct conf_ctx *x, const struct conf_option *o, const char *value)
{
	(void)value;
	x->c->command = o->letter == 'h' ? CONF_CMD_HELP : CONF_CMD_VERSION;
}

/* ---- the table ---- */

/*
 * SHORT(letter, name, argument, flags, setter, field, help) and LONG, which has no letter. The help
 * starts with the blanks that bring it into its column.
 */
/* clang-format off */
#define OPTIONS(GROUP, SHORT, LONG) \
	GROUP("Files") \
	SHORT("c", "config", " FILE", CONF_OPT_ARGS, set_path, config_file, "           ini file") \
	SHORT("d", "data-dir", " DIR", 0, set_path, data_dir, "          identity and state (default: $STATE_DIRECTORY, else\n                              $XDG_STATE_HOME/toxtun, else ~/.local/state/toxtun)") \
	LONG("id-file", " FILE", 0, set_path, id_file, "          also write the bare Tox ID into FILE") \
	LONG("secret-file", " FILE", 0, set_path, secret_file, "      secret shared with the peer; also in the variable\n                              TOXTUN_SECRET, never on the command line") \
	LONG("passphrase-file", " FILE", 0, set_path, passphrase_file, "  passphrase of the identity; else the systemd credential\n                              `passphrase`, else it is asked for when needed") \
	LONG("set-passphrase", "", CONF_OPT_FLAG | CONF_OPT_ARGS, set_on, set_passphrase, "        (id) encrypt the identity, or change its passphrase") \
	LONG("remove-passphrase", "", CONF_OPT_FLAG | CONF_OPT_ARGS, set_on, remove_passphrase, "     (id) keep the identity in plain text again") \
	LONG("new-passphrase-file", " FILE", CONF_OPT_ARGS, set_path, new_passphrase_file, "\n                              (id) the one to set, in place of asking for it twice") \
	GROUP("Tunnels") \
	SHORT("L", "local-forward", " SPEC", CONF_OPT_ARGS | CONF_OPT_REPEAT, set_forward, command, "    [BIND:]PORT:HOST:HOSTPORT as in ssh, with /udp behind\n                              it for UDP; repeatable") \
	SHORT("R", "remote-forward", " SPEC", CONF_OPT_ARGS | CONF_OPT_REPEAT, set_forward, command, "   the other way: the server listens, we connect") \
	SHORT("D", "dynamic-forward", " SPEC", CONF_OPT_ARGS | CONF_OPT_REPEAT, set_dynamic, command, "  [BIND:]PORT of a SOCKS5 (TCP and UDP) and HTTP CONNECT\n                              proxy that leads out at the server; repeatable") \
	LONG("socks-login-file", " FILE", 0, set_path, socks_login_file, " the USER:PASSWORD that -D asks for") \
	SHORT("W", "stdio-forward", " HOST:PORT", CONF_OPT_ARGS, set_stdio, stdio, "\n                              standard input and output to this target, as ssh's\n                              ProxyCommand wants it: -W %h:%p client TOXID") \
	LONG("to", " TOXID", CONF_OPT_ARGS, set_to, target, "              server of the forwards (or the TOXID of client)") \
	LONG("strategy", " failover|spread", 0, set_strategy, strategy, "\n                              of several servers: the first that is there, or each\n                              in turn") \
	LONG("allow", " TOXID|PUBKEY", CONF_OPT_REPEAT, set_allow, allow, "    (server) only these peers; repeatable") \
	LONG("admin", " TOXID|PUBKEY", CONF_OPT_REPEAT, set_admin, admins, "    may ask for the state by chat, from any Tox client, and\n                              gets no tunnels for that; repeatable") \
	LONG("no-bench", "", CONF_OPT_FLAG, set_off, bench, "              (server) do not let peers measure the path to it") \
	SHORT("k", "kcp-mode", " MODE", 0, set_mode, mode, "         auto (default), default, normal, fast, fast2, fast3") \
	LONG("connect-timeout", " S", 0, set_seconds, connect_timeout_s, "     seconds to wait for a connection to open (15)") \
	LONG("idle-timeout", " S", 0, set_seconds_or_never, idle_timeout_s, "        close connections that are idle for so long (0: never)") \
	LONG("udp-timeout", " S", 0, set_seconds, udp_timeout_s, "         forget UDP flows that are idle for so long (180)") \
	LONG("resume-timeout", " S", 0, set_seconds, resume_timeout_s, "      keep connections while the peer is away (600)") \
	LONG("drain-timeout", " S", 0, set_seconds_or_none, drain_timeout_s, "       let connections end for so long at SIGTERM (5)") \
	LONG("max-connections", " N", 0, set_max_connections, max_connections, "     connections with one peer at once (16384)") \
	LONG("exit-on-failure", "", CONF_OPT_FLAG, set_on, exit_on_failure, "       end when a forward cannot listen") \
	GROUP("Tox network") \
	SHORT("b", "bootstrap", " HOST:PORT:PUBKEY", CONF_OPT_REPEAT, set_bootstrap, nodes, "\n                              bootstrap node and TCP relay; repeatable") \
	LONG("nodes", " FILE", 0, set_path, nodes_file, "            nodes in the format of nodes.tox.chat/json") \
	LONG("no-default-nodes", "", CONF_OPT_FLAG, set_off, default_nodes, "      do not use the built-in list of public nodes") \
	LONG("no-udp", "", CONF_OPT_FLAG, set_off, udp, "                TCP relays only") \
	LONG("no-relay", "", CONF_OPT_FLAG, set_off, relay, "              direct UDP only") \
	LONG("no-lan", "", CONF_OPT_FLAG, set_off, lan, "                do not look for peers in the local network") \
	LONG("no-fast-start", "", CONF_OPT_FLAG, set_off, fast_start, "         do not hurry Tox's timers while looking for peers") \
	LONG("udp-port", " P[:Q]", 0, set_udp_port, udp_port_first, "        UDP port, or the first free one of a range") \
	LONG("relay-port", " P", 0, set_relay_port, relay_port, "          be a TCP relay on this port (0: no)") \
	LONG("proxy", " URL", 0, set_proxy, proxy_type, "             socks5://HOST:PORT or http://HOST:PORT; no UDP then") \
	GROUP("Output") \
	LONG("stats", " [ADDR:]PORT|off", 0, set_stats, stats_port, " stats service (127.0.0.1:9981, or one of the next 99)") \
	LONG("qr", "", CONF_OPT_FLAG | CONF_OPT_ARGS, set_on, qr, "                    (id) also as a QR code") \
	SHORT("n", "count", " N", CONF_OPT_ARGS, set_count, ping_count, "               (ping) how many (4)") \
	LONG("seconds", " S", CONF_OPT_ARGS, set_bench_seconds, bench_seconds, "             (bench) for each transfer (5)") \
	LONG("json", "", CONF_OPT_FLAG | CONF_OPT_ARGS, set_on, json, "                  (ping, netcheck, bench, status) as JSON") \
	SHORT("v", "verbose", "", CONF_OPT_FLAG | CONF_OPT_REPEAT, set_verbose, log_level, "               more in the log; -vv for still more") \
	SHORT("q", "quiet", "", CONF_OPT_FLAG, set_quiet, log_level, "                 only errors in the log") \
	LONG("log-format", " text|json", 0, set_log_format, log_json, "  form of the log lines") \
	LONG("log-file", " FILE", 0, set_path, log_file, "         (server, client, node) log into this file in place of\n                              stderr; reopened on SIGHUP") \
	SHORT("V", "version", "", CONF_OPT_FLAG | CONF_OPT_ARGS, set_command, command, "               print the version") \
	SHORT("h", "help", "", CONF_OPT_FLAG | CONF_OPT_ARGS, set_command, command, "                  print this help")
/* clang-format on */

#define ROW(l, n, fl, f, member)                                                                   \
	{.letter = l, .name = n, .flags = fl, .set = f, .offset = offsetof(struct conf, member)},
#define NO_ROW(title)
#define SHORT_ROW(l, n, arg, fl, f, member, help) ROW(l[0], n, fl, f, member)
#define LONG_ROW(n, arg, fl, f, member, help) ROW(0, n, fl, f, member)

static const struct conf_option options[] = {OPTIONS(NO_ROW, SHORT_ROW, LONG_ROW)};

#define GROUP_HELP(title) "\n" title ":\n"
#define SHORT_HELP(l, n, arg, fl, f, member, help) "  -" l ", --" n arg help "\n"
#define LONG_HELP(n, arg, fl, f, member, help) "      --" n arg help "\n"

static const char usage[] =
	"Reach TCP and UDP services behind any NAT by the Tox ID of the machine that they run on.\n"
	"\n"
	"Usage:\n"
	"  toxtun [options] server           accept peers and connect them to services here\n"
	"  toxtun [options] client [TOXID]   open the forwards of the ini file, -L, -R, -D, -W\n"
	"  toxtun [options] node             be a private bootstrap node and TCP relay\n"
	"  toxtun [options] id [--qr]        print this machine's Tox ID\n"
	"  toxtun [options] ping TOXID       is it there, by which path, how far away\n"
	"  toxtun [options] netcheck         which nodes of the Tox network can be reached\n"
	"  toxtun [options] bench TOXID      how fast is the path, in both directions\n"
	"  toxtun [options] check            say every mistake of the configuration\n"
	"\n"
	"For the process that runs on the same data directory:\n"
	"  toxtun [options] status [--json]  what it does, what is wrong and what to do\n"
	"  toxtun [options] top              the same, live\n"
	"  toxtun [options] reload           read its ini file again\n"
	"  toxtun [options] forward SPEC [TOXID]   open another forward, SPEC as of -L\n"
	"  toxtun [options] cancel SPEC      close a forward, SPEC as of -L or its name\n"
	"  toxtun [options] stop             end it in an orderly way\n"
	"\n"
	"Without a command: what the ini file has sections for. TOXID may be the name of a\n"
	"[peer] section. Long options take one dash or two, and their value after a blank or "
	"'='.\n" OPTIONS(
		GROUP_HELP, SHORT_HELP, LONG_HELP) "\n"
						   "Exit codes: 0 done, 1 failed at run time, 2 "
						   "bad usage or configuration, 3 peer not\n"
						   "reachable in time, 4 refused by the peer. The "
						   "ini file: man toxtun.ini\n";

const char *conf_usage(void)
{
	return usage;
}

const struct conf_option *conf_option_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

const struct conf_option *conf_option_by_letter(char letter)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (letter && options[i].letter == letter)
			return &options[i];
	return NULL;
}

const char *conf_option_near(const char *word, bool in_file)
{
	const char *names[COUNT(options)];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(options); i++)
		if (!in_file || !(options[i].flags & CONF_OPT_ARGS))
			names[n++] = options[i].name;
	return conf_near(word, names, n);
}
