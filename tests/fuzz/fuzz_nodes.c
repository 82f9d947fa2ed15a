/* A list of bootstrap nodes, which comes from a web site: what is taken of it can be used. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "tt_err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void report(void *user, const char *origin, const char *message)
{
	(void)user;
	if (strncmp(origin, "f", 1) != 0 || message[0] == '\0')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_diag d = {.report = report};
	struct conf *c;

	if (conf_new(&c) != TT_OK)
		return 0;
	int rc = conf_parse_nodes_json(c, (const char *)data, size, "f", &d);
	if ((rc == TT_OK) != (d.errors == 0))
		abort();
	for (size_t i = 0; i < c->n_nodes; i++) {
		const struct conf_node *n = &c->nodes[i];
		size_t len = strnlen(n->host, sizeof(n->host));
		if (len == 0 || len > TT_HOST_MAX || (n->port == 0 && n->tcp_ports[0] == 0))
			abort();
	}
	conf_free(c);
	return 0;
}
