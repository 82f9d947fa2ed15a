/* The replaced symbols, each alone: batches of datagrams, locked memory, the fast clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "namespace.h"
#include "toxnet_io.h"
#include "toxnet_symbols.h"
#include "tt_err.h"

#define BUF 4096
#define IP_AND_UDP (20 + 8)

static bool in_namespace;

struct end {
	int fd;
	struct toxnet_io *io;
	struct sockaddr_in addr;
};

static void end_open(struct end *e, enum toxnet_io_level level)
{
	int bytes = 4 << 20;
	socklen_t len = sizeof(e->addr);

	e->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(e->fd >= 0);
	setsockopt(e->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	e->addr = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(e->fd, (struct sockaddr *)&e->addr, len), 0);
	assert_int_equal(getsockname(e->fd, (struct sockaddr *)&e->addr, &len), 0);
	assert_int_equal(toxnet_io_new(&e->io, e->fd, level, NULL), TT_OK);
}

static void end_close(struct end *e)
{
	toxnet_io_free(e->io);
	close(e->fd);
}

/* Packet number i of a stream: its length and bytes follow from i. */
static size_t packet(unsigned i, uint8_t *dst)
{
	static const size_t lens[] = {
		1400, 1400, 1400, 1400, 1400, 300, 1, 1400, 1400, 2048, 64, 64, 1399};
	size_t len = lens[i % (sizeof(lens) / sizeof(lens[0]))];
	for (size_t k = 0; k < len; k++)
		dst[k] = (uint8_t)(i * 7 + k);
	return len;
}

static unsigned receive_all(struct end *e, unsigned from, const struct sockaddr_in *sender)
{
	uint8_t got[BUF], want[BUF];
	struct sockaddr_in addr;
	socklen_t addr_len = sizeof(addr);
	ssize_t n;

	while ((n = toxnet_io_recv(e->io, got, sizeof(got), (struct sockaddr *)&addr, &addr_len)) >=
		0) {
		size_t len = packet(from, want);
		assert_int_equal(n, len);
		assert_memory_equal(got, want, len);
		assert_int_equal(addr.sin_port, sender->sin_port);
		addr_len = sizeof(addr);
		from++;
	}
	assert_int_equal(errno, EAGAIN);
	return from;
}

static void carry(enum toxnet_io_level out, enum toxnet_io_level in)
{
	struct end a, b, c;
	uint8_t buf[BUF];
	unsigned to_b = 0, to_c = 0, at_b = 0, at_c = 0;
	uint64_t bytes_to_b = 0, bytes_to_c = 0;

	end_open(&a, out);
	end_open(&b, in);
	end_open(&c, in);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 60; i++) { /* runs to b, broken by packets to c */
			bool other = i % 17 == 16;
			struct end *dst = other ? &c : &b;
			size_t len = packet(other ? to_c++ : to_b++, buf);
			assert_int_equal(toxnet_io_send(a.io, buf, len,
						 (struct sockaddr *)&dst->addr, sizeof(dst->addr)),
				len);
			*(other ? &bytes_to_c : &bytes_to_b) += len + IP_AND_UDP;
		}
		toxnet_io_flush(a.io);
		toxnet_io_budget(b.io, UINT32_MAX);
		toxnet_io_budget(c.io, UINT32_MAX);
		at_b = receive_all(&b, at_b, &a.addr);
		at_c = receive_all(&c, at_c, &a.addr);
		toxnet_io_budget(b.io, UINT32_MAX);
		at_b = receive_all(&b, at_b, &a.addr);
	}
	assert_int_equal(at_b, to_b);
	assert_int_equal(at_c, to_c);

	struct toxnet_stats st;
	toxnet_io_stats(a.io, &st);
	assert_int_equal(st.udp_packets_sent, to_b + to_c);
	assert_int_equal(st.udp_bytes_sent, bytes_to_b + bytes_to_c);
	assert_int_equal(st.udp_packets_lost, 0);
	if (toxnet_io_level(a.io) == TOXNET_IO_PLAIN)
		assert_int_equal(st.udp_send_calls, to_b + to_c);
	else
		assert_true(st.udp_send_calls * 10 < st.udp_packets_sent);
	toxnet_io_stats(b.io, &st);
	assert_int_equal(st.udp_bytes_received, bytes_to_b);
	if (toxnet_io_level(b.io) != TOXNET_IO_PLAIN)
		assert_true(st.udp_receive_calls < st.udp_packets_received);
	end_close(&a);
	end_close(&b);
	end_close(&c);
}

static void every_level_carries_the_same_bytes(void **state)
{
	(void)state;
	for (int out = TOXNET_IO_PLAIN; out <= TOXNET_IO_GSO; out++) {
		for (int in = TOXNET_IO_PLAIN; in <= TOXNET_IO_GSO; in++)
			carry((enum toxnet_io_level)out, (enum toxnet_io_level)in);
	}
}

static void this_kernel_has_the_best_level(void **state)
{
	struct end a;
	(void)state;
	end_open(&a, TOXNET_IO_GSO);
	enum toxnet_io_level level = toxnet_io_level(a.io);
	end_close(&a);
	if (level != TOXNET_IO_GSO) /* Linux before 5.0 */
		skip();
}

static void budget_ends_the_reading_and_says_that_there_is_more(void **state)
{
	struct end a, b;
	uint8_t buf[BUF];
	(void)state;

	end_open(&a, TOXNET_IO_GSO);
	end_open(&b, TOXNET_IO_GSO);
	memset(buf, 1, 1000);
	for (int i = 0; i < 100; i++)
		toxnet_io_send(a.io, buf, 1000, (struct sockaddr *)&b.addr, sizeof(b.addr));
	toxnet_io_flush(a.io);
	for (int round = 0; round < 3; round++) {
		toxnet_io_budget(b.io, 30);
		for (int i = 0; i < 30; i++)
			assert_int_equal(toxnet_io_recv(b.io, buf, sizeof(buf), NULL, NULL), 1000);
		assert_int_equal(toxnet_io_recv(b.io, buf, sizeof(buf), NULL, NULL), -1);
		assert_int_equal(errno, EAGAIN);
		assert_true(toxnet_io_pending(b.io));
	}
	toxnet_io_budget(b.io, 30);
	for (int i = 0; i < 10; i++)
		assert_int_equal(toxnet_io_recv(b.io, buf, sizeof(buf), NULL, NULL), 1000);
	assert_int_equal(toxnet_io_recv(b.io, buf, sizeof(buf), NULL, NULL), -1);
	assert_false(toxnet_io_pending(b.io));
	end_close(&a);
	end_close(&b);
}

static void nothing_is_sent_before_the_flush(void **state)
{
	struct end a, b;
	uint8_t buf[BUF] = {0};
	struct pollfd pfd = {.events = POLLIN};
	(void)state;

	end_open(&a, TOXNET_IO_GSO);
	end_open(&b, TOXNET_IO_GSO);
	pfd.fd = b.fd;
	toxnet_io_send(a.io, buf, 10, (struct sockaddr *)&b.addr, sizeof(b.addr));
	assert_int_equal(poll(&pfd, 1, 0), 0);
	toxnet_io_flush(a.io);
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	end_close(&a);
	end_close(&b);
}

static void refused_destination_does_not_hold_up_others(void **state)
{
	struct end a, b;
	uint8_t buf[BUF];
	(void)state;
	/* no route from a loopback-bound socket to there: sendmmsg fails on the first message */
	struct sockaddr_in nowhere = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0xc0000201)};

	end_open(&a, TOXNET_IO_GSO);
	end_open(&b, TOXNET_IO_GSO);
	if (!in_namespace) {
		/* elsewhere the packet could leave the machine */
		end_close(&a);
		end_close(&b);
		skip();
	}
	for (unsigned i = 0; i < 3; i++) {
		size_t len = packet(i, buf);
		toxnet_io_send(a.io, buf, len, (struct sockaddr *)&nowhere, sizeof(nowhere));
	}
	for (unsigned i = 0; i < 3; i++) {
		size_t len = packet(i, buf);
		toxnet_io_send(a.io, buf, len, (struct sockaddr *)&b.addr, sizeof(b.addr));
	}
	toxnet_io_flush(a.io);
	assert_int_equal(receive_all(&b, 0, &a.addr), 3);
	struct toxnet_stats st;
	toxnet_io_stats(a.io, &st);
	assert_int_equal(st.udp_packets_lost, 3);
	assert_int_equal(st.udp_packets_sent, 3);
	end_close(&a);
	end_close(&b);
}

/* A socket of both families sends a datagram to itself, by this address. */
static void headers_by(const char *host, uint64_t headers)
{
	struct sockaddr_in6 addr = {.sin6_family = AF_INET6};
	socklen_t len = sizeof(addr);
	uint8_t buf[100] = {0};
	struct toxnet_io *io;
	struct toxnet_stats st;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0), both = 0;

	if (fd < 0)
		skip(); /* a kernel without IPv6 */
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof(both));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(inet_pton(AF_INET6, host, &addr.sin6_addr), 1);
	assert_int_equal(toxnet_io_new(&io, fd, TOXNET_IO_GSO, NULL), TT_OK);
	toxnet_io_send(io, buf, sizeof(buf), (struct sockaddr *)&addr, len);
	toxnet_io_flush(io);
	assert_int_equal(toxnet_io_recv(io, buf, sizeof(buf), NULL, NULL), sizeof(buf));
	toxnet_io_stats(io, &st);
	assert_int_equal(st.udp_bytes_sent, sizeof(buf) + headers);
	assert_int_equal(st.udp_bytes_received, sizeof(buf) + headers);
	toxnet_io_free(io);
	close(fd);
}

static void bytes_have_the_headers_of_the_address(void **state)
{
	(void)state;
	headers_by("::ffff:127.0.0.1", IP_AND_UDP);
	headers_by("::1", IP_AND_UDP + 20);
}

static void memory_is_wiped_though_it_is_not_locked(void **state)
{
	uint8_t secret[64];
	(void)state;
	memset(secret, 0x55, sizeof(secret));
	assert_int_equal(sodium_mlock(secret, sizeof(secret)), 0);
	assert_int_equal(secret[10], 0x55);
	assert_int_equal(sodium_munlock(secret, sizeof(secret)), 0);
	for (size_t i = 0; i < sizeof(secret); i++)
		assert_int_equal(secret[i], 0);
}

static void count_line(void *user, enum tt_log_level level, const char *line)
{
	(void)level;
	if (strstr(line, "memory is not locked"))
		++*(int *)user;
}

static void protected_process_dumps_no_core(void **state)
{
	int status, complaints = 0;
	struct tt_log log = {.write = count_line, .user = &complaints, .level = TT_LOG_INFO};
	(void)state;

	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};
		setrlimit(RLIMIT_CORE, &core);
		bool locked = toxnet_protect_memory(&log);
		if (prctl(PR_GET_DUMPABLE) != 0 || locked == (complaints > 0))
			_exit(1);
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_false(WCOREDUMP(status));
}

/* What a process that may not lock memory says. */
static void process_that_may_not_lock_says_so(void **state)
{
	int status, complaints = 0;
	struct tt_log log = {.write = count_line, .user = &complaints, .level = TT_LOG_INFO};
	(void)state;

	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit small = {65536, 65536};
		setrlimit(RLIMIT_MEMLOCK, &small);
		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(2);
		_exit(!toxnet_protect_memory(&log) && complaints == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static size_t resident_kb(void)
{
	char line[128];
	size_t kb = 0;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %zu kB", &kb);
	if (f)
		fclose(f);
	return kb;
}

/* Large blocks between small ones that stay: what is left of a burst of connections. */
static bool heap_shrinks(bool locked)
{
	enum { BLOCKS = 2000, BYTES = 16384 };
	static void *large[BLOCKS], *small[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		large[i] = malloc(BYTES);
		small[i] = malloc(64);
		if (!large[i] || !small[i])
			return false;
		memset(large[i], 1, BYTES);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(large[i]);
	size_t before = resident_kb();
	bool still_locked = toxnet_trim_memory(locked);
	size_t after = resident_kb();
	for (int i = 0; i < BLOCKS; i++)
		free(small[i]);
	return still_locked == locked && after + BLOCKS * BYTES / 1024 / 2 < before;
}

static void free_pages_return_to_the_system_locked_or_not(void **state)
{
	int status, complaints = 0;
	struct tt_log log = {.write = count_line, .user = &complaints, .level = TT_LOG_INFO};
	(void)state;

#ifdef __SANITIZE_ADDRESS__
	print_message("# skipped: AddressSanitizer keeps what is freed\n");
	return;
#endif
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (!heap_shrinks(false))
			_exit(1);
		_exit(heap_shrinks(toxnet_protect_memory(&log)) ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	in_namespace = enter_namespace();
	toxnet_symbols_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_level_carries_the_same_bytes),
		cmocka_unit_test(this_kernel_has_the_best_level),
		cmocka_unit_test(budget_ends_the_reading_and_says_that_there_is_more),
		cmocka_unit_test(nothing_is_sent_before_the_flush),
		cmocka_unit_test(refused_destination_does_not_hold_up_others),
		cmocka_unit_test(bytes_have_the_headers_of_the_address),
		cmocka_unit_test(memory_is_wiped_though_it_is_not_locked),
		cmocka_unit_test(protected_process_dumps_no_core),
		cmocka_unit_test(process_that_may_not_lock_says_so),
		cmocka_unit_test(free_pages_return_to_the_system_locked_or_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
