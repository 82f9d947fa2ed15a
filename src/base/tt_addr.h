/** IP addresses as values: no socket structure, no name lookup. */
#ifndef TT_ADDR_H
#define TT_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TT_ADDR_TEXT_MAX 48 /* longest text of an address, with its NUL */

struct tt_addr {
	uint8_t family;    /* 4 or 6; 0: none */
	uint8_t bytes[16]; /* network order; family 4 uses the first four, the rest is zero */
};

/**
 * Parses a numeric IPv4 or IPv6 address; a v6 one may stand in brackets. An IPv4-mapped IPv6
 * address (::ffff:0:0/96) becomes family 4, so that no rule is passed by writing it the other way.
 * TT_OK or TT_EINVAL.
 */
int tt_addr_parse(const char *text, struct tt_addr *out);

/** From 4 or 16 raw bytes, mapped addresses as above. */
struct tt_addr tt_addr_v4(const uint8_t bytes[4]);
struct tt_addr tt_addr_v6(const uint8_t bytes[16]);

/** Text without brackets; returns dst. */
const char *tt_addr_format(const struct tt_addr *a, char dst[TT_ADDR_TEXT_MAX]);

bool tt_addr_equal(const struct tt_addr *a, const struct tt_addr *b);

/** True where the first `prefix` bits of both are equal and the families are. */
bool tt_addr_in_net(const struct tt_addr *a, const struct tt_addr *net, unsigned prefix);

/** 127.0.0.0/8 or ::1. */
bool tt_addr_is_loopback(const struct tt_addr *a);

/**
 * True for addresses that mean something else on every machine: loopback, unspecified (0.0.0.0/8
 * and
 * ::, which connect to this machine) and link-local (169.254.0.0/16, fe80::/10).
 */
bool tt_addr_is_local(const struct tt_addr *a);

/** The Host of an HTTP request, NULL when it has none, names this machine as nobody else can:
 * 127.0.0.0/8, [::1] or localhost, with any port or none. */
bool tt_addr_host_is_loopback(const char *host);

/** Decimal port 1..65535 (min 0 allows 0): TT_OK or TT_EINVAL. The text must be digits only. */
int tt_port_parse(const char *text, uint16_t min, uint16_t *out);

#endif
