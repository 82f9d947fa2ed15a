/** The configuration of this run: file, options and environment in one. */
#ifndef CONFIG_H
#define CONFIG_H

#include "conf.h"

/**
 * Reads the ini file (if one is named), the command line and the node list into a new
 * configuration, reports every mistake. An exit code; *out is set on EXIT_OK only.
 */
int config_read(struct conf **out, int argc, char *const argv[], struct conf_diag *d);

/** The same with the mistakes on stderr. */
int config_load(struct conf **out, int argc, char *const argv[]);

/**
 * The data directory: the option, else $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/toxtun,
 * else ~/.local/state/toxtun. `node` has a subdirectory of its own, so that a node and a server can
 * run for one user. NULL when there is no home (said on stderr). Free it.
 */
char *config_data_dir(const struct conf *c);

#endif
