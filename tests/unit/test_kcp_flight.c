/* The flight by itself: numbers, the ring, what is taken and what is dropped. */
#include "kcp_hand.h"

/* What the owner of a flight keeps behind each record. */
struct record {
	struct kcp_tx tx;
	uint64_t own;
};

static struct kcp_flight flight_of(const struct tt_mem *mem)
{
	struct kcp_flight f;
	kcp_flight_init(&f, sizeof(struct record), mem);
	return f;
}

#define OWNER ((struct kcp *)f) /* anybody */

/* A transmission of 100 bytes; the number that it got must be right. */
static void send_one(struct kcp_flight *f, uint32_t number)
{
	assert_int_equal(kcp_flight_reserve(f), TT_OK);
	assert_int_equal(kcp_flight_sent(f, OWNER, number * 7, 100, 0, T0 + number), number);
	((struct record *)kcp_flight_at(f, number))->own = ~(uint64_t)number;
}

static void send_many(struct kcp_flight *f, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		send_one(f, from + i);
}

static void assert_whole(const struct kcp_flight *f, uint32_t number)
{
	const struct record *r = (const struct record *)kcp_flight_at(f, number);
	assert_int_equal(r->tx.sn, number * 7);
	assert_int_equal(r->tx.sent, T0 + number);
	assert_int_equal(r->own, ~(uint64_t)number);
}

static uint32_t oldest(struct kcp_flight *f)
{
	uint32_t number = 0;
	assert_non_null(kcp_flight_oldest(f, &number));
	return number;
}

static uint32_t newest(const struct kcp_flight *f)
{
	uint32_t number = 0;
	assert_non_null(kcp_flight_newest(f, &number));
	return number;
}

/* How many acknowledged ones there are to be taken. */
static int take_all(struct kcp_flight *f)
{
	uint32_t number;
	int n = 0;
	while (kcp_flight_take_acked(f, &number))
		n++;
	return n;
}

static void fresh_flight_is_empty_and_holds_no_memory(void **state)
{
	struct counted c = {.fail_after = 0};
	struct tt_mem mem = {counting, &c};
	struct kcp_flight f = flight_of(&mem);
	uint32_t number;
	(void)state;
	assert_null(kcp_flight_oldest(&f, &number));
	assert_null(kcp_flight_newest(&f, &number));
	assert_null(kcp_flight_take_acked(&f, &number));
	kcp_flight_acked(&f, 0, KCP_TX_EXACT);
	kcp_flight_drop(&f, 0);
	kcp_flight_trim(&f);
	assert_int_equal(f.count, 0);
	kcp_flight_free(&f);
	assert_int_equal(c.calls, 0);
}

static void transmissions_are_numbered_in_the_order_of_sending(void **state)
{
	struct kcp_flight f = flight_of(NULL);
	(void)state;
	send_many(&f, 0, 10);
	assert_int_equal(f.count, 10);
	assert_int_equal(f.bytes, 1000);
	assert_int_equal(oldest(&f), 0);
	assert_int_equal(newest(&f), 9);
	assert_int_equal(kcp_flight_at(&f, 3)->state, KCP_TX_INFLIGHT);
	kcp_flight_free(&f);
}

static void ring_grows_around_what_is_in_flight(void **state)
{
	struct kcp_flight f = flight_of(NULL);
	(void)state;
	send_many(&f, 0, 64);
	for (uint32_t n = 0; n < 40; n++)
		kcp_flight_drop(&f, n);
	send_many(&f, 64, 40); /* wrapped around the end of the first ring */
	assert_int_equal(f.cap, 64);
	send_many(&f, 104, 1000);
	for (uint32_t n = 40; n < 1104; n++)
		assert_whole(&f, n);
	assert_int_equal(f.count, 1064);
	assert_int_equal(oldest(&f), 40);
	kcp_flight_free(&f);
}

static void list_of_the_acknowledged_outlives_growth(void **state)
{
	struct kcp_flight f = flight_of(NULL);
	static const uint32_t acked[] = {50, 3, 63, 0, 17};
	uint32_t number;
	(void)state;
	send_many(&f, 0, 64);
	for (size_t i = 0; i < 5; i++)
		kcp_flight_acked(&f, acked[i], KCP_TX_RANGE);
	send_many(&f, 64, 300);
	for (size_t i = 0; i < 5; i++) {
		const struct kcp_tx *t = kcp_flight_take_acked(&f, &number);
		assert_non_null(t);
		assert_int_equal(number, acked[i]); /* each once, in the order of the ACKs */
		assert_int_equal(t->evidence, KCP_TX_RANGE);
		assert_whole(&f, number);
	}
	assert_null(kcp_flight_take_acked(&f, &number));
	kcp_flight_free(&f);
}

static void numbers_wrap_around(void **state)
{
	struct kcp_flight f = flight_of(NULL);
	uint32_t number;
	(void)state;
	f.first = f.next = UINT32_MAX - 99;
	send_many(&f, UINT32_MAX - 99, 200); /* the last one is 99 */
	for (uint32_t n = UINT32_MAX - 99; n != 100; n++)
		assert_whole(&f, n);
	assert_int_equal(oldest(&f), UINT32_MAX - 99);
	assert_int_equal(newest(&f), 99);
	for (uint32_t n = UINT32_MAX - 99; n != 50; n++)
		kcp_flight_acked(&f, n, KCP_TX_EXACT);
	assert_non_null(kcp_flight_take_acked(&f, &number));
	assert_int_equal(number, UINT32_MAX - 99);
	assert_int_equal(take_all(&f), 149);
	assert_int_equal(oldest(&f), 50);
	for (uint32_t n = 50; n < 100; n++)
		kcp_flight_drop(&f, n);
	assert_int_equal(f.count, 0);
	assert_int_equal(f.bytes, 0);
	kcp_flight_free(&f);
}

static void acknowledged_transmission_counts_once(void **state)
{
	struct kcp_flight f = flight_of(NULL);
	uint32_t number;
	(void)state;
	send_many(&f, 0, 3);
	kcp_flight_acked(&f, 1, KCP_TX_EXACT);
	kcp_flight_acked(&f, 1, KCP_TX_ANY);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.bytes, 200);
	const struct kcp_tx *t = kcp_flight_take_acked(&f, &number);
	assert_int_equal(number, 1);
	assert_null(t->owner);                       /* it may be gone by now */
	assert_int_equal(t->evidence, KCP_TX_EXACT); /* the first word stays */
	kcp_flight_acked(&f, 1, KCP_TX_EXACT);
	assert_int_equal(take_all(&f), 0);
	assert_int_equal(f.count, 2);
	kcp_flight_free(&f);
}

static void dropped_transmission_cannot_be_acknowledged_nor_the_other_way_round(void **state)
{
	struct kcp_flight f = flight_of(NULL);
	(void)state;
	send_many(&f, 0, 4);
	kcp_flight_drop(&f, 2);
	kcp_flight_drop(&f, 2);
	kcp_flight_acked(&f, 2, KCP_TX_EXACT);
	assert_int_equal(take_all(&f), 0);
	assert_int_equal(f.count, 3);
	kcp_flight_acked(&f, 1, KCP_TX_EXACT);
	kcp_flight_drop(&f, 1);
	assert_int_equal(f.count, 2);
	assert_int_equal(take_all(&f), 1);
	kcp_flight_free(&f);
}

static void numbers_that_are_not_in_the_ring_change_nothing(void **state)
{
	struct kcp_flight f = flight_of(NULL);
	static const uint32_t strange[] = {10, 74, 0, 9, 0x80000005u, UINT32_MAX};
	(void)state;
	send_many(&f, 0, 10);
	for (uint32_t n = 0; n < 5; n++)
		kcp_flight_drop(&f, n);
	kcp_flight_drop(&f, 9); /* gone, though a later one could have kept it in the ring */
	for (size_t i = 0; i < 6; i++) {
		kcp_flight_acked(&f, strange[i], KCP_TX_EXACT);
		kcp_flight_drop(&f, strange[i]);
	}
	assert_int_equal(f.count, 4);
	assert_int_equal(f.bytes, 400);
	assert_int_equal(take_all(&f), 0);
	kcp_flight_free(&f);
}

static void oldest_and_newest_pass_over_what_nobody_waits_for(void **state)
{
	struct kcp_flight f = flight_of(NULL);
	uint32_t number;
	(void)state;
	send_many(&f, 0, 20);
	kcp_flight_acked(&f, 0, KCP_TX_EXACT); /* not taken yet */
	kcp_flight_drop(&f, 1);
	kcp_flight_acked(&f, 19, KCP_TX_EXACT);
	kcp_flight_drop(&f, 18);
	assert_int_equal(oldest(&f), 2);
	assert_int_equal(newest(&f), 17);
	assert_int_equal(take_all(&f), 2);
	assert_int_equal(oldest(&f), 2);
	assert_int_equal(newest(&f), 17);
	for (uint32_t n = 2; n < 18; n++)
		kcp_flight_drop(&f, n);
	assert_null(kcp_flight_oldest(&f, &number));
	assert_null(kcp_flight_newest(&f, &number));
	kcp_flight_free(&f);
}

static void full_flight_says_so_until_its_oldest_is_gone(void **state)
{
	struct kcp_flight f = flight_of(NULL);
	(void)state;
	send_many(&f, 0, KCP_FLIGHT_MAX);
	assert_int_equal(kcp_flight_reserve(&f), TT_EAGAIN);
	kcp_flight_drop(&f, 1); /* one in the middle makes no room */
	assert_int_equal(kcp_flight_reserve(&f), TT_EAGAIN);
	kcp_flight_acked(&f, 0, KCP_TX_EXACT);
	assert_int_equal(kcp_flight_reserve(&f), TT_EAGAIN); /* nor one that is not taken */
	assert_int_equal(take_all(&f), 1);
	send_many(&f, KCP_FLIGHT_MAX, 2);
	assert_int_equal(kcp_flight_reserve(&f), TT_EAGAIN);
	assert_whole(&f, 2);
	assert_whole(&f, KCP_FLIGHT_MAX + 1);
	kcp_flight_free(&f);
}

static void failed_growth_changes_nothing(void **state)
{
	struct counted c = {.fail_after = 0};
	struct tt_mem mem = {counting, &c};
	struct kcp_flight f = flight_of(&mem);
	(void)state;
	assert_int_equal(kcp_flight_reserve(&f), TT_ENOMEM);
	c.fail_after = 2; /* that was one */
	send_many(&f, 0, 64);
	assert_int_equal(kcp_flight_reserve(&f), TT_ENOMEM);
	assert_int_equal(f.count, 64);
	for (uint32_t n = 0; n < 64; n++)
		assert_whole(&f, n);
	c.fail_after = SIZE_MAX; /* memory is back */
	send_many(&f, 64, 64);
	assert_int_equal(f.count, 128);
	kcp_flight_free(&f);
	assert_int_equal(c.live, 0);
}

static void trim_gives_memory_back_when_nothing_is_in_flight(void **state)
{
	struct counted c = {.fail_after = SIZE_MAX};
	struct tt_mem mem = {counting, &c};
	struct kcp_flight f = flight_of(&mem);
	uint32_t number;
	(void)state;
	send_many(&f, 0, 500);
	for (uint32_t n = 0; n < 499; n++)
		kcp_flight_drop(&f, n);
	kcp_flight_trim(&f);
	assert_int_equal(c.live, 1);
	kcp_flight_acked(&f, 499, KCP_TX_EXACT);
	kcp_flight_trim(&f); /* it waits to be taken */
	assert_int_equal(c.live, 1);
	assert_non_null(kcp_flight_take_acked(&f, &number));
	kcp_flight_trim(&f);
	assert_int_equal(c.live, 0);
	assert_int_equal(f.cap, 0);
	kcp_flight_drop(&f, 499);
	send_one(&f, 500); /* numbers go on */
	assert_int_equal(oldest(&f), 500);
	assert_int_equal(f.cap, 64);
	kcp_flight_free(&f);
	assert_int_equal(c.live, 0);
}

static void spurious_ones_are_summed_and_the_latest_is_kept(void **state)
{
	struct kcp_flight f = flight_of(NULL);
	(void)state;
	kcp_flight_spurious(&f, 100, TT_MS(30));
	kcp_flight_spurious(&f, 50, TT_MS(70));
	kcp_flight_spurious(&f, 1, TT_MS(20));
	assert_int_equal(f.spurious, 3);
	assert_int_equal(f.late_bytes, 151);
	assert_int_equal(f.late_us, TT_MS(70));
	kcp_flight_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh_flight_is_empty_and_holds_no_memory),
		cmocka_unit_test(transmissions_are_numbered_in_the_order_of_sending),
		cmocka_unit_test(ring_grows_around_what_is_in_flight),
		cmocka_unit_test(list_of_the_acknowledged_outlives_growth),
		cmocka_unit_test(numbers_wrap_around),
		cmocka_unit_test(acknowledged_transmission_counts_once),
		cmocka_unit_test(
			dropped_transmission_cannot_be_acknowledged_nor_the_other_way_round),
		cmocka_unit_test(numbers_that_are_not_in_the_ring_change_nothing),
		cmocka_unit_test(oldest_and_newest_pass_over_what_nobody_waits_for),
		cmocka_unit_test(full_flight_says_so_until_its_oldest_is_gone),
		cmocka_unit_test(failed_growth_changes_nothing),
		cmocka_unit_test(trim_gives_memory_back_when_nothing_is_in_flight),
		cmocka_unit_test(spurious_ones_are_summed_and_the_latest_is_kept),
	};
	return cmocka_run_group_tests_name("kcp_flight", tests, NULL, NULL);
}
