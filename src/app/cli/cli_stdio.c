/*
 * `toxtun -W HOST:PORT client TOXID`: standard input and output to one target. The connection is
 * always that of another process: the toxtun that runs on the data directory, or else a child which
 * becomes a client for this one connection, and for those of other -W that come meanwhile. It ends
 * with the last of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "config.h"
#include "conn.h"
#include "control.h"
#include "control_ask.h"
#include "forward.h"
#include "peer.h"
#include "stdio_relay.h"

/*
 * Who looks for the control socket, makes it or takes it away holds the gate, a lock on the data
 * directory itself: so of two that start at once the second finds the socket of the first.
 */
static int gate_open(const char *dir)
{
	return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void gate_enter(int gate)
{
	while (gate >= 0 && flock(gate, LOCK_EX) != 0 && errno == EINTR)
		;
}

static bool gate_try(int gate)
{
	return gate < 0 || flock(gate, LOCK_EX | LOCK_NB) == 0;
}

static void gate_leave(int gate)
{
	if (gate >= 0)
		flock(gate, LOCK_UN);
}

/* ---- the child ---- */

static void to_null(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, fd);
	if (null != fd)
		close(null);
}

/* True when nobody uses this process and nobody can begin to: then the gate is ours. */
static bool nobody_is_left(struct app *app, int gate)
{
	if (app->n_conns > 0 || control_in_use(app) || !gate_try(gate))
		return false;
	/* Who has connected before that is taken in now. */
	if (app_step(app, app_now(app)) == EXIT_OK && app->n_conns == 0 && !control_in_use(app))
		return true;
	gate_leave(gate);
	return false;
}

/* Until the last connection is over. An exit code. */
static int run_child(struct app *app, int gate)
{
	pid_t parent = getppid();
	bool quiet = false;

	while (!app->stopping && !nobody_is_left(app, gate)) {
		int rc = app_step(app, app_now(app) + TT_S(1));
		if (rc != EXIT_OK)
			return rc;
		if (!quiet && getppid() != parent) {
			quiet = true;
			to_null(STDERR_FILENO); /* somebody may wait for its end */
		}
	}
	control_stop(app);
	app_stop(app);
	return app_run(app);
}

static int child(struct conf *conf, const struct tt_log *log, const char *dir, int fd, int gate)
{
	struct app *app = NULL;
	struct forward *f = forward_new(&conf->stdio);

	to_null(STDIN_FILENO);
	to_null(STDOUT_FILENO);
	int rc = f ? app_new(&app, conf, log, dir) : EXIT_FAILED;
	for (size_t i = 0; rc == EXIT_OK && i < conf->n_servers; i++)
		rc = peer_want(app, &conf->servers[i]) ? EXIT_OK : EXIT_FAILED;
	if (rc == EXIT_OK) {
		setsid(); /* the terminal's signals are for the command */
		control_start(app, dir);
		int own = gate_open(dir); /* that of the parent is locked with it */
		gate_leave(gate);
		if (gate >= 0)
			close(gate);
		conn_accept_answered(app, f, fd, control_stream_answer);
		rc = run_child(app, own);
	}
	forward_unref(f);
	app_free(app);
	return rc;
}

/* ---- the command ---- */

/* Makes a child that answers on ask->fd. */
static int start_child(struct control_ask *ask, pid_t *pid, struct conf *conf,
	const struct tt_log *log, const char *dir, int gate)
{
	int pair[2];

	*ask = (struct control_ask){.fd = -1, .interrupt = -1, .log = log};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		tt_error(log, "socketpair: %s", strerror(errno));
		return EXIT_FAILED;
	}
	*pid = fork();
	if (*pid == 0) {
		close(pair[0]);
		fcntl(pair[1], F_SETFL, O_NONBLOCK);
		_exit(child(conf, log, dir, pair[1], gate));
	}
	close(pair[1]);
	ask->fd = pair[0];
	if (*pid < 0) {
		tt_error(log, "fork: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static cJSON *stream_request(const struct conf *conf)
{
	char target[CONF_PLACE_MAX];
	cJSON *request = control_ask_request("stream");

	cJSON_AddStringToObject(request, "target", conf_forward_target(&conf->stdio, target));
	control_ask_peers(request, conf->servers, conf->n_servers);
	return request;
}

/* Nobody has answered: why? */
static int why_gone(const struct control_ask *ask, const char *dir, pid_t pid)
{
	int status;

	if (pid <= 0 || ask->err != 0) {
		tt_error(ask->log, "the toxtun that runs on %s did not answer", dir);
		return EXIT_FAILED;
	}
	/* It has ended, and has said why. */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

int cli_stdio(struct conf *conf, const struct tt_log *log)
{
	struct control_ask ask = {.fd = -1, .interrupt = -1};
	char *dir = config_data_dir(conf);
	pid_t pid = 0;
	int rc = EXIT_OK;

	if (!dir)
		return EXIT_USAGE;
	signal(SIGPIPE, SIG_IGN);
	int gate = gate_open(dir); /* none at the first start of all */
	gate_enter(gate);
	bool running = control_ask_open(&ask, conf, log);
	if (!running)
		rc = start_child(&ask, &pid, conf, log, dir, gate);
	if (running)
		gate_leave(gate);
	if (gate >= 0)
		close(gate); /* where there is a child, it leaves */
	if (rc == EXIT_OK)
		rc = control_ask_stream(&ask, running ? stream_request(conf) : NULL);
	if (rc == CONTROL_ASK_GONE)
		rc = why_gone(&ask, dir, pid);
	else if (rc == EXIT_OK)
		rc = stdio_relay(ask.fd, STDIN_FILENO, STDOUT_FILENO, log);
	control_ask_close(&ask);
	free(dir);
	return rc;
}
