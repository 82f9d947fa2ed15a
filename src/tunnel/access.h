/** What a peer may reach. Pure decisions; doc/protocol.md says what the peer is told. */
#ifndef ACCESS_H
#define ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_rule.h"

/** True where one of the rules allows this address. `name`: the host as the peer wrote it. */
bool access_allows(const struct tt_rule *rules, size_t n, const char *name,
	const struct tt_addr *addr, uint16_t port);

/** True where it is worth asking the resolver for this name at all. */
bool access_may_resolve(const struct tt_rule *rules, size_t n, const char *name, uint16_t port);

/** Copies the allowed ones of `in` to `out` (same capacity), keeping their order; returns how many.
 */
size_t access_filter(const struct tt_rule *rules, size_t n, const char *name,
	const struct tt_addr *in, size_t n_in, uint16_t port, struct tt_addr *out);

/** True where one of the rules allows this unix socket. */
bool access_allows_path(const struct tt_rule *rules, size_t n, const char *path);

/** Where a listener may be. */
struct access_listen {
	struct tt_addr addrs[2]; /* one address, or both loopbacks; for `any` both that mean all */
	size_t n_addrs;
	bool any;                       /* every address of the machine */
	uint16_t port_first, port_last; /* on any one of these ports */
};

/**
 * True where the rules allow a listener at this host: a numeric address, "localhost" for what of
 * the loopback addresses they allow, or "*" for all. Port 0 asks for any that is allowed.
 */
bool access_may_listen(const struct tt_rule *rules, size_t n, const char *host, uint16_t port,
	struct access_listen *out);

/**
 * True where a peer with so many rules gets the measuring service. It gives away bandwidth and
 * nothing else, as every target does: who may reach no target does not get it either.
 */
bool access_may_measure(bool offered, size_t n_rules);

#endif
