/* All streams to one peer: who goes when, what is held back, what a broken peer can do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "fail_mem.h"
#include "link.h"
#include "tt_err.h"

#define START TT_S(100)
#define PUSH 81
#define ACK 82
#define MSS (LINK_PACKET_MAX - 1 - KCP_HEADER)

static struct link *new_link_in(enum tt_mode mode, const struct tt_mem *mem)
{
	struct link_config cfg = {.mode = mode, .mem = mem};
	struct link *l = NULL;
	assert_int_equal(link_new(&l, &cfg, START), TT_OK);
	return l;
}

static struct link *new_link(enum link_path path)
{
	struct link *l = new_link_in(TT_MODE_FAST3, NULL);
	link_set_path(l, path, START);
	return l;
}

static struct link_stream *add(struct link *l, uint32_t conv, void *user)
{
	struct link_stream *s = NULL;
	assert_int_equal(link_stream_new(&s, l, conv, user, START), TT_OK);
	return s;
}

/* Hands in up to `len` bytes; returns how many were taken. */
static size_t put(struct link_stream *s, size_t len)
{
	size_t done = 0;
	while (done < len) {
		struct iovec v[8];
		size_t part = 0;
		int n = link_stream_send_reserve(s, v, 8, len - done);
		if (n <= 0)
			break;
		for (int i = 0; i < n; i++) {
			memset(v[i].iov_base, 'x', v[i].iov_len);
			part += v[i].iov_len;
		}
		link_stream_send_commit(s, part);
		done += part;
	}
	return done;
}

static size_t take_all(struct link_stream *s)
{
	size_t n = link_stream_recv_ready(s);
	link_stream_recv_consume(s, n);
	return n;
}

struct seg {
	uint32_t conv, sn, len;
	uint8_t cmd;
};

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The segments of a packet; returns how many. */
static size_t segments(const uint8_t *pkt, size_t len, struct seg *out, size_t cap)
{
	size_t n = 0;
	assert_int_equal(pkt[0], LINK_ID_KCP);
	for (size_t at = 1; at < len; n++) {
		assert_true(n < cap && len - at >= KCP_HEADER);
		out[n] = (struct seg){
			get32(pkt + at), get32(pkt + at + 12), get32(pkt + at + 20), pkt[at + 4]};
		at += KCP_HEADER + out[n].len;
	}
	return n;
}

/* Pulls one packet and its segments; 0 when there is none. */
static size_t pull(struct link *l, struct seg *out, size_t cap, tt_time now)
{
	uint8_t pkt[LINK_PACKET_MAX];
	size_t len = link_output(l, pkt, now);
	return len ? segments(pkt, len, out, cap) : 0;
}

/* Moves everything that a has to say to b; returns the packets. */
static size_t move(struct link *a, struct link *b, tt_time now)
{
	uint8_t pkt[LINK_PACKET_MAX];
	size_t len, n = 0;
	while ((len = link_output(a, pkt, now)) > 0) {
		assert_int_equal(link_input(b, pkt, len, now), TT_OK);
		n++;
	}
	return n;
}

/* Two links, with n streams each. */
static void free_both(
	struct link *a, struct link_stream **sa, struct link *b, struct link_stream **sb, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		link_stream_free(sa[i]);
		link_stream_free(sb[i]);
	}
	link_free(a);
	link_free(b);
}

static void run_timers(struct link *l, tt_time now)
{
	if (link_deadline(l) <= now)
		link_on_deadline(l, now);
}

/* ---- packets ---- */

static void segments_of_several_convs_in_one_packet_reach_their_streams(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *sa[3], *sb[3];
	int user[3];
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		sa[i] = add(a, 10 + i, NULL);
		sb[i] = add(b, 10 + i, &user[i]);
		put(sa[i], 100 + i);
	}
	assert_int_equal(move(a, b, START), 1);
	for (size_t i = 0; i < 3; i++) {
		assert_ptr_equal(link_ready_next(b), &user[i]);
		assert_int_equal(take_all(sb[i]), 100 + i);
	}
	assert_null(link_ready_next(b));
	free_both(a, sa, b, sb, 3);
}

static void acks_of_many_streams_share_one_packet(void **state)
{
	enum { N = 40 };
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *sa[N], *sb[N];
	struct seg seg[64];
	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		sa[i] = add(a, 10 + i, NULL);
		sb[i] = add(b, 10 + i, NULL);
		put(sa[i], 1000);
	}
	assert_int_equal(move(a, b, START), N);
	assert_int_equal(pull(b, seg, 64, START), N);
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(seg[i].cmd, ACK);
		assert_int_equal(seg[i].conv, 10 + i);
	}
	free_both(a, sa, b, sb, N);
}

static void acks_go_before_data(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *bulk = add(b, 1, NULL), *sa = add(a, 2, NULL), *sb = add(b, 2, NULL);
	struct seg seg[4];
	(void)state;
	put(bulk, 100000);
	assert_int_equal(pull(b, seg, 4, START), 1);
	put(sa, 10);
	move(a, b, START);
	assert_int_equal(pull(b, seg, 4, START), 1);
	assert_int_equal(seg[0].cmd, ACK); /* a whole segment of data does not fit behind it */
	assert_int_equal(seg[0].conv, 2);
	assert_int_equal(pull(b, seg, 4, START), 1);
	assert_int_equal(seg[0].cmd, PUSH);
	link_stream_free(bulk);
	free_both(a, &sa, b, &sb, 1);
}

static void repeat_that_did_not_fit_opens_the_next_packet(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *s[3] = {add(b, 1, NULL), add(b, 2, NULL), add(b, 3, NULL)};
	struct link_stream *p[3] = {NULL, add(a, 2, NULL), add(a, 3, NULL)};
	struct seg seg[4];
	tt_time now = START;
	(void)state;
	put(s[0], MSS);
	assert_int_equal(pull(b, seg, 4, now), 1);
	put(p[1], 10);
	move(a, b, now);   /* an ACK is owed for 2, before the repeat of 1, before the ACK of 3 */
	now += TT_MS(900); /* not so long that the link asks whether anybody is there */
	link_on_deadline(b, now);
	put(p[2], 10);
	move(a, b, now);
	assert_int_equal(pull(b, seg, 4, now), 1);
	assert_int_equal(seg[0].conv, 2);
	put(p[1], 10); /* and the ACKs do not stop coming */
	move(a, b, now);
	assert_int_equal(pull(b, seg, 4, now), 1);
	assert_int_equal(seg[0].conv, 1);
	assert_int_equal(seg[0].cmd, PUSH);
	free_both(a, p, b, s, 3);
}

/* ---- the schedule ---- */

static void bulk_streams_share_evenly(void **state)
{
	enum { N = 4, PACKETS = 300 };
	struct link *l = new_link(LINK_DIRECT);
	struct link_stream *s[N];
	uint32_t bytes[N] = {0};
	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		s[i] = add(l, i, NULL);
		put(s[i], 1000000);
	}
	for (size_t n = 0; n < PACKETS; n++) {
		struct seg seg[4];
		assert_int_equal(pull(l, seg, 4, START), 1);
		bytes[seg[0].conv] += seg[0].len;
	}
	for (size_t i = 0; i < N; i++) {
		uint32_t fair = PACKETS / N * MSS;
		assert_in_range(bytes[i], fair - fair / 33, fair + fair / 33);
		link_stream_free(s[i]);
	}
	link_free(l);
}

static void sparse_stream_overtakes_a_bulk_backlog(void **state)
{
	struct link *l = new_link(LINK_DIRECT);
	struct link_stream *bulk[3] = {add(l, 0, NULL), add(l, 1, NULL), add(l, 2, NULL)};
	struct link_stream *key = add(l, 9, NULL);
	struct seg seg[8];
	(void)state;
	for (size_t i = 0; i < 3; i++)
		put(bulk[i], 1000000);
	for (size_t i = 0; i < 30; i++)
		pull(l, seg, 8, START);
	for (size_t i = 0; i < 20; i++) {
		put(key, 10);
		assert_true(pull(l, seg, 8, START) >= 1);
		assert_int_equal(seg[0].conv, 9);
	}
	for (size_t i = 0; i < 3; i++)
		link_stream_free(bulk[i]);
	link_stream_free(key);
	link_free(l);
}

static void stream_that_empties_all_the_time_gets_no_more_than_its_share(void **state)
{
	struct link *l = new_link(LINK_DIRECT);
	struct link_stream *bulk = add(l, 0, NULL), *greedy = add(l, 1, NULL);
	uint32_t bytes[2] = {0};
	(void)state;
	put(bulk, 1000000);
	for (size_t n = 0; n < 200; n++) {
		struct seg seg[8];
		if (link_stream_send_pending(greedy) == bytes[1])
			put(greedy, MSS); /* one packet's worth, again and again "sparse" */
		assert_int_equal(pull(l, seg, 8, START), 1);
		bytes[seg[0].conv] += seg[0].len;
	}
	assert_in_range(bytes[1], 90 * MSS, 105 * MSS);
	link_stream_free(bulk);
	link_stream_free(greedy);
	link_free(l);
}

/* How many packets of one stream follow each other, at most, on a path of this round trip. */
static size_t longest_turn(tt_time rtt)
{
	struct link *a = new_link_in(TT_MODE_FAST3, NULL), *b = new_link_in(TT_MODE_FAST3, NULL);
	struct link_stream *s[2][2];
	tt_time now = START;
	size_t longest = 0, turn = 0;
	uint32_t last = 0;

	link_set_path(a, LINK_DIRECT, START);
	link_set_path(b, LINK_DIRECT, START);
	for (uint32_t i = 0; i < 2; i++) {
		s[0][i] = add(a, i, NULL);
		s[1][i] = add(b, i, NULL);
		put(s[0][i], 100000);
	}
	for (int round = 0; round < 20; round++) {
		move(a, b, now);
		now += rtt;
		for (size_t i = 0; i < 2; i++) {
			take_all(s[1][i]);
			put(s[0][i], 100000);
		}
		run_timers(b, now);
		move(b, a, now);
	}
	for (struct seg seg[8]; pull(a, seg, 8, now) > 0; last = seg[0].conv) {
		turn = seg[0].conv == last ? turn + 1 : 1;
		longest = turn > longest ? turn : longest;
	}
	free_both(a, s[0], b, s[1], 2);
	return longest;
}

static void turns_are_longer_on_a_fast_path(void **state)
{
	(void)state;
	assert_in_range(longest_turn(TT_MS(100)), 1, 3);
	assert_in_range(longest_turn(TT_MS(1)), 12, 20);
}

static size_t fill_window(struct link *l, uint32_t *largest)
{
	struct seg seg[8];
	size_t n, sum = 0;
	*largest = 0;
	while ((n = pull(l, seg, 8, START)) > 0) {
		sum += n;
		*largest = n > *largest ? (uint32_t)n : *largest;
	}
	return sum;
}

static void window_of_the_path_bounds_what_is_in_flight(void **state)
{
	enum { N = 12 };
	static const struct {
		enum link_path path;
		size_t window;
	} cases[] = {{LINK_RELAYED, LINK_WINDOW_RELAYED}, {LINK_DIRECT, LINK_WINDOW_DIRECT}};
	(void)state;
	for (size_t c = 0; c < 2; c++) {
		struct link *a = new_link(cases[c].path), *b = new_link(LINK_DIRECT);
		struct link_stream *sa[N], *sb[N];
		struct link_stats st;
		uint32_t largest;
		for (uint32_t i = 0; i < N; i++) {
			sa[i] = add(a, i, NULL);
			sb[i] = add(b, i, NULL);
			put(sa[i], 1000000);
		}
		assert_int_equal(fill_window(a, &largest), cases[c].window);
		link_stats(a, &st);
		assert_int_equal(st.inflight, cases[c].window);
		assert_true(link_deadline(a) > START);
		if (cases[c].path == LINK_RELAYED) { /* the path gets wider: at once */
			link_set_path(a, LINK_DIRECT, START);
			assert_true(link_deadline(a) <= START);
			assert_true(move(a, b, START) > 800);
			move(b, a, START);
			link_stats(a, &st); /* the first 64 were lost, the rest has arrived */
			assert_true(st.inflight <= 64);
		}
		link_stream_free(sa[0]);
		for (uint32_t i = 1; i < N; i++)
			link_stream_free(sa[i]);
		link_stats(a, &st);
		assert_int_equal(st.inflight, 0);
		assert_int_equal(st.streams, 0);
		for (uint32_t i = 0; i < N; i++)
			link_stream_free(sb[i]);
		link_free(a);
		link_free(b);
	}
}

/* ---- path ---- */

static void nothing_goes_out_while_down_and_everything_after_up(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *sa = add(a, 1, NULL), *sb = add(b, 1, NULL);
	struct seg seg[4];
	struct link_stats before, after;
	(void)state;
	put(sa, 10 * MSS);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(pull(a, seg, 4, START), 1); /* lost */
	link_set_path(a, LINK_DOWN, START);
	link_probe(a);
	assert_int_equal(pull(a, seg, 4, START), 0);
	assert_int_equal(link_deadline(a), TT_TIME_NEVER);
	link_stats(a, &before);
	for (unsigned i = 0; i < 100; i++)
		link_on_deadline(a, START + TT_S(i));
	link_stats(a, &after);
	assert_int_equal(before.inflight, after.inflight);
	assert_int_equal(pull(a, seg, 4, START + TT_S(100)), 0);
	put(sa, 5 * MSS);

	tt_time now = START + TT_S(200);
	link_set_path(a, LINK_DIRECT, now);
	assert_true(link_deadline(a) <= now);
	assert_int_equal(move(a, b, now), 15); /* 5 repeats, 5 and 5 new ones */
	assert_int_equal(take_all(sb), 15 * MSS);
	struct kcp_stats ks;
	link_stream_kcp_stats(sa, &ks);
	assert_int_equal(ks.segs_timeout, 0); /* the silence was nobody's loss */
	move(b, a, now);
	assert_int_equal(link_stream_send_pending(sa), 0);
	free_both(a, &sa, b, &sb, 1);
}

/* Sends packets nobody answers until the link stops; returns how many. */
static size_t flood(struct link *l, tt_time now, size_t most)
{
	uint8_t pkt[LINK_PACKET_MAX];
	for (size_t n = 0; n < most; n++) {
		link_probe(l);
		if (link_output(l, pkt, now) == 0)
			return n;
	}
	return most;
}

static void nonce_rule_stops_after_16384_unheard_packets(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	uint8_t pkt[LINK_PACKET_MAX];
	struct link_stats st;
	tt_time now = START;
	(void)state;
	assert_int_equal(flood(a, now, 20000), 16384);
	link_stats(a, &st);
	assert_int_equal(st.nonce_stalls, 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(link_deadline(a), now + TT_MS(500));
		assert_int_equal(flood(a, now + TT_MS(499), 10), 0);
		now += TT_MS(500);
		link_on_deadline(a, now);
		assert_int_equal(flood(a, now, 10), 1);
	}
	link_probe(b);
	size_t len = link_output(b, pkt, now);
	assert_int_equal(link_input(a, pkt, len, now), TT_OK);
	assert_true(link_deadline(a) <= now);
	assert_int_equal(flood(a, now, 20000), 16384);
	link_stats(a, &st);
	assert_int_equal(st.nonce_stalls, 2);
	link_free(a);
	link_free(b);
}

static void nonce_rule_starts_afresh_when_the_peer_comes_back(void **state)
{
	struct link *l = new_link(LINK_DIRECT);
	(void)state;
	flood(l, START, 20000);
	link_set_path(l, LINK_RELAYED, START); /* the same session: nothing was heard */
	assert_int_equal(flood(l, START, 10), 0);
	link_set_path(l, LINK_DOWN, START);
	link_set_path(l, LINK_DIRECT, START);
	assert_int_equal(flood(l, START, 10), 10);
	link_free(l);
}

/* toxcore's queue is full: nobody pulls packets, and timers go on. */
static void repeats_that_nobody_pulls_do_not_keep_the_timers_busy(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *sa = add(a, 1, NULL), *sb = add(b, 1, NULL);
	struct seg seg[4];
	tt_time now = START;
	(void)state;
	put(sa, 5 * MSS);
	while (pull(a, seg, 4, now) > 0)
		; /* lost */
	for (int i = 0; i < 100; i++) {
		now += TT_S(1);
		link_on_deadline(a, now);
		assert_true(link_deadline(a) <= now); /* the repeats are due */
	}
	assert_int_equal(move(a, b, now), 5 + 1); /* and one that asks whether anybody is there */
	assert_true(link_deadline(a) > now);
	assert_int_equal(take_all(sb), 5 * MSS);
	free_both(a, &sa, b, &sb, 1);
}

static void repeats_wait_for_the_nonce_rule_without_a_deadline_in_the_past(void **state)
{
	struct link *l = new_link(LINK_DIRECT);
	struct link_stream *s = add(l, 1, NULL);
	uint8_t pkt[LINK_PACKET_MAX];
	tt_time now = START;
	(void)state;
	put(s, 5 * MSS);
	while (link_output(l, pkt, now) > 0)
		;
	flood(l, now, 20000);
	for (int i = 0; i < 50; i++) {
		now += TT_MS(100);
		run_timers(l, now);
		while (link_output(l, pkt, now) > 0)
			;
		assert_true(link_deadline(l) > now);
	}
	link_stream_free(s);
	link_free(l);
}

/* ---- probes ---- */

static void probe_is_answered_and_gives_the_round_trip(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	uint8_t pkt[LINK_PACKET_MAX];
	tt_time sent_at;
	(void)state;
	assert_int_equal(link_probe_rtt(a, &sent_at), 0);
	assert_int_equal(sent_at, 0);
	link_probe(a);
	assert_true(link_deadline(a) <= START);
	size_t len = link_output(a, pkt, START);
	assert_int_equal(len, 10);
	assert_int_equal(link_output(a, pkt + 20, START), 0);
	assert_int_equal(link_input(b, pkt, len, START + TT_MS(30)), TT_OK);
	assert_true(link_deadline(b) <= START + TT_MS(30));
	len = link_output(b, pkt, START + TT_MS(30));
	assert_int_equal(link_input(a, pkt, len, START + TT_MS(70)), TT_OK);
	assert_int_equal(link_probe_rtt(a, &sent_at), TT_MS(70));
	assert_int_equal(sent_at, START);
	assert_int_equal(link_deadline(a), TT_TIME_NEVER);
	assert_int_equal(link_deadline(b), TT_TIME_NEVER);
	link_free(a);
	link_free(b);
}

/* Hands a deadline to `l` every 100 ms for `time` and gives what it says to `peer`, if there is
 * one. */
static size_t run_alone(struct link *l, struct link *peer, tt_time *now, tt_time time)
{
	uint8_t pkt[LINK_PACKET_MAX];
	size_t n = 0, len;

	for (tt_time end = *now + time; *now < end; *now += TT_MS(100)) {
		link_on_deadline(l, *now);
		while ((len = link_output(l, pkt, *now)) > 0) {
			n++;
			if (peer) {
				link_input(peer, pkt, len, *now);
				move(peer, l, *now);
			}
		}
	}
	return n;
}

static void receiver_asks_once_whether_its_sender_is_there(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *sa = add(a, 1, NULL), *sb = add(b, 1, NULL);
	tt_time now = START;
	(void)state;
	put(sa, 100);
	move(a, b, now);
	move(b, a, now);
	assert_int_equal(run_alone(b, a, &now, TT_S(60)), 1);
	assert_false(link_mute(b));
	free_both(a, &sa, b, &sb, 1);
}

static void sender_that_has_gone_is_mute_until_it_is_heard(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *sa = add(a, 1, NULL), *sb = add(b, 1, NULL);
	tt_time now = START;
	(void)state;
	put(sa, 100);
	move(a, b, now);
	move(b, a, now);
	run_alone(b, NULL, &now, TT_MS(1500)); /* shorter than is worth doing anything about */
	assert_false(link_mute(b));
	run_alone(b, NULL, &now, TT_S(1));
	assert_true(link_mute(b));
	assert_int_equal(run_alone(b, NULL, &now, TT_S(60)), 0);
	put(sa, 100);
	move(a, b, now);
	assert_false(link_mute(b));
	free_both(a, &sa, b, &sb, 1);
}

static void sender_without_answers_finds_its_peer_mute(void **state)
{
	struct link *a = new_link(LINK_DIRECT);
	struct link_stream *sa = add(a, 1, NULL);
	tt_time now = START;
	(void)state;
	put(sa, 100);
	run_alone(a, NULL, &now, TT_S(3));
	assert_true(link_mute(a));
	link_set_path(a, LINK_DOWN, now); /* and that says it all */
	assert_false(link_mute(a));
	link_stream_free(sa);
	link_free(a);
}

static void peer_that_is_doubted_is_asked_at_once(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *sa = add(a, 1, NULL), *sb = add(b, 1, NULL);
	tt_time now = START;
	(void)state;
	link_doubt(a, now);
	run_alone(a, b, &now, TT_S(60)); /* it answers */
	assert_false(link_mute(a));
	link_doubt(a, now);
	run_alone(a, NULL, &now, TT_MS(1500));
	assert_false(link_mute(a));
	run_alone(a, NULL, &now, TT_MS(200));
	assert_true(link_mute(a));
	link_doubt(a, now); /* more than mute it cannot be */
	assert_true(link_mute(a));
	free_both(a, &sa, b, &sb, 1);
}

/* Hands in the reply to a probe that was sent at this time. */
static int input_reply(struct link *l, uint64_t sent_at)
{
	uint8_t pkt[10] = {LINK_ID_PROBE, 1};
	for (size_t j = 0; j < 8; j++)
		pkt[2 + j] = (uint8_t)(sent_at >> 8 * j);
	return link_input(l, pkt, 10, START);
}

static void probe_reply_that_cannot_be_is_refused(void **state)
{
	struct link *l = new_link(LINK_DIRECT);
	static const uint64_t stamps[] = {0, START + 1, UINT64_MAX};
	tt_time sent_at;
	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(input_reply(l, stamps[i]), TT_EPROTO);
	link_probe_rtt(l, &sent_at);
	assert_int_equal(sent_at, 0);
	link_free(l);
}

static void probe_reply_that_was_overtaken_changes_nothing(void **state)
{
	struct link *l = new_link(LINK_DIRECT);
	tt_time sent_at;
	(void)state;
	assert_int_equal(input_reply(l, START - TT_MS(20)), TT_OK);
	assert_int_equal(input_reply(l, START - TT_MS(90)), TT_OK);
	assert_int_equal(link_probe_rtt(l, &sent_at), TT_MS(20));
	assert_int_equal(sent_at, START - TT_MS(20));
	link_free(l);
}

static void probe_reply_that_was_held_up_is_no_measurement_and_no_mistake(void **state)
{
	struct link *l = new_link(LINK_DIRECT);
	struct link_stats st;
	tt_time sent_at;
	(void)state;
	assert_int_equal(input_reply(l, START - TT_S(61)), TT_OK);
	link_probe_rtt(l, &sent_at);
	link_stats(l, &st);
	assert_int_equal(sent_at, 0);
	assert_int_equal(st.malformed, 0);
	link_free(l);
}

static void probe_from_before_an_outage_is_not_answered_after_it(void **state)
{
	struct link *l = new_link(LINK_DIRECT);
	uint8_t pkt[LINK_PACKET_MAX] = {LINK_ID_PROBE, 0, 1};
	(void)state;
	assert_int_equal(link_input(l, pkt, 10, START), TT_OK);
	link_set_path(l, LINK_DOWN, START + 1);
	link_set_path(l, LINK_DIRECT, START + TT_S(20));
	assert_int_equal(link_output(l, pkt, START + TT_S(20)), 0);
	link_free(l);
}

/* ---- a broken peer ---- */

static void malformed_packets_are_counted_and_harmless(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *sa = add(a, 1, NULL), *sb = add(b, 1, NULL);
	uint8_t pkt[LINK_PACKET_MAX], bad[LINK_PACKET_MAX];
	struct link_stats st;
	uint64_t refused = 0;
	(void)state;
	put(sa, 100);
	size_t len = link_output(a, pkt, START);
	for (size_t cut = 0; cut < len; cut++) {
		if (cut == 1)
			continue; /* an id and nothing behind it: says nothing, breaks nothing */
		memcpy(bad, pkt, cut);
		assert_int_equal(link_input(b, bad, cut, START), TT_EPROTO);
		refused++;
	}
	for (unsigned i = 0; i < 256; i++) {
		memcpy(bad, pkt, len);
		bad[0] = (uint8_t)i;
		if (i == LINK_ID_KCP)
			continue;
		assert_int_equal(link_input(b, bad, len, START), TT_EPROTO);
		refused++;
	}
	memcpy(bad, pkt, len);
	bad[5] = 99; /* cmd */
	assert_int_equal(link_input(b, bad, len, START), TT_EPROTO);
	uint8_t probe[10] = {LINK_ID_PROBE, 2};
	assert_int_equal(link_input(b, probe, 10, START), TT_EPROTO);
	assert_int_equal(link_input(b, probe, 9, START), TT_EPROTO);
	link_stats(b, &st);
	assert_int_equal(st.malformed, refused + 3);
	assert_int_equal(link_stream_recv_ready(sb), 0);
	assert_int_equal(link_input(b, pkt, len, START), TT_OK);
	assert_int_equal(link_stream_recv_ready(sb), 100);
	free_both(a, &sa, b, &sb, 1);
}

static void segments_of_unknown_convs_are_counted_and_the_others_taken(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *s1 = add(a, 1, NULL), *s2 = add(a, 2, NULL), *sb = add(b, 2, NULL);
	struct link_stats st;
	(void)state;
	put(s1, 50);
	put(s2, 60);
	assert_int_equal(move(a, b, START), 1);
	link_stats(b, &st);
	assert_int_equal(st.unknown_conv, 1);
	assert_int_equal(st.malformed, 0);
	assert_int_equal(take_all(sb), 60);
	link_stream_free(s1);
	link_stream_free(s2);
	link_stream_free(sb);
	link_free(a);
	link_free(b);
}

/* ---- life of streams ---- */

static void streams_may_be_freed_whatever_list_they_are_in(void **state)
{
	enum { N = 5 };
	(void)state;
	/* every one of five first, then the others in order; each is ready, has an ACK due, new
	 * data due and a timer */
	for (uint32_t first = 0; first < N; first++) {
		struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
		struct link_stream *sa[N], *sb[N];
		struct seg seg[16];
		uint32_t user[N];
		for (uint32_t i = 0; i < N; i++) {
			sa[i] = add(a, i, NULL);
			sb[i] = add(b, i, &user[i]);
			put(sb[i], 100);
		}
		assert_int_equal(pull(b, seg, 16, START), N); /* in flight: timers */
		for (uint32_t i = 0; i < N; i++) {
			put(sa[i], 100);
			put(sb[i], 50);
		}
		move(a, b, START);
		link_stream_free(sb[first]);
		for (uint32_t i = 0; i < N; i++)
			if (i != first)
				assert_ptr_equal(link_ready_next(b), &user[i]);
		assert_null(link_ready_next(b));
		for (uint32_t i = 0; i < N; i++) /* ready again, behind whom the tail was freed */
			put(sa[i], 1);
		move(a, b, START);
		for (uint32_t i = N; i-- > 0;)
			if (i != first)
				link_stream_free(sb[i]);
		assert_null(link_ready_next(b));
		assert_int_equal(pull(b, seg, 16, START), 0);
		assert_int_equal(link_deadline(b), TT_TIME_NEVER);
		struct link_stats st;
		link_stats(b, &st);
		assert_int_equal(st.inflight, 0);
		assert_int_equal(st.payload_sent, N * 150);
		for (uint32_t i = 0; i < N; i++)
			link_stream_free(sa[i]);
		link_free(a);
		link_free(b);
	}
}

static void stream_moves_to_another_conv_with_what_is_in_flight(void **state)
{
	struct link *a = new_link(LINK_DIRECT), *b = new_link(LINK_DIRECT);
	struct link_stream *s = add(a, 1, NULL), *other = add(a, 2, NULL), *sb = add(b, 7, NULL);
	struct seg seg[4];
	(void)state;
	put(s, 100);
	assert_int_equal(pull(a, seg, 4, START), 1);
	assert_int_equal(link_stream_set_conv(s, 1), TT_OK);
	assert_int_equal(link_stream_set_conv(s, 2), TT_EEXIST);
	assert_int_equal(link_stream_conv(s), 1);
	assert_int_equal(link_stream_set_conv(s, 7), TT_OK);
	assert_int_equal(link_stream_conv(s), 7);
	assert_false(link_conv_in_use(a, 1));
	assert_true(link_conv_in_use(a, 7));
	move(a, b, START); /* at once, not at the RTO */
	assert_int_equal(take_all(sb), 100);
	move(b, a, START);
	assert_int_equal(link_stream_send_pending(s), 0);
	struct link_stream *again = NULL;
	assert_int_equal(link_stream_new(&again, a, 7, NULL, START), TT_EEXIST);
	assert_null(again);
	link_stream_free(s);
	link_stream_free(other);
	link_stream_free(sb);
	link_free(a);
	link_free(b);
}

static void link_takes_only_sizes_that_a_packet_can_have(void **state)
{
	struct link *l = NULL;
	struct link_config cfg = {.packet_max = LINK_PACKET_MAX + 1};
	(void)state;
	assert_int_equal(link_new(&l, &cfg, START), TT_EINVAL);
	cfg.packet_max = 20;
	assert_int_equal(link_new(&l, &cfg, START), TT_EINVAL);
	assert_null(l);
	link_free(NULL);
	link_stream_free(NULL);
}

/* A short life with everything in it, on allocators of which one refuses one request. Returns false
 * when nothing was refused any more. */
static bool live_with_a_failure(uint64_t fail_at)
{
	enum { N = 12 }; /* enough for the hash table to grow */
	struct fail_mem fa, fb;
	struct link *a = NULL, *b = NULL;
	struct link_stream *sa[N] = {NULL}, *sb[N] = {NULL};
	struct link_config ca = {.mem = fail_mem_init(&fa, fail_at)};
	struct link_config cb = {.mem = fail_mem_init(&fb, fail_at)};

	if (link_new(&a, &ca, START) != TT_OK || link_new(&b, &cb, START) != TT_OK)
		goto out;
	link_set_path(a, LINK_DIRECT, START);
	link_set_path(b, LINK_DIRECT, START);
	for (uint32_t i = 0; i < N; i++) {
		if (link_stream_new(&sa[i], a, i, NULL, START) != TT_OK)
			assert_null(sa[i]);
		if (link_stream_new(&sb[i], b, i, NULL, START) != TT_OK)
			assert_null(sb[i]);
	}
	for (tt_time now = START; now < START + TT_MS(600); now += TT_MS(1)) {
		for (uint32_t i = 0; i < N; i++) {
			if (sa[i] && now < START + TT_MS(150))
				put(sa[i], 500);
			if (sb[i])
				take_all(sb[i]);
		}
		uint8_t pkt[LINK_PACKET_MAX];
		size_t len;
		while ((len = link_output(a, pkt, now)) > 0)
			link_input(b, pkt, len, now);
		while ((len = link_output(b, pkt, now)) > 0)
			link_input(a, pkt, len, now);
		run_timers(a, now);
		run_timers(b, now);
	}
	if (sa[0] && link_stream_set_conv(sa[0], 100) == TT_ENOMEM) {
		link_stream_free(sa[0]);
		sa[0] = NULL;
	}
	for (uint32_t i = 0; i < N; i++) /* a refused request only cost time */
		if (sa[i] && sb[i] && i > 0)
			assert_int_equal(link_stream_send_pending(sa[i]), 0);
out:
	free_both(a, sa, b, sb, N);
	assert_int_equal(fa.held, 0);
	assert_int_equal(fb.held, 0);
	return fa.asked >= fail_at || fb.asked >= fail_at;
}

static void every_failing_allocation_is_survived_without_a_leak(void **state)
{
	uint64_t n = 1;
	(void)state;
	/* The first ones are all different; later on the same packets are made again and again. */
	while (live_with_a_failure(n))
		n += 1 + n / 32;
	assert_in_range(n, 50, 100000);
}

static void only_stream_whose_move_fails_can_be_freed(void **state)
{
	struct fail_mem fm;
	struct link *l = new_link_in(TT_MODE_AUTO, fail_mem_init(&fm, 0));
	struct link_stream *s = add(l, 1, NULL);
	(void)state;
	fm.fail_at = fm.asked + 1;
	assert_int_equal(link_stream_set_conv(s, 2), TT_ENOMEM);
	link_stream_free(s);
	link_free(l);
	assert_int_equal(fm.held, 0);
}

static void data_that_finds_no_memory_to_leave_waits_without_a_deadline_in_the_past(void **state)
{
	unsigned starved = 0;
	(void)state;
	for (uint64_t n = 1; n < 20; n++) {
		struct fail_mem fm;
		struct link *l = NULL;
		struct link_stream *s = NULL;
		struct link_config cfg = {.mem = fail_mem_init(&fm, n)};
		uint8_t pkt[LINK_PACKET_MAX];
		if (link_new(&l, &cfg, START) != TT_OK)
			continue;
		link_set_path(l, LINK_DIRECT, START);
		if (link_stream_new(&s, l, 1, NULL, START) == TT_OK && put(s, 100) == 100) {
			link_output(l, pkt, START); /* the probe of a new path */
			if (link_output(l, pkt, START) == 0) {
				starved++;
				assert_true(link_deadline(l) > START);
				assert_true(link_deadline(l) < START + TT_S(1));
				assert_true(link_output(l, pkt, START + TT_S(1)) > 100);
			}
		}
		link_stream_free(s);
		link_free(l);
		assert_int_equal(fm.held, 0);
	}
	assert_int_equal(starved, 1);
}

static void deadline_is_in_the_future_after_draining(void **state)
{
	enum { N = 3 };
	(void)state;
	for (int mode = TT_MODE_AUTO; mode <= TT_MODE_FAST3; mode++) {
		struct link *l[2];
		struct link_stream *s[2][N];
		uint32_t rnd = 12345 + (uint32_t)mode;
		tt_time now = START;
		for (size_t e = 0; e < 2; e++) {
			l[e] = new_link_in((enum tt_mode)mode, NULL);
			link_set_path(l[e], LINK_RELAYED, START);
			for (uint32_t i = 0; i < N; i++)
				s[e][i] = add(l[e], i, NULL);
		}
		for (int turn = 0; turn < 4000; turn++) {
			size_t e = (size_t)turn % 2, len;
			uint8_t pkt[LINK_PACKET_MAX];
			rnd = rnd * 1103515245u + 12345u;
			put(s[e][rnd >> 16 & 1], rnd >> 20);
			if (rnd >> 8 & 1)
				take_all(s[e][rnd >> 16 & 1]);
			run_timers(l[e], now);
			while ((len = link_output(l[e], pkt, now)) > 0) {
				rnd = rnd * 1103515245u + 12345u;
				if (rnd >> 28 > 2)
					link_input(l[!e], pkt, len, now);
			}
			assert_true(link_deadline(l[e]) > now);
			tt_time next = tt_time_min(link_deadline(l[0]), link_deadline(l[1]));
			now = next > now && next < now + TT_S(10) && rnd >> 9 & 1 ? next : now + 1;
		}
		for (size_t e = 0; e < 2; e++) {
			for (size_t i = 0; i < N; i++)
				link_stream_free(s[e][i]);
			link_free(l[e]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_of_several_convs_in_one_packet_reach_their_streams),
		cmocka_unit_test(acks_of_many_streams_share_one_packet),
		cmocka_unit_test(acks_go_before_data),
		cmocka_unit_test(repeat_that_did_not_fit_opens_the_next_packet),
		cmocka_unit_test(bulk_streams_share_evenly),
		cmocka_unit_test(sparse_stream_overtakes_a_bulk_backlog),
		cmocka_unit_test(stream_that_empties_all_the_time_gets_no_more_than_its_share),
		cmocka_unit_test(turns_are_longer_on_a_fast_path),
		cmocka_unit_test(window_of_the_path_bounds_what_is_in_flight),
		cmocka_unit_test(nothing_goes_out_while_down_and_everything_after_up),
		cmocka_unit_test(nonce_rule_stops_after_16384_unheard_packets),
		cmocka_unit_test(nonce_rule_starts_afresh_when_the_peer_comes_back),
		cmocka_unit_test(repeats_that_nobody_pulls_do_not_keep_the_timers_busy),
		cmocka_unit_test(repeats_wait_for_the_nonce_rule_without_a_deadline_in_the_past),
		cmocka_unit_test(probe_is_answered_and_gives_the_round_trip),
		cmocka_unit_test(receiver_asks_once_whether_its_sender_is_there),
		cmocka_unit_test(sender_that_has_gone_is_mute_until_it_is_heard),
		cmocka_unit_test(sender_without_answers_finds_its_peer_mute),
		cmocka_unit_test(peer_that_is_doubted_is_asked_at_once),
		cmocka_unit_test(probe_reply_that_cannot_be_is_refused),
		cmocka_unit_test(probe_reply_that_was_overtaken_changes_nothing),
		cmocka_unit_test(probe_reply_that_was_held_up_is_no_measurement_and_no_mistake),
		cmocka_unit_test(probe_from_before_an_outage_is_not_answered_after_it),
		cmocka_unit_test(malformed_packets_are_counted_and_harmless),
		cmocka_unit_test(segments_of_unknown_convs_are_counted_and_the_others_taken),
		cmocka_unit_test(streams_may_be_freed_whatever_list_they_are_in),
		cmocka_unit_test(stream_moves_to_another_conv_with_what_is_in_flight),
		cmocka_unit_test(link_takes_only_sizes_that_a_packet_can_have),
		cmocka_unit_test(every_failing_allocation_is_survived_without_a_leak),
		cmocka_unit_test(only_stream_whose_move_fails_can_be_freed),
		cmocka_unit_test(
			data_that_finds_no_memory_to_leave_waits_without_a_deadline_in_the_past),
		cmocka_unit_test(deadline_is_in_the_future_after_draining),
	};
	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
