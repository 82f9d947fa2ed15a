#include "tunnel_limits.h"

const char *session_limit_name(enum session_limit l)
{
	static const char *const names[LIMIT_COUNT] = {
		[LIMIT_CHANNELS] = "channels",
		[LIMIT_HALF_OPEN] = "half_open",
		[LIMIT_OPENING] = "opening",
		[LIMIT_MEASURING] = "measurements",
		[LIMIT_FLOWS] = "flows",
		[LIMIT_CONTROL] = "control",
		[LIMIT_HELLOS] = "hellos",
		[LIMIT_ANSWERS] = "answers",
		[LIMIT_RESOLVING] = "resolving",
		[LIMIT_LOG] = "log_lines",
	};
	return (size_t)l < LIMIT_COUNT ? names[l] : "?";
}

bool session_slots_free(const struct session_slots *s, size_t has)
{
	return !s || (s->used < s->cap && has < s->cap - s->used);
}
