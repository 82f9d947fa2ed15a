/* Hello: who the peer is, whether it knows the secret, and how often it may say so. */
#include "tunnel_int.h"

#include <assert.h>
#include <string.h>

#define HELLO_INTERVAL TT_S(1)

/* In constant time: where two proofs differ is nobody's business. */
static bool proof_holds(const struct session *s)
{
	uint8_t differ = 0;

	if (!s->cfg.terms.need_proof)
		return true;
	for (size_t i = 0; i < WIRE_PROOF_LEN; i++)
		differ |= s->said_proof[i] ^ s->cfg.terms.peer_proof[i];
	return s->said_has_proof && differ == 0;
}

/* Judges what the peer said last; true when it is not served for want of the secret. */
static bool lacks_proof(struct session *s)
{
	s->peer_proved = proof_holds(s);
	return !s->peer_proved && s->cfg.terms.accept;
}

static void warn_unproved(const struct session *s)
{
	tt_warn(s->log, "session: peer=%s does not know the secret and is not served", s->tag);
}

void hello_judge_again(struct session *s)
{
	if (lacks_proof(s) && s->peer_hello)
		warn_unproved(s);
}

void hello_say(struct session *s)
{
	s->hello_due = s->path != LINK_DOWN && (s->peer_hello || !s->cfg.terms.await_hello);
	s->hello_peeked = false;
}

/* The other process knows none of the channels, and will use their numbers again. */
static void forget_peer(struct session *s)
{
	struct channel *ch;
	DL_FOREACH (s->all, ch) {
		if (ch->state == CHANNEL_CLOSED)
			continue;
		ch->peer_ended = true;
		channel_unhash(ch);
		if (!channel_is_complete(ch))
			channel_close(ch, REASON_PEER_RESTARTED);
	}
	grants_end(s, REASON_PEER_RESTARTED, false);
	asks_forget(s);
	control_clear(&s->control);
}

void hello_init(struct session *s)
{
	s->hellos =
		(struct tt_ratelimit){.burst = SESSION_HELLO_BURST, .interval_us = HELLO_INTERVAL};
	s->hellos_at = TT_TIME_NEVER;
}

/* Nothing need wait where the limit allows a hello at once. */
static void wait_for_limit(struct session *s, tt_time now)
{
	tt_time at = tt_ratelimit_next(&s->hellos, now);

	s->hellos_at = at > now || s->hello_kept ? at : TT_TIME_NEVER;
}

void hello_on_offline(struct session *s)
{
	s->peer_hello = false;
	s->hello_due = s->hello_peeked = s->hello_kept = false;
	s->hellos_at = TT_TIME_NEVER;
}

void hello_on_online(struct session *s, tt_time now)
{
	hello_say(s);
	wait_for_limit(s, now);
}

static bool is_restarted(const struct session *s, const struct wire_hello *h)
{
	return s->knows_peer && memcmp(s->peer_inst, h->inst, WIRE_INST_LEN) != 0;
}

static void take_hello(struct session *s, const struct wire_hello *h, tt_time now)
{
	if (is_restarted(s, h)) {
		if (session_may_log(s, now))
			tt_info(s->log, "session: peer=%s was restarted; its %zu connections end",
				s->tag, s->sum.active);
		s->sum.restarts++;
		forget_peer(s);
	} else if (s->peer_hello && !h->seen) {
		/* It lost us for a moment that we did not notice, and with it what we had sent. */
		control_rewind(&s->control);
	}
	memcpy(s->peer_inst, h->inst, WIRE_INST_LEN);
	memcpy(s->peer_name, h->name, sizeof(s->peer_name));
	s->knows_peer = true;
	s->said_has_proof = h->has_proof;
	memcpy(s->said_proof, h->proof, WIRE_PROOF_LEN);
	if (lacks_proof(s) && session_may_log(s, now))
		warn_unproved(s);
	s->peer_caps = h->caps;
	s->peer_hello = true;
	link_set_packet_max(s->link, h->packet_max);
	s->packet_max = h->packet_max < LINK_PACKET_MAX ? h->packet_max : LINK_PACKET_MAX;
	link_set_sack(s->link, h->caps & WIRE_CAP_SACK);
	asks_on_hello(s, now);
	if (!h->seen) /* so that it learns that its own has arrived */
		hello_say(s);
}

/* The limit does not allow it yet, and the peer will not say it again. */
static void keep_hello(struct session *s, const struct wire_hello *h, tt_time now)
{
	s->sum.limits[LIMIT_HELLOS]++;
	s->kept_hello = *h;
	s->hello_kept = true;
	wait_for_limit(s, now);
	if (is_restarted(s, h)) /* what we have to say is for a process that is gone */
		s->peer_hello = false;
}

void hello_input(struct session *s, const struct wire_hello *newest, tt_time now)
{
	struct wire_hello h = *newest;

	/* One that is passed over for a newer one may have asked for an answer. */
	if (s->hello_kept && memcmp(s->kept_hello.inst, h.inst, WIRE_INST_LEN) == 0)
		h.seen = h.seen && s->kept_hello.seen;
	/* Each may end all channels, or have all that is not confirmed repeated. */
	if (!tt_ratelimit_take(&s->hellos, now)) {
		keep_hello(s, &h, now);
		return;
	}
	s->hello_kept = false;
	s->hellos_at = TT_TIME_NEVER;
	take_hello(s, &h, now);
}

void hello_on_deadline(struct session *s, tt_time now)
{
	if (now < s->hellos_at)
		return;
	s->hellos_at = TT_TIME_NEVER; /* ours may go */
	if (s->hello_kept)
		hello_input(s, &s->kept_hello, now);
}

bool hello_knows_sender(const struct session *s)
{
	return s->knows_peer && !(s->hello_kept && is_restarted(s, &s->kept_hello));
}

size_t hello_output(struct session *s, uint8_t *dst)
{
	struct wire_msg msg = {.type = WIRE_HELLO,
		.hello = {.version = WIRE_VERSION,
			.caps = WIRE_CAP_FAST_OPEN | WIRE_CAP_SACK | WIRE_CAP_BENCH | WIRE_CAP_UDP |
				WIRE_CAP_LISTEN,
			.packet_max = LINK_PACKET_MAX,
			.seen = s->peer_hello,
			.has_proof = s->cfg.terms.has_proof}};

	/* The peer's maps come after our hello: it waits until the peer's can be taken. */
	s->hello_peeked = s->hello_due && (s->peer_hello || s->hellos_at == TT_TIME_NEVER);
	if (!s->hello_peeked)
		return 0;
	memcpy(msg.hello.inst, s->cfg.inst, WIRE_INST_LEN);
	memcpy(msg.hello.proof, s->cfg.terms.proof, WIRE_PROOF_LEN);
	memcpy(msg.hello.name, s->name, sizeof(msg.hello.name));
	int n = wire_encode(&msg, dst, WIRE_MESSAGE_MAX);
	assert(n > 0);
	return (size_t)n;
}

void hello_sent(struct session *s)
{
	if (s->hello_peeked)
		s->hello_due = false;
	s->hello_peeked = false;
}
