/* The smallest pieces: heap, pool, rate limit, addresses, keys, target rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "fail_mem.h"
#include "tt_addr.h"
#include "tt_err.h"
#include "tt_hash.h"
#include "tt_heap.h"
#include "tt_histogram.h"
#include "tt_key.h"
#include "tt_log.h"
#include "tt_mode.h"
#include "tt_packet.h"
#include "tt_pool.h"
#include "tt_rule.h"

/* As captured on an interface: IP packets of 1,428 and 84 bytes, data and an acknowledgement. */
static void packet_is_padded_and_has_headers_on_the_network(void **state)
{
	(void)state;
	assert_int_equal(tt_packet_network(TT_PACKET_MAX), 1400 + 8 + 20);
	for (size_t len = TT_PACKET_MAX - 7; len < TT_PACKET_MAX; len++)
		assert_int_equal(tt_packet_network(len), 1400 + 8 + 20);
	assert_int_equal(tt_packet_network(1 + 24), 84);
}

static void heap_gives_deadlines_in_order(void **state)
{
	(void)state;
	struct tt_heap h;
	struct tt_heap_node n[200];
	uint32_t seed = 7;

	tt_heap_init(&h, NULL);
	assert_int_equal(tt_heap_reserve(&h, 200), TT_OK);
	for (int i = 0; i < 200; i++) {
		tt_heap_node_init(&n[i]);
		seed = seed * 1664525u + 1013904223u;
		tt_heap_set(&h, &n[i], seed >> 16);
	}
	for (int i = 0; i < 200; i += 3) { /* move some, take some out */
		seed = seed * 1664525u + 1013904223u;
		tt_heap_set(&h, &n[i], i % 2 ? TT_TIME_NEVER : seed >> 16);
	}
	tt_time last = 0;
	size_t count = 0, left = h.n;
	while (tt_heap_first(&h)) {
		struct tt_heap_node *first = tt_heap_first(&h);
		assert_true(first->key >= last);
		last = first->key;
		tt_heap_set(&h, first, TT_TIME_NEVER);
		assert_true(first->pos == TT_HEAP_OUT);
		count++;
	}
	assert_int_equal(count, left);
	assert_true(tt_heap_deadline(&h) == TT_TIME_NEVER);
	tt_heap_clear(&h);
}

#define POOL_BLOCKS 1000

static void pool_gives_blocks_of_their_own(void **state)
{
	static uint8_t *block[POOL_BLOCKS];
	struct tt_pool *p = NULL;
	(void)state;

	assert_int_equal(tt_pool_new(&p, 1351, NULL), TT_OK);
	assert_int_equal(tt_pool_bytes(p), 0);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < POOL_BLOCKS; i++) {
			if (block[i])
				continue;
			block[i] = tt_pool_get(p);
			assert_non_null(block[i]);
			assert_int_equal((uintptr_t)block[i] % 16, 0);
			memset(block[i], (int)(i % 251), 1351);
		}
		for (size_t i = 0; i < POOL_BLOCKS; i++) {
			assert_int_equal(block[i][0], i % 251);
			assert_int_equal(block[i][1350], i % 251);
			if ((i + (size_t)round) % 3 == 0)
				continue;
			tt_pool_put(block[i]);
			block[i] = NULL;
		}
	}
	assert_true(tt_pool_bytes(p) < 12 * TT_POOL_SLAB); /* what came back was given out again */
	for (size_t i = 0; i < POOL_BLOCKS; i++) {
		if (block[i])
			tt_pool_put(block[i]);
	}
	tt_pool_free(p);
}

static void pool_gives_back_what_nobody_needed_for_a_while(void **state)
{
	void *block[POOL_BLOCKS], *one;
	struct fail_mem fm;
	struct tt_pool *p = NULL;
	(void)state;

	assert_int_equal(tt_pool_new(&p, 1352, fail_mem_init(&fm, 0)), TT_OK);
	one = tt_pool_get(p);
	for (size_t i = 0; i < POOL_BLOCKS; i++)
		block[i] = tt_pool_get(p);
	size_t most = tt_pool_bytes(p);
	tt_pool_tidy(p);
	assert_int_equal(tt_pool_bytes(p), most);
	for (size_t i = 0; i < POOL_BLOCKS; i++)
		tt_pool_put(block[i]);
	tt_pool_tidy(p); /* all were needed since the last time */
	assert_int_equal(tt_pool_bytes(p), most);
	tt_pool_tidy(p);
	assert_int_equal(tt_pool_bytes(p), TT_POOL_SLAB); /* one block is still out */
	tt_pool_put(one);
	tt_pool_tidy(p);
	tt_pool_tidy(p);
	assert_int_equal(tt_pool_bytes(p), 0);

	fm.fail_at = fm.asked + 1;
	assert_null(tt_pool_get(p));
	assert_int_equal(tt_pool_bytes(p), 0);
	one = tt_pool_get(p);
	assert_non_null(one);
	tt_pool_put(one);
	tt_pool_free(p);
	assert_int_equal(fm.held, 0);
}

static void rate_limit_allows_a_burst_and_refills(void **state)
{
	(void)state;
	struct tt_ratelimit rl = {.burst = 3, .interval_us = TT_S(1)};
	tt_time now = TT_S(100);

	for (int i = 0; i < 3; i++) {
		assert_int_equal(tt_ratelimit_next(&rl, now), now);
		assert_true(tt_ratelimit_take(&rl, now));
	}
	assert_int_equal(tt_ratelimit_next(&rl, now), now + TT_S(1));
	assert_int_equal(tt_ratelimit_next(&rl, now + TT_S(5)), now + TT_S(5));
	assert_false(tt_ratelimit_take(&rl, now));
	assert_false(tt_ratelimit_take(&rl, now + TT_MS(999)));
	assert_true(tt_ratelimit_take(&rl, now + TT_MS(1000)));
	assert_false(tt_ratelimit_take(&rl, now + TT_MS(1001)));
	assert_int_equal(rl.suppressed, 3);
	for (int i = 0; i < 3; i++)
		assert_true(tt_ratelimit_take(&rl, now + TT_S(60)));
	assert_false(tt_ratelimit_take(&rl, now + TT_S(60)));
}

/* Numbers that all end alike, as those that a peer would choose against a hash that it knows. */
static void keyed_hash_spreads_whatever_numbers_a_peer_chooses(void **state)
{
	enum { N = 4096 };
	static const uint32_t steps[] = {1, 2, 1u << 10, 1u << 16, 1u << 20, 0x01010101};
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct tt_hash_key k = {seed * 0x2545f4914f6cdd1du, seed * 0xd6e8feb86659fd93u};
		for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
			uint16_t load[N] = {0}, most = 0;
			for (uint32_t i = 0; i < N; i++) {
				uint16_t *l = &load[tt_hash(&k, i * steps[s]) % N];
				++*l;
				most = *l > most ? *l : most;
			}
			assert_in_range(most, 1, 60);
		}
	}
}

static void keys_of_the_hash_decide_which_numbers_meet(void **state)
{
	struct tt_hash_key k = {0xd1342543de82ef95, 5}, other = {0x5851f42d4c957f2d, 6};
	uint32_t met = 0, meet_again = 0;
	(void)state;
	for (uint32_t i = 1; i < 100000; i++) {
		if (tt_hash(&k, i) % 64 != 7)
			continue;
		met++;
		meet_again += tt_hash(&other, i) % 64 == 7;
	}
	assert_in_range(met, 1000, 2200);
	assert_in_range(meet_again, 0, met / 4);
}

static void mapped_v6_address_is_the_v4_address(void **state)
{
	(void)state;
	struct tt_addr a, b;
	char text[TT_ADDR_TEXT_MAX];

	assert_int_equal(tt_addr_parse("::ffff:127.0.0.1", &a), TT_OK);
	assert_int_equal(tt_addr_parse("127.0.0.1", &b), TT_OK);
	assert_true(tt_addr_equal(&a, &b));
	assert_true(tt_addr_is_loopback(&a));
	assert_string_equal(tt_addr_format(&a, text), "127.0.0.1");
	assert_int_equal(tt_addr_parse("[2001:db8::1]", &a), TT_OK);
	assert_string_equal(tt_addr_format(&a, text), "2001:db8::1");
	assert_int_equal(tt_addr_parse("[::1", &a), TT_EINVAL);
	assert_int_equal(tt_addr_parse("", &a), TT_EINVAL);
	assert_int_equal(tt_addr_parse("127.1", &a), TT_EINVAL);
	assert_int_equal(tt_addr_parse("localhost", &a), TT_EINVAL);
}

static void ports_are_digits_in_range(void **state)
{
	(void)state;
	uint16_t p = 0;
	assert_int_equal(tt_port_parse("65535", 1, &p), TT_OK);
	assert_int_equal(p, 65535);
	assert_int_equal(tt_port_parse("65536", 1, &p), TT_EINVAL);
	assert_int_equal(tt_port_parse("0", 1, &p), TT_EINVAL);
	assert_int_equal(tt_port_parse("0", 0, &p), TT_OK);
	assert_int_equal(tt_port_parse("", 0, &p), TT_EINVAL);
	assert_int_equal(tt_port_parse("80x", 1, &p), TT_EINVAL);
	assert_int_equal(tt_port_parse("-1", 1, &p), TT_EINVAL);
	assert_int_equal(tt_port_parse("000080", 1, &p), TT_EINVAL);
}

static void toxid_with_a_wrong_digit_is_refused(void **state)
{
	(void)state;
	uint8_t raw[TT_TOXID_LEN];
	char text[TT_TOXID_HEX + 1], key[TT_KEY_HEX + 1];
	struct tt_peer_id id;

	for (size_t i = 0; i < 36; i++)
		raw[i] = (uint8_t)(i * 37 + 5);
	raw[36] = raw[37] = 0;
	for (size_t i = 0; i < 36; i++)
		raw[36 + i % 2] ^= raw[i];
	tt_hex_encode(raw, sizeof(raw), text);
	assert_int_equal(tt_peer_id_parse(text, &id), TT_OK);
	assert_true(id.has_toxid);
	assert_memory_equal(id.key, raw, TT_KEY_LEN);

	text[10] = text[10] == '0' ? '1' : '0';
	assert_int_equal(tt_peer_id_parse(text, &id), TT_EPROTO);
	text[10] = 'g';
	assert_int_equal(tt_peer_id_parse(text, &id), TT_EINVAL);
	tt_hex_encode(raw, TT_KEY_LEN, key);
	assert_int_equal(tt_peer_id_parse(key, &id), TT_OK);
	assert_false(id.has_toxid);
	key[63] = '\0';
	assert_int_equal(tt_peer_id_parse(key, &id), TT_EINVAL);
}

static bool allows(const char *rule, const char *name, const char *addr, uint16_t port)
{
	struct tt_rule r;
	struct tt_addr a;
	const char *why;
	assert_int_equal(tt_rule_parse(rule, &r, &why), TT_OK);
	assert_int_equal(tt_addr_parse(addr, &a), TT_OK);
	return tt_rule_match(&r, name, &a, port);
}

static void target_rules_match_nets_names_and_ports(void **state)
{
	(void)state;
	assert_true(allows("127.0.0.1:*", NULL, "127.0.0.1", 1));
	assert_true(allows("127.0.0.1:*", NULL, "::ffff:127.0.0.1", 65535));
	assert_false(allows("127.0.0.1:*", NULL, "127.0.0.2", 80));
	assert_true(allows("192.168.1.0/24:80-90", NULL, "192.168.1.77", 85));
	assert_false(allows("192.168.1.0/24:80-90", NULL, "192.168.1.77", 91));
	assert_false(allows("192.168.1.0/24:80-90", NULL, "192.168.2.1", 80));
	assert_true(allows("172.16.0.0/12:*", NULL, "172.31.255.255", 5));
	assert_false(allows("172.16.0.0/12:*", NULL, "172.32.0.0", 5));
	assert_true(allows("[2001:db8::]/33:443", NULL, "2001:db8:7fff::1", 443));
	assert_false(allows("[2001:db8::]/33:443", NULL, "2001:db8:8000::1", 443));
	assert_true(allows("*:443", NULL, "9.9.9.9", 443));
	assert_true(allows("Db.Internal:5432", "db.internal", "10.0.0.1", 5432));
	assert_false(allows("db.internal:5432", "other", "10.0.0.1", 5432));
	assert_false(allows("db.internal:5432", NULL, "10.0.0.1", 5432));
	/* who answers for a name cannot make it this machine, but it may be in the local network */
	assert_true(allows("nas.lan:445", "nas.lan", "192.168.1.5", 445));
	assert_true(allows("nas.lan:445", "nas.lan", "fd00::5", 445));
	static const char *const local[] = {"127.0.0.1", "127.0.1.1", "::1", "::ffff:127.0.0.1",
		"0.0.0.0", "::", "169.254.169.254", "fe80::1", "febf::1"};
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		assert_false(allows("nas.lan:445", "nas.lan", local[i], 445));
	assert_true(allows("localhost:22", "LOCALHOST", "127.0.0.1", 22));
	assert_true(allows("localhost:22", "localhost", "::1", 22));
	assert_false(allows("localhost:22", "localhost", "192.168.1.5", 22));
	/* a name that points at an address is judged by the address */
	assert_false(allows("10.0.0.0/8:*", "evil.example", "127.0.0.1", 22));
	assert_false(allows("0.0.0.0/0:*", NULL, "::1", 22));
}

static void bad_target_rules_say_why(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:0",
		"127.0.0.1:90-80", "127.0.0.1:80-", "10.0.0.0/33:*", "[::1]/129:*", "10.0.0.0/:1",
		"::1:80", "[::1:80", "a/8:80", "ho st:80", "*/8:80", "host:99999"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tt_rule r;
		const char *why = NULL;
		if (tt_rule_parse(bad[i], &r, &why) == TT_OK)
			fail_msg("'%s' was taken", bad[i]);
		assert_non_null(why);
	}
}

static void mode_names_are_parsed_and_printed(void **state)
{
	(void)state;
	enum tt_mode m;
	assert_int_equal(tt_mode_parse("fast2", &m), TT_OK);
	assert_int_equal(m, TT_MODE_FAST2);
	assert_string_equal(tt_mode_name(m), "fast2");
	assert_int_equal(tt_mode_parse("Fast", &m), TT_EINVAL);
}

static void histogram_counts_in_classes_and_is_added_up(void **state)
{
	(void)state;
	struct tt_histogram h = {0}, sum = {0};
	tt_histogram_add(&h, 0);
	tt_histogram_add(&h, TT_MS(1)); /* a bound belongs to the class below it */
	tt_histogram_add(&h, TT_MS(1) + 1);
	tt_histogram_add(&h, TT_S(1000));
	tt_histogram_merge(&sum, &h);
	tt_histogram_merge(&sum, &h);
	assert_int_equal(sum.counts[0], 4);
	assert_int_equal(sum.counts[1], 2);
	assert_int_equal(sum.counts[TT_HISTOGRAM_BOUNDS], 2);
	assert_int_equal(sum.sum_us, 2 * (TT_S(1000) + TT_MS(2) + 1));
	for (unsigned i = 1; i < TT_HISTOGRAM_BOUNDS; i++)
		assert_true(tt_histogram_bound_us(i) > tt_histogram_bound_us(i - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histogram_counts_in_classes_and_is_added_up),
		cmocka_unit_test(packet_is_padded_and_has_headers_on_the_network),
		cmocka_unit_test(heap_gives_deadlines_in_order),
		cmocka_unit_test(pool_gives_blocks_of_their_own),
		cmocka_unit_test(pool_gives_back_what_nobody_needed_for_a_while),
		cmocka_unit_test(rate_limit_allows_a_burst_and_refills),
		cmocka_unit_test(keyed_hash_spreads_whatever_numbers_a_peer_chooses),
		cmocka_unit_test(keys_of_the_hash_decide_which_numbers_meet),
		cmocka_unit_test(mapped_v6_address_is_the_v4_address),
		cmocka_unit_test(ports_are_digits_in_range),
		cmocka_unit_test(toxid_with_a_wrong_digit_is_refused),
		cmocka_unit_test(target_rules_match_nets_names_and_ports),
		cmocka_unit_test(bad_target_rules_say_why),
		cmocka_unit_test(mode_names_are_parsed_and_printed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
