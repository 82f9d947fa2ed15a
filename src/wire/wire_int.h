/**
 * What the files of this directory share: a bounded cursor over MsgPack bytes, and the rules that
 * hold for writing and reading.
 *
 * Reading is done here and not by msgpack-c's unpacker: that one allocates an array for as many
 * elements as a header declares (up to 2^32 of 16 bytes and more) before it looks whether they are
 * there, so that five bytes from a peer could ask for 64 GB. This cursor allocates nothing, does
 * not recurse, and gives up on a count as soon as it exceeds the bytes that are left.
 */
#ifndef WIRE_INT_H
#define WIRE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#define WIRE_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WIRE_CAPS 5 /* capabilities known here: bits 0..WIRE_CAPS-1 of wire_hello.caps */

/** Name of a capability bit, bit < WIRE_CAPS. */
const char *wire_cap_name(size_t bit);

/** False for the protos whose target is a name, or the number of a listener, alone. */
bool wire_proto_has_port(enum wire_proto proto);
/** False for the proto whose target only its number names. */
bool wire_proto_has_host(enum wire_proto proto);

/** Whether the numbers and names are in their ranges: the same for writing and reading. */
bool wire_message_ok(const struct wire_msg *m);

struct wire_cursor {
	const uint8_t *p, *end;
};

/** A string of the message, not NUL-terminated; borrowed from the buffer. */
struct wire_span {
	const uint8_t *p;
	size_t len;
};

/* Each takes one item. TT_OK, or TT_EPROTO when it is of another type, out of range or cut off; the
 * cursor is then of no use. */
int wire_read_map(struct wire_cursor *c, size_t *pairs);
int wire_read_array(struct wire_cursor *c, size_t *items);
int wire_read_str(struct wire_cursor *c, struct wire_span *out);
int wire_read_bin(struct wire_cursor *c, struct wire_span *out);
int wire_read_bool(struct wire_cursor *c, bool *out);
/** Any integer form of MsgPack that holds min..max. */
int wire_read_uint(struct wire_cursor *c, uint64_t min, uint64_t max, uint64_t *out);

/** Takes one item with everything in it, of whatever type and depth. */
int wire_skip(struct wire_cursor *c);

/**
 * Length of the character at p (len > 0), 0 when it is not well-formed UTF-8 (RFC 3629) or controls
 * what is shown of the others (U+0000..U+001F, U+007F..U+009F, U+2028, U+2029 and the marks that
 * turn the direction of writing), which has no business in a line of the log or on a terminal.
 */
size_t wire_utf8_next(const uint8_t *p, size_t len);

/** True where all the bytes are such characters. */
bool wire_text_ok(const uint8_t *p, size_t len);

#endif
