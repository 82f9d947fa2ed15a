#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "file.h"
#include "tt_err.h"

#define CONFIG_MAX (1u << 20)
#define NODES_MAX (8u << 20)

static void report(void *user, const char *origin, const char *message)
{
	(void)user;
	fprintf(stderr, "toxtun: %s%s%s\n", origin, origin[0] ? ": " : "", message);
}

static int read_into(struct conf *c, const char *path, size_t max, struct conf_diag *d,
	int (*parse)(struct conf *, const char *, size_t, const char *, struct conf_diag *))
{
	char *text;
	size_t len;

	if (file_read(path, max, &text, &len) != 0) {
		d->report(d->user, path, strerror(errno));
		d->errors++;
		return TT_EINVAL;
	}
	int rc = parse(c, text, len, path, d);
	free(text);
	return rc;
}

int config_read(struct conf **out, int argc, char *const argv[], struct conf_diag *d)
{
	struct conf *c;

	if (conf_new(&c) != TT_OK)
		return EXIT_FAILED;
	const char *file = conf_find_config_option(argc, argv);
	int rc = file ? read_into(c, file, CONFIG_MAX, d, conf_parse_ini) : TT_OK;
	if (rc != TT_ENOMEM)
		rc = conf_parse_args(c, argc, argv, d);
	if (rc != TT_ENOMEM && c->nodes_file)
		rc = read_into(c, c->nodes_file, NODES_MAX, d, conf_parse_nodes_json);
	if (rc != TT_ENOMEM && d->errors == 0)
		rc = conf_finish(c, d);
	if (rc == TT_ENOMEM)
		d->report(d->user, "", "out of memory");
	if (rc != TT_OK || d->errors > 0) {
		conf_free(c);
		return rc == TT_ENOMEM ? EXIT_FAILED : EXIT_USAGE;
	}
	*out = c;
	return EXIT_OK;
}

int config_load(struct conf **out, int argc, char *const argv[])
{
	struct conf_diag d = {.report = report};
	return config_read(out, argc, argv, &d);
}

static char *join(const char *a, const char *b)
{
	char *path;
	return asprintf(&path, "%s%s", a, b) < 0 ? NULL : path;
}

char *config_data_dir(const struct conf *c)
{
	const char *sub = c->command == CONF_CMD_NODE ? "/node" : "";
	const char *dir;

	if (c->data_dir)
		return strdup(c->data_dir);
	if ((dir = getenv("STATE_DIRECTORY")) && dir[0] == '/')
		return join(dir, sub);
	if ((dir = getenv("XDG_STATE_HOME")) && dir[0] == '/')
		return join(dir, c->command == CONF_CMD_NODE ? "/toxtun/node" : "/toxtun");
	if ((dir = getenv("HOME")) && dir[0] == '/')
		return join(dir, c->command == CONF_CMD_NODE ? "/.local/state/toxtun/node"
							     : "/.local/state/toxtun");
	report(NULL, "", "no place for the identity: neither --data-dir nor $HOME is set");
	return NULL;
}
