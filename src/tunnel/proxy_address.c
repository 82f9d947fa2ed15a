/* Hosts, as applications write them, and the addresses of SOCKS5. */
#include "proxy_int.h"

#include <string.h>

#include "tt_err.h"

#define ADDRESS_V4 1
#define ADDRESS_NAME 3
#define ADDRESS_V6 4

static bool name_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_';
}

bool proxy_copy_host(char dst[TT_HOST_MAX + 1], const char *text, size_t len)
{
	struct tt_addr address;

	if (len == 0 || len > TT_HOST_MAX)
		return false;
	memcpy(dst, text, len);
	dst[len] = '\0';
	if (strlen(dst) == len && tt_addr_parse(dst, &address) == TT_OK) {
		if (dst[0] == '[') {
			memmove(dst, dst + 1, len - 2);
			dst[len - 2] = '\0';
		}
		return true;
	}
	for (size_t i = 0; i < len; i++) {
		if (!name_byte((uint8_t)text[i]))
			return false;
	}
	return true;
}

size_t proxy_address_length(const uint8_t at[2])
{
	return at[0] == ADDRESS_V4     ? 1 + 4 + 2
	       : at[0] == ADDRESS_V6   ? 1 + 16 + 2
	       : at[0] == ADDRESS_NAME ? 2u + at[1] + 2u
				       : 0;
}

struct tt_addr proxy_address_ip(const uint8_t *at)
{
	return at[0] == ADDRESS_V4   ? tt_addr_v4(at + 1)
	       : at[0] == ADDRESS_V6 ? tt_addr_v6(at + 1)
				     : (struct tt_addr){0};
}

uint16_t proxy_address_port(const uint8_t *at)
{
	const uint8_t *port = at + proxy_address_length(at) - 2;
	return (uint16_t)(port[0] << 8 | port[1]);
}

bool proxy_address_host(const uint8_t *at, char dst[TT_HOST_MAX + 1])
{
	struct tt_addr ip = proxy_address_ip(at);

	if (!ip.family)
		return proxy_copy_host(dst, (const char *)at + 2, at[1]);
	tt_addr_format(&ip, dst);
	return true;
}

size_t proxy_address_put(uint8_t dst[PROXY_ADDRESS_IP_MAX], const struct tt_addr *ip, uint16_t port)
{
	size_t n = ip->family == 4 ? 4 : 16;

	dst[0] = ip->family == 4 ? ADDRESS_V4 : ADDRESS_V6;
	memcpy(dst + 1, ip->bytes, n);
	dst[1 + n] = (uint8_t)(port >> 8);
	dst[2 + n] = (uint8_t)port;
	return 3 + n;
}
