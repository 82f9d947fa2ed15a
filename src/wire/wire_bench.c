#include "wire_bench.h"

#include <endian.h>
#include <string.h>

#include "wire_int.h"

static const char *const names[] = {
	[WIRE_BENCH_SOURCE] = "source",
	[WIRE_BENCH_SINK] = "sink",
	[WIRE_BENCH_ECHO] = "echo",
};

const char *wire_bench_name(enum wire_bench kind)
{
	bool known = (size_t)kind < WIRE_COUNT(names) && names[kind];
	return known ? names[kind] : "invalid";
}

enum wire_bench wire_bench_parse(const char *name)
{
	for (size_t i = WIRE_BENCH_SOURCE; i < WIRE_COUNT(names); i++)
		if (strcmp(names[i], name) == 0)
			return (enum wire_bench)i;
	return 0;
}

uint64_t wire_bench_seed(uint32_t ccid, bool opener)
{
	return (uint64_t)(opener ? 0 : 1) << 32 | ccid;
}

/* Word `i` of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators): two
 * multiplications for eight bytes, and every word can be had without those before it. */
static uint64_t word(uint64_t seed, uint64_t i)
{
	uint64_t z = seed + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void put_le64(uint8_t *dst, uint64_t v)
{
	v = htole64(v);
	memcpy(dst, &v, sizeof(v));
}

static uint64_t get_le64(const uint8_t *src)
{
	uint64_t v;
	memcpy(&v, src, sizeof(v));
	return le64toh(v);
}

/* The bytes at `offset` up to the end of its word, at most n, to dst; returns how many. */
static size_t piece(uint64_t seed, uint64_t offset, size_t n, uint8_t dst[8])
{
	size_t skip = offset % 8, len = 8 - skip;
	put_le64(dst, word(seed, offset / 8) >> (8 * skip));
	return len < n ? len : n;
}

void wire_bench_fill(uint64_t seed, uint64_t offset, uint8_t *dst, size_t n)
{
	while (n > 0) {
		uint8_t part[8];
		size_t len = piece(seed, offset, n, part);
		memcpy(dst, part, len);
		dst += len;
		offset += len;
		n -= len;
		for (; offset % 8 == 0 && n >= 8; dst += 8, offset += 8, n -= 8)
			put_le64(dst, word(seed, offset / 8));
	}
}

size_t wire_bench_match(uint64_t seed, uint64_t offset, const uint8_t *src, size_t n)
{
	for (size_t done = 0; done < n;) {
		uint8_t part[8];
		size_t len = piece(seed, offset + done, n - done, part);
		for (size_t i = 0; i < len; i++)
			if (src[done + i] != part[i])
				return done + i;
		done += len;
		while ((offset + done) % 8 == 0 && n - done >= 8 &&
			get_le64(src + done) == word(seed, (offset + done) / 8))
			done += 8;
	}
	return n;
}

void wire_bench_report_encode(const struct wire_bench_report *r, uint8_t dst[WIRE_BENCH_REPORT_LEN])
{
	const uint64_t v[] = {r->elapsed_us, r->bytes, r->wrong, r->segs_sent, r->segs_repeated,
		r->bytes_sent, r->payload_sent};

	_Static_assert(sizeof(v) == WIRE_BENCH_REPORT_LEN, "a report is these fields");
	for (size_t i = 0; i < WIRE_COUNT(v); i++)
		put_le64(dst + 8 * i, v[i]);
}

void wire_bench_report_decode(struct wire_bench_report *r, const uint8_t src[WIRE_BENCH_REPORT_LEN])
{
	uint64_t *const v[] = {&r->elapsed_us, &r->bytes, &r->wrong, &r->segs_sent,
		&r->segs_repeated, &r->bytes_sent, &r->payload_sent};

	for (size_t i = 0; i < WIRE_COUNT(v); i++)
		*v[i] = get_le64(src + 8 * i);
}
