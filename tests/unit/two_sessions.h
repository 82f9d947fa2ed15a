/** Two sessions, a client's and a server's, whose messages are carried by hand. */
#ifndef TWO_SESSIONS_H
#define TWO_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fail_mem.h"
#include "session.h"

enum { CLI, SRV };

struct world {
	struct session *s[2];
	struct fail_mem mem[2];
	struct session_config cfg[2]; /* for world_start and world_restart */
	tt_time now;
	uint32_t receipt;
	bool hold_control, hold_packets; /* world_carry leaves them where they are */
};

/** No session yet. Both know the same two rules; the server accepts. Nothing is paced, so that time
 * may stand still while packets are carried. */
void world_make(struct world *w);
void world_start(struct world *w);
/** The end is another process from now on. */
void world_restart(struct world *w, size_t i);
/** Made, started and online. */
void world_up(struct world *w);
/** Nothing may be left of either session's memory. */
void world_finish(struct world *w);

/** The path of both. world_online carries as well. */
void world_online(struct world *w);
void world_offline(struct world *w);

/** One message or packet; false: there was none. A message is confirmed at once. */
bool world_carry_control(struct world *w, size_t from);
bool world_carry_packet(struct world *w, size_t from);
/** Runs the timers that are due and carries until there is silence; takes no actions. */
void world_carry(struct world *w);
/** Lets time pass in steps, on both sides. */
void world_pass(struct world *w, tt_time us);

/** The next action of an end, which must be of this type. */
struct session_action world_want(struct world *w, size_t i, enum session_action_type type);
void world_want_nothing(struct world *w, size_t i);
/** A channel is closed and nothing else; it is released. */
enum close_reason world_want_closed(struct world *w, size_t i);

struct channel *world_ask(struct world *w, size_t from, const char *host, uint16_t port);
/** An open channel; [CLI] is the opener's. */
void world_open_one(struct world *w, struct channel *ch[2]);

void bytes_put(struct channel *ch, size_t len, tt_time now);
/** Puts in whatever there is room for. */
size_t bytes_put_all(struct channel *ch, tt_time now);
/** Takes out whatever there is. */
size_t bytes_take(struct channel *ch, tt_time now);

/** A server whose peer is the test: it has had a hello and nothing else. */
void world_start_alone(struct world *w);
void world_up_alone(struct world *w);
struct wire_msg syn_to(uint32_t n, uint32_t ccid, const char *host, uint16_t port);
/** Hands one map to an end as its peer would send it. */
int world_say(struct world *w, size_t to, struct wire_msg *m);
/** The next map that an end has to say, hellos left out. It counts as sent and confirmed. */
bool world_heard(struct world *w, size_t from, struct wire_msg *m, size_t *count);
/** The reason of the rst that the server has to say. */
enum close_reason world_answer(struct world *w);

struct session_stats world_stats(struct world *w, size_t i);

#endif
