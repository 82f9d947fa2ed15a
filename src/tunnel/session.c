/* One peer: path, hello, dispatch of control maps, timers. */
#include "session.h"
#include "tunnel_int.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tt_err.h"

/* src/link knows nothing of src/wire, whose list of packet ids is the whole one. */
_Static_assert(LINK_ID_KCP == WIRE_ID_KCP && LINK_ID_PROBE == WIRE_ID_PROBE, "packet ids");

/* Log lines that one peer can cause: so many at once, then one every so often. */
#define LOG_BURST 10
#define LOG_INTERVAL TT_S(5)
#define HELLO_INTERVAL TT_S(1)
/* Packets of datagrams that leave before the streams have a turn: datagrams are more urgent, but a
 * flood of them must not keep the acknowledgements of a download for ever. */
#define DGRAM_RUN_MAX 4

static void fill_defaults(struct session_config *cfg)
{
	if (!cfg->channels_max)
		cfg->channels_max = SESSION_CHANNELS_MAX;
	if (!cfg->connect_timeout_us)
		cfg->connect_timeout_us = SESSION_CONNECT_TIMEOUT;
	if (!cfg->udp_timeout_us)
		cfg->udp_timeout_us = SESSION_UDP_TIMEOUT;
	if (!cfg->resume_timeout_us)
		cfg->resume_timeout_us = SESSION_RESUME_TIMEOUT;
}

int session_new(struct session **out, const struct session_config *cfg, tt_time now)
{
	struct session *s = tt_calloc(cfg->mem, 1, sizeof(*s));
	if (!s)
		return TT_ENOMEM;
	s->mem = cfg->mem;
	s->log = cfg->log;
	s->cfg = *cfg;
	fill_defaults(&s->cfg);
	wire_text_copy(s->name, sizeof(s->name), cfg->name ? cfg->name : "");
	tt_key_short(cfg->peer_key, s->tag);
	s->conv_bit = memcmp(cfg->self_key, cfg->peer_key, TT_KEY_LEN) > 0 ? 0x80000000u : 0;
	s->offline_since = now;
	s->resume_at = s->ask_again_at = s->hellos_at = TT_TIME_NEVER;
	s->log_lines = (struct tt_ratelimit){.burst = LOG_BURST, .interval_us = LOG_INTERVAL};
	s->hellos =
		(struct tt_ratelimit){.burst = SESSION_HELLO_BURST, .interval_us = HELLO_INTERVAL};
	s->control_maps = (struct tt_ratelimit){
		.burst = SESSION_CONTROL_BURST, .interval_us = TT_S(1) / SESSION_CONTROL_RATE};
	s->openings = (struct tt_ratelimit){
		.burst = SESSION_OPEN_BURST, .interval_us = TT_S(1) / SESSION_OPEN_RATE};
	control_init(&s->control, s->mem);
	tt_heap_init(&s->timers, s->mem);
	dgrams_init(&s->dgrams, s->mem, &cfg->hash_key, cfg->snd_budget, cfg->rcv_budget);
	s->packet_max = LINK_PACKET_MAX;
	struct link_config lc = {.mode = cfg->mode,
		.snd_budget = cfg->snd_budget,
		.rcv_budget = cfg->rcv_budget,
		.mem = s->mem,
		.pool = cfg->pool,
		.log = s->log,
		.hash_key = cfg->hash_key};
	int rc = link_new(&s->link, &lc, now);
	if (rc != TT_OK) {
		tt_free(s->mem, s);
		return rc;
	}
	*out = s;
	return TT_OK;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	struct channel *ch, *next;
	DL_FOREACH_SAFE (s->all, ch, next) {
		if (ch->state != CHANNEL_CLOSED)
			channel_close(ch, REASON_SHUTDOWN);
		channel_release(ch);
	}
	asks_free(s);
	grants_free(s);
	link_free(s->link);
	dgrams_clear(&s->dgrams);
	control_clear(&s->control);
	tt_heap_clear(&s->timers);
	tt_free(s->mem, s);
}

void session_end(struct session *s, enum close_reason why)
{
	struct channel *ch;
	DL_FOREACH (s->all, ch) {
		if (ch->state != CHANNEL_CLOSED)
			channel_reset(ch, why);
	}
	grants_end(s, why, true);
}

/* The peer has been away for too long. A channel that needs nothing more from it goes on, or bytes
 * that have arrived would be lost because our application is slow. */
static void give_up(struct session *s)
{
	struct channel *ch;
	s->resume_at = TT_TIME_NEVER;
	DL_FOREACH (s->all, ch) {
		if (ch->state != CHANNEL_CLOSED && !channel_is_complete(ch))
			channel_reset(ch, REASON_RESUME_TIMEOUT);
	}
	grants_end(s, REASON_RESUME_TIMEOUT, false); /* it asks again when it is back */
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

/* Time that the peer was away does not count as idle. */
static void shift_idle(struct session *s, tt_time away, tt_time now)
{
	struct channel *ch;
	DL_FOREACH (s->all, ch) {
		ch->active_at = tt_time_min(ch->active_at + away, now);
	}
}

/* Says hello, or once more with what is new in it. While the peer is away it gets one anyway. */
static void greet(struct session *s)
{
	s->hello_due = s->path != LINK_DOWN && (s->peer_hello || !s->cfg.await_hello);
	s->hello_peeked = false;
}

/* Nothing need wait where the limit allows a hello at once. */
static void wait_for_hellos(struct session *s, tt_time now)
{
	tt_time at = tt_ratelimit_next(&s->hellos, now);

	s->hellos_at = at > now || s->hello_kept ? at : TT_TIME_NEVER;
}

void session_path(struct session *s, enum link_path path, tt_time now)
{
	enum link_path old = s->path;

	s->path = path;
	link_set_path(s->link, path, now);
	if (path == LINK_DOWN) {
		s->peer_hello = false;
		s->hello_due = s->hello_peeked = s->hello_kept = false;
		s->hellos_at = TT_TIME_NEVER;
		asks_forget(s);
		if (old != LINK_DOWN) {
			s->offline_since = now;
			s->resume_at = now + s->cfg.resume_timeout_us;
		}
	} else if (old == LINK_DOWN) {
		shift_idle(s, tt_time_since(now, s->offline_since), now);
		s->resume_at = TT_TIME_NEVER;
		s->offline_since = TT_TIME_NEVER;
		greet(s);
		wait_for_hellos(s, now);
		control_rewind(&s->control);
		link_probe(s->link);
	}
}

bool session_ready(const struct session *s)
{
	return s->path != LINK_DOWN && s->peer_hello;
}

void session_drain(struct session *s)
{
	s->draining = true;
	grants_end(s, REASON_SHUTDOWN, true);
}

bool session_may_log(struct session *s, tt_time now)
{
	uint32_t missing = s->log_lines.suppressed;

	if (!tt_ratelimit_take(&s->log_lines, now)) {
		s->sum.limits[LIMIT_LOG]++;
		return false;
	}
	if (missing)
		tt_warn(s->log, "session: peer=%s %u more lines about it were not logged", s->tag,
			missing);
	s->log_lines.suppressed = 0;
	return true;
}

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

/* In constant time: where two proofs differ is nobody's business. */
static bool proof_holds(const struct session *s)
{
	uint8_t differ = 0;

	if (!s->cfg.need_proof)
		return true;
	for (size_t i = 0; i < WIRE_PROOF_LEN; i++)
		differ |= s->said_proof[i] ^ s->cfg.peer_proof[i];
	return s->said_has_proof && differ == 0;
}

/* Judges what the peer said last; true when it is not served for want of the secret. */
static bool lacks_proof(struct session *s)
{
	s->peer_proved = proof_holds(s);
	return !s->peer_proved && s->cfg.accept;
}

static void warn_unproved(const struct session *s)
{
	tt_warn(s->log, "session: peer=%s does not know the secret and is not served", s->tag);
}

void session_reconfigure(struct session *s, const struct session_config *cfg)
{
	struct session_config *own = &s->cfg;
	char name[sizeof(s->name)];

	bool awaited = own->await_hello && !cfg->await_hello;
	own->await_hello = cfg->await_hello;
	wire_text_copy(name, sizeof(name), cfg->name ? cfg->name : "");
	if (awaited || strcmp(name, s->name) != 0 || cfg->has_proof != own->has_proof ||
		memcmp(cfg->proof, own->proof, WIRE_PROOF_LEN) != 0)
		greet(s);
	memcpy(s->name, name, sizeof(name));
	own->accept = cfg->accept;
	own->rules = cfg->rules;
	own->n_rules = cfg->n_rules;
	own->listens = cfg->listens;
	own->n_listens = cfg->n_listens;
	own->bench = cfg->bench;
	own->channels_max = cfg->channels_max;
	own->has_proof = cfg->has_proof;
	own->need_proof = cfg->need_proof;
	memcpy(own->proof, cfg->proof, WIRE_PROOF_LEN);
	memcpy(own->peer_proof, cfg->peer_proof, WIRE_PROOF_LEN);
	own->connect_timeout_us = cfg->connect_timeout_us;
	own->idle_timeout_us = cfg->idle_timeout_us;
	own->udp_timeout_us = cfg->udp_timeout_us;
	own->resume_timeout_us = cfg->resume_timeout_us;
	fill_defaults(own);
	if (lacks_proof(s) && s->peer_hello)
		warn_unproved(s);
	grants_judge_again(s);
	if (own->n_listens > 0) /* what was refused may be allowed now: the peer asks again */
		greet(s);
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
		greet(s);
}

/* The limit does not allow it yet, and the peer will not say it again. */
static void keep_hello(struct session *s, const struct wire_hello *h, tt_time now)
{
	s->sum.limits[LIMIT_HELLOS]++;
	s->kept_hello = *h;
	s->hello_kept = true;
	wait_for_hellos(s, now);
	if (is_restarted(s, h)) /* what we have to say is for a process that is gone */
		s->peer_hello = false;
}

static void input_hello(struct session *s, const struct wire_hello *newest, tt_time now)
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

static void hellos_on_deadline(struct session *s, tt_time now)
{
	if (now < s->hellos_at)
		return;
	s->hellos_at = TT_TIME_NEVER; /* ours may go */
	if (s->hello_kept)
		input_hello(s, &s->kept_hello, now);
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

/* Maps follow their sender's hello, and are numbered for it. */
static bool is_known_sender(const struct session *s)
{
	return s->knows_peer && !(s->hello_kept && is_restarted(s, &s->kept_hello));
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
			input_hello(s, &msg.hello, now);
		else if (is_known_sender(s))
			input_numbered(s, &msg, now);
	}
	return TT_OK;
}

static size_t put_hello(struct session *s, uint8_t *dst, size_t cap)
{
	struct wire_msg msg = {.type = WIRE_HELLO,
		.hello = {.version = WIRE_VERSION,
			.caps = WIRE_CAP_FAST_OPEN | WIRE_CAP_SACK | WIRE_CAP_BENCH | WIRE_CAP_UDP |
				WIRE_CAP_LISTEN,
			.packet_max = LINK_PACKET_MAX,
			.seen = s->peer_hello,
			.has_proof = s->cfg.has_proof}};

	memcpy(msg.hello.inst, s->cfg.inst, WIRE_INST_LEN);
	memcpy(msg.hello.proof, s->cfg.proof, WIRE_PROOF_LEN);
	memcpy(msg.hello.name, s->name, sizeof(msg.hello.name));
	int n = wire_encode(&msg, dst, cap);
	assert(n > 0);
	return (size_t)n;
}

/* The peer's maps come after our hello, so that hello waits until the peer's can be taken. */
static bool may_say_hello(const struct session *s)
{
	return s->peer_hello || s->hellos_at == TT_TIME_NEVER;
}

size_t session_control_output(struct session *s, uint8_t *dst)
{
	size_t n = 0;

	if (s->path == LINK_DOWN)
		return 0;
	if (s->control_lost)
		end_what_was_lost(s);
	s->hello_peeked = s->hello_due && may_say_hello(s);
	if (s->hello_peeked)
		n = put_hello(s, dst, WIRE_MESSAGE_MAX);
	/* Numbered maps wait for the peer's hello: only it tells whether they are for this process
	 * of the peer or for one that is gone. */
	if (s->peer_hello)
		n += control_peek(&s->control, dst + n, WIRE_MESSAGE_MAX - n);
	return n;
}

void session_control_sent(struct session *s, uint32_t receipt)
{
	if (s->hello_peeked)
		s->hello_due = false;
	s->hello_peeked = false;
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

/* Streams with news: their channels may have bytes to move, or be done. */
static void collect_ready(struct session *s, tt_time now)
{
	struct channel *ch;

	while ((ch = link_ready_next(s->link))) {
		channel_note_acked(ch, now);
		channel_progress(ch, now);
		if (ch->state == CHANNEL_OPEN ||
			(ch->state == CHANNEL_OPENING && ch->out == HALF_OPEN))
			channel_want(ch, ACTION_READY);
	}
}

int session_packet_input(struct session *s, const uint8_t *pkt, size_t len, tt_time now)
{
	if (len > 0 && pkt[0] == WIRE_ID_DGRAM)
		return session_dgram_input(s, pkt, len, now);
	int rc = link_input(s->link, pkt, len, now);
	collect_ready(s, now);
	return rc;
}

size_t session_packet_output(struct session *s, uint8_t *dst, tt_time now)
{
	size_t n = s->dgram_run < DGRAM_RUN_MAX ? session_dgram_output(s, dst, now) : 0;
	if (n > 0) {
		s->dgram_run++;
		return n;
	}
	s->dgram_run = 0;
	n = link_output(s->link, dst, now);
	/* What has just left may have been the last that a stream had, with more in its socket. */
	if (n == 0)
		collect_ready(s, now);
	return n > 0 ? n : session_dgram_output(s, dst, now);
}

tt_time session_deadline(const struct session *s)
{
	tt_time d = tt_time_min(link_deadline(s->link), tt_heap_deadline(&s->timers));
	d = tt_time_min(d, session_dgram_deadline(s));
	d = tt_time_min(d, s->ask_again_at);
	d = tt_time_min(d, s->hellos_at);
	if (s->sum.active > 0 || s->grants)
		d = tt_time_min(d, s->resume_at);
	return d;
}

void session_on_deadline(struct session *s, tt_time now)
{
	dgrams_on_deadline(&s->dgrams, now);
	while (tt_heap_deadline(&s->timers) <= now) {
		struct tt_heap_node *node = tt_heap_first(&s->timers);
		channel_on_timer(
			(struct channel *)((char *)node - offsetof(struct channel, timer)), now);
	}
	hellos_on_deadline(s, now);
	asks_on_deadline(s, now);
	if (now >= s->resume_at)
		give_up(s);
	/* Last: a channel that ends takes what the link was about to repeat with it, and the link
	 * must then repeat something else. */
	link_on_deadline(s->link, now);
}

struct link *session_link(struct session *s)
{
	return s->link;
}

void session_each_channel(
	const struct session *s, void (*each)(void *user, const struct channel *ch), void *user)
{
	for (const struct channel *ch = s->all; ch; ch = ch->next) {
		if (ch->state != CHANNEL_CLOSED)
			each(user, ch);
	}
}

static uint64_t rate_of(uint64_t bytes, tt_time us)
{
	return us ? bytes * TT_S(1) / us : 0;
}

void session_sample(struct session *s, tt_time now)
{
	tt_time us = tt_time_since(now, s->sampled_at);

	for (struct channel *ch = s->all; ch; ch = ch->next) {
		ch->rate_in = rate_of(ch->in_bytes - ch->sampled_in, us);
		ch->rate_out = rate_of(ch->out_bytes - ch->sampled_out, us);
		ch->sampled_in = ch->in_bytes;
		ch->sampled_out = ch->out_bytes;
	}
	s->sampled_at = now;
}

void session_stats(const struct session *s, struct session_stats *out)
{
	*out = s->sum;
	out->active -= s->flows[false] + s->flows[true];
	dgrams_stats(&s->dgrams, &out->udp);
	out->online = session_ready(s);
	memcpy(out->peer_name, s->peer_name, sizeof(out->peer_name));
}
