/* `toxtun top`: asks the running process each second, and shows what it says until a key ends it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"
#include "control_ask.h"
#include "control_line.h"
#include "top.h"
#include "top_draw.h"
#include "top_screen.h"
#include "tt_err.h"

#define INTERVAL TT_S(1)
/* An answer takes milliseconds. */
#define PATIENCE TT_S(5)

struct view {
	struct top top;
	const struct conf *conf;
	const struct tt_log *log;
	struct loop *loop;
	struct loop_watch *keys, *answers;
	struct loop_signal *signals[3];
	struct control_ask ask; /* fd -1: nobody is there */
	struct control_lines lines;
	unsigned pending;   /* answers that are not complete */
	tt_time waits_from; /* pending: since when nothing has come */
	tt_time next_at;    /* of the next snapshot, or of the next try to connect */
	bool quit;
};

/* ---- the running process ---- */

static void disconnect(struct view *v)
{
	loop_watch_free(v->answers);
	v->answers = NULL;
	control_ask_close(&v->ask);
	control_lines_clear(&v->lines);
	v->pending = 0;
}

static void lost(struct view *v)
{
	disconnect(v);
	top_trouble(&v->top, "This toxtun has ended. Waiting until one is there again; q quits.");
	v->next_at = loop_now(v->loop) + INTERVAL;
}

/* Takes ownership of the request. */
static void request(struct view *v, cJSON *request)
{
	if (v->ask.fd < 0 || control_ask_send(&v->ask, request) != 0) {
		top_say(&v->top, "there is no toxtun that could be asked");
	} else if (v->pending++ == 0) {
		v->waits_from = loop_now(v->loop);
	}
	cJSON_Delete(request);
}

static void take_line(struct view *v, const char *line)
{
	cJSON *o = control_object(line);
	cJSON *stats = cJSON_DetachItemFromObjectCaseSensitive(o, "stats");
	const char *said = control_text(o, "error");

	if (!said)
		said = control_text(o, "out");
	if (stats)
		top_take(&v->top, stats);
	if (said)
		top_say(&v->top, said);
	if (cJSON_GetObjectItemCaseSensitive(o, "exit") && v->pending > 0)
		v->pending--;
	cJSON_Delete(o);
}

static void on_answer(void *user, unsigned events)
{
	struct view *v = user;
	char buf[65536], *line;

	(void)events;
	ssize_t n = recv(v->ask.fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0 || control_lines_add(&v->lines, buf, (size_t)n) != TT_OK) {
		lost(v);
		return;
	}
	v->waits_from = loop_now(v->loop);
	while ((line = control_lines_next(&v->lines)))
		take_line(v, line);
}

static bool connect_again(struct view *v)
{
	if (!control_ask_open(&v->ask, v->conf, v->log))
		return false;
	v->lines = (struct control_lines){.max = CONTROL_ASK_ANSWER_MAX};
	if (loop_watch_new(&v->answers, v->loop, v->ask.fd, LOOP_READ, on_answer, v) == TT_OK)
		return true;
	disconnect(v);
	return false;
}

/* Returns when it must be called again. */
static tt_time ask_when_due(struct view *v, tt_time now)
{
	if (v->pending > 0 && now < v->waits_from + PATIENCE)
		return v->waits_from + PATIENCE;
	if (v->pending > 0) {
		top_trouble(&v->top, "This toxtun does not answer: it hangs, or has been stopped.");
		return TT_TIME_NEVER;
	}
	if (now >= v->next_at) {
		v->next_at = now + INTERVAL;
		if (v->ask.fd >= 0 || connect_again(v))
			request(v, top_status_request(&v->top));
	}
	return v->next_at;
}

/* ---- the terminal ---- */

static void press(struct view *v, int key)
{
	switch (top_press(&v->top, key)) {
	case TOP_WISH_QUIT:
		v->quit = true;
		break;
	case TOP_WISH_REFRESH:
		v->next_at = loop_now(v->loop);
		break;
	case TOP_WISH_END:
		request(v, top_end_request(&v->top));
		v->next_at = loop_now(v->loop); /* to see it gone */
		break;
	case TOP_WISH_NONE:
		break;
	}
}

static void on_key(void *user, unsigned events)
{
	struct view *v = user;
	struct termios t;
	int key;

	(void)events;
	while (!v->quit && (key = top_screen_key()) >= 0)
		press(v, key);
	/* A terminal that is gone stays readable for ever. */
	if (tcgetattr(STDIN_FILENO, &t) != 0)
		v->quit = true;
}

static void on_signal(void *user, int signo)
{
	struct view *v = user;

	if (signo == SIGWINCH)
		top_screen_resized();
	else
		v->quit = true;
}

static void draw(struct view *v)
{
	struct top_picture p;
	size_t rows, columns;

	top_screen_size(&rows, &columns);
	if (!top_picture_init(&p, rows, columns, top_screen_utf8()))
		return;
	top_draw(&v->top, &p);
	top_screen_show(&p);
	top_picture_free(&p);
}

static int run(struct view *v)
{
	static const int signals[3] = {SIGWINCH, SIGINT, SIGTERM};
	int rc = loop_watch_new(&v->keys, v->loop, STDIN_FILENO, LOOP_READ, on_key, v);

	for (size_t i = 0; i < 3 && rc == TT_OK; i++)
		rc = loop_signal_new(&v->signals[i], v->loop, signals[i], on_signal, v);
	v->next_at = loop_clock(v->loop);
	while (rc == TT_OK && !v->quit) {
		tt_time again_at = ask_when_due(v, loop_now(v->loop));
		draw(v);
		rc = loop_run_once(v->loop, again_at);
	}
	for (size_t i = 0; i < 3; i++)
		loop_signal_free(v->signals[i]);
	loop_watch_free(v->keys);
	disconnect(v);
	return rc;
}

int cli_top(struct conf *conf, const struct tt_log *log)
{
	struct view v = {.conf = conf, .log = log, .ask = {.fd = -1, .interrupt = -1}};
	int rc = TT_OK;

	if (!top_screen_usable(log))
		return EXIT_USAGE;
	if (loop_new(&v.loop, log) != TT_OK)
		return EXIT_FAILED;
	if (!connect_again(&v)) {
		control_ask_say_why(conf, log, v.ask.err);
		loop_free(v.loop);
		return EXIT_FAILED;
	}
	top_screen_open();
	rc = run(&v);
	top_screen_close();
	top_free(&v.top);
	loop_free(v.loop);
	return rc == TT_OK ? EXIT_OK : EXIT_FAILED;
}
