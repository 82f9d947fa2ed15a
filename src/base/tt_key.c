#include "tt_key.h"

#include <string.h>

#include "tt_err.h"

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int tt_hex_decode(const char *text, size_t text_len, uint8_t *dst, size_t n)
{
	if (text_len != 2 * n)
		return TT_EINVAL;
	for (size_t i = 0; i < n; i++) {
		int hi = nibble(text[2 * i]), lo = nibble(text[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return TT_EINVAL;
		dst[i] = (uint8_t)(hi << 4 | lo);
	}
	return TT_OK;
}

char *tt_hex_encode(const uint8_t *src, size_t n, char *dst)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < n; i++) {
		dst[2 * i] = digits[src[i] >> 4];
		dst[2 * i + 1] = digits[src[i] & 15];
	}
	dst[2 * n] = '\0';
	return dst;
}

int tt_peer_id_parse(const char *text, struct tt_peer_id *out)
{
	struct tt_peer_id id = {0};
	size_t len = strlen(text);

	if (len == TT_KEY_HEX) {
		if (tt_hex_decode(text, len, id.key, TT_KEY_LEN) != TT_OK)
			return TT_EINVAL;
	} else if (len == TT_TOXID_HEX) {
		if (tt_hex_decode(text, len, id.toxid, TT_TOXID_LEN) != TT_OK)
			return TT_EINVAL;
		uint8_t sum[2] = {0, 0};
		for (size_t i = 0; i < TT_TOXID_LEN; i++)
			sum[i % 2] ^= id.toxid[i];
		if (sum[0] != 0 || sum[1] != 0)
			return TT_EPROTO;
		memcpy(id.key, id.toxid, TT_KEY_LEN);
		id.has_toxid = true;
	} else {
		return TT_EINVAL;
	}
	*out = id;
	return TT_OK;
}

const char *tt_key_short(const uint8_t key[TT_KEY_LEN], char dst[9])
{
	return tt_hex_encode(key, 4, dst);
}
