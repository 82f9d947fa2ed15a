#include "reason.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *name, *text;
} table[REASON_COUNT] = {
	[REASON_NONE] = {"none", "open"},
	[REASON_CLIENT_CLOSE] = {"client_close", "closed by the client"},
	[REASON_SERVER_CLOSE] = {"server_close", "closed by the server"},
	[REASON_BOTH_CLOSE] = {"both_close", "closed by both sides at once"},
	[REASON_CONNECT_TIMEOUT] = {"connect_timeout",
		"the peer did not answer in time; is it running, and is this its Tox ID?"},
	[REASON_NOT_ALLOWED] = {"not_allowed",
		"the peer does not allow this target; see `targets` in its [server] section"},
	[REASON_NO_SUCH_HOST] = {"no_such_host", "the peer cannot resolve the target's name"},
	[REASON_REFUSED_BY_TARGET] = {"refused_by_target",
		"the target refused the connection; is the service running there?"},
	[REASON_TARGET_UNREACHABLE] = {"target_unreachable", "the peer has no route to the target"},
	[REASON_TARGET_TIMEOUT] = {"target_timeout", "the target does not answer the peer"},
	[REASON_LIMIT] = {"limit",
		"the limit of connections with a peer is reached; see max-connections"},
	[REASON_UNSUPPORTED] = {"unsupported", "the peer's version cannot do this"},
	[REASON_CANNOT_LISTEN] = {"cannot_listen", "the peer cannot listen there"},
	[REASON_IDLE_TIMEOUT] = {"idle_timeout", "nothing was sent for too long"},
	[REASON_RESUME_TIMEOUT] = {"resume_timeout", "the peer was offline for too long"},
	[REASON_RESET] = {"reset", "the connection was reset"},
	[REASON_PEER_RESTARTED] = {"peer_restarted", "the peer was restarted"},
	[REASON_PROTOCOL_ERROR] = {"protocol_error", "the peer broke the protocol"},
	[REASON_SHUTDOWN] = {"shutdown", "toxtun is shutting down"},
};

const char *reason_name(enum close_reason r)
{
	return (size_t)r < REASON_COUNT ? table[r].name : "?";
}

const char *reason_text(enum close_reason r)
{
	return (size_t)r < REASON_COUNT ? table[r].text : "?";
}

enum close_reason reason_parse(const char *name)
{
	for (size_t i = 1; i < REASON_COUNT; i++) {
		if (strcmp(table[i].name, name) == 0)
			return (enum close_reason)i;
	}
	return REASON_RESET;
}
