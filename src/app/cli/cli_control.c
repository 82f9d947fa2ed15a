/* The commands that ask the running process: each is a request of the control socket. */
#include "cli.h"
#include "control_ask.h"

int cli_status(struct conf *conf, const struct tt_log *log)
{
	cJSON *request = control_ask_request("status");

	if (conf->json)
		cJSON_AddTrueToObject(request, "json");
	return control_ask(conf, log, request);
}

int cli_reload(struct conf *conf, const struct tt_log *log)
{
	return control_ask(conf, log, control_ask_request("reload"));
}

static cJSON *spec_request(const char *command, const struct conf *conf)
{
	cJSON *request = control_ask_request(command);

	cJSON_AddStringToObject(request, "spec", conf->spec);
	if (conf->spec_reverse)
		cJSON_AddTrueToObject(request, "reverse");
	return request;
}

int cli_forward(struct conf *conf, const struct tt_log *log)
{
	cJSON *request = spec_request("forward", conf);

	if (conf->spec_peer)
		cJSON_AddStringToObject(request, "peer", conf->spec_peer);
	else if (conf->has_target)
		control_ask_peers(request, conf->servers, conf->n_servers);
	return control_ask(conf, log, request);
}

int cli_cancel(struct conf *conf, const struct tt_log *log)
{
	return control_ask(conf, log, spec_request("cancel", conf));
}

int cli_stop(struct conf *conf, const struct tt_log *log)
{
	return control_ask(conf, log, control_ask_request("stop"));
}
