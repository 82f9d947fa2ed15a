/* toxtun: reach any TCP service behind any NAT by the Tox ID of its machine. */
#include "cli.h"
#include "config.h"
#include "memory.h"

int main(int argc, char *argv[])
{
	struct conf *conf;
	memory_settings();
	int rc = config_load(&conf, argc, argv);

	if (rc == EXIT_OK) {
		rc = cli_run(conf);
		conf_free(conf);
	}
	return rc;
}
