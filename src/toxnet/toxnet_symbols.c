/*
 * Symbols of other libraries that toxcore calls and that we define instead.
 *
 * The dynamic linker looks a symbol up in the executable first, so a definition here wins over the
 * one in libsodium or libc, for toxcore too. Two things make that work: this object is linked in
 * (the functions of toxnet_symbols.h are in it, and toxnet.c calls them), and the linker exports
 * the symbol from the executable, which it does by itself for every symbol that a shared library
 * on its command line refers to. tests/net/test_toxnet.c checks the result.
 *
 *   crypto_box_keypair       a node keeps its DHT key over restarts
 *   sodium_mlock, _munlock   toxcore locks and unlocks its scratch memory around every encryption:
 *                            four pairs of system calls for a packet, three quarters of its time.
 *                            The process locks itself once instead (toxnet_memory.c)
 *   sendto, recvfrom         packets in batches (toxnet_io.c)
 *   socket, accept, close    which TCP sockets are toxcore's, so that the loop can wait for them;
 *                            clients of the relay leave descriptors for the rest
 *   clock_gettime            toxcore's fixed timers pass faster while it looks for its friends
 *                            (toxnet_haste.c)
 *
 * Whatever does not come from toxcore goes straight through: a caller is toxcore when the return
 * address lies in its code.
 *
 * These functions have no context argument, therefore this file has the only mutable variables of
 * the program with static storage. toxcore is called from one thread.
 */
#include "toxnet_symbols.h"

#include <dlfcn.h>
#include <link.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <tox/tox.h>
#include <unistd.h>

#define IO_MAX 8      /* nodes in one process; the program has one, tests have three */
#define FD_RESERVE 64 /* of the limit of open files; not for clients of the relay */

static struct {
	uintptr_t start, end;
} toxcore_code;

static struct {
	uint8_t secret[TT_KEY_LEN];
	bool armed;
} next_keypair;

static struct {
	int fd;
	struct toxnet_io *io;
} ios[IO_MAX];

static struct {
	struct toxnet_tcp_fd *fds;
	size_t n, cap;
	unsigned generation;
} tcp;

static struct {
	int (*libc)(clockid_t id, struct timespec *ts);
	unsigned factor;
	uint64_t real_ns, virtual_ns; /* when the factor was last set; 0, 0: never */
} fast_clock = {.factor = 1};

static struct toxnet_symbols_calls calls;

/* ---- who calls ---- */

static int find_code(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t inside = (uintptr_t)tox_version_major;

	(void)size;
	(void)arg;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + ph->p_vaddr, end = start + ph->p_memsz;
		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) && inside >= start &&
			inside < end) {
			toxcore_code.start = start;
			toxcore_code.end = end;
			return 1;
		}
	}
	return 0;
}

void toxnet_symbols_init(void)
{
	if (toxcore_code.end != 0)
		return;
	dl_iterate_phdr(find_code, NULL);
	*(void **)&fast_clock.libc = dlsym(RTLD_NEXT, "clock_gettime");
}

static bool is_toxcore(const void *return_address)
{
	uintptr_t at = (uintptr_t)return_address;
	return at >= toxcore_code.start && at < toxcore_code.end;
}

#define CALLED_BY_TOXCORE is_toxcore(__builtin_return_address(0))

void toxnet_symbols_calls(struct toxnet_symbols_calls *out)
{
	*out = calls;
}

/* ---- keys and locked memory ---- */

void toxnet_symbols_keypair_set(const uint8_t secret[TT_KEY_LEN])
{
	memcpy(next_keypair.secret, secret, TT_KEY_LEN);
	next_keypair.armed = true;
}

bool toxnet_symbols_keypair_clear(void)
{
	bool taken = !next_keypair.armed;
	sodium_memzero(next_keypair.secret, sizeof(next_keypair.secret));
	next_keypair.armed = false;
	return taken;
}

/*
 * toxcore makes a new DHT key pair at each start and has no option to give it one; new_dht in
 * tox_new is its first caller. Everybody else gets what libsodium does: random bytes and their
 * multiple of the base point.
 */
int crypto_box_keypair(unsigned char *pk, unsigned char *sk)
{
	calls.keypair++;
	if (next_keypair.armed) {
		memcpy(sk, next_keypair.secret, TT_KEY_LEN);
		toxnet_symbols_keypair_clear();
	} else {
		randombytes_buf(sk, crypto_box_SECRETKEYBYTES);
	}
	return crypto_scalarmult_base(pk, sk);
}

int sodium_mlock(void *const addr, const size_t len)
{
	(void)addr;
	(void)len;
	calls.lock++;
	return 0;
}

/* libsodium's also wipes what it unlocks, and toxcore counts on that. */
int sodium_munlock(void *const addr, const size_t len)
{
	sodium_memzero(addr, len);
	return 0;
}

/* ---- datagrams ---- */

void toxnet_symbols_io_set(int fd, struct toxnet_io *io)
{
	size_t place = IO_MAX;

	for (size_t i = 0; i < IO_MAX; i++) {
		if (ios[i].io && ios[i].fd == fd)
			ios[i].io = NULL;
		if (!ios[i].io && place == IO_MAX)
			place = i;
	}
	if (io && place < IO_MAX) {
		ios[place].fd = fd;
		ios[place].io = io;
	}
}

static struct toxnet_io *io_of(int fd)
{
	for (size_t i = 0; i < IO_MAX; i++) {
		if (ios[i].io && ios[i].fd == fd)
			return ios[i].io;
	}
	return NULL;
}

ssize_t sendto(
	int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
	struct toxnet_io *io = io_of(fd);

	if (!io)
		return syscall(SYS_sendto, fd, buf, len, flags, to, to_len);
	calls.send++;
	return toxnet_io_send(io, buf, len, to, to_len);
}

ssize_t recvfrom(int fd, void *restrict buf, size_t len, int flags, struct sockaddr *restrict from,
	socklen_t *restrict from_len)
{
	struct toxnet_io *io = io_of(fd);

	if (!io)
		return syscall(SYS_recvfrom, fd, buf, len, flags, from, from_len);
	calls.receive++;
	return toxnet_io_recv(io, buf, len, from, from_len);
}

/* ---- TCP sockets ---- */

/* Without memory a socket is not in the list, and is served at the next time-out. */
static void tcp_add(int fd, bool accepted)
{
	if (tcp.n == tcp.cap) {
		size_t cap = tcp.cap ? tcp.cap * 2 : 16;
		struct toxnet_tcp_fd *fds = realloc(tcp.fds, cap * sizeof(*fds));
		if (!fds)
			return;
		tcp.fds = fds;
		tcp.cap = cap;
	}
	tcp.fds[tcp.n++] =
		(struct toxnet_tcp_fd){.fd = fd, .serial = ++tcp.generation, .accepted = accepted};
	calls.socket++;
}

static void tcp_remove(int fd)
{
	for (size_t i = 0; i < tcp.n; i++) {
		if (tcp.fds[i].fd != fd)
			continue;
		tcp.fds[i] = tcp.fds[--tcp.n];
		tcp.generation++;
		break;
	}
	if (tcp.n == 0) {
		free(tcp.fds);
		tcp.fds = NULL;
		tcp.cap = 0;
	}
}

const struct toxnet_tcp_fd *toxnet_symbols_tcp_fds(size_t *n)
{
	*n = tcp.n;
	return tcp.fds;
}

unsigned toxnet_symbols_tcp_generation(void)
{
	return tcp.generation;
}

int socket(int domain, int type, int protocol)
{
	int fd = (int)syscall(SYS_socket, domain, type, protocol);

	if (fd >= 0 && CALLED_BY_TOXCORE && (type & 0xf) == SOCK_STREAM)
		tcp_add(fd, false);
	return fd;
}

/* Descriptors have the lowest free number, so it tells how many there are. */
static bool leaves_room(int fd)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur == RLIM_INFINITY)
		return true;
	return (rlim_t)fd <
	       rl.rlim_cur - (rl.rlim_cur > 4 * FD_RESERVE ? FD_RESERVE : rl.rlim_cur / 4);
}

/*
 * A client of our relay is whoever connects. All of them together leave descriptors for the saves
 * of the identity and for everybody else; those for whom there is no room are closed, because in
 * the queue they would keep others waiting.
 */
int accept(int fd, struct sockaddr *restrict addr, socklen_t *restrict len)
{
	socklen_t size = len ? *len : 0;

	for (;;) {
		int client = (int)syscall(SYS_accept, fd, addr, len);
		if (client < 0 || !CALLED_BY_TOXCORE)
			return client;
		if (leaves_room(client)) {
			tcp_add(client, true);
			return client;
		}
		syscall(SYS_close, client);
		if (len)
			*len = size;
	}
}

int close(int fd)
{
	if (CALLED_BY_TOXCORE)
		tcp_remove(fd);
	return (int)syscall(SYS_close, fd);
}

/* ---- time ---- */

static uint64_t nanoseconds(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec;
}

static uint64_t virtual_of(uint64_t real_ns)
{
	if (fast_clock.real_ns == 0)
		return real_ns;
	return fast_clock.virtual_ns + (real_ns - fast_clock.real_ns) * fast_clock.factor;
}

/* The C library's, which asks no kernel; the system call until it is known. */
static int real_clock(clockid_t id, struct timespec *ts)
{
	return fast_clock.libc ? fast_clock.libc(id, ts) : (int)syscall(SYS_clock_gettime, id, ts);
}

void toxnet_symbols_clock_factor(unsigned factor)
{
	struct timespec ts;

	if (factor == fast_clock.factor || real_clock(CLOCK_MONOTONIC, &ts) != 0)
		return;
	uint64_t real_ns = nanoseconds(&ts);
	fast_clock.virtual_ns = virtual_of(real_ns);
	fast_clock.real_ns = real_ns;
	fast_clock.factor = factor;
}

uint64_t toxnet_symbols_toxcore_ns(void)
{
	struct timespec ts = {0};
	real_clock(CLOCK_MONOTONIC, &ts);
	return virtual_of(nanoseconds(&ts));
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = real_clock(id, ts);

	if (rc != 0 || id != CLOCK_MONOTONIC || !CALLED_BY_TOXCORE)
		return rc;
	calls.clock++;
	uint64_t ns = virtual_of(nanoseconds(ts));
	ts->tv_sec = (time_t)(ns / 1000000000u);
	ts->tv_nsec = (long)(ns % 1000000000u);
	return 0;
}
