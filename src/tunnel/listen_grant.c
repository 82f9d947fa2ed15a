/* Reverse forwards, the other side: listeners that the peer asked us for. */
#include "listen.h"
#include "tunnel_int.h"

#include <stdio.h>
#include <string.h>

#include "access.h"
#include "tt_err.h"

struct grant {
	struct grant *prev, *next;
	void *user; /* our owner's */
	uint32_t lid;
	bool path;
	bool open_due;  /* our owner must open it */
	bool close_due; /* it must close it; the peer does not know it any more */
	uint16_t want;  /* port; 0: any */
	uint16_t port;  /* that it has */
	struct access_listen at;
	char host[WIRE_HOST_MAX + 1];
	char tunnel[WIRE_NAME_MAX + 1];
};

static struct grant *find(const struct session *s, uint32_t lid)
{
	struct grant *g;
	DL_FOREACH (s->grants, g) {
		if (g->lid == lid && !g->close_due)
			return g;
	}
	return NULL;
}

static void drop(struct session *s, struct grant *g)
{
	DL_DELETE(s->grants, g);
	s->n_grants--;
	tt_free(s->mem, g);
}

void session_push_unlisten(
	struct session *s, uint32_t lid, bool asker, enum close_reason why, const char *text)
{
	struct wire_msg msg = {.type = WIRE_UNLISTEN, .unlisten = {.lid = lid, .asker = asker}};

	snprintf(msg.unlisten.reason, sizeof(msg.unlisten.reason), "%s", reason_name(why));
	wire_text_copy(msg.unlisten.text, sizeof(msg.unlisten.text), text);
	session_push(s, &msg);
}

static void push_listening(struct session *s, const struct grant *g)
{
	struct wire_msg msg = {
		.type = WIRE_LISTENING, .listening = {.lid = g->lid, .port = g->port}};
	session_push(s, &msg);
}

static enum close_reason judge(
	const struct session *s, const struct wire_listen *l, struct access_listen *at)
{
	const struct tt_rule *rules = s->cfg.terms.listens;
	size_t n = s->cfg.terms.n_listens;
	bool may = s->cfg.terms.accept && s->peer_proved &&
		   (l->path ? access_allows_path(rules, n, l->host)
			    : access_may_listen(rules, n, l->host, l->port, at));
	return may ? REASON_NONE : REASON_NOT_ALLOWED;
}

static void log_refusal(struct session *s, const struct wire_listen *l, enum close_reason why,
	const char *text, tt_time now)
{
	if (session_may_log(s, now))
		tt_warn(s->log, "listener: peer=%s refused listen=%s:%u reason=%s%s%s", s->tag,
			l->host, l->port, reason_name(why), text[0] ? ": " : "", text);
}

void grants_input_listen(struct session *s, const struct wire_listen *l, tt_time now)
{
	struct access_listen at = {0};
	struct grant *g = find(s, l->lid);

	/* A peer whose toxcore confirms nothing must not fill our memory with answers. */
	if (s->control.items >= SESSION_CONTROL_MAX)
		return;
	if (g) { /* it has come back and makes sure */
		if (!g->open_due)
			push_listening(s, g);
		return;
	}
	enum close_reason why = s->draining ? REASON_SHUTDOWN : judge(s, l, &at);
	if (why == REASON_NONE && s->n_grants >= SESSION_LISTENS_MAX)
		why = REASON_LIMIT;
	if (why == REASON_NONE) {
		g = tt_calloc(s->mem, 1, sizeof(*g));
		why = g ? REASON_NONE : REASON_LIMIT;
	}
	if (why != REASON_NONE) {
		log_refusal(s, l, why, "", now);
		session_push_unlisten(s, l->lid, false, why, "");
		return;
	}
	g->lid = l->lid;
	g->path = l->path;
	g->want = l->port;
	g->at = at;
	memcpy(g->host, l->host, sizeof(g->host));
	memcpy(g->tunnel, l->tunnel, sizeof(g->tunnel));
	g->open_due = s->listen_news = true;
	DL_APPEND(s->grants, g);
	s->n_grants++;
}

/* Its owner hears of it, unless it has never heard of the listener. */
static void end(struct session *s, struct grant *g)
{
	if (g->open_due)
		drop(s, g);
	else
		g->close_due = s->listen_news = true;
}

void grants_input_unlisten(struct session *s, const struct wire_unlisten *u)
{
	struct grant *g = find(s, u->lid);
	if (g)
		end(s, g);
}

void grants_end(struct session *s, enum close_reason why, bool tell)
{
	struct grant *g, *next;

	DL_FOREACH_SAFE (s->grants, g, next) {
		if (g->close_due)
			continue;
		if (tell)
			session_push_unlisten(s, g->lid, false, why, "");
		end(s, g);
	}
}

void grants_judge_again(struct session *s)
{
	struct grant *g, *next;

	DL_FOREACH_SAFE (s->grants, g, next) {
		struct wire_listen l = {.path = g->path, .port = g->port ? g->port : g->want};
		struct access_listen at;
		memcpy(l.host, g->host, sizeof(l.host));
		if (g->close_due || judge(s, &l, &at) == REASON_NONE)
			continue;
		session_push_unlisten(s, g->lid, false, REASON_NOT_ALLOWED, "");
		end(s, g);
	}
}

void grants_free(struct session *s)
{
	while (s->grants)
		drop(s, s->grants);
}

/* Listeners that are to be closed come first: the one that is asked for next may want their place.
 */
bool grants_next_action(struct session *s, struct listen_action *out)
{
	struct grant *g;

	DL_FOREACH (s->grants, g) {
		if (!g->close_due)
			continue;
		*out = (struct listen_action){.type = LISTEN_ACTION_CLOSE, .user = g->user};
		drop(s, g);
		return true;
	}
	DL_FOREACH (s->grants, g) {
		if (!g->open_due)
			continue;
		g->open_due = false;
		*out = (struct listen_action){
			.type = LISTEN_ACTION_OPEN,
			.lid = g->lid,
			.path = g->path ? g->host : NULL,
			.at = g->at,
			.tunnel = g->tunnel,
		};
		return true;
	}
	return false;
}

void session_listen_opened(struct session *s, uint32_t lid, void *user, enum close_reason why,
	uint16_t port, const char *text, tt_time now)
{
	struct grant *g = find(s, lid);

	if (!g)
		return;
	if (why != REASON_NONE) {
		struct wire_listen l = {.port = g->want};
		memcpy(l.host, g->host, sizeof(l.host));
		log_refusal(s, &l, why, text, now);
		session_push_unlisten(s, lid, false, why, text);
		drop(s, g);
		return;
	}
	g->user = user;
	g->port = port;
	if (session_may_log(s, now))
		tt_info(s->log, "listener: peer=%s listens here listen=%s:%u tunnel=%s", s->tag,
			g->host, port, g->tunnel);
	push_listening(s, g);
}

bool session_next_listen_action(struct session *s, struct listen_action *out)
{
	if (!s->listen_news)
		return false;
	s->listen_news = grants_next_action(s, out) || asks_next_action(s, out);
	return s->listen_news;
}
