/** The subcommands: one file each, found through one table. */
#ifndef CLI_H
#define CLI_H

#include "app.h"
#include "logsink.h"

/** Runs the command of the configuration. An exit code. */
int cli_run(struct conf *conf);

int cli_server(
	struct conf *conf, const struct tt_log *log); /* also `client`: what it does is in conf */
int cli_stdio(struct conf *conf, const struct tt_log *log); /* `client` with -W */
int cli_node(struct conf *conf, const struct tt_log *log);
int cli_id(struct conf *conf, const struct tt_log *log);
int cli_ping(struct conf *conf, const struct tt_log *log);
int cli_netcheck(struct conf *conf, const struct tt_log *log);
int cli_bench(struct conf *conf, const struct tt_log *log);
int cli_check(struct conf *conf, const struct tt_log *log);
int cli_status(struct conf *conf, const struct tt_log *log);
int cli_top(struct conf *conf, const struct tt_log *log);
int cli_reload(struct conf *conf, const struct tt_log *log);
int cli_forward(struct conf *conf, const struct tt_log *log);
int cli_cancel(struct conf *conf, const struct tt_log *log);
int cli_stop(struct conf *conf, const struct tt_log *log);

/** Starts Tox in the data directory of the configuration. As app_new. */
int cli_start(struct app **app, const struct conf *conf, const struct tt_log *log);

/** The line on the terminal that changes, where that is one and the log is not quiet. */
struct live_line *cli_live_line(const struct tt_log *log);

/** Writes everything that stdout still holds; false when that fails (said in the log). */
bool cli_flush(const struct tt_log *log);

#endif
