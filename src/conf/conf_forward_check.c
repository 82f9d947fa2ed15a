/* What forwards are together, and beside each other. */
#include "conf_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tt_err.h"
#include "tt_mem.h"

static bool addr_unspecified(const struct tt_addr *a)
{
	static const struct tt_addr none;
	return memcmp(a->bytes, none.bytes, sizeof(none.bytes)) == 0;
}

static const char *place(const char *host, uint16_t port, char dst[CONF_PLACE_MAX])
{
	bool v6 = strchr(host, ':');
	snprintf(dst, CONF_PLACE_MAX, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
	return dst;
}

const char *conf_forward_place(const struct conf_forward *f, char dst[CONF_PLACE_MAX])
{
	char text[TT_ADDR_TEXT_MAX];

	if (f->listen_path[0]) {
		snprintf(dst, CONF_PLACE_MAX, "%s", f->listen_path);
		return dst;
	}
	place(f->listen_any          ? "*"
		: f->listen_loopback ? "localhost"
				     : tt_addr_format(&f->listen_addr, text),
		f->listen_port, dst);
	size_t n = strlen(dst);
	snprintf(dst + n, CONF_PLACE_MAX - n, "%s", f->proto == CONF_UDP ? "/udp" : "");
	return dst;
}

const char *conf_forward_target(const struct conf_forward *f, char dst[CONF_PLACE_MAX])
{
	if (!f->target_path && !f->socks)
		return place(f->host, f->port, dst);
	snprintf(dst, CONF_PLACE_MAX, "%s",
		f->socks ? "whatever SOCKS5 or HTTP CONNECT asks for" : f->host);
	return dst;
}

static bool shares_peer(const struct conf_forward *a, const struct conf_forward *b)
{
	for (size_t i = 0; i < a->n_peers; i++) {
		for (size_t j = 0; j < b->n_peers; j++) {
			if (memcmp(a->peers[i].key, b->peers[j].key, TT_KEY_LEN) == 0)
				return true;
		}
	}
	return false;
}

bool conf_forward_collide(const struct conf_forward *a, const struct conf_forward *b)
{
	if (a->reverse != b->reverse || (a->reverse && !shares_peer(a, b)))
		return false;
	if (a->listen_path[0] || b->listen_path[0])
		return strcmp(a->listen_path, b->listen_path) == 0;
	if (a->proto != b->proto || a->listen_port != b->listen_port || a->listen_port == 0)
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
	char where[CONF_PLACE_MAX];

	for (size_t i = 0; i < c->n_forwards; i++) {
		struct conf_forward *f = &c->forwards[i];
		x->origin = f->origin;
		if (f->n_peers == 0) {
			memcpy(f->peers, c->servers, c->n_servers * sizeof(f->peers[0]));
			f->n_peers = c->n_servers;
		}
		if (f->n_peers == 0 && clean)
			conf_fail(x,
				"to which server? Give its Tox ID: toxtun client TOXID -L ..., "
				"or --to TOXID");
		if (f->proto == CONF_UDP && (f->reverse || f->listen_path[0] || f->target_path))
			conf_fail(x, "reverse forwards and unix sockets carry TCP only");
		if (f->socks && f->listen_path[0])
			conf_fail(x, "a proxy listens on a port, not on a unix socket");
		for (size_t j = 0; j < i; j++) {
			if (conf_forward_collide(f, &c->forwards[j])) {
				conf_fail(x,
					"%s is taken by %s (%s) already: give one of them another "
					"port or address to listen on",
					conf_forward_place(f, where), c->forwards[j].name,
					c->forwards[j].origin);
				break;
			}
		}
	}
	x->origin = "";
}

int conf_forward_spec(
	const char *spec, bool reverse, struct conf_forward **out, size_t *n, struct conf_diag *d)
{
	struct conf scratch = {.forwards = NULL};
	struct conf_ctx x;

	conf_ctx_init(&x, &scratch, d, "");
	if (!reverse && strncasecmp(spec, SOCKS_PREFIX, sizeof(SOCKS_PREFIX) - 1) == 0)
		conf_forward_dynamic(&x, spec + sizeof(SOCKS_PREFIX) - 1);
	else
		conf_forward_option(&x, spec, reverse);
	int rc = conf_ctx_result(&x);
	if (rc != TT_OK) {
		tt_free(NULL, scratch.forwards);
		return rc;
	}
	*out = scratch.forwards;
	*n = scratch.n_forwards;
	return TT_OK;
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

int conf_forward_server(const struct conf *c, const char *peer, struct conf_forward *f, size_t n,
	struct conf_diag *d)
{
	struct conf scratch = {.peers = c->peers,
		.n_peers = c->n_peers,
		.n_servers = c->n_servers,
		.forwards = f,
		.n_forwards = n};
	struct conf_ctx x;

	conf_ctx_init(&x, &scratch, d, "");
	memcpy(scratch.servers, c->servers, sizeof(scratch.servers));
	if (peer)
		conf_servers(&x, peer);
	conf_forward_check(&x);
	return conf_ctx_result(&x);
}

bool conf_forward_same_spec(const struct conf_forward *a, const struct conf_forward *b)
{
	return a->reverse == b->reverse && a->proto == b->proto && a->socks == b->socks &&
	       a->listen_any == b->listen_any && a->listen_loopback == b->listen_loopback &&
	       tt_addr_equal(&a->listen_addr, &b->listen_addr) &&
	       a->listen_port == b->listen_port && strcmp(a->listen_path, b->listen_path) == 0 &&
	       strcmp(a->host, b->host) == 0 && a->port == b->port;
}

bool conf_forward_equal(const struct conf_forward *a, const struct conf_forward *b)
{
	bool equal = conf_forward_same_spec(a, b) && a->n_peers == b->n_peers;

	for (size_t i = 0; equal && i < a->n_peers; i++)
		equal = memcmp(a->peers[i].key, b->peers[i].key, TT_KEY_LEN) == 0;
	return equal;
}
