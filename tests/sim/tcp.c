#include "tcp.h"

#include <stdlib.h>
#include <string.h>

#include "tcp_int.h"
#include "tt_err.h"

#define ACK_WIRE 52u /* IPv4 20, TCP 20, timestamps 12 */
#define SACK_WIRE(n) (4u + 8u * (n))

struct tcp *tcp_new(const struct tcp_config *cfg)
{
	struct tcp *t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	t->cfg = *cfg;
	tcp_send_init(t);
	return t;
}

void tcp_free(struct tcp *t)
{
	free(t);
}

/* ---- the endpoint ---- */

static size_t put(uint8_t *dst, const struct tcp_packet *p)
{
	memcpy(dst, p, sizeof(*p));
	return sizeof(*p);
}

static int snd_input(void *user, const uint8_t *pkt, size_t len, tt_time now)
{
	struct tcp_packet p;
	memcpy(&p, pkt, sizeof(p));
	tcp_on_ack(user, &p, now);
	return TT_OK;
}

static size_t snd_output(void *user, uint8_t *dst, size_t cap, tt_time now)
{
	struct tcp_packet p;
	return tcp_put_segment(user, &p, now) ? put(dst, &p) : 0;
}

static tt_time snd_deadline(void *user)
{
	return tcp_send_deadline(user);
}

static int snd_on_deadline(void *user, tt_time now)
{
	tcp_send_on_deadline(user, now);
	return TT_OK;
}

static int rcv_input(void *user, const uint8_t *pkt, size_t len, tt_time now)
{
	struct tcp_packet p;
	memcpy(&p, pkt, sizeof(p));
	tcp_on_segment(user, &p, now);
	return TT_OK;
}

static size_t rcv_output(void *user, uint8_t *dst, size_t cap, tt_time now)
{
	struct tcp_packet p;
	return tcp_put_ack(user, &p) ? put(dst, &p) : 0;
}

static tt_time rcv_deadline(void *user)
{
	return ((struct tcp *)user)->rcv.ack_due ? 0 : TT_TIME_NEVER;
}

static int rcv_on_deadline(void *user, tt_time now)
{
	return TT_OK;
}

static tt_time no_app(void *user, tt_time now)
{
	return TT_TIME_NEVER;
}

static size_t wire(const uint8_t *pkt, size_t len)
{
	struct tcp_packet p;
	memcpy(&p, pkt, sizeof(p));
	if (!p.is_ack)
		return TCP_WIRE;
	return ACK_WIRE + (p.n_ranges ? SACK_WIRE(p.n_ranges) : 0);
}

struct sim_endpoint tcp_endpoint(struct tcp *t, int end)
{
	bool sends = end == t->cfg.from;
	return (struct sim_endpoint){.user = t,
		.input = sends ? snd_input : rcv_input,
		.output = sends ? snd_output : rcv_output,
		.deadline = sends ? snd_deadline : rcv_deadline,
		.on_deadline = sends ? snd_on_deadline : rcv_on_deadline,
		.app = no_app,
		.wire = wire};
}

void tcp_stats(const struct tcp *t, struct tcp_stats *out)
{
	*out = t->sum;
	out->cwnd = (uint32_t)t->snd.cc.cwnd;
	out->inflight = t->snd.inflight;
	out->pacing_rate = (uint64_t)(t->snd.cc.pacing * TCP_WIRE);
	out->srtt_us = t->snd.srtt;
	out->min_rtt_us = t->snd.min_rtt;
}
