#include "forward.h"

#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "listener.h"
#include "reverse.h"
#include "tt_err.h"

struct forward *forward_ref(struct forward *f)
{
	f->refs++;
	return f;
}

void forward_unref(struct forward *f)
{
	if (f && --f->refs == 0)
		free(f);
}

struct forward *forward_new(const struct conf_forward *conf)
{
	struct forward *f = calloc(1, sizeof(*f));

	if (f) {
		f->conf = *conf;
		f->refs = 1;
		f->last_used = conf->n_peers - 1; /* the next one is the first */
	}
	return f;
}

/* Puts it at the end of the list: the order is that of the configuration. */
static struct forward *append(struct app *app, const struct conf_forward *conf)
{
	struct forward **end = &app->forwards;
	struct forward *f = forward_new(conf);

	if (!f)
		return NULL;
	while (*end)
		end = &(*end)->next;
	*end = f;
	return f;
}

static void take_out(struct app *app, struct forward *f)
{
	struct forward **at = &app->forwards;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	if (f->conf.reverse)
		reverse_cancel(app, f);
	else
		listener_close(app, f);
	if (f->conf.socks)
		conns_end_associations(app, f);
	forward_unref(f);
}

/* As listener_open. Whether the peers of a reverse forward can listen is heard later. */
static int open_here(struct app *app, struct forward *f, const struct tt_log *log)
{
	return f->conf.reverse ? TT_OK : listener_open(app, f, log);
}

void forwards_close(struct app *app)
{
	while (app->forwards)
		take_out(app, app->forwards);
}

int forwards_open(struct app *app)
{
	size_t good = 0, n = app->conf->n_forwards;

	for (size_t i = 0; i < n; i++) {
		struct forward *f = append(app, &app->conf->forwards[i]);
		if (f && open_here(app, f, app->log) == TT_OK)
			good++;
		else if (!f || app->conf->exit_on_failure)
			return EXIT_FAILED;
	}
	return good > 0 || n == 0 ? EXIT_OK : EXIT_FAILED;
}

struct forward *forward_by_name(const struct app *app, const char *name)
{
	struct forward *f = app->forwards;

	while (f && strcmp(f->conf.name, name) != 0)
		f = f->next;
	return f;
}

struct forward *forward_by_spec(const struct app *app, const struct conf_forward *conf)
{
	struct forward *f = app->forwards;

	while (f && !conf_forward_same_spec(&f->conf, conf))
		f = f->next;
	return f;
}

const struct tt_peer_id *forwards_server(const struct app *app)
{
	const struct tt_peer_id *one = NULL;

	for (const struct forward *f = app->forwards; f; f = f->next) {
		const struct tt_peer_id *id = &f->conf.peers[0];
		if (f->conf.n_peers != 1 || (one && memcmp(one->key, id->key, TT_KEY_LEN) != 0))
			return NULL;
		one = id;
	}
	return one;
}

static struct forward *find_equal(const struct app *app, const struct conf_forward *conf)
{
	struct forward *f = app->forwards;

	while (f && !conf_forward_equal(&f->conf, conf))
		f = f->next;
	return f;
}

int forward_add(struct app *app, const struct conf_forward *conf, const struct tt_log *log)
{
	const struct forward *same = find_equal(app, conf);
	char place[CONF_PLACE_MAX];

	if (same) {
		tt_error(log, "this tunnel is open already: %s", same->conf.name);
		return TT_EEXIST;
	}
	for (struct forward *f = app->forwards; f; f = f->next) {
		if (conf_forward_collide(&f->conf, conf)) {
			tt_error(log,
				"%s is taken by the tunnel %s: choose another port or address to "
				"listen on, or cancel that one first",
				conf_forward_place(conf, place), f->conf.name);
			return TT_EBUSY;
		}
	}
	struct forward *f = append(app, conf);
	if (!f) {
		tt_error(log, "no memory for another tunnel");
		return TT_ENOMEM;
	}
	f->added = true;
	int rc = open_here(app, f, log);
	if (rc != TT_OK)
		take_out(app, f);
	return rc;
}

void forward_cancel(struct app *app, struct forward *f, const struct tt_log *log)
{
	tt_info(log, "tunnel %s: closed; %s", f->conf.name,
		f->conf.proto == CONF_UDP ? "its UDP flows have ended"
		: f->conf.socks           ? "connections that are open stay, UDP associations end"
					  : "connections that are open stay");
	take_out(app, f);
}

static bool in_conf(const struct conf *c, const struct conf_forward *f)
{
	for (size_t i = 0; i < c->n_forwards; i++) {
		if (conf_forward_equal(&c->forwards[i], f))
			return true;
	}
	return false;
}

bool forwards_fit(const struct app *app, const struct conf *c, const struct tt_log *log)
{
	char place[CONF_PLACE_MAX];
	bool fit = true;

	for (const struct forward *f = app->forwards; f; f = f->next) {
		if (!f->added || in_conf(c, &f->conf))
			continue;
		for (size_t i = 0; i < c->n_forwards; i++) {
			if (!conf_forward_collide(&f->conf, &c->forwards[i]))
				continue;
			tt_error(log,
				"%s: %s is taken by the tunnel %s, which was added at run "
				"time: cancel that one first",
				c->forwards[i].origin, conf_forward_place(&c->forwards[i], place),
				f->conf.name);
			fit = false;
		}
	}
	return fit;
}

static void close_gone(struct app *app, const struct tt_log *log, struct forward_changes *done)
{
	struct forward *next;

	for (struct forward *f = app->forwards; f; f = next) {
		next = f->next;
		if (f->added || in_conf(app->conf, &f->conf))
			continue;
		forward_cancel(app, f, log);
		done->closed++;
	}
}

void forwards_reload(struct app *app, const struct tt_log *log, struct forward_changes *done)
{
	*done = (struct forward_changes){0};
	close_gone(app, log, done); /* first: their ports may be wanted again */
	for (size_t i = 0; i < app->conf->n_forwards; i++) {
		const struct conf_forward *conf = &app->conf->forwards[i];
		struct forward *f = find_equal(app, conf);
		if (f) {
			f->conf = *conf; /* its name and line may have changed */
			f->added = false;
			done->kept++;
			continue;
		}
		f = append(app, conf);
		if (f && open_here(app, f, log) == TT_OK)
			done->opened++;
		else if (!f)
			tt_error(log, "%s: no memory for another tunnel", conf->origin);
	}
}
