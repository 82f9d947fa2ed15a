/**
 * Target rules: what a peer may reach. A rule is `HOST:PORTS`, where HOST is an address, a network
 * in CIDR form, a name or `*`, and PORTS is a port, a range `80-90` or `*`. IPv6 goes in brackets:
 * `[::1]:*`, `[2001:db8::]/32:443`. A unix socket is `unix:/PATH`.
 */
#ifndef TT_RULE_H
#define TT_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_addr.h"

#define TT_PATH_MAX 107 /* longest path of a unix socket: sockaddr_un without its NUL */
#define TT_HOST_MAX 255 /* longest DNS name, RFC 1035 section 2.3.4 */

enum tt_rule_kind {
	TT_RULE_ANY,  /* every address */
	TT_RULE_NET,  /* addresses of a network; one address is a network of full prefix */
	TT_RULE_NAME, /* what this name resolves to, when asked for by this name */
	TT_RULE_UNIX, /* the unix socket at the path `name`, and no address */
};

struct tt_rule {
	enum tt_rule_kind kind;
	struct tt_addr net;
	unsigned prefix;
	char name[TT_HOST_MAX + 1]; /* in lower case; a path as it is */
	uint16_t port_first, port_last;
};

/** TT_OK, or TT_EINVAL with a reason for the user in *why (static storage). */
int tt_rule_parse(const char *text, struct tt_rule *out, const char **why);

/**
 * True where the rule allows this resolved address and port. `name` is the host as the peer wrote
 * it, NULL or a numeric address when there was no name. A rule by name does not allow local
 * addresses (tt_addr_is_local()): who answers for the name must not be able to point it at services
 * of this machine. Only `localhost` means this machine.
 */
bool tt_rule_match(
	const struct tt_rule *r, const char *name, const struct tt_addr *addr, uint16_t port);

/**
 * True where a name could still be allowed on this port, depending on what it resolves to. False
 * says that asking the DNS is of no use.
 */
bool tt_rule_may_match_name(const struct tt_rule *r, const char *name, uint16_t port);

/** True where the rule allows the unix socket of this path, letter by letter. */
bool tt_rule_match_path(const struct tt_rule *r, const char *path);

#endif
