/*
 * Is the peer still there? Whoever sends learns it from the ACKs that do not come, whoever only
 * receives learns nothing. So each side asks when traffic has stopped, once if it is answered. A
 * link whose peer answers no probe is mute: the path is dead or has become another one, which
 * toxcore finds out by itself after eight seconds (UDP_DIRECT_TIMEOUT in net_crypto.h). Without
 * streams nobody cares.
 */
#include "link.h"
#include "link_int.h"

/* Silence after traffic. A cut of a second is over before anything is done about it. */
#define QUIET TT_S(1)
/* So many probes at this distance; the first has twice the round trip of a satellite. */
#define PROBES 3u
#define PROBE_EVERY TT_MS(400)

void link_silence_init(struct link *l)
{
	l->silence = (struct link_silence){.at = TT_TIME_NEVER};
}

void link_silence_heard(struct link *l, bool data, tt_time now)
{
	l->silence = (struct link_silence){.at = data ? now + QUIET : TT_TIME_NEVER};
}

void link_silence_sent(struct link *l, tt_time now)
{
	struct link_silence *s = &l->silence;

	if (s->at == TT_TIME_NEVER && !s->mute)
		s->at = now + QUIET;
}

void link_doubt(struct link *l, tt_time now)
{
	struct link_silence *s = &l->silence;

	l->probe_wanted = true;
	if (!s->mute)
		s->at = tt_time_min(s->at, now + PROBE_EVERY);
}

tt_time link_silence_deadline(const struct link *l)
{
	return l->streams ? l->silence.at : TT_TIME_NEVER;
}

void link_silence_on_deadline(struct link *l, tt_time now)
{
	struct link_silence *s = &l->silence;

	if (now < link_silence_deadline(l))
		return;
	if (s->probes == PROBES) {
		s->mute = true;
		s->at = TT_TIME_NEVER;
		return;
	}
	s->probes++;
	s->at = now + PROBE_EVERY;
	l->probe_wanted = true;
}

bool link_mute(const struct link *l)
{
	return l->silence.mute;
}
