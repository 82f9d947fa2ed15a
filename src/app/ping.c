#include "ping.h"

#include <stdarg.h>
#include <stdio.h>

#include "peer.h"

#define INTERVAL TT_S(1)
#define ANSWER_TIMEOUT TT_S(3)

static void say(const struct ping *p, bool error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(const struct ping *p, bool error, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	p->say(p->user, error, line);
}

int ping_start(struct ping *p, struct app *app, const struct tt_peer_id *id, unsigned count)
{
	p->count = count;
	tt_key_short(id->key, p->tag);
	return reach_start(&p->reach, app, id);
}

/* Microseconds for programs, milliseconds for people. */
static double scale(const struct ping *p)
{
	return p->json ? 1 : 1e3;
}

/* Says what there is to say at the end. */
static int summary(const struct ping *p)
{
	char times[128] = "";
	double loss = p->sent ? (double)(p->sent - p->got) / p->sent : 0;

	if (p->got)
		snprintf(times, sizeof(times),
			p->json ? ",\"min_us\":%.0f,\"avg_us\":%.0f,\"max_us\":%.0f"
				: ", time min %.3f avg %.3f max %.3f ms",
			(double)p->min / scale(p), (double)p->sum / scale(p) / p->got,
			(double)p->max / scale(p));
	if (p->json)
		say(p, false, "{\"schema\":1,\"sent\":%u,\"answered\":%u,\"loss\":%.4f%s}", p->sent,
			p->got, loss, times);
	else
		say(p, false, "%u sent, %u answered, loss %.0f %%%s", p->sent, p->got, 100 * loss,
			times);
	return p->got ? EXIT_OK : EXIT_UNREACHABLE;
}

int ping_cut(const struct ping *p)
{
	return p->sent ? summary(p) : EXIT_FAILED;
}

static void note_answer(struct ping *p, const struct peer *peer, tt_time rtt)
{
	say(p, false,
		p->json ? "{\"peer\":\"%s\",\"path\":\"%s\",\"seq\":%u,\"us\":%.0f}"
			: "peer %s: %s, seq %u, time %.3f ms",
		p->tag, peer_path_name(peer->path), p->sent, (double)rtt / scale(p));
	p->got++;
	p->sum += rtt;
	p->min = p->got == 1 || rtt < p->min ? rtt : p->min;
	p->max = rtt > p->max ? rtt : p->max;
	p->sent_at = 0;
}

static void probe(struct ping *p, struct link *l, tt_time now)
{
	link_probe(l);
	p->sent++;
	p->sent_at = now;
	p->next_at = now + INTERVAL;
}

/* True while an answer may still come. */
static bool answer_due(struct ping *p, const struct peer *peer, tt_time now)
{
	tt_time answered, rtt = link_probe_rtt(session_link(peer->session), &answered);

	if (p->sent_at && answered >= p->sent_at) {
		note_answer(p, peer, rtt);
	} else if (p->sent_at && now >= p->sent_at + ANSWER_TIMEOUT) {
		say(p, false,
			p->json ? "{\"peer\":\"%s\",\"path\":\"%s\",\"seq\":%u,\"us\":null}"
				: "peer %s: %s, seq %u, no answer",
			p->tag, peer_path_name(peer->path), p->sent);
		p->sent_at = 0;
	}
	return p->sent_at != 0;
}

int ping_poll(struct ping *p)
{
	tt_time now = app_now(p->reach.app);

	if (!p->reached) {
		int rc = reach_poll(&p->reach);
		if (rc == EXIT_UNREACHABLE)
			say(p, true, "peer %s is not reachable: %s", p->tag,
				reach_why(p->reach.app));
		if (rc != EXIT_OK)
			return rc;
		p->reached = true;
	}
	const struct peer *peer = reach_peer(&p->reach);
	if (!peer) {
		say(p, true, "peer %s was removed", p->tag);
		return EXIT_UNREACHABLE;
	}
	if (answer_due(p, peer, now))
		return PING_WAITING;
	if (p->sent == p->count)
		return summary(p);
	if (now >= p->next_at)
		probe(p, session_link(peer->session), now);
	return PING_WAITING;
}

tt_time ping_deadline(const struct ping *p)
{
	if (!p->reached)
		return reach_deadline(&p->reach);
	return p->sent_at ? p->sent_at + ANSWER_TIMEOUT : p->next_at;
}
