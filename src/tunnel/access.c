#include "access.h"

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

bool access_may_measure(bool offered, size_t n_rules)
{
	return offered && n_rules > 0;
}
