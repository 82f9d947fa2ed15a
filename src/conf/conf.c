#include "conf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf_int.h"
#include "tt_err.h"
#include "tt_mem.h"

int conf_new(struct conf **out)
{
	static const uint8_t loopback[4] = {127, 0, 0, 1};
	struct conf *c = tt_calloc(NULL, 1, sizeof(*c));
	if (!c)
		return TT_ENOMEM;
	c->default_nodes = true;
	c->mode = TT_MODE_AUTO;
	c->udp = c->relay = c->lan = c->fast_start = true;
	c->stats_on = c->bench = true;
	c->stats_addr = tt_addr_v4(loopback);
	c->stats_port = CONF_STATS_PORT;
	c->connect_timeout_s = 15;
	c->resume_timeout_s = 600;
	c->drain_timeout_s = CONF_DRAIN_SECONDS;
	c->max_connections = 16384;
	c->udp_timeout_s = 180;
	c->log_level = TT_LOG_INFO;
	c->ping_count = 4;
	c->bench_seconds = CONF_BENCH_SECONDS;
	*out = c;
	return TT_OK;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_peers; i++) {
		tt_free(NULL, c->peers[i].targets);
		tt_free(NULL, c->peers[i].listens);
		tt_free(NULL, c->peers[i].secret_file);
	}
	tt_free(NULL, c->allow);
	tt_free(NULL, c->admins);
	tt_free(NULL, c->targets);
	tt_free(NULL, c->listens);
	tt_free(NULL, c->introduced);
	tt_free(NULL, c->forwards);
	tt_free(NULL, c->peers);
	tt_free(NULL, c->nodes);
	tt_free(NULL, c->config_file);
	tt_free(NULL, c->data_dir);
	tt_free(NULL, c->nodes_file);
	tt_free(NULL, c->id_file);
	tt_free(NULL, c->secret_file);
	tt_free(NULL, c->passphrase_file);
	tt_free(NULL, c->new_passphrase_file);
	tt_free(NULL, c->socks_login_file);
	tt_free(NULL, c->log_file);
	tt_free(NULL, c->spec);
	tt_free(NULL, c->spec_peer);
	tt_free(NULL, c);
}

void conf_ctx_init(struct conf_ctx *x, struct conf *c, struct conf_diag *d, const char *origin)
{
	*x = (struct conf_ctx){.c = c, .d = d, .origin = origin, .errors = d->errors};
}

int conf_ctx_result(const struct conf_ctx *x)
{
	if (x->no_memory)
		return TT_ENOMEM;
	return x->d->errors > x->errors ? TT_EINVAL : TT_OK;
}

void conf_fail(struct conf_ctx *x, const char *fmt, ...)
{
	char message[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	x->d->errors++;
	if (x->d->report)
		x->d->report(x->d->user, x->origin, message);
}

const char *conf_quote(char dst[CONF_QUOTE_MAX], const char *text)
{
	size_t i = 0;

	for (; text[i] && i < CONF_QUOTE_MAX - 4; i++) {
		unsigned char c = (unsigned char)text[i];
		dst[i] = c < 0x20 || c == 0x7f ? '?' : text[i];
	}
	memcpy(dst + i, text[i] ? "..." : "", text[i] ? 4 : 1);
	return dst;
}

void *conf_push(struct conf_ctx *x, void *array, size_t *n, size_t size)
{
	void **v = array;           /* struct T **, of whatever T */
	if ((*n & (*n - 1)) == 0) { /* full at each power of two */
		void *bigger = tt_realloc(NULL, *v, (*n ? *n * 2 : 1) * size);
		if (!bigger) {
			x->no_memory = true;
			return NULL;
		}
		*v = bigger;
	}
	void *item = (uint8_t *)*v + *n * size;
	memset(item, 0, size);
	(*n)++;
	return item;
}

char *conf_strndup(struct conf_ctx *x, const char *text, size_t len)
{
	char *s = tt_alloc(NULL, len + 1);
	if (!s) {
		x->no_memory = true;
		return NULL;
	}
	memcpy(s, text, len);
	s[len] = '\0';
	return s;
}

/** What there is to do when no command says it: what the file has sections for. */
static void infer_command(struct conf_ctx *x)
{
	struct conf *c = x->c;
	if (c->serve)
		c->command = CONF_CMD_SERVER;
	else if (c->connect || c->has_stdio)
		c->command = CONF_CMD_CLIENT;
	else
		conf_fail(x, "say what to do: server, client, node, id, ping, bench, check, status "
			     "or another command; toxtun -h explains them");
}

static void check_paths(struct conf_ctx *x)
{
	struct conf *c = x->c;
	/* toxcore sends no UDP through a proxy and turns UDP off itself when there is one. */
	if (c->proxy_type != CONF_PROXY_NONE) {
		c->udp = false;
		c->udp_port_first = c->udp_port_last = 0;
	}
	if (!c->udp && !c->relay)
		conf_fail(x, "%s leaves no way to reach anybody: take one of them away",
			c->proxy_type == CONF_PROXY_NONE
				? "no-udp together with no-relay"
				: "no-relay together with a proxy, which carries TCP only,");
}

static void check_passphrase(struct conf_ctx *x)
{
	const struct conf *c = x->c;
	bool change = c->set_passphrase || c->remove_passphrase;

	if (change && c->command != CONF_CMD_ID)
		conf_fail(x, "the passphrase of the identity is changed with toxtun id");
	if (c->set_passphrase && c->remove_passphrase)
		conf_fail(x, "set-passphrase or remove-passphrase: give one of them");
	if (c->new_passphrase_file && !c->set_passphrase)
		conf_fail(x, "new-passphrase-file goes with set-passphrase");
}

static void default_targets(struct conf_ctx *x)
{
	static const char *const own[] = {"127.0.0.0/8:*", "[::1]:*"};
	struct conf *c = x->c;
	const char *why;

	for (size_t i = 0; i < 2 && c->n_targets == i; i++) {
		struct tt_rule *r = conf_push(x, &c->targets, &c->n_targets, sizeof(*r));
		if (r)
			tt_rule_parse(own[i], r, &why);
	}
}

/** The words that a command needs after it. */
static void check_words(struct conf_ctx *x)
{
	const struct conf *c = x->c;

	if (c->command == CONF_CMD_PING && !c->has_target)
		conf_fail(x, "ping whom? Give the Tox ID: toxtun ping TOXID");
	if (c->command == CONF_CMD_BENCH && !c->has_target)
		conf_fail(x, "measure the path to whom? Give the Tox ID: toxtun bench TOXID");
	if ((c->command == CONF_CMD_PING || c->command == CONF_CMD_BENCH) && c->n_servers > 1)
		conf_fail(x, "one peer at a time: give one Tox ID or name");
	if (c->command == CONF_CMD_FORWARD && !c->spec)
		conf_fail(x, "forward what? toxtun forward [-R] [BIND:]PORT:HOST:HOSTPORT [TOXID]");
	if (c->command == CONF_CMD_CANCEL && !c->spec)
		conf_fail(x, "cancel what? Give the name of the tunnel, or what it was opened "
			     "with: toxtun cancel [BIND:]PORT:HOST:HOSTPORT");
}

/** -W makes a command of its own out of client: as with ssh, it opens none of the other forwards.
 */
static void make_stdio(struct conf_ctx *x, bool clean)
{
	struct conf *c = x->c;

	x->origin = c->stdio.origin;
	if (c->command == CONF_CMD_CLIENT)
		c->command = CONF_CMD_STDIO;
	else if (clean && c->command != CONF_CMD_CHECK)
		conf_fail(x, "-W goes with the command client: toxtun -W HOST:PORT client TOXID");
	memcpy(c->stdio.peers, c->servers, sizeof(c->servers));
	c->stdio.n_peers = c->n_servers;
	if (!c->has_target && clean)
		conf_fail(x, "to which server? Give its Tox ID: toxtun -W HOST:PORT client TOXID, "
			     "or --to TOXID");
	if (c->command != CONF_CMD_STDIO)
		return;
	c->n_forwards = 0;
	c->connect = true;
	c->serve = false;
	if (c->log_level >= TT_LOG_INFO) /* silent but for the data; -v and -vv say more */
		c->log_level--;
}

/** One number for both, or clients of the relay cannot tell it to others. */
static void default_node_ports(struct conf *c)
{
	if (c->command != CONF_CMD_NODE)
		return;
	if (!c->udp_port_first)
		c->udp_port_first = c->udp_port_last = CONF_NODE_PORT;
	if (!c->has_relay_port)
		c->relay_port = c->udp_port_first;
}

int conf_finish(struct conf *c, struct conf_diag *d)
{
	struct conf_ctx x;
	bool clean = d->errors == 0; /* else what is missing was there, with a mistake in it */

	conf_ctx_init(&x, c, d, "");
	if (c->command == CONF_CMD_HELP || c->command == CONF_CMD_VERSION)
		return TT_OK;
	c->serve = c->serve || c->command == CONF_CMD_SERVER;
	c->connect = c->connect || c->command == CONF_CMD_CLIENT || c->n_forwards > 0;
	if (c->command == CONF_CMD_NONE && clean)
		infer_command(&x);
	if (c->command == CONF_CMD_CLIENT && c->n_forwards == 0 && !c->has_stdio && clean)
		conf_fail(&x,
			"nothing to forward: give -L or -R [BIND:]PORT:HOST:HOSTPORT or -D "
			"[BIND:]PORT with the Tox ID of the server, or entries in the [client] or "
			"[reverse] section of an ini file (-c FILE)");
	if (clean)
		check_words(&x);
	if (c->command != CONF_CMD_FORWARD && c->command != CONF_CMD_CANCEL)
		conf_forward_check(&x); /* theirs are for the running process to judge */
	if (c->has_stdio)
		make_stdio(&x, clean);
	check_paths(&x);
	check_passphrase(&x);
	default_node_ports(c);
	if (c->n_targets == 0)
		default_targets(&x);
	return conf_ctx_result(&x);
}
