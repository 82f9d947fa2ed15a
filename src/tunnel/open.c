/* How a channel is opened, on both sides. */
#include "session.h"
#include "tunnel_int.h"

#include <string.h>
#include <zlib.h>

#include "access.h"
#include "tt_err.h"

static uint32_t crc_number(uint32_t crc, uint64_t v, int bytes)
{
	uint8_t le[8];
	for (int i = 0; i < bytes; i++)
		le[i] = (uint8_t)(v >> (8 * i));
	return (uint32_t)crc32(crc, le, (uInt)bytes);
}

static bool conv_in_use(const struct session *s, uint32_t conv)
{
	return link_conv_in_use(s->link, conv) || dgram_conv_in_use(&s->dgrams, conv);
}

/*
 * A conv must not be used again while segments of its former owner may still be about: it comes
 * from a checksum over who, where to, which channel and when, and is taken again with the next
 * millisecond while it is 0 or in use. Bit 31 belongs to the side with the greater key, so that
 * both sides can open at the same moment and never mean the same conv.
 */
static uint32_t choose_conv(const struct session *s, const struct channel *ch, tt_time now)
{
	uint32_t crc = (uint32_t)crc32(0, s->cfg.peer_key, TT_KEY_LEN);
	crc = (uint32_t)crc32(crc, (const Bytef *)ch->host, (uInt)strlen(ch->host));
	crc = crc_number(crc, ch->port, 2);
	crc = crc_number(crc, ch->ccid, 4);
	for (uint64_t ms = s->cfg.epoch_ms + now / 1000;; ms++) {
		uint32_t conv = (crc_number(crc, ms, 8) & 0x7fffffffu) | s->conv_bit;
		if (conv != 0 && !conv_in_use(s, conv))
			return conv;
	}
}

static uint32_t choose_ccid(struct session *s)
{
	do {
		if (++s->last_ccid == 0)
			s->last_ccid = 1;
	} while (channel_find(s, true, s->last_ccid));
	return s->last_ccid;
}

/* What carries the channel's bytes. */
static int new_carrier(struct channel *ch, uint32_t conv, tt_time now)
{
	struct session *s = ch->session;
	return ch->udp ? dgram_flow_new(&ch->flow, &s->dgrams, conv, ch)
		       : link_stream_new(&ch->stream, s->link, conv, ch, now);
}

static uint32_t carrier_conv(const struct channel *ch)
{
	return ch->udp ? dgram_flow_conv(ch->flow) : link_stream_conv(ch->stream);
}

static int move_carrier(struct channel *ch, uint32_t conv)
{
	if (conv != carrier_conv(ch) && conv_in_use(ch->session, conv))
		return TT_EEXIST;
	return ch->udp ? dgram_flow_set_conv(ch->flow, conv)
		       : link_stream_set_conv(ch->stream, conv);
}

static void discard(struct channel *ch)
{
	channel_close(ch, REASON_LIMIT);
	channel_release(ch);
}

int session_open(struct session *s, const struct channel_target *t, struct channel **out,
	void *user, tt_time now)
{
	struct wire_msg msg = {.type = WIRE_SYN};
	struct wire_syn *syn = &msg.syn;

	if (!session_ready(s))
		return TT_EAGAIN;
	if (t->proto == WIRE_BENCH && !(s->peer_caps & WIRE_CAP_BENCH))
		return TT_ENOTSUP; /* it would take the syn for a broken one */
	if (t->proto == WIRE_REVERSE && !(s->peer_caps & WIRE_CAP_LISTEN))
		return TT_ENOTSUP; /* it is another program by now */
	if (t->proto == WIRE_UDP && !(s->peer_caps & WIRE_CAP_UDP))
		return TT_ENOTSUP;
	if (t->proto == WIRE_UDP)
		session_make_room_for_flow(s);
	if (s->sum.active >= s->cfg.terms.channels_max)
		return TT_ELIMIT;
	if (strlen(t->host) > WIRE_HOST_MAX || t->host[0] == '\0')
		return TT_EINVAL;
	struct channel *ch;
	int rc = channel_new(&ch, s, true, choose_ccid(s), t, now);
	if (rc != TT_OK)
		return rc;
	uint32_t conv = choose_conv(s, ch, now);
	rc = new_carrier(ch, conv, now);
	if (rc != TT_OK) {
		discard(ch);
		return rc;
	}
	syn->version = WIRE_VERSION;
	syn->ccid = ch->ccid;
	syn->conv = conv;
	syn->proto = t->proto ? t->proto : WIRE_TCP;
	if (t->proto == WIRE_REVERSE) {
		syn->lid = t->lid;
	} else {
		syn->port = t->port;
		memcpy(syn->host, t->host, strlen(t->host) + 1);
	}
	wire_text_copy(syn->tunnel, sizeof(syn->tunnel), t->tunnel ? t->tunnel : "");
	rc = control_push(&s->control, &msg);
	if (rc != TT_OK) {
		discard(ch);
		return rc;
	}
	ch->user = user;
	ch->reverse = t->proto == WIRE_REVERSE;
	tt_heap_set(&s->timers, &ch->timer, now + s->cfg.terms.connect_timeout_us);
	tt_debug(s->log, "channel: peer=%s chan=%u conv=%08x open target=%s:%u", s->tag, ch->ccid,
		conv, ch->host, ch->port);
	*out = ch;
	return TT_OK;
}

void session_input_ack(struct session *s, const struct wire_ack *ack, tt_time now)
{
	struct channel *ch = channel_find(s, true, ack->ccid);
	if (!ch)
		return; /* given up meanwhile; the peer has been told */
	if (ch->state != CHANNEL_OPENING) {
		channel_reset(ch, REASON_PROTOCOL_ERROR);
		return;
	}
	int rc = move_carrier(ch, ack->conv);
	if (rc != TT_OK) {
		channel_reset(ch, rc == TT_ENOMEM ? REASON_LIMIT : REASON_PROTOCOL_ERROR);
		return;
	}
	channel_opened(ch, now);
}

/* Refuses before there is a channel. What the peer asked for is its own business until here. */
static void refuse(
	struct session *s, const struct wire_syn *syn, enum close_reason why, tt_time now)
{
	if (syn->proto == WIRE_UDP) {
		s->sum.flows_failed++;
	} else {
		s->sum.opened++;
		s->sum.failed++;
		s->sum.reasons[why]++;
	}
	if (session_may_log(s, now))
		tt_warn(s->log, "channel: peer=%s refused target=%s:%u reason=%s", s->tag,
			syn->host, syn->port, reason_name(why));
	session_push_rst(s, syn->ccid, false, why);
}

static enum close_reason judge_measuring(const struct session *s, enum wire_bench bench)
{
	if (!access_may_measure(s->cfg.terms.bench, s->cfg.terms.n_rules))
		return REASON_NOT_ALLOWED;
	return bench ? REASON_NONE : REASON_UNSUPPORTED;
}

static enum close_reason judge_target(
	const struct session *s, const struct wire_syn *syn, const struct tt_addr *literal)
{
	if (syn->proto == WIRE_REVERSE) /* for a listener that we do not have */
		return REASON_NOT_ALLOWED;
	if (syn->proto == WIRE_UNIX)
		return access_allows_path(s->cfg.terms.rules, s->cfg.terms.n_rules, syn->host)
			       ? REASON_NONE
			       : REASON_NOT_ALLOWED;
	if (syn->proto != WIRE_TCP && syn->proto != WIRE_UDP)
		return REASON_UNSUPPORTED;
	if (syn->port == 0)
		return REASON_PROTOCOL_ERROR;
	bool may = literal->family ? access_allows(s->cfg.terms.rules, s->cfg.terms.n_rules, NULL,
					     literal, syn->port)
				   : access_may_resolve(s->cfg.terms.rules, s->cfg.terms.n_rules,
					     syn->host, syn->port);
	return may ? REASON_NONE : REASON_NOT_ALLOWED;
}

/* Counts the limit that is reached. */
static enum close_reason judge_limits(
	struct session *s, const struct wire_syn *syn, enum wire_bench bench, tt_time now)
{
	enum session_limit l = LIMIT_COUNT;

	if (bench && s->measuring >= SESSION_BENCH_MAX)
		l = LIMIT_MEASURING;
	else if (syn->proto == WIRE_UDP && s->flows[false] >= SESSION_FLOWS_MAX)
		l = LIMIT_FLOWS;
	else if (s->half_open >= SESSION_HALF_OPEN_MAX)
		l = LIMIT_HALF_OPEN;
	else if (s->sum.active >= s->cfg.terms.channels_max ||
		 !session_slots_free(s->cfg.slots, s->sum.active))
		l = LIMIT_CHANNELS;
	else if (!tt_ratelimit_take(&s->openings, now))
		l = LIMIT_OPENING;
	if (l == LIMIT_COUNT)
		return REASON_NONE;
	s->sum.limits[l]++;
	return REASON_LIMIT;
}

/*
 * bench and literal: what the syn asks for, as far as it is one of them. reverse: it is for a
 * listener of ours; that we asked for it is all the permission that it needs, also where nothing
 * else is served.
 */
static enum close_reason judge(struct session *s, const struct wire_syn *syn, enum wire_bench bench,
	const struct tt_addr *literal, bool reverse, tt_time now)
{
	if ((!s->cfg.terms.accept && !reverse) || !s->peer_proved)
		return REASON_NOT_ALLOWED;
	if (s->draining)
		return REASON_SHUTDOWN;
	enum close_reason why = reverse                    ? REASON_NONE
				: syn->proto == WIRE_BENCH ? judge_measuring(s, bench)
							   : judge_target(s, syn, literal);
	return why == REASON_NONE ? judge_limits(s, syn, bench, now) : why;
}

static void ask_resolver(struct channel *ch)
{
	ch->resolving = true;
	ch->session->resolving++;
	channel_want(ch, ACTION_RESOLVE);
}

/* The resolver is everybody's: names that do not resolve would keep it busy for others. */
static void resolve(struct channel *ch)
{
	struct session *s = ch->session;

	if (s->resolving < SESSION_RESOLVE_MAX) {
		ask_resolver(ch);
		return;
	}
	s->sum.limits[LIMIT_RESOLVING]++;
	DL_APPEND2(s->unresolved, ch, resolve_prev, resolve_next);
}

void channel_leave_resolving(struct channel *ch)
{
	struct session *s = ch->session;

	if (ch->resolve_prev) { /* the only pointer that is never NULL in such a list */
		DL_DELETE2(s->unresolved, ch, resolve_prev, resolve_next);
		ch->resolve_prev = NULL;
	}
	if (!ch->resolving)
		return;
	ch->resolving = false;
	s->resolving--;
	struct channel *next = s->unresolved;
	if (!next)
		return;
	DL_DELETE2(s->unresolved, next, resolve_prev, resolve_next);
	next->resolve_prev = NULL;
	ask_resolver(next);
}

void session_input_syn(struct session *s, struct wire_syn *syn, tt_time now)
{
	struct tt_addr literal = {0};
	bool reverse = syn->proto == WIRE_REVERSE && ask_resolve_syn(s, syn);
	enum wire_bench bench = syn->proto == WIRE_BENCH ? wire_bench_parse(syn->host) : 0;
	struct channel *ch = NULL;

	/* A peer whose toxcore confirms nothing must not fill our memory with answers. */
	if (s->control.items >= SESSION_CONTROL_MAX) {
		s->sum.limits[LIMIT_ANSWERS]++;
		return;
	}
	if (channel_find(s, false, syn->ccid)) {
		if (session_may_log(s, now))
			tt_warn(s->log, "channel: peer=%s chan=%u syn for a channel that is open",
				s->tag, syn->ccid);
		return;
	}
	if (syn->proto != WIRE_UNIX)
		tt_addr_parse(syn->host, &literal);
	enum close_reason why = judge(s, syn, bench, &literal, reverse, now);
	struct channel_target t = {
		.proto = syn->proto, .host = syn->host, .port = syn->port, .tunnel = syn->tunnel};
	if (why == REASON_NONE && channel_new(&ch, s, false, syn->ccid, &t, now) != TT_OK)
		why = REASON_LIMIT;
	if (why != REASON_NONE) {
		refuse(s, syn, why, now);
		return;
	}
	ch->half_open = true;
	s->half_open++;
	ch->reverse = reverse;
	ch->path = syn->proto == WIRE_UNIX;
	ch->bench = bench;
	s->measuring += bench != 0;
	uint32_t conv = conv_in_use(s, syn->conv) ? choose_conv(s, ch, now) : syn->conv;
	if (new_carrier(ch, conv, now) != TT_OK) {
		channel_reset(ch, REASON_LIMIT);
		return;
	}
	tt_heap_set(&s->timers, &ch->timer, now + s->cfg.terms.connect_timeout_us);
	if (bench || ch->path) { /* no addresses */
		channel_set_state(ch, CHANNEL_DIALING);
		channel_want(ch, ACTION_DIAL);
	} else if (literal.family)
		channel_resolved(ch, &literal, 1, now);
	else
		resolve(ch);
}

void channel_resolved(struct channel *ch, const struct tt_addr *addrs, size_t n, tt_time now)
{
	struct session *s = ch->session;
	char text[TT_ADDR_TEXT_MAX];

	if (ch->state != CHANNEL_RESOLVING)
		return;
	if (n == 0) {
		if (session_may_log(s, now))
			tt_info(s->log, "channel: peer=%s chan=%u target=%s:%u does not resolve",
				s->tag, ch->ccid, ch->host, ch->port);
		channel_reset(ch, REASON_NO_SUCH_HOST);
		return;
	}
	if (n > SESSION_ADDRS_MAX)
		n = SESSION_ADDRS_MAX;
	ch->addrs = tt_calloc(s->mem, n, sizeof(*ch->addrs));
	if (!ch->addrs) {
		channel_reset(ch, REASON_LIMIT);
		return;
	}
	/* checked after the resolver has answered, so that no name can point where its address may
	 * not (DNS rebinding) */
	struct tt_addr literal;
	const char *name = tt_addr_parse(ch->host, &literal) == TT_OK ? NULL : ch->host;
	static const struct tt_rule any = {
		.kind = TT_RULE_ANY, .port_first = 1, .port_last = 65535};
	ch->n_addrs = access_filter(ch->reverse ? &any : s->cfg.terms.rules,
		ch->reverse ? 1 : s->cfg.terms.n_rules, name, addrs, n, ch->port, ch->addrs);
	if (ch->n_addrs == 0) {
		if (session_may_log(s, now))
			tt_warn(s->log,
				"channel: peer=%s chan=%u refused target=%s:%u reason=not_allowed: "
				"no rule allows the address that it resolves to, %s",
				s->tag, ch->ccid, ch->host, ch->port,
				tt_addr_format(&addrs[0], text));
		channel_reset(ch, REASON_NOT_ALLOWED);
		return;
	}
	channel_set_state(ch, CHANNEL_DIALING);
	channel_want(ch, ACTION_DIAL);
}

void channel_dialed(struct channel *ch, enum close_reason why_not, tt_time now)
{
	struct session *s = ch->session;

	if (ch->state != CHANNEL_DIALING)
		return;
	if (why_not != REASON_NONE) {
		if (session_may_log(s, now))
			tt_info(s->log, "channel: peer=%s chan=%u target=%s:%u failed reason=%s",
				s->tag, ch->ccid, ch->host, ch->port, reason_name(why_not));
		channel_reset(ch, why_not);
		return;
	}
	struct wire_msg msg = {.type = WIRE_ACK,
		.ack = {.ccid = ch->ccid, .scid = ch->ccid, .conv = carrier_conv(ch)}};
	session_push(s, &msg);
	channel_opened(ch, now);
}
