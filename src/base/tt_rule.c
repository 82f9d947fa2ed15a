#include "tt_rule.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tt_err.h"

_Static_assert(TT_PATH_MAX <= TT_HOST_MAX, "a path fits in place of a name");

static int parse_ports(const char *text, struct tt_rule *r, const char **why)
{
	char first[8];
	const char *dash = strchr(text, '-');

	if (strcmp(text, "*") == 0) {
		r->port_first = 1;
		r->port_last = 65535;
		return TT_OK;
	}
	size_t n = dash ? (size_t)(dash - text) : strlen(text);
	*why = "the port must be 1 to 65535, a range such as 80-90, or *";
	if (n >= sizeof(first))
		return TT_EINVAL;
	memcpy(first, text, n);
	first[n] = '\0';
	if (tt_port_parse(first, 1, &r->port_first) != TT_OK)
		return TT_EINVAL;
	r->port_last = r->port_first;
	if (dash && tt_port_parse(dash + 1, 1, &r->port_last) != TT_OK)
		return TT_EINVAL;
	if (r->port_last < r->port_first) {
		*why = "the port range ends before it starts";
		return TT_EINVAL;
	}
	return TT_OK;
}

static int parse_prefix(const char *text, struct tt_rule *r, const char **why)
{
	uint16_t bits;
	unsigned max = r->net.family == 4 ? 32 : 128;
	if (tt_port_parse(text, 0, &bits) != TT_OK || bits > max) {
		*why = r->net.family == 4 ? "the prefix of an IPv4 network must be 0 to 32"
					  : "the prefix of an IPv6 network must be 0 to 128";
		return TT_EINVAL;
	}
	r->prefix = bits;
	return TT_OK;
}

static int parse_name(const char *host, struct tt_rule *r, const char **why)
{
	size_t n = strlen(host);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)host[i];
		if (!isalnum(c) && c != '-' && c != '.' && c != '_') {
			*why = "the host must be an address, a network such as 10.0.0.0/8, a name "
			       "or *; "
			       "an IPv6 address goes in brackets";
			return TT_EINVAL;
		}
		r->name[i] = (char)tolower(c);
	}
	r->name[n] = '\0';
	r->kind = TT_RULE_NAME;
	return TT_OK;
}

/** What follows "unix:". */
static int parse_path(const char *path, struct tt_rule *out, const char **why)
{
	if (path[0] != '/' || strlen(path) > TT_PATH_MAX) {
		*why = "the path of a unix socket starts with / and has at most 107 characters";
		return TT_EINVAL;
	}
	*out = (struct tt_rule){.kind = TT_RULE_UNIX};
	memcpy(out->name, path, strlen(path));
	return TT_OK;
}

int tt_rule_parse(const char *text, struct tt_rule *out, const char **why)
{
	struct tt_rule r = {0};
	char host[TT_HOST_MAX + 1];
	const char *colon = strrchr(text, ':');

	if (strncmp(text, "unix:", 5) == 0)
		return parse_path(text + 5, out, why);
	*why = "a target is HOST:PORT, for example 127.0.0.1:22 or *:443";
	if (!colon || colon == text)
		return TT_EINVAL;
	size_t n = (size_t)(colon - text);
	if (n >= sizeof(host))
		return TT_EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	int rc = parse_ports(colon + 1, &r, why);
	if (rc != TT_OK)
		return rc;

	char *slash = strchr(host, '/');
	if (slash)
		*slash = '\0';
	if (strcmp(host, "*") == 0 && !slash) {
		r.kind = TT_RULE_ANY;
	} else if ((host[0] == '[' || !strchr(host, ':')) && tt_addr_parse(host, &r.net) == TT_OK) {
		r.kind = TT_RULE_NET;
		r.prefix = r.net.family == 4 ? 32 : 128;
		if (slash)
			rc = parse_prefix(slash + 1, &r, why);
	} else if (slash) {
		*why = "a network is ADDRESS/PREFIX, for example 10.0.0.0/8 or [fd00::]/8";
		rc = TT_EINVAL;
	} else {
		rc = parse_name(host, &r, why);
	}
	if (rc == TT_OK)
		*out = r;
	return rc;
}

static bool port_in(const struct tt_rule *r, uint16_t port)
{
	return port >= r->port_first && port <= r->port_last;
}

static bool name_allows(const char *name, const struct tt_addr *addr)
{
	return strcasecmp(name, "localhost") == 0 ? tt_addr_is_loopback(addr)
						  : !tt_addr_is_local(addr);
}

bool tt_rule_match(
	const struct tt_rule *r, const char *name, const struct tt_addr *addr, uint16_t port)
{
	if (!port_in(r, port))
		return false;
	switch (r->kind) {
	case TT_RULE_ANY:
		return true;
	case TT_RULE_NET:
		return tt_addr_in_net(addr, &r->net, r->prefix);
	case TT_RULE_NAME:
		return name && strcasecmp(r->name, name) == 0 && name_allows(r->name, addr);
	case TT_RULE_UNIX:
		return false;
	}
	return false;
}

bool tt_rule_match_path(const struct tt_rule *r, const char *path)
{
	return r->kind == TT_RULE_UNIX && strcmp(r->name, path) == 0;
}

bool tt_rule_may_match_name(const struct tt_rule *r, const char *name, uint16_t port)
{
	return port_in(r, port) && (r->kind != TT_RULE_NAME || strcasecmp(r->name, name) == 0);
}
