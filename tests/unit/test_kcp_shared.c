/* KCP streams that share a flight: its owner says what is lost, they say what has arrived. */
#include "kcp_hand.h"

/* Two streams and what they have in flight. */
struct path {
	struct kcp_flight f;
	struct kcp *a, *b;
};

static void open_path(struct path *p)
{
	struct kcp_config cfg = {.mode = TT_MODE_AUTO, .flight = &p->f};
	kcp_flight_init(&p->f, sizeof(struct kcp_tx), NULL);
	p->a = make_of(cfg);
	p->b = make_of(cfg);
}

static void close_path(struct path *p)
{
	kcp_free(p->a);
	kcp_free(p->b);
	assert_int_equal(p->f.count, 0);
	assert_int_equal(p->f.bytes, 0);
	kcp_flight_free(&p->f);
}

/* Sends segments of one byte each, all at this time. */
static void send_segments(struct kcp *k, int n, tt_time now)
{
	struct seg s[1];
	for (int i = 0; i < n; i++) {
		assert_int_equal(kcp_send(k, "x", 1), 1);
		assert_int_equal(drain(k, s, 1, now), 1);
	}
}

static uint32_t ms(tt_time t)
{
	return (uint32_t)(t / 1000);
}

static int una(struct kcp *k, uint32_t una, tt_time now)
{
	return in(k, (struct seg){.cmd = WINS, .una = una, .wnd = 128}, now);
}

/* Which kind of evidence the next acknowledged transmission has; -1: there is none. */
static int take(struct path *p, uint32_t number)
{
	uint32_t got = 0;
	const struct kcp_tx *t = kcp_flight_take_acked(&p->f, &got);
	if (!t)
		return -1;
	assert_int_equal(got, number);
	return t->evidence;
}

static void streams_number_their_transmissions_together(void **state)
{
	struct path p;
	(void)state;
	open_path(&p);
	send_segments(p.a, 2, T0);
	send_segments(p.b, 1, T0 + 1);
	send_segments(p.a, 1, T0 + 2);
	const struct kcp *owner[] = {p.a, p.a, p.b, p.a};
	const uint32_t sn[] = {0, 1, 0, 2}, after[] = {0, 0, 1, 2};
	for (uint32_t n = 0; n < 4; n++) {
		const struct kcp_tx *t = kcp_flight_at(&p.f, n);
		assert_ptr_equal(t->owner, owner[n]);
		assert_int_equal(t->sn, sn[n]);
		assert_int_equal(t->bytes, KCP_HEADER + 1);
		assert_int_equal(t->sent, T0 + after[n]);
		assert_int_equal(t->former, 0);
	}
	assert_int_equal(p.f.next, 4);
	close_path(&p);
}

static void ack_that_names_a_transmission_is_exact_evidence(void **state)
{
	struct path p;
	(void)state;
	open_path(&p);
	send_segments(p.a, 3, T0);
	ack(p.a, 1, ms(T0), T0 + TT_MS(20));
	assert_int_equal(take(&p, 1), KCP_TX_EXACT);
	ack(p.a, 1, ms(T0), T0 + TT_MS(20)); /* a second time */
	assert_int_equal(take(&p, 1), -1);
	assert_int_equal(p.f.count, 2);
	close_path(&p);
}

static void una_of_a_segment_sent_once_tells_its_transmission_but_not_when(void **state)
{
	struct path p;
	(void)state;
	open_path(&p);
	send_segments(p.a, 3, T0);
	una(p.a, 2, T0 + TT_MS(20));
	assert_int_equal(take(&p, 0), KCP_TX_RANGE);
	assert_int_equal(take(&p, 1), KCP_TX_RANGE);
	assert_int_equal(take(&p, 2), -1);
	close_path(&p);
}

static void ack_with_a_wrong_ts_says_no_more_than_una(void **state)
{
	struct path p;
	(void)state;
	open_path(&p);
	send_segments(p.a, 1, T0);
	ack(p.a, 0, ms(T0) - 5, T0 + TT_MS(20));
	assert_int_equal(take(&p, 0), KCP_TX_RANGE);
	assert_int_equal(stats(p.a).srtt_us, 0);
	close_path(&p);
}

static void una_of_a_repeated_segment_may_be_of_any_transmission(void **state)
{
	struct path p;
	struct seg s[4];
	(void)state;
	open_path(&p);
	send_segments(p.a, 1, T0);
	kcp_lost(p.a, 0, 0, false);
	assert_int_equal(drain(p.a, s, 4, T0 + TT_MS(30)), 1);
	una(p.a, 1, T0 + TT_MS(50));
	assert_int_equal(take(&p, 1), KCP_TX_ANY);
	close_path(&p);
}

static void ack_of_what_was_sent_before_the_repeat_is_none_of_the_repeat(void **state)
{
	static const uint32_t echo_ms[] = {0, 29, 30, 31};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct path p;
		struct seg s[4];
		open_path(&p);
		send_segments(p.a, 2, T0);
		kcp_lost(p.a, 0, 0, false);
		drain(p.a, s, 4, T0 + TT_MS(30)); /* 0 is number 2 now */
		in(p.a,
			(struct seg){.cmd = ACK,
				.sn = 7, /* whatever it names */
				.una = 1,
				.ts = ms(T0) + echo_ms[i],
				.wnd = 9},
			T0 + TT_MS(80));
		assert_int_equal(take(&p, 2), echo_ms[i] < 30 ? KCP_TX_FORMER : KCP_TX_ANY);
		assert_int_equal(p.f.spurious, echo_ms[i] < 30);
		assert_int_equal(p.f.late_us, echo_ms[i] < 30 ? TT_MS(80) : 0);
		close_path(&p);
	}
}

static void nothing_is_repeated_that_the_owner_has_not_given_up(void **state)
{
	struct path p;
	struct seg s[16];
	(void)state;
	open_path(&p);
	send_segments(p.a, 10, T0);
	for (uint32_t sn = 1; sn < 10; sn++)
		ack(p.a, sn, ms(T0), T0 + TT_MS(20));
	assert_int_equal(drain(p.a, s, 16, T0 + TT_MS(20)), 0);
	assert_true(kcp_timer(p.a) == TT_TIME_NEVER);
	kcp_on_deadline(p.a, T0 + TT_S(60));
	assert_int_equal(drain(p.a, s, 16, T0 + TT_S(60)), 0);
	close_path(&p);
}

static void segment_given_up_is_repeated_once_under_a_new_number(void **state)
{
	struct path p;
	struct seg s[16];
	(void)state;
	open_path(&p);
	send_segments(p.a, 5, T0);
	kcp_lost(p.a, 2, 2, false);
	kcp_lost(p.a, 2, 2, false);
	assert_int_equal(p.f.count, 4);
	assert_int_equal(drain(p.a, s, 16, T0 + TT_MS(30)), 1);
	assert_int_equal(s[0].sn, 2);
	assert_int_equal(s[0].ts, ms(T0 + TT_MS(30)));
	assert_int_equal(kcp_flight_at(&p.f, 5)->sn, 2);
	assert_int_equal(kcp_flight_at(&p.f, 5)->former, T0);
	assert_int_equal(p.f.count, 5);
	assert_int_equal(stats(p.a).segs_fast, 1);
	kcp_lost(p.a, 2, 5, true); /* the repeat is lost too, for want of any ACK */
	assert_int_equal(drain(p.a, s, 16, T0 + TT_MS(60)), 1);
	assert_int_equal(s[0].sn, 2);
	assert_int_equal(stats(p.a).segs_timeout, 1);
	close_path(&p);
}

static void numbers_that_are_stale_repeat_nothing(void **state)
{
	struct path p;
	struct seg s[16];
	(void)state;
	open_path(&p);
	send_segments(p.a, 3, T0);
	kcp_lost(p.a, 0, 0, false);
	drain(p.a, s, 16, T0 + TT_MS(30)); /* 0 is number 3 now */
	kcp_lost(p.a, 0, 0, false);
	ack(p.a, 1, ms(T0), T0 + TT_MS(40));
	kcp_lost(p.a, 1, 1, false);         /* acknowledged */
	kcp_lost(p.a, 7, 900, false);       /* never sent */
	kcp_lost(p.a, UINT32_MAX, 4, true); /* nor that */
	assert_int_equal(drain(p.a, s, 16, T0 + TT_MS(40)), 0);
	assert_int_equal(p.f.count, 2);
	close_path(&p);
}

static void repeats_wait_for_their_turn_as_data_does_but_go_before_it(void **state)
{
	struct path p;
	uint8_t pkt[MTU];
	struct seg s[16];
	(void)state;
	open_path(&p);
	fill(p.a, 1);
	drain(p.a, s, 16, T0);
	kcp_send(p.a, "new", 3);
	kcp_lost(p.a, 0, 0, false);
	assert_int_equal(kcp_due(p.a), KCP_DUE_DATA);
	assert_int_equal(kcp_output_some(p.a, pkt, MTU, KCP_DUE_URGENT, T0), 0);
	assert_int_equal(kcp_output_some(p.a, pkt, 100, KCP_DUE_DATA, T0), 0); /* too large */
	assert_int_equal(drain(p.a, s, 16, T0), 2);
	assert_int_equal(s[0].sn, 0);
	assert_int_equal(s[1].sn, 1);
	close_path(&p);
}

static void freed_stream_takes_what_it_has_in_flight_with_it(void **state)
{
	struct path p;
	struct seg s[4];
	uint32_t number = 0;
	(void)state;
	open_path(&p);
	send_segments(p.a, 3, T0);
	send_segments(p.b, 2, T0);
	send_segments(p.a, 1, T0);
	kcp_lost(p.a, 1, 1, false); /* given up, and not repeated yet */
	kcp_free(p.a);
	p.a = NULL;
	assert_int_equal(p.f.count, 2);
	assert_ptr_equal(kcp_flight_oldest(&p.f, &number)->owner, p.b);
	assert_int_equal(number, 3);
	assert_ptr_equal(kcp_flight_newest(&p.f, &number)->owner, p.b);
	kcp_lost(p.b, 0, 3, false);
	assert_int_equal(drain(p.b, s, 4, T0), 1);
	assert_int_equal(s[0].sn, 0);
	close_path(&p);
}

static void send_drop_leaves_the_flight(void **state)
{
	struct path p;
	(void)state;
	open_path(&p);
	send_segments(p.a, 3, T0);
	send_segments(p.b, 1, T0);
	kcp_lost(p.a, 0, 0, false);
	kcp_on_deadline(p.a, T0 + TT_MS(70));
	kcp_send_drop(p.a);
	assert_int_equal(p.f.count, 1);
	assert_int_equal(take(&p, 0), -1); /* that is no ACK, */
	assert_int_equal(p.f.spurious, 0); /* and tells nothing of the path */
	assert_int_equal(p.f.late_us, 0);
	assert_int_equal(kcp_due(p.a), 0);
	send_segments(p.a, 1, T0 + 1); /* and the stream goes on */
	assert_int_equal(kcp_flight_at(&p.f, p.f.next - 1)->sn, 3);
	close_path(&p);
}

static void resume_takes_everything_out_and_repeats_it(void **state)
{
	struct path p;
	struct seg s[8];
	(void)state;
	open_path(&p);
	send_segments(p.a, 4, T0);
	ack(p.a, 2, ms(T0), T0 + TT_MS(10));
	kcp_lost(p.a, 1, 1, false);
	kcp_resume(p.a, T0 + TT_S(90));
	assert_int_equal(p.f.count, 0);
	assert_int_equal(drain(p.a, s, 8, T0 + TT_S(90)), 3);
	assert_int_equal(s[0].sn, 0);
	assert_int_equal(s[1].sn, 1);
	assert_int_equal(s[2].sn, 3);
	assert_int_equal(p.f.count, 3);
	assert_int_equal(stats(p.a).segs_fast + stats(p.a).segs_timeout, 0);
	close_path(&p);
}

static void another_conv_changes_nothing_in_the_flight(void **state)
{
	struct path p;
	struct seg s[4];
	(void)state;
	open_path(&p);
	send_segments(p.a, 2, T0);
	kcp_set_conv(p.a, 99);
	assert_int_equal(ack(p.a, 0, ms(T0), T0 + TT_MS(9)), TT_EPROTO);
	assert_int_equal(p.f.count, 2);
	in(p.a, (struct seg){.conv = 99, .cmd = ACK, .sn = 0, .ts = ms(T0), .wnd = 9}, T0 + 9000);
	assert_int_equal(take(&p, 0), KCP_TX_EXACT);
	kcp_lost(p.a, 1, 1, false);
	assert_int_equal(drain(p.a, s, 4, T0 + TT_MS(9)), 1);
	assert_int_equal(s[0].conv, 99);
	close_path(&p);
}

static void arrival_before_the_repeat_left_is_spurious_by_all_of_its_round_trip(void **state)
{
	struct path p;
	struct seg s[4];
	(void)state;
	open_path(&p);
	send_segments(p.a, 1, T0);
	kcp_lost(p.a, 0, 0, false);
	ack(p.a, 0, ms(T0), T0 + 70300);
	assert_int_equal(p.f.spurious, 1);
	assert_int_equal(p.f.late_us, 70300);
	assert_int_equal(p.f.late_bytes, KCP_HEADER + 1);
	assert_int_equal(take(&p, 0), -1); /* it had left the flight */
	assert_int_equal(drain(p.a, s, 4, T0 + 70300), 0);
	close_path(&p);
}

static void arrival_of_the_first_transmission_after_the_repeat_is_spurious(void **state)
{
	struct path p;
	struct seg s[4];
	(void)state;
	open_path(&p);
	send_segments(p.a, 2, T0);
	kcp_lost(p.a, 0, 0, false);
	drain(p.a, s, 4, T0 + TT_MS(40));
	ack(p.a, 1, ms(T0), T0 + TT_MS(50)); /* never given up: not spurious */
	assert_int_equal(p.f.spurious, 0);
	ack(p.a, 0, ms(T0), T0 + TT_MS(90));
	assert_int_equal(p.f.spurious, 1);
	assert_int_equal(p.f.late_us, TT_MS(90));
	assert_int_equal(stats(p.a).segs_spurious, 1);
	assert_int_equal(take(&p, 1), KCP_TX_EXACT);
	assert_int_equal(take(&p, 2), KCP_TX_FORMER);
	close_path(&p);
}

static void una_over_what_was_given_up_is_spurious_too(void **state)
{
	struct path p;
	(void)state;
	open_path(&p);
	send_segments(p.a, 2, T0);
	kcp_lost(p.a, 0, 0, false);
	una(p.a, 2, T0 + TT_MS(70));
	assert_int_equal(p.f.spurious, 1);
	assert_int_equal(p.f.late_us, TT_MS(70));
	close_path(&p);
}

static void one_arrival_is_spurious_once(void **state)
{
	struct path p;
	struct seg s[4];
	(void)state;
	open_path(&p);
	send_segments(p.a, 1, T0);
	kcp_lost(p.a, 0, 0, false);
	drain(p.a, s, 4, T0 + TT_MS(40));
	kcp_lost(p.a, 0, 1, true);           /* the repeat is given up as well, */
	ack(p.a, 0, ms(T0), T0 + TT_MS(90)); /* and the first transmission arrives */
	assert_int_equal(p.f.spurious, 1);
	assert_int_equal(p.f.late_us, TT_MS(90));
	assert_int_equal(p.f.late_bytes, KCP_HEADER + 1);
	close_path(&p);
}

static void what_was_resumed_is_not_spurious(void **state)
{
	struct path p;
	(void)state;
	open_path(&p);
	send_segments(p.a, 2, T0);
	kcp_lost(p.a, 0, 0, false);
	kcp_resume(p.a, T0 + TT_S(90));
	una(p.a, 2, T0 + TT_S(91));
	assert_int_equal(p.f.spurious, 0);
	close_path(&p);
}

static void arrival_of_the_repeat_is_not_spurious(void **state)
{
	struct path p;
	struct seg s[4];
	(void)state;
	open_path(&p);
	send_segments(p.a, 1, T0);
	kcp_lost(p.a, 0, 0, false);
	drain(p.a, s, 4, T0 + TT_MS(40));
	ack(p.a, 0, ms(T0 + TT_MS(40)), T0 + TT_MS(60));
	assert_int_equal(p.f.spurious, 0);
	assert_int_equal(take(&p, 1), KCP_TX_EXACT);
	assert_int_equal(stats(p.a).srtt_us, TT_MS(20));
	close_path(&p);
}

static void full_flight_holds_segments_back_and_loses_none(void **state)
{
	struct path p;
	struct seg s[4];
	(void)state;
	open_path(&p);
	for (uint32_t i = 0; i < KCP_FLIGHT_MAX; i++) {
		assert_int_equal(kcp_flight_reserve(&p.f), TT_OK);
		kcp_flight_sent(&p.f, p.b, i, 1, 0, T0);
	}
	kcp_send(p.a, "x", 1);
	assert_int_equal(drain(p.a, s, 4, T0), 0);
	assert_int_equal(kcp_inflight(p.a), 0);
	kcp_flight_drop(&p.f, 0);
	assert_int_equal(drain(p.a, s, 4, T0), 1);
	assert_int_equal(s[0].sn, 0);
	for (uint32_t i = 1; i < KCP_FLIGHT_MAX; i++)
		kcp_flight_drop(&p.f, i);
	close_path(&p);
}

static void so_much_waits_to_be_sent_and_no_more(void **state)
{
	struct path p;
	struct seg s[1];
	static uint8_t big[(KCP_UNSENT_MAX + 1) * MSS];
	(void)state;
	open_path(&p);
	assert_int_equal(kcp_send(p.a, big, sizeof(big)), KCP_UNSENT_MAX * MSS);
	assert_int_equal(kcp_send_space(p.a), 0);
	assert_false(kcp_send_low(p.a));
	drain(p.a, s, 1, T0); /* what is in flight counts no more */
	assert_true(kcp_send_low(p.a));
	assert_int_equal(kcp_send_space(p.a), KCP_UNSENT_MAX * MSS);
	close_path(&p);
}

static void acks_wait_for_more_but_not_long(void **state)
{
	struct path p;
	struct seg s[4];
	(void)state;
	open_path(&p);
	push(p.a, 0, "x", T0);
	assert_int_equal(kcp_due(p.a), 0);
	assert_int_equal(kcp_timer(p.a), T0 + KCP_ACK_DELAY);
	assert_int_equal(drain(p.a, s, 4, T0 + KCP_ACK_DELAY - 1), 0);
	kcp_on_deadline(p.a, T0 + KCP_ACK_DELAY);
	assert_int_equal(drain(p.a, s, 4, T0 + KCP_ACK_DELAY), 1);
	assert_true(kcp_timer(p.a) > T0 + KCP_ACK_DELAY);
	for (uint32_t sn = 1; sn < KCP_ACK_COUNT; sn++)
		push(p.a, sn, "x", T0 + TT_MS(5));
	assert_int_equal(drain(p.a, s, 4, T0 + TT_MS(5)), 0);
	push(p.a, KCP_ACK_COUNT, "x", T0 + TT_MS(5));
	assert_int_equal(drain(p.a, s, 4, T0 + TT_MS(5)), 1);
	assert_int_equal(s[0].una, KCP_ACK_COUNT + 1);
	close_path(&p);
}

static void ack_that_found_no_memory_leaves_no_timer(void **state)
{
	(void)state;
	for (size_t fail = 1; fail < 8; fail++) {
		struct counted c = {.fail_after = fail};
		struct tt_mem mem = {counting, &c};
		struct kcp_flight f;
		struct seg s[4];
		tt_time now = T0 + TT_S(1);
		kcp_flight_init(&f, sizeof(struct kcp_tx), NULL);
		struct kcp *k = make_of((struct kcp_config){.flight = &f, .mem = &mem});
		push(k, 0, "x", T0);
		kcp_on_deadline(k, now);
		drain(k, s, 4, now);
		assert_true(kcp_deadline(k) > now);
		kcp_free(k);
	}
}

static void message_that_can_never_wait_is_refused(void **state)
{
	struct kcp_flight f;
	static uint8_t big[(KCP_UNSENT_MAX + 1) * MSS];
	(void)state;
	kcp_flight_init(&f, sizeof(struct kcp_tx), NULL);
	struct kcp *k = make_of((struct kcp_config){.flight = &f, .message = true});
	assert_int_equal(kcp_send(k, big, sizeof(big)), TT_EINVAL);
	assert_int_equal(kcp_send(k, big, KCP_UNSENT_MAX * MSS), KCP_UNSENT_MAX * MSS);
	assert_int_equal(kcp_send(k, big, 1), TT_EAGAIN);
	kcp_free(k);
	kcp_flight_free(&f);
}

/* ---- segments sent twice ---- */

/* The copy of segment 0 at this time, as the bytes that went out have it. */
static void copy_first(struct kcp *k, tt_time now)
{
	uint8_t p[MTU];
	struct seg s;
	assert_int_equal(split(p, kcp_output_copy(k, 0, p, sizeof(p), now), &s, 1), 1);
	assert_int_equal(s.cmd, PUSH);
	assert_int_equal(s.sn, 0);
	assert_int_equal(s.ts, ms(now));
	assert_int_equal(s.len, 1);
	assert_memory_equal(s.data, "x", 1);
}

static void copy_is_no_transmission(void **state)
{
	struct path p;
	(void)state;
	open_path(&p);
	send_segments(p.a, 1, T0);
	copy_first(p.a, T0 + TT_MS(5));
	assert_int_equal(p.f.next, 1);
	assert_int_equal(p.f.count, 1);
	assert_int_equal(stats(p.a).segs_sent, 1);
	assert_int_equal(stats(p.a).segs_retransmitted, 0);
	close_path(&p);
}

static void ack_of_the_first_is_exact_whether_there_is_a_copy_or_not(void **state)
{
	struct path p;
	(void)state;
	open_path(&p);
	send_segments(p.a, 1, T0);
	copy_first(p.a, T0 + TT_MS(5));
	ack(p.a, 0, ms(T0), T0 + TT_MS(20));
	assert_int_equal(take(&p, 0), KCP_TX_EXACT);
	assert_int_equal(stats(p.a).srtt_us, TT_MS(20));
	close_path(&p);
}

static void ack_of_the_copy_gives_no_round_trip(void **state)
{
	struct path p;
	(void)state;
	open_path(&p);
	send_segments(p.a, 1, T0);
	copy_first(p.a, T0 + TT_MS(5));
	ack(p.a, 0, ms(T0) + 5, T0 + TT_MS(25));
	assert_int_equal(take(&p, 0), KCP_TX_COPY);
	assert_int_equal(stats(p.a).srtt_us, 0);
	assert_int_equal(p.f.spurious, 0);
	close_path(&p);
}

static void copy_that_arrives_makes_no_repeat_spurious(void **state)
{
	(void)state;
	for (int by_ack = 0; by_ack < 2; by_ack++) {
		for (int repeated = 0; repeated < 2; repeated++) {
			struct path p;
			struct seg s[1];
			open_path(&p);
			send_segments(p.a, 1, T0);
			copy_first(p.a, T0 + TT_MS(5));
			kcp_lost(p.a, 0, 0, false);
			if (repeated)
				assert_int_equal(drain(p.a, s, 1, T0 + TT_MS(21)), 1);
			if (by_ack)
				ack(p.a, 0, ms(T0) + 5, T0 + TT_MS(25));
			else
				una(p.a, 1, T0 + TT_MS(25));
			assert_int_equal(kcp_inflight(p.a), 0);
			assert_int_equal(stats(p.a).segs_spurious, 0);
			assert_int_equal(p.f.spurious, 0);
			assert_int_equal(p.f.late_us, 0);
			close_path(&p);
		}
	}
}

static void first_that_arrives_late_is_spurious_in_spite_of_its_copy(void **state)
{
	struct path p;
	(void)state;
	open_path(&p);
	send_segments(p.a, 1, T0);
	copy_first(p.a, T0 + TT_MS(5));
	kcp_lost(p.a, 0, 0, false);
	ack(p.a, 0, ms(T0), T0 + TT_MS(25));
	assert_int_equal(p.f.spurious, 1);
	assert_int_equal(p.f.late_us, TT_MS(25));
	assert_int_equal(p.f.late_count, 1);
	close_path(&p);
}

static void nothing_is_copied_that_nobody_waits_for(void **state)
{
	struct path p;
	uint8_t b[MTU];
	(void)state;
	open_path(&p);
	send_segments(p.a, 2, T0);
	assert_int_equal(kcp_output_copy(p.a, 1, b, KCP_HEADER, T0), 0); /* no room */
	assert_int_equal(kcp_output_copy(p.a, 2, b, MTU, T0), 0);        /* never sent */
	kcp_lost(p.a, 1, 1, false);
	assert_int_equal(kcp_output_copy(p.a, 1, b, MTU, T0), 0); /* to be repeated anyway */
	una(p.a, 1, T0 + TT_MS(1));
	assert_int_equal(kcp_output_copy(p.a, 0, b, MTU, T0), 0); /* has arrived */
	close_path(&p);
}

static void segment_that_came_twice_is_answered_by_its_first_time(void **state)
{
	struct path p;
	struct seg s[1], first = {.cmd = PUSH, .ts = 7, .wnd = 9, .len = 1};
	(void)state;
	open_path(&p);
	first.data = (const uint8_t *)"x";
	in(p.a, first, T0);
	first.ts = 12;
	in(p.a, first, T0);
	assert_int_equal(drain(p.a, s, 1, T0 + TT_MS(1)), 1);
	assert_int_equal(s[0].cmd, ACK);
	assert_int_equal(s[0].ts, 7);
	close_path(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_number_their_transmissions_together),
		cmocka_unit_test(ack_that_names_a_transmission_is_exact_evidence),
		cmocka_unit_test(una_of_a_segment_sent_once_tells_its_transmission_but_not_when),
		cmocka_unit_test(ack_with_a_wrong_ts_says_no_more_than_una),
		cmocka_unit_test(una_of_a_repeated_segment_may_be_of_any_transmission),
		cmocka_unit_test(ack_of_what_was_sent_before_the_repeat_is_none_of_the_repeat),
		cmocka_unit_test(nothing_is_repeated_that_the_owner_has_not_given_up),
		cmocka_unit_test(segment_given_up_is_repeated_once_under_a_new_number),
		cmocka_unit_test(numbers_that_are_stale_repeat_nothing),
		cmocka_unit_test(repeats_wait_for_their_turn_as_data_does_but_go_before_it),
		cmocka_unit_test(freed_stream_takes_what_it_has_in_flight_with_it),
		cmocka_unit_test(send_drop_leaves_the_flight),
		cmocka_unit_test(resume_takes_everything_out_and_repeats_it),
		cmocka_unit_test(another_conv_changes_nothing_in_the_flight),
		cmocka_unit_test(
			arrival_before_the_repeat_left_is_spurious_by_all_of_its_round_trip),
		cmocka_unit_test(arrival_of_the_first_transmission_after_the_repeat_is_spurious),
		cmocka_unit_test(una_over_what_was_given_up_is_spurious_too),
		cmocka_unit_test(one_arrival_is_spurious_once),
		cmocka_unit_test(what_was_resumed_is_not_spurious),
		cmocka_unit_test(arrival_of_the_repeat_is_not_spurious),
		cmocka_unit_test(full_flight_holds_segments_back_and_loses_none),
		cmocka_unit_test(so_much_waits_to_be_sent_and_no_more),
		cmocka_unit_test(acks_wait_for_more_but_not_long),
		cmocka_unit_test(ack_that_found_no_memory_leaves_no_timer),
		cmocka_unit_test(message_that_can_never_wait_is_refused),
		cmocka_unit_test(copy_is_no_transmission),
		cmocka_unit_test(ack_of_the_first_is_exact_whether_there_is_a_copy_or_not),
		cmocka_unit_test(ack_of_the_copy_gives_no_round_trip),
		cmocka_unit_test(copy_that_arrives_makes_no_repeat_spurious),
		cmocka_unit_test(first_that_arrives_late_is_spurious_in_spite_of_its_copy),
		cmocka_unit_test(nothing_is_copied_that_nobody_waits_for),
		cmocka_unit_test(segment_that_came_twice_is_answered_by_its_first_time),
	};
	return cmocka_run_group_tests_name("kcp_shared", tests, NULL, NULL);
}
