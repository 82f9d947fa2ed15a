/* Pieces of text that options and files have in common. */
#include "conf_int.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tt_err.h"
#include "tt_mem.h"

#define SPACE " \t\r\n\v\f"

char *conf_trim(char *s)
{
	s += strspn(s, SPACE);
	size_t n = strlen(s);
	while (n > 0 && strchr(SPACE, s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

char *conf_item(char **rest)
{
	char *s = *rest + strspn(*rest, "," SPACE);
	size_t n = strcspn(s, "," SPACE);
	if (n == 0)
		return NULL;
	*rest = s[n] ? s + n + 1 : s + n;
	s[n] = '\0';
	return s;
}

size_t conf_split(char *s, char **fields, size_t max)
{
	size_t n = 0;
	bool brackets = false;
	char *start = s;

	for (;; s++) {
		if (*s == '[' || *s == ']')
			brackets = *s == '[';
		if (*s != '\0' && (*s != ':' || brackets))
			continue;
		bool last = *s == '\0';
		if (n == max)
			return max + 1;
		*s = '\0';
		fields[n++] = conf_trim(start);
		start = s + 1;
		if (last)
			return n;
	}
}

/** Levenshtein's distance without regard to case; words of up to 31 characters. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], na = strlen(a), nb = strlen(b);

	if (na > 31 || nb > 31)
		return 99;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			bool same = tolower((unsigned char)a[i - 1]) ==
				    tolower((unsigned char)b[j - 1]);
			size_t best = diagonal + (same ? 0 : 1);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[nb];
}

const char *conf_near(const char *word, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t len = strlen(word), least = len < 4 ? 1 : 2; /* the most that is taken for a slip */

	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(names[i]);
		if ((len > other ? len - other : other - len) > least)
			continue; /* too many letters missing or too many */
		size_t d = distance(word, names[i]);
		if (d < least || (d == least && !best)) {
			least = d;
			best = names[i];
		}
	}
	return best;
}

static bool looks_like_key(const char *text)
{
	size_t n = strlen(text);
	return n >= 24 && text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

bool conf_name_ok(const char *name)
{
	size_t n = strlen(name);
	if (n == 0 || n > CONF_NAME_MAX || looks_like_key(name))
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c <= 0x20 || c == 0x7f || strchr(",:;[]=", c))
			return false;
	}
	return true;
}

bool conf_number(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; isdigit((unsigned char)text[n]) && n < 10; n++)
		v = v * 10 + (uint64_t)(text[n] - '0');
	if (n == 0 || text[n] || v < min || v > max)
		return false;
	*out = (uint32_t)v;
	return true;
}

bool conf_port(struct conf_ctx *x, const char *text, uint16_t min, const char *what, uint16_t *out)
{
	char q[CONF_QUOTE_MAX];
	if (tt_port_parse(text, min, out) == TT_OK)
		return true;
	conf_fail(x, "%s must be a number from %u to 65535, not '%s'", what, min,
		conf_quote(q, text));
	return false;
}

static bool host_name_ok(const char *s)
{
	bool letter = false;
	for (size_t i = 0; s[i]; i++) {
		unsigned char c = (unsigned char)s[i];
		if (!isalnum(c) && c != '-' && c != '.' && c != '_')
			return false;
		letter = letter || !(isdigit(c) || c == '.');
	}
	/* Digits and dots alone are an address with a mistake in it, and no name. */
	return letter && s[0] != '-' && s[0] != '.' && !strstr(s, "..");
}

bool conf_host(struct conf_ctx *x, const char *text, char dst[TT_HOST_MAX + 1])
{
	char q[CONF_QUOTE_MAX];
	struct tt_addr addr;
	size_t len = strlen(text);

	if (len == 0 || len > TT_HOST_MAX) {
		conf_fail(x, "the host must have 1 to %d characters", TT_HOST_MAX);
		return false;
	}
	if (text[0] == '[' && text[len - 1] == ']' && strchr(text, ':') &&
		tt_addr_parse(text, &addr) == TT_OK) {
		memcpy(dst, text + 1, len - 2);
		dst[len - 2] = '\0';
		return true;
	}
	if (!strchr(text, ':') && text[0] != '[' &&
		(tt_addr_parse(text, &addr) == TT_OK || host_name_ok(text))) {
		memcpy(dst, text, len + 1);
		return true;
	}
	conf_fail(x, "'%s' is neither a host name nor an address (IPv6 goes in brackets: [::1])",
		conf_quote(q, text));
	return false;
}

/** The names of the [peer] sections, as many as fit. Returns dst. */
static const char *list_peers(const struct conf *c, char *dst, size_t cap)
{
	size_t n = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < c->n_peers; i++) {
		const char *name = c->peers[i].name;
		if (n + strlen(name) + sizeof(", ...") > cap) {
			snprintf(dst + n, cap - n, ", ...");
			break;
		}
		n += (size_t)snprintf(dst + n, cap - n, "%s%s", i ? ", " : "", name);
	}
	return dst;
}

static void unknown_peer(struct conf_ctx *x, const char *text)
{
	char q[CONF_QUOTE_MAX], known[512];
	size_t len = strlen(text);
	const char *near = NULL;

	for (size_t i = 0; i < x->c->n_peers && !near; i++) {
		const char *name = x->c->peers[i].name;
		near = conf_near(text, &name, 1);
	}
	if (looks_like_key(text) || len == TT_KEY_HEX || len == TT_TOXID_HEX)
		conf_fail(x, "'%s' has %zu characters; a Tox ID is %d hex digits, a public key %d",
			conf_quote(q, text), len, TT_TOXID_HEX, TT_KEY_HEX);
	else if (near)
		conf_fail(x, "there is no [peer %s] section; did you mean %s? There are %s",
			conf_quote(q, text), near, list_peers(x->c, known, sizeof(known)));
	else if (x->c->n_peers > 0)
		conf_fail(x, "'%s' is no Tox ID and there is no such [peer] section; there are %s",
			conf_quote(q, text), list_peers(x->c, known, sizeof(known)));
	else
		conf_fail(x,
			"'%s' is no Tox ID (%d hex digits), no public key (%d) and no name of a "
			"[peer] section, of which there is none",
			conf_quote(q, text), TT_TOXID_HEX, TT_KEY_HEX);
}

bool conf_peer_ref(struct conf_ctx *x, const char *text, struct tt_peer_id *out)
{
	char q[CONF_QUOTE_MAX];

	for (size_t i = 0; i < x->c->n_peers; i++) {
		if (strcmp(x->c->peers[i].name, text) == 0) {
			*out = x->c->peers[i].id;
			return true;
		}
	}
	int rc = tt_peer_id_parse(text, out);
	if (rc == TT_EPROTO)
		conf_fail(x,
			"the Tox ID's checksum is wrong: it was mistyped or cut (%s); copy all %d "
			"digits again",
			conf_quote(q, text), TT_TOXID_HEX);
	else if (rc != TT_OK)
		unknown_peer(x, text);
	return rc == TT_OK;
}

bool conf_peer_list(struct conf_ctx *x, char *list, struct tt_peer_id *ids, size_t *n)
{
	char *item;

	while ((item = conf_item(&list))) {
		struct tt_peer_id id;
		if (!conf_peer_ref(x, item, &id))
			return false;
		for (size_t i = 0; i < *n; i++) {
			if (memcmp(ids[i].key, id.key, TT_KEY_LEN) == 0) {
				conf_fail(x, "the same server is named twice in one entry");
				return false;
			}
		}
		if (*n == CONF_FORWARD_PEERS_MAX) {
			conf_fail(x, "at most %d servers for one entry", CONF_FORWARD_PEERS_MAX);
			return false;
		}
		ids[(*n)++] = id;
	}
	return true;
}

bool conf_servers(struct conf_ctx *x, const char *text)
{
	struct conf *c = x->c;
	char *copy = conf_strndup(x, text, strlen(text));

	c->n_servers = 0;
	bool ok = copy && conf_peer_list(x, copy, c->servers, &c->n_servers);
	if (ok && c->n_servers == 0)
		ok = conf_peer_ref(x, text, &c->servers[0]); /* says what is wrong with it */
	if (!ok)
		c->n_servers = 0;
	c->has_target = ok;
	c->target = c->servers[0];
	tt_free(NULL, copy);
	return ok;
}

/** Adds all peers of a list; returns how many items it has. */
static size_t add_peers(struct conf_ctx *x, const char *text, struct tt_peer_id **ids, size_t *n)
{
	char *copy = conf_strndup(x, text, strlen(text)), *rest = copy, *item;
	size_t items = 0;

	while (copy && (item = conf_item(&rest))) {
		struct tt_peer_id id, *slot;
		items++;
		if (!conf_peer_ref(x, item, &id))
			continue;
		slot = conf_push(x, ids, n, sizeof(*slot));
		if (!slot)
			break;
		*slot = id;
	}
	tt_free(NULL, copy);
	return items;
}

void conf_allow(struct conf_ctx *x, const char *text)
{
	struct conf *c = x->c;
	size_t items = add_peers(x, text, &c->allow, &c->n_allow);

	/* An empty list lets everybody in, so it must be meant: a stray comma is not. */
	if (items == 0 && text[0] != '\0' && !x->no_memory)
		conf_fail(x, "allow names nobody; leave it empty to accept whoever holds the Tox "
			     "ID");
	c->has_allow = c->has_allow || items > 0;
}

void conf_admin(struct conf_ctx *x, const char *text)
{
	struct conf *c = x->c;

	if (add_peers(x, text, &c->admins, &c->n_admins) == 0 && text[0] != '\0' && !x->no_memory)
		conf_fail(x, "admin names nobody; leave it out, or give Tox IDs, public keys or "
			     "names of [peer] sections");
}

/** Adds all rules of a list; returns how many items it has. */
static size_t add_rules(
	struct conf_ctx *x, const char *text, bool listens, struct tt_rule **rules, size_t *n)
{
	char *copy = conf_strndup(x, text, strlen(text)), *rest = copy, *item;
	size_t items = 0;

	while (copy && (item = conf_item(&rest))) {
		char q[CONF_QUOTE_MAX];
		struct tt_rule rule, *slot;
		const char *why = "";
		items++;
		if (tt_rule_parse(item, &rule, &why) != TT_OK) {
			conf_fail(x, "'%s': %s", conf_quote(q, item), why);
			continue;
		}
		if (listens && rule.kind == TT_RULE_NAME && strcmp(rule.name, "localhost") != 0) {
			conf_fail(x,
				"'%s': a listener has an address and no name: give a numeric "
				"address, localhost or *",
				conf_quote(q, item));
			continue;
		}
		slot = conf_push(x, rules, n, sizeof(*slot));
		if (!slot)
			break;
		*slot = rule;
	}
	tt_free(NULL, copy);
	return items;
}

void conf_targets(struct conf_ctx *x, const char *text, struct tt_rule **rules, size_t *n)
{
	if (add_rules(x, text, false, rules, n) == 0 && !x->no_memory)
		conf_fail(x, "targets is empty; leave it out to offer this host's own services "
			     "only, or list HOST:PORT rules");
}

size_t conf_rules(struct conf_ctx *x, const char *text, struct tt_rule **rules, size_t *n)
{
	return add_rules(x, text, false, rules, n);
}

void conf_listens(struct conf_ctx *x, const char *text, struct tt_rule **rules, size_t *n)
{
	add_rules(x, text, true, rules, n);
}
