/**
 * The Tox node: identity, bootstrap, friends, friend messages with receipts, lossy packets. The
 * only part that includes <tox/tox.h>. One thread; no function blocks on the network.
 *
 * toxcore's callbacks only queue (toxnet_event_next takes from the queue) but for lossy packets,
 * which are handed to `on_lossy` inside toxnet_iterate, so that the hot path has no copy; on_lossy
 * must not call back into this module. Lossy packets that come while other events wait are queued
 * behind them: what was sent in order is seen in order.
 *
 * The queue has no fixed number of entries: toxcore acknowledges a friend message before we see
 * it, so none may be dropped. Above 4 MB of events that nobody took, toxnet_iterate does not run
 * toxcore, and the sender waits; friend requests are dropped above 1 MB, and toxcore reports those
 * again only after other strangers' (see toxnet_request_forget).
 *
 * The program that uses this module replaces symbols of other libraries, see toxnet_symbols.c.
 */
#ifndef TOXNET_H
#define TOXNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_addr.h"
#include "tt_key.h"
#include "tt_log.h"
#include "tt_time.h"

#define TOXNET_MESSAGE_MAX 1372 /* TOX_MAX_MESSAGE_LENGTH */
#define TOXNET_REQUEST_MAX 921  /* TOX_MAX_FRIEND_REQUEST_LENGTH */
#define TOXNET_LOSSY_MAX 1373   /* TOX_MAX_CUSTOM_PACKET_SIZE */
#define TOXNET_NO_FRIEND UINT32_MAX

struct toxnet;

enum toxnet_path {
	TOXNET_PATH_NONE, /* offline */
	TOXNET_PATH_TCP,  /* through TCP relays */
	TOXNET_PATH_UDP,  /* direct */
};

/** How packets of the Tox UDP socket travel, see toxnet_io.h. */
enum toxnet_io_level { TOXNET_IO_PLAIN, TOXNET_IO_MMSG, TOXNET_IO_GSO };

#define TOXNET_PASSPHRASE_MAX 1024

enum toxnet_passphrase_for {
	TOXNET_PASSPHRASE_OPEN, /* of the save file as it is */
	TOXNET_PASSPHRASE_NEW,  /* for the one that is about to be written */
};

/** Where the passphrase of the save file comes from. */
struct toxnet_passphrase {
	/**
	 * Puts it into dst and returns its length; 0: there is none; -1, with a sentence in `why`:
	 * it cannot be had. `tries` counts the wrong ones for the same file.
	 */
	int (*get)(void *user, enum toxnet_passphrase_for what, unsigned tries,
		char dst[TOXNET_PASSPHRASE_MAX], char *why, size_t cap);
	void *user;
};

struct toxnet_config {
	const char *data_dir; /* NULL: an identity in memory only (ping's, bench's, tests') */
	struct toxnet_passphrase passphrase; /* without `get` a new identity is in plain text */
	bool keep_dht_key; /* in the data directory; else each start has a new one */
	bool udp, lan;
	/*
	 * Use TCP relays. Without, none is ever added, but toxcore may still connect to one that a
	 * friend names to it; it has no option against that.
	 */
	bool relay;
	uint16_t udp_port_first, udp_port_last; /* 0: somewhere in toxcore's own range */
	/*
	 * Be a TCP relay on this port; 0: no. Peers without UDP find each other only through a node
	 * whose UDP port has the same number.
	 */
	uint16_t relay_port;
	/* With a proxy there is no UDP, it would go past it. */
	enum { TOXNET_PROXY_NONE, TOXNET_PROXY_SOCKS5, TOXNET_PROXY_HTTP } proxy_type;
	const char *proxy_host; /* numeric */
	uint16_t proxy_port;
	enum toxnet_io_level io_level; /* the best to try; lower where the kernel has it not */
	bool fast_start; /* toxcore's fixed timers pass faster while we wait for somebody */
	const struct tt_log *log; /* borrowed, outlives the node */
	void (*on_lossy)(void *user, uint32_t friend_number, const uint8_t *data, size_t len);
	void *user;
};

/**
 * Loads or creates the identity and starts the node. TT_OK; TT_EBUSY: another process has the data
 * directory; TT_EPERM: directory or file is not readable or writable, or the passphrase is wrong;
 * TT_EPROTO: the save file is damaged (it is left alone, never replaced); TT_EIO; TT_EINVAL: a port
 * or the proxy cannot be used; TT_ENOMEM. For each of them a sentence for the user goes to `why`
 * (cap bytes).
 */
int toxnet_new(
	struct toxnet **out, const struct toxnet_config *cfg, tt_time now, char *why, size_t cap);

/**
 * The Tox ID of a data directory, made there when it has none, also while another process runs on
 * it. Starts no network; of cfg only data_dir, passphrase and log count. Errors as toxnet_new.
 */
int toxnet_identity(
	const struct toxnet_config *cfg, uint8_t id[TT_TOXID_LEN], char *why, size_t cap);

/**
 * Writes the save file anew, with the passphrase for TOXNET_PASSPHRASE_NEW or in plain text without
 * one. TT_ENOENT: there is none yet. Otherwise as toxnet_identity, but TT_EBUSY while another
 * process has the directory.
 */
int toxnet_passphrase_change(const struct toxnet_config *cfg, char *why, size_t cap);

/** Saves the identity, tells the friends that we go and closes everything. May be NULL. */
void toxnet_free(struct toxnet *tn);

/**
 * Writes the save file now if something changed: temporary file, fsync, rename. TT_OK, or an error
 * that is in the log, once in ten minutes. toxnet_iterate does it too: a second after a change of
 * friends or after coming online, every five minutes, and every minute after it has failed.
 */
int toxnet_save(struct toxnet *tn);

void toxnet_self_id(const struct toxnet *tn, uint8_t id[TT_TOXID_LEN]);
void toxnet_self_key(const struct toxnet *tn, uint8_t key[TT_KEY_LEN]);
/** The key that `-b` lines name: this node's DHT public key. */
void toxnet_dht_key(const struct toxnet *tn, uint8_t key[TT_KEY_LEN]);
/** The bound UDP port, 0 without UDP. */
uint16_t toxnet_udp_port(const struct toxnet *tn);
/** Our own connection to the Tox network. */
enum toxnet_path toxnet_self_path(const struct toxnet *tn);

/**
 * Adds a node to bootstrap from (udp_port 0: not) and its TCP relays (up to four ports, 0 ends the
 * list), by numeric address. toxnet_iterate asks it at once, and again with back-off (1 to 10 s)
 * for as long as we are offline. TT_OK, TT_EINVAL, TT_ENOMEM, or TT_ELIMIT above 4,096 nodes.
 */
int toxnet_node_add(struct toxnet *tn, const struct tt_addr *addr, uint16_t udp_port,
	const uint16_t tcp_ports[4], const uint8_t key[TT_KEY_LEN]);

/** A node that was added. Whether it answers is toxcore's secret. */
struct toxnet_node {
	char host[TT_ADDR_TEXT_MAX];
	uint16_t udp_port, tcp_ports[4];
	uint8_t key[TT_KEY_LEN];
	unsigned tries; /* how often it was asked for a way into the network */
};

/** Nodes by number from 0; false when there are fewer. */
bool toxnet_node_at(const struct toxnet *tn, size_t i, struct toxnet_node *out);

/**
 * The path to a friend is direct and silent. When others can be heard, so that it is not our own
 * line that is down, toxcore is made to take the path for dead sooner than by itself.
 */
void toxnet_doubt_path(struct toxnet *tn);
/** The friend is heard again, perhaps by a relay: the best path to it is looked for in haste. */
void toxnet_seek_path(struct toxnet *tn);

/** A descriptor of toxcore's: readable means that toxnet_iterate has something to do. */
struct toxnet_fd {
	int fd;
	unsigned serial; /* another one for another socket that got the same number */
	bool stream;     /* TCP: a relay, a client of our own relay, or a listener */
	bool accepted;   /* ... a client of our own relay */
};

/** Changes whenever the answer of toxnet_fds does; only toxnet_iterate and toxnet_node_add change
 * it. */
unsigned toxnet_fds_generation(const struct toxnet *tn);

/**
 * Descriptors to watch for reading: wake up and call toxnet_iterate. At most cap are written;
 * returns how many there are. They are toxcore's; free the watches before toxnet_free.
 */
size_t toxnet_fds(const struct toxnet *tn, struct toxnet_fd *fds, size_t cap);

/**
 * The other end of this stream, which was not accepted, is gone and all that it sent is read: makes
 * the next toxnet_iterate end a connection to a relay. toxcore by itself would take it for alive
 * until a ping is missed, for up to 40 s (TCP_PING_FREQUENCY and TCP_PING_TIMEOUT). The watches of
 * the descriptor must be silent. TT_OK, or TT_EIO when there are no descriptors.
 */
int toxnet_fd_ended(int fd);

/**
 * Runs toxcore once and the node's own timers. Returns when to call again at the latest; call
 * sooner when one of toxnet_fds is readable. One call takes in a bounded number of packets, so that
 * a flood of them cannot keep the program from answering; when there are more the time is `now`.
 */
tt_time toxnet_iterate(struct toxnet *tn, tt_time now);

enum toxnet_event_type {
	TOXNET_EV_SELF,    /* path: our connection to the network changed */
	TOXNET_EV_REQUEST, /* key, data/len: friend request and its message */
	TOXNET_EV_FRIEND,  /* friend_number, key, path: the friend's path changed */
	TOXNET_EV_MESSAGE, /* friend_number, data/len: a friend message */
	TOXNET_EV_RECEIPT, /* friend_number, receipt: that message has arrived */
	TOXNET_EV_LOSSY,   /* friend_number, data/len: as on_lossy, behind other events */
};

struct toxnet_event {
	enum toxnet_event_type type;
	enum toxnet_path path;
	uint32_t friend_number;
	uint32_t receipt;
	uint8_t key[TT_KEY_LEN];
	const uint8_t *data; /* borrowed until the next toxnet_event_next or toxnet_iterate */
	size_t len;
};

/** Takes the next event; false when there is none. The queue is bounded, see toxnet.c. */
bool toxnet_event_next(struct toxnet *tn, struct toxnet_event *ev);

/**
 * Adds a friend by Tox ID, sending a request with this message (1..921 bytes), or by key alone when
 * id->has_toxid is false or the friend exists already. TT_OK with *friend_number; TT_EINVAL for our
 * own ID; TT_ENOMEM. An existing friend is asked again with the new message.
 */
int toxnet_friend_add(struct toxnet *tn, const struct tt_peer_id *id, const uint8_t *message,
	size_t len, uint32_t *friend_number);
/** Accepts whoever has this key: TT_OK (also for a friend), TT_EINVAL for our own, TT_ENOMEM. */
int toxnet_friend_accept(struct toxnet *tn, const uint8_t key[TT_KEY_LEN], uint32_t *friend_number);
/** TT_OK or TT_ENOENT. Events about the friend that are still queued are forgotten. */
int toxnet_friend_remove(struct toxnet *tn, uint32_t friend_number);
/**
 * toxcore reports only one request of each of the last 32 strangers (MAX_RECEIVED_STORED of its
 * friend_requests.h). After this it reports the next one of this key, who is no friend, as well.
 */
void toxnet_request_forget(struct toxnet *tn, const uint8_t key[TT_KEY_LEN]);
/** TOXNET_NO_FRIEND when nobody has this key. */
uint32_t toxnet_friend_find(const struct toxnet *tn, const uint8_t key[TT_KEY_LEN]);
size_t toxnet_friend_count(const struct toxnet *tn);
/** All friend numbers, at most cap; returns how many were written. */
size_t toxnet_friend_list(const struct toxnet *tn, uint32_t *numbers, size_t cap);
int toxnet_friend_key(const struct toxnet *tn, uint32_t friend_number, uint8_t key[TT_KEY_LEN]);
enum toxnet_path toxnet_friend_path(const struct toxnet *tn, uint32_t friend_number);

/**
 * Sends a friend message. TT_OK with *receipt, which a TOXNET_EV_RECEIPT will name; TT_EAGAIN when
 * toxcore's queue is full; TT_ECLOSED when the friend is offline; TT_EINVAL. A message without its
 * receipt when the friend goes offline is lost: keeping and repeating it is the session's job.
 */
int toxnet_message_send(struct toxnet *tn, uint32_t friend_number, const uint8_t *data, size_t len,
	uint32_t *receipt);

/** Sends a lossy packet (first byte 192..254). TT_OK, TT_EAGAIN, TT_ECLOSED, TT_EINVAL. */
int toxnet_lossy_send(struct toxnet *tn, uint32_t friend_number, const uint8_t *data, size_t len);

struct toxnet_stats {
	uint64_t lossy_sent, lossy_received;             /* packets */
	uint64_t lossy_bytes_sent, lossy_bytes_received; /* their payload */
	uint64_t lossy_again;                            /* refused by a full queue */
	uint64_t messages_sent, messages_received;
	uint64_t self_drops; /* how often we lost the Tox network */
	uint64_t iterations;
	enum toxnet_io_level io_level;                               /* in use */
	uint64_t udp_send_calls, udp_packets_sent, udp_packets_lost; /* system calls, datagrams */
	uint64_t udp_receive_calls, udp_packets_received;
	uint64_t udp_bytes_sent, udp_bytes_received; /* IP and UDP headers included */
};
void toxnet_stats(const struct toxnet *tn, struct toxnet_stats *out);

/** Sends the packets that were collected since the last call; toxnet_iterate does it too. */
void toxnet_flush(struct toxnet *tn);

/** "plain", "mmsg" or "gso". */
const char *toxnet_io_level_name(enum toxnet_io_level level);

/** Once for the process, before it has secrets: no core dumps, no debugger of another user. */
void toxnet_protect_process(void);

/** The same, and all memory locked where the system allows it; the log says when it does not. True
 * when it is locked.
 */
bool toxnet_protect_memory(const struct tt_log *log);

/**
 * Gives the free pages of the heap back to the system, which does not take them while they are
 * locked: `locked` is what toxnet_protect_memory said, and memory is locked again afterwards. True
 * when it is.
 */
bool toxnet_trim_memory(bool locked);

#endif
