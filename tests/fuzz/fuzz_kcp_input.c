/*
 * A KCP stream driven by bytes: packets (raw, or with a header that is nearly right), time, and all
 * that an application and the owner of a flight can call. Checks the contract after each step.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kcp.h"
#include "kcp_int.h" /* kcp_new_at */
#include "tt_err.h"

#define CONV 5u
#define STEPS 200
#define WINDOW 32 /* segments */

/* The input as a bounded cursor; zeroes after its end. */
struct bytes {
	const uint8_t *p;
	size_t left;
};

/* A stream, and what it shares with others. */
struct subject {
	struct kcp *k;
	struct kcp_flight flight;
	struct kcp_budget snd_budget, rcv_budget;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t u8(struct bytes *b)
{
	if (b->left == 0)
		return 0;
	b->left--;
	return *b->p++;
}

static uint32_t u32(struct bytes *b)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++)
		v = v << 8 | u8(b);
	return v;
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		*p++ = (uint8_t)(v >> (8 * i));
	return p;
}

/* A number near `base` mostly, anywhere else sometimes. */
static uint32_t near(struct bytes *b, uint32_t base)
{
	uint8_t c = u8(b);
	return c == 255 ? u32(b) : base + c - 64;
}

static uint8_t *put_payload(
	struct bytes *b, const struct kcp *k, uint8_t *p, uint8_t cmd, uint32_t len)
{
	if (cmd == KCP_CMD_SACK && len >= KCP_SACK_HEAD) {
		p = put32(p, near(b, k->snd_nxt + 32));
		*p++ = u8(b) % (KCP_SACK_LATE + 2);
		len -= KCP_SACK_HEAD;
	}
	for (; cmd == KCP_CMD_SACK && len >= 4; len -= 4) /* numbers of late ones, or bits */
		p = put32(p, near(b, k->snd_una));
	memset(p, u8(b), len);
	return p + len;
}

/* Some segments with a good conv and command. */
static size_t make_packet(struct bytes *b, const struct kcp *k, uint8_t *pkt, size_t cap)
{
	unsigned count = u8(b) % 8 + 1u;
	uint8_t *p = pkt;
	for (unsigned i = 0; i < count; i++) {
		uint8_t kind = u8(b);
		uint8_t cmd = (uint8_t)(kind >= 192 ? KCP_CMD_SACK : KCP_CMD_PUSH + (kind & 3));
		uint32_t len = cmd == KCP_CMD_PUSH ? u8(b) % 100u : 0;
		if (cmd == KCP_CMD_SACK)
			len = u8(b) % (KCP_SACK_MAX + 4);
		if ((size_t)(pkt + cap - p) < KCP_HEADER + len)
			break;
		p = put32(p, k->conv);
		*p++ = cmd;
		*p++ = kind & 4 ? u8(b) : 0;
		*p++ = kind & 8 ? 0 : u8(b);
		*p++ = kind & 16 ? u8(b) : 0;
		p = put32(p, near(b, kcp_ms(k->now)));
		p = put32(p, near(b, cmd == KCP_CMD_PUSH ? k->rcv_nxt : k->snd_una));
		p = put32(p, kind & 32 ? near(b, k->snd_una) : k->snd_una);
		p = put32(p, len);
		p = put_payload(b, k, p, cmd, len);
	}
	return (size_t)(p - pkt);
}

static void drain(struct kcp *k, tt_time now)
{
	uint8_t pkt[2048];
	uint32_t conv = 0;
	unsigned n = 0;
	size_t len;
	while ((len = kcp_output(k, pkt, sizeof(pkt), now)) > 0) {
		must(len <= k->mtu && kcp_run_length(pkt, len, &conv) == (int)len);
		must(conv == k->conv && ++n < 20000 + 2 * KCP_WND_MAX);
	}
}

/* In the flight is what was sent and neither acknowledged nor given up. */
static void check_flight(const struct subject *t)
{
	const struct kcp_flight *f = &t->flight;
	uint32_t count = 0;
	size_t bytes = 0;
	for (uint32_t sn = t->k->snd_una; sn != t->k->snd_nxt; sn++) {
		const struct kcp_snd_slot *s = kcp_snd_at(t->k, sn);
		if (s->state != KCP_SLOT_SENT || s->list == KCP_RESEND)
			continue;
		const struct kcp_tx *x = kcp_flight_at(f, s->tx_seq);
		must(x->state == KCP_TX_INFLIGHT && x->owner == t->k && x->sn == sn);
		count++;
		bytes += KCP_HEADER + s->len;
	}
	must(f->count == count && f->bytes == bytes && f->next - f->first <= f->cap);
}

static void check_budgets(const struct subject *t)
{
	const struct kcp *k = t->k;
	size_t one = k->mss + 100 + KCP_SEG_COST; /* a PUSH of ours has less than 100 bytes */
	must(t->snd_budget.used == k->snd_bytes &&
		t->rcv_budget.used == k->rcv_bytes + kcp_rcv_ring_cost(k->rcv_cap));
	must(t->snd_budget.used <= t->snd_budget.cap / 2 + one);
	must(t->rcv_budget.used <= t->rcv_budget.cap + KCP_WND_FLOOR * one);
	must(kcp_rcv_wnd_free(k) <= k->rcv_wnd);
}

static void check(const struct subject *t)
{
	const struct kcp *k = t->k;
	struct iovec v[64];
	size_t sum = 0, ready = kcp_recv_ready(k);
	int n = kcp_recv_peek(k, v, 64);
	for (int i = 0; i < n; i++)
		sum += v[i].iov_len;
	must(sum == ready || (n == 64 && sum < ready));

	struct kcp_stats st;
	kcp_stats(k, &st);
	must(st.inflight <= k->snd_wnd && st.rmt_wnd <= KCP_WND_MAX);
	must(st.rto_us >= KCP_RTO_MIN_NODELAY && st.rto_us <= KCP_RTO_MAX);
	must(kcp_send_pending(k) <= (size_t)k->snd_wnd * k->mss);
	must(kcp_send_space(k) <= (size_t)k->snd_wnd * k->mss);
	/* Payload of both windows, one segment too many, slots, owed ACKs, spare buffers. */
	size_t buf = k->mss + sizeof(struct kcp_buf) + 100;
	must(kcp_memory(k) <=
		sizeof(*k) + (k->snd_wnd + 2 * k->rcv_wnd + 2) * buf +
			(k->snd_wnd + 2 * k->rcv_wnd + 64) * 2 * sizeof(struct kcp_snd_slot));
	if (k->flight)
		check_flight(t);
	if (k->rcv_budget)
		check_budgets(t);
}

static void application(struct bytes *b, struct kcp *k, uint8_t op)
{
	static uint8_t buf[8192];
	struct iovec v[8];
	size_t n = u8(b) * 13u, space = kcp_send_space(k);
	int got;
	switch (op) {
	case 0:
		must(kcp_send(k, buf, n) <= (int)n);
		break;
	case 1:
		if ((got = kcp_send_reserve(k, v, 8, n)) > 0) {
			for (int i = 0; i < got; i++)
				memset(v[i].iov_base, 1, v[i].iov_len);
			size_t len = v[0].iov_len < n / 2 + 1 ? v[0].iov_len : n / 2 + 1;
			kcp_send_commit(k, len);
			must(kcp_send_space(k) == space - len);
		}
		break;
	case 2:
		must(kcp_recv(k, buf, n) <= (int)n);
		break;
	default:
		if (!k->message && kcp_recv_ready(k) > 0)
			kcp_recv_consume(k, n % (kcp_recv_ready(k) + 1));
		break;
	}
}

/* What the owner of the flight does. */
static void owner(struct bytes *b, struct subject *t, uint8_t what)
{
	struct kcp_flight *f = &t->flight;
	const struct kcp_tx *x = NULL;
	uint32_t number = 0;
	switch (what) {
	case 1: /* one that is gone, or not yet there */
		number = u8(b) & 1 ? f->first - 1 : f->next;
		kcp_lost(t->k, near(b, t->k->snd_una), number, false);
		return;
	case 2:
		x = kcp_flight_newest(f, &number);
		break;
	default:
		x = kcp_flight_oldest(f, &number);
		break;
	}
	if (x)
		kcp_lost(t->k, x->sn, number, what & 1);
	else
		kcp_flight_trim(f);
}

static void take_acked(struct kcp_flight *f)
{
	const struct kcp_tx *x;
	uint32_t number;
	while ((x = kcp_flight_take_acked(f, &number)))
		must(x->state == KCP_TX_DONE && number - f->first < f->next - f->first);
}

static void step(struct bytes *b, struct subject *t, tt_time *now)
{
	struct kcp *k = t->k;
	uint8_t pkt[2048];
	size_t len = 0;
	uint8_t op = u8(b);
	switch (op % 16) {
	case 0: /* anything at all */
		for (len = 0; len < sizeof(pkt) && b->left > 0 && len < op; len++)
			pkt[len] = u8(b);
		kcp_input(k, pkt, len, *now);
		break;
	case 1:
		kcp_resume(k, *now);
		break;
	case 2:
		kcp_set_conv(k, CONV + op / 16);
		break;
	case 3:
		if (op / 16 == 0)
			kcp_send_drop(k);
		else if (k->flight)
			owner(b, t, op / 16 % 4);
		break;
	case 4:
	case 5: /* to the next deadline, and no further */
		if (kcp_deadline(k) != TT_TIME_NEVER && kcp_deadline(k) > *now)
			*now = kcp_deadline(k);
		kcp_on_deadline(k, *now);
		drain(k, *now);
		must(kcp_deadline(k) > *now);
		break;
	case 6:
		*now += (tt_time)u8(b) * u8(b) * 100u;
		break;
	case 7:
		len = kcp_output(k, pkt, u8(b) * 2u, *now);
		break;
	case 8:
	case 9:
	case 10:
	case 11:
		application(b, k, op % 4);
		break;
	default:
		len = make_packet(b, k, pkt, sizeof(pkt));
		kcp_input(k, pkt, op & 0x80 ? len - len % 7 : len, *now);
		if (k->flight)
			take_acked(&t->flight);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = {data, size};
	uint8_t flags = u8(&b), more = u8(&b);
	struct subject t = {.snd_budget.cap = more / 8 * 1000u, .rcv_budget.cap = more / 8 * 2000u};
	struct kcp_config cfg = {.conv = CONV,
		.mode = (enum tt_mode)(flags % 6),
		.mtu = 50 + u8(&b),
		.message = flags & 0x80,
		/* Small ones, or most of the time goes by in sending full windows again. */
		.snd_wnd = flags & 0x40 ? u8(&b) : WINDOW,
		.rcv_wnd = flags & 0x20 ? u8(&b) : WINDOW,
		.sack = more & 1,
		.flight = more & 2 ? &t.flight : NULL,
		.snd_budget = more & 4 ? &t.snd_budget : NULL,
		.rcv_budget = more & 4 ? &t.rcv_budget : NULL};
	tt_time now = flags & 0x10 ? TT_MS((tt_time)UINT32_MAX - 500) : TT_S(3);
	kcp_flight_init(&t.flight, sizeof(struct kcp_tx), NULL);
	t.flight.first = t.flight.next = flags & 0x10 ? UINT32_MAX - 30 : 0;
	if (kcp_new_at(&t.k, &cfg, now, flags & 0x10 ? UINT32_MAX - 30 : 0) != TT_OK)
		return 0;
	for (int i = 0; i < STEPS && b.left > 0; i++) {
		step(&b, &t, &now);
		check(&t);
	}
	kcp_on_deadline(t.k, now);
	drain(t.k, now);
	must(kcp_deadline(t.k) > now);
	kcp_free(t.k);
	must(t.flight.count == 0 && t.flight.bytes == 0);
	must(t.snd_budget.used == 0 && t.rcv_budget.used == 0);
	kcp_flight_free(&t.flight);
	return 0;
}
