/* Bootstrap nodes: one by one, as a JSON list, and the built-in list. */
#include "conf_int.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tt_err.h"
#include "tt_mem.h"

#define NODE_FORM "HOST:PORT:PUBKEY, for example 192.0.2.1:33445:F404ABAA..."
#define TCP_PORTS (sizeof(((struct conf_node *)0)->tcp_ports) / sizeof(uint16_t))

static bool parse_key(struct conf_ctx *x, const char *text, uint8_t key[TT_KEY_LEN])
{
	char q[CONF_QUOTE_MAX];
	size_t len = strlen(text);
	if (tt_hex_decode(text, len, key, TT_KEY_LEN) == TT_OK)
		return true;
	conf_fail(x, "the node's public key is %d hex digits, not '%s' (%zu characters)%s",
		TT_KEY_HEX, conf_quote(q, text), len,
		len == TT_TOXID_HEX ? "; a Tox ID names a person, not a node" : "");
	return false;
}

static void add(struct conf_ctx *x, const struct conf_node *node)
{
	struct conf_node *slot = conf_push(x, &x->c->nodes, &x->c->n_nodes, sizeof(*slot));
	if (slot)
		*slot = *node;
}

void conf_node_add(struct conf_ctx *x, const char *text)
{
	struct conf_node node = {0};
	char *v[3];
	char *copy = conf_strndup(x, text, strlen(text));

	if (!copy)
		return;
	size_t n = conf_split(copy, v, 3);
	if (n != 3) {
		conf_fail(x, "a node is " NODE_FORM "%s",
			n > 3 ? "; an IPv6 address goes in brackets" : "");
	} else if (conf_host(x, v[0], node.host) &&
		   conf_port(x, v[1], 1, "the node's port", &node.port) &&
		   parse_key(x, v[2], node.key)) {
		node.tcp_ports[0] = node.port; /* nodes relay on the number of their UDP port */
		add(x, &node);
	}
	tt_free(NULL, copy);
}

/** "-", an older "NONE" and nothing at all say that the node has no address of this family. */
static bool has_address(const cJSON *v)
{
	return cJSON_IsString(v) && v->valuestring[0] && strcmp(v->valuestring, "-") != 0 &&
	       strcasecmp(v->valuestring, "NONE") != 0;
}

static bool json_port(const cJSON *v, uint16_t *out)
{
	double d = cJSON_IsNumber(v) ? v->valuedouble : -1;
	if (!(d >= 1 && d <= 65535) || (uint16_t)d != d)
		return false;
	*out = (uint16_t)d;
	return true;
}

static bool json_ports(struct conf_ctx *x, const cJSON *json, size_t index, struct conf_node *node)
{
	const cJSON *port = cJSON_GetObjectItemCaseSensitive(json, "port");
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "tcp_ports"), *v;
	size_t n = 0;

	if (!json_port(port, &node->port)) {
		conf_fail(x, "node %zu: \"port\" must be a number from 1 to 65535", index);
		return false;
	}
	cJSON_ArrayForEach(v, list)
	{
		uint16_t tcp;
		if (!json_port(v, &tcp)) {
			conf_fail(x, "node %zu: \"tcp_ports\" must be numbers from 1 to 65535",
				index);
			return false;
		}
		if (n < TCP_PORTS) /* four ways to one relay are plenty */
			node->tcp_ports[n++] = tcp;
	}
	return true;
}

static void json_node(struct conf_ctx *x, const cJSON *json, size_t index)
{
	static const char *const families[] = {"ipv4", "ipv6"};
	const cJSON *key = cJSON_GetObjectItemCaseSensitive(json, "public_key");
	struct conf_node node = {0};

	if (!cJSON_IsString(key)) {
		conf_fail(x, "node %zu: \"public_key\" is missing", index);
		return;
	}
	if (!parse_key(x, key->valuestring, node.key) || !json_ports(x, json, index, &node))
		return;
	for (size_t i = 0; i < 2; i++) {
		const cJSON *addr = cJSON_GetObjectItemCaseSensitive(json, families[i]);
		struct tt_addr numeric;
		if (!has_address(addr))
			continue;
		const char *text = addr->valuestring;
		if (strlen(text) <= TT_HOST_MAX && tt_addr_parse(text, &numeric) == TT_OK &&
			text[0] != '[')
			memcpy(node.host, text, strlen(text) + 1);
		else if (!conf_host(x, text, node.host))
			continue;
		add(x, &node);
	}
}

static size_t line_of(const char *text, const char *at)
{
	size_t line = 1;
	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

int conf_parse_nodes_json(
	struct conf *c, const char *text, size_t len, const char *file, struct conf_diag *d)
{
	struct conf_ctx x;
	char origin[128];
	const char *end = text;
	size_t index = 0;

	conf_ctx_init(&x, c, d, file);
	cJSON *root = cJSON_ParseWithLengthOpts(text, len, &end, 0);
	const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(root, "nodes"), *v;
	if (!root) {
		/* The library may point one past the text when it is cut off. */
		const char *at = end && end >= text && end <= text + len ? end : text;
		snprintf(origin, sizeof(origin), "%s:%zu", file, line_of(text, at));
		x.origin = origin;
		conf_fail(&x, "this is no valid JSON; a list of nodes is what "
			      "https://nodes.tox.chat/json gives");
	} else if (!cJSON_IsArray(nodes)) {
		conf_fail(&x, "the list \"nodes\" is missing; the format is that of "
			      "https://nodes.tox.chat/json");
	}
	cJSON_ArrayForEach(v, nodes)
	{
		index++;
		json_node(&x, v, index);
	}
	if (cJSON_IsArray(nodes) && index == 0)
		conf_fail(&x, "the list \"nodes\" is empty");
	cJSON_Delete(root);
	return conf_ctx_result(&x);
}

const struct conf_node *conf_builtin_nodes(size_t *count)
{
	*count = conf_builtin_table_len;
	return conf_builtin_table;
}
