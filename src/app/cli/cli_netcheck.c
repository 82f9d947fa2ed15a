/* `toxtun netcheck`: the nodes of the Tox network as this machine sees them. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "netcheck.h"
#include "tt_err.h"

/* The best of the node's ports of one kind; NULL when it has none. */
static const struct netcheck_port *best(const struct netcheck_node *node, bool tcp)
{
	const struct netcheck_port *found = NULL;

	for (size_t i = tcp; i < (tcp ? 1 + NETCHECK_RELAYS : 1); i++) {
		const struct netcheck_port *p = &node->ports[i];
		if (p->state == NETCHECK_UNASKED)
			continue;
		if (!found || (p->state == NETCHECK_ANSWERED &&
				      (found->state != NETCHECK_ANSWERED || p->rtt < found->rtt)))
			found = p;
	}
	return found;
}

static size_t count(const struct netcheck *n, bool tcp)
{
	size_t answered = 0;

	for (size_t i = 0; i < n->n_nodes; i++) {
		const struct netcheck_port *p = best(&n->nodes[i], tcp);
		answered += p && p->state == NETCHECK_ANSWERED;
	}
	return answered;
}

static void print_port(const struct netcheck_port *p)
{
	char text[32] = "-";

	if (p && p->state == NETCHECK_ANSWERED)
		snprintf(text, sizeof(text), "%.1f ms", (double)p->rtt / 1e3);
	else if (p)
		snprintf(text, sizeof(text), "%s", p->why);
	printf("  %-12s", text);
}

/* What can be said of the way out of here. A node sees where packets come from and does not tell,
 * so the kind of a NAT shows only where it lets no UDP through. */
static const char *verdict(const struct conf *conf, size_t udp, size_t tcp)
{
	if (udp + tcp == 0)
		return "no node can be reached: is this machine online, does its firewall let UDP "
		       "and TCP out, and are the nodes right?";
	if (!conf->udp)
		return "TCP relays can be reached; UDP was not tried";
	if (udp == 0)
		return "UDP does not get through, TCP does: peers are reached through relays, "
		       "which is slower; let UDP out of the firewall";
	return "UDP gets through: peers can be reached directly, unless their side or both NATs "
	       "forbid it";
}

static void print_table(const struct netcheck *n, const struct conf *conf)
{
	size_t udp = count(n, false), tcp = count(n, true);

	printf("%-46s  %-12s  %s\n", "node", "UDP", "TCP relay");
	for (size_t i = 0; i < n->n_nodes; i++) {
		const struct netcheck_node *node = &n->nodes[i];
		char name[TT_HOST_MAX + 16];
		uint16_t port = node->conf.port ? node->conf.port : node->conf.tcp_ports[0];
		snprintf(name, sizeof(name), "%s port %u", node->conf.host, port);
		printf("%-46s", name);
		print_port(best(node, false));
		print_port(best(node, true));
		printf("\n");
	}
	printf("%zu of %zu nodes answer by UDP, %zu as TCP relays\n%s\n", udp, n->n_nodes, tcp,
		verdict(conf, udp, tcp));
}

static void add_port(cJSON *node, const char *key, const struct netcheck_port *p)
{
	cJSON *o = p ? cJSON_AddObjectToObject(node, key) : NULL;

	if (!o)
		return;
	cJSON_AddNumberToObject(o, "port", p->port);
	cJSON_AddBoolToObject(o, "reachable", p->state == NETCHECK_ANSWERED);
	if (p->state == NETCHECK_ANSWERED)
		cJSON_AddNumberToObject(o, "rtt_us", (double)p->rtt);
	else
		cJSON_AddStringToObject(o, "error", p->why);
}

static void print_json(const struct netcheck *n)
{
	cJSON *all = cJSON_CreateObject();
	char hex[TT_KEY_HEX + 1];

	cJSON_AddNumberToObject(all, "schema", 1);
	cJSON_AddBoolToObject(all, "udp", count(n, false) > 0);
	cJSON_AddBoolToObject(all, "tcp", count(n, true) > 0);
	cJSON *list = cJSON_AddArrayToObject(all, "nodes");
	for (size_t i = 0; i < n->n_nodes; i++) {
		const struct netcheck_node *node = &n->nodes[i];
		cJSON *o = cJSON_CreateObject();
		cJSON_AddStringToObject(o, "host", node->conf.host);
		cJSON_AddStringToObject(o, "key", tt_hex_encode(node->conf.key, TT_KEY_LEN, hex));
		add_port(o, "udp", best(node, false));
		add_port(o, "tcp", best(node, true));
		cJSON_AddItemToArray(list, o);
	}
	char *text = cJSON_Print(all);
	printf("%s\n", text ? text : "{}");
	free(text);
	cJSON_Delete(all);
}

int cli_netcheck(struct conf *conf, const struct tt_log *log)
{
	struct netcheck n;

	if (conf->proxy_type != CONF_PROXY_NONE) {
		tt_error(log, "netcheck cannot go through a proxy: leave it out");
		return EXIT_USAGE;
	}
	int rc = netcheck_run(&n, conf, log) == TT_OK ? EXIT_OK : EXIT_FAILED;
	if (rc == EXIT_OK && n.n_nodes == 0) {
		tt_error(log, "there is no node to ask: give -b HOST:PORT:PUBKEY, or leave out "
			      "--no-default-nodes");
		rc = EXIT_USAGE;
	} else if (rc == EXIT_OK) {
		if (conf->json)
			print_json(&n);
		else
			print_table(&n, conf);
		rc = count(&n, false) + count(&n, true) > 0 ? EXIT_OK : EXIT_UNREACHABLE;
		if (!cli_flush(log))
			rc = EXIT_FAILED;
	}
	netcheck_clear(&n);
	return rc;
}
