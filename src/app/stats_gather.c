#include "stats.h"

#include <dirent.h>
#include <string.h>
#include <sys/resource.h>

#include "forward.h"
#include "listener.h"
#include "memory.h"
#include "reverse.h"
#include "stats_int.h"

const char *stats_role(const struct app *app)
{
	const struct conf *c = app->conf;
	if (c->command == CONF_CMD_NODE)
		return "node";
	if (c->serve && app->forwards)
		return "server and client";
	return c->serve ? "server" : "client";
}

bool stats_tunnel_works(const struct app *app, const struct forward *t)
{
	return t->conf.reverse ? reverse_works(app, t) : listener_works(app, t);
}

const char *stats_peer_label(const struct peer *p)
{
	return p->name[0] ? p->name : p->tag;
}

static void add_datagrams(struct dgram_stats *sum, const struct dgram_stats *d)
{
	sum->flows += d->flows;
	sum->flows_opened += d->flows_opened;
	sum->sent += d->sent;
	sum->received += d->received;
	sum->bytes_sent += d->bytes_sent;
	sum->bytes_received += d->bytes_received;
	sum->packets_sent += d->packets_sent;
	sum->packets_received += d->packets_received;
	sum->network_sent += d->network_sent;
	sum->network_received += d->network_received;
	sum->malformed += d->malformed;
	for (size_t i = 0; i < DGRAM_DROP_COUNT; i++)
		sum->dropped[i] += d->dropped[i];
}

static void add_session(struct session_stats *sum, const struct session_stats *s)
{
	sum->opened += s->opened;
	sum->ok += s->ok;
	sum->failed += s->failed;
	sum->active += s->active;
	for (size_t i = 0; i < REASON_COUNT; i++)
		sum->reasons[i] += s->reasons[i];
	sum->control_sent += s->control_sent;
	sum->control_received += s->control_received;
	sum->control_malformed += s->control_malformed;
	sum->restarts += s->restarts;
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		sum->limits[i] += s->limits[i];
	sum->flows_failed += s->flows_failed;
	add_datagrams(&sum->udp, &s->udp);
	tt_histogram_merge(&sum->connect_own, &s->connect_own);
	tt_histogram_merge(&sum->connect_peer, &s->connect_peer);
}

static void add_link(struct link_stats *sum, const struct link_stats *l)
{
	sum->packets_sent += l->packets_sent;
	sum->packets_received += l->packets_received;
	sum->network_sent += l->network_sent;
	sum->network_received += l->network_received;
	sum->payload_sent += l->payload_sent;
	sum->payload_received += l->payload_received;
	sum->segs_sent += l->segs_sent;
	sum->segs_retransmitted += l->segs_retransmitted;
	sum->segs_received += l->segs_received;
	sum->segs_duplicate += l->segs_duplicate;
	sum->malformed += l->malformed;
	sum->unknown_conv += l->unknown_conv;
	sum->segs_lost += l->segs_lost;
	sum->segs_spurious += l->segs_spurious;
	sum->queued_bytes += l->queued_bytes;
	sum->streams += l->streams;
}

void stats_peer_gone(struct app *app, const struct peer *p)
{
	struct session_stats s;
	struct link_stats l;

	session_stats(p->session, &s);
	link_stats(session_link(p->session), &l);
	s.active = s.udp.flows = 0;
	l.queued_bytes = l.streams = 0;
	add_session(&app->ended, &s);
	add_link(&app->ended_links, &l);
}

static size_t count_fds(void)
{
	size_t n = 0;
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

static void gather_process(struct stats_totals *t)
{
	struct rusage ru;

	t->rss_bytes = memory_resident();
	t->heap_bytes = memory_allocated();
	t->fds = count_fds();
	if (getrusage(RUSAGE_SELF, &ru) == 0)
		t->cpu_seconds = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
				 (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

void stats_gather_peers(const struct app *app, struct stats_totals *t)
{
	memset(t, 0, sizeof(*t));
	add_session(&t->sessions, &app->ended);
	add_link(&t->links, &app->ended_links);
	for (const struct peer *p = app->peers; p; p = p->hh.next) {
		struct session_stats s;
		struct link_stats l;
		session_stats(p->session, &s);
		link_stats(session_link(p->session), &l);
		add_session(&t->sessions, &s);
		add_link(&t->links, &l);
		t->peers_online += p->path != TOXNET_PATH_NONE;
		t->peer_drops += p->drops;
	}
}

void stats_gather(const struct app *app, struct stats_totals *t)
{
	stats_gather_peers(app, t);
	t->sessions.limits[LIMIT_LOG] += app->limited_lines;
	toxnet_stats(app->tn, &t->tox);
	gather_process(t);
}
