/* The maps to and from the peer: who takes them, and what goes into a friend message. */
#include "tunnel_int.h"

#include <stdio.h>

#include "tt_err.h"

void session_push(struct session *s, struct wire_msg *msg)
{
	int rc = control_push(&s->control, msg);
	if (rc == TT_OK)
		return;
	tt_error(s->log, "control: peer=%s %s lost err=%s; its connections end", s->tag,
		wire_type_name(msg->type), tt_err_name(rc));
	control_skip(&s->control);
	s->control_lost = true;
}

void session_push_rst(struct session *s, uint32_t ccid, bool opener, enum close_reason why)
{
	struct wire_msg msg = {.type = WIRE_RST, .rst = {.ccid = ccid, .opener = opener}};
	snprintf(msg.rst.reason, sizeof(msg.rst.reason), "%s", reason_name(why));
	session_push(s, &msg);
}

/*
 * The peer waits for something that we could not say: an end, or that it was all. It is not known
 * for which channels, so all of them end, there too, as soon as it gets a map whose number shows
 * the gap. There may be nothing else to say, and there may still be no memory for that.
 */
static void end_what_was_lost(struct session *s)
{
	s->control_lost = false;
	session_push_rst(s, UINT32_MAX, true, REASON_LIMIT); /* of no channel */
	if (!s->control_lost)
		session_end(s, REASON_LIMIT);
}

static void input_rst(struct session *s, const struct wire_rst *rst)
{
	struct channel *ch = channel_find(s, !rst->opener, rst->ccid);
	if (!ch)
		return;
	if (rst->text[0] != '\0' && !ch->text)
		ch->text = tt_strdup(s->mem, rst->text);
	enum close_reason why = reason_parse(rst->reason);
	channel_close(
		ch, why <= REASON_BOTH_CLOSE ? REASON_RESET : why); /* nothing orderly in it */
}

static void input_msg(struct session *s, struct wire_msg *msg, tt_time now)
{
	struct channel *ch;

	switch (msg->type) {
	case WIRE_SYN:
		session_input_syn(s, &msg->syn, now);
		break;
	case WIRE_ACK:
		session_input_ack(s, &msg->ack, now);
		break;
	case WIRE_RST:
		input_rst(s, &msg->rst);
		break;
	case WIRE_FIN:
		ch = channel_find(s, !msg->fin.opener, msg->fin.ccid);
		if (ch)
			channel_input_fin(ch, &msg->fin, now);
		break;
	case WIRE_END:
		ch = channel_find(s, !msg->end.opener, msg->end.ccid);
		if (ch)
			channel_input_end(ch, now);
		break;
	case WIRE_LISTEN:
		grants_input_listen(s, &msg->listen, now);
		break;
	case WIRE_LISTENING:
		asks_input_listening(s, &msg->listening);
		break;
	case WIRE_UNLISTEN:
		if (msg->unlisten.asker)
			grants_input_unlisten(s, &msg->unlisten);
		else
			asks_input_unlisten(s, &msg->unlisten, now);
		break;
	case WIRE_HELLO:
	case WIRE_UNKNOWN:
		break;
	}
}

static void input_numbered(struct session *s, struct wire_msg *msg, tt_time now)
{
	int rc = control_accept(&s->control, msg->n);

	if (rc == TT_EEXIST)
		return;
	if (rc == TT_EPROTO) {
		if (session_may_log(s, now))
			tt_error(s->log,
				"session: peer=%s control messages before %u are missing; its "
				"connections end",
				s->tag, msg->n);
		session_end(s, REASON_PROTOCOL_ERROR);
	}
	input_msg(s, msg, now);
}

static void drop_message(struct session *s, tt_time now)
{
	s->sum.limits[LIMIT_CONTROL]++;
	if (session_may_log(s, now))
		tt_warn(s->log,
			"control: peer=%s sends more than %d control messages a second; what is "
			"above that is dropped",
			s->tag, SESSION_CONTROL_RATE);
}

int session_control_input(struct session *s, const uint8_t *data, size_t len, tt_time now)
{
	struct wire_msg msg;

	while (len > 0) {
		if (!tt_ratelimit_take(&s->control_maps, now)) {
			drop_message(s, now);
			return TT_ELIMIT;
		}
		int n = wire_decode(data, len, &msg);
		if (n < 0) {
			s->sum.control_malformed++;
			if (session_may_log(s, now))
				tt_warn(s->log,
					"control: peer=%s sent a message that cannot be read",
					s->tag);
			return n;
		}
		data += n;
		len -= (size_t)n;
		s->sum.control_received++;
		if (msg.type == WIRE_HELLO)
			hello_input(s, &msg.hello, now);
		else if (hello_knows_sender(s))
			input_numbered(s, &msg, now);
	}
	return TT_OK;
}

size_t session_control_output(struct session *s, uint8_t *dst)
{
	if (s->path == LINK_DOWN)
		return 0;
	if (s->control_lost)
		end_what_was_lost(s);
	size_t n = hello_output(s, dst);
	/* Numbered maps wait for the peer's hello: only it tells whether they are for this process
	 * of the peer or for one that is gone. */
	if (s->peer_hello)
		n += control_peek(&s->control, dst + n, WIRE_MESSAGE_MAX - n);
	return n;
}

void session_control_sent(struct session *s, uint32_t receipt)
{
	hello_sent(s);
	if (s->peer_hello)
		control_sent(&s->control, receipt);
	s->sum.control_sent++;
}

void session_control_confirmed(struct session *s, uint32_t receipt)
{
	control_confirmed(&s->control, receipt);
}

bool session_control_idle(const struct session *s)
{
	return !s->hello_due && !s->control_lost && control_empty(&s->control);
}
