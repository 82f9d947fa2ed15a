/* Reverse forwards, the asker's side: listeners that we want at the peer. */
#include "listen.h"
#include "tunnel_int.h"

#include <stdio.h>
#include <string.h>

#include "tt_err.h"

struct ask {
	struct ask *prev, *next;
	void *user;
	uint32_t lid;
	bool path;
	bool said; /* to the peer as we know it */
	bool news; /* for our owner */
	enum listen_state state;
	enum close_reason reason;
	uint16_t want; /* port; 0: any */
	uint16_t port; /* that the peer gave last; 0: none */
	enum wire_proto to_proto;
	uint16_t to_port;
	char *text; /* the peer's words, or NULL */
	char host[WIRE_HOST_MAX + 1];
	char to_host[WIRE_HOST_MAX + 1];
	char tunnel[WIRE_NAME_MAX + 1];
};

static struct ask *find_user(const struct session *s, const void *user)
{
	struct ask *a;
	DL_FOREACH (s->asks, a) {
		if (a->user == user)
			return a;
	}
	return NULL;
}

static struct ask *find_lid(const struct session *s, uint32_t lid)
{
	struct ask *a;
	DL_FOREACH (s->asks, a) {
		if (a->lid == lid)
			return a;
	}
	return NULL;
}

static void set_state(struct session *s, struct ask *a, enum listen_state st)
{
	a->state = st;
	a->news = s->listen_news = true;
}

static void refused(
	struct session *s, struct ask *a, enum close_reason why, const char *text, tt_time now)
{
	/* The others are final until the peer says hello again, as it does when its rules change.
	 */
	if (why == REASON_CANNOT_LISTEN || why == REASON_LIMIT || why == REASON_PROTOCOL_ERROR)
		s->ask_again_at = tt_time_min(s->ask_again_at, now + SESSION_LISTEN_RETRY);
	a->port = 0;
	if (a->state == LISTEN_REFUSED && a->reason == why)
		return; /* as before, and no news */
	tt_free(s->mem, a->text);
	a->text = text[0] ? tt_strdup(s->mem, text) : NULL;
	a->reason = why;
	set_state(s, a, LISTEN_REFUSED);
}

static void say(struct session *s, struct ask *a)
{
	struct wire_msg msg = {.type = WIRE_LISTEN,
		.listen = {.lid = a->lid, .path = a->path, .port = a->want ? a->want : a->port}};

	memcpy(msg.listen.host, a->host, sizeof(a->host));
	memcpy(msg.listen.tunnel, a->tunnel, sizeof(a->tunnel));
	session_push(s, &msg);
}

/* Asks for whatever the peer has not been asked for. */
static void say_all(struct session *s, tt_time now)
{
	struct ask *a;

	if (!session_ready(s))
		return;
	DL_FOREACH (s->asks, a) {
		if (a->said)
			continue;
		a->said = true;
		if (s->peer_caps & WIRE_CAP_LISTEN)
			say(s, a);
		else
			refused(s, a, REASON_UNSUPPORTED, "", now);
	}
}

static bool fits(const char *text)
{
	return text[0] != '\0' && strlen(text) <= WIRE_HOST_MAX;
}

int session_listen(struct session *s, const struct listen_request *r, void *user, tt_time now)
{
	const struct channel_target *t = &r->target;

	if (s->n_asks >= SESSION_LISTENS_MAX)
		return TT_ELIMIT;
	if (!fits(r->host) || !fits(t->host))
		return TT_EINVAL;
	struct ask *a = tt_calloc(s->mem, 1, sizeof(*a));
	if (!a)
		return TT_ENOMEM;
	a->user = user;
	/* Never used again: a connection to a listener that was given up may be under way. */
	a->lid = ++s->last_lid;
	a->path = r->path;
	a->want = r->port;
	a->to_proto = t->proto == WIRE_UNIX ? WIRE_UNIX : WIRE_TCP;
	a->to_port = t->port;
	memcpy(a->host, r->host, strlen(r->host));
	memcpy(a->to_host, t->host, strlen(t->host));
	wire_text_copy(a->tunnel, sizeof(a->tunnel), t->tunnel ? t->tunnel : "");
	DL_APPEND(s->asks, a);
	s->n_asks++;
	say_all(s, now);
	return TT_OK;
}

static void drop(struct session *s, struct ask *a)
{
	DL_DELETE(s->asks, a);
	s->n_asks--;
	tt_free(s->mem, a->text);
	tt_free(s->mem, a);
}

void session_unlisten(struct session *s, const void *user)
{
	struct ask *a = find_user(s, user);

	if (!a)
		return;
	if (a->said && a->state != LISTEN_REFUSED)
		session_push_unlisten(s, a->lid, true, REASON_SHUTDOWN, "");
	drop(s, a);
}

bool session_listen_info(const struct session *s, const void *user, struct listen_info *out)
{
	const struct ask *a = find_user(s, user);

	if (!a)
		return false;
	*out = (struct listen_info){
		.state = a->state,
		.port = a->port,
		.reason = a->reason,
		.text = a->text ? a->text : "",
	};
	return true;
}

bool ask_resolve_syn(const struct session *s, struct wire_syn *syn)
{
	const struct ask *a = find_lid(s, syn->lid);

	if (!a) {
		memcpy(syn->host, "listener", sizeof("listener")); /* for the log */
		return false;
	}
	syn->proto = a->to_proto;
	syn->port = a->to_port;
	memcpy(syn->host, a->to_host, sizeof(syn->host));
	memcpy(syn->tunnel, a->tunnel, sizeof(syn->tunnel));
	return true;
}

void asks_on_hello(struct session *s, tt_time now)
{
	struct ask *a;

	DL_FOREACH (s->asks, a) {
		a->said = a->said && a->state != LISTEN_REFUSED;
	}
	say_all(s, now);
}

void asks_forget(struct session *s)
{
	struct ask *a;

	DL_FOREACH (s->asks, a) {
		a->said = false;
	}
	s->ask_again_at = TT_TIME_NEVER;
}

void asks_on_deadline(struct session *s, tt_time now)
{
	if (now < s->ask_again_at)
		return;
	s->ask_again_at = TT_TIME_NEVER;
	asks_on_hello(s, now);
}

void asks_free(struct session *s)
{
	while (s->asks)
		drop(s, s->asks);
}

void asks_input_listening(struct session *s, const struct wire_listening *l)
{
	struct ask *a = find_lid(s, l->lid);

	if (!a || (a->state == LISTEN_OPEN && a->port == l->port))
		return;
	a->port = l->port;
	set_state(s, a, LISTEN_OPEN);
}

void asks_input_unlisten(struct session *s, const struct wire_unlisten *u, tt_time now)
{
	struct ask *a = find_lid(s, u->lid);

	if (a)
		refused(s, a, reason_parse(u->reason), u->text, now);
}

bool asks_next_action(struct session *s, struct listen_action *out)
{
	struct ask *a;

	DL_FOREACH (s->asks, a) {
		if (!a->news)
			continue;
		a->news = false;
		*out = (struct listen_action){.type = LISTEN_ACTION_NEWS, .user = a->user};
		return true;
	}
	return false;
}
