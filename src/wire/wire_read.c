#include "wire_int.h"

#include <string.h>

#include "tt_err.h"

enum item_type {
	ITEM_UINT, /* value */
	ITEM_NEG,  /* a negative integer; its value is of no use to anybody here */
	ITEM_BOOL, /* value 0 or 1 */
	ITEM_STR,  /* body, body_len */
	ITEM_BIN,
	ITEM_OTHER, /* nil, floating point, ext: only ever passed over */
	ITEM_ARRAY, /* value: how many items follow */
	ITEM_MAP,   /* value: how many pairs follow */
};

struct item {
	enum item_type type;
	uint64_t value;
	struct wire_span body;
};

static size_t left(const struct wire_cursor *c)
{
	return (size_t)(c->end - c->p);
}

static int take_be(struct wire_cursor *c, size_t n, uint64_t *out)
{
	if (left(c) < n)
		return TT_EPROTO;
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | c->p[i];
	c->p += n;
	*out = v;
	return TT_OK;
}

static int take_body(struct wire_cursor *c, enum item_type type, uint64_t n, struct item *it)
{
	if (n > left(c))
		return TT_EPROTO;
	it->type = type;
	it->body = (struct wire_span){c->p, (size_t)n};
	c->p += n;
	return TT_OK;
}

/** A body whose length stands in the next `width` bytes; ext types have one byte more. */
static int take_sized(
	struct wire_cursor *c, enum item_type type, size_t width, unsigned extra, struct item *it)
{
	uint64_t n = 0;
	int rc = take_be(c, width, &n);
	return rc == TT_OK ? take_body(c, type, n + extra, it) : rc;
}

/** Every element needs at least one byte: a count beyond what is left is a lie. */
static int container(struct wire_cursor *c, enum item_type type, uint64_t count, struct item *it)
{
	it->type = type;
	it->value = count;
	return (type == ITEM_MAP ? 2 * count : count) > left(c) ? TT_EPROTO : TT_OK;
}

static int take_number(struct wire_cursor *c, uint8_t first, struct item *it)
{
	size_t width = (size_t)1 << (first & 3);
	int rc = take_be(c, width, &it->value);
	bool sign = first >= 0xd0 && it->value >> (8 * width - 1) != 0;
	it->type = sign ? ITEM_NEG : ITEM_UINT;
	return rc;
}

/** One head byte and what belongs to it, by the table of the MsgPack specification. */
static int take_item(struct wire_cursor *c, struct item *it)
{
	uint64_t n = 0;
	int rc;

	*it = (struct item){.type = ITEM_OTHER};
	if (left(c) == 0)
		return TT_EPROTO;
	uint8_t b = *c->p++;
	if (b <= 0x7f || b >= 0xe0) {
		it->type = b <= 0x7f ? ITEM_UINT : ITEM_NEG;
		it->value = b;
		return TT_OK;
	}
	if (b <= 0x8f)
		return container(c, ITEM_MAP, b & 15, it);
	if (b <= 0x9f)
		return container(c, ITEM_ARRAY, b & 15, it);
	if (b <= 0xbf)
		return take_body(c, ITEM_STR, b & 31, it);
	switch (b) {
	case 0xc0: /* nil */
		return TT_OK;
	case 0xc1: /* never used */
		return TT_EPROTO;
	case 0xc2:
	case 0xc3:
		it->type = ITEM_BOOL;
		it->value = b & 1;
		return TT_OK;
	case 0xc4: /* bin 8, 16, 32 */
	case 0xc5:
	case 0xc6:
		return take_sized(c, ITEM_BIN, (size_t)1 << (b - 0xc4), 0, it);
	case 0xc7: /* ext 8, 16, 32: one byte of type before the body */
	case 0xc8:
	case 0xc9:
		return take_sized(c, ITEM_OTHER, (size_t)1 << (b - 0xc7), 1, it);
	case 0xca: /* float 32, 64 */
	case 0xcb:
		return take_body(c, ITEM_OTHER, b == 0xca ? 4 : 8, it);
	case 0xd9: /* str 8, 16, 32 */
	case 0xda:
	case 0xdb:
		return take_sized(c, ITEM_STR, (size_t)1 << (b - 0xd9), 0, it);
	case 0xdc: /* array 16, 32 */
	case 0xdd:
		rc = take_be(c, b == 0xdc ? 2 : 4, &n);
		return rc == TT_OK ? container(c, ITEM_ARRAY, n, it) : rc;
	case 0xde: /* map 16, 32 */
	case 0xdf:
		rc = take_be(c, b == 0xde ? 2 : 4, &n);
		return rc == TT_OK ? container(c, ITEM_MAP, n, it) : rc;
	default: /* 0xd4..0xd8 are fixext 1..16, the rest uint and int 8..64 */
		if (b >= 0xd4 && b <= 0xd8)
			return take_body(c, ITEM_OTHER, ((uint64_t)1 << (b - 0xd4)) + 1, it);
		return take_number(c, b, it);
	}
}

static int take_type(struct wire_cursor *c, enum item_type type, struct item *it)
{
	int rc = take_item(c, it);
	return rc == TT_OK && it->type != type ? TT_EPROTO : rc;
}

int wire_read_map(struct wire_cursor *c, size_t *pairs)
{
	struct item it;
	int rc = take_type(c, ITEM_MAP, &it);
	*pairs = (size_t)it.value;
	return rc;
}

int wire_read_array(struct wire_cursor *c, size_t *items)
{
	struct item it;
	int rc = take_type(c, ITEM_ARRAY, &it);
	*items = (size_t)it.value;
	return rc;
}

int wire_read_str(struct wire_cursor *c, struct wire_span *out)
{
	struct item it;
	int rc = take_type(c, ITEM_STR, &it);
	*out = it.body;
	return rc;
}

int wire_read_bin(struct wire_cursor *c, struct wire_span *out)
{
	struct item it;
	int rc = take_type(c, ITEM_BIN, &it);
	*out = it.body;
	return rc;
}

int wire_read_bool(struct wire_cursor *c, bool *out)
{
	struct item it;
	int rc = take_type(c, ITEM_BOOL, &it);
	*out = it.value != 0;
	return rc;
}

int wire_read_uint(struct wire_cursor *c, uint64_t min, uint64_t max, uint64_t *out)
{
	struct item it;
	int rc = take_type(c, ITEM_UINT, &it);
	if (rc == TT_OK && (it.value < min || it.value > max))
		rc = TT_EPROTO;
	*out = it.value;
	return rc;
}

int wire_skip(struct wire_cursor *c)
{
	uint64_t pending = 1; /* items still to be taken, of all depths together */

	while (pending > 0) {
		struct item it;
		int rc = take_item(c, &it);
		if (rc != TT_OK)
			return rc;
		pending--;
		if (it.type == ITEM_ARRAY)
			pending += it.value;
		else if (it.type == ITEM_MAP)
			pending += 2 * it.value;
		if (pending > left(c))
			return TT_EPROTO;
	}
	return TT_OK;
}

/* C0 and C1; the ends of lines and paragraphs of Unicode; what turns the direction of writing. */
static bool is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x061c || cp == 0x200e ||
	       cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

size_t wire_utf8_next(const uint8_t *p, size_t len)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n == 0 || n > len || p[0] > 0xf4)
		return 0;
	uint32_t cp = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (p[i] & 0x3f);
	}
	bool surrogate = cp >= 0xd800 && cp <= 0xdfff;
	return cp < least[n] || cp > 0x10ffff || surrogate || is_control(cp) ? 0 : n;
}

bool wire_text_ok(const uint8_t *p, size_t len)
{
	size_t i = 0, n = 1;
	for (; i < len && n > 0; i += n)
		n = wire_utf8_next(p + i, len - i);
	return n > 0;
}
