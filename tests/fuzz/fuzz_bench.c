/* A measurement's pattern in any pieces, damaged anywhere, and reports of any content. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire_bench.h"

#define PATTERN_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* Made and checked in pieces as long as the input's bytes say. */
static void pattern(const uint8_t *data, size_t size)
{
	uint8_t whole[PATTERN_MAX], pieces[PATTERN_MAX];
	uint64_t offset, seed;
	size_t at = 0;

	memcpy(&offset, data, 8);
	offset &= UINT64_MAX >> 1;
	seed = wire_bench_seed(data[8], data[9] & 1);
	size_t wrong = (size_t)data[10] * 2;
	wire_bench_fill(seed, offset, whole, sizeof(whole));
	for (size_t i = 11; at < sizeof(pieces); at += i < size ? data[i] : PATTERN_MAX, i++) {
		size_t n = i < size ? data[i] : PATTERN_MAX;
		n = n < sizeof(pieces) - at ? n : sizeof(pieces) - at;
		wire_bench_fill(seed, offset + at, pieces + at, n);
		must(wire_bench_match(seed, offset + at, pieces + at, n) == n);
	}
	must(memcmp(whole, pieces, sizeof(whole)) == 0);
	whole[wrong] ^= 1;
	must(wire_bench_match(seed, offset, whole, sizeof(whole)) == wrong);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[WIRE_BENCH_REPORT_LEN];
	struct wire_bench_report r;

	if (size >= 11)
		pattern(data, size);
	if (size >= WIRE_BENCH_REPORT_LEN) {
		wire_bench_report_decode(&r, data);
		wire_bench_report_encode(&r, again);
		must(memcmp(again, data, sizeof(again)) == 0);
	}
	return 0;
}
