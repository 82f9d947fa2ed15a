#include "link.h"
#include "link_int.h"

#include <string.h>

#include "tt_err.h"

/* kcp_new takes no MTU below 50, and the id byte comes on top. */
#define PACKET_MIN 51

#define PROBE_REQUEST 0
#define PROBE_REPLY 1
/* A reply that was held up for longer tells how long a router or a suspended peer kept it. */
#define PROBE_LATE TT_S(60)

/* While the nonce rule holds us back, one packet goes out each time this has passed, so that both
 * sides can find out that the path works again. */
#define UNHEARD_RETRY TT_MS(500)

/* Packets of another kind without an answer, after each of which a probe asks for one. */
#define FOREIGN_PROBE 1024u

int link_new(struct link **out, const struct link_config *cfg, tt_time now)
{
	size_t max = cfg->packet_max ? cfg->packet_max : LINK_PACKET_MAX;
	if (max > LINK_PACKET_MAX || max < PACKET_MIN)
		return TT_EINVAL;
	struct link *l = tt_calloc(cfg->mem, 1, sizeof(*l));
	if (!l)
		return TT_ENOMEM;
	l->mem = cfg->mem;
	l->pool = cfg->pool;
	l->log = cfg->log;
	l->hash_key = cfg->hash_key;
	l->bbr_seed = cfg->seed;
	l->mode = cfg->mode;
	l->packet_max = l->packet_limit = max;
	size_t buffer_max = cfg->buffer_max ? cfg->buffer_max : 64u << 20;
	l->snd_budget = (struct kcp_budget){.parent = cfg->snd_budget, .cap = buffer_max};
	l->rcv_budget = (struct kcp_budget){.parent = cfg->rcv_budget, .cap = buffer_max};
	l->now = now;
	tt_heap_init(&l->timers, l->mem);
	sched_init(&l->sched);
	link_recovery_init(l, now);
	link_silence_init(l);
	*out = l;
	return TT_OK;
}

void link_free(struct link *l)
{
	if (!l)
		return;
	tt_heap_clear(&l->timers);
	kcp_flight_free(&l->flight);
	tt_free(l->mem, l);
}

void link_set_packet_max(struct link *l, size_t bytes)
{
	if (!l->streams)
		l->packet_max = bytes < l->packet_limit ? bytes : l->packet_limit;
}

void link_set_sack(struct link *l, bool taken)
{
	l->sack = taken;
}

/* Its round trip, known before there is data, lets the first flight be paced. */
static void path_is_new(struct link *l, tt_time now)
{
	link_recovery_reset(l, now);
	l->probe_wanted = l->mode == TT_MODE_AUTO;
}

/* toxcore goes back and forth between UDP and its relays while one of them is uncertain. */
static void path_is_another(struct link *l, tt_time now)
{
	if (!link_recovery_switch(l, now))
		l->probe_wanted = l->mode == TT_MODE_AUTO;
}

void link_set_path(struct link *l, enum link_path path, tt_time now)
{
	enum link_path old = l->path;

	l->now = now;
	l->path = path;
	l->window = path == LINK_RELAYED ? LINK_WINDOW_RELAYED : LINK_WINDOW_DIRECT;
	if (path == LINK_DOWN) {
		l->reply_wanted = false; /* late, it would be a wrong measurement */
		link_silence_init(l);
	} else if (old == LINK_DOWN) {
		path_is_new(l, now);
	} else if (path != old) {
		path_is_another(l, now);
	}
	if (path == LINK_DOWN || old != LINK_DOWN)
		return;
	l->unheard = 0;
	for (struct link_stream *s = l->streams; s; s = s->hh.next) {
		kcp_resume(s->kcp, now);
		link_stream_update(s);
	}
}

/* A stream's turn is as long as the path takes it in 2 ms: in flight / RTT is the path's rate. */
#define TURN_US 2000

static void note_rtt(struct link *l, tt_time rtt)
{
	if (rtt == 0)
		return;
	l->srtt_us = l->srtt_us ? (7 * l->srtt_us + rtt) / 8 : rtt;
	sched_set_quantum(
		&l->sched, (uint64_t)l->inflight * l->packet_max * TURN_US / (l->srtt_us + 1));
}

static int input_probe(struct link *l, const uint8_t *pkt, size_t len, tt_time now)
{
	uint64_t sent_at = 0;

	if (len != LINK_PROBE_LEN)
		return TT_EPROTO;
	if (pkt[1] == PROBE_REQUEST) {
		memcpy(l->reply_cookie, pkt + 2, sizeof(l->reply_cookie));
		l->reply_wanted = true;
		return TT_OK;
	}
	if (pkt[1] != PROBE_REPLY)
		return TT_EPROTO;
	for (int i = 7; i >= 0; i--)
		sent_at = sent_at << 8 | pkt[2 + i];
	if (sent_at == 0 || sent_at > now)
		return TT_EPROTO;
	if (now - sent_at > PROBE_LATE)
		return TT_OK;
	if (sent_at > l->probe_sent_at) {
		l->probe_sent_at = sent_at;
		l->probe_rtt_us = now - sent_at;
	}
	note_rtt(l, now - sent_at);
	bbr_init_rtt(&l->m.bbr, now - sent_at, now);
	return TT_OK;
}

static void mark_ready(struct link_stream *s)
{
	struct link *l = s->link;
	if (s->ready)
		return;
	s->ready = true;
	s->ready_next = NULL;
	if (l->ready_tail)
		l->ready_tail->ready_next = s;
	else
		l->ready_head = s;
	l->ready_tail = s;
}

static int input_segments(struct link *l, const uint8_t *pkt, size_t len, tt_time now)
{
	int rc = TT_OK;

	while (len > 0) {
		uint32_t conv;
		int run = kcp_run_length(pkt, len, &conv);
		if (run < 0)
			return run;
		struct link_stream *s = link_stream_find(l, conv);
		if (s) {
			rc = kcp_input(s->kcp, pkt, (size_t)run, now);
			note_rtt(l, kcp_rtt_take(s->kcp));
			link_stream_update(s);
			mark_ready(s);
		} else {
			l->sum.unknown_conv++;
		}
		pkt += run;
		len -= (size_t)run;
	}
	return rc;
}

int link_input(struct link *l, const uint8_t *pkt, size_t len, tt_time now)
{
	int rc = TT_EPROTO;

	l->now = now;
	if (len >= 1 && pkt[0] == LINK_ID_KCP) {
		rc = input_segments(l, pkt + 1, len - 1, now);
		link_on_acks(l, now);
	}
	if (len >= 1 && pkt[0] == LINK_ID_PROBE)
		rc = input_probe(l, pkt, len, now);
	if (rc == TT_EPROTO) {
		l->sum.malformed++;
		return rc;
	}
	l->unheard = 0;
	link_silence_heard(l, pkt[0] == LINK_ID_KCP, now);
	l->sum.packets_received++;
	l->sum.network_received += tt_packet_network(len);
	return TT_OK;
}

static size_t put_probe(uint8_t *dst, uint8_t kind, const uint8_t cookie[8])
{
	dst[0] = LINK_ID_PROBE;
	dst[1] = kind;
	memcpy(dst + 2, cookie, 8);
	return LINK_PROBE_LEN;
}

static size_t output_probe(struct link *l, uint8_t *dst, tt_time now)
{
	if (l->reply_wanted) {
		l->reply_wanted = false;
		return put_probe(dst, PROBE_REPLY, l->reply_cookie);
	}
	if (l->probe_wanted) {
		uint8_t cookie[8];
		l->probe_wanted = false;
		for (int i = 0; i < 8; i++)
			cookie[i] = (uint8_t)(now >> (8 * i));
		return put_probe(dst, PROBE_REQUEST, cookie);
	}
	return 0;
}

static struct link_stream *stream_of(struct sched_entry *e)
{
	return e ? (struct link_stream *)((char *)e - offsetof(struct link_stream, sched)) : NULL;
}

/* Fills dst with what is urgent; a stream whose segments do not fit any more ends the packet. */
static size_t output_urgent(struct link *l, uint8_t *dst, size_t cap, tt_time now)
{
	size_t n = 0;
	struct link_stream *s;

	while ((s = stream_of(sched_first_urgent(&l->sched)))) {
		size_t got = kcp_output_some(s->kcp, dst + n, cap - n, KCP_DUE_URGENT, now);
		n += got;
		link_stream_update(s);
		if (s->sched.urgent.list) {
			/* More of it than fits: the others' turn in the next packet. One that got
			 * nothing keeps its place, or small ACKs could pass a repeat for ever. */
			if (got > 0)
				sched_rotate_urgent(&l->sched, &s->sched);
			break;
		}
	}
	return n;
}

static size_t output_data(struct link *l, uint8_t *dst, size_t cap, tt_time now)
{
	uint32_t first = l->flight.next;
	size_t n = 0;

	while (link_may_send_data(l, now) && cap - n > KCP_HEADER) {
		struct link_stream *s = stream_of(sched_first_data(&l->sched));
		if (!s)
			break;
		bool low = kcp_send_low(s->kcp);
		size_t got = kcp_output_some(s->kcp, dst + n, cap - n, KCP_DUE_DATA, now);
		n += got;
		if (!low && kcp_send_low(s->kcp))
			mark_ready(s);
		sched_charge(&s->sched, got);
		link_stream_update(s);
		if (got == 0)
			break; /* its next segment does not fit into what is left of this packet */
	}
	if (l->flight.next != first)
		link_on_data_sent(l, first, now);
	return n;
}

static bool nonce_rule_stops(const struct link *l, tt_time now)
{
	return l->unheard >= LINK_UNHEARD_MAX && now < l->unheard_retry;
}

static void count_unheard(struct link *l, tt_time now)
{
	l->unheard++;
	if (l->unheard < LINK_UNHEARD_MAX)
		return;
	if (l->unheard == LINK_UNHEARD_MAX)
		l->sum.nonce_stalls++;
	l->unheard_retry = now + UNHEARD_RETRY;
}

size_t link_output(struct link *l, uint8_t *dst, tt_time now)
{
	l->now = now;
	if (l->path == LINK_DOWN || nonce_rule_stops(l, now))
		return 0;
	size_t n = output_probe(l, dst, now);
	if (n == 0) {
		dst[0] = LINK_ID_KCP;
		n = 1;
		n += output_urgent(l, dst + n, l->packet_max - n, now);
		n += link_output_copies(l, dst + n, l->packet_max - n, now);
		n += output_data(l, dst + n, l->packet_max - n, now);
		if (n == 1) {
			link_ran_dry(l, now);
			return 0;
		}
		link_silence_sent(l, now);
	}
	l->sum.packets_sent++;
	l->sum.bytes_sent += n;
	l->sum.network_sent += tt_packet_network(n);
	twice_on_packet(&l->m.twice, n);
	count_unheard(l, now);
	return n;
}

tt_time link_foreign_at(const struct link *l, tt_time now)
{
	if (l->path == LINK_DOWN)
		return TT_TIME_NEVER;
	return nonce_rule_stops(l, now) ? l->unheard_retry : 0;
}

void link_foreign_sent(struct link *l, size_t len, tt_time now)
{
	count_unheard(l, now);
	link_on_foreign_sent(l, len, now);
	/* Nothing acknowledges them: now and then the peer is asked for a sign of life. */
	if (l->unheard % FOREIGN_PROBE == 0)
		l->probe_wanted = true;
}

void link_foreign_received(struct link *l, tt_time now)
{
	l->unheard = 0;
	link_silence_heard(l, true, now);
}

/* When the next packet can be made, if nothing happens before. */
static tt_time output_at(const struct link *l)
{
	tt_time at = TT_TIME_NEVER;

	if (l->probe_wanted || l->reply_wanted || sched_first_urgent(&l->sched))
		at = 0;
	else if (sched_has_data(&l->sched))
		at = link_may_send_data_at(l);
	at = tt_time_min(at, twice_at(&l->m.twice));
	if (l->unheard >= LINK_UNHEARD_MAX && at < l->unheard_retry)
		at = l->unheard_retry;
	return at;
}

tt_time link_deadline(struct link *l)
{
	if (l->path == LINK_DOWN)
		return TT_TIME_NEVER;
	tt_time at = tt_time_min(output_at(l), link_recovery_deadline(l));
	at = tt_time_min(at, tt_heap_deadline(&l->timers));
	return tt_time_min(at, link_silence_deadline(l));
}

void link_on_deadline(struct link *l, tt_time now)
{
	l->now = now;
	if (l->path == LINK_DOWN)
		return;
	while (tt_heap_deadline(&l->timers) <= now) {
		struct tt_heap_node *node = tt_heap_first(&l->timers);
		struct link_stream *s =
			(struct link_stream *)((char *)node - offsetof(struct link_stream, timer));
		kcp_on_deadline(s->kcp, now);
		link_stream_update(s);
	}
	link_recovery_on_deadline(l, now);
	link_silence_on_deadline(l, now);
}

void link_probe(struct link *l)
{
	l->probe_wanted = true;
}

tt_time link_probe_rtt(const struct link *l, tt_time *sent_at)
{
	*sent_at = l->probe_sent_at;
	return l->probe_rtt_us;
}

void *link_ready_next(struct link *l)
{
	struct link_stream *s = l->ready_head;
	if (!s)
		return NULL;
	l->ready_head = s->ready_next;
	if (!l->ready_head)
		l->ready_tail = NULL;
	s->ready = false;
	return s->user;
}
