/* SACK segments: what the sender of the data makes of them. */
#include "kcp_hand.h"

#define HEAD 5u    /* top and the count of late ones */
#define BITMAP 32u /* bytes of it at most */
#define LATE 16u

/* Says that sn has arrived, and what is in the bitmap before top. */
static int sack(struct kcp *k, uint32_t sn, uint32_t top, const uint8_t *bitmap, uint32_t bytes)
{
	uint8_t data[HEAD + BITMAP] = {0};
	struct seg s = {.cmd = SACK, .sn = sn, .una = k->snd_una, .wnd = 512};
	wr32(data, top);
	memcpy(data + HEAD, bitmap, bytes);
	s.ts = (uint32_t)(T0 / 1000);
	s.len = HEAD + bytes;
	s.data = data;
	return in(k, s, T0 + TT_MS(20));
}

/* A stream in a flight with n segments of a byte each sent from this number on. */
static struct kcp *sender(struct kcp_flight *f, uint32_t sn, int n)
{
	struct kcp_config cfg = {.conv = CONV, .mtu = MTU, .flight = f};
	struct kcp *k;
	struct seg s[1];
	kcp_flight_init(f, sizeof(struct kcp_tx), NULL);
	assert_int_equal(kcp_new_at(&k, &cfg, T0, sn), TT_OK);
	in(k, (struct seg){.cmd = WINS, .una = sn, .wnd = 512}, T0);
	for (int i = 0; i < n; i++) {
		kcp_send(k, "x", 1);
		assert_int_equal(drain(k, s, 1, T0), 1);
	}
	return k;
}

static void sender_free(struct kcp *k, struct kcp_flight *f)
{
	kcp_free(k);
	kcp_flight_free(f);
}

static void sender_repeats_only_what_the_bitmap_leaves_out(void **state)
{
	struct kcp_flight f;
	struct kcp *k = sender(&f, 0, 12);
	struct seg s[16];
	struct kcp_tx *t;
	uint32_t number;
	(void)state;
	/* 1 to 4, 6 to 9 and 11 */
	assert_int_equal(sack(k, 11, 12, (const uint8_t[]){0xbd, 0x07}, 2), TT_OK);
	assert_int_equal(kcp_send_pending(k), 3);
	assert_int_equal(stats(k).acks_received, 1);
	while ((t = kcp_flight_take_acked(&f, &number)))
		assert_int_equal(t->evidence, number == 11 ? KCP_TX_EXACT : KCP_TX_RANGE);
	while ((t = kcp_flight_oldest(&f, &number)))
		kcp_lost(k, t->sn, number, false);
	assert_int_equal(drain(k, s, 16, T0 + TT_MS(20)), 3);
	assert_int_equal(s[0].sn, 0);
	assert_int_equal(s[1].sn, 5);
	assert_int_equal(s[2].sn, 10);
	sender_free(k, &f);
}

static void una_moves_over_what_sacks_have_freed(void **state)
{
	struct kcp_flight f;
	struct kcp *k = sender(&f, 0, 10);
	(void)state;
	sack(k, 9, 10, (const uint8_t[]){0xff, 0x01}, 2); /* all but 0 */
	assert_int_equal(kcp_send_pending(k), 1);
	ack(k, 0, (uint32_t)(T0 / 1000), T0 + TT_MS(20));
	assert_int_equal(kcp_send_pending(k), 0);
	assert_int_equal(kcp_inflight(k), 0);
	assert_int_equal(k->snd_una, 10);
	sender_free(k, &f);
}

static void bits_outside_of_what_is_in_flight_change_nothing(void **state)
{
	uint8_t ones[BITMAP];
	static const uint32_t tops[] = {0, 1, 300, 0x80000000u, UINT32_MAX};
	struct kcp_flight f;
	struct kcp *k = sender(&f, 5, 8); /* 5 to 12 */
	(void)state;
	memset(ones, 0xff, sizeof(ones));
	kcp_send(k, "unsent", 6);
	sack(k, 13, 5, ones, 32);
	sack(k, 4, 269, ones, 32); /* 13 to 268 */
	for (size_t i = 0; i < 5; i++)
		sack(k, 0, tops[i], ones, 32);
	assert_int_equal(kcp_send_pending(k), 14);
	assert_int_equal(f.count, 8);
	sack(k, 13, 100, ones, 32); /* ends in the middle of nowhere, and covers all */
	assert_int_equal(kcp_send_pending(k), 6);
	assert_int_equal(f.count, 0);
	sender_free(k, &f);
}

static void sender_frees_what_came_late(void **state)
{
	struct kcp_flight f;
	struct kcp *k = sender(&f, 0, 40);
	uint8_t data[HEAD + 3 * 4 + 1] = {40, 0, 0, 0, 3};
	struct seg s = {.cmd = SACK, .sn = 39, .wnd = 512, .len = sizeof(data), .data = data};
	(void)state;
	wr32(data + HEAD, 7);
	wr32(data + HEAD + 4, 2);
	wr32(data + HEAD + 8, 1000); /* never sent */
	data[HEAD + 12] = 0x03;      /* 39 and 38 */
	s.ts = (uint32_t)(T0 / 1000);
	assert_int_equal(in(k, s, T0 + TT_MS(20)), TT_OK);
	assert_int_equal(kcp_send_pending(k), 36);
	assert_int_equal(f.count, 36);
	sender_free(k, &f);
}

static void sack_of_a_wrong_length_is_refused(void **state)
{
	struct kcp_flight f;
	struct kcp *k = sender(&f, 0, 8);
	uint8_t data[HEAD + 4 * LATE + BITMAP + 1] = {8};
	struct seg s = {.cmd = SACK, .sn = 3, .wnd = 512, .data = data};
	(void)state;
	s.ts = (uint32_t)(T0 / 1000);
	for (s.len = 0; s.len < HEAD; s.len++)
		assert_int_equal(in(k, s, T0 + TT_MS(20)), TT_EPROTO);
	s.len = sizeof(data);
	assert_int_equal(in(k, s, T0 + TT_MS(20)), TT_EPROTO);
	s.len = HEAD + 2 * 4 - 1;
	for (unsigned late = 2; late < 256; late++) { /* more than there is room for */
		data[4] = (uint8_t)late;
		assert_int_equal(in(k, s, T0 + TT_MS(20)), TT_EPROTO);
	}
	assert_int_equal(kcp_send_pending(k), 8);
	assert_int_equal(sack(k, 3, 8, data, 0), TT_OK); /* no bitmap, so an ACK */
	assert_int_equal(kcp_send_pending(k), 7);
	sender_free(k, &f);
}

static struct kcp *receiver(void)
{
	return make_of((struct kcp_config){.mode = TT_MODE_AUTO, .sack = true});
}

static void numbers_of_segments_wrap_around(void **state)
{
	struct kcp_config cfg = {.conv = CONV, .mtu = MTU, .sack = true};
	struct kcp_flight f;
	struct kcp *a = sender(&f, UINT32_MAX - 99, 200), *b;
	uint8_t pkt[MTU];
	struct seg s[8];
	(void)state;
	assert_int_equal(kcp_new_at(&b, &cfg, T0, UINT32_MAX - 99), TT_OK);
	push(b, UINT32_MAX - 99, "x", T0);
	assert_int_equal(drain(b, s, 8, T0), 1);
	assert_int_equal(s[0].cmd, ACK);
	for (uint32_t i = 1; i < 200; i++) {
		if (i % 50 != 0)
			push(b, UINT32_MAX - 99 + i, "x", T0);
	}
	size_t len = kcp_output(b, pkt, sizeof(pkt), T0);
	assert_int_equal(kcp_input(a, pkt, len, T0 + TT_MS(20)), TT_OK);
	assert_int_equal(kcp_send_pending(a), 3);
	assert_int_equal(f.count, 3);
	kcp_free(b);
	sender_free(a, &f);
}

static void fixed_mode_repeats_what_the_sack_leaves_out(void **state)
{
	struct kcp *k = make(TT_MODE_FAST3);
	struct seg s[16];
	(void)state;
	fill(k, 6);
	drain(k, s, 16, T0);
	sack(k, 5, 6, (const uint8_t[]){0x1b}, 1); /* 1, 2, 4 and 5 */
	assert_int_equal(drain(k, s, 16, T0 + TT_MS(20)), 2);
	assert_int_equal(s[0].sn, 0);
	assert_int_equal(s[1].sn, 3);
	kcp_free(k);
}

/* Gives up what three later ones have overtaken, as RACK does on a path that does not reorder. */
static void give_up_overtaken(struct kcp *k, struct kcp_flight *f, uint32_t *latest)
{
	struct kcp_tx *t;
	uint32_t number;

	while ((t = kcp_flight_take_acked(f, &number)))
		*latest = number > *latest ? number : *latest;
	while ((t = kcp_flight_oldest(f, &number)) && number + 3 <= *latest)
		kcp_lost(k, t->sn, number, false);
}

static void lost_sacks_cause_no_repeats_of_what_has_arrived(void **state)
{
	struct kcp_flight f;
	struct kcp *a = sender(&f, 0, 0), *b = receiver();
	uint8_t pkt[MTU];
	char got[64];
	uint32_t latest = 0, sent = 0, sacks = 0, received = 0;
	size_t len;
	(void)state;
	for (int round = 0; round < 2000; round++) {
		for (int i = 0; i < 4; i++, sent++) { /* four packets, of 25 one is lost */
			kcp_send(a, "x", 1);
			len = kcp_output(a, pkt, sizeof(pkt), T0 + TT_MS(1));
			assert_true(len > 0);
			if (sent % 25 != 7)
				assert_int_equal(kcp_input(b, pkt, len, T0), TT_OK);
		}
		received += (uint32_t)(kcp_recv_ready(b) ? kcp_recv(b, got, sizeof(got)) : 0);
		len = kcp_output(b, pkt, sizeof(pkt), T0);
		if (++sacks % 10 != 0)
			continue; /* nine of ten are lost */
		assert_int_equal(kcp_input(a, pkt, len, T0 + TT_MS(2)), TT_OK);
		give_up_overtaken(a, &f, &latest);
	}
	assert_int_equal(stats(b).segs_duplicate, 0);
	assert_in_range(stats(a).segs_retransmitted, 8000 / 25 - 10, 8000 / 25 + 40);
	assert_true(received > 7000);
	kcp_free(b);
	sender_free(a, &f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sender_repeats_only_what_the_bitmap_leaves_out),
		cmocka_unit_test(una_moves_over_what_sacks_have_freed),
		cmocka_unit_test(bits_outside_of_what_is_in_flight_change_nothing),
		cmocka_unit_test(sender_frees_what_came_late),
		cmocka_unit_test(sack_of_a_wrong_length_is_refused),
		cmocka_unit_test(numbers_of_segments_wrap_around),
		cmocka_unit_test(fixed_mode_repeats_what_the_sack_leaves_out),
		cmocka_unit_test(lost_sacks_cause_no_repeats_of_what_has_arrived),
	};
	return cmocka_run_group_tests_name("kcp_sacked", tests, NULL, NULL);
}
