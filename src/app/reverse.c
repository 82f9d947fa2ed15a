#include "reverse.h"

#include <stdio.h>
#include <string.h>

#include "forward.h"
#include "listener.h"
#include "peer.h"
#include "tt_err.h"

/* Ports that are tried where any of a range will do. */
#define PORT_TRIES 256

/* ---- ours ---- */

/* Where the peer shall listen, as the wire says it. */
static const char *listen_host(const struct conf_forward *c, char text[TT_ADDR_TEXT_MAX])
{
	return c->listen_path[0]    ? c->listen_path
	       : c->listen_any      ? "*"
	       : c->listen_loopback ? "localhost"
				    : tt_addr_format(&c->listen_addr, text);
}

static void ask(struct app *app, struct peer *p, struct forward *f)
{
	const struct conf_forward *c = &f->conf;
	char text[TT_ADDR_TEXT_MAX];
	struct listen_info info;
	struct listen_request r = {
		.host = listen_host(c, text),
		.path = c->listen_path[0] != '\0',
		.port = c->listen_port,
		.target = {.proto = c->target_path ? WIRE_UNIX : WIRE_TCP,
			.host = c->host,
			.port = c->port,
			.tunnel = c->name},
	};

	if (session_listen_info(p->session, f, &info))
		return;
	int rc = session_listen(p->session, &r, f, app_now(app));
	if (rc == TT_ELIMIT)
		tt_error(app->log, "%s: more than %d reverse forwards at one peer", c->origin,
			SESSION_LISTENS_MAX);
	else if (rc != TT_OK)
		tt_error(app->log, "%s: %s", c->origin, tt_err_name(rc));
}

void reverse_want(struct app *app)
{
	for (struct forward *f = app->forwards; f; f = f->next) {
		for (size_t i = 0; f->conf.reverse && i < f->conf.n_peers; i++) {
			struct peer *p = peer_find_key(app, f->conf.peers[i].key);
			if (p)
				ask(app, p, f);
		}
	}
}

void reverse_cancel(struct app *app, const struct forward *f)
{
	for (size_t i = 0; i < f->conf.n_peers; i++) {
		struct peer *p = peer_find_key(app, f->conf.peers[i].key);
		if (p)
			session_unlisten(p->session, f);
	}
}

static const char *refusal_text(const struct listen_info *info)
{
	return info->reason == REASON_NOT_ALLOWED
		       ? "its rules do not allow it; see `listens` in its [server] section"
	       : info->text[0]                ? info->text
	       : info->reason == REASON_LIMIT ? "it has too many listeners for us"
					      : reason_text(info->reason);
}

/* On stdout, as ssh says it, and for scripts. */
static void print_port(const struct conf_forward *c, uint16_t port)
{
	char target[CONF_PLACE_MAX];

	printf("Allocated port %u for remote forward to %s\n", port,
		conf_forward_target(c, target));
	fflush(stdout);
}

static void tell_news(struct app *app, const struct peer *p, const struct forward *f)
{
	struct conf_forward c = f->conf;
	char place[CONF_PLACE_MAX], target[CONF_PLACE_MAX];
	struct listen_info info;

	if (!session_listen_info(p->session, f, &info))
		return;
	if (info.state == LISTEN_OPEN) {
		c.listen_port = info.port;
		tt_info(app->log, "tunnel %s: peer %s listens on %s for %s", c.name, p->tag,
			conf_forward_place(&c, place), conf_forward_target(&c, target));
		if (f->conf.listen_port == 0 && info.port)
			print_port(&c, info.port);
	} else if (info.state == LISTEN_REFUSED) {
		tt_error(app->log, "%s: peer %s does not listen on %s reason=%s: %s", c.origin,
			p->tag, conf_forward_place(&c, place), reason_name(info.reason),
			refusal_text(&info));
		if (app->conf->exit_on_failure) {
			app->exit_code =
				info.reason == REASON_NOT_ALLOWED ? EXIT_REFUSED : EXIT_FAILED;
			app_stop(app);
		}
	}
}

void reverse_describe(const struct app *app, const struct forward *f, char *dst, size_t cap)
{
	size_t n = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < f->conf.n_peers && n < cap; i++) {
		const struct peer *p = peer_find_key(app, f->conf.peers[i].key);
		struct listen_info info = {.state = LISTEN_ASKED};
		struct conf_forward c = f->conf;
		char place[CONF_PLACE_MAX], tag[9];

		if (p)
			session_listen_info(p->session, f, &info);
		if (info.state == LISTEN_OPEN)
			c.listen_port = info.port;
		n += (size_t)snprintf(dst + n, cap - n, "%speer %s %s %s%s%s%s", i ? ", " : "",
			p && p->name[0] ? p->name : tt_key_short(f->conf.peers[i].key, tag),
			info.state == LISTEN_OPEN    ? "listens on"
			: info.state == LISTEN_ASKED ? "is asked for"
						     : "refuses",
			conf_forward_place(&c, place), info.state == LISTEN_REFUSED ? " (" : "",
			info.state == LISTEN_REFUSED ? refusal_text(&info) : "",
			info.state == LISTEN_REFUSED ? ")" : "");
	}
}

bool reverse_works(const struct app *app, const struct forward *f)
{
	struct listen_info info;

	for (size_t i = 0; i < f->conf.n_peers; i++) {
		const struct peer *p = peer_find_key(app, f->conf.peers[i].key);
		if (p && session_listen_info(p->session, f, &info) && info.state == LISTEN_REFUSED)
			return false;
	}
	return true;
}

/* ---- for peers ---- */

static struct forward *granted_new(const struct peer *p, const struct listen_action *a)
{
	struct conf_forward c = {
		.proto = CONF_TCP,
		.listen_any = a->at.any,
		.listen_loopback = !a->at.any && a->at.n_addrs == 2,
		.listen_addr = a->at.addrs[0],
		.n_peers = 1,
	};

	memcpy(c.peers[0].key, p->key, TT_KEY_LEN);
	snprintf(c.name, sizeof(c.name), "%s", a->tunnel[0] ? a->tunnel : "reverse");
	snprintf(c.origin, sizeof(c.origin), "peer %s", p->tag);
	if (a->path)
		snprintf(c.listen_path, sizeof(c.listen_path), "%s", a->path);
	struct forward *f = forward_new(&c);
	if (f)
		f->lid = a->lid;
	return f;
}

/* Where any port of a range will do, those that are taken are passed over. */
static int open_any(struct app *app, struct forward *f, const struct access_listen *at)
{
	bool all = at->port_first == 1 && at->port_last == 65535;
	int rc = TT_EIO;

	for (unsigned i = 0; i < PORT_TRIES && (all || at->port_first + i <= at->port_last); i++) {
		f->conf.listen_port = all ? 0 : (uint16_t)(at->port_first + i);
		listener_close(app, f);
		rc = listener_open(app, f, NULL);
		if (rc == TT_OK)
			break;
	}
	return rc;
}

static void grant(struct app *app, struct peer *p, const struct listen_action *a)
{
	struct forward *f = granted_new(p, a);
	char why[128] = "out of memory";

	if (f && open_any(app, f, &a->at) == TT_OK) {
		f->next = app->granted;
		app->granted = f;
		session_listen_opened(
			p->session, a->lid, f, REASON_NONE, f->conf.listen_port, "", app_now(app));
		return;
	}
	if (f) {
		listener_describe(app, f, why, sizeof(why));
		listener_close(app, f);
		forward_unref(f);
	}
	session_listen_opened(p->session, a->lid, NULL, REASON_CANNOT_LISTEN, 0, why, app_now(app));
}

/* Connections that came through it keep what they need of it. */
static void revoke(struct app *app, struct forward **at)
{
	struct forward *f = *at;

	*at = f->next;
	listener_close(app, f);
	forward_unref(f);
}

void reverse_peer_gone(struct app *app, const struct peer *p)
{
	struct forward **at = &app->granted;

	while (*at) {
		if (memcmp((*at)->conf.peers[0].key, p->key, TT_KEY_LEN) == 0)
			revoke(app, at);
		else
			at = &(*at)->next;
	}
}

void reverse_on_action(struct app *app, struct peer *p, const struct listen_action *a)
{
	struct forward **at = &app->granted;

	switch (a->type) {
	case LISTEN_ACTION_OPEN:
		grant(app, p, a);
		break;
	case LISTEN_ACTION_CLOSE:
		while (*at != a->user)
			at = &(*at)->next;
		tt_info(app->log, "listener: peer=%s port %u is closed", p->tag,
			(*at)->conf.listen_port);
		revoke(app, at);
		break;
	case LISTEN_ACTION_NEWS:
		tell_news(app, p, a->user);
		break;
	}
}
