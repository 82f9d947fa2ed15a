/**
 * A peer that keeps to no rule. hostile.c has what every attack needs: a Tox node, the friend that
 * is attacked, and ways to say anything to it; attacks_*.c have the attacks. Messages are encoded
 * by src/wire, or by hand where they must be wrong.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "toxnet.h"
#include "wire.h"

#define KCP_HEADER 24

enum { KCP_PUSH = 81, KCP_ACK, KCP_WASK, KCP_WINS, KCP_SACK };

struct segment {
	uint32_t conv;
	uint8_t cmd, frg;
	uint16_t wnd;
	uint32_t ts, sn, una;
	uint32_t len; /* as it is said; more than `size` is a lie */
	const void *data;
	size_t size; /* bytes of data that follow */
};

/* Of the victim's channels, what an attack remembers. */
struct chan {
	uint32_t ccid, conv;
	bool open; /* its ack has come */
};

#define CHANS_MAX 16384
#define OLD_PACKETS 256

struct hostile {
	/* from the command line */
	struct tt_addr node_addr;
	uint16_t node_port;
	uint8_t node_key[TT_KEY_LEN];
	struct tt_peer_id victim;
	const char *data_dir;
	uint16_t port, black_hole; /* targets at the victim: one that answers, one that does not */

	struct toxnet *tn;
	uint32_t friend_number;
	uint64_t rng;

	uint8_t inst[WIRE_INST_LEN];
	bool greeted; /* the victim's hello has come since ours of this inst */
	uint32_t next_n;
	struct chan chans[CHANS_MAX];
	uint32_t n_chans; /* ccid is the index plus 1 */

	uint8_t batch[WIRE_MESSAGE_MAX]; /* maps that wait for hostile_flush */
	size_t batch_len;

	const struct attack *attack;
	uint64_t step; /* calls of attack->tick */
	uint8_t old[OLD_PACKETS][TOXNET_LOSSY_MAX];
	size_t old_len[OLD_PACKETS], n_old;

	/* of one attack, for its report */
	uint64_t messages, packets, full, packets_in, acks_in, rsts_in;
};

struct attack {
	const char *name;
	bool alone; /* needs no victim that is online */
	void (*begin)(struct hostile *h);
	void (*tick)(struct hostile *h); /* about once a millisecond */
	void (*packet)(struct hostile *h, const uint8_t *data, size_t len);
	void (*end)(struct hostile *h);
};

extern const struct attack control_attacks[], stream_attacks[], identity_attacks[];

tt_time hostile_now(void);
uint32_t hostile_random(struct hostile *h);
void hostile_random_bytes(struct hostile *h, uint8_t *dst, size_t len);

/* Makes the Tox node and asks the victim to be its friend; both exit when that fails. */
void hostile_start(struct hostile *h);
void hostile_stop(struct hostile *h);
/* Serves the node once, for about a millisecond. */
void hostile_serve(struct hostile *h);
bool hostile_online(const struct hostile *h);
/* A node of another identity, in memory only. */
struct toxnet *hostile_node(const struct hostile *h, const char *data_dir);

/* One friend message, one lossy packet; false when toxcore takes no more. */
bool hostile_message(struct hostile *h, const void *data, size_t len);
bool hostile_packet(struct hostile *h, const void *data, size_t len);
/* A packet of segments: the id, then as many as fit. */
size_t hostile_segment(uint8_t *dst, size_t cap, const struct segment *s);
bool hostile_send_segment(struct hostile *h, const struct segment *s);

/* Puts a map with the next number (or without, for a hello) into the batch. */
void hostile_say(struct hostile *h, struct wire_msg *msg);
bool hostile_flush(struct hostile *h);
void hostile_hello(struct hostile *h, bool seen);
/* Another instance: the victim forgets what it had with the one before. */
void hostile_renew(struct hostile *h);
/* NULL when there are CHANS_MAX already. */
struct chan *hostile_open(
	struct hostile *h, enum wire_proto proto, const char *host, uint16_t port);
struct chan *hostile_open_conv(
	struct hostile *h, enum wire_proto proto, const char *host, uint16_t port, uint32_t conv);
void hostile_forget_chans(struct hostile *h);

#endif
