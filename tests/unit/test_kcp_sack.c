/* SACK segments: what the receiver of the data says with them. */
#include "kcp_hand.h"

#define HEAD 5u    /* top and the count of late ones */
#define BITMAP 32u /* bytes of it at most */
#define LATE 16u

/* The next packet of a receiver, taken apart; its bytes stay in pkt. Number of segments. */
static int packet(struct kcp *k, uint8_t pkt[MTU], struct seg *s, int cap)
{
	return split(pkt, kcp_output(k, pkt, MTU, T0), s, cap);
}

/* A SACK's word on segment sn. */
static bool names(const struct seg *s, uint32_t sn)
{
	const uint8_t *late = s->data + HEAD, *bitmap = late + 4 * s->data[4];
	uint32_t i = rd32(s->data) - 1 - sn;
	assert_int_equal(s->cmd, SACK);
	for (const uint8_t *p = late; p != bitmap; p += 4) {
		if (rd32(p) == sn)
			return true;
	}
	return i < 8 * (uint32_t)(s->data + s->len - bitmap) && (bitmap[i / 8] >> i % 8 & 1);
}

static struct kcp *receiver(void)
{
	return make_of((struct kcp_config){.mode = TT_MODE_AUTO, .sack = true});
}

static void push_many(struct kcp *k, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(push(k, from + i, "x", T0), TT_OK);
}

static void sack_has_the_documented_bytes(void **state)
{
	static const uint8_t want[] = {0x9a, 0x99, 0x99, 0x99, 85, 0, 0, 4, 0x40, 0xe2, 1, 0, 11, 0,
		0, 0, 7, 0, 0, 0, 6, 0, 0, 0, 12, 0, 0, 0, 0, 0x0b};
	struct kcp *k =
		make_of((struct kcp_config){.conv = 2576980378u, .rcv_wnd = 1024, .sack = true});
	uint8_t pkt[MTU], got[8];
	struct seg s = {.conv = 2576980378u, .cmd = PUSH, .wnd = 9, .ts = 123456};
	s.len = 1;
	s.data = (const uint8_t *)"x";
	(void)state;
	for (s.sn = 0; s.sn < 7; s.sn++)
		in(k, s, T0);
	assert_int_equal(kcp_recv(k, got, sizeof(got)), 7);
	for (s.sn = 8; s.sn < 12; s.sn++) {
		if (s.sn != 9)
			in(k, s, T0);
	}
	assert_int_equal(kcp_output(k, pkt, sizeof(pkt), T0), sizeof(want));
	assert_memory_equal(pkt, want, sizeof(want));
	kcp_free(k);
}

static void one_sack_stands_for_all_that_came_out_of_order(void **state)
{
	struct kcp *k = receiver();
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	push_many(k, 1, 2);
	push_many(k, 5, 40);
	push_many(k, 4, 1);
	assert_int_equal(packet(k, pkt, s, 8), 1);
	assert_int_equal(s[0].cmd, SACK);
	assert_int_equal(s[0].sn, 4);
	assert_int_equal(s[0].ts, 7);
	assert_int_equal(s[0].una, 0);
	for (uint32_t sn = 0; sn < 50; sn++)
		assert_int_equal(names(&s[0], sn), sn == 1 || sn == 2 || (sn >= 4 && sn < 45));
	assert_int_equal(packet(k, pkt, s, 8), 0);
	assert_int_equal(stats(k).acks_sent, 1);
	kcp_free(k);
}

static void in_order_again_an_ack_says_it_all(void **state)
{
	struct kcp *k = receiver();
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	push_many(k, 1, 300);
	push_many(k, 0, 1);
	push_many(k, 301, 200);
	assert_int_equal(packet(k, pkt, s, 8), 1);
	assert_int_equal(s[0].cmd, ACK);
	assert_int_equal(s[0].len, 0);
	assert_int_equal(s[0].sn, 500);
	assert_int_equal(s[0].una, 501);
	kcp_free(k);
}

static void bitmap_has_256_bits_at_most(void **state)
{
	struct kcp *k = receiver();
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	push_many(k, 5000, 1);
	assert_int_equal(packet(k, pkt, s, 8), 1);
	assert_int_equal(s[0].len, HEAD + BITMAP);
	assert_int_equal(rd32(s[0].data), 5001);
	for (uint32_t sn = 0; sn < 5002; sn++)
		assert_int_equal(names(&s[0], sn), sn == 5000);
	kcp_free(k);
}

static void segments_that_came_late_stand_in_many_sacks_too(void **state)
{
	struct kcp *k = receiver();
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	push_many(k, 5000, 1);
	for (uint32_t sn = 10; sn < 10 + 3 * LATE; sn++) { /* 0 is still missing */
		push_many(k, sn, 1);
		push_many(k, 5000 + sn, 1);
		assert_int_equal(packet(k, pkt, s, 8), 1);
		for (uint32_t i = 0; i < LATE && i <= sn - 10; i++)
			assert_true(names(&s[0], sn - i));
		assert_false(names(&s[0], sn + 1));
		assert_true(s[0].len <= HEAD + 4 * LATE + BITMAP);
	}
	kcp_free(k);
}

static void segment_that_soon_leaves_the_bitmap_is_late_already(void **state)
{
	struct kcp *k = receiver();
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	push_many(k, 5000, 1);
	push_many(k, 4800, 1);
	for (uint32_t sn = 5001; sn < 5200; sn++) {
		push_many(k, sn, 1);
		assert_int_equal(packet(k, pkt, s, 8), 1);
		assert_true(names(&s[0], 4800));
	}
	kcp_free(k);
}

static void sack_ends_the_wait_for_more(void **state)
{
	struct kcp_flight f;
	struct seg s[8];
	(void)state;
	kcp_flight_init(&f, sizeof(struct kcp_tx), NULL);
	struct kcp *k = make_of((struct kcp_config){.flight = &f, .sack = true});
	push_many(k, 1, KCP_ACK_COUNT);
	assert_int_equal(drain(k, s, 8, T0), 1);
	assert_int_equal(s[0].cmd, SACK);
	assert_true(kcp_timer(k) == TT_TIME_NEVER);
	push_many(k, 100, KCP_ACK_COUNT - 1);
	assert_int_equal(kcp_timer(k), T0 + KCP_ACK_DELAY);
	assert_int_equal(drain(k, s, 8, T0), 0);
	kcp_free(k);
}

static void memory_of_late_segments_is_given_back(void **state)
{
	struct kcp *k = receiver();
	uint8_t pkt[MTU];
	char got[1000];
	(void)state;
	size_t fresh = kcp_memory(k);
	push_many(k, 500, 1);
	size_t before = kcp_memory(k);
	push_many(k, 4, 1);
	assert_true(kcp_memory(k) >= before + LATE * 4);
	push_many(k, 0, 501);
	assert_int_equal(kcp_recv(k, got, sizeof(got)), 501);
	kcp_output(k, pkt, sizeof(pkt), T0);
	kcp_on_deadline(k, T0 + TT_S(2));
	assert_int_equal(kcp_memory(k), fresh);
	kcp_free(k);
}

static void late_segments_that_una_covers_are_left_out(void **state)
{
	struct kcp *k = receiver();
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	push_many(k, 5000, 1);
	push_many(k, 4, 1);
	push_many(k, 1, 1);
	packet(k, pkt, s, 8);
	assert_int_equal(s[0].data[4], 2);
	push_many(k, 0, 1);
	packet(k, pkt, s, 8);
	assert_int_equal(s[0].una, 2);
	assert_int_equal(s[0].data[4], 1);
	assert_true(names(&s[0], 4));
	assert_false(names(&s[0], 1));
	kcp_free(k);
}

static void late_segments_without_memory_are_acknowledged_alone(void **state)
{
	struct counted c = {.fail_after = SIZE_MAX};
	struct tt_mem mem = {counting, &c};
	struct kcp *k = make_of((struct kcp_config){.sack = true, .mem = &mem});
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	push_many(k, 5000, 1);
	packet(k, pkt, s, 8);
	c.fail_after = c.calls + 1; /* for the payload, and no more */
	push_many(k, 4, 1);
	assert_int_equal(packet(k, pkt, s, 8), 1);
	assert_int_equal(s[0].sn, 4);
	assert_int_equal(s[0].data[4], 0);
	assert_true(names(&s[0], 5000));
	kcp_free(k);
	assert_int_equal(c.live, 0);
}

static void newest_segments_stand_in_many_sacks(void **state)
{
	struct kcp *k = receiver();
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	for (uint32_t sn = 1; sn < 1000; sn++) {
		push_many(k, sn, 1);
		assert_int_equal(packet(k, pkt, s, 8), 1);
		for (uint32_t i = 0; i < 8 * BITMAP && i < sn; i++)
			assert_true(names(&s[0], sn - i));
		assert_false(names(&s[0], 0));
	}
	kcp_free(k);
}

static void duplicate_of_what_is_in_order_is_acknowledged_too(void **state)
{
	struct kcp *k = receiver();
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	push_many(k, 0, 600);
	push_many(k, 1000, 1);
	packet(k, pkt, s, 8);
	push_many(k, 3, 1); /* its sender has missed the ACK */
	assert_int_equal(packet(k, pkt, s, 8), 1);
	assert_int_equal(s[0].sn, 3);
	assert_int_equal(s[0].una, 600);
	assert_int_equal(packet(k, pkt, s, 8), 0);
	kcp_free(k);
}

static void peer_that_does_not_take_sacks_gets_an_ack_for_each(void **state)
{
	struct kcp *k = make(TT_MODE_AUTO);
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	push_many(k, 1, 3);
	assert_int_equal(packet(k, pkt, s, 8), 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(s[i].cmd, ACK);
		assert_int_equal(s[i].sn, 1 + i);
	}
	kcp_free(k);
}

static void sack_fits_into_the_smallest_packet(void **state)
{
	(void)state;
	for (uint32_t mtu = 50; mtu < 140; mtu++) {
		struct kcp *k = make_of((struct kcp_config){.mtu = mtu, .sack = true});
		uint8_t pkt[MTU];
		struct seg s[8];
		push_many(k, 5000, 1);
		push_many(k, 4000, 20);
		push_many(k, 4999, 1);
		assert_int_equal(packet(k, pkt, s, 8), 1);
		assert_true(names(&s[0], 4999));
		assert_true(names(&s[0], 5000));
		uint32_t fit = (mtu - KCP_HEADER - HEAD) / 4; /* late ones, if there is no bitmap */
		assert_int_equal(s[0].data[4], fit <= BITMAP / 4         ? 0
					       : fit - BITMAP / 4 < LATE ? fit - BITMAP / 4
									 : LATE);
		assert_int_equal(kcp_due(k), 0);
		kcp_free(k);
	}
}

static void sack_that_does_not_fit_waits_for_the_next_packet(void **state)
{
	struct kcp *k = receiver();
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	push_many(k, 300, 1);
	assert_int_equal(kcp_output(k, pkt, KCP_HEADER + HEAD + BITMAP - 1, T0), 0);
	assert_int_equal(kcp_due(k), KCP_DUE_URGENT);
	assert_int_equal(packet(k, pkt, s, 8), 1);
	assert_true(names(&s[0], 300));
	kcp_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sack_has_the_documented_bytes),
		cmocka_unit_test(one_sack_stands_for_all_that_came_out_of_order),
		cmocka_unit_test(in_order_again_an_ack_says_it_all),
		cmocka_unit_test(bitmap_has_256_bits_at_most),
		cmocka_unit_test(segments_that_came_late_stand_in_many_sacks_too),
		cmocka_unit_test(segment_that_soon_leaves_the_bitmap_is_late_already),
		cmocka_unit_test(sack_ends_the_wait_for_more),
		cmocka_unit_test(memory_of_late_segments_is_given_back),
		cmocka_unit_test(late_segments_that_una_covers_are_left_out),
		cmocka_unit_test(late_segments_without_memory_are_acknowledged_alone),
		cmocka_unit_test(newest_segments_stand_in_many_sacks),
		cmocka_unit_test(duplicate_of_what_is_in_order_is_acknowledged_too),
		cmocka_unit_test(peer_that_does_not_take_sacks_gets_an_ack_for_each),
		cmocka_unit_test(sack_fits_into_the_smallest_packet),
		cmocka_unit_test(sack_that_does_not_fit_waits_for_the_next_packet),
	};
	return cmocka_run_group_tests_name("kcp_sack", tests, NULL, NULL);
}
