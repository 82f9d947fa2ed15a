#include "wire_pp2.h"

#include <string.h>

struct tt_addr wire_pp2_addr(const uint8_t key[TT_KEY_LEN])
{
	uint8_t bytes[16] = {0xfd};

	memcpy(bytes + 1, key, sizeof(bytes) - 1);
	return tt_addr_v6(bytes);
}

static uint8_t *put_u16(uint8_t *at, size_t v)
{
	*at++ = (uint8_t)(v >> 8);
	*at++ = (uint8_t)v;
	return at;
}

/* IPv4 as ::ffff:a.b.c.d: both addresses of a header have the same family. */
static uint8_t *put_addr(uint8_t *at, const struct tt_addr *addr)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (addr->family == 4) {
		memcpy(at, mapped, sizeof(mapped));
		memcpy(at + sizeof(mapped), addr->bytes, 4);
	} else {
		memcpy(at, addr->bytes, 16);
	}
	return at + 16;
}

static uint8_t *put_field(uint8_t *at, uint8_t type, const char *text, size_t max)
{
	size_t n = strnlen(text, max);

	if (n == 0)
		return at;
	*at++ = type;
	at = put_u16(at, n);
	memcpy(at, text, n);
	return at + n;
}

size_t wire_pp2_encode(const struct wire_pp2 *h, uint8_t *dst)
{
	static const uint8_t head[14] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49,
		0x54, 0x0a, 0x21 /* version 2, PROXY */, 0x21 /* IPv6, a stream */};
	struct tt_addr peer = wire_pp2_addr(h->key);
	uint8_t *length = dst + sizeof(head), *body = length + 2, *at = body;
	char hex[TT_KEY_HEX + 1];

	memcpy(dst, head, sizeof(head));
	at = put_addr(at, &peer);
	at = put_addr(at, &h->target);
	at = put_u16(at, h->number);
	at = put_u16(at, h->port);
	at = put_field(at, WIRE_PP2_UNIQUE_ID, h->id, WIRE_PP2_TEXT_MAX);
	at = put_field(at, WIRE_PP2_KEY, tt_hex_encode(h->key, TT_KEY_LEN, hex), TT_KEY_HEX);
	at = put_field(at, WIRE_PP2_NAME, h->name, WIRE_PP2_TEXT_MAX);
	put_u16(length, (size_t)(at - body));
	return (size_t)(at - dst);
}
