/** Functions of libsodium and of the C library that we define in place of theirs. */
#ifndef TOXNET_SYMBOLS_H
#define TOXNET_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>

#include "toxnet_io.h"
#include "tt_key.h"

/** Finds out where toxcore's code lies, so that its calls can be told from others'. Idempotent. */
void toxnet_symbols_init(void);

/** The next key pair that crypto_box_keypair makes is this one. Copies the key. */
void toxnet_symbols_keypair_set(const uint8_t secret[TT_KEY_LEN]);

/** Forgets a key that nobody took; true when it was taken. */
bool toxnet_symbols_keypair_clear(void);

/** sendto and recvfrom on this descriptor go through `io`; NULL: to the kernel again. */
void toxnet_symbols_io_set(int fd, struct toxnet_io *io);

/** A TCP socket of toxcore: a relay that it uses, or a client of its own relay. */
struct toxnet_tcp_fd {
	int fd;
	unsigned serial; /* differs when a number is used again for another socket */
	bool accepted;   /* of a client of our relay */
};

/** The TCP sockets of toxcore in this process; *n of them. Valid until toxcore is called again. */
const struct toxnet_tcp_fd *toxnet_symbols_tcp_fds(size_t *n);

/** Changes whenever the list of TCP sockets does. */
unsigned toxnet_symbols_tcp_generation(void);

/**
 * From now on toxcore's monotonic clock runs `factor` times as fast as the real one (1: as fast).
 * It never goes back and never jumps.
 */
void toxnet_symbols_clock_factor(unsigned factor);

/** What toxcore's monotonic clock shows now, in nanoseconds. */
uint64_t toxnet_symbols_toxcore_ns(void);

/** How often each replacement was called by toxcore, for the tests that prove that they are. */
struct toxnet_symbols_calls {
	uint64_t keypair, lock, send, receive, socket, clock;
};
void toxnet_symbols_calls(struct toxnet_symbols_calls *out);

#endif
