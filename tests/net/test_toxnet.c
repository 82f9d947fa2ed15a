/*
 * The Tox node: a private Tox network of one node and two peers in this process, on the loopback of
 * a network namespace that the test makes for itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "namespace.h"
#include "node.h"
#include "toxnet.h"
#include "toxnet_symbols.h"
#include "tt_err.h"

static void unusable_ports_and_directories_say_why(void **state)
{
	char last_line[256];
	struct tt_log log = {.write = log_write, .user = last_line, .level = TT_LOG_INFO};
	(void)state;
	struct toxnet *tn = NULL;
	char why[256];
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	socklen_t len = sizeof(sin6);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin6, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin6, &len), 0);
	uint16_t port = ntohs(sin6.sin6_port);

	struct toxnet_config cfg = {
		.udp = true, .udp_port_first = port, .udp_port_last = port, .log = &log};
	assert_int_equal(toxnet_new(&tn, &cfg, clock_now(), why, sizeof(why)), TT_EINVAL);
	assert_non_null(strstr(why, "port"));
	close(fd);

	cfg = (struct toxnet_config){.proxy_type = TOXNET_PROXY_SOCKS5, .proxy_host = "127.0.0.1"};
	assert_int_equal(toxnet_new(&tn, &cfg, clock_now(), why, sizeof(why)), TT_EINVAL);
	assert_non_null(strstr(why, "proxy"));

	cfg = (struct toxnet_config){.data_dir = "/proc/nothing/here"};
	assert_int_not_equal(toxnet_new(&tn, &cfg, clock_now(), why, sizeof(why)), TT_OK);
	assert_non_null(strstr(why, "/proc/nothing/here"));
	cfg.data_dir = "/dev/null";
	assert_int_not_equal(toxnet_new(&tn, &cfg, clock_now(), why, sizeof(why)), TT_OK);
	cfg.data_dir = "";
	assert_int_not_equal(toxnet_new(&tn, &cfg, clock_now(), why, sizeof(why)), TT_OK);
	assert_null(tn);
}

/* --- a private network --- */

struct peer {
	struct toxnet *tn;
	uint32_t friend;
	enum toxnet_path self, path;
	int path_events, requests, messages, receipts;
	uint32_t last_receipt;
	uint8_t request_key[TT_KEY_LEN];
	uint8_t data[TOXNET_MESSAGE_MAX];
	size_t len;
	bool message_before_online;
	unsigned lossy, lossy_bad;
};

struct net {
	struct toxnet *node;
	struct peer a, b;
	char last_line[256];
	struct tt_log log;
};

static void on_lossy(void *user, uint32_t friend_number, const uint8_t *data, size_t len)
{
	struct peer *p = user;
	p->lossy++;
	if (friend_number != p->friend || len != TOXNET_LOSSY_MAX || data[0] != 254 ||
		data[len - 1] != 0x5a)
		p->lossy_bad++;
}

static void drain(struct peer *p)
{
	struct toxnet_event ev;
	while (p->tn && toxnet_event_next(p->tn, &ev)) {
		switch (ev.type) {
		case TOXNET_EV_SELF:
			p->self = ev.path;
			break;
		case TOXNET_EV_REQUEST:
			p->requests++;
			memcpy(p->request_key, ev.key, TT_KEY_LEN);
			memcpy(p->data, ev.data, ev.len);
			p->len = ev.len;
			break;
		case TOXNET_EV_FRIEND:
			p->path_events++;
			p->path = ev.path;
			break;
		case TOXNET_EV_MESSAGE:
			p->message_before_online |= p->path == TOXNET_PATH_NONE;
			p->messages++;
			memcpy(p->data, ev.data, ev.len);
			p->len = ev.len;
			break;
		case TOXNET_EV_LOSSY:
			on_lossy(p, ev.friend_number, ev.data, ev.len);
			break;
		case TOXNET_EV_RECEIPT:
			p->receipts++;
			p->last_receipt = ev.receipt;
			break;
		}
	}
}

/* One round of all three: waits for their sockets or the earliest deadline. */
static void turn(struct net *n)
{
	struct toxnet *all[] = {n->node, n->a.tn, n->b.tn};
	struct pollfd pfd[3];
	nfds_t count = 0;
	tt_time now = clock_now(), next = now + TT_MS(50);

	for (size_t i = 0; i < 3; i++) {
		struct toxnet_fd fd;
		if (!all[i])
			continue;
		toxnet_flush(all[i]);
		next = tt_time_min(next, toxnet_iterate(all[i], now));
		if (toxnet_udp_port(all[i]) != 0 && toxnet_fds(all[i], &fd, 1) >= 1)
			pfd[count++] = (struct pollfd){.fd = fd.fd, .events = POLLIN};
	}
	drain(&n->a);
	drain(&n->b);
	poll(pfd, count, (int)(tt_time_since(next, clock_now()) / 1000));
}

#define until(n, seconds, what)                                                                    \
	do {                                                                                       \
		tt_time end_ = clock_now() + TT_S(seconds);                                        \
		while (!(what) && clock_now() < end_)                                              \
			turn(n);                                                                   \
		assert_true(what);                                                                 \
	} while (0)

static void peer_start(struct net *n, struct peer *p, bool udp)
{
	struct toxnet_config cfg = {.udp = udp,
		.relay = !udp,
		.fast_start = udp,
		.log = &n->log,
		.on_lossy = on_lossy,
		.user = p};
	char why[256];
	*p = (struct peer){.friend = TOXNET_NO_FRIEND};
	assert_int_equal(toxnet_new(&p->tn, &cfg, clock_now(), why, sizeof(why)), TT_OK);

	struct tt_addr lo;
	uint8_t key[TT_KEY_LEN];
	uint16_t relays[4] = {33500}, udp_port = 33500;
	assert_int_equal(tt_addr_parse("127.0.0.1", &lo), TT_OK);
	toxnet_dht_key(n->node, key);
	assert_int_equal(toxnet_node_add(p->tn, &lo, udp_port, relays, key), TT_OK);
}

static void net_start(struct net *n, bool udp)
{
	struct toxnet_config cfg = {.udp = true,
		.udp_port_first = 33500,
		.udp_port_last = 33500,
		.relay_port = 33500,
		.log = &n->log};
	char why[256];
	n->log = (struct tt_log){.write = log_write, .user = n->last_line, .level = TT_LOG_DEBUG};
	assert_int_equal(toxnet_new(&n->node, &cfg, clock_now(), why, sizeof(why)), TT_OK);
	peer_start(n, &n->a, udp);
	peer_start(n, &n->b, udp);
}

static void net_stop(struct net *n)
{
	toxnet_free(n->a.tn);
	toxnet_free(n->b.tn);
	toxnet_free(n->node);
}

/* b asks a by its Tox ID, a accepts; both see each other on this path. */
static void befriend(struct net *n, enum toxnet_path path)
{
	static const uint8_t old[] = "an older message", hello[] = {0x81, 0xa1, 'x', 0x00, 0xff};
	struct tt_peer_id id = {.has_toxid = true};
	uint8_t key[TT_KEY_LEN];
	tt_time started = clock_now();

	toxnet_self_id(n->a.tn, id.toxid);
	toxnet_self_key(n->a.tn, id.key);
	assert_int_equal(toxnet_friend_add(n->b.tn, &id, old, 0, &n->b.friend), TT_EINVAL);
	assert_int_equal(toxnet_friend_add(n->a.tn, &id, old, 1, &n->a.friend), TT_EINVAL);
	assert_int_equal(toxnet_friend_add(n->b.tn, &id, old, sizeof(old), &n->b.friend), TT_OK);
	assert_int_equal(
		toxnet_friend_add(n->b.tn, &id, hello, sizeof(hello), &n->b.friend), TT_OK);
	assert_int_equal(toxnet_friend_count(n->b.tn), 1);

	until(n, 40, n->a.requests > 0);
	toxnet_self_key(n->b.tn, key);
	assert_memory_equal(n->a.request_key, key, TT_KEY_LEN);
	assert_int_equal(n->a.len, sizeof(hello));
	assert_memory_equal(n->a.data, hello, sizeof(hello));
	assert_int_equal(toxnet_friend_accept(n->a.tn, key, &n->a.friend), TT_OK);
	until(n, 30, n->a.path != TOXNET_PATH_NONE && n->b.path != TOXNET_PATH_NONE);
	until(n, 5, n->a.path == path && n->b.path == path);
	assert_int_equal(toxnet_friend_path(n->a.tn, n->a.friend), path);
	print_message("# friends after %u ms\n", (unsigned)((clock_now() - started) / 1000));
}

static void exchange(struct net *n)
{
	uint8_t text[TOXNET_MESSAGE_MAX], packet[TOXNET_LOSSY_MAX] = {254};
	uint32_t receipt = 0;
	memset(text, 0xc1, sizeof(text));
	packet[sizeof(packet) - 1] = 0x5a;

	assert_int_equal(toxnet_message_send(n->a.tn, 99, text, 1, &receipt), TT_EINVAL);
	assert_int_equal(toxnet_message_send(n->a.tn, n->a.friend, text, 0, &receipt), TT_EINVAL);
	assert_int_equal(
		toxnet_message_send(n->a.tn, n->a.friend, text, sizeof(text), &receipt), TT_OK);
	until(n, 5, n->a.receipts == 1);
	assert_int_equal(n->a.last_receipt, receipt);
	assert_int_equal(n->b.messages, 1);
	assert_false(n->b.message_before_online);
	assert_int_equal(n->b.len, sizeof(text));
	assert_memory_equal(n->b.data, text, sizeof(text));

	for (int i = 0; i < 40; i++) {
		assert_int_equal(
			toxnet_lossy_send(n->a.tn, n->a.friend, packet, sizeof(packet)), TT_OK);
		assert_int_equal(
			toxnet_lossy_send(n->b.tn, n->b.friend, packet, sizeof(packet)), TT_OK);
	}
	until(n, 5, n->a.lossy == 40 && n->b.lossy == 40);
	assert_int_equal(n->a.lossy_bad + n->b.lossy_bad, 0);
	packet[0] = 1;
	assert_int_equal(toxnet_lossy_send(n->a.tn, n->a.friend, packet, 5), TT_EINVAL);

	struct toxnet_stats st;
	toxnet_stats(n->a.tn, &st);
	assert_int_equal(st.lossy_sent, 40);
	assert_int_equal(st.lossy_bytes_received, 40 * TOXNET_LOSSY_MAX);
	assert_int_equal(st.messages_sent, 1);
	assert_true(st.iterations > 0);
}

/* True when the descriptor of a becomes readable within ms after b sent a packet. */
static void udp_socket_wakes_us(struct net *n)
{
	uint8_t packet[TOXNET_LOSSY_MAX] = {254};
	struct pollfd pfd = {.events = POLLIN};
	packet[sizeof(packet) - 1] = 0x5a;

	struct toxnet_fd fd;
	assert_true(toxnet_fds(n->a.tn, &fd, 1) >= 1);
	assert_int_equal(toxnet_fds(n->a.tn, NULL, 0), toxnet_fds(n->a.tn, &fd, 1));
	pfd.fd = fd.fd;
	while (poll(&pfd, 1, 0) == 1)
		toxnet_iterate(n->a.tn, clock_now());
	n->a.lossy = 0;
	assert_int_equal(toxnet_lossy_send(n->b.tn, n->b.friend, packet, sizeof(packet)), TT_OK);
	toxnet_flush(n->b.tn);
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	toxnet_iterate(n->a.tn, clock_now());
	assert_int_equal(n->a.lossy, 1);
}

static void event_order_survives_a_burst(struct net *n)
{
	uint32_t receipt, seen = 0;
	uint8_t text[4];
	struct toxnet_event ev;
	for (uint32_t i = 0; i < 300; i++) {
		memcpy(text, &i, 4);
		assert_int_equal(
			toxnet_message_send(n->b.tn, n->b.friend, text, 4, &receipt), TT_OK);
	}
	tt_time end = clock_now() + TT_S(10);
	while (seen < 300 && clock_now() < end) {
		toxnet_iterate(n->b.tn, clock_now());
		toxnet_iterate(n->node, clock_now());
		toxnet_iterate(n->a.tn, clock_now());
		while (toxnet_event_next(n->a.tn, &ev)) {
			if (ev.type != TOXNET_EV_MESSAGE)
				continue;
			uint32_t got;
			memcpy(&got, ev.data, 4);
			assert_int_equal(got, seen);
			seen++;
		}
		usleep(1000);
	}
	assert_int_equal(seen, 300);
}

/* A packet sent after a message is never seen before it. */
static void packet_stays_behind_its_message(struct net *n)
{
	uint8_t packet[TOXNET_LOSSY_MAX] = {254};
	struct toxnet_event ev;
	uint32_t receipt;
	packet[sizeof(packet) - 1] = 0x5a;

	for (int i = 0; i < 50; i++) {
		bool message = false, behind = false;
		n->a.lossy = 0;
		assert_int_equal(
			toxnet_message_send(n->b.tn, n->b.friend, packet, 4, &receipt), TT_OK);
		assert_int_equal(
			toxnet_lossy_send(n->b.tn, n->b.friend, packet, sizeof(packet)), TT_OK);
		toxnet_flush(n->b.tn);
		tt_time end = clock_now() + TT_S(5);
		while (!behind && clock_now() < end) {
			toxnet_iterate(n->a.tn, clock_now());
			assert_true(message || n->a.lossy == 0);
			while (toxnet_event_next(n->a.tn, &ev)) {
				message |= ev.type == TOXNET_EV_MESSAGE;
				behind |= ev.type == TOXNET_EV_LOSSY && message;
			}
			behind |= message && n->a.lossy > 0;
			toxnet_iterate(n->b.tn, clock_now());
		}
		assert_true(behind);
	}
}

/* More than the queue holds: nothing is lost, and toxcore waits until we take the events. */
static void full_queue_holds_the_sender(struct net *n)
{
	enum { COUNT = 4000 };
	uint8_t text[TOXNET_MESSAGE_MAX] = {0};
	struct toxnet_event ev;
	struct toxnet_stats before, st;
	uint32_t receipt, sent = 0, seen = 0, held = 0;
	tt_time end = clock_now() + TT_S(20);

	toxnet_stats(n->a.tn, &st);
	uint64_t all = st.messages_received + COUNT;
	while (seen < COUNT && clock_now() < end) {
		for (int i = 0; i < 200 && sent < COUNT; i++, sent++) {
			memcpy(text, &sent, 4);
			if (toxnet_message_send(
				    n->b.tn, n->b.friend, text, sizeof(text), &receipt) != TT_OK)
				break;
		}
		before = st;
		toxnet_iterate(n->b.tn, clock_now());
		toxnet_iterate(n->node, clock_now());
		toxnet_iterate(n->a.tn, clock_now());
		toxnet_stats(n->a.tn, &st);
		usleep(500);
		bool ran = st.iterations != before.iterations;
		held += !ran;
		if (ran && st.messages_received < all)
			continue; /* do not take any until toxcore is held */
		while (toxnet_event_next(n->a.tn, &ev)) {
			if (ev.type != TOXNET_EV_MESSAGE)
				continue;
			uint32_t got;
			memcpy(&got, ev.data, 4);
			assert_int_equal(got, seen);
			seen++;
		}
	}
	assert_int_equal(seen, COUNT);
	assert_true(held > 0);
}

/* With the clock running fast, a friend that is online and silent would be given up. */
static void friend_that_is_added_does_not_hurry_the_clock(struct net *n)
{
	static const uint8_t key[TT_KEY_LEN] = {9};
	uint32_t number;
	assert_int_equal(toxnet_friend_accept(n->b.tn, key, &number), TT_OK);
	uint64_t start = toxnet_symbols_toxcore_ns();
	tt_time real = clock_now();
	usleep(20000);
	assert_true(toxnet_symbols_toxcore_ns() - start <=
		    (uint64_t)(clock_now() - real) * 1000u + 1000000u);
	assert_int_equal(toxnet_friend_remove(n->b.tn, number), TT_OK);
}

static void friends_talk_over_udp(void **state)
{
	(void)state;
	struct net n = {0};
	net_start(&n, true);
	befriend(&n, TOXNET_PATH_UDP);
	exchange(&n);
	udp_socket_wakes_us(&n);
	event_order_survives_a_burst(&n);
	packet_stays_behind_its_message(&n);
	full_queue_holds_the_sender(&n);
	friend_that_is_added_does_not_hurry_the_clock(&n);

	tt_time left = clock_now();
	toxnet_free(n.b.tn);
	n.b.tn = NULL;
	until(&n, 40, n.a.path == TOXNET_PATH_NONE);
	print_message(
		"# friend's leaving seen after %u ms\n", (unsigned)((clock_now() - left) / 1000));
	uint8_t packet[2] = {254, 0};
	uint32_t receipt;
	assert_int_equal(toxnet_lossy_send(n.a.tn, n.a.friend, packet, 2), TT_ECLOSED);
	assert_int_equal(toxnet_message_send(n.a.tn, n.a.friend, packet, 2, &receipt), TT_ECLOSED);

	uint32_t numbers[4];
	assert_int_equal(toxnet_friend_list(n.a.tn, numbers, 4), 1);
	assert_int_equal(numbers[0], n.a.friend);
	assert_int_equal(toxnet_friend_remove(n.a.tn, n.a.friend), TT_OK);
	assert_int_equal(toxnet_friend_remove(n.a.tn, n.a.friend), TT_ENOENT);
	assert_int_equal(toxnet_friend_count(n.a.tn), 0);
	net_stop(&n);
}

/* After friends have met and talked: toxcore really calls what we put in its way. */
static void toxcore_calls_the_replaced_symbols(void **state)
{
	struct toxnet_symbols_calls c;
	(void)state;
	toxnet_symbols_calls(&c);
	assert_true(c.keypair > 0);
	assert_true(c.lock > 0);
	assert_true(c.send > 0);
	assert_true(c.receive > 0);
	assert_true(c.socket > 0);
	assert_true(c.clock > 0);
}

static void fast_clock_is_fast_and_never_goes_back(void **state)
{
	struct toxnet_config cfg = {.fast_start = true};
	struct toxnet *tn;
	char why[256];
	(void)state;
	assert_int_equal(toxnet_new(&tn, &cfg, clock_now(), why, sizeof(why)), TT_OK);
	uint64_t last = toxnet_symbols_toxcore_ns();
	for (unsigned factor = 1; factor <= 9; factor += 4) {
		toxnet_symbols_clock_factor(factor);
		uint64_t start = toxnet_symbols_toxcore_ns();
		tt_time real = clock_now();
		assert_true(start >= last);
		usleep(20000);
		last = toxnet_symbols_toxcore_ns();
		uint64_t passed = (uint64_t)(clock_now() - real) * 1000u;
		assert_true(last - start >= 19000000u * factor);
		assert_true(last - start <= (passed + 1000000u) * factor);
	}
	toxnet_symbols_clock_factor(1);
	assert_true(toxnet_symbols_toxcore_ns() >= last);
	toxnet_free(tn);
}

static void friends_talk_through_the_nodes_relay(void **state)
{
	(void)state;
	struct net n = {0};
	net_start(&n, false);
	assert_int_equal(toxnet_udp_port(n.a.tn), 0);
	befriend(&n, TOXNET_PATH_TCP);
	assert_int_equal(toxnet_self_path(n.a.tn), TOXNET_PATH_TCP);
	exchange(&n);
	net_stop(&n);
}

/* A connection to the relay. */
static struct toxnet_fd relay_socket(const struct net *n)
{
	struct toxnet_fd fds[16];
	size_t count = toxnet_fds(n->a.tn, fds, 16);
	struct sockaddr_storage to;

	for (size_t i = 0; i < count && i < 16; i++) {
		socklen_t len = sizeof(to);
		if (fds[i].stream && !fds[i].accepted &&
			getpeername(fds[i].fd, (struct sockaddr *)&to, &len) == 0)
			return fds[i];
	}
	fail_msg("no connection to the relay");
	return fds[0];
}

static bool has_socket(const struct net *n, unsigned serial)
{
	struct toxnet_fd fds[16];
	size_t count = toxnet_fds(n->a.tn, fds, 16);

	for (size_t i = 0; i < count && i < 16; i++) {
		if (fds[i].serial == serial)
			return true;
	}
	return false;
}

static size_t relay_sockets(const struct net *n)
{
	struct toxnet_fd fds[16];
	size_t count = toxnet_fds(n->a.tn, fds, 16), found = 0;

	for (size_t i = 0; i < count && i < 16; i++)
		found += fds[i].stream && !fds[i].accepted;
	return found;
}

static void ended_connection_to_a_relay_is_made_anew_at_once(void **state)
{
	struct net n = {0};
	struct toxnet_fd fd;
	(void)state;
	net_start(&n, false);
	befriend(&n, TOXNET_PATH_TCP);
	size_t sockets = relay_sockets(&n);
	fd = relay_socket(&n);
	shutdown(fd.fd, SHUT_RDWR);
	assert_int_equal(toxnet_fd_ended(fd.fd), TT_OK);
	until(&n, 5, !has_socket(&n, fd.serial) && relay_sockets(&n) == sockets);
	exchange(&n);
	net_stop(&n);
}

int main(void)
{
	if (!enter_namespace()) {
		printf("1..0 # SKIP no network namespace for this user\n");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unusable_ports_and_directories_say_why),
		cmocka_unit_test(friends_talk_over_udp),
		cmocka_unit_test(friends_talk_through_the_nodes_relay),
		cmocka_unit_test(ended_connection_to_a_relay_is_made_anew_at_once),
		cmocka_unit_test(toxcore_calls_the_replaced_symbols),
		cmocka_unit_test(fast_clock_is_fast_and_never_goes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
