#include "tt_addr.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "tt_err.h"

struct tt_addr tt_addr_v4(const uint8_t bytes[4])
{
	struct tt_addr a = {.family = 4};
	memcpy(a.bytes, bytes, 4);
	return a;
}

struct tt_addr tt_addr_v6(const uint8_t bytes[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
		return tt_addr_v4(bytes + 12);
	struct tt_addr a = {.family = 6};
	memcpy(a.bytes, bytes, 16);
	return a;
}

int tt_addr_parse(const char *text, struct tt_addr *out)
{
	char plain[TT_ADDR_TEXT_MAX];
	size_t len = strlen(text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(plain))
		return TT_EINVAL;
	memcpy(plain, text, len);
	plain[len] = '\0';

	uint8_t bytes[16];
	if (inet_pton(AF_INET, plain, bytes) == 1)
		*out = tt_addr_v4(bytes);
	else if (inet_pton(AF_INET6, plain, bytes) == 1)
		*out = tt_addr_v6(bytes);
	else
		return TT_EINVAL;
	return TT_OK;
}

const char *tt_addr_format(const struct tt_addr *a, char dst[TT_ADDR_TEXT_MAX])
{
	if (a->family == 0 ||
		!inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, dst, TT_ADDR_TEXT_MAX))
		memcpy(dst, "-", 2);
	return dst;
}

bool tt_addr_equal(const struct tt_addr *a, const struct tt_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool tt_addr_in_net(const struct tt_addr *a, const struct tt_addr *net, unsigned prefix)
{
	if (a->family != net->family || prefix > (a->family == 4 ? 32u : 128u))
		return false;
	if (memcmp(a->bytes, net->bytes, prefix / 8) != 0)
		return false;
	unsigned rest = prefix % 8;
	if (rest == 0)
		return true;
	uint8_t mask = (uint8_t)(0xff << (8 - rest));
	return ((a->bytes[prefix / 8] ^ net->bytes[prefix / 8]) & mask) == 0;
}

bool tt_addr_is_loopback(const struct tt_addr *a)
{
	static const uint8_t one[16] = {[15] = 1};
	if (a->family == 4)
		return a->bytes[0] == 127;
	return a->family == 6 && memcmp(a->bytes, one, sizeof(one)) == 0;
}

bool tt_addr_is_local(const struct tt_addr *a)
{
	static const uint8_t zero[16];
	if (tt_addr_is_loopback(a))
		return true;
	if (a->family == 4)
		return a->bytes[0] == 0 || (a->bytes[0] == 169 && a->bytes[1] == 254);
	return memcmp(a->bytes, zero, sizeof(zero)) == 0 ||
	       (a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80);
}

int tt_port_parse(const char *text, uint16_t min, uint16_t *out)
{
	uint32_t v = 0;
	size_t n = 0;
	for (; text[n]; n++) {
		if (text[n] < '0' || text[n] > '9' || n >= 5)
			return TT_EINVAL;
		v = v * 10 + (uint32_t)(text[n] - '0');
	}
	if (n == 0 || v > 65535 || v < min)
		return TT_EINVAL;
	*out = (uint16_t)v;
	return TT_OK;
}

bool tt_addr_host_is_loopback(const char *host)
{
	char name[64];
	struct tt_addr a;
	uint16_t port;

	if (!host || strlen(host) >= sizeof(name))
		return false;
	memcpy(name, host, strlen(host) + 1);
	char *end = name[0] == '[' ? strchr(name, ']') : name;
	if (!end)
		return false;
	char *colon = strchr(end, ':');
	if (colon && tt_port_parse(colon + 1, 0, &port) != TT_OK)
		return false;
	if (colon)
		*colon = '\0';
	if (strcasecmp(name, "localhost") == 0)
		return true;
	return tt_addr_parse(name, &a) == TT_OK && tt_addr_is_loopback(&a);
}
