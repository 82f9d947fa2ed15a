#include "host.h"

#include <stdlib.h>

#include "content.h"
#include "tt_err.h"

#define FIRST_CONV 1000
#define IOVS 8

/* toxcore's data packet: 1 id, 2 of the nonce, 16 of the MAC, 8 of counters, and what is sent
 * padded to the next size that is 1,373 modulo 8 (send_data_packet_helper); then UDP 8 and IPv4 20.
 */
#define TOX_OVERHEAD 27
#define TOX_PADDING 8
#define UDP_IPV4 28

size_t tox_wire(const uint8_t *pkt, size_t len)
{
	(void)pkt;
	return len + TOX_OVERHEAD + (LINK_PACKET_MAX - len) % TOX_PADDING + UDP_IPV4;
}

/* ---- life ---- */

static void *alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);
	if (!p)
		abort();
	return p;
}

static void host_init(struct hosts *h, int index)
{
	struct host *x = &h->host[index];
	struct sim_rng seeds = {.state = h->cfg.seed * 2 + (uint64_t)index};
	struct link_config lc = {.mode = h->cfg.mode, .seed = sim_rng_next(&seeds)};
	size_t n = 0;

	*x = (struct host){.both = h, .index = index, .next_at = h->cfg.start};
	x->channel = alloc(h->n_channels + 1, sizeof(*x->channel));
	for (size_t i = 0; i < h->cfg.n_loads; i++) {
		const struct load *l = &h->cfg.load[i];
		for (unsigned j = 0; j < (l->channels ? l->channels : 1); j++, n++)
			x->channel[n] = (struct host_channel){.load = l,
				.opener = l->from == index,
				.conv = (uint32_t)(FIRST_CONV + n),
				.next_at = h->cfg.start + l->start_us};
	}
	if (link_new(&x->link, &lc, h->cfg.start) != TT_OK)
		abort();
	x->path = LINK_DIRECT;
	link_set_sack(x->link, true);
	link_set_path(x->link, x->path, h->cfg.start);
}

struct hosts *hosts_new(const struct hosts_config *cfg)
{
	struct hosts *h = alloc(1, sizeof(*h));
	h->cfg = *cfg;
	h->rng.state = cfg->seed;
	for (size_t i = 0; i < cfg->n_loads; i++) {
		const struct load *l = &cfg->load[i];
		size_t n = l->channels ? l->channels : 1;
		h->n_channels += n;
		if (l->kind == LOAD_BULK && l->bytes > 0)
			h->unfinished += n;
	}
	for (int i = 0; i < 2; i++)
		host_init(h, i);
	return h;
}

void hosts_free(struct hosts *h)
{
	if (!h)
		return;
	for (int i = 0; i < 2; i++) {
		struct host *x = &h->host[i];
		for (size_t n = 0; n < h->n_channels; n++)
			link_stream_free(x->channel[n].stream);
		link_free(x->link);
		free(x->channel);
	}
	free(h);
}

/* ---- applications ---- */

/* Each direction of a channel has its own bytes. */
static uint64_t content_key(const struct host *x, const struct host_channel *c, bool mine)
{
	int writer = mine ? x->index : !x->index;
	return x->both->cfg.seed * 1000003 +
	       ((uint64_t)c->conv * 2 + (unsigned)writer) * (1ull << 40);
}

static void write_some(struct host *x, struct host_channel *c)
{
	uint64_t key = content_key(x, c, true);
	struct iovec v[IOVS];
	int n;

	while (c->sent < c->to_send && (n = link_stream_send_reserve(c->stream, v, IOVS,
						(size_t)(c->to_send - c->sent))) > 0) {
		size_t len = 0;
		for (int i = 0; i < n; i++) {
			content_fill(v[i].iov_base, v[i].iov_len, key, c->sent + len);
			len += v[i].iov_len;
		}
		link_stream_send_commit(c->stream, len);
		c->sent += len;
	}
}

static void on_received(struct host *x, struct host_channel *c, tt_time now)
{
	const struct load *l = c->load;
	struct hosts *h = x->both;

	if (l->kind == LOAD_PING && c->opener) {
		for (; c->received >= (c->answered + 1) * l->bytes; c->answered++)
			sim_hist_add(&h->ping, now - c->asked_at[c->answered % HOST_ASKED]);
	} else if (l->kind == LOAD_PING) {
		c->to_send = c->received / l->bytes * l->bytes;
	} else if (l->kind == LOAD_BULK && l->bytes > 0 && c->received == l->bytes) {
		if (--h->unfinished == 0)
			h->finished_at = now;
	}
}

static void read_some(struct host *x, struct host_channel *c, tt_time now)
{
	uint64_t key = content_key(x, c, false), before = c->received;
	struct iovec v[IOVS];
	int n;

	while ((n = link_stream_recv_peek(c->stream, v, IOVS)) > 0) {
		size_t len = 0;
		for (int i = 0; i < n; i++) {
			c->bad +=
				content_errors(v[i].iov_base, v[i].iov_len, key, c->received + len);
			len += v[i].iov_len;
		}
		c->received += len;
		link_stream_recv_consume(c->stream, len);
	}
	if (c->received > before)
		on_received(x, c, now);
}

static void ask(struct hosts *h, struct host_channel *c, tt_time now)
{
	if (c->asked - c->answered == HOST_ASKED) {
		h->pings_skipped++;
		return;
	}
	c->asked_at[c->asked++ % HOST_ASKED] = now;
	c->to_send += c->load->bytes;
}

/* It starts, or its period is over. */
static void on_time(struct host *x, struct host_channel *c, tt_time now)
{
	const struct load *l = c->load;

	if (!c->stream && link_stream_new(&c->stream, x->link, c->conv, c, now) != TT_OK)
		abort();
	c->next_at = TT_TIME_NEVER;
	if (!c->opener)
		return;
	if (l->kind == LOAD_BULK) {
		c->to_send = l->bytes ? l->bytes : UINT64_MAX;
	} else if (l->kind == LOAD_BURST) {
		c->to_send += l->bytes;
		c->next_at = now + l->period_us;
	} else {
		ask(x->both, c, now);
		/* Half to one and a half, lest it keeps step with something else. */
		c->next_at =
			now + l->period_us / 2 + 1 + sim_rng_below(&x->both->rng, l->period_us);
	}
	write_some(x, c);
}

static void run_timed(struct host *x, tt_time now)
{
	const struct hosts_config *cfg = &x->both->cfg;

	while (x->paths_seen < cfg->n_paths && cfg->start + cfg->path[x->paths_seen].at <= now) {
		x->path = cfg->path[x->paths_seen++].path;
		link_set_path(x->link, x->path, now);
	}
	x->next_at = x->paths_seen < cfg->n_paths ? cfg->start + cfg->path[x->paths_seen].at
						  : TT_TIME_NEVER;
	for (size_t i = 0; i < x->both->n_channels; i++) {
		struct host_channel *c = &x->channel[i];
		if (c->next_at <= now)
			on_time(x, c, now);
		x->next_at = tt_time_min(x->next_at, c->next_at);
	}
}

static tt_time host_app(void *user, tt_time now)
{
	struct host *x = user;
	struct host_channel *c;

	if (x->next_at <= now)
		run_timed(x, now);
	while ((c = link_ready_next(x->link))) {
		read_some(x, c, now);
		write_some(x, c);
	}
	return x->next_at;
}

/* ---- the endpoint ---- */

static int host_input(void *user, const uint8_t *pkt, size_t len, tt_time now)
{
	struct host *x = user;
	return x->path == LINK_DOWN ? TT_OK : link_input(x->link, pkt, len, now);
}

static size_t host_output(void *user, uint8_t *dst, size_t cap, tt_time now)
{
	struct host *x = user;
	(void)cap; /* SIM_PACKET_MAX, which is more than LINK_PACKET_MAX */
	return link_output(x->link, dst, now);
}

static tt_time host_deadline(void *user)
{
	struct host *x = user;
	return link_deadline(x->link);
}

static int host_on_deadline(void *user, tt_time now)
{
	struct host *x = user;
	link_on_deadline(x->link, now);
	return TT_OK;
}

struct sim_endpoint hosts_endpoint(struct hosts *h, int end)
{
	return (struct sim_endpoint){.user = &h->host[end],
		.input = host_input,
		.output = host_output,
		.deadline = host_deadline,
		.on_deadline = host_on_deadline,
		.app = host_app,
		.wire = tox_wire};
}

uint64_t hosts_received(const struct hosts *h, int end)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < h->n_channels; i++) {
		const struct host_channel *c = &h->host[end].channel[i];
		if (c->load->kind != LOAD_PING)
			sum += c->received;
	}
	return sum;
}

uint64_t hosts_bad(const struct hosts *h)
{
	uint64_t sum = 0;
	for (int end = 0; end < 2; end++)
		for (size_t i = 0; i < h->n_channels; i++)
			sum += h->host[end].channel[i].bad;
	return sum;
}
