/**
 * What a packet of UDP datagrams is made of: fragments, one after the other behind the packet's
 * first byte. doc/protocol.md, "Datagrams".
 *
 * A datagram of `size` bytes is cut into `count` fragments that are equally long but for the last,
 * so that index and count say where a fragment belongs and how long it is, and no field can
 * contradict another.
 */
#ifndef WIRE_DGRAM_H
#define WIRE_DGRAM_H

#include <stddef.h>
#include <stdint.h>

#define WIRE_DGRAM_MAX 65507 /* the most that UDP over IPv4 carries */
#define WIRE_DGRAM_HEADER 10
#define WIRE_DGRAM_FRAGMENTS 255 /* of one datagram, at most */

/** The header of a fragment. */
struct wire_dgram {
	uint32_t conv; /* the channel's; not 0 */
	uint16_t id;   /* the datagram's, the same in all of its fragments */
	uint16_t size; /* of the whole datagram, at most WIRE_DGRAM_MAX */
	uint8_t index; /* of this fragment */
	uint8_t count; /* of all of them, at least 1 */
};

/**
 * How many fragments a datagram needs when each may have `room` bytes with its header; 0: it cannot
 * be sent in so little room.
 */
uint8_t wire_dgram_count(size_t size, size_t room);

/** Where the fragment's bytes begin in the datagram, and how many there are. */
size_t wire_dgram_offset(const struct wire_dgram *d);
size_t wire_dgram_length(const struct wire_dgram *d);

void wire_dgram_encode(const struct wire_dgram *d, uint8_t dst[WIRE_DGRAM_HEADER]);

/**
 * Reads the fragment at the front of buf. Returns how many bytes it takes, header and payload, or
 * TT_EPROTO when it is cut off or its fields cannot be.
 */
int wire_dgram_decode(const uint8_t *buf, size_t len, struct wire_dgram *out);

#endif
