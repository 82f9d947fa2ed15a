/* The applications of a pair, and what a program does at an action. */
#include "pair_int.h"

#include "tt_err.h"

static uint8_t pattern(size_t plan, size_t side, uint64_t pos)
{
	return (uint8_t)(pos * 167 + (pos >> 8) * 13 + plan * 31 + side * 101);
}

static void cut_off(struct pair *p, size_t plan, size_t side, enum close_reason why)
{
	struct pair_conn *c = &p->out->conn[plan][side];

	c->aborted = true;
	channel_abort(c->ch, why, pair_clock(p, pair_end_of(p, plan, side)));
}

/* As channel_send_reserve; a program without memory for a connection cuts it off. */
static int reserve(struct pair *p, size_t plan, size_t side, struct iovec *v, int cap, size_t most)
{
	int n = channel_send_reserve(p->out->conn[plan][side].ch, v, cap, most);

	if (n < 0)
		cut_off(p, plan, side, REASON_LIMIT);
	return n;
}

static void write_some(struct pair *p, size_t plan, size_t side)
{
	const struct pair_habit *h = &p->cfg->plan[plan].habit[side];
	struct pair_conn *c = &p->out->conn[plan][side];
	tt_time now = pair_clock(p, pair_end_of(p, plan, side));

	while (!c->aborted && c->sent < h->bytes) {
		struct iovec v[3];
		uint64_t most = 1 + sim_rng_below(&p->rng, h->most_write);
		int n = reserve(p, plan, side, v, 3,
			(size_t)(most < h->bytes - c->sent ? most : h->bytes - c->sent));
		size_t len = 0;
		if (n <= 0)
			return;
		for (int i = 0; i < n; i++)
			for (size_t j = 0; j < v[i].iov_len; j++)
				((uint8_t *)v[i].iov_base)[j] =
					pattern(plan, side, c->sent + len++);
		c->sent += len;
		channel_send_commit(c->ch, len, now);
		if (h->abort_at && c->sent >= h->abort_at)
			cut_off(p, plan, side, REASON_RESET);
	}
}

static void end_direction(struct pair *p, size_t plan, size_t side)
{
	const struct pair_habit *h = &p->cfg->plan[plan].habit[side];
	struct pair_conn *c = &p->out->conn[plan][side];

	if (c->eof || c->sent < h->bytes || c->aborted || (h->polite && !c->shutdown))
		return;
	struct iovec v;
	if (h->bytes == 0 && reserve(p, plan, side, &v, 1, 1) <= 0)
		return; /* its socket would not have been read yet */
	c->eof = true;
	channel_send_eof(c->ch, pair_clock(p, pair_end_of(p, plan, side)));
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
		channel_recv_consume(c->ch, len, pair_clock(p, pair_end_of(p, plan, side)));
	}
}

void pair_pump(struct pair *p, size_t plan, size_t side)
{
	struct pair_conn *c = &p->out->conn[plan][side];
	if (!c->ch || c->ended)
		return;
	write_some(p, plan, side);
	end_direction(p, plan, side);
	read_some(p, plan, side);
}

/* Opens what its plan says is due; returns when to look again. */
tt_time pair_open_due(struct pair *p, size_t plan)
{
	const struct pair_plan *pl = &p->cfg->plan[plan];
	struct pair_conn *c = &p->out->conn[plan][0];
	struct channel_target t = {
		.host = pl->dial == DIAL_OK || pl->dial == DIAL_REFUSED ? "10.1.2.3" : "name.test",
		.port = (uint16_t)(PAIR_PORT + plan),
		.tunnel = "t"};

	if (c->started)
		return TT_TIME_NEVER;
	tt_time at = p->start + pl->at;
	at = at > p->end[pl->opener].asleep_until ? at : p->end[pl->opener].asleep_until;
	if (at > p->now)
		return at;
	int rc = session_open(p->end[pl->opener].s, &t, &c->ch, (void *)(plan * 2 + 1),
		pair_clock(p, pl->opener));
	if (rc == TT_EAGAIN)
		return p->now + TT_MS(100);
	c->started = true;
	if (rc == TT_ENOMEM) {
		c->ended = true;
		c->reason = REASON_LIMIT;
		return TT_TIME_NEVER;
	}
	if (rc != TT_OK)
		pair_complain(p, "session_open failed");
	pair_pump(p, plan, 0);
	return TT_TIME_NEVER;
}

static void on_closed(struct pair *p, struct pair_conn *c, struct channel *ch)
{
	struct channel_info info;
	channel_info(ch, &info);
	if (c) {
		if (c->ended)
			pair_complain(p, "closed twice");
		c->ended = true;
		c->reason = info.reason;
		c->ch = NULL;
	}
	channel_release(ch);
}

void pair_on_action(struct pair *p, size_t end, const struct session_action *a)
{
	size_t plan = (size_t)a->port - PAIR_PORT, side = a->user ? 0 : 1;
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
		pair_complain(p, "action for nobody");
		return;
	}
	if (a->type == ACTION_RESOLVE || a->type == ACTION_DIAL) {
		struct event *e = pair_schedule(p, a->type == ACTION_DIAL ? EV_DIALED : EV_RESOLVED,
			end, p->now + pl->dial_us, 0);
		e->index = plan;
		e->life = p->end[end].life;
	} else if (a->type == ACTION_SHUTDOWN) {
		if (c->shutdown)
			pair_complain(p, "shut down twice");
		c->shutdown = true;
	}
	pair_pump(p, plan, side);
}
