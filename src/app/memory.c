#include "memory.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "tt_err.h"

#define TIDY_EVERY TT_S(1)
#define TRIM_EVERY TT_S(10)
#define TRIM_BYTES (2u << 20)

void memory_settings(void)
{
	/* Said aloud, or glibc raises it at the first large block that is freed, and from then on
	 * keeps slabs and toxcore's tables inside the heap. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

size_t memory_resident(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%*s %ld", &pages) != 1)
		pages = 0;
	fclose(f);
	return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

size_t memory_allocated(void)
{
	struct mallinfo2 mi = mallinfo2();
	return mi.uordblks + mi.hblkhd;
}

/* What is in memory and not allocated: code, and free pages of the heap. */
static size_t slack(void)
{
	size_t resident = memory_resident(), allocated = memory_allocated();
	return resident > allocated ? resident - allocated : 0;
}

/* A burst leaves free pages among what stays; glibc gives back the end of the heap only. */
static void trim(struct app *app)
{
	size_t now = slack();

	if (now > app->slack_least + TRIM_BYTES) {
		app->memory_locked = toxnet_trim_memory(app->memory_locked);
		app->slack_least = slack();
	} else if (now < app->slack_least) {
		app->slack_least = now;
	}
	app->trim_at = app_now(app) + TRIM_EVERY;
}

static void tidy(struct app *app, void *owner)
{
	(void)owner;
	tt_pool_tidy(app->pool);
	if (app_now(app) >= app->trim_at)
		trim(app);
	app_timer_set(app, &app->memory_timer, app_now(app) + TIDY_EVERY);
}

int memory_init(struct app *app)
{
	app->memory_locked = toxnet_protect_memory(app->log);
	app->slack_least = slack();
	int rc = tt_pool_new(&app->pool, LINK_BLOCK, NULL);
	if (rc == TT_OK)
		rc = app_timer_init(app, &app->memory_timer, tidy, NULL);
	if (rc == TT_OK)
		app_timer_set(app, &app->memory_timer, app_now(app) + TIDY_EVERY);
	return rc;
}

void memory_clear(struct app *app)
{
	tt_pool_free(app->pool);
	app->pool = NULL;
}
