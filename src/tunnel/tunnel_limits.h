/**
 * What one peer may ask of us. Each limit has a count of how often it held a peer back, for the
 * statistics. doc/architecture.md has the table of all of the program's limits.
 */
#ifndef TUNNEL_LIMITS_H
#define TUNNEL_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

enum session_limit {
	LIMIT_CHANNELS,  /* channels: refused, more would be open at once than allowed */
	LIMIT_HALF_OPEN, /* channels: refused, more would not be connected yet */
	LIMIT_OPENING,   /* channels: refused, too many a second */
	LIMIT_MEASURING, /* channels: refused, more measurements at once */
	LIMIT_FLOWS,     /* channels: refused, more flows of datagrams at once */
	LIMIT_CONTROL,   /* friend messages: dropped, too many maps a second */
	LIMIT_HELLOS,    /* hellos: had to wait, too many a second; the newest is taken */
	LIMIT_ANSWERS,   /* syns: passed over, too many of our answers are not confirmed */
	LIMIT_RESOLVING, /* names: waited until others of the same peer were resolved */
	LIMIT_LOG,       /* log lines: not written */
	LIMIT_COUNT
};

/** As the statistics say it: "channels", "half_open" ... */
const char *session_limit_name(enum session_limit l);

/** Channels that all sessions have open; each takes at most one descriptor. */
struct session_slots {
	size_t cap, used;
};

/**
 * True when a peer with so many channels may have another one: it may have as many as are free, so
 * that there is always one for somebody else. `s` may be NULL: no limit.
 */
bool session_slots_free(const struct session_slots *s, size_t has);

#endif
