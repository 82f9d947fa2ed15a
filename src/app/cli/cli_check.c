/* `toxtun check`: what the configuration means. Mistakes were said while it was read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void print_rule(const struct tt_rule *r)
{
	char text[TT_ADDR_TEXT_MAX];

	switch (r->kind) {
	case TT_RULE_ANY:
		printf(" *");
		break;
	case TT_RULE_NAME:
		printf(" %s", r->name);
		break;
	case TT_RULE_NET:
		printf(r->net.family == 6 ? " [%s]" : " %s", tt_addr_format(&r->net, text));
		if (r->prefix != (r->net.family == 4 ? 32u : 128u))
			printf("/%u", r->prefix);
		break;
	case TT_RULE_UNIX:
		printf(" unix:%s", r->name);
		return;
	}
	if (r->port_first == 1 && r->port_last == 65535)
		printf(":*");
	else if (r->port_first == r->port_last)
		printf(":%u", r->port_first);
	else
		printf(":%u-%u", r->port_first, r->port_last);
}

static void print_rules(const struct tt_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		print_rule(&rules[i]);
	printf(n ? "\n" : " nothing\n");
}

static const struct conf_peer *section_of(const struct conf *c, const uint8_t key[TT_KEY_LEN])
{
	for (size_t i = 0; i < c->n_peers; i++) {
		if (memcmp(c->peers[i].id.key, key, TT_KEY_LEN) == 0)
			return &c->peers[i];
	}
	return NULL;
}

static bool is_allowed(const struct conf *c, const uint8_t key[TT_KEY_LEN])
{
	for (size_t i = 0; i < c->n_allow; i++) {
		if (memcmp(c->allow[i].key, key, TT_KEY_LEN) == 0)
			return true;
	}
	return false;
}

/* Of one peer that is let in: p is its section, NULL without one. */
static void print_rights(const struct conf *c, const struct conf_peer *p)
{
	bool common = c->secret_file || getenv("TOXTUN_SECRET");

	if (p && p->secret_file)
		printf(" with the secret in %s", p->secret_file);
	else if (common)
		printf(" with the common secret");
	printf(" may reach");
	if (p && p->has_targets)
		print_rules(p->targets, p->n_targets);
	else
		print_rules(c->targets, c->n_targets);
	const struct tt_rule *listens = p && p->has_listens ? p->listens : c->listens;
	size_t n = p && p->has_listens ? p->n_listens : c->n_listens;
	if (n > 0) {
		printf("    and may listen at");
		print_rules(listens, n);
	}
}

/* Its name, where it has one, and its key. Returns its section. */
static const struct conf_peer *print_key(const struct conf *c, const uint8_t key[TT_KEY_LEN])
{
	const struct conf_peer *p = section_of(c, key);
	char hex[TT_KEY_HEX + 1];

	printf("%s%s%s", p ? p->name : "", p ? " " : "", tt_hex_encode(key, TT_KEY_LEN, hex));
	return p;
}

static void print_peer(const struct conf *c, const uint8_t key[TT_KEY_LEN])
{
	printf("  ");
	print_rights(c, print_key(c, key));
}

/* What each peer gets in the end, after all keys of the file that say something about it. */
static void print_server(const struct conf *c)
{
	printf("server%s%s\n", c->name[0] ? " " : "", c->name);
	for (size_t i = 0; i < c->n_allow; i++)
		print_peer(c, c->allow[i].key);
	for (size_t i = 0; i < c->n_peers; i++) {
		if (!c->has_allow)
			print_peer(c, c->peers[i].id.key);
		else if (!is_allowed(c, c->peers[i].id.key))
			printf("  %s is not in allow and may reach nothing\n", c->peers[i].name);
	}
	if (!c->has_allow) {
		printf("  everybody%s who holds the Tox ID", c->n_peers ? " else" : "");
		print_rights(c, NULL);
	}
	if (c->n_introduced) {
		printf("  the PROXY header goes to");
		print_rules(c->introduced, c->n_introduced);
	}
	if (!c->bench)
		printf("  measurements of peers are not answered\n");
}

static void print_admins(const struct conf *c)
{
	for (size_t i = 0; i < c->n_admins; i++) {
		printf("admin ");
		print_key(c, c->admins[i].key);
		printf(" may ask by chat\n");
	}
}

static void print_forward(const struct conf_forward *f)
{
	char place[CONF_PLACE_MAX], target[CONF_PLACE_MAX], tag[9];

	printf("tunnel %s: %s%s to %s%s at", f->name, conf_forward_place(f, place),
		f->reverse ? " there" : "", conf_forward_target(f, target),
		f->reverse ? " here" : "");
	for (size_t i = 0; i < f->n_peers; i++)
		printf("%s %s", i ? "," : "", tt_key_short(f->peers[i].key, tag));
	printf("\n");
}

int cli_check(struct conf *conf, const struct tt_log *log)
{
	size_t builtin = 0;

	if (conf->serve)
		print_server(conf);
	print_admins(conf);
	for (size_t i = 0; i < conf->n_forwards; i++)
		print_forward(&conf->forwards[i]);
	if (conf->default_nodes)
		conf_builtin_nodes(&builtin);
	printf("bootstrap nodes: %zu of the configuration, %zu built in\n", conf->n_nodes, builtin);
	return cli_flush(log) ? EXIT_OK : EXIT_FAILED;
}
