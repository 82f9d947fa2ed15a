/**
 * One channel to the measuring service of a peer, and the end of it where the figures come from.
 * Streams run from the event loop; whoever waits for one looks at it between two rounds.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "bench_io.h"
#include "bench_result.h"
#include "conn.h"
#include "wire_bench.h"

struct bench_stream {
	struct app *app;
	enum wire_bench kind;
	struct conn *conn;     /* NULL: the channel is over */
	enum close_reason why; /* ... for this reason */
	int fd;
	struct loop_watch *watch;
	bool stopped; /* the measurement is over */
	bool ended;   /* the peer has ended its own */
	struct bench_pattern out, in;

	/* source and sink: what arrived until it was stopped, at the end where it arrives */
	uint64_t bytes;
	tt_time us;

	/* source */
	tt_time first_at;

	/* sink */
	bool feeding;                    /* the pattern goes to it */
	struct wire_bench_report report; /* the newest */
	uint8_t buf[WIRE_BENCH_REPORT_LEN > BENCH_ECHO_SIZE ? WIRE_BENCH_REPORT_LEN
							    : BENCH_ECHO_SIZE];
	size_t got; /* bytes in buf: of the next report, or of the echo */

	/* echo */
	size_t size;   /* of a message */
	unsigned left; /* messages that are not back yet */
	struct bench_samples *samples;
	tt_time sent_at;
};

/** As session_open. After success, and only then, it must be closed. */
int bench_stream_open(
	struct bench_stream *s, struct app *app, struct peer *peer, enum wire_bench kind);

/**
 * Sends `count` messages of `size` bytes, 1 to BENCH_ECHO_SIZE, each when the one before it is
 * back, and adds their times to `samples`. The time of the first message of a stream counts from
 * when it began to open. s->left is 0 when all are back.
 */
void bench_stream_echo(
	struct bench_stream *s, size_t size, unsigned count, struct bench_samples *samples);

/** Sends to a sink for as long as it is not stopped. */
void bench_stream_feed(struct bench_stream *s);

/** Ends the measurement: what arrives from now on is checked and not counted. */
void bench_stream_stop(struct bench_stream *s);

/** Ends our direction, after which the peer's ends too: stopped ones only. */
void bench_stream_end(struct bench_stream *s);

/** Nothing more will come. */
bool bench_stream_over(const struct bench_stream *s);

/** Where the first byte that was not the one expected stood, plus 1; 0: there was none. */
uint64_t bench_stream_wrong(const struct bench_stream *s);

/** Cuts it off if it is not over. */
void bench_stream_close(struct bench_stream *s);

#endif
