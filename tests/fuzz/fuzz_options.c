/* A command line of any content; the input's lines are its arguments. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "tt_err.h"

#define ARGS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void report(void *user, const char *origin, const char *message)
{
	(void)user;
	if (!origin || strlen(origin) >= 128 || message[0] == '\0')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char program[] = "toxtun", *argv[ARGS_MAX + 1] = {program};
	struct conf_diag d = {.report = report};
	struct conf *c = NULL;
	int argc = 1;
	char *text = malloc(size + 1);

	if (!text || conf_new(&c) != TT_OK)
		goto out;
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *s = text; s && argc < ARGS_MAX; argc++) {
		argv[argc] = s;
		s = strchr(s, '\n');
		if (s)
			*s++ = '\0';
	}
	const char *config = conf_find_config_option(argc, argv);
	int rc = conf_parse_args(c, argc, argv, &d);
	if ((rc == TT_OK) != (d.errors == 0))
		abort();
	bool information = c->command == CONF_CMD_HELP || c->command == CONF_CMD_VERSION;
	/* Both readings of the command line find the same file. */
	if (rc == TT_OK && !information &&
		(config ? !c->config_file || strcmp(config, c->config_file) != 0
			: c->config_file != NULL))
		abort();
	rc = conf_finish(c, &d);
	if (rc == TT_OK && d.errors == 0 && c->command == CONF_CMD_NONE)
		abort();
out:
	conf_free(c);
	free(text);
	return 0;
}
