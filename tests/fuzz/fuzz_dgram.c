/*
 * Packets of datagrams from a hostile peer, and what an application sends beside them. The input is
 * a program: an operation byte, then its operands. Aborts where a bound or the contract of dgram.h
 * is broken.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dgram.h"
#include "fail_mem.h"
#include "tt_err.h"
#include "wire.h"

#define FLOWS 4
#define CAP 1373

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p, *end;
};

struct world {
	struct dgrams d;
	struct dgram_flow *flow[FLOWS];
	tt_time now;
};

static uint8_t byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static uint16_t two(struct input *in)
{
	uint8_t high = byte(in);
	return (uint16_t)(high << 8 | byte(in));
}

/* Copied into a block of that size, so that a sanitizer sees its end. */
static void feed(struct world *w, const uint8_t *pkt, size_t n, bool keep)
{
	uint8_t *copy = malloc(n ? n : 1);
	if (!copy)
		abort();
	memcpy(copy, pkt, n);
	dgrams_input(&w->d, copy, n, keep, w->now);
	free(copy);
}

static void raw(struct world *w, struct input *in)
{
	size_t n = byte(in), left = (size_t)(in->end - in->p);

	n = n < left ? n : left;
	feed(w, in->p, n, n & 1);
	in->p += n;
}

/* Fragments with fields that meet, as long as they say. */
static void fragments(struct world *w, struct input *in)
{
	uint8_t pkt[CAP] = {WIRE_ID_DGRAM}, bits = byte(in);
	size_t n = 1;

	for (int i = 0; i <= bits >> 6; i++) {
		uint8_t where = byte(in);
		struct wire_dgram f = {.conv = where & 7u,
			.id = where >> 3 & 3,
			.size = two(in),
			.index = byte(in),
			.count = byte(in)};
		if (n + WIRE_DGRAM_HEADER > sizeof(pkt))
			break;
		wire_dgram_encode(&f, pkt + n);
		bool sane = f.count > f.index && wire_dgram_offset(&f) <= f.size;
		size_t len = sane ? wire_dgram_length(&f) : byte(in);
		n += WIRE_DGRAM_HEADER;
		len = len < sizeof(pkt) - n ? len : sizeof(pkt) - n;
		memset(pkt + n, where, len);
		n += len;
	}
	feed(w, pkt, n - (bits >> 4 & 1), bits & 1);
}

static void take(struct world *w, uint8_t arg)
{
	struct dgram_flow *f = w->flow[arg % FLOWS];
	uint8_t sum = 0;

	while (f && dgram_next(f)) {
		const struct datagram *dg = dgram_next(f);
		for (size_t i = 0; i < dg->len; i++)
			sum ^= dg->data[i];
		dgram_done(f, sum & 1);
	}
	while (dgrams_ready_next(&w->d))
		;
}

static void change_flow(struct world *w, uint8_t arg)
{
	struct dgram_flow **f = &w->flow[arg % FLOWS];
	uint32_t conv = 1 + (arg >> 2 & 7);

	if (*f && arg & 0x80 && dgram_flow_set_conv(*f, conv) == TT_OK)
		return;
	dgram_flow_free(*f);
	*f = NULL;
	dgram_flow_new(f, &w->d, conv, w);
}

static void send_some(struct world *w, struct input *in)
{
	static const uint8_t data[WIRE_DGRAM_MAX + 1];
	struct dgram_flow *f = w->flow[byte(in) % FLOWS];
	size_t len = two(in);

	if (f)
		dgram_send(f, data, len < sizeof(data) ? len : sizeof(data), w->now);
}

/* What goes out comes back in. */
static void output(struct world *w, struct input *in)
{
	size_t cap = WIRE_PACKET_MIN + (size_t)byte(in) * 5, n;
	uint8_t buf[WIRE_PACKET_MIN + 255 * 5];

	while ((n = dgrams_output(&w->d, buf, cap, w->now)) > 0) {
		if (n > cap || dgrams_input(&w->d, buf, n, false, w->now) != TT_OK)
			abort();
	}
	if (dgrams_pending(&w->d))
		abort();
}

static void check(struct world *w)
{
	if (w->d.recv_store.budget.used > DGRAM_RECV_BYTES ||
		w->d.send_store.budget.used > DGRAM_SEND_BYTES ||
		w->d.reassembly.n > REASSEMBLY_MAX || w->d.reassembly.bytes > REASSEMBLY_BYTES)
		abort();
}

static void step(struct world *w, struct input *in)
{
	switch (byte(in) % 7) {
	case 0:
		raw(w, in);
		break;
	case 1:
		fragments(w, in);
		break;
	case 2:
		take(w, byte(in));
		break;
	case 3:
		change_flow(w, byte(in));
		break;
	case 4:
		send_some(w, in);
		break;
	case 5:
		output(w, in);
		break;
	default:
		w->now += TT_MS(byte(in));
		dgrams_on_deadline(&w->d, w->now);
		if (dgrams_deadline(&w->d) <= w->now)
			abort(); /* stuck in the past */
		break;
	}
	check(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tt_hash_key hash_key;
	struct input in = {data, data + size};
	struct fail_mem fm;
	struct world w = {.now = TT_S(10)};

	dgrams_init(&w.d, fail_mem_init(&fm, 0), &hash_key, NULL, NULL);
	while (in.p < in.end)
		step(&w, &in);
	for (int i = 0; i < FLOWS; i++)
		dgram_flow_free(w.flow[i]);
	dgrams_clear(&w.d);
	if (fm.held > 0 || w.d.recv_store.budget.used > 0 || w.d.send_store.budget.used > 0)
		abort();
	return 0;
}
