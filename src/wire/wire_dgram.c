#include "wire_dgram.h"

#include <endian.h>
#include <string.h>

#include "tt_err.h"

static size_t div_up(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

/* Bytes of each fragment but the last. */
static size_t stride(const struct wire_dgram *d)
{
	return div_up(d->size, d->count);
}

uint8_t wire_dgram_count(size_t size, size_t room)
{
	if (room < WIRE_DGRAM_HEADER || size > WIRE_DGRAM_MAX)
		return 0;
	if (size <= room - WIRE_DGRAM_HEADER)
		return 1;
	if (room == WIRE_DGRAM_HEADER)
		return 0;
	size_t count = div_up(size, room - WIRE_DGRAM_HEADER);
	return count <= WIRE_DGRAM_FRAGMENTS ? (uint8_t)count : 0;
}

size_t wire_dgram_offset(const struct wire_dgram *d)
{
	return d->index * stride(d);
}

size_t wire_dgram_length(const struct wire_dgram *d)
{
	size_t left = d->size - wire_dgram_offset(d), most = stride(d);
	return left < most ? left : most;
}

void wire_dgram_encode(const struct wire_dgram *d, uint8_t dst[WIRE_DGRAM_HEADER])
{
	uint32_t conv = htole32(d->conv);
	uint16_t id = htole16(d->id), size = htole16(d->size);

	memcpy(dst, &conv, 4);
	memcpy(dst + 4, &id, 2);
	memcpy(dst + 6, &size, 2);
	dst[8] = d->index;
	dst[9] = d->count;
}

int wire_dgram_decode(const uint8_t *buf, size_t len, struct wire_dgram *out)
{
	uint32_t conv;
	uint16_t id, size;

	if (len < WIRE_DGRAM_HEADER)
		return TT_EPROTO;
	memcpy(&conv, buf, 4);
	memcpy(&id, buf + 4, 2);
	memcpy(&size, buf + 6, 2);
	*out = (struct wire_dgram){le32toh(conv), le16toh(id), le16toh(size), buf[8], buf[9]};
	if (out->conv == 0 || out->size > WIRE_DGRAM_MAX || out->index >= out->count)
		return TT_EPROTO;
	/* So many fragments that the last would be empty: nobody cuts like that. */
	if (out->count > 1 && (out->count - 1u) * stride(out) >= out->size)
		return TT_EPROTO;
	size_t n = WIRE_DGRAM_HEADER + wire_dgram_length(out);
	return n <= len ? (int)n : TT_EPROTO;
}
