#include "access.h"

#include <string.h>

#include "tt_err.h"

bool access_allows(const struct tt_rule *rules, size_t n, const char *name,
	const struct tt_addr *addr, uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		if (tt_rule_match(&rules[i], name, addr, port))
			return true;
	}
	return false;
}

bool access_may_resolve(const struct tt_rule *rules, size_t n, const char *name, uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		if (tt_rule_may_match_name(&rules[i], name, port))
			return true;
	}
	return false;
}

size_t access_filter(const struct tt_rule *rules, size_t n, const char *name,
	const struct tt_addr *in, size_t n_in, uint16_t port, struct tt_addr *out)
{
	size_t kept = 0;
	for (size_t i = 0; i < n_in; i++) {
		if (access_allows(rules, n, name, &in[i], port))
			out[kept++] = in[i];
	}
	return kept;
}

bool access_allows_path(const struct tt_rule *rules, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++) {
		if (tt_rule_match_path(&rules[i], path))
			return true;
	}
	return false;
}

/* Keeps those of the addresses that may be listened on; true when enough of them are left. */
static bool allow_listen(const struct tt_rule *rules, size_t n, uint16_t port, const char *name,
	struct access_listen *at)
{
	size_t need = at->any ? at->n_addrs : 1;
	at->n_addrs = access_filter(rules, n, name, at->addrs, at->n_addrs, port, at->addrs);
	return at->n_addrs >= need;
}

bool access_may_listen(const struct tt_rule *rules, size_t n, const char *host, uint16_t port,
	struct access_listen *out)
{
	struct access_listen at = {.n_addrs = 2, .port_first = port, .port_last = port};
	const char *name = "localhost";

	if (strcmp(host, "localhost") == 0) {
		at.addrs[0] = (struct tt_addr){.family = 4, .bytes = {127, 0, 0, 1}};
		at.addrs[1] = (struct tt_addr){.family = 6, .bytes = {[15] = 1}};
	} else if (strcmp(host, "*") == 0) {
		at.addrs[0].family = 4;
		at.addrs[1].family = 6;
		at.any = true;
		name = NULL;
	} else {
		at.n_addrs = 1;
		if (tt_addr_parse(host, &at.addrs[0]) != TT_OK)
			return false;
	}
	*out = at;
	if (port)
		return allow_listen(rules, n, port, name, out);
	for (size_t i = 0; i < n; i++) { /* any port of the first rule that allows one */
		*out = at;
		out->port_first = rules[i].port_first;
		out->port_last = rules[i].port_last;
		if (allow_listen(&rules[i], 1, rules[i].port_first, name, out))
			return true;
	}
	return false;
}

bool access_may_measure(bool offered, size_t n_rules)
{
	return offered && n_rules > 0;
}
