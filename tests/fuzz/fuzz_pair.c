/*
 * Two sessions joined by a path that the input drives: an operation byte, then its operands.
 * Packets are delivered, dropped, doubled, overtaken, the clock moves, applications write, read,
 * end and cut off their connections, the path goes away and a process is restarted.
 *
 * While nothing is falsified, no byte may be lost, doubled or out of order, and when the input is
 * over the path becomes a good one and everything must come to its end. With the hostile flag
 * packets and control messages are changed too: then there is no more than no crash, no leak,
 * bounded memory and deadlines that advance.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fail_mem.h"
#include "session.h"
#include "tt_err.h"

#define PLANS 6
#define QUEUE 64
#define BUDGET 200000u /* bytes that the streams of an end may hold in each direction */
#define PERIOD 65536u  /* of what the streams carry */
#define BLOCKS_MAX 4000u
#define FINISH_MAX TT_S(400)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p, *end;
};

struct packet {
	uint8_t *data; /* a block of exactly that size, so that a sanitizer sees its end */
	size_t len;
	uint32_t receipt; /* of a friend message */
};

/* One application's end of a connection. */
struct app {
	struct channel *ch; /* NULL before and after */
	uint64_t sent, received;
	bool eof, shutdown, aborted;
	enum close_reason reason; /* REASON_NONE: not ended */
};

struct end {
	struct session *s;
	struct fail_mem mem;
	struct kcp_budget snd_budget, rcv_budget;
	uint32_t receipt;
	uint8_t life;
	bool up;
	/* on their way from here to the other end, and ours to free */
	struct packet packet[QUEUE];
	size_t n_packets;
	struct packet message[QUEUE];
	size_t n_messages;
	/* receipts on their way back to here */
	uint32_t arrived[QUEUE];
	size_t n_arrived;
};

struct world {
	struct end end[2];
	struct app app[PLANS][2]; /* the opener's is at the end that is plan % 2 */
	bool opened[PLANS];
	bool hostile;
	uint8_t first; /* of the input */
	tt_time now;
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static uint8_t byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

/* PERIOD bytes of a stream from `pos` on, from a table: most of an input's time would go by in
 * computing each of them twice. */
static const uint8_t *pattern(size_t plan, size_t side, uint64_t pos)
{
	static uint8_t table[2 * PERIOD];

	if (table[1] == 0)
		for (size_t i = 0; i < sizeof(table); i++)
			table[i] = (uint8_t)(i * 167 + (i >> 8) * 13);
	return &table[(pos + plan * 4801 + side * 30011) % PERIOD];
}

static void new_session(struct world *w, size_t i)
{
	static const struct tt_rule rule = {
		.kind = TT_RULE_ANY, .port_first = 1, .port_last = 65535};
	struct end *e = &w->end[i];
	struct session_config cfg = {
		.mode = w->first & 2 ? TT_MODE_FAST : TT_MODE_AUTO,
		.terms.accept = true,
		.terms.rules = &rule,
		.terms.n_rules = 1,
		.terms.channels_max = 2 * PLANS,
		.self_key[0] = (uint8_t)(1 + i),
		.peer_key[0] = (uint8_t)(2 - i),
		.inst = {(uint8_t)i, ++e->life},
		.terms.idle_timeout_us = w->first & 4 ? TT_S(300) : 0,
		.snd_budget = &e->snd_budget,
		.rcv_budget = &e->rcv_budget,
		.mem = &e->mem.mem,
	};
	must(session_new(&e->s, &cfg, w->now) == TT_OK);
}

/* ---- applications ---- */

static void app_write(struct world *w, size_t plan, size_t side, size_t most)
{
	struct app *a = &w->app[plan][side];
	struct iovec v[3];
	size_t len = 0;
	int n = channel_send_reserve(a->ch, v, 3, most);

	for (int i = 0; i < n; i++) {
		must(v[i].iov_len <= PERIOD);
		memcpy(v[i].iov_base, pattern(plan, side, a->sent + len), v[i].iov_len);
		len += v[i].iov_len;
	}
	if (n <= 0)
		return;
	a->sent += len;
	channel_send_commit(a->ch, len, w->now);
}

static void app_read(struct world *w, size_t plan, size_t side, size_t most)
{
	struct app *a = &w->app[plan][side];
	struct iovec v[3];
	size_t len = 0;
	int n = channel_recv_peek(a->ch, v, 3);

	for (int i = 0; i < n; i++) {
		size_t part = v[i].iov_len < most - len ? v[i].iov_len : most - len;
		must(part <= PERIOD);
		must(w->hostile ||
			memcmp(v[i].iov_base, pattern(plan, !side, a->received + len), part) == 0);
		len += part;
	}
	if (len == 0)
		return;
	a->received += len;
	channel_recv_consume(a->ch, len, w->now);
}

static void app_eof(struct world *w, size_t plan, size_t side)
{
	struct app *a = &w->app[plan][side];
	struct iovec v;

	/* An application's end of file is seen where its socket is read, and not before. */
	if (a->eof || channel_send_reserve(a->ch, &v, 1, 1) <= 0)
		return;
	a->eof = true;
	channel_send_eof(a->ch, w->now);
}

static void open_plan(struct world *w, size_t plan)
{
	struct channel_target t = {
		.host = plan & 2 ? "name.test" : "10.0.0.1", .port = (uint16_t)(1 + plan)};
	struct app *a = &w->app[plan][0];

	if (w->opened[plan])
		return;
	if (session_open(w->end[plan % 2].s, &t, &a->ch, a, w->now) == TT_OK)
		w->opened[plan] = true;
}

static void ended(struct world *w, struct app *a, struct channel *ch)
{
	struct channel_info info;

	channel_info(ch, &info);
	if (a && a->ch == ch) {
		must(a->reason == REASON_NONE && info.reason != REASON_NONE);
		must(w->hostile || info.reason != REASON_PROTOCOL_ERROR);
		a->reason = info.reason;
		a->ch = NULL;
	}
	channel_release(ch);
}

static void take_actions(struct world *w, size_t i)
{
	struct session_action act;
	unsigned n = 0;

	while (session_next_action(w->end[i].s, &act)) {
		struct tt_addr addr = {4, {10, 0, 0, 1}};
		size_t plan = (size_t)act.port - 1;
		struct app *a = act.user;
		must(++n < 10000);
		if (!a && plan < PLANS && plan % 2 != i)
			a = &w->app[plan][1];
		switch (act.type) {
		case ACTION_RESOLVE:
			channel_resolved(act.channel, &addr, 1, w->now);
			break;
		case ACTION_DIAL:
			if (!a || a->ch || a->reason != REASON_NONE) { /* only of a hostile peer */
				must(w->hostile);
				channel_dialed(act.channel, REASON_REFUSED_BY_TARGET, w->now);
				break;
			}
			a->ch = act.channel;
			channel_dialed(act.channel, REASON_NONE, w->now);
			break;
		case ACTION_SHUTDOWN:
			must(a && !a->shutdown);
			a->shutdown = true;
			break;
		case ACTION_CLOSED:
			ended(w, a, act.channel);
			break;
		default:
			break;
		}
	}
}

static void application(struct world *w, struct input *in)
{
	uint8_t what = byte(in), arg = byte(in);
	size_t plan = what % PLANS, side = what / PLANS & 1;
	struct app *a = &w->app[plan][side];

	if (!a->ch)
		return;
	switch (what / 16) {
	case 0:
		channel_abort(a->ch, REASON_RESET, w->now);
		a->aborted = true;
		break;
	case 1:
	case 2:
		app_eof(w, plan, side);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		app_read(w, plan, side, arg * 37u + 1);
		break;
	default:
		if (!a->eof)
			app_write(w, plan, side, (size_t)arg * arg / 8 + 1);
		break;
	}
}

/* ---- the path ---- */

static void packet_new(struct packet *p, const uint8_t *data, size_t len)
{
	*p = (struct packet){.data = malloc(len), .len = len};
	must(p->data != NULL);
	memcpy(p->data, data, len);
}

static void packet_remove(struct packet *v, size_t *n, size_t k)
{
	free(v[k].data);
	memmove(&v[k], &v[k + 1], (--*n - k) * sizeof(v[0]));
}

static void packets_clear(struct packet *v, size_t *n)
{
	while (*n > 0)
		packet_remove(v, n, *n - 1);
}

static void pull_packets(struct end *e, tt_time now)
{
	uint8_t buf[LINK_PACKET_MAX];
	unsigned n = 0;
	size_t len;

	while ((len = session_packet_output(e->s, buf, now)) > 0) {
		must(len <= sizeof(buf) && ++n < 20000);
		if (e->n_packets == QUEUE)
			continue; /* a full queue drops */
		packet_new(&e->packet[e->n_packets++], buf, len);
	}
}

static void pull_messages(struct end *e)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	size_t len;

	while (e->n_messages < QUEUE && (len = session_control_output(e->s, buf)) > 0) {
		struct packet *m = &e->message[e->n_messages++];
		packet_new(m, buf, len);
		m->receipt = ++e->receipt;
		session_control_sent(e->s, m->receipt);
	}
}

/* What the owner of a session does in one round of its loop. */
static void settle(struct world *w, size_t i)
{
	struct end *e = &w->end[i];

	if (session_deadline(e->s) <= w->now)
		session_on_deadline(e->s, w->now);
	do {
		take_actions(w, i);
		pull_messages(e);
		pull_packets(e, w->now);
	} while (session_has_action(e->s));
	must(session_deadline(e->s) > w->now);
	must(e->mem.held < BLOCKS_MAX);
	must(e->snd_budget.used <= BUDGET && e->rcv_budget.used <= BUDGET * 2);
}

static void packet_deliver(struct world *w, size_t from, size_t k, bool keep)
{
	struct end *e = &w->end[from], *to = &w->end[!from];

	if (to->up) {
		int rc = session_packet_input(to->s, e->packet[k].data, e->packet[k].len, w->now);
		must(rc == TT_OK || w->hostile);
	}
	if (!keep)
		packet_remove(e->packet, &e->n_packets, k);
}

/* The next friend message arrives, and its receipt later. */
static void message_deliver(struct world *w, size_t from)
{
	struct end *e = &w->end[from];

	if (e->n_messages == 0 || e->n_arrived == QUEUE)
		return;
	int rc = session_control_input(
		w->end[!from].s, e->message[0].data, e->message[0].len, w->now);
	must(rc == TT_OK || w->hostile);
	e->arrived[e->n_arrived++] = e->message[0].receipt;
	packet_remove(e->message, &e->n_messages, 0);
}

static void receipts_deliver(struct end *e)
{
	for (size_t i = 0; i < e->n_arrived; i++)
		session_control_confirmed(e->s, e->arrived[i]);
	e->n_arrived = 0;
}

static void restart(struct world *w, size_t i)
{
	struct end *e = &w->end[i];

	session_free(e->s);
	must(e->mem.held == 0 && e->snd_budget.used == 0 && e->rcv_budget.used == 0);
	for (size_t plan = 0; plan < PLANS; plan++) {
		struct app *a = &w->app[plan][plan % 2 != i];
		if (a->ch)
			a->reason = REASON_PEER_RESTARTED;
		a->ch = NULL;
	}
	new_session(w, i);
}

/* Tox friends go offline and online together; what was under way between them is lost. */
static void set_path(struct world *w, enum link_path path)
{
	for (size_t i = 0; i < 2; i++) {
		struct end *e = &w->end[i];
		if (path == LINK_DOWN) {
			packets_clear(e->message, &e->n_messages);
			e->n_arrived = 0;
		}
		e->up = path != LINK_DOWN;
		session_path(e->s, path, w->now);
	}
}

static void falsify(struct world *w, struct input *in, size_t i)
{
	uint8_t which = byte(in), at = byte(in), what = byte(in);
	struct end *e = &w->end[i];
	struct packet *p;

	if (!w->hostile)
		return;
	if (which & 1 && e->n_messages > 0)
		p = &e->message[which / 2 % e->n_messages];
	else if (e->n_packets > 0)
		p = &e->packet[which / 2 % e->n_packets];
	else
		return;
	if (what == 0) {
		p->len = at % p->len + 1;
		p->data = realloc(p->data, p->len);
		must(p->data != NULL);
	} else {
		p->data[at % p->len] ^= what;
	}
}

static void step(struct world *w, struct input *in)
{
	static const enum link_path paths[] = {LINK_DOWN, LINK_RELAYED, LINK_DIRECT, LINK_DIRECT};
	uint8_t op = byte(in);
	size_t i = op & 1;
	struct end *e = &w->end[i];

	switch (op / 2 % 16) {
	case 0:
	case 1: /* all of them */
		while (e->n_packets > 0)
			packet_deliver(w, i, 0, false);
		break;
	case 2: /* one of them, out of order */
	case 3: /* ... and it comes again */
		if (e->n_packets > 0)
			packet_deliver(w, i, byte(in) % e->n_packets, op / 2 % 16 == 3);
		break;
	case 4:
		if (e->n_packets > 0)
			packet_remove(e->packet, &e->n_packets, byte(in) % e->n_packets);
		break;
	case 5:
		message_deliver(w, i);
		break;
	case 6:
		receipts_deliver(e);
		break;
	case 7:
		w->now += TT_MS(1) << byte(in) % 16;
		break;
	case 8: { /* to the next deadline */
		tt_time at = session_deadline(e->s);
		if (at != TT_TIME_NEVER && at > w->now)
			w->now = at;
		break;
	}
	case 9:
		open_plan(w, byte(in) % PLANS);
		break;
	case 10:
		set_path(w, paths[byte(in) & 3]);
		break;
	case 11:
		if (byte(in) == 7) {
			set_path(w, LINK_DOWN);
			restart(w, i);
			set_path(w, LINK_DIRECT);
		}
		break;
	case 12:
		falsify(w, in, i);
		break;
	default:
		application(w, in);
		break;
	}
	settle(w, i);
	settle(w, !i);
}

/* ---- the end: a good path, and applications that read everything and end ---- */

static bool at_rest(const struct world *w)
{
	for (size_t i = 0; i < 2; i++) {
		struct session_stats st;
		session_stats(w->end[i].s, &st);
		if (st.active > 0 || !session_control_idle(w->end[i].s))
			return false;
	}
	return true;
}

/* Of what the applications do in finish(): other values are other amounts. */
static uint64_t done(const struct world *w)
{
	uint64_t sum = 0;

	for (size_t plan = 0; plan < PLANS; plan++)
		for (size_t side = 0; side < 2; side++)
			sum += w->app[plan][side].received + w->app[plan][side].eof;
	return sum;
}

/* 20 ms; where nothing is on its way and nobody did anything, to the next deadline. */
static void pass_time(struct world *w, bool idle)
{
	tt_time next = TT_TIME_NEVER;

	for (size_t i = 0; i < 2; i++) {
		const struct end *e = &w->end[i];
		tt_time at = session_deadline(e->s);
		if (!idle || e->n_packets + e->n_messages + e->n_arrived > 0)
			at = w->now;
		next = tt_time_min(next, at);
	}
	w->now += TT_MS(20);
	if (next != TT_TIME_NEVER && next > w->now)
		w->now = next;
}

static void finish(struct world *w)
{
	tt_time end = w->now + FINISH_MAX;

	set_path(w, LINK_DOWN); /* whatever the ends believe, they begin anew */
	set_path(w, LINK_DIRECT);
	while (!at_rest(w)) {
		uint64_t before = done(w);
		must(w->now < end); /* a hang */
		for (size_t plan = 0; plan < PLANS; plan++)
			for (size_t side = 0; side < 2; side++) {
				if (w->app[plan][side].ch)
					app_eof(w, plan, side);
				if (w->app[plan][side].ch)
					app_read(w, plan, side, SIZE_MAX);
			}
		for (size_t i = 0; i < 2; i++) {
			settle(w, i);
			while (w->end[i].n_messages > 0 && w->end[i].n_arrived < QUEUE)
				message_deliver(w, i);
			receipts_deliver(&w->end[i]);
			while (w->end[i].n_packets > 0)
				packet_deliver(w, i, 0, false);
		}
		settle(w, 0);
		settle(w, 1);
		pass_time(w, done(w) == before);
	}
}

static void check_ends(const struct world *w)
{
	for (size_t plan = 0; plan < PLANS; plan++)
		for (size_t side = 0; side < 2; side++) {
			const struct app *me = &w->app[plan][side], *other = &w->app[plan][!side];
			bool orderly = me->reason >= REASON_CLIENT_CLOSE &&
				       me->reason <= REASON_BOTH_CLOSE;
			must(me->received <= other->sent);
			must(!me->ch && (!w->opened[plan] || side == 1 || me->reason));
			must(!orderly || (me->received == other->sent && me->eof && me->shutdown));
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	struct world w = {.now = TT_S(10), .first = byte(&in)};

	w.hostile = w.first & 1;
	for (size_t i = 0; i < 2; i++) {
		fail_mem_init(&w.end[i].mem, 0);
		w.end[i].snd_budget.cap = w.end[i].rcv_budget.cap = BUDGET;
		new_session(&w, i);
	}
	set_path(&w, LINK_DIRECT);
	while (in.p < in.end)
		step(&w, &in);
	if (!w.hostile) {
		finish(&w);
		check_ends(&w);
	}
	for (size_t i = 0; i < 2; i++) {
		packets_clear(w.end[i].packet, &w.end[i].n_packets);
		packets_clear(w.end[i].message, &w.end[i].n_messages);
		session_free(w.end[i].s);
		must(w.end[i].mem.held == 0);
		must(w.end[i].snd_budget.used == 0 && w.end[i].rcv_budget.used == 0);
	}
	return 0;
}
