#include "reload.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access_peer.h"
#include "config.h"
#include "forward.h"
#include "nodes.h"
#include "peer.h"

static void report(void *user, const char *origin, const char *message)
{
	tt_error((const struct tt_log *)user, "%s%s%s", origin, origin[0] ? ": " : "", message);
}

struct conf_diag reload_diag(const struct tt_log *log)
{
	return (struct conf_diag){.report = report, .user = (void *)log};
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* What toxcore, the sockets of the services or the log were started with. */
static void say_what_needs_a_restart(
	const struct conf *a, const struct conf *b, const struct tt_log *log)
{
	const struct {
		const char *option;
		bool same;
	} options[] = {
		{"data-dir", same_text(a->data_dir, b->data_dir)},
		{"id-file", same_text(a->id_file, b->id_file)},
		{"kcp-mode", a->mode == b->mode},
		{"no-default-nodes", a->default_nodes <= b->default_nodes},
		{"no-udp", a->udp == b->udp},
		{"no-relay", a->relay == b->relay},
		{"no-lan", a->lan == b->lan},
		{"no-fast-start", a->fast_start == b->fast_start},
		{"udp-port", a->udp_port_first == b->udp_port_first &&
				     a->udp_port_last == b->udp_port_last},
		{"relay-port", a->relay_port == b->relay_port},
		{"proxy", a->proxy_type == b->proxy_type && a->proxy_port == b->proxy_port &&
				  strcmp(a->proxy_host, b->proxy_host) == 0},
		{"stats", a->stats_on == b->stats_on && a->stats_port == b->stats_port &&
				  tt_addr_equal(&a->stats_addr, &b->stats_addr)},
		{"verbose or quiet", a->log_level == b->log_level},
		{"log-format", a->log_json == b->log_json},
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (!options[i].same)
			tt_warn(log, "%s has changed, which needs a restart", options[i].option);
	}
}

/* The new configuration, checked as far as it can be without changing anything. */
static int read_again(struct conf **out, struct app *app, uint8_t secret[ACCESS_SECRET_LEN],
	bool *has_secret, const struct tt_log *log)
{
	const char *file = app->conf->config_file;
	struct conf_diag d = reload_diag(log);
	struct conf *c = NULL;

	if (file && strcmp(file, "-") == 0) {
		tt_error(
			log, "the configuration came from standard input and cannot be read again");
		return EXIT_USAGE;
	}
	int rc = config_read(&c, app->conf->argc, app->conf->argv, &d);
	if (rc == EXIT_OK)
		rc = access_load_secret(app, c, log, secret, has_secret);
	if (rc == EXIT_OK)
		rc = access_check_secrets(c, log);
	if (rc == EXIT_OK && !forwards_fit(app, c, log))
		rc = EXIT_USAGE;
	if (rc != EXIT_OK) {
		conf_free(c);
		return rc;
	}
	*out = c;
	return EXIT_OK;
}

static void apply(struct app *app, const struct conf *before, const struct tt_log *log)
{
	struct forward_changes tunnels;

	forwards_reload(app, log, &tunnels);
	peers_want(app);
	peers_reconfigure(app);
	size_t removed = peers_remove_strangers(app, log);
	size_t nodes = nodes_start(app, before);
	say_what_needs_a_restart(before, app->conf, log);
	tt_info(log,
		"configuration read again: tunnels %zu opened, %zu closed, %zu kept; peers %zu "
		"removed; nodes %zu new; access rules and time-outs hold for new connections",
		tunnels.opened, tunnels.closed, tunnels.kept, removed, nodes);
}

int app_reload(struct app *app, const struct tt_log *log)
{
	uint8_t secret[ACCESS_SECRET_LEN];
	bool has_secret = false;
	struct conf *c;
	int rc = read_again(&c, app, secret, &has_secret, log);

	if (rc != EXIT_OK) {
		tt_error(log, "nothing was changed");
	} else {
		struct conf *old = app->reloaded;
		const struct conf *before = app->conf;
		memcpy(app->secret, secret, sizeof(secret));
		app->has_secret = has_secret;
		app->conf = app->reloaded = c;
		apply(app, before, log);
		conf_free(old); /* nothing points into it any more */
	}
	sodium_memzero(secret, sizeof(secret));
	return rc;
}
