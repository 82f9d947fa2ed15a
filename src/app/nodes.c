#include "nodes.h"

#include <stdlib.h>
#include <string.h>

#include "tt_err.h"

#define RETRY TT_S(60)

struct node_lookup {
	struct app *app;
	struct node_lookup *next;
	struct conf_node node;
	struct loop_resolve *resolve;
	struct app_timer timer;
};

static void add(struct app *app, const struct conf_node *n, const struct tt_addr *addr)
{
	char text[TT_ADDR_TEXT_MAX];
	int rc = toxnet_node_add(app->tn, addr, n->port, n->tcp_ports, n->key);
	if (rc != TT_OK)
		tt_debug(app->log, "node %s:%u cannot be used: %s", tt_addr_format(addr, text),
			n->port, tt_err_name(rc));
}

static void resolved(void *user, const struct tt_addr *addrs, size_t n, const char *error)
{
	struct node_lookup *l = user;

	if (n == 0) {
		tt_warn(l->app->log, "bootstrap node %s: %s; trying again", l->node.host, error);
		app_timer_set(l->app, &l->timer, app_now(l->app) + RETRY);
	}
	for (size_t i = 0; i < n; i++)
		add(l->app, &l->node, &addrs[i]);
}

static void look_up(struct app *app, void *owner)
{
	struct node_lookup *l = owner;

	loop_resolve_free(l->resolve);
	l->resolve = NULL;
	if (loop_resolve_new(&l->resolve, app->loop, l->node.host, resolved, l) != TT_OK)
		app_timer_set(app, &l->timer, app_now(app) + RETRY);
}

static void start(struct app *app, const struct conf_node *n)
{
	struct tt_addr addr;

	if (tt_addr_parse(n->host, &addr) == TT_OK) {
		add(app, n, &addr);
		return;
	}
	struct node_lookup *l = calloc(1, sizeof(*l));
	if (!l || app_timer_init(app, &l->timer, look_up, l) != TT_OK) {
		free(l);
		return;
	}
	l->app = app;
	l->node = *n;
	l->next = app->lookups;
	app->lookups = l;
	look_up(app, l);
}

static bool has_node(const struct conf *c, const struct conf_node *n)
{
	for (size_t i = 0; c && i < c->n_nodes; i++) {
		const struct conf_node *m = &c->nodes[i];
		if (strcmp(m->host, n->host) == 0 && m->port == n->port &&
			memcmp(m->tcp_ports, n->tcp_ports, sizeof(n->tcp_ports)) == 0 &&
			memcmp(m->key, n->key, TT_KEY_LEN) == 0)
			return true;
	}
	return false;
}

size_t nodes_start(struct app *app, const struct conf *before)
{
	size_t started = 0, n;

	for (size_t i = 0; i < app->conf->n_nodes; i++) {
		if (has_node(before, &app->conf->nodes[i]))
			continue;
		start(app, &app->conf->nodes[i]);
		started++;
	}
	if (!app->conf->default_nodes || (before && before->default_nodes))
		return started;
	const struct conf_node *builtin = conf_builtin_nodes(&n);
	for (size_t i = 0; i < n; i++)
		start(app, &builtin[i]);
	return started + n;
}

void nodes_stop(struct app *app)
{
	while (app->lookups) {
		struct node_lookup *l = app->lookups;
		app->lookups = l->next;
		loop_resolve_free(l->resolve);
		app_timer_drop(app, &l->timer);
		free(l);
	}
}
