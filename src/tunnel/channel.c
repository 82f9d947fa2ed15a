/* One forwarded connection: its state, its two halves, its actions. */
#include "session.h"
#include "tunnel_int.h"

#include <assert.h>
#include <string.h>

#include "tt_err.h"

static const char *const state_names[] = {"opening", "resolving", "dialing", "open", "closed"};

const char *channel_state_name(enum channel_state st)
{
	return (size_t)st < sizeof(state_names) / sizeof(state_names[0]) ? state_names[st] : "?";
}

static uint64_t channel_key(bool opener, uint32_t ccid)
{
	return (uint64_t)opener << 32 | ccid;
}

struct channel *channel_find(struct session *s, bool opener, uint32_t ccid)
{
	const struct tt_hash_key *hash_key = &s->cfg.hash_key;
	uint64_t key = channel_key(opener, ccid);
	struct channel *ch;
	HASH_FIND(hh, s->channels, &key, sizeof(key), ch);
	return ch;
}

void channel_unhash(struct channel *ch)
{
	struct session *s = ch->session;
	const struct tt_mem *hash_mem = s->mem;

	if (ch->hashed)
		HASH_DEL(s->channels, ch);
	ch->hashed = false;
}

bool channel_is_complete(const struct channel *ch)
{
	return ch->state == CHANNEL_OPEN && ch->in != HALF_OPEN && ch->out != HALF_OPEN &&
	       ch->in_bytes + link_stream_recv_ready(ch->stream) == ch->in_fin_bytes &&
	       link_stream_send_pending(ch->stream) == 0;
}

void channel_note_acked(struct channel *ch, tt_time now)
{
	size_t pending = ch->stream ? link_stream_send_pending(ch->stream) : 0;
	if (pending < ch->out_pending)
		ch->active_at = now;
	ch->out_pending = pending;
}

int channel_new(struct channel **out, struct session *s, bool opener, uint32_t ccid,
	const struct channel_target *target, tt_time now)
{
	const char *tunnel = target->tunnel ? target->tunnel : "";
	size_t host_len = strlen(target->host) + 1, tunnel_len = strlen(tunnel) + 1;
	const struct tt_mem *hash_mem = s->mem;
	const struct tt_hash_key *hash_key = &s->cfg.hash_key;
	int rc = tt_heap_reserve(&s->timers, s->sum.active + 1);
	if (rc != TT_OK)
		return rc;
	struct channel *ch = tt_calloc(s->mem, 1, sizeof(*ch) + host_len + tunnel_len);
	if (!ch)
		return TT_ENOMEM;
	ch->session = s;
	ch->opener = opener;
	ch->ccid = ccid;
	ch->key = channel_key(opener, ccid);
	ch->state = opener ? CHANNEL_OPENING : CHANNEL_RESOLVING;
	ch->udp = target->proto == WIRE_UDP;
	ch->port = target->port;
	ch->opened_at = ch->active_at = now;
	memcpy(ch->host, target->host, host_len);
	ch->tunnel = ch->host + host_len;
	memcpy(ch->tunnel, tunnel, tunnel_len);
	tt_heap_node_init(&ch->timer);
	HASH_ADD(hh, s->channels, key, sizeof(ch->key), ch);
	if (!ch->hh.tbl) {
		tt_free(s->mem, ch);
		return TT_ENOMEM;
	}
	ch->hashed = true;
	DL_APPEND(s->all, ch);
	s->sum.active++;
	if (s->cfg.slots)
		s->cfg.slots->used++;
	if (ch->udp)
		s->flows[opener]++;
	else
		s->sum.opened++;
	*out = ch;
	return TT_OK;
}

void channel_set_state(struct channel *ch, enum channel_state st)
{
	static const uint8_t allowed[] = {
		[CHANNEL_OPENING] = 1 << CHANNEL_OPEN | 1 << CHANNEL_CLOSED,
		[CHANNEL_RESOLVING] = 1 << CHANNEL_DIALING | 1 << CHANNEL_CLOSED,
		[CHANNEL_DIALING] = 1 << CHANNEL_OPEN | 1 << CHANNEL_CLOSED,
		[CHANNEL_OPEN] = 1 << CHANNEL_CLOSED,
		[CHANNEL_CLOSED] = 0,
	};
	assert(allowed[ch->state] & 1 << st);
	tt_trace(ch->session->log, "channel: peer=%s chan=%u%s %s -> %s", ch->session->tag,
		ch->ccid, ch->opener ? "" : "r", channel_state_name(ch->state),
		channel_state_name(st));
	if (ch->half_open) {
		if (st == CHANNEL_OPEN || st == CHANNEL_CLOSED) {
			ch->half_open = false;
			ch->session->half_open--;
		}
	}
	if (ch->state == CHANNEL_RESOLVING)
		channel_leave_resolving(ch);
	ch->state = st;
}

void channel_want(struct channel *ch, enum session_action_type type)
{
	struct session *s = ch->session;

	ch->actions |= 1u << type;
	if (ch->queued)
		return;
	ch->queued = true;
	ch->action_next = NULL;
	if (s->action_tail)
		s->action_tail->action_next = ch;
	else
		s->action_head = ch;
	s->action_tail = ch;
}

bool session_has_action(const struct session *s)
{
	return s->action_head != NULL || s->listen_news;
}

bool session_next_action(struct session *s, struct session_action *out)
{
	struct channel *ch = s->action_head;
	if (!ch)
		return false;
	unsigned type = 0;
	while (!(ch->actions & 1u << type))
		type++;
	ch->actions &= ~(1u << type);
	if (ch->actions == 0) {
		ch->queued = false;
		s->action_head = ch->action_next;
		if (!s->action_head)
			s->action_tail = NULL;
	}
	*out = (struct session_action){
		.type = (enum session_action_type)type,
		.channel = ch,
		.user = ch->user,
		.host = ch->host,
		.addrs = ch->addrs,
		.n_addrs = ch->n_addrs,
		.port = ch->port,
		.bench = ch->bench,
		.udp = ch->udp,
		.path = ch->path,
	};
	return true;
}

void channel_set_user(struct channel *ch, void *user)
{
	ch->user = user;
}

/* How long it may carry nothing; 0: for ever. A measurement: its whole life. */
static tt_time idle_timeout(const struct channel *ch)
{
	if (ch->udp)
		return channel_udp_timeout(ch);
	return ch->bench ? SESSION_BENCH_TIME : ch->session->cfg.terms.idle_timeout_us;
}

void channel_opened(struct channel *ch, tt_time now)
{
	struct session *s = ch->session;

	channel_set_state(ch, CHANNEL_OPEN);
	tt_free(s->mem, ch->addrs);
	ch->addrs = NULL;
	ch->n_addrs = 0;
	ch->active_at = now;
	s->sum.ok += !ch->udp;
	if (!ch->udp)
		tt_histogram_add(ch->opener ? &s->sum.connect_own : &s->sum.connect_peer,
			tt_time_since(now, ch->opened_at));
	tt_time limit = idle_timeout(ch);
	tt_heap_set(&s->timers, &ch->timer, limit ? now + limit : TT_TIME_NEVER);
	channel_want(ch, ACTION_OPENED);
	channel_progress(ch, now);
}

void channel_close(struct channel *ch, enum close_reason why)
{
	struct session *s = ch->session;
	bool was_open = ch->state == CHANNEL_OPEN;
	bool orderly = was_open && ch->in == HALF_DONE && ch->out == HALF_DONE;

	channel_set_state(ch, CHANNEL_CLOSED);
	channel_unhash(ch);
	ch->reason = why;
	link_stream_free(ch->stream);
	ch->stream = NULL;
	dgram_flow_free(ch->flow);
	ch->flow = NULL;
	tt_heap_set(&s->timers, &ch->timer, TT_TIME_NEVER);
	s->sum.active--;
	if (s->cfg.slots)
		s->cfg.slots->used--;
	s->measuring -= ch->bench != 0;
	if (ch->udp) {
		s->flows[ch->opener]--;
		s->sum.flows_failed += !was_open;
	} else {
		s->sum.failed += !was_open;
		s->sum.reasons[why]++;
	}
	if (!orderly)
		ch->actions = 0; /* nothing else matters any more */
	channel_want(ch, ACTION_CLOSED);
}

void channel_reset(struct channel *ch, enum close_reason why)
{
	if (!ch->peer_ended)
		session_push_rst(ch->session, ch->ccid, ch->opener, why);
	channel_close(ch, why);
}

void channel_abort(struct channel *ch, enum close_reason why, tt_time now)
{
	(void)now;
	if (ch->state != CHANNEL_CLOSED)
		channel_reset(ch, why);
}

static enum close_reason orderly_reason(const struct channel *ch)
{
	if (ch->first == FIRST_BOTH)
		return REASON_BOTH_CLOSE;
	return (ch->first == FIRST_ME) == ch->opener ? REASON_CLIENT_CLOSE : REASON_SERVER_CLOSE;
}

void channel_progress(struct channel *ch, tt_time now)
{
	struct session *s = ch->session;

	if (ch->state != CHANNEL_OPEN)
		return;
	if (ch->in != HALF_OPEN) {
		uint64_t have = ch->in_bytes + link_stream_recv_ready(ch->stream);
		if (have > ch->in_fin_bytes) {
			if (session_may_log(s, now))
				tt_warn(s->log,
					"channel: peer=%s chan=%u sent %llu bytes and a fin of "
					"%llu",
					s->tag, ch->ccid, (unsigned long long)have,
					(unsigned long long)ch->in_fin_bytes);
			channel_reset(ch, REASON_PROTOCOL_ERROR);
			return;
		}
		if (ch->in == HALF_FIN && ch->in_bytes == ch->in_fin_bytes) {
			ch->in = HALF_DONE;
			channel_want(ch, ACTION_SHUTDOWN);
		}
	}
	if (ch->out == HALF_FIN && link_stream_send_pending(ch->stream) == 0)
		ch->out = HALF_DONE;
	if (ch->in != HALF_DONE || ch->out != HALF_DONE)
		return;
	if (!ch->peer_ended) {
		struct wire_msg msg = {
			.type = WIRE_END, .end = {.ccid = ch->ccid, .opener = ch->opener}};
		session_push(s, &msg);
	}
	channel_close(ch, orderly_reason(ch));
}

void channel_input_fin(struct channel *ch, const struct wire_fin *fin, tt_time now)
{
	if (ch->udp || ch->in != HALF_OPEN) { /* datagrams have no end */
		channel_reset(ch, REASON_PROTOCOL_ERROR);
		return;
	}
	ch->in = HALF_FIN;
	ch->in_fin_bytes = fin->bytes;
	if (ch->out == HALF_OPEN)
		ch->first = FIRST_PEER;
	else
		ch->first = fin->seen ? FIRST_ME : FIRST_BOTH;
	channel_progress(ch, now);
}

void channel_input_end(struct channel *ch, tt_time now)
{
	if (ch->state != CHANNEL_OPEN || ch->out == HALF_OPEN || ch->in == HALF_OPEN) {
		channel_reset(ch, REASON_PROTOCOL_ERROR);
		return;
	}
	ch->peer_ended = true;
	channel_unhash(ch);
	link_stream_send_drop(ch->stream);
	channel_progress(ch, now);
}

void channel_on_timer(struct channel *ch, tt_time now)
{
	struct session *s = ch->session;

	switch (ch->state) {
	case CHANNEL_OPENING:
		channel_reset(ch, REASON_CONNECT_TIMEOUT);
		return;
	case CHANNEL_RESOLVING:
	case CHANNEL_DIALING:
		channel_reset(ch, REASON_TARGET_TIMEOUT);
		return;
	case CHANNEL_OPEN:
		break;
	case CHANNEL_CLOSED:
		return;
	}
	if (ch->bench) { /* not its idle time-out but all of its time */
		channel_reset(ch, REASON_LIMIT);
		return;
	}
	/* idle time-out: the bytes that moved since only moved active_at; silence while the peer is
	 * offline is not the application's */
	tt_time due = ch->active_at + idle_timeout(ch);
	if (s->path == LINK_DOWN)
		due = now + idle_timeout(ch);
	if (due <= now)
		channel_reset(ch, REASON_IDLE_TIMEOUT);
	else
		tt_heap_set(&s->timers, &ch->timer, due);
}

/* Fast open: bytes may follow the syn at once when the peer takes them before its ack. */
static bool may_send(const struct channel *ch)
{
	if (ch->udp || ch->out != HALF_OPEN)
		return false;
	return ch->state == CHANNEL_OPEN ||
	       (ch->state == CHANNEL_OPENING && (ch->session->peer_caps & WIRE_CAP_FAST_OPEN));
}

int channel_send_reserve(struct channel *ch, struct iovec *iov, int cap, size_t max_bytes)
{
	return may_send(ch) ? link_stream_send_reserve(ch->stream, iov, cap, max_bytes) : 0;
}

void channel_send_commit(struct channel *ch, size_t len, tt_time now)
{
	link_stream_send_commit(ch->stream, len);
	ch->out_bytes += len;
	ch->out_pending = link_stream_send_pending(ch->stream);
	ch->active_at = now;
}

void channel_send_eof(struct channel *ch, tt_time now)
{
	struct wire_msg msg = {.type = WIRE_FIN,
		.fin = {.ccid = ch->ccid,
			.opener = ch->opener,
			.bytes = ch->out_bytes,
			.seen = ch->in != HALF_OPEN}};

	if (ch->udp || ch->state == CHANNEL_CLOSED || ch->out != HALF_OPEN)
		return;
	ch->out = HALF_FIN;
	if (ch->first == FIRST_NOBODY)
		ch->first = FIRST_ME;
	ch->active_at = now;
	session_push(ch->session, &msg);
	channel_progress(ch, now);
}

int channel_recv_peek(const struct channel *ch, struct iovec *iov, int cap)
{
	return ch->state == CHANNEL_OPEN && ch->stream ? link_stream_recv_peek(ch->stream, iov, cap)
						       : 0;
}

void channel_recv_consume(struct channel *ch, size_t n, tt_time now)
{
	link_stream_recv_consume(ch->stream, n);
	ch->in_bytes += n;
	ch->active_at = now;
	channel_progress(ch, now);
}

static void drop_from_actions(struct channel *ch)
{
	struct session *s = ch->session;
	struct channel **p = &s->action_head, *last = NULL;

	if (!ch->queued)
		return;
	while (*p != ch) {
		last = *p;
		p = &(*p)->action_next;
	}
	*p = ch->action_next;
	if (s->action_tail == ch)
		s->action_tail = last;
}

void channel_release(struct channel *ch)
{
	struct session *s = ch->session;

	assert(ch->state == CHANNEL_CLOSED);
	drop_from_actions(ch);
	DL_DELETE(s->all, ch);
	tt_free(s->mem, ch->addrs);
	tt_free(s->mem, ch->text);
	tt_free(s->mem, ch);
}

void channel_info(const struct channel *ch, struct channel_info *out)
{
	*out = (struct channel_info){
		.ccid = ch->ccid,
		.opener = ch->opener,
		.udp = ch->udp,
		.state = ch->state,
		.reason = ch->reason,
		.bytes_in = ch->in_bytes,
		.bytes_out = ch->out_bytes,
		.rate_in = ch->rate_in,
		.rate_out = ch->rate_out,
		.opened_at = ch->opened_at,
		.host = ch->host,
		.port = ch->port,
		.tunnel = ch->tunnel,
		.text = ch->text ? ch->text : "",
	};
}
