/* Datagrams between two peers, carried by hand: fragments, what is dropped, and what it may cost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "dgram.h"
#include "fail_mem.h"
#include "tt_err.h"
#include "wire.h"

#define CAP 1373
#define NOW TT_S(100)
#define PACKETS 600

struct packet {
	uint8_t data[CAP];
	size_t len;
};

struct world {
	struct fail_mem mem;
	struct dgrams a, b; /* a sends, b takes */
	struct dgram_flow *fa[2], *fb[2];
	int user[2];
	struct packet packet[PACKETS];
	size_t n;
};

static struct world w;
static const struct tt_hash_key hash_key;

static void start(void)
{
	memset(&w, 0, sizeof(w));
	const struct tt_mem *mem = fail_mem_init(&w.mem, 0);
	dgrams_init(&w.a, mem, &hash_key, NULL, NULL);
	dgrams_init(&w.b, mem, &hash_key, NULL, NULL);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(dgram_flow_new(&w.fa[i], &w.a, 7 + i, &w.user[i]), TT_OK);
		assert_int_equal(dgram_flow_new(&w.fb[i], &w.b, 7 + i, &w.user[i]), TT_OK);
	}
}

static void finish(void)
{
	for (int i = 0; i < 2; i++) {
		dgram_flow_free(w.fa[i]);
		dgram_flow_free(w.fb[i]);
	}
	dgrams_clear(&w.a);
	dgrams_clear(&w.b);
	assert_int_equal(w.mem.held, 0);
	assert_int_equal(w.a.send_store.budget.used, 0);
	assert_int_equal(w.b.recv_store.budget.used, 0);
}

static uint8_t content(size_t seed, size_t i)
{
	return (uint8_t)(seed * 31 + i * 7 + (i >> 8));
}

static void send_one(int flow, size_t seed, size_t len)
{
	static uint8_t data[WIRE_DGRAM_MAX + 1];
	for (size_t i = 0; i < len; i++)
		data[i] = content(seed, i);
	assert_true(dgram_send(w.fa[flow], data, len, NOW));
}

/* What `a` has to send, into w.packet. */
static void pack(size_t cap, tt_time now)
{
	w.n = 0;
	while ((w.packet[w.n].len = dgrams_output(&w.a, w.packet[w.n].data, cap, now)) > 0) {
		assert_in_range(w.packet[w.n].len, 1 + WIRE_DGRAM_HEADER, cap);
		assert_in_range(++w.n, 1, PACKETS - 1);
	}
}

static void hand_over(size_t i, tt_time now)
{
	assert_int_equal(dgrams_input(&w.b, w.packet[i].data, w.packet[i].len, false, now), TT_OK);
}

static void hand_over_all(tt_time now)
{
	for (size_t i = 0; i < w.n; i++)
		hand_over(i, now);
}

static void expect(int flow, size_t seed, size_t len)
{
	const struct datagram *dg = dgram_next(w.fb[flow]);
	assert_non_null(dg);
	assert_int_equal(dg->len, len);
	for (size_t i = 0; i < len; i++)
		if (dg->data[i] != content(seed, i))
			fail_msg("byte %zu of %zu is wrong", i, len);
	dgram_done(w.fb[flow], true);
}

static void expect_nothing(int flow)
{
	assert_null(dgram_next(w.fb[flow]));
}

static uint64_t dropped(const struct dgrams *d, enum dgram_drop why)
{
	struct dgram_stats st;
	dgrams_stats(d, &st);
	return st.dropped[why];
}

static void fragments_cover_every_size_without_gap_or_overlap(void **state)
{
	static const size_t rooms[] = {11, 12, 127, 268, 1372};
	(void)state;
	for (size_t r = 0; r < 5; r++)
		for (size_t size = 0; size <= WIRE_DGRAM_MAX; size += size < 5000 ? 1 : 997) {
			struct wire_dgram d = {1, 2, (uint16_t)size, 0, 0};
			uint8_t buf[WIRE_DGRAM_HEADER + 1372] = {0};
			struct wire_dgram back;
			size_t at = 0;
			d.count = wire_dgram_count(size, rooms[r]);
			if (d.count == 0) {
				assert_true(size > 255 * (rooms[r] - WIRE_DGRAM_HEADER));
				continue;
			}
			for (; d.index < d.count; at += wire_dgram_length(&d), d.index++) {
				assert_int_equal(wire_dgram_offset(&d), at);
				wire_dgram_encode(&d, buf);
				size_t n = WIRE_DGRAM_HEADER + wire_dgram_length(&d);
				assert_true(n <= rooms[r]);
				assert_int_equal(wire_dgram_decode(buf, n, &back), (int)n);
				assert_memory_equal(
					&back, &d, WIRE_DGRAM_HEADER); /* no padding in it */
				assert_int_equal(wire_dgram_decode(buf, n - 1, &back), TT_EPROTO);
			}
			assert_int_equal(at, size);
		}
	assert_int_equal(wire_dgram_count(WIRE_DGRAM_MAX, 1372), 49);
	assert_int_equal(wire_dgram_count(WIRE_DGRAM_MAX + 1, 1372), 0);
	assert_int_equal(wire_dgram_count(0, 9), 0);
	assert_int_equal(wire_dgram_count(1, 10), 0);
}

static void headers_that_cannot_be_are_refused(void **state)
{
	static const struct wire_dgram bad[] = {
		{0, 1, 1, 0, 1},     /* no conv */
		{1, 1, 65508, 0, 1}, /* larger than a datagram */
		{1, 1, 1, 0, 0},     /* of no fragments */
		{1, 1, 9, 2, 2},     /* behind the last */
		{1, 1, 5, 0, 4},     /* the last would be empty */
		{1, 1, 0, 0, 2},
	};
	static uint8_t buf[WIRE_DGRAM_HEADER + WIRE_DGRAM_MAX + 1];
	struct wire_dgram back;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		wire_dgram_encode(&bad[i], buf);
		assert_int_equal(wire_dgram_decode(buf, sizeof(buf), &back), TT_EPROTO);
	}
}

static void datagrams_of_every_size_arrive_whole(void **state)
{
	static const size_t sizes[] = {0, 1, 1362, 1363, 9000, 65507};
	(void)state;
	start();
	for (size_t i = 0; i < 6; i++) {
		send_one(0, i, sizes[i]);
		pack(CAP, NOW);
		assert_int_equal(w.n, i < 3 ? 1 : sizes[i] / 1362 + 1);
		hand_over_all(NOW);
		assert_ptr_equal(dgrams_ready_next(&w.b), &w.user[0]);
		assert_null(dgrams_ready_next(&w.b));
		expect(0, i, sizes[i]);
		expect_nothing(0);
	}
	finish();
}

static void small_datagrams_of_several_flows_share_a_packet(void **state)
{
	(void)state;
	start();
	for (size_t i = 0; i < 10; i++)
		send_one(i & 1, i, 100);
	pack(CAP, NOW);
	assert_int_equal(w.n, 1);
	hand_over_all(NOW);
	for (size_t i = 0; i < 10; i++)
		expect(i & 1, i, 100);
	finish();
}

static void flows_take_turns(void **state)
{
	struct wire_dgram frag;
	(void)state;
	start();
	for (size_t i = 0; i < 6; i++)
		send_one(0, i, 1300);
	send_one(1, 9, 1300);
	pack(CAP, NOW);
	assert_int_equal(w.n, 7);
	assert_true(wire_dgram_decode(w.packet[1].data + 1, w.packet[1].len - 1, &frag) > 0);
	assert_int_equal(frag.conv, 8); /* the second packet, not the seventh */
	finish();
}

static void fragments_may_come_in_any_order_and_more_than_once(void **state)
{
	(void)state;
	start();
	send_one(0, 1, 9000);
	send_one(1, 2, 5000);
	pack(CAP, NOW);
	assert_int_equal(w.n, 11);
	for (size_t i = 0; i < w.n; i++) {
		hand_over((i * 7 + 3) % w.n, NOW);
		hand_over((i * 7 + 3) % w.n, NOW);
	}
	expect(0, 1, 9000);
	expect(1, 2, 5000);
	expect_nothing(0);
	finish();
}

static void datagram_with_a_lost_fragment_is_dropped_whole(void **state)
{
	(void)state;
	start();
	send_one(0, 1, 9000);
	send_one(0, 2, 4000);
	pack(CAP, NOW);
	for (size_t i = 0; i < w.n; i++)
		if (i != 3)
			hand_over(i, NOW);
	expect(0, 2, 4000);
	expect_nothing(0);
	assert_int_equal(dgrams_deadline(&w.b), NOW + REASSEMBLY_TIME);
	dgrams_on_deadline(&w.b, NOW + REASSEMBLY_TIME - 1);
	assert_int_equal(dropped(&w.b, DGRAM_DROP_INCOMPLETE), 0);
	dgrams_on_deadline(&w.b, NOW + REASSEMBLY_TIME);
	assert_int_equal(dropped(&w.b, DGRAM_DROP_INCOMPLETE), 1);
	assert_int_equal(dgrams_deadline(&w.b), TT_TIME_NEVER);
	assert_int_equal(w.b.recv_store.budget.used, 0);
	finish();
}

static void number_that_comes_around_starts_another_datagram(void **state)
{
	struct wire_dgram old = {7, 5, 3000, 0, 3}, new = {7, 5, 20, 0, 2};
	uint8_t pkt[1 + WIRE_DGRAM_HEADER + 1000] = {WIRE_ID_DGRAM};
	(void)state;
	start();
	wire_dgram_encode(&old, pkt + 1);
	assert_int_equal(dgrams_input(&w.b, pkt, 1 + WIRE_DGRAM_HEADER + 1000, false, NOW), TT_OK);
	for (; new.index < 2; new.index++) {
		wire_dgram_encode(&new, pkt + 1);
		assert_int_equal(
			dgrams_input(&w.b, pkt, 1 + WIRE_DGRAM_HEADER + 10, false, NOW), TT_OK);
	}
	assert_int_equal(dgram_next(w.fb[0])->len, 20);
	assert_int_equal(dropped(&w.b, DGRAM_DROP_INCOMPLETE), 1);
	finish();
}

/* One fragment of a datagram of its own, as large as it gets. */
static void open_partial(uint32_t conv, uint16_t id, bool keep)
{
	struct wire_dgram frag = {conv, id, WIRE_DGRAM_MAX, 0, 255};
	uint8_t pkt[1 + WIRE_DGRAM_HEADER + 257] = {WIRE_ID_DGRAM};
	wire_dgram_encode(&frag, pkt + 1);
	assert_int_equal(dgrams_input(&w.b, pkt, sizeof(pkt), keep, NOW), TT_OK);
}

static void hostile_fragments_hold_bounded_memory(void **state)
{
	(void)state;
	start();
	for (uint32_t i = 0; i < 5000; i++) {
		open_partial(100 + i, (uint16_t)i, true);
		assert_true(w.b.reassembly.bytes <= REASSEMBLY_BYTES);
		assert_true(w.b.reassembly.n <= REASSEMBLY_MAX);
	}
	assert_true(w.b.reassembly.bytes > REASSEMBLY_BYTES / 2);
	assert_true(dropped(&w.b, DGRAM_DROP_INCOMPLETE) > 4900);
	finish();
}

static void flood_of_one_flow_leaves_the_datagram_of_another(void **state)
{
	struct wire_dgram frag = {7, 0, 300, 0, 2};
	uint8_t pkt[1 + WIRE_DGRAM_HEADER + 150] = {WIRE_ID_DGRAM};
	(void)state;
	start();
	send_one(1, 1, 2000);
	pack(CAP, NOW);
	hand_over(0, NOW);
	for (; frag.id < 1000; frag.id++) {
		wire_dgram_encode(&frag, pkt + 1);
		assert_int_equal(dgrams_input(&w.b, pkt, sizeof(pkt), false, NOW), TT_OK);
	}
	assert_int_equal(w.b.reassembly.n, REASSEMBLY_FLOW_MAX + 1);
	hand_over(1, NOW);
	expect(1, 1, 2000);
	finish();
}

static void datagrams_wait_for_a_flow_that_comes_soon(void **state)
{
	(void)state;
	start();
	send_one(0, 1, 10);
	send_one(0, 2, 3000);
	pack(CAP, NOW);
	dgram_flow_free(w.fb[0]);
	w.fb[0] = NULL;
	for (size_t i = 0; i < w.n; i++)
		dgrams_input(&w.b, w.packet[i].data, w.packet[i].len, true, NOW);
	assert_int_equal(dgram_flow_new(&w.fb[0], &w.b, 7, &w.user[0]), TT_OK);
	expect(0, 1, 10);
	expect(0, 2, 3000);
	/* not for long, and not where nobody may open one */
	dgram_flow_free(w.fb[0]);
	w.fb[0] = NULL;
	dgrams_input(&w.b, w.packet[0].data, w.packet[0].len, false, NOW);
	assert_int_equal(dropped(&w.b, DGRAM_DROP_NO_FLOW), 1);
	dgrams_input(&w.b, w.packet[0].data, w.packet[0].len, true, NOW);
	dgrams_on_deadline(&w.b, NOW + REASSEMBLY_TIME);
	assert_int_equal(dropped(&w.b, DGRAM_DROP_NO_FLOW), 2);
	finish();
}

static void flow_that_moves_to_another_conv_takes_what_came_for_it(void **state)
{
	(void)state;
	start();
	send_one(0, 1, 10);
	pack(CAP, NOW);
	assert_int_equal(dgram_flow_set_conv(w.fb[0], 8), TT_EEXIST);
	dgram_flow_free(w.fb[0]);
	assert_int_equal(dgram_flow_new(&w.fb[0], &w.b, 99, &w.user[0]), TT_OK);
	dgrams_input(&w.b, w.packet[0].data, w.packet[0].len, true, NOW);
	assert_int_equal(dgram_flow_set_conv(w.fb[0], 7), TT_OK);
	expect(0, 1, 10);
	assert_false(dgram_conv_in_use(&w.b, 99));
	finish();
}

static void datagram_that_waited_too_long_is_dropped(void **state)
{
	(void)state;
	start();
	send_one(0, 1, 10);
	assert_int_equal(dgrams_deadline(&w.a), NOW + DGRAM_SEND_TIME);
	pack(CAP, NOW + DGRAM_SEND_TIME);
	assert_int_equal(w.n, 0);
	send_one(0, 1, 10);
	dgrams_on_deadline(&w.a, NOW + DGRAM_SEND_TIME);
	assert_false(dgrams_pending(&w.a));
	assert_int_equal(dropped(&w.a, DGRAM_DROP_LATE), 2);
	finish();
}

static void full_queue_gives_up_its_own_oldest(void **state)
{
	(void)state;
	start();
	send_one(1, 77, 1000);
	for (size_t i = 0; i < 1000; i++)
		send_one(0, i, 1000);
	assert_true(w.a.send_store.budget.used < DGRAM_SEND_FLOW_BYTES + 2000);
	uint64_t lost = dropped(&w.a, DGRAM_DROP_FULL);
	assert_in_range(lost, 450, 520);
	pack(CAP, NOW);
	hand_over_all(NOW);
	expect(1, 77, 1000);
	expect(0, lost, 1000); /* the first that is left */
	finish();
}

static void datagrams_that_nobody_takes_are_dropped_beyond_a_limit(void **state)
{
	(void)state;
	start();
	send_one(0, 1, 1300);
	pack(CAP, NOW);
	for (size_t i = 0; i < 2000; i++)
		hand_over(0, NOW);
	assert_true(w.b.recv_store.budget.used <= DGRAM_RECV_FLOW_BYTES);
	assert_in_range(dropped(&w.b, DGRAM_DROP_OVERFLOW), 1100, 1300);
	finish();
}

static void too_large_ones_are_dropped_before_they_are_cut(void **state)
{
	static const uint8_t huge[WIRE_DGRAM_MAX + 1];
	(void)state;
	start();
	assert_false(dgram_send(w.fa[0], huge, sizeof(huge), NOW));
	send_one(0, 1, 40000);
	send_one(0, 2, 100);
	pack(128, NOW); /* the least that a peer may ask for */
	hand_over_all(NOW);
	expect(0, 2, 100);
	expect_nothing(0);
	assert_int_equal(dropped(&w.a, DGRAM_DROP_TOO_BIG), 2);
	/* the peer's packets get smaller while one is under way */
	send_one(0, 3, 3000);
	assert_int_equal(dgrams_output(&w.a, w.packet[0].data, CAP, NOW), 1011);
	assert_int_equal(dgrams_output(&w.a, w.packet[0].data, 500, NOW), 0);
	assert_int_equal(dropped(&w.a, DGRAM_DROP_TOO_BIG), 3);
	finish();
}

static bool any(const void *user)
{
	(void)user;
	return true;
}

static bool second(const void *user)
{
	return user == &w.user[1];
}

static void flow_unused_for_longest_is_found(void **state)
{
	(void)state;
	start();
	assert_ptr_equal(dgrams_oldest(&w.a, any), &w.user[0]);
	send_one(0, 1, 1);
	assert_ptr_equal(dgrams_oldest(&w.a, any), &w.user[1]);
	send_one(1, 1, 1);
	assert_ptr_equal(dgrams_oldest(&w.a, any), &w.user[0]);
	assert_ptr_equal(dgrams_oldest(&w.a, second), &w.user[1]);
	assert_false(dgram_flow_answered(w.fa[0]));
	finish();
}

static void malformed_rest_of_a_packet_is_counted_and_what_came_before_is_taken(void **state)
{
	struct dgram_stats st;
	(void)state;
	start();
	send_one(0, 1, 10);
	pack(CAP, NOW);
	w.packet[0].data[w.packet[0].len] = 1;
	assert_int_equal(
		dgrams_input(&w.b, w.packet[0].data, w.packet[0].len + 1, false, NOW), TT_EPROTO);
	expect(0, 1, 10);
	dgrams_stats(&w.b, &st);
	assert_int_equal(st.malformed, 1);
	finish();
}

static void every_failing_allocation_costs_a_datagram_and_no_more(void **state)
{
	(void)state;
	for (uint64_t fail_at = 1; fail_at < 12; fail_at++) {
		static const uint8_t data[3000];
		start();
		w.mem.fail_at = w.mem.asked + fail_at;
		for (int i = 0; i < 2; i++) {
			dgram_send(w.fa[0], data, sizeof(data), NOW);
			dgram_send(w.fa[1], data, 10, NOW);
		}
		pack(CAP, NOW);
		hand_over_all(NOW);
		finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fragments_cover_every_size_without_gap_or_overlap),
		cmocka_unit_test(headers_that_cannot_be_are_refused),
		cmocka_unit_test(datagrams_of_every_size_arrive_whole),
		cmocka_unit_test(small_datagrams_of_several_flows_share_a_packet),
		cmocka_unit_test(flows_take_turns),
		cmocka_unit_test(fragments_may_come_in_any_order_and_more_than_once),
		cmocka_unit_test(datagram_with_a_lost_fragment_is_dropped_whole),
		cmocka_unit_test(number_that_comes_around_starts_another_datagram),
		cmocka_unit_test(hostile_fragments_hold_bounded_memory),
		cmocka_unit_test(flood_of_one_flow_leaves_the_datagram_of_another),
		cmocka_unit_test(datagrams_wait_for_a_flow_that_comes_soon),
		cmocka_unit_test(flow_that_moves_to_another_conv_takes_what_came_for_it),
		cmocka_unit_test(datagram_that_waited_too_long_is_dropped),
		cmocka_unit_test(full_queue_gives_up_its_own_oldest),
		cmocka_unit_test(datagrams_that_nobody_takes_are_dropped_beyond_a_limit),
		cmocka_unit_test(too_large_ones_are_dropped_before_they_are_cut),
		cmocka_unit_test(flow_unused_for_longest_is_found),
		cmocka_unit_test(
			malformed_rest_of_a_packet_is_counted_and_what_came_before_is_taken),
		cmocka_unit_test(every_failing_allocation_costs_a_datagram_and_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
