#include "control_ask.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"
#include "config.h"
#include "control.h"
#include "control_line.h"
#include "live_line.h"
#include "tt_err.h"

/* A process that is silent for so long hangs: a ping has a line for each of its rounds, and waits
 * for its peer for twice the time of --connect-timeout before the first. */
#define SILENCE_S 30

void control_ask_close(struct control_ask *a)
{
	if (a->fd >= 0)
		close(a->fd);
	if (a->interrupt >= 0)
		close(a->interrupt);
	free(a->dir);
	a->fd = -1;
	a->dir = NULL;
}

static void mask_interrupt(int how, sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigprocmask(how, set, NULL);
}

void control_ask_heed_interrupt(struct control_ask *a)
{
	sigset_t set;

	mask_interrupt(SIG_BLOCK, &set);
	a->interrupt = signalfd(-1, &set, SFD_CLOEXEC);
	if (a->interrupt < 0)
		mask_interrupt(SIG_UNBLOCK, &set);
}

/* The next one ends us. */
static void take_interrupt(struct control_ask *a)
{
	struct signalfd_siginfo info;
	sigset_t set;

	if (read(a->interrupt, &info, sizeof(info)) < 0)
		tt_debug(a->log, "signalfd: %s", strerror(errno));
	close(a->interrupt);
	a->interrupt = -1;
	mask_interrupt(SIG_UNBLOCK, &set);
}

bool control_ask_open(struct control_ask *a, const struct conf *conf, const struct tt_log *log)
{
	const struct timeval patience = {.tv_sec = SILENCE_S + 2 * (time_t)conf->connect_timeout_s};
	struct sockaddr_un address;

	*a = (struct control_ask){.fd = -1,
		.interrupt = -1,
		.patience_ms = (int)patience.tv_sec * 1000,
		.log = log,
		.dir = config_data_dir(conf)};
	if (!a->dir || control_address(a->dir, &address) != TT_OK)
		goto fail;
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd < 0 || connect(a->fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
		setsockopt(a->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
		goto fail;
	return true;
fail:
	a->err = errno;
	control_ask_close(a);
	return false;
}

cJSON *control_ask_request(const char *command)
{
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "cmd", command);
	return o;
}

void control_ask_peers(cJSON *request, const struct tt_peer_id *ids, size_t n)
{
	char list[CONF_FORWARD_PEERS_MAX * (TT_TOXID_HEX + 1) + 1] = "", *at = list;

	for (size_t i = 0; i < n && i < CONF_FORWARD_PEERS_MAX; i++) {
		if (i > 0)
			*at++ = ',';
		if (ids[i].has_toxid)
			tt_hex_encode(ids[i].toxid, TT_TOXID_LEN, at);
		else
			tt_hex_encode(ids[i].key, TT_KEY_LEN, at);
		at += strlen(at);
	}
	cJSON_AddStringToObject(request, "peer", list);
}

static int send_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EINTR)
			return -1;
		if (sent > 0) {
			data += sent;
			n -= (size_t)sent;
		}
	}
	return 0;
}

int control_ask_send(const struct control_ask *a, const cJSON *request)
{
	char *text = cJSON_PrintUnformatted(request);
	int rc = -1;

	if (text && send_all(a->fd, text, strlen(text)) == 0)
		rc = send_all(a->fd, "\n", 1);
	free(text);
	return rc;
}

/* What a peer calls itself must not move the cursor. */
static void print_line(FILE *f, const char *text)
{
	for (; *text; text++)
		putc(((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f ? '?' : *text,
			f);
	putc('\n', f);
	fflush(f);
}

/* One line of the answer; true when it was the last, with the exit code. */
static bool show(const struct control_ask *a, const char *line, int *code)
{
	cJSON *o = control_object(line);
	const char *out = control_text(o, "out"), *error = control_text(o, "error");
	const char *progress = control_text(o, "progress");
	const cJSON *stats = cJSON_GetObjectItemCaseSensitive(o, "stats");
	unsigned exit_code = control_number(o, "exit", 0, 255, 256);

	if (a->progress)
		live_line_set(a->progress, progress ? progress : "");
	if (out)
		print_line(stdout, out);
	if (error) {
		fputs("toxtun: ", stderr);
		print_line(stderr, error);
	}
	if (stats) {
		char *text = cJSON_PrintUnformatted(stats);
		print_line(stdout, text ? text : "{}");
		free(text);
	}
	cJSON_Delete(o);
	*code = (int)exit_code;
	return exit_code <= 255;
}

static void say_gone(const struct control_ask *a, ssize_t n)
{
	tt_error(a->log, "the toxtun that runs on %s %s", a->dir,
		n < 0 ? "does not answer" : "ended before it had answered");
}

/* As recv, but for a bounded time. EINTR: the answer was asked for as far as there is one. */
static ssize_t receive(struct control_ask *a, char *buf, size_t size)
{
	struct pollfd p[] = {
		{.fd = a->fd, .events = POLLIN}, {.fd = a->interrupt, .events = POLLIN}};

	if (poll(p, 2, a->patience_ms) < 0)
		return -1;
	if (p[1].revents) {
		take_interrupt(a);
		shutdown(a->fd, SHUT_WR);
		errno = EINTR;
		return -1;
	}
	return recv(a->fd, buf, size, MSG_DONTWAIT);
}

static int read_answer(struct control_ask *a)
{
	struct control_lines lines = {.max = CONTROL_ASK_ANSWER_MAX};
	char buf[65536], *line;
	int code = EXIT_FAILED;

	for (;;) {
		ssize_t n = receive(a, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || control_lines_add(&lines, buf, (size_t)n) != TT_OK) {
			say_gone(a, n);
			code = EXIT_FAILED;
			break;
		}
		bool over = false;
		while (!over && (line = control_lines_next(&lines)))
			over = show(a, line, &code);
		if (over)
			break;
	}
	control_lines_clear(&lines);
	return cli_flush(a->log) ? code : EXIT_FAILED;
}

int control_ask_stream(struct control_ask *a, cJSON *request)
{
	char line[1024];
	size_t len = 0;
	int code = CONTROL_ASK_GONE;
	ssize_t n = request ? control_ask_send(a, request) + 1 : 1; /* 0: as after an end */

	cJSON_Delete(request);
	while (n > 0 || (n < 0 && errno == EINTR)) {
		/* byte by byte: what follows the line belongs to the stream */
		n = recv(a->fd, line + len, 1, 0);
		if (n <= 0)
			continue;
		if (line[len] != '\n') {
			len += len < sizeof(line) - 1;
			continue;
		}
		line[len] = '\0';
		len = 0;
		cJSON *o = control_object(line);
		bool begins = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "stream"));
		cJSON_Delete(o);
		if (begins)
			return EXIT_OK;
		if (show(a, line, &code))
			return code;
		code = CONTROL_ASK_GONE;
	}
	a->err = n < 0 ? errno : 0;
	return code;
}

int control_ask_run(struct control_ask *a, cJSON *request)
{
	int rc = EXIT_FAILED;

	if (control_ask_send(a, request) == 0)
		rc = read_answer(a);
	else
		tt_error(a->log, "the toxtun that runs on %s cannot be asked: %s", a->dir,
			strerror(errno));
	cJSON_Delete(request);
	control_ask_close(a);
	return rc;
}

void control_ask_say_why(const struct conf *conf, const struct tt_log *log, int err)
{
	char *dir = config_data_dir(conf);
	struct sockaddr_un address;

	if (!dir)
		return;
	if (control_address(dir, &address) != TT_OK)
		tt_error(log,
			"the path of the control socket, %s/" CONTROL_SOCKET
			", is too long for a socket; use a shorter --data-dir",
			dir);
	else if (err == EACCES || err == EPERM)
		tt_error(log,
			"the toxtun that runs on %s is another user's; ask as that user or as root",
			dir);
	else
		tt_error(log,
			"no toxtun runs on the data directory %s; start it, or name the directory "
			"of the one that is meant with --data-dir%s",
			dir, conf->data_dir ? "" : " (that of a node is `node` in this one)");
	free(dir);
}

int control_ask(const struct conf *conf, const struct tt_log *log, cJSON *request)
{
	struct control_ask a;

	if (control_ask_open(&a, conf, log))
		return control_ask_run(&a, request);
	control_ask_say_why(conf, log, a.err);
	cJSON_Delete(request);
	return EXIT_FAILED;
}
