/* Channels that carry datagrams, on top of the flows of dgram.c. */
#include "session.h"
#include "tunnel_int.h"

#include "tt_err.h"

tt_time channel_udp_timeout(const struct channel *ch)
{
	tt_time limit = ch->session->cfg.terms.udp_timeout_us;
	return dgram_flow_answered(ch->flow) ? limit : tt_time_min(limit, SESSION_UDP_UNANSWERED);
}

static bool is_ours(const void *user)
{
	const struct channel *ch = user;
	return ch->opener;
}

void session_make_room_for_flow(struct session *s)
{
	struct channel *ch;

	if (s->flows[true] < SESSION_FLOWS_MAX)
		return;
	ch = dgrams_oldest(&s->dgrams, is_ours);
	channel_reset(ch, REASON_LIMIT);
}

bool channel_dgram_send(struct channel *ch, const void *data, size_t len, tt_time now)
{
	if (!ch->flow)
		return false;
	ch->active_at = now;
	if (!dgram_send(ch->flow, data, len, now))
		return false;
	ch->out_bytes += len;
	return true;
}

const struct datagram *channel_dgram_next(const struct channel *ch)
{
	/* The accepter has no socket before it is open; the opener's is where the answer goes. */
	bool may_take = ch->state == CHANNEL_OPEN || ch->state == CHANNEL_OPENING;
	return ch->flow && may_take ? dgram_next(ch->flow) : NULL;
}

void channel_dgram_done(struct channel *ch, bool delivered, tt_time now)
{
	ch->active_at = now;
	ch->in_bytes += delivered ? dgram_next(ch->flow)->len : 0;
	dgram_done(ch->flow, delivered);
}

int session_dgram_input(struct session *s, const uint8_t *pkt, size_t len, tt_time now)
{
	struct channel *ch;
	/* Only a peer that may open channels can have a syn on its way. */
	bool keep = s->cfg.terms.accept && s->peer_proved && session_ready(s);
	int rc = dgrams_input(&s->dgrams, pkt, len, keep, now);

	if (rc == TT_OK)
		link_foreign_received(s->link, now);
	while ((ch = dgrams_ready_next(&s->dgrams)))
		channel_want(ch, ACTION_READY);
	return rc;
}

size_t session_dgram_output(struct session *s, uint8_t *dst, tt_time now)
{
	if (!dgrams_pending(&s->dgrams) || link_foreign_at(s->link, now) > now)
		return 0;
	size_t n = dgrams_output(&s->dgrams, dst, s->packet_max, now);
	if (n > 0)
		link_foreign_sent(s->link, n, now);
	return n;
}

tt_time session_dgram_deadline(const struct session *s)
{
	tt_time at = dgrams_deadline(&s->dgrams);

	/* A time in the past stands for now, as in link_deadline. */
	return dgrams_pending(&s->dgrams) ? tt_time_min(at, link_foreign_at(s->link, 0)) : at;
}
