#include "dgram.h"
#include "tunnel_int.h"

#include <string.h>

#include "tt_err.h"
#include "tt_packet.h"

struct dgram_flow {
	struct dgrams *d;
	void *user;
	uint32_t conv; /* key of the hash */
	UT_hash_handle hh;
	struct datagram_queue out, in;
	/* of the datagram at the head of `out`, when some of its fragments are gone: those, all */
	uint8_t index, count;
	uint16_t id;
	bool sending, ready; /* in these lists */
	bool has_sent, has_received;
	struct dgram_flow *send_prev, *send_next;
	struct dgram_flow *ready_prev, *ready_next;
	struct dgram_flow *use_prev, *use_next;
};

const char *dgram_drop_name(enum dgram_drop why)
{
	static const char *const names[DGRAM_DROP_COUNT] = {
		[DGRAM_DROP_LATE] = "late",
		[DGRAM_DROP_FULL] = "full",
		[DGRAM_DROP_TOO_BIG] = "too_big",
		[DGRAM_DROP_INCOMPLETE] = "incomplete",
		[DGRAM_DROP_NO_FLOW] = "no_flow",
		[DGRAM_DROP_OVERFLOW] = "overflow",
		[DGRAM_DROP_SOCKET] = "socket",
		[DGRAM_DROP_NO_PEER] = "no_peer",
		[DGRAM_DROP_LIMIT] = "limit",
		[DGRAM_DROP_PROXY] = "proxy",
	};
	return names[why];
}

void dgrams_init(struct dgrams *d, const struct tt_mem *mem, const struct tt_hash_key *hash_key,
	struct kcp_budget *send_budget, struct kcp_budget *recv_budget)
{
	*d = (struct dgrams){
		.send_store = {mem, {.parent = send_budget, .cap = DGRAM_SEND_BYTES}},
		.recv_store = {mem, {.parent = recv_budget, .cap = DGRAM_RECV_BYTES}},
		.hash_key = *hash_key,
	};
	reassembly_init(&d->reassembly, &d->recv_store);
}

void dgrams_clear(struct dgrams *d)
{
	reassembly_clear(&d->reassembly);
}

/* ---- flows ---- */

static struct dgram_flow *find(const struct dgrams *d, uint32_t conv)
{
	const struct tt_hash_key *hash_key = &d->hash_key;
	struct dgram_flow *f;
	HASH_FIND(hh, d->flows, &conv, sizeof(conv), f);
	return f;
}

bool dgram_conv_in_use(const struct dgrams *d, uint32_t conv)
{
	return find(d, conv) != NULL;
}

static void used(struct dgram_flow *f)
{
	struct dgrams *d = f->d;
	DL_DELETE2(d->by_use, f, use_prev, use_next);
	DL_APPEND2(d->by_use, f, use_prev, use_next);
}

static void set_sending(struct dgram_flow *f, bool on)
{
	struct dgrams *d = f->d;
	if (on && !f->sending)
		DL_APPEND2(d->sending, f, send_prev, send_next);
	else if (!on && f->sending)
		DL_DELETE2(d->sending, f, send_prev, send_next);
	f->sending = on;
}

static void set_ready(struct dgram_flow *f, bool on)
{
	struct dgrams *d = f->d;
	if (on && !f->ready)
		DL_APPEND2(d->ready, f, ready_prev, ready_next);
	else if (!on && f->ready)
		DL_DELETE2(d->ready, f, ready_prev, ready_next);
	f->ready = on;
}

static void received(struct dgram_flow *f, struct datagram *dg)
{
	struct dgrams *d = f->d;

	if (f->in.bytes + datagram_cost(dg->len) > DGRAM_RECV_FLOW_BYTES) {
		d->sum.dropped[DGRAM_DROP_OVERFLOW]++;
		datagram_free(&d->recv_store, dg);
		return;
	}
	datagram_queue_push(&f->in, dg);
	f->has_received = true;
	used(f);
	set_ready(f, true);
}

/* Datagrams that were here before their flow was. */
static void take_waiting(struct dgram_flow *f)
{
	struct datagram *dg;
	while ((dg = reassembly_take(&f->d->reassembly, f->conv)))
		received(f, dg);
}

/* Under the conv that it has now. */
static int hash(struct dgram_flow *f)
{
	struct dgrams *d = f->d;
	const struct tt_mem *hash_mem = d->send_store.mem;
	const struct tt_hash_key *hash_key = &d->hash_key;

	if (dgram_conv_in_use(d, f->conv))
		return TT_EEXIST;
	HASH_ADD(hh, d->flows, conv, sizeof(f->conv), f);
	return f->hh.tbl ? TT_OK : TT_ENOMEM;
}

static void unhash(struct dgram_flow *f)
{
	const struct tt_mem *hash_mem = f->d->send_store.mem;

	if (f->hh.tbl)
		HASH_DEL(f->d->flows, f);
	f->hh.tbl = NULL;
}

int dgram_flow_new(struct dgram_flow **out, struct dgrams *d, uint32_t conv, void *user)
{
	struct dgram_flow *f = tt_calloc(d->send_store.mem, 1, sizeof(*f));
	if (!f)
		return TT_ENOMEM;
	f->d = d;
	f->conv = conv;
	f->user = user;
	int rc = hash(f);
	if (rc != TT_OK) {
		tt_free(d->send_store.mem, f);
		return rc;
	}
	DL_APPEND2(d->by_use, f, use_prev, use_next);
	d->sum.flows++;
	d->sum.flows_opened++;
	take_waiting(f);
	*out = f;
	return TT_OK;
}

void dgram_flow_free(struct dgram_flow *f)
{
	if (!f)
		return;
	struct dgrams *d = f->d;
	set_sending(f, false);
	set_ready(f, false);
	DL_DELETE2(d->by_use, f, use_prev, use_next);
	unhash(f);
	datagram_queue_clear(&f->out, &d->send_store);
	datagram_queue_clear(&f->in, &d->recv_store);
	d->sum.flows--;
	tt_free(d->send_store.mem, f);
}

int dgram_flow_set_conv(struct dgram_flow *f, uint32_t conv)
{
	if (conv == f->conv)
		return TT_OK;
	unhash(f);
	f->conv = conv;
	int rc = hash(f);
	if (rc == TT_OK)
		take_waiting(f);
	return rc;
}

uint32_t dgram_flow_conv(const struct dgram_flow *f)
{
	return f->conv;
}

bool dgram_flow_answered(const struct dgram_flow *f)
{
	return f->has_sent && f->has_received;
}

void *dgrams_oldest(const struct dgrams *d, bool (*fits)(const void *user))
{
	const struct dgram_flow *f;

	for (f = d->by_use; f; f = f->use_next)
		if (fits(f->user))
			return f->user;
	return NULL;
}

/* ---- to the peer ---- */

/* Gives up the oldest one that waits. */
static void drop_oldest(struct dgram_flow *f, enum dgram_drop why)
{
	struct dgrams *d = f->d;
	datagram_free(&d->send_store, datagram_queue_pop(&f->out));
	d->sum.dropped[why]++;
	f->index = 0;
	set_sending(f, f->out.head != NULL);
}

bool dgram_send(struct dgram_flow *f, const void *data, size_t len, tt_time now)
{
	struct dgrams *d = f->d;
	size_t cost = datagram_cost(len);

	used(f);
	f->has_sent = true;
	if (len > WIRE_DGRAM_MAX) {
		d->sum.dropped[DGRAM_DROP_TOO_BIG]++;
		return false;
	}
	while (f->out.head && (f->out.bytes + cost > DGRAM_SEND_FLOW_BYTES ||
				      kcp_budget_free(&d->send_store.budget) < cost))
		drop_oldest(f, DGRAM_DROP_FULL);
	struct datagram *dg = datagram_new(&d->send_store, len, now);
	if (!dg) {
		d->sum.dropped[DGRAM_DROP_FULL]++;
		return false;
	}
	memcpy(dg->data, data, len);
	datagram_queue_push(&f->out, dg);
	set_sending(f, true);
	return true;
}

bool dgrams_pending(const struct dgrams *d)
{
	return d->sending != NULL;
}

static void drop_late(struct dgram_flow *f, tt_time now)
{
	while (f->out.head && f->out.head->at + DGRAM_SEND_TIME <= now)
		drop_oldest(f, DGRAM_DROP_LATE);
}

/* Puts the flow's next fragment at dst; 0 when its datagram goes into no packet like this. */
static size_t put_fragment(struct dgram_flow *f, uint8_t *dst, size_t room)
{
	const struct datagram *dg = f->out.head;
	struct wire_dgram frag = {f->conv, f->id, (uint16_t)dg->len, f->index, f->count};
	size_t n = wire_dgram_length(&frag);

	if (WIRE_DGRAM_HEADER + n > room)
		return 0; /* the peer's packets have become smaller */
	wire_dgram_encode(&frag, dst);
	memcpy(dst + WIRE_DGRAM_HEADER, dg->data + wire_dgram_offset(&frag), n);
	return WIRE_DGRAM_HEADER + n;
}

static void fragment_sent(struct dgram_flow *f)
{
	struct dgrams *d = f->d;

	if (++f->index < f->count)
		return;
	struct datagram *dg = datagram_queue_pop(&f->out);
	d->sum.sent++;
	d->sum.bytes_sent += dg->len;
	datagram_free(&d->send_store, dg);
	f->index = 0;
	f->id = (uint16_t)(f->id + (f->count > 1)); /* whole ones need none, and would bring them
						       around sooner */
	set_sending(f, false); /* to the end of the list, where there is more */
	set_sending(f, f->out.head != NULL);
}

size_t dgrams_output(struct dgrams *d, uint8_t *dst, size_t cap, tt_time now)
{
	struct dgram_flow *f;
	size_t n = 1;

	dst[0] = WIRE_ID_DGRAM;
	while ((f = d->sending)) {
		drop_late(f, now);
		if (!f->out.head)
			continue;
		if (f->index == 0)
			f->count = wire_dgram_count(f->out.head->len, cap - 1);
		if (n > 1 && (f->count != 1 || WIRE_DGRAM_HEADER + f->out.head->len > cap - n))
			break; /* only whole ones share a packet */
		size_t put = f->count ? put_fragment(f, dst + n, cap - n) : 0;
		if (put == 0) {
			drop_oldest(f, DGRAM_DROP_TOO_BIG);
			continue;
		}
		n += put;
		fragment_sent(f);
	}
	if (n == 1)
		return 0;
	d->sum.packets_sent++;
	d->sum.network_sent += tt_packet_network(n);
	return n;
}

/* ---- from the peer ---- */

static void input_fragment(struct dgrams *d, const struct wire_dgram *frag, const uint8_t *payload,
	bool keep, tt_time now)
{
	struct dgram_flow *f = find(d, frag->conv);
	struct datagram *dg;

	if (!f && !keep) {
		d->sum.dropped[DGRAM_DROP_NO_FLOW]++;
	} else if (f && frag->count == 1) {
		dg = datagram_new(&d->recv_store, frag->size, now);
		if (dg) {
			memcpy(dg->data, payload, frag->size);
			received(f, dg);
		} else {
			d->sum.dropped[DGRAM_DROP_OVERFLOW]++;
		}
	} else {
		dg = reassembly_add(&d->reassembly, frag, payload, f != NULL, now);
		if (dg)
			received(f, dg);
	}
}

int dgrams_input(struct dgrams *d, const uint8_t *pkt, size_t len, bool keep, tt_time now)
{
	struct wire_dgram frag;

	d->sum.packets_received++;
	d->sum.network_received += tt_packet_network(len);
	for (size_t at = 1; at < len;) {
		int n = wire_dgram_decode(pkt + at, len - at, &frag);
		if (n < 0) {
			d->sum.malformed++;
			return n;
		}
		input_fragment(d, &frag, pkt + at + WIRE_DGRAM_HEADER, keep, now);
		at += (size_t)n;
	}
	return TT_OK;
}

const struct datagram *dgram_next(const struct dgram_flow *f)
{
	return f->in.head;
}

void dgram_done(struct dgram_flow *f, bool delivered)
{
	struct dgrams *d = f->d;
	struct datagram *dg = datagram_queue_pop(&f->in);

	if (delivered) {
		d->sum.received++;
		d->sum.bytes_received += dg->len;
	} else {
		d->sum.dropped[DGRAM_DROP_SOCKET]++;
	}
	datagram_free(&d->recv_store, dg);
}

void *dgrams_ready_next(struct dgrams *d)
{
	struct dgram_flow *f = d->ready;
	if (!f)
		return NULL;
	set_ready(f, false);
	return f->user;
}

/* ---- time ---- */

tt_time dgrams_deadline(const struct dgrams *d)
{
	tt_time at = reassembly_deadline(&d->reassembly);
	const struct dgram_flow *f;

	for (f = d->sending; f; f = f->send_next)
		at = tt_time_min(at, f->out.head->at + DGRAM_SEND_TIME);
	return at;
}

void dgrams_on_deadline(struct dgrams *d, tt_time now)
{
	struct dgram_flow *f, *next;

	reassembly_expire(&d->reassembly, now);
	for (f = d->sending; f; f = next) {
		next = f->send_next;
		drop_late(f, now);
	}
}

void dgrams_stats(const struct dgrams *d, struct dgram_stats *out)
{
	*out = d->sum;
	out->dropped[DGRAM_DROP_INCOMPLETE] += d->reassembly.dropped;
	out->dropped[DGRAM_DROP_NO_FLOW] += d->reassembly.strayed;
}
