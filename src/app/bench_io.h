/** Bytes of the measuring pattern to and from a socket, for both ends of a measurement. */
#ifndef BENCH_IO_H
#define BENCH_IO_H

#include <stdint.h>

/** How far one direction of a channel has come. */
struct bench_pattern {
	uint64_t seed;
	uint64_t offset; /* of the next byte */
	uint64_t wrong;  /* 0, or 1 + the offset of the first byte that was not the pattern's */
};

enum bench_io {
	BENCH_AGAIN, /* the socket is full or empty */
	BENCH_MORE,  /* enough for one turn */
	BENCH_END,   /* end of file, or the other end is gone */
};

/** Writes the pattern from p->offset on to a socket that does not block. */
enum bench_io bench_send(int fd, struct bench_pattern *p);

/** Reads and checks; after a wrong byte it only counts. */
enum bench_io bench_take(int fd, struct bench_pattern *p);

#endif
