#include "service.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "tt_err.h"

struct service {
	bool ready, stopping;
	bool failed; /* the manager could not be told, which was said */
	tt_time watchdog_every;
	struct app_timer watchdog;
};

static void tell(struct app *app, const char *state)
{
	int rc = sd_notify(0, state);

	if (rc < 0 && !app->service->failed)
		tt_warn(app->log, "the service manager cannot be told what goes on: %s",
			strerror(-rc));
	app->service->failed = rc < 0;
}

/* A timer of the loop: when that is stuck the manager hears nothing, which is the point. */
static void feed_watchdog(struct app *app, void *owner)
{
	struct service *s = owner;

	tell(app, "WATCHDOG=1");
	app_timer_set(app, &s->watchdog, app_now(app) + s->watchdog_every);
}

int service_start(struct app *app)
{
	uint64_t watchdog_us;

	if (!getenv("NOTIFY_SOCKET"))
		return EXIT_OK;
	struct service *s = calloc(1, sizeof(*s));
	if (!s || app_timer_init(app, &s->watchdog, feed_watchdog, s) != TT_OK) {
		tt_error(app->log, "no memory to tell the service manager what goes on");
		free(s);
		return EXIT_FAILED;
	}
	app->service = s;
	if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
		s->watchdog_every = watchdog_us / 2; /* as sd_watchdog_enabled(3) has it */
		feed_watchdog(app, s);
	}
	return EXIT_OK;
}

void service_stop(struct app *app)
{
	if (!app->service)
		return;
	app_timer_drop(app, &app->service->watchdog);
	free(app->service);
	app->service = NULL;
}

bool service_listens(const struct app *app)
{
	return app->service != NULL;
}

void service_ready(struct app *app)
{
	if (!app->service || app->service->ready)
		return;
	app->service->ready = true;
	tell(app, "READY=1");
}

/* Before it was ready, READY=1 after the reload would say that it is. */
static bool can_reload(const struct app *app)
{
	return app->service && app->service->ready && !app->service->stopping;
}

void service_reloading(struct app *app)
{
	char state[64];

	if (!can_reload(app))
		return;
	/* The time is what Type=notify-reload needs. */
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, loop_monotonic());
	tell(app, state);
}

void service_reloaded(struct app *app)
{
	if (can_reload(app))
		tell(app, "READY=1");
}

void service_stopping(struct app *app)
{
	if (!app->service || app->service->stopping)
		return;
	app->service->stopping = true;
	tell(app, "STOPPING=1");
}

void service_status(struct app *app, const char *sentence)
{
	char *state;

	if (!app->service || asprintf(&state, "STATUS=%s", sentence) < 0)
		return;
	tell(app, state);
	free(state);
}
