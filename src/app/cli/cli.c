#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "version.h"

static int cli_help(struct conf *conf, const struct tt_log *log)
{
	(void)conf;
	fputs(conf_usage(), stdout);
	return cli_flush(log) ? EXIT_OK : EXIT_FAILED;
}

static int cli_version(struct conf *conf, const struct tt_log *log)
{
	(void)conf;
	printf("toxtun %s\n", TOXTUN_VERSION);
	return cli_flush(log) ? EXIT_OK : EXIT_FAILED;
}

static const struct {
	enum conf_command command;
	int (*run)(struct conf *conf, const struct tt_log *log);
} commands[] = {
	{CONF_CMD_SERVER, cli_server},
	{CONF_CMD_CLIENT, cli_server},
	{CONF_CMD_STDIO, cli_stdio},
	{CONF_CMD_NODE, cli_node},
	{CONF_CMD_ID, cli_id},
	{CONF_CMD_PING, cli_ping},
	{CONF_CMD_NETCHECK, cli_netcheck},
	{CONF_CMD_BENCH, cli_bench},
	{CONF_CMD_CHECK, cli_check},
	{CONF_CMD_STATUS, cli_status},
	{CONF_CMD_TOP, cli_top},
	{CONF_CMD_RELOAD, cli_reload},
	{CONF_CMD_FORWARD, cli_forward},
	{CONF_CMD_CANCEL, cli_cancel},
	{CONF_CMD_STOP, cli_stop},
	{CONF_CMD_HELP, cli_help},
	{CONF_CMD_VERSION, cli_version},
};

int cli_start(struct app **app, const struct conf *conf, const struct tt_log *log)
{
	char *dir = config_data_dir(conf);
	int rc = dir ? app_new(app, conf, log, dir) : EXIT_USAGE;

	free(dir);
	return rc;
}

bool cli_flush(const struct tt_log *log)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	tt_error(log, "standard output: %s", strerror(errno));
	return false;
}

struct live_line *cli_live_line(const struct tt_log *log)
{
	struct live_line *line = &logsink_of(log)->line;

	live_line_init(line, log->level > TT_LOG_ERROR);
	return line;
}

int cli_run(struct conf *conf)
{
	int (*run)(struct conf * conf, const struct tt_log *log) = NULL;
	struct logsink sink;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (commands[i].command == conf->command)
			run = commands[i].run;
	}
	if (!run) {
		fprintf(stderr, "toxtun: no command; try `toxtun server`, `toxtun client` or "
				"`toxtun -h`\n");
		return EXIT_USAGE;
	}
	logsink_init(&sink, conf->log_level, conf->log_json);
	int rc = run(conf, &sink.log);
	logsink_close(&sink);
	return rc;
}
