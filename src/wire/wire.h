/**
 * Control messages: what two toxtuns say to each other in Tox friend messages. One friend message
 * holds one or more MsgPack maps one after the other; doc/protocol.md is their specification.
 *
 * Every map has "t" (its type) and, but for hello, "n" (its number in the sender's control stream,
 * from 1, one more for each map). Keys and types that a receiver does not know are passed over.
 * Messages are values: decoded ones can be compared with memcmp.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION 1
#define WIRE_MESSAGE_MAX 1372 /* TOX_MAX_MESSAGE_LENGTH */
#define WIRE_INST_LEN 16
#define WIRE_PROOF_LEN 32
#define WIRE_HOST_MAX 255
#define WIRE_NAME_MAX 63
#define WIRE_TEXT_MAX 255
#define WIRE_PACKET_MIN 128 /* range of wire_hello.packet_max */
#define WIRE_PACKET_MAX 65535

/* Lossy packet ids: their first byte (toxcore gives 192..254 to applications). */
#define WIRE_ID_KCP 254   /* then KCP segments of any streams */
#define WIRE_ID_DGRAM 253 /* UDP datagrams, see wire_dgram.h */
#define WIRE_ID_PROBE 252 /* round trip probe of the link, see link.h */

enum wire_type {
	WIRE_HELLO = 1, /* "hello": who I am; not numbered */
	WIRE_SYN,       /* "syn": open a channel */
	WIRE_ACK,       /* "ack": it is open */
	WIRE_RST,       /* "rst": it is over, both directions, now */
	WIRE_FIN,       /* "fin": my direction ends after so many bytes */
	WIRE_END,       /* "end": I have all of your bytes and your fin; nothing need be repeated */
	WIRE_LISTEN,    /* "listen": listen for me */
	WIRE_LISTENING, /* "listening": I do */
	WIRE_UNLISTEN,  /* "unlisten": no more, or not at all */
	WIRE_UNKNOWN,   /* a well-formed map of a type of a later version; only n is set */
};

enum wire_proto {
	WIRE_TCP = 1,
	WIRE_UDP,
	WIRE_UNIX,
	WIRE_BENCH,   /* the measuring service of the accepter itself, see wire_bench.h */
	WIRE_REVERSE, /* the target of the accepter's own listener `lid`, which the opener has */
};

/* Capabilities in a hello, as bits here and as names ("fast_open") on the wire. */
#define WIRE_CAP_FAST_OPEN (1u << 0) /* takes data before its ack has gone out */
#define WIRE_CAP_SACK (1u << 1)      /* takes SACK segments */
#define WIRE_CAP_BENCH (1u << 2)     /* knows the proto WIRE_BENCH */
#define WIRE_CAP_UDP                                                                               \
	(1u << 3) /* knows the proto WIRE_UDP, and keeps datagrams that overtake their syn */
#define WIRE_CAP_LISTEN (1u << 4) /* knows listen, listening, unlisten and WIRE_REVERSE */

struct wire_hello {
	uint32_t version;            /* "ver" */
	uint8_t inst[WIRE_INST_LEN]; /* "inst", bin: random for each process */
	uint32_t caps;               /* "caps", array of str; unknown names are passed over */
	bool seen;                   /* "seen", optional: yours has arrived since you came online */
	bool has_proof;
	uint8_t proof[WIRE_PROOF_LEN]; /* "proof", optional bin: that I know our secret */
	uint32_t packet_max;           /* "max": largest lossy packet that I take, bytes */
	char name[WIRE_NAME_MAX + 1];  /* "name", optional: what the machine calls itself */
};

struct wire_syn {
	uint32_t version;               /* "ver" */
	uint32_t ccid;                  /* "ccid": the opener's number of the channel, not 0 */
	uint32_t conv;                  /* "conv": proposed by the opener; not 0 */
	enum wire_proto proto;          /* "proto": "tcp", "udp", "unix", "bench" or "reverse" */
	char host[WIRE_HOST_MAX + 1];   /* "host": name, numeric address without brackets, path, or
					   kind of measurement; not on the wire for "reverse" */
	uint16_t port;                  /* "port"; only "tcp" and "udp" have one */
	uint32_t lid;                   /* "lid"; only "reverse" has one: whose connection it is */
	char tunnel[WIRE_NAME_MAX + 1]; /* "tunnel", optional: the entry's name, for the log */
};

struct wire_ack {
	uint32_t ccid; /* "ccid" */
	uint32_t scid; /* "scid": the accepter's own number, for its log */
	uint32_t conv; /* "conv": the one that counts */
};

struct wire_rst {
	uint32_t ccid;                  /* "ccid" */
	bool opener;                    /* "o": the sender is the one that opened the channel */
	char reason[WIRE_NAME_MAX + 1]; /* "reason": [a-z0-9_]+, see doc/protocol.md */
	char text[WIRE_TEXT_MAX + 1];   /* "text", optional: for a human */
};

struct wire_fin {
	bool seen;      /* "seen", optional: I had your fin when I ended my direction */
	uint32_t ccid;  /* "ccid" */
	bool opener;    /* "o" */
	uint64_t bytes; /* "bytes": that the sender's direction carried in all */
};

struct wire_end {
	uint32_t ccid; /* "ccid" */
	bool opener;   /* "o" */
};

/* Both sides number the listeners that they ask for; `asker` says whose number it is. */

struct wire_listen {
	uint32_t lid;                   /* "lid": the asker's number of the listener, not 0 */
	char host[WIRE_HOST_MAX + 1];   /* "host": numeric address without brackets, "localhost",
					   "*", or with `path` that of a unix socket */
	bool path;                      /* "path", optional: true: a unix socket */
	uint16_t port;                  /* "port": 0: choose one; not on the wire with `path` */
	char tunnel[WIRE_NAME_MAX + 1]; /* "tunnel", optional: the entry's name, for the log */
};

struct wire_listening {
	uint32_t lid;  /* "lid" */
	uint16_t port; /* "port": the one that counts; not on the wire, 0, for a unix socket */
};

struct wire_unlisten {
	uint32_t lid;                   /* "lid" */
	bool asker;                     /* "o": the sender is the one that asked for the listener */
	char reason[WIRE_NAME_MAX + 1]; /* "reason": as in rst */
	char text[WIRE_TEXT_MAX + 1];   /* "text", optional: for a human */
};

struct wire_msg {
	enum wire_type type;
	uint32_t n; /* 0 in a hello */
	union {
		struct wire_hello hello;
		struct wire_syn syn;
		struct wire_ack ack;
		struct wire_rst rst;
		struct wire_fin fin;
		struct wire_end end;
		struct wire_listen listen;
		struct wire_listening listening;
		struct wire_unlisten unlisten;
	};
};

/**
 * Writes one map. Returns its length, TT_ENOSPC when it does not fit into cap (dst is then
 * undefined), or TT_EINVAL for a message that could not be read back.
 */
int wire_encode(const struct wire_msg *msg, uint8_t *dst, size_t cap);

/**
 * Reads the map at the front of buf. Returns how many bytes it took; TT_EPROTO when it is not a
 * MsgPack map, is cut off, lacks a key that its type must have, or has a value of the wrong type or
 * range, or has a key of its type twice. Strings are UTF-8 without control characters. It allocates
 * nothing.
 */
int wire_decode(const uint8_t *buf, size_t len, struct wire_msg *out);

enum wire_kind {
	WIRE_KIND_EMPTY,
	WIRE_KIND_MSGPACK, /* starts with a map byte: 0x80..0x8f, 0xde, 0xdf; never UTF-8 text */
	WIRE_KIND_JSON,    /* starts with '{': the older JSON handshake */
	WIRE_KIND_TEXT,    /* a human */
};

/**
 * Copies src into a field of cap bytes so that wire_encode takes it: cut at the end of a character,
 * with a question mark for what is not UTF-8 or is a control character.
 */
void wire_text_copy(char *dst, size_t cap, const char *src);

/** What a friend message is, by its first byte. */
enum wire_kind wire_kind(const uint8_t *buf, size_t len);

/** "syn", "tcp" ... for logs; never NULL. */
const char *wire_type_name(enum wire_type type);
const char *wire_proto_name(enum wire_proto proto);

#endif
