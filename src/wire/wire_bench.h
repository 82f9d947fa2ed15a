/**
 * What travels in the channels of the measuring service: a pattern that both ends can compute at
 * any place, and the reports of a sink. doc/protocol.md, "Measuring".
 */
#ifndef WIRE_BENCH_H
#define WIRE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_BENCH_REPORT_LEN 56

/** The host of a syn with WIRE_BENCH; 0 is none of them. */
enum wire_bench {
	WIRE_BENCH_SOURCE = 1, /* sends the pattern until the opener ends its direction */
	WIRE_BENCH_SINK,       /* takes and checks the pattern, and reports */
	WIRE_BENCH_ECHO,       /* sends back what comes */
};

/** "source" ...; never NULL. */
const char *wire_bench_name(enum wire_bench kind);
/** 0 for a name that is not known. */
enum wire_bench wire_bench_parse(const char *name);

/** The seed of the bytes that the opener of channel `ccid`, or its accepter, sends. */
uint64_t wire_bench_seed(uint32_t ccid, bool opener);

/** The n bytes of the pattern that start at `offset`. */
void wire_bench_fill(uint64_t seed, uint64_t offset, uint8_t *dst, size_t n);

/** How many of the n bytes at src are those of the pattern, up to the first that is not. */
size_t wire_bench_match(uint64_t seed, uint64_t offset, const uint8_t *src, size_t n);

/** What a sink says of its channel, and of what its side has sent on the link since it began. */
struct wire_bench_report {
	uint64_t elapsed_us; /* since the first byte came; 0: none has */
	uint64_t bytes;      /* that came */
	uint64_t wrong;      /* 0, or 1 + the offset of the first byte that is not the pattern's */
	uint64_t segs_sent;  /* KCP segments with data, repeats included */
	uint64_t segs_repeated; /* of these, repeats */
	uint64_t bytes_sent;    /* of lossy packets */
	uint64_t payload_sent;  /* of the channels, each byte once */
};

void wire_bench_report_encode(
	const struct wire_bench_report *r, uint8_t dst[WIRE_BENCH_REPORT_LEN]);
void wire_bench_report_decode(
	struct wire_bench_report *r, const uint8_t src[WIRE_BENCH_REPORT_LEN]);

#endif
