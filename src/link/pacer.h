/**
 * When the next packet may leave, so that packets go out at a rate and not in bursts. Packets are
 * let go a small batch at a time, because a program that woke up for each of them would do nothing
 * else at high rates.
 */
#ifndef PACER_H
#define PACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_time.h"

/** A program that was kept from its turn may send so much time's worth at once afterwards. */
#define PACER_LATE_MAX TT_MS(4)
/** However slow the pace, one packet leaves in this time: how else would it be found to be too
 * slow? */
#define PACER_WAIT_MAX TT_MS(500)

struct pacer {
	uint64_t next_ns; /* when the next packet would leave at the pace */
	tt_time wake;     /* nothing leaves before; 0: not waiting */
};

/** The pace starts afresh: a batch may leave at once. */
void pacer_reset(struct pacer *p);

/** A packet may leave now. */
bool pacer_may_send(const struct pacer *p, tt_time now);

/** When the next may leave: not later than now when one may leave now. */
tt_time pacer_at(const struct pacer *p);

/** What keeps packets from leaving is something else: there is nothing to make good afterwards. */
void pacer_idle(struct pacer *p, tt_time now);

/** `bytes` left at `rate` bytes a second; batches have about `batch` bytes. */
void pacer_on_sent(struct pacer *p, size_t bytes, uint64_t rate, size_t batch, tt_time now);

#endif
