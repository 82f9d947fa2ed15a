#include "pair.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tt_err.h"

#define RETRY TT_MS(10)
#define PORT 1000
#define SPIN_MAX 200000

enum kind { EV_CONTROL, EV_RECEIPT, EV_DOWN, EV_UP, EV_SWITCH, EV_RESOLVED, EV_DIALED };

struct event {
	struct event *next;
	tt_time at;
	enum kind kind;
	size_t to;    /* end */
	size_t index; /* plan, or outage */
	uint32_t receipt, conn;
	unsigned life;
	size_t len;
	uint8_t data[];
};

struct end {
	struct session *s;
	struct fail_mem mem;
	bool up;
	uint32_t conn; /* the Tox connection that it believes to have */
	unsigned life; /* of the process */
	uint32_t receipt;
	tt_time control_at;  /* arrival of the last friend message on its way to the other end */
	struct sim_pipe out; /* packets on their way to the other end */
};

struct pair {
	const struct pair_config *cfg;
	struct pair_result *out;
	struct sim_rng rng;
	struct sim_pool pool;
	struct event *events; /* by time */
	struct end end[2];
	uint32_t conn;
	tt_time now;
};

static const struct tt_rule rules[] = {
	{.kind = TT_RULE_NET, .net = {4, {10}}, .prefix = 8, .port_first = 1, .port_last = 65535},
};

static uint8_t pattern(size_t plan, size_t side, uint64_t pos)
{
	return (uint8_t)(pos * 167 + (pos >> 8) * 13 + plan * 31 + side * 101);
}

static void complain(struct pair *p, const char *what)
{
	if (!p->out->complaint)
		p->out->complaint = what;
}

static struct event *schedule(struct pair *p, enum kind kind, size_t to, tt_time at, size_t len)
{
	struct event *e = calloc(1, sizeof(*e) + len), **q = &p->events;
	if (!e)
		abort();
	*e = (struct event){.at = at, .kind = kind, .to = to, .len = len};
	while (*q && (*q)->at <= at)
		q = &(*q)->next;
	e->next = *q;
	*q = e;
	return e;
}

static void new_session(struct pair *p, size_t i)
{
	struct end *e = &p->end[i];
	struct session_config cfg = {.mode = p->cfg->mode,
		.accept = true,
		.rules = rules,
		.n_rules = 1,
		.resume_timeout_us = p->cfg->resume_timeout_us,
		.mem = &e->mem.mem};
	cfg.self_key[0] = (uint8_t)(1 + i);
	cfg.peer_key[0] = (uint8_t)(2 - i);
	cfg.inst[0] = (uint8_t)i;
	cfg.inst[1] = (uint8_t)++e->life;
	if (session_new(&e->s, &cfg, p->now) != TT_OK)
		abort();
}

/* ---- applications ---- */

static void write_some(struct pair *p, size_t plan, size_t side)
{
	const struct pair_habit *h = &p->cfg->plan[plan].habit[side];
	struct pair_conn *c = &p->out->conn[plan][side];

	while (c->ch && c->sent < h->bytes) {
		struct iovec v[3];
		uint64_t most = 1 + sim_rng_below(&p->rng, h->most_write);
		int n = channel_send_reserve(c->ch, v, 3,
			(size_t)(most < h->bytes - c->sent ? most : h->bytes - c->sent));
		size_t len = 0;
		if (n <= 0)
			return;
		for (int i = 0; i < n; i++)
			for (size_t j = 0; j < v[i].iov_len; j++)
				((uint8_t *)v[i].iov_base)[j] =
					pattern(plan, side, c->sent + len++);
		c->sent += len;
		channel_send_commit(c->ch, len, p->now);
		if (h->abort_at && c->sent >= h->abort_at) {
			c->aborted = true;
			channel_abort(c->ch, REASON_RESET, p->now);
			return;
		}
	}
}

static void end_direction(struct pair *p, size_t plan, size_t side)
{
	const struct pair_habit *h = &p->cfg->plan[plan].habit[side];
	struct pair_conn *c = &p->out->conn[plan][side];

	if (c->eof || c->sent < h->bytes || c->aborted || (h->polite && !c->shutdown))
		return;
	struct iovec v;
	if (h->bytes == 0 && channel_send_reserve(c->ch, &v, 1, 1) <= 0)
		return; /* its socket would not have been read yet */
	c->eof = true;
	channel_send_eof(c->ch, p->now);
}

static void read_some(struct pair *p, size_t plan, size_t side)
{
	const struct pair_habit *h = &p->cfg->plan[plan].habit[side];
	struct pair_conn *c = &p->out->conn[plan][side];
	struct iovec v[3];
	int n;

	if (h->stop_us && !c->stopped && c->received >= h->stop_at) {
		c->stopped = true;
		c->stopped_until = p->now + h->stop_us;
	}
	if (c->stopped_until > p->now)
		return;
	while (!c->ended && (n = channel_recv_peek(c->ch, v, 3)) > 0) {
		size_t len = 0, most = 1 + (size_t)sim_rng_below(&p->rng, h->most_write);
		for (int i = 0; i < n; i++)
			for (size_t j = 0; j < v[i].iov_len && len < most; j++, len++)
				c->bad += ((uint8_t *)v[i].iov_base)[j] !=
					  pattern(plan, !side, c->received + len);
		c->received += len;
		channel_recv_consume(c->ch, len, p->now);
	}
}

static void pump(struct pair *p, size_t plan, size_t side)
{
	struct pair_conn *c = &p->out->conn[plan][side];
	if (!c->ch || c->ended)
		return;
	write_some(p, plan, side);
	end_direction(p, plan, side);
	read_some(p, plan, side);
}

/* Opens what its plan says is due; returns when to look again. */
static tt_time open_due(struct pair *p, size_t plan)
{
	const struct pair_plan *pl = &p->cfg->plan[plan];
	struct pair_conn *c = &p->out->conn[plan][0];
	struct channel_target t = {
		.host = pl->dial == DIAL_OK || pl->dial == DIAL_REFUSED ? "10.1.2.3" : "name.test",
		.port = (uint16_t)(PORT + plan),
		.tunnel = "t"};

	if (c->started)
		return TT_TIME_NEVER;
	if (pl->at > p->now)
		return pl->at;
	int rc = session_open(p->end[pl->opener].s, &t, &c->ch, (void *)(plan * 2 + 1), p->now);
	if (rc == TT_EAGAIN)
		return p->now + TT_MS(100);
	if (rc != TT_OK)
		complain(p, "session_open failed");
	c->started = true;
	pump(p, plan, 0);
	return TT_TIME_NEVER;
}

static void on_closed(struct pair *p, struct pair_conn *c, struct channel *ch)
{
	struct channel_info info;
	channel_info(ch, &info);
	if (c) {
		if (c->ended)
			complain(p, "closed twice");
		c->ended = true;
		c->reason = info.reason;
		c->ch = NULL;
	}
	channel_release(ch);
}

static void on_action(struct pair *p, size_t end, const struct session_action *a)
{
	size_t plan = (size_t)a->port - PORT, side = a->user ? 0 : 1;
	const struct pair_plan *pl = &p->cfg->plan[plan];
	struct pair_conn *c = &p->out->conn[plan][side];

	if (side == 1 && !c->started && (a->type == ACTION_RESOLVE || a->type == ACTION_DIAL)) {
		c->started = true;
		c->ch = a->channel;
	}
	if (side == 1 && c->ch != a->channel)
		c = NULL; /* closed before it was anybody's */
	if (a->type == ACTION_CLOSED) {
		on_closed(p, c, a->channel);
		return;
	}
	if (!c || c->ended) {
		complain(p, "action for nobody");
		return;
	}
	if (a->type == ACTION_RESOLVE || a->type == ACTION_DIAL) {
		struct event *e = schedule(p, a->type == ACTION_DIAL ? EV_DIALED : EV_RESOLVED, end,
			p->now + pl->dial_us, 0);
		e->index = plan;
		e->life = p->end[end].life;
	} else if (a->type == ACTION_SHUTDOWN) {
		if (c->shutdown)
			complain(p, "shut down twice");
		c->shutdown = true;
	}
	pump(p, plan, side);
}

/* ---- the path ---- */

static void trace_packet(struct pair *p, const struct sim_packet *k)
{
	p->out->trace = (p->out->trace ^ p->now ^ (uint64_t)k->len << 40 ^ k->data[k->len - 1]) *
			0x100000001b3u;
}

/* Sends the next packet that is due; false when there is none. */
static bool send_packet(struct pair *p, struct end *e)
{
	struct sim_packet *k = sim_packet_new(&p->pool);

	k->len = k->wire = (uint32_t)session_packet_output(e->s, k->data, p->now);
	if (k->len == 0) {
		sim_packet_free(&p->pool, k);
		return false;
	}
	trace_packet(p, k);
	sim_pipe_send(&e->out, k, p->now);
	return true;
}

static void take_packets(struct pair *p, size_t from)
{
	struct end *e = &p->end[!from];
	struct sim_packet *k;

	while ((k = sim_pipe_take(&p->end[from].out, p->now))) {
		if (e->up && session_packet_input(e->s, k->data, k->len, p->now) != TT_OK)
			complain(p, "packet refused");
		sim_packet_free(&p->pool, k);
	}
}

static void send_control(struct pair *p, size_t from)
{
	struct end *e = &p->end[from];
	uint8_t buf[WIRE_MESSAGE_MAX], again[WIRE_MESSAGE_MAX];
	size_t len;

	while (e->up && (len = session_control_output(e->s, buf)) > 0) {
		if (session_control_output(e->s, again) != len || memcmp(buf, again, len) != 0)
			complain(p, "control output is not the same twice");
		if (sim_rng_chance(&p->rng, 50000))
			return; /* toxcore's queue is full: later */
		tt_time at = p->now + p->cfg->control_us +
			     sim_rng_below(&p->rng, p->cfg->control_us + 1);
		e->control_at = at > e->control_at ? at : e->control_at;
		struct event *ev = schedule(p, EV_CONTROL, !from, e->control_at, len);
		memcpy(ev->data, buf, len);
		ev->receipt = ++e->receipt;
		ev->conn = e->conn;
		session_control_sent(e->s, e->receipt);
	}
}

static void on_control(struct pair *p, const struct event *ev)
{
	struct end *e = &p->end[ev->to];

	if (ev->conn != p->conn)
		return;                     /* the connection that carried it is gone */
	if (!e->up || e->conn != p->conn) { /* a moment too early: toxcore says "online" first */
		struct event *again = schedule(p, EV_CONTROL, ev->to, p->now + TT_MS(5), ev->len);
		memcpy(again->data, ev->data, ev->len);
		again->receipt = ev->receipt;
		again->conn = ev->conn;
		return;
	}
	if (session_control_input(e->s, ev->data, ev->len, p->now) != TT_OK)
		complain(p, "control message refused");
	struct event *r = schedule(p, EV_RECEIPT, !ev->to, p->now + p->cfg->control_us, 0);
	r->receipt = ev->receipt;
	r->conn = ev->conn;
}

static void restart(struct pair *p, size_t i)
{
	struct end *e = &p->end[i];

	for (size_t plan = 0; plan < p->cfg->n_plans; plan++) {
		size_t side = p->cfg->plan[plan].opener == i ? 0 : 1;
		struct pair_conn *c = &p->out->conn[plan][side];
		if (c->ch && !c->ended) {
			c->vanished = c->ended = true;
			c->ch = NULL;
		}
	}
	session_free(e->s);
	if (e->mem.held > 0)
		complain(p, "a restarted session leaks");
	new_session(p, i);
}

static void on_path(struct pair *p, const struct event *ev)
{
	const struct pair_outage *o = &p->cfg->outage[ev->index];
	struct end *e = &p->end[ev->to];

	if (ev->kind == EV_SWITCH) {
		if (e->up)
			session_path(e->s, o->path, p->now);
	} else if (ev->kind == EV_DOWN) {
		if (e->conn == p->conn)
			p->conn++;
		e->up = false;
		session_path(e->s, LINK_DOWN, p->now);
		if (o->restart[ev->to])
			restart(p, ev->to);
	} else {
		e->up = true;
		e->conn = p->conn;
		session_path(e->s, o->path, p->now);
	}
}

static void on_event(struct pair *p, const struct event *ev)
{
	struct end *e = &p->end[ev->to];
	struct pair_conn *c = &p->out->conn[ev->index][1];
	const struct pair_plan *pl = &p->cfg->plan[ev->index];

	switch (ev->kind) {
	case EV_CONTROL:
		on_control(p, ev);
		break;
	case EV_RECEIPT:
		if (ev->conn == p->conn && e->conn == p->conn && e->up)
			session_control_confirmed(e->s, ev->receipt);
		break;
	case EV_DOWN:
	case EV_UP:
	case EV_SWITCH:
		on_path(p, ev);
		break;
	case EV_RESOLVED:
		if (ev->life == e->life && c->ch) {
			struct tt_addr a[2] = {
				{4, {pl->dial == DIAL_FORBIDDEN ? 11 : 10}}, {4, {12}}};
			channel_resolved(c->ch, a, pl->dial == DIAL_NO_HOST ? 0 : 2, p->now);
		}
		break;
	case EV_DIALED:
		if (ev->life == e->life && c->ch)
			channel_dialed(c->ch,
				pl->dial == DIAL_REFUSED ? REASON_REFUSED_BY_TARGET : REASON_NONE,
				p->now);
		break;
	}
}

/* ---- the loop ---- */

/* Actions, applications and output of both ends; false when that does not come to rest. */
static bool settle(struct pair *p)
{
	for (size_t i = 0; i < 2; i++) {
		struct end *e = &p->end[i];
		struct session_action a;
		size_t n = 0;
		while (session_next_action(e->s, &a)) {
			on_action(p, i, &a);
			if (++n > SPIN_MAX)
				return false;
		}
		for (size_t plan = 0; plan < p->cfg->n_plans; plan++) {
			struct pair_conn *c =
				&p->out->conn[plan][p->cfg->plan[plan].opener == i ? 0 : 1];
			if (c->stopped_until && c->stopped_until <= p->now) {
				c->stopped_until = 0;
				pump(p, plan, p->cfg->plan[plan].opener == i ? 0 : 1);
			}
		}
		if (session_deadline(e->s) <= p->now)
			session_on_deadline(e->s, p->now);
		do {
			while (session_next_action(e->s, &a))
				on_action(p, i, &a);
			send_control(p, i);
			while (send_packet(p, e))
				if (++n > SPIN_MAX)
					return false;
		} while (session_has_action(e->s));
		if (session_deadline(e->s) <= p->now)
			return false;
	}
	return true;
}

static tt_time next_time(struct pair *p)
{
	tt_time t = p->events ? p->events->at : TT_TIME_NEVER;
	for (size_t i = 0; i < 2; i++) {
		t = tt_time_min(t, session_deadline(p->end[i].s));
		t = tt_time_min(t, sim_pipe_deadline(&p->end[i].out));
		if (p->end[i].up && !session_control_idle(p->end[i].s))
			t = tt_time_min(t, p->now + RETRY);
	}
	for (size_t plan = 0; plan < p->cfg->n_plans; plan++) {
		t = tt_time_min(t, open_due(p, plan));
		for (size_t side = 0; side < 2; side++)
			if (p->out->conn[plan][side].stopped_until)
				t = tt_time_min(t, p->out->conn[plan][side].stopped_until);
	}
	return t;
}

static bool done(const struct pair *p)
{
	for (size_t plan = 0; plan < p->cfg->n_plans; plan++) {
		const struct pair_conn *c = p->out->conn[plan];
		if (!c[0].started || !c[0].ended || (c[1].started && !c[1].ended))
			return false;
	}
	for (const struct event *e = p->events; e; e = e->next)
		if (e->kind == EV_DOWN || e->kind == EV_UP || e->kind == EV_CONTROL)
			return false;
	for (size_t i = 0; i < 2; i++) {
		struct session_stats st;
		session_stats(p->end[i].s, &st);
		if (st.active > 0 || !session_control_idle(p->end[i].s))
			return false;
	}
	return true;
}

static enum sim_outcome run(struct pair *p)
{
	tt_time start = p->now;
	for (;;) {
		tt_time t = next_time(p);
		if (!settle(p)) /* what open_due started goes out now */
			return SIM_SPIN;
		if (done(p))
			return SIM_DONE;
		t = tt_time_min(t, next_time(p));
		if (t == TT_TIME_NEVER)
			return SIM_DEADLOCK;
		p->now = t > p->now ? t : p->now;
		if (p->now - start > p->cfg->limit_us)
			return SIM_TIMEOUT;
		while (p->events && p->events->at <= p->now) {
			struct event *e = p->events;
			p->events = e->next;
			on_event(p, e);
			free(e);
		}
		for (size_t i = 0; i < 2; i++)
			take_packets(p, i);
		if (!settle(p))
			return SIM_SPIN;
	}
}

void pair_run(const struct pair_config *cfg, struct pair_result *out)
{
	struct pair p = {.cfg = cfg, .out = out, .rng = {cfg->seed}, .now = TT_S(1000)};
	*out = (struct pair_result){.trace = 0xcbf29ce484222325u};

	for (size_t i = 0; i < 2; i++) {
		fail_mem_init(&p.end[i].mem, 0);
		new_session(&p, i);
		sim_pipe_init(&p.end[i].out, &cfg->link[i], &p.pool, sim_rng_next(&p.rng));
		session_path(p.end[i].s, LINK_DIRECT, p.now);
		p.end[i].up = true;
	}
	for (size_t n = 0; n < cfg->n_outages; n++) {
		const struct pair_outage *o = &cfg->outage[n];
		for (size_t i = 0; i < 2; i++) {
			tt_time at = p.now + o->at + o->skew_us[i];
			schedule(&p, o->switch_only ? EV_SWITCH : EV_DOWN, i, at, 0)->index = n;
			if (!o->switch_only)
				schedule(&p, EV_UP, i, at + o->down_us, 0)->index = n;
		}
	}
	tt_time start = p.now;
	struct pair_config late = *cfg; /* plans count from the start too */
	for (size_t n = 0; n < cfg->n_plans; n++)
		late.plan[n].at += start;
	p.cfg = &late;
	out->outcome = run(&p);
	out->elapsed_us = p.now - start;
	for (size_t i = 0; i < 2; i++) {
		struct end *e = &p.end[i];
		session_stats(e->s, &out->stats[i]);
		out->idle[i] = out->stats[i].active == 0 && session_control_idle(e->s);
		session_free(e->s);
		out->held[i] = e->mem.held;
		sim_pipe_clear(&e->out);
	}
	sim_pool_clear(&p.pool);
	while (p.events) {
		struct event *e = p.events;
		p.events = e->next;
		free(e);
	}
}
