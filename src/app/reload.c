#include "reload.h"

#include <sodium.h>
#include <stdio.h>
#include <stddef.h>
#include <string.h>

#include "access_peer.h"
#include "config.h"
#include "forward.h"
#include "logsink.h"
#include "nodes.h"
#include "peer.h"
#include "service.h"

static void report(void *user, const char *origin, const char *message)
{
	tt_error((const struct tt_log *)user, "%s%s%s", origin, origin[0] ? ": " : "", message);
}

struct conf_diag reload_diag(const struct tt_log *log)
{
	return (struct conf_diag){.report = report, .user = (void *)log};
}

#define FIELD(option, member)                                                                      \
	{                                                                                          \
		option, offsetof(struct conf, member), sizeof(((struct conf *)NULL)->member)       \
	}

/*
 * What toxcore, the services or the log were started with stays as it is. The new configuration
 * gets the values that hold, so that it says what the program does; the next reload says it again.
 */
static void keep_what_needs_a_restart(
	const struct app *app, struct conf *c, const struct tt_log *log)
{
	static const struct {
		const char *option;
		size_t offset, size;
	} fields[] = {
		FIELD("kcp-mode", mode),
		FIELD("no-udp", udp),
		FIELD("no-relay", relay),
		FIELD("no-lan", lan),
		FIELD("no-fast-start", fast_start),
		FIELD("udp-port", udp_port_first),
		FIELD("udp-port", udp_port_last),
		FIELD("relay-port", relay_port),
		FIELD("proxy", proxy_type),
		FIELD("proxy", proxy_host),
		FIELD("proxy", proxy_port),
		FIELD("stats", stats_on),
		FIELD("stats", stats_addr),
		FIELD("stats", stats_port),
		FIELD("verbose or quiet", log_level),
		FIELD("log-format", log_json),
	};
	const struct conf *running = app->conf;
	const char *said = "";

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		uint8_t *value = (uint8_t *)c + fields[i].offset;
		const uint8_t *holds = (const uint8_t *)running + fields[i].offset;
		if (memcmp(value, holds, fields[i].size) == 0)
			continue;
		memcpy(value, holds, fields[i].size);
		if (strcmp(said, fields[i].option) != 0)
			tt_warn(log, "%s has changed, which needs a restart", fields[i].option);
		said = fields[i].option;
	}
	const char *log_file = app->sink->file.path;
	if (running->command != CONF_CMD_STDIO && /* which has none, whatever its file says */
		strcmp(log_file ? log_file : "", c->log_file ? c->log_file : "") != 0)
		tt_warn(log, "log-file has changed, which needs a restart");
	if (running->default_nodes && !c->default_nodes) {
		tt_warn(log, "no-default-nodes is new, which needs a restart");
		c->default_nodes = true;
	}
}

/* The new configuration, checked as far as it can be without changing anything. */
static int read_again(struct conf **out, struct app *app, uint8_t secret[ACCESS_SECRET_LEN],
	bool *has_secret, char **login, const struct tt_log *log)
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
	if (rc == EXIT_OK)
		rc = access_load_login(c, log, login);
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
	peers_accept_admins(app);
	peers_reconfigure(app);
	size_t removed = peers_remove_strangers(app, log);
	size_t nodes = nodes_start(app, before);
	tt_info(log,
		"configuration read again: tunnels %zu opened, %zu closed, %zu kept; peers %zu "
		"removed; nodes %zu new; access rules and time-outs hold for new connections",
		tunnels.opened, tunnels.closed, tunnels.kept, removed, nodes);
}

int app_reload(struct app *app, const struct tt_log *log)
{
	uint8_t secret[ACCESS_SECRET_LEN];
	bool has_secret = false;
	char *login;
	struct conf *c;

	logsink_reopen(app->sink, log); /* whatever the files below are like */
	if (app->draining || app->stopping)
		return EXIT_OK;
	service_reloading(app);
	int rc = read_again(&c, app, secret, &has_secret, &login, log);

	if (rc != EXIT_OK) {
		tt_error(log, "nothing was changed");
	} else {
		struct conf *old = app->reloaded;
		const struct conf *before = app->conf;
		keep_what_needs_a_restart(app, c, log);
		memcpy(app->secret, secret, sizeof(secret));
		app->has_secret = has_secret;
		access_forget_login(app->proxy_login);
		app->proxy_login = login;
		app->conf = app->reloaded = c;
		apply(app, before, log);
		conf_free(old); /* nothing points into it any more */
	}
	sodium_memzero(secret, sizeof(secret));
	service_reloaded(app);
	return rc;
}
