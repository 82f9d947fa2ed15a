/**
 * Applications over a pair of links (src/link), as endpoints of the simulator. A load is what one
 * or several channels carry; the contents are checked at the other end.
 */
#ifndef HOST_H
#define HOST_H

#include "link.h"
#include "sim.h"
#include "sim_hist.h"
#include "sim_rng.h"

#define HOST_LOADS 8
#define HOST_PATHS 8
#define HOST_ASKED 256 /* pings on their way in one channel */

enum load_kind {
	LOAD_NONE,
	LOAD_BULK,  /* writes `bytes` as fast as it may */
	LOAD_BURST, /* writes `bytes` each period: limited by the application */
	LOAD_PING,  /* writes `bytes` each period, more or less, and waits for as many back */
};

struct load {
	enum load_kind kind;
	int from;          /* the end that writes, 0 or 1 */
	unsigned channels; /* that each carry this; 0: one */
	tt_time start_us;
	tt_time period_us;
	uint64_t bytes; /* LOAD_BULK: 0 never ends */
};

/* toxcore says that the friend's connection is another. */
struct path_change {
	tt_time at;
	enum link_path path;
};

/* Paths are LINK_DIRECT until the first change. */
struct hosts_config {
	uint64_t seed;
	enum tt_mode mode;
	tt_time start; /* of the clock; all other times count from it */
	size_t n_loads, n_paths;
	struct load load[HOST_LOADS];
	struct path_change path[HOST_PATHS];
};

/* One end of a channel. */
struct host_channel {
	struct link_stream *stream; /* NULL before its start */
	const struct load *load;
	bool opener;
	uint32_t conv;
	uint64_t to_send, sent, received, bad;
	tt_time next_at; /* it starts, or writes more; TT_TIME_NEVER: writes only when it can */
	uint64_t asked, answered;     /* LOAD_PING, at its opener */
	tt_time asked_at[HOST_ASKED]; /* ring */
};

struct host {
	struct hosts *both;
	int index; /* 0 or 1 */
	struct link *link;
	enum link_path path;
	struct host_channel *channel;
	tt_time next_at;   /* the earliest of the channels and path changes */
	size_t paths_seen; /* path changes that have come */
};

struct hosts {
	struct hosts_config cfg;
	struct host host[2];
	struct sim_rng rng;
	size_t n_channels;
	size_t unfinished;   /* channels of bulk loads that have an end */
	tt_time finished_at; /* the last of them; 0: not yet, or none */
	struct sim_hist ping;
	uint64_t pings_skipped; /* too many were on their way */
};

/** Never NULL. */
struct hosts *hosts_new(const struct hosts_config *cfg);
void hosts_free(struct hosts *h);

/** The endpoint for the simulator of end 0 or 1. */
struct sim_endpoint hosts_endpoint(struct hosts *h, int end);

/** Payload of bulk and burst loads that has arrived at this end. */
uint64_t hosts_received(const struct hosts *h, int end);

/** Bytes that were not the right ones, at both ends. */
uint64_t hosts_bad(const struct hosts *h);

/** Bytes on the wire of a Tox lossy packet of so many bytes. */
size_t tox_wire(const uint8_t *pkt, size_t len);

#endif
