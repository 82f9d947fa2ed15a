#include "top_names.h"

#include <stdio.h>
#include <string.h>

#include "top_data.h"

const char *top_peer_name(const cJSON *peer, char dst[TOP_NAME_MAX])
{
	const char *name = top_data_text(peer, "name"), *label = top_data_text(peer, "label");

	if (!name[0] || strcmp(name, label) == 0)
		snprintf(dst, TOP_NAME_MAX, "%s", label);
	else
		snprintf(dst, TOP_NAME_MAX, "%s (%s)", name, label);
	return dst;
}

const char *top_target(const cJSON *channel, char dst[TOP_TARGET_MAX])
{
	const char *host = top_data_text(channel, "host");
	unsigned port = (unsigned)top_data_number(channel, "port");
	bool six = strchr(host, ':') != NULL;
	bool udp = strcmp(top_data_text(channel, "proto"), "udp") == 0;

	if (port == 0)
		snprintf(dst, TOP_TARGET_MAX, "%s", host);
	else
		snprintf(dst, TOP_TARGET_MAX, "%s%s%s:%u%s", six ? "[" : "", host, six ? "]" : "",
			port, udp ? "/udp" : "");
	return dst;
}

const char *top_loss(const cJSON *peer, char dst[TOP_NAME_MAX])
{
	const cJSON *loss = top_data_member(peer, "loss_percent");

	snprintf(dst, TOP_NAME_MAX, "%.1f %%", cJSON_IsNumber(loss) ? loss->valuedouble : 0);
	return dst;
}
