/* Getting on the Tox network, and back on it. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toxnet_int.h"
#include "tt_err.h"

#define BOOT_AT_ONCE 8 /* nodes asked in one round */
#define BOOT_SPREAD TT_MS(100)
#define BOOT_BACKOFF_MIN TT_S(1)
#define BOOT_BACKOFF_MAX TT_S(10)
#define BOOT_RELAYS 8 /* connections that we keep; more are tried only while offline */
#define BOOT_NODES_MAX 4096

void toxnet_boot_init(struct toxnet_boot *b)
{
	*b = (struct toxnet_boot){.backoff_us = BOOT_BACKOFF_MIN, .at = TT_TIME_NEVER};
}

void toxnet_boot_clear(struct toxnet_boot *b)
{
	free(b->nodes);
	toxnet_boot_init(b);
}

int toxnet_node_add(struct toxnet *tn, const struct tt_addr *addr, uint16_t udp_port,
	const uint16_t tcp_ports[4], const uint8_t key[TT_KEY_LEN])
{
	struct toxnet_boot *b = &tn->boot;

	if (addr->family == 0)
		return TT_EINVAL;
	if (b->n == BOOT_NODES_MAX)
		return TT_ELIMIT;
	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 16;
		struct toxnet_node *nodes = realloc(b->nodes, cap * sizeof(*nodes));
		if (!nodes)
			return TT_ENOMEM;
		b->nodes = nodes;
		b->cap = cap;
	}
	struct toxnet_node *node = &b->nodes[b->n++];
	*node = (struct toxnet_node){.udp_port = udp_port};
	tt_addr_format(addr, node->host);
	memcpy(node->key, key, TT_KEY_LEN);
	if (tcp_ports)
		memcpy(node->tcp_ports, tcp_ports, sizeof(node->tcp_ports));
	b->unasked++;
	b->at = 0;
	return TT_OK;
}

bool toxnet_node_at(const struct toxnet *tn, size_t i, struct toxnet_node *out)
{
	if (i >= tn->boot.n)
		return false;
	*out = tn->boot.nodes[i];
	return true;
}

/* toxcore takes one relay for a key at a time, so another port is for another try. */
static void relay_add(struct toxnet *tn, const struct toxnet_node *node)
{
	unsigned n = 0;
	while (n < 4 && node->tcp_ports[n] != 0)
		n++;
	if (n == 0)
		return;
	uint16_t port = node->tcp_ports[node->tries % n];
	Tox_Err_Bootstrap err;
	tox_add_tcp_relay(tn->tox, node->host, port, node->key, &err);
	tt_debug(tn->cfg.log, "tox: relay host=%s port=%u err=%d", node->host, port, (int)err);
	tn->boot.relays++;
}

/* The address is numeric, so neither toxcore call waits for a name server. */
static void node_ask(struct toxnet *tn, struct toxnet_node *node, bool retry)
{
	char id[9];
	if (node->udp_port != 0) {
		Tox_Err_Bootstrap err;
		tox_bootstrap(tn->tox, node->host, node->udp_port, node->key, &err);
		tt_debug(tn->cfg.log, "tox: bootstrap host=%s port=%u key=%s err=%d", node->host,
			node->udp_port, tt_key_short(node->key, id), (int)err);
	}
	if (tn->cfg.relay && (retry || tn->boot.relays < BOOT_RELAYS))
		relay_add(tn, node);
	if (node->tries++ == 0)
		tn->boot.unasked--;
}

/* Plus or minus a quarter, so that peers that lost the same network do not come back in step. */
static tt_time jitter(tt_time t)
{
	return t - t / 4 + randombytes_uniform((uint32_t)(t / 2));
}

void toxnet_boot_run(struct toxnet *tn)
{
	struct toxnet_boot *b = &tn->boot;
	bool offline = tn->self_path == TOXNET_PATH_NONE;

	if (tn->now < b->at || b->n == 0)
		return;
	/* A long list is begun somewhere else each time: the public nodes share the load. */
	if (b->unasked == b->n && b->n > BOOT_AT_ONCE)
		b->cursor = randombytes_uniform((uint32_t)b->n);
	bool retry = b->unasked == 0;
	unsigned asked = 0;
	for (size_t i = 0; i < b->n && asked < BOOT_AT_ONCE; i++) {
		struct toxnet_node *node = &b->nodes[b->cursor++ % b->n];
		if (!retry && node->tries > 0)
			continue;
		node_ask(tn, node, retry);
		asked++;
	}
	b->cursor %= b->n;
	if (b->unasked > 0) {
		b->at = tn->now + BOOT_SPREAD;
	} else if (offline) {
		toxnet_doubt_network(tn);
		b->at = tn->now + jitter(b->backoff_us);
		b->backoff_us = tt_time_min(b->backoff_us * 2, BOOT_BACKOFF_MAX);
	} else {
		b->at = TT_TIME_NEVER;
	}
}

void toxnet_boot_again(struct toxnet *tn)
{
	if (tn->boot.at == TT_TIME_NEVER)
		tn->boot.at = tn->now;
}

void toxnet_boot_path_changed(struct toxnet *tn, enum toxnet_path from, enum toxnet_path to)
{
	struct toxnet_boot *b = &tn->boot;

	if (to != TOXNET_PATH_NONE) {
		b->backoff_us = BOOT_BACKOFF_MIN;
		if (b->unasked == 0)
			b->at = TT_TIME_NEVER;
	} else if (from != TOXNET_PATH_NONE) {
		b->relays = 0;
		b->backoff_us = BOOT_BACKOFF_MIN;
		b->at = tn->now;
	}
}
