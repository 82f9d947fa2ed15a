/* One peer: its path, its configuration, packets and timers. */
#include "session.h"
#include "tunnel_int.h"

#include <string.h>

#include "tt_err.h"

/* src/link knows nothing of src/wire, whose list of packet ids is the whole one. */
_Static_assert(LINK_ID_KCP == WIRE_ID_KCP && LINK_ID_PROBE == WIRE_ID_PROBE, "packet ids");

/* Log lines that one peer can cause: so many at once, then one every so often. */
#define LOG_BURST 10
#define LOG_INTERVAL TT_S(5)
/* Packets of datagrams that leave before the streams have a turn: datagrams are more urgent, but a
 * flood of them must not keep the acknowledgements of a download for ever. */
#define DGRAM_RUN_MAX 4

static void take_terms(struct session *s, const struct session_terms *terms)
{
	struct session_terms *own = &s->cfg.terms;

	wire_text_copy(s->name, sizeof(s->name), terms->name ? terms->name : "");
	*own = *terms;
	own->name = s->name;
	if (!own->channels_max)
		own->channels_max = SESSION_CHANNELS_MAX;
	if (!own->connect_timeout_us)
		own->connect_timeout_us = SESSION_CONNECT_TIMEOUT;
	if (!own->udp_timeout_us)
		own->udp_timeout_us = SESSION_UDP_TIMEOUT;
	if (!own->resume_timeout_us)
		own->resume_timeout_us = SESSION_RESUME_TIMEOUT;
}

int session_new(struct session **out, const struct session_config *cfg, tt_time now)
{
	struct session *s = tt_calloc(cfg->mem, 1, sizeof(*s));
	if (!s)
		return TT_ENOMEM;
	s->mem = cfg->mem;
	s->log = cfg->log;
	s->cfg = *cfg;
	take_terms(s, &cfg->terms);
	tt_key_short(cfg->peer_key, s->tag);
	s->conv_bit = memcmp(cfg->self_key, cfg->peer_key, TT_KEY_LEN) > 0 ? 0x80000000u : 0;
	s->offline_since = now;
	s->resume_at = s->ask_again_at = TT_TIME_NEVER;
	s->log_lines = (struct tt_ratelimit){.burst = LOG_BURST, .interval_us = LOG_INTERVAL};
	s->control_maps = (struct tt_ratelimit){
		.burst = SESSION_CONTROL_BURST, .interval_us = TT_S(1) / SESSION_CONTROL_RATE};
	s->openings = (struct tt_ratelimit){
		.burst = SESSION_OPEN_BURST, .interval_us = TT_S(1) / SESSION_OPEN_RATE};
	hello_init(s);
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
		.hash_key = cfg->hash_key,
		.seed = cfg->seed};
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

/* The peer asked for it, by opening it or by the listener here that it is of. */
static bool is_served(const struct channel *ch)
{
	return ch->opener == ch->reverse;
}

static void end_channels(struct session *s, enum close_reason why, bool ours)
{
	struct channel *ch;
	DL_FOREACH (s->all, ch) {
		if (ch->state != CHANNEL_CLOSED && (ours || is_served(ch)))
			channel_reset(ch, why);
	}
	grants_end(s, why, true);
}

void session_end(struct session *s, enum close_reason why)
{
	end_channels(s, why, true);
}

void session_end_served(struct session *s, enum close_reason why)
{
	end_channels(s, why, false);
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

/* Time that the peer was away does not count as idle. */
static void shift_idle(struct session *s, tt_time away, tt_time now)
{
	struct channel *ch;
	DL_FOREACH (s->all, ch) {
		ch->active_at = tt_time_min(ch->active_at + away, now);
	}
}

void session_path(struct session *s, enum link_path path, tt_time now)
{
	enum link_path old = s->path;

	s->path = path;
	link_set_path(s->link, path, now);
	if (path == LINK_DOWN) {
		hello_on_offline(s);
		asks_forget(s);
		if (old != LINK_DOWN) {
			s->offline_since = now;
			s->resume_at = now + s->cfg.terms.resume_timeout_us;
		}
	} else if (old == LINK_DOWN) {
		shift_idle(s, tt_time_since(now, s->offline_since), now);
		s->resume_at = TT_TIME_NEVER;
		s->offline_since = TT_TIME_NEVER;
		hello_on_online(s, now);
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

/* Whether the peer should hear a hello with these terms. */
static bool should_greet(const struct session *s, const struct session_terms *terms)
{
	const struct session_terms *own = &s->cfg.terms;
	char name[sizeof(s->name)];

	wire_text_copy(name, sizeof(name), terms->name ? terms->name : "");
	if (strcmp(name, s->name) != 0 || terms->has_proof != own->has_proof ||
		memcmp(terms->proof, own->proof, WIRE_PROOF_LEN) != 0)
		return true;
	/* Nothing was said yet; or a listener that was refused may be allowed now, and the peer
	 * asks again when it hears a hello. */
	return (own->await_hello && !terms->await_hello) || terms->n_listens > 0;
}

void session_reconfigure(struct session *s, const struct session_terms *terms)
{
	bool greet = should_greet(s, terms);

	take_terms(s, terms);
	hello_judge_again(s);
	grants_judge_again(s);
	if (greet)
		hello_say(s);
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
	hello_on_deadline(s, now);
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
