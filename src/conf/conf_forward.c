#include "conf_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tt_err.h"
#include "tt_mem.h"

#define ENTRY_FORM "[tcp:|udp:][LOCALIP:]LOCALPORT:HOST:PORT:TOXID[,TOXID...]"
#define SOCKS_ENTRY_FORM "socks:[LOCALIP:]LOCALPORT:TOXID[,TOXID...]"
#define OPTION_FORM "[BIND:]PORT:HOST:HOSTPORT[/udp]"
#define SOCKS_PREFIX "socks:"

static const char unix_sockets[] = "unix sockets are not supported by this version";

/** addr NULL: none was given. */
static bool parse_listen(
	struct conf_ctx *x, struct conf_forward *f, const char *addr, const char *port)
{
	char q[CONF_QUOTE_MAX];

	if (addr && strcmp(addr, "*") == 0) {
		f->listen_any = true;
	} else if (!addr || addr[0] == '\0' || strcasecmp(addr, "localhost") == 0) {
		f->listen_loopback = true;
	} else if ((strchr(addr, ':') && addr[0] != '[') ||
		   tt_addr_parse(addr, &f->listen_addr) != TT_OK) {
		conf_fail(x,
			"'%s' is no address to listen on: give a numeric address (IPv6 in "
			"brackets), * for all, or leave it out for this host only",
			conf_quote(q, addr));
		return false;
	}
	return conf_port(x, port, 1, "the local port", &f->listen_port);
}

static bool parse_target(
	struct conf_ctx *x, struct conf_forward *f, const char *host, const char *port)
{
	return conf_host(x, host, f->host) && conf_port(x, port, 1, "the remote port", &f->port);
}

static bool parse_peers(struct conf_ctx *x, struct conf_forward *f, char *list)
{
	char *item;

	while ((item = conf_item(&list))) {
		struct tt_peer_id id;
		if (!conf_peer_ref(x, item, &id))
			return false;
		for (size_t i = 0; i < f->n_peers; i++) {
			if (memcmp(f->peers[i].key, id.key, TT_KEY_LEN) == 0) {
				conf_fail(x, "the same server is named twice in one entry");
				return false;
			}
		}
		if (f->n_peers == CONF_FORWARD_PEERS_MAX) {
			conf_fail(x, "at most %d servers for one entry", CONF_FORWARD_PEERS_MAX);
			return false;
		}
		f->peers[f->n_peers++] = id;
	}
	if (f->n_peers == 0)
		conf_fail(x, "the Tox ID of the server is missing; an entry is " ENTRY_FORM);
	return f->n_peers > 0;
}

static void add(struct conf_ctx *x, const struct conf_forward *f)
{
	struct conf *c = x->c;
	struct conf_forward *slot = conf_push(x, &c->forwards, &c->n_forwards, sizeof(*slot));
	if (slot)
		*slot = *f;
}

static bool is_port(const char *text)
{
	uint16_t port;
	return tt_port_parse(text, 0, &port) == TT_OK;
}

/** The fields of an entry, its protocol taken off. */
static void parse_entry(struct conf_ctx *x, struct conf_forward *f, char **v, size_t n)
{
	if (n == 3 || (n == 4 && is_port(v[3]))) {
		conf_fail(x,
			"the Tox ID of the server is missing at the end; an entry is " ENTRY_FORM);
		return;
	}
	if (n != 4 && n != 5) {
		conf_fail(x, "%s; an entry is " ENTRY_FORM,
			n > 5 ? "too many colons (an IPv6 address goes in brackets: [::1])"
			      : "parts are missing");
		return;
	}
	const char *addr = n == 5 ? *v++ : NULL;
	bool ok = parse_listen(x, f, addr, v[0]);
	ok = parse_target(x, f, v[1], v[2]) && ok;
	ok = parse_peers(x, f, v[3]) && ok;
	if (ok)
		add(x, f);
}

/** The same of an entry that is a proxy. */
static void parse_socks_entry(struct conf_ctx *x, struct conf_forward *f, char **v, size_t n)
{
	f->socks = true;
	if (n != 2 && n != 3) {
		conf_fail(x, "an entry for a proxy is " SOCKS_ENTRY_FORM);
		return;
	}
	const char *addr = n == 3 ? *v++ : NULL;
	bool ok = parse_listen(x, f, addr, v[0]);
	if (parse_peers(x, f, v[1]) && ok)
		add(x, f);
}

void conf_forward_entry(struct conf_ctx *x, const char *name, const char *value)
{
	struct conf_forward f = {.proto = CONF_TCP};
	char *v[6], **first = v;

	if (!conf_name_ok(name)) {
		conf_fail(x, "the name of an entry has " CONF_NAME_RULE);
		return;
	}
	char *copy = conf_strndup(x, value, strlen(value));
	if (!copy)
		return;
	snprintf(f.name, sizeof(f.name), "%s", name);
	snprintf(f.origin, sizeof(f.origin), "%s", x->origin);
	size_t n = conf_split(copy, v, 6);
	if (strcasecmp(v[0], "tcp") == 0 || strcasecmp(v[0], "udp") == 0) {
		f.proto = strcasecmp(v[0], "udp") == 0 ? CONF_UDP : CONF_TCP;
		first++;
		n--;
	}
	if (strchr(value, '/'))
		conf_fail(x, "%s; an entry is " ENTRY_FORM, unix_sockets);
	else if (strcasecmp(v[0], "socks") == 0)
		parse_socks_entry(x, &f, v + 1, n - 1);
	else
		parse_entry(x, &f, first, n);
	tt_free(NULL, copy);
}

/** Cuts "/udp" or "/tcp" off the end. */
static enum conf_proto take_suffix(char *text)
{
	size_t n = strlen(text);
	if (n < 4 ||
		(strcasecmp(text + n - 4, "/udp") != 0 && strcasecmp(text + n - 4, "/tcp") != 0))
		return CONF_TCP;
	enum conf_proto proto = strcasecmp(text + n - 3, "udp") == 0 ? CONF_UDP : CONF_TCP;
	text[n - 4] = '\0';
	return proto;
}

/** What every option starts with: a forward that is called as it was written. `q` is that text. */
static struct conf_forward named(char letter, const char *value, char q[CONF_QUOTE_MAX])
{
	struct conf_forward f = {.proto = CONF_TCP};

	snprintf(f.name, sizeof(f.name), "%s", conf_quote(q, value));
	snprintf(f.origin, sizeof(f.origin), "-%c %s", letter, q);
	return f;
}

void conf_forward_option(struct conf_ctx *x, const char *value)
{
	char *v[4], **at = v;
	char q[CONF_QUOTE_MAX];
	struct conf_forward f = named('L', value, q);
	char *copy = conf_strndup(x, value, strlen(value));

	if (!copy)
		return;
	f.proto = take_suffix(copy);
	if (strchr(copy, '/')) {
		conf_fail(x, "%s; -L takes " OPTION_FORM, unix_sockets);
		goto out;
	}
	size_t n = conf_split(copy, v, 4);
	if (n != 3 && n != 4) {
		conf_fail(x, "-L takes " OPTION_FORM ", with an IPv6 address in brackets, not '%s'",
			q);
		goto out;
	}
	const char *addr = n == 4 ? *at++ : NULL;
	bool ok = parse_listen(x, &f, addr, at[0]);
	if (parse_target(x, &f, at[1], at[2]) && ok)
		add(x, &f);
out:
	tt_free(NULL, copy);
}

void conf_forward_dynamic(struct conf_ctx *x, const char *value)
{
	char *v[2], q[CONF_QUOTE_MAX];
	struct conf_forward f = named('D', value, q);
	char *copy = conf_strndup(x, value, strlen(value));

	if (!copy)
		return;
	snprintf(f.name, sizeof(f.name), SOCKS_PREFIX "%.50s", q);
	f.socks = true;
	size_t n = conf_split(copy, v, 2);
	if (n > 2)
		conf_fail(x, "-D takes [BIND:]PORT, with an IPv6 address in brackets, not '%s'", q);
	else if (parse_listen(x, &f, n == 2 ? v[0] : NULL, v[n - 1]))
		add(x, &f);
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
	snprintf(f.name, sizeof(f.name), "-W %.50s", q);
	if (parse_target(x, &f, host, colon + 1)) {
		x->c->stdio = f;
		x->c->has_stdio = true;
	}
out:
	tt_free(NULL, copy);
}

static bool addr_unspecified(const struct tt_addr *a)
{
	static const struct tt_addr none;
	return memcmp(a->bytes, none.bytes, sizeof(none.bytes)) == 0;
}

bool conf_forward_collide(const struct conf_forward *a, const struct conf_forward *b)
{
	if (a->proto != b->proto || a->listen_port != b->listen_port)
		return false;
	if (a->listen_any || b->listen_any)
		return true;
	if (a->listen_loopback && b->listen_loopback)
		return true;
	if (a->listen_loopback || b->listen_loopback) {
		static const uint8_t v4[4] = {127, 0, 0, 1}, v6[16] = {[15] = 1};
		const struct tt_addr *one = a->listen_loopback ? &b->listen_addr : &a->listen_addr;
		struct tt_addr lo = one->family == 4 ? tt_addr_v4(v4) : tt_addr_v6(v6);
		return addr_unspecified(one) || tt_addr_equal(one, &lo);
	}
	if (a->listen_addr.family != b->listen_addr.family)
		return false;
	return addr_unspecified(&a->listen_addr) || addr_unspecified(&b->listen_addr) ||
	       tt_addr_equal(&a->listen_addr, &b->listen_addr);
}

void conf_forward_check(struct conf_ctx *x)
{
	struct conf *c = x->c;
	bool clean = x->d->errors == 0; /* else the server may have been given, with a mistake */

	for (size_t i = 0; i < c->n_forwards; i++) {
		struct conf_forward *f = &c->forwards[i];
		x->origin = f->origin;
		if (f->n_peers == 0 && c->has_target)
			f->peers[f->n_peers++] = c->target;
		if (f->n_peers == 0 && clean)
			conf_fail(x,
				"to which server? Give its Tox ID: toxtun client TOXID -L ..., "
				"or --to TOXID");
		for (size_t j = 0; j < i; j++) {
			if (conf_forward_collide(f, &c->forwards[j])) {
				conf_fail(x,
					"port %u is taken by %s (%s) already: give one of them "
					"another local port or address",
					f->listen_port, c->forwards[j].name, c->forwards[j].origin);
				break;
			}
		}
	}
	x->origin = "";
}

int conf_forward_spec(const char *spec, struct conf_forward *out, struct conf_diag *d)
{
	struct conf scratch = {.forwards = NULL};
	struct conf_ctx x;

	conf_ctx_init(&x, &scratch, d, "");
	if (strncasecmp(spec, SOCKS_PREFIX, sizeof(SOCKS_PREFIX) - 1) == 0)
		conf_forward_dynamic(&x, spec + sizeof(SOCKS_PREFIX) - 1);
	else
		conf_forward_option(&x, spec);
	int rc = conf_ctx_result(&x);
	if (rc == TT_OK)
		*out = scratch.forwards[0];
	tt_free(NULL, scratch.forwards);
	return rc;
}

int conf_forward_stream(const char *target, struct conf_forward *out, struct conf_diag *d)
{
	struct conf scratch = {.has_stdio = false};
	struct conf_ctx x;

	conf_ctx_init(&x, &scratch, d, "");
	conf_forward_stdio(&x, target);
	int rc = conf_ctx_result(&x);
	if (rc == TT_OK)
		*out = scratch.stdio;
	return rc;
}

const char *conf_forward_target(const struct conf_forward *f, char dst[CONF_TARGET_TEXT])
{
	bool v6 = strchr(f->host, ':') != NULL;

	if (f->socks)
		snprintf(dst, CONF_TARGET_TEXT, "whatever SOCKS5 or HTTP CONNECT asks for");
	else
		snprintf(dst, CONF_TARGET_TEXT, "%s%s%s:%u", v6 ? "[" : "", f->host, v6 ? "]" : "",
			f->port);
	return dst;
}

int conf_forward_server(
	const struct conf *c, const char *peer, struct conf_forward *f, struct conf_diag *d)
{
	struct conf scratch = {.peers = c->peers,
		.n_peers = c->n_peers,
		.target = c->target,
		.has_target = c->has_target,
		.forwards = f,
		.n_forwards = 1};
	struct conf_ctx x;

	conf_ctx_init(&x, &scratch, d, "");
	if (peer)
		scratch.has_target = conf_peer_ref(&x, peer, &scratch.target);
	conf_forward_check(&x);
	return conf_ctx_result(&x);
}

bool conf_forward_same_spec(const struct conf_forward *a, const struct conf_forward *b)
{
	return a->proto == b->proto && a->socks == b->socks && a->listen_any == b->listen_any &&
	       a->listen_loopback == b->listen_loopback &&
	       tt_addr_equal(&a->listen_addr, &b->listen_addr) &&
	       a->listen_port == b->listen_port && strcmp(a->host, b->host) == 0 &&
	       a->port == b->port;
}

bool conf_forward_equal(const struct conf_forward *a, const struct conf_forward *b)
{
	bool equal = conf_forward_same_spec(a, b) && a->n_peers == b->n_peers;

	for (size_t i = 0; equal && i < a->n_peers; i++)
		equal = memcmp(a->peers[i].key, b->peers[i].key, TT_KEY_LEN) == 0;
	return equal;
}
