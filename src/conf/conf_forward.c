/* Reading forwards: entries of [client] and [reverse], -L and -R. */
#include "conf_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tt_err.h"
#include "tt_mem.h"

#define ENTRY_FORM "[tcp:|udp:][LOCALIP:]LOCALPORT:HOST:PORT:TOXID[,TOXID...]"
#define SOCKS_ENTRY_FORM "socks:[LOCALIP:]LOCALPORT:TOXID[,TOXID...]"
#define REVERSE_FORM "[REMOTEIP:]REMOTEPORT:HOST:PORT:TOXID[,TOXID...]"
#define OPTION_FORM "[BIND:]PORT:HOST:HOSTPORT[/udp]"

/** A forward, or one for each port of a range: those of f are the first. */
struct reading {
	struct conf_forward f;
	uint16_t listen_last, target_last;
};

/** FIRST or FIRST-LAST. */
static bool parse_ports(struct conf_ctx *x, char *text, uint16_t min, const char *what,
	uint16_t *first, uint16_t *last)
{
	char *dash = strchr(text, '-');

	if (dash)
		*dash = '\0';
	if (!conf_port(x, text, dash ? 1 : min, what, first) ||
		(dash && !conf_port(x, dash + 1, 1, what, last)))
		return false;
	if (!dash)
		*last = *first;
	if (*last >= *first)
		return true;
	conf_fail(x, "%s: the range %u-%u ends before it starts", what, *first, *last);
	return false;
}

/** A unix socket's, which starts with a slash. */
static bool parse_path(struct conf_ctx *x, const char *text, char *dst, size_t cap)
{
	if (strlen(text) > TT_PATH_MAX) {
		conf_fail(x,
			"the path of a unix socket has at most %d characters, and this one %zu: "
			"take a shorter one",
			TT_PATH_MAX, strlen(text));
		return false;
	}
	snprintf(dst, cap, "%s", text);
	return true;
}

/** addr NULL: none was given. */
static bool parse_listen(struct conf_ctx *x, struct reading *r, const char *addr, char *port)
{
	struct conf_forward *f = &r->f;
	char q[CONF_QUOTE_MAX];

	if (!addr && port[0] == '/')
		return parse_path(x, port, f->listen_path, sizeof(f->listen_path));
	if (addr && strcmp(addr, "*") == 0) {
		f->listen_any = true;
	} else if (!addr || addr[0] == '\0' || strcasecmp(addr, "localhost") == 0) {
		f->listen_loopback = true;
	} else if ((strchr(addr, ':') && addr[0] != '[') ||
		   tt_addr_parse(addr, &f->listen_addr) != TT_OK) {
		conf_fail(x,
			"'%s' is no address to listen on: give a numeric address (IPv6 in "
			"brackets), * for all, or leave it out for %s only",
			conf_quote(q, addr), f->reverse ? "the server itself" : "this host");
		return false;
	}
	return parse_ports(x, port, f->reverse ? 0 : 1,
		f->reverse ? "the remote port" : "the local port", &f->listen_port,
		&r->listen_last);
}

/** host NULL: where is the path of a unix socket, else a port. */
static bool parse_target(struct conf_ctx *x, struct reading *r, const char *host, char *where)
{
	struct conf_forward *f = &r->f;

	if (!host) {
		f->target_path = true;
		return parse_path(x, where, f->host, sizeof(f->host));
	}
	return conf_host(x, host, f->host) &&
	       parse_ports(x, where, 1, f->reverse ? "the local port" : "the remote port", &f->port,
		       &r->target_last);
}

static bool parse_peers(struct conf_ctx *x, struct conf_forward *f, char *list)
{
	if (!conf_peer_list(x, list, f->peers, &f->n_peers))
		return false;
	if (f->n_peers == 0)
		conf_fail(x, "the Tox ID of the server is missing; an entry is %s",
			f->reverse ? REVERSE_FORM : ENTRY_FORM);
	return f->n_peers > 0;
}

/** Adds it, or each one of a range. */
static void add(struct conf_ctx *x, const struct reading *r)
{
	struct conf *c = x->c;
	unsigned listens = r->f.listen_path[0] ? 1 : r->listen_last - r->f.listen_port + 1u;
	unsigned targets = r->f.target_path ? 1
			   : r->f.socks     ? listens
					    : r->target_last - r->f.port + 1u;

	if (listens != targets) {
		conf_fail(x,
			"the two ranges must be equally long: there are %u ports to listen on and "
			"%u of the target",
			listens, targets);
		return;
	}
	if (listens > CONF_RANGE_MAX) {
		conf_fail(x, "a range has at most %d ports, and this one %u", CONF_RANGE_MAX,
			listens);
		return;
	}
	for (unsigned i = 0; i < listens; i++) {
		struct conf_forward *slot =
			conf_push(x, &c->forwards, &c->n_forwards, sizeof(*slot));
		if (!slot)
			return;
		*slot = r->f;
		if (!r->f.listen_path[0])
			slot->listen_port = (uint16_t)(r->f.listen_port + i);
		if (!r->f.target_path && !r->f.socks)
			slot->port = (uint16_t)(r->f.port + i);
	}
}

/** Takes [BIND:]PORT or a path, and then HOST:HOSTPORT or a path; false says so in *form. */
static bool parse_places(struct conf_ctx *x, struct reading *r, char **v, size_t n, bool *form)
{
	size_t target = n > 0 && v[n - 1][0] == '/' ? 1 : 2;

	*form = n == target + 1 || (n == target + 2 && v[0][0] != '/');
	if (!*form)
		return false;
	size_t listen = n - target;
	bool ok = parse_listen(x, r, listen == 2 ? v[0] : NULL, v[listen - 1]);
	return parse_target(x, r, target == 2 ? v[n - 2] : NULL, v[n - 1]) && ok;
}

static bool is_port(const char *text)
{
	uint16_t port;
	return tt_port_parse(text, 0, &port) == TT_OK;
}

/** The fields of an entry, its protocol taken off. */
static void parse_entry(struct conf_ctx *x, struct reading *r, char **v, size_t n)
{
	const char *form_text = r->f.reverse ? REVERSE_FORM : ENTRY_FORM;
	bool form;

	if (n >= 2 && n <= 4 && (is_port(v[n - 1]) || v[n - 1][0] == '/')) {
		conf_fail(x, "the Tox ID of the server is missing at the end; an entry is %s",
			form_text);
		return;
	}
	bool ok = n > 0 && parse_places(x, r, v, n - 1, &form);
	if (n == 0 || !form) {
		conf_fail(x, "%s; an entry is %s",
			n > 5 ? "too many colons (an IPv6 address goes in brackets: [::1])"
			      : "parts are missing",
			form_text);
		return;
	}
	ok = parse_peers(x, &r->f, v[n - 1]) && ok;
	if (ok)
		add(x, r);
}

/** The same of an entry that is a proxy. */
static void parse_socks_entry(struct conf_ctx *x, struct reading *r, char **v, size_t n)
{
	r->f.socks = true;
	if (r->f.reverse || (n != 2 && n != 3)) {
		conf_fail(x, "an entry for a proxy is " SOCKS_ENTRY_FORM ", under [client]");
		return;
	}
	char *addr = n == 3 ? *v++ : NULL;
	bool ok = parse_listen(x, r, addr, v[0]);
	if (parse_peers(x, &r->f, v[1]) && ok)
		add(x, r);
}

void conf_forward_entry(struct conf_ctx *x, const char *name, const char *value, bool reverse)
{
	struct reading r = {.f = {.proto = CONF_TCP, .reverse = reverse}};
	char *v[6], **first = v;

	if (!conf_name_ok(name)) {
		conf_fail(x, "the name of an entry has " CONF_NAME_RULE);
		return;
	}
	char *copy = conf_strndup(x, value, strlen(value));
	if (!copy)
		return;
	snprintf(r.f.name, sizeof(r.f.name), "%s", name);
	snprintf(r.f.origin, sizeof(r.f.origin), "%s", x->origin);
	size_t n = conf_split(copy, v, 6);
	if (strcasecmp(v[0], "tcp") == 0 || strcasecmp(v[0], "udp") == 0) {
		r.f.proto = strcasecmp(v[0], "udp") == 0 ? CONF_UDP : CONF_TCP;
		first++;
		n--;
	}
	if (strcasecmp(v[0], "socks") == 0)
		parse_socks_entry(x, &r, v + 1, n - 1);
	else
		parse_entry(x, &r, first, n);
	tt_free(NULL, copy);
}

/** Cuts "/udp" or "/tcp" off a port at the end. */
static enum conf_proto take_suffix(char *text)
{
	size_t n = strlen(text);
	const char *colon = strrchr(text, ':');

	if (n < 4 || (colon && colon[1] == '/') ||
		(strcasecmp(text + n - 4, "/udp") != 0 && strcasecmp(text + n - 4, "/tcp") != 0))
		return CONF_TCP;
	enum conf_proto proto = strcasecmp(text + n - 3, "udp") == 0 ? CONF_UDP : CONF_TCP;
	text[n - 4] = '\0';
	return proto;
}

/** What every option starts with: a forward that is called as it was written. `q` is that text. */
static struct conf_forward named(char letter, const char *value, char q[CONF_QUOTE_MAX])
{
	struct conf_forward f = {.proto = CONF_TCP, .reverse = letter == 'R'};
	const char *prefix = letter == 'R'   ? "-R "
			     : letter == 'W' ? "-W "
			     : letter == 'D' ? SOCKS_PREFIX
					     : "";

	conf_quote(q, value);
	snprintf(f.name, sizeof(f.name), "%s%.50s", prefix, q);
	snprintf(f.origin, sizeof(f.origin), "-%c %s", letter, q);
	return f;
}

void conf_forward_option(struct conf_ctx *x, const char *value, bool reverse)
{
	char *v[4], q[CONF_QUOTE_MAX];
	struct reading r = {.f = named(reverse ? 'R' : 'L', value, q)};
	bool form;
	char *copy = conf_strndup(x, value, strlen(value));

	if (!copy)
		return;
	r.f.proto = take_suffix(copy);
	size_t n = conf_split(copy, v, 4);
	if (n <= 4 && parse_places(x, &r, v, n, &form))
		add(x, &r);
	else if (n > 4 || !form)
		conf_fail(x,
			"%s takes " OPTION_FORM ", with an IPv6 address in brackets, or the path "
			"of a unix socket on either side, not '%s'",
			reverse ? "-R" : "-L", q);
	tt_free(NULL, copy);
}

void conf_forward_dynamic(struct conf_ctx *x, const char *value)
{
	char *v[2], q[CONF_QUOTE_MAX];
	struct reading r = {.f = named('D', value, q)};
	char *copy = conf_strndup(x, value, strlen(value));

	if (!copy)
		return;
	r.f.socks = true;
	size_t n = conf_split(copy, v, 2);
	if (n > 2)
		conf_fail(x, "-D takes [BIND:]PORT, with an IPv6 address in brackets, not '%s'", q);
	else if (parse_listen(x, &r, n == 2 ? v[0] : NULL, v[n - 1]))
		add(x, &r);
	tt_free(NULL, copy);
}

void conf_forward_stdio(struct conf_ctx *x, const char *value)
{
	char q[CONF_QUOTE_MAX], bracketed[TT_HOST_MAX + 3];
	struct conf_forward f = named('W', value, q);
	char *copy = conf_strndup(x, value, strlen(value));
	char *colon = copy ? strrchr(copy, ':') : NULL, *host = copy;
	struct tt_addr address;

	if (!copy)
		return;
	if (!colon) {
		conf_fail(x, "-W takes HOST:PORT, not '%s'", q);
		goto out;
	}
	*colon = '\0';
	/* ssh's %h has no brackets around an IPv6 address, and without a port behind it that is no
	 * riddle: the last colon is the port's. */
	if (strchr(copy, ':') && copy[0] != '[' && tt_addr_parse(copy, &address) == TT_OK) {
		snprintf(bracketed, sizeof(bracketed), "[%s]", copy);
		host = bracketed;
	}
	if (conf_host(x, host, f.host) && conf_port(x, colon + 1, 1, "the remote port", &f.port)) {
		x->c->stdio = f;
		x->c->has_stdio = true;
	}
out:
	tt_free(NULL, copy);
}
