/* An ini file of any content: it is taken or refused with a reason, and what is taken makes sense.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "tt_err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void report(void *user, const char *origin, const char *message)
{
	size_t *count = user;
	if (strncmp(origin, "f:", 2) != 0 && origin[0] != '\0')
		abort();
	if (message[0] == '\0')
		abort();
	(*count)++;
}

static void check(const struct conf *c)
{
	for (size_t i = 0; i < c->n_forwards; i++) {
		const struct conf_forward *f = &c->forwards[i];
		bool path = f->listen_path[0] != '\0';
		if ((f->listen_port == 0 && !path && !f->reverse) || f->name[0] == '\0')
			abort();
		if (f->socks ? f->port != 0 || f->host[0] != '\0'
			     : (f->port == 0) != f->target_path || f->host[0] == '\0')
			abort();
		if (f->n_peers == 0 || f->n_peers > CONF_FORWARD_PEERS_MAX)
			abort();
		if (f->listen_any + f->listen_loopback + (f->listen_addr.family != 0) + path != 1)
			abort();
	}
	for (size_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].port == 0 || c->nodes[i].host[0] == '\0')
			abort();
	if (c->n_targets == 0 || c->has_allow != (c->n_allow > 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t count = 0;
	struct conf_diag d = {.report = report, .user = &count};
	struct conf *c;

	if (conf_new(&c) != TT_OK)
		return 0;
	int rc = conf_parse_ini(c, (const char *)data, size, "f", &d);
	if ((rc == TT_OK) != (d.errors == 0))
		abort();
	if (rc == TT_OK && conf_finish(c, &d) == TT_OK)
		check(c);
	if (count != d.errors)
		abort();
	conf_free(c);
	return 0;
}
