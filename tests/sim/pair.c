#include "pair_int.h"

#include <stdlib.h>
#include <string.h>

#include "tt_err.h"

#define RETRY TT_MS(10)
#define SPIN_MAX 200000

static const struct tt_rule rules[] = {
	{.kind = TT_RULE_NET, .net = {4, {10}}, .prefix = 8, .port_first = 1, .port_last = 65535},
};

void pair_complain(struct pair *p, const char *what)
{
	if (!p->out->complaint)
		p->out->complaint = what;
}

struct event *pair_schedule(struct pair *p, enum kind kind, size_t to, tt_time at, size_t len)
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
		.terms.accept = true,
		.terms.rules = rules,
		.terms.n_rules = 1,
		.terms.resume_timeout_us = p->cfg->resume_timeout_us,
		.snd_budget = p->cfg->budget ? &e->snd_budget : NULL,
		.rcv_budget = p->cfg->budget ? &e->rcv_budget : NULL,
		.mem = &e->mem.mem,
		.seed = p->cfg->seed * 2 + i};
	cfg.self_key[0] = (uint8_t)(1 + i);
	cfg.peer_key[0] = (uint8_t)(2 - i);
	cfg.inst[0] = (uint8_t)i;
	e->life++;
	memcpy(cfg.inst + 1, &e->life, sizeof(e->life));
	e->snd_budget = e->rcv_budget = (struct kcp_budget){.cap = p->cfg->budget};
	while (session_new(&e->s, &cfg, pair_clock(p, i)) != TT_OK)
		if (e->mem.asked != e->mem.fail_at)
			abort();
}

/* ---- the path ---- */

static void trace_packet(struct pair *p, const struct sim_packet *k)
{
	p->out->trace = (p->out->trace ^ p->now ^ (uint64_t)k->len << 40 ^ k->data[k->len - 1]) *
			0x100000001b3u;
}

/* Sends the next packet that is due; false when there is none. */
static bool send_packet(struct pair *p, size_t from)
{
	struct end *e = &p->end[from];
	struct sim_packet *k = sim_packet_new(&p->pool);

	k->len = k->wire = (uint32_t)session_packet_output(e->s, k->data, pair_clock(p, from));
	if (k->len == 0) {
		sim_packet_free(&p->pool, k);
		return false;
	}
	trace_packet(p, k);
	if (p->now < p->dark_until)
		sim_packet_free(&p->pool, k);
	else
		sim_pipe_send(&e->out, k, p->now);
	return true;
}

static void take_packets(struct pair *p, size_t from)
{
	struct end *e = &p->end[!from];
	struct sim_packet *k;

	while ((k = sim_pipe_take(&p->end[from].out, p->now))) {
		if (e->up && !pair_asleep(p, !from) &&
			session_packet_input(e->s, k->data, k->len, pair_clock(p, !from)) != TT_OK)
			pair_complain(p, "packet refused");
		sim_packet_free(&p->pool, k);
	}
}

/* toxcore repeats friend messages for as long as the friend is online. */
static tt_time in_the_light(const struct pair *p)
{
	return p->now > p->dark_until ? p->now : p->dark_until;
}

static void send_control(struct pair *p, size_t from)
{
	struct end *e = &p->end[from];
	uint8_t buf[WIRE_MESSAGE_MAX], again[WIRE_MESSAGE_MAX];
	size_t len;

	while (e->up && (len = session_control_output(e->s, buf)) > 0) {
		if (session_control_output(e->s, again) != len || memcmp(buf, again, len) != 0)
			pair_complain(p, "control output is not the same twice");
		if (sim_rng_chance(&p->rng, 50000))
			return; /* toxcore's queue is full: later */
		tt_time at = in_the_light(p) + p->cfg->control_us +
			     sim_rng_below(&p->rng, p->cfg->control_us + 1);
		e->control_at = at > e->control_at ? at : e->control_at;
		struct event *ev = pair_schedule(p, EV_CONTROL, !from, e->control_at, len);
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
		struct event *again =
			pair_schedule(p, EV_CONTROL, ev->to, p->now + TT_MS(5), ev->len);
		memcpy(again->data, ev->data, ev->len);
		again->receipt = ev->receipt;
		again->conn = ev->conn;
		return;
	}
	if (session_control_input(e->s, ev->data, ev->len, pair_clock(p, ev->to)) != TT_OK)
		pair_complain(p, "control message refused");
	struct event *r =
		pair_schedule(p, EV_RECEIPT, !ev->to, in_the_light(p) + p->cfg->control_us, 0);
	r->receipt = ev->receipt;
	r->conn = ev->conn;
}

static void restart(struct pair *p, size_t i)
{
	struct end *e = &p->end[i];

	for (size_t plan = 0; plan < p->cfg->n_plans; plan++) {
		struct pair_conn *c = &p->out->conn[plan][pair_end_of(p, plan, i)];
		if (c->ch && !c->ended) {
			c->vanished = c->ended = true;
			c->ch = NULL;
		}
	}
	session_free(e->s);
	if (e->mem.held > 0)
		pair_complain(p, "a restarted session leaks");
	new_session(p, i);
}

static void on_fault(struct pair *p, const struct event *ev)
{
	const struct pair_fault *f = &p->cfg->fault[ev->index];
	struct end *e = &p->end[ev->to];
	tt_time now = pair_clock(p, ev->to);

	switch (ev->kind) {
	case EV_SWITCH:
		if (e->up)
			session_path(e->s, f->path, now);
		break;
	case EV_DOWN:
		if (e->conn == p->conn)
			p->conn++;
		e->up = false;
		session_path(e->s, LINK_DOWN, now);
		if (f->restart[ev->to])
			restart(p, ev->to);
		break;
	case EV_UP:
		e->up = true;
		e->conn = p->conn;
		session_path(e->s, f->path, now);
		break;
	case EV_DARK:
		p->dark_until = p->now + f->for_us;
		break;
	default:
		e->asleep_until = p->now + f->for_us;
		e->lag += f->stops_clock ? f->for_us : 0;
		break;
	}
}

static void on_event(struct pair *p, const struct event *ev)
{
	struct end *e = &p->end[ev->to];
	struct pair_conn *c = &p->out->conn[ev->index][1];
	const struct pair_plan *pl = &p->cfg->plan[ev->index];
	tt_time now = pair_clock(p, ev->to);

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
	case EV_DARK:
	case EV_SLEEP:
		on_fault(p, ev);
		break;
	case EV_RESOLVED:
		if (ev->life == e->life && c->ch) {
			struct tt_addr a[2] = {
				{4, {pl->dial == DIAL_FORBIDDEN ? 11 : 10}}, {4, {12}}};
			channel_resolved(c->ch, a, pl->dial == DIAL_NO_HOST ? 0 : 2, now);
		}
		break;
	case EV_DIALED:
		if (ev->life == e->life && c->ch)
			channel_dialed(c->ch,
				pl->dial == DIAL_REFUSED ? REASON_REFUSED_BY_TARGET : REASON_NONE,
				now);
		break;
	}
}

/* ---- the loop ---- */

/* Those applications of an end that may read again. */
static void wake_readers(struct pair *p, size_t end)
{
	for (size_t plan = 0; plan < p->cfg->n_plans; plan++) {
		size_t side = pair_end_of(p, plan, end);
		struct pair_conn *c = &p->out->conn[plan][side];
		if (c->stopped_until && c->stopped_until <= p->now) {
			c->stopped_until = 0;
			pair_pump(p, plan, side);
		}
	}
}

/* Actions, applications and output of an end; false when that does not come to rest. */
static bool settle(struct pair *p, size_t i)
{
	struct end *e = &p->end[i];
	struct session_action a;
	tt_time now = pair_clock(p, i);
	size_t n = 0;

	if (pair_asleep(p, i))
		return true;
	while (session_next_action(e->s, &a)) {
		pair_on_action(p, i, &a);
		if (++n > SPIN_MAX)
			return false;
	}
	wake_readers(p, i);
	if (session_deadline(e->s) <= now)
		session_on_deadline(e->s, now);
	do {
		while (session_next_action(e->s, &a))
			pair_on_action(p, i, &a);
		send_control(p, i);
		while (send_packet(p, i))
			if (++n > SPIN_MAX)
				return false;
	} while (session_has_action(e->s));
	return session_deadline(e->s) > now;
}

static tt_time end_next_time(const struct pair *p, size_t i)
{
	const struct end *e = &p->end[i];
	tt_time t = session_deadline(e->s);

	if (pair_asleep(p, i))
		return e->asleep_until;
	t = t == TT_TIME_NEVER ? t : t + e->lag;
	if (e->up && !session_control_idle(e->s))
		t = tt_time_min(t, p->now + RETRY);
	for (size_t plan = 0; plan < p->cfg->n_plans; plan++) {
		const struct pair_conn *c = &p->out->conn[plan][pair_end_of(p, plan, i)];
		if (c->stopped_until)
			t = tt_time_min(t, c->stopped_until);
	}
	return t;
}

static tt_time next_time(struct pair *p)
{
	tt_time t = p->events ? p->events->at : TT_TIME_NEVER;

	for (size_t i = 0; i < 2; i++) {
		t = tt_time_min(t, end_next_time(p, i));
		t = tt_time_min(t, sim_pipe_deadline(&p->end[i].out));
	}
	for (size_t plan = 0; plan < p->cfg->n_plans; plan++)
		t = tt_time_min(t, pair_open_due(p, plan));
	if (p->now < p->start + p->cfg->lasts_us)
		t = tt_time_min(t, p->start + p->cfg->lasts_us);
	return t;
}

static bool done(const struct pair *p)
{
	for (size_t plan = 0; plan < p->cfg->n_plans; plan++) {
		const struct pair_conn *c = p->out->conn[plan];
		if (!c[0].started || !c[0].ended || (c[1].started && !c[1].ended))
			return false;
	}
	for (size_t i = 0; i < 2; i++) {
		struct session_stats st;
		session_stats(p->end[i].s, &st);
		if (st.active > 0 || !session_control_idle(p->end[i].s) || pair_asleep(p, i))
			return false;
	}
	return !p->events && p->now >= p->start + p->cfg->lasts_us;
}

/* Events of an end that sleeps wait until it wakes. */
static void run_events(struct pair *p)
{
	while (p->events && p->events->at <= p->now) {
		struct event *e = p->events;
		p->events = e->next;
		if (pair_asleep(p, e->to)) {
			struct event *later = pair_schedule(
				p, e->kind, e->to, p->end[e->to].asleep_until, e->len);
			struct event *next = later->next;
			memcpy(later, e, sizeof(*e) + e->len);
			later->at = p->end[e->to].asleep_until;
			later->next = next;
		} else {
			on_event(p, e);
		}
		free(e);
	}
}

static enum sim_outcome run(struct pair *p)
{
	for (;;) {
		tt_time t = next_time(p);
		if (!settle(p, 0) || !settle(p, 1)) /* what pair_open_due started goes out now */
			return SIM_SPIN;
		if (done(p))
			return SIM_DONE;
		t = tt_time_min(t, next_time(p));
		if (t == TT_TIME_NEVER)
			return SIM_DEADLOCK;
		p->now = t > p->now ? t : p->now;
		if (p->now - p->start > p->cfg->limit_us)
			return SIM_TIMEOUT;
		run_events(p);
		for (size_t i = 0; i < 2; i++)
			take_packets(p, i);
		if (!settle(p, 0) || !settle(p, 1))
			return SIM_SPIN;
	}
}

static void schedule_fault(struct pair *p, size_t n)
{
	static const enum kind begins[] = {EV_DOWN, EV_SWITCH, EV_DARK, EV_SLEEP};
	const struct pair_fault *f = &p->cfg->fault[n];

	for (size_t i = 0; i < 2; i++) {
		tt_time at = p->now + f->at + f->skew_us[i];
		if (f->kind == FAULT_SLEEP && i != f->sleeper)
			continue;
		pair_schedule(p, begins[f->kind], i, at, 0)->index = n;
		if (f->kind == FAULT_OFFLINE)
			pair_schedule(p, EV_UP, i, at + f->for_us, 0)->index = n;
	}
}

void pair_new(struct pair **out, const struct pair_config *cfg)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->cfg = cfg;
	p->rng.state = cfg->seed;
	p->now = cfg->start_us ? cfg->start_us : TT_S(1000);
	for (size_t i = 0; i < 2; i++) {
		fail_mem_init(&p->end[i].mem, cfg->fail_at[i]);
		new_session(p, i);
		sim_pipe_init(&p->end[i].out, &cfg->link[i], &p->pool, sim_rng_next(&p->rng));
		session_path(p->end[i].s, LINK_DIRECT, p->now);
		p->end[i].up = true;
	}
	*out = p;
}

void pair_play(struct pair *p, const struct pair_config *cfg, struct pair_result *out)
{
	*out = (struct pair_result){.trace = 0xcbf29ce484222325u};
	p->cfg = cfg;
	p->out = out;
	p->start = p->now;
	for (size_t i = 0; i < 2; i++)
		p->end[i].out.cfg = cfg->link[i];
	for (size_t n = 0; n < cfg->n_faults; n++)
		schedule_fault(p, n);
	out->outcome = run(p);
	out->elapsed_us = p->now - p->start;
	for (size_t i = 0; i < 2; i++) {
		struct end *e = &p->end[i];
		session_stats(e->s, &out->stats[i]);
		out->idle[i] = out->stats[i].active == 0 && session_control_idle(e->s);
		out->held[i] = e->mem.held;
		out->budget_used[i] = e->snd_budget.used + e->rcv_budget.used;
		out->asked[i] = e->mem.asked;
	}
}

void pair_free(struct pair *p, size_t left[2])
{
	for (size_t i = 0; i < 2; i++) {
		session_free(p->end[i].s);
		left[i] = p->end[i].mem.held;
		sim_pipe_clear(&p->end[i].out);
	}
	sim_pool_clear(&p->pool);
	while (p->events) {
		struct event *e = p->events;
		p->events = e->next;
		free(e);
	}
	free(p);
}

void pair_run(const struct pair_config *cfg, struct pair_result *out)
{
	struct pair *p;

	pair_new(&p, cfg);
	pair_play(p, cfg, out);
	pair_free(p, out->held);
}
