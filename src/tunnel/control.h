/**
 * The control stream with one peer: numbers the maps we send, keeps them until the peer's toxcore
 * has confirmed them, repeats them in order after the peer was away, and drops what it repeats to
 * us. doc/protocol.md, "Control stream".
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_mem.h"
#include "wire.h"

struct control_item;

struct control {
	const struct tt_mem *mem;
	struct control_item *head, *tail; /* by number */
	struct control_item *unsent;      /* the first that is not on its way */
	struct control_item *peeked;      /* the last that control_peek put out */
	size_t items;                     /* kept */
	uint32_t next_n;                  /* for the next map we send */
	uint32_t last_seen;               /* number of the last map taken from the peer */
};

void control_init(struct control *c, const struct tt_mem *mem);

/** Forgets everything; both directions start at 1 again (the peer or we are new). */
void control_clear(struct control *c);

/** Gives the map the next number and queues it. TT_OK, TT_ENOMEM, TT_EINVAL. */
int control_push(struct control *c, struct wire_msg *msg);

/** A map could not be queued: the number of the next one will tell the peer that it is missing. */
void control_skip(struct control *c);

/** Puts as many unsent maps as fit into dst, in order; returns the bytes, 0 when there is none. */
size_t control_peek(struct control *c, uint8_t *dst, size_t cap);

/** What control_peek last gave is on its way under this receipt. */
void control_sent(struct control *c, uint32_t receipt);

/** The peer has what was sent under this receipt, and all before it. */
void control_confirmed(struct control *c, uint32_t receipt);

/** The connection was lost: whatever is not confirmed must be sent again. */
void control_rewind(struct control *c);

/**
 * A map of this number has come: TT_OK when it is new, TT_EEXIST when it was taken before,
 * TT_EPROTO when it is new but maps before it are missing. It then counts as taken.
 */
int control_accept(struct control *c, uint32_t n);

bool control_empty(const struct control *c);

#endif
