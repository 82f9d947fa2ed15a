/** What the files of src/toxnet share with each other. */
#ifndef TOXNET_INT_H
#define TOXNET_INT_H

#include <tox/tox.h>
#include <tox/toxencryptsave.h>

#include "toxnet.h"
#include "toxnet_io.h"

/* Events that wait for toxnet_event_next. */
struct toxnet_queue {
	struct toxnet_node_event *first, **last;
	struct toxnet_node_event *taken; /* the one whose data the caller may still read */
	size_t bytes;
};

struct toxnet_boot {
	struct toxnet_node *nodes;
	size_t n, cap;
	size_t unasked; /* nodes with tries == 0 */
	size_t cursor;
	unsigned relays; /* added since we were online last */
	tt_time backoff_us;
	tt_time at; /* next round; TT_TIME_NEVER while online */
};

struct toxnet {
	struct toxnet_config cfg; /* its strings are not kept */
	Tox *tox;
	char *dir;   /* data directory, for messages; NULL without one */
	int dir_fd;  /* -1 without one */
	int lock_fd; /* -1 without one */
	int udp_fd;  /* toxcore's, not ours to close; -1 without UDP */
	uint16_t udp_port;
	tt_time now;
	tt_time save_at;
	bool save_due;    /* something worth keeping changed */
	bool save_failed; /* the last try */
	struct tt_ratelimit save_log;
	Tox_Pass_Key *pass_key; /* encrypts the save file; NULL: it is in plain text */
	bool paths_changed;     /* since any_by_tcp was found out */
	bool any_by_tcp;        /* a friend is reached through a relay */
	enum toxnet_path self_path;
	struct toxnet_queue queue;
	struct toxnet_boot boot;
	struct toxnet_stats stats;
	struct toxnet_io *io; /* of udp_fd, NULL without */
	tt_time haste_until;  /* toxcore's clock runs fast until then; 0: it does not */
	/* We have asked nodes to find out whether our own line works; 0: we have not. */
	tt_time doubt_until;
	tt_time doubt_haste;  /* how long to make haste when it does */
	uint64_t doubt_heard; /* datagrams that had come by then */
	tt_time doubt_after;  /* the next doubt about a path, not before */
	bool seek_due;        /* there was one: look for a better path when the friend is heard */
};

enum toxnet_path toxnet_path_of(Tox_Connection c);

/* toxnet_event.c */
void toxnet_queue_init(struct toxnet_queue *q);
void toxnet_queue_clear(struct toxnet_queue *q);
bool toxnet_queue_full(const struct toxnet_queue *q);
/* Forgets what is queued about a friend that is removed: its number will be given to another. */
void toxnet_queue_drop_friend(struct toxnet_queue *q, uint32_t friend_number);
/* The caller is done with the data of the event that it took last. */
void toxnet_queue_release(struct toxnet_queue *q);
void toxnet_callbacks_set(Tox *tox);

/* toxnet_boot.c */
void toxnet_boot_init(struct toxnet_boot *b);
void toxnet_boot_clear(struct toxnet_boot *b);
void toxnet_boot_run(struct toxnet *tn);
/* Asks some nodes at once, though we are online. */
void toxnet_boot_again(struct toxnet *tn);
void toxnet_boot_path_changed(struct toxnet *tn, enum toxnet_path from, enum toxnet_path to);

/* toxnet_dir.c; what fails says so, and what to do, in `why` */
#define TOXNET_SAVE_FILE "identity.tox"
struct toxnet_blob {
	uint8_t *data; /* NULL: there is none */
	size_t len;
};
void toxnet_blob_clear(struct toxnet_blob *b);
/* Opens (or makes) the data directory, and locks it; without `lock` to have a look only. */
int toxnet_dir_open(struct toxnet *tn, const char *path, bool lock, char *why, size_t cap);
void toxnet_dir_close(struct toxnet *tn);
/* A whole file. TT_ENOENT when there is none at all: then, and only then, a new one may be made. */
int toxnet_file_read(
	const struct toxnet *tn, const char *name, struct toxnet_blob *out, char *why, size_t cap);
/* Never leaves anything but the old or the new file. */
int toxnet_file_write(const struct toxnet *tn, const char *name, const uint8_t *data, size_t len,
	char *why, size_t cap);

/* toxnet_identity.c */
/*
 * Reads, decrypts and checks the save file. With none yet: TT_OK and no data, and the passphrase
 * for a new one is known.
 */
int toxnet_identity_load(struct toxnet *tn, struct toxnet_blob *out, char *why, size_t cap);
/* Writes it now. */
int toxnet_identity_save(struct toxnet *tn, char *why, size_t cap);
/* The secret half of the DHT key of `toxtun node`, made at the first start. */
int toxnet_node_key(const struct toxnet *tn, uint8_t secret[TT_KEY_LEN], char *why, size_t cap);

/* Marks the identity as changed; it is saved within a second. */
void toxnet_save_soon(struct toxnet *tn);

/* toxnet_haste.c */
/* We wait for somebody: makes toxcore hurry, for a bounded time. */
void toxnet_haste_start(struct toxnet *tn);
void toxnet_haste_stop(struct toxnet *tn);
/* Nodes were asked while we are offline: the first answer says that the line is back. */
void toxnet_doubt_network(struct toxnet *tn);
/* After an iteration: has anybody answered? */
void toxnet_doubt_run(struct toxnet *tn);
/* Ends it when it is time; the interval until the next iteration, shorter while it lasts. */
tt_time toxnet_haste_run(struct toxnet *tn, tt_time interval);

/* toxnet_fd.c */
struct toxnet_fd_set {
	int *fds;
	size_t n, cap;
};
/* The UDP sockets that this process has now. */
int toxnet_fd_snapshot(struct toxnet_fd_set *out);
void toxnet_fd_clear(struct toxnet_fd_set *s);
/* The UDP socket bound to port that is not in `before`, or -1. */
int toxnet_fd_find_udp(const struct toxnet_fd_set *before, uint16_t port);

#endif
