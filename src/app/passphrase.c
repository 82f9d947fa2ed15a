#include "passphrase.h"

#include <bsd/readpassphrase.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define PASSPHRASE_MIN 8 /* characters of a new one */
#define TRIES 3          /* on the terminal, as ssh has it */
#define CREDENTIAL "passphrase"

#define say(...) snprintf(why, cap, __VA_ARGS__)

/* The file that has it: the option's, else the credential that systemd has put there. */
static const char *source_file(const struct conf *c, char path[4096])
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	if (c->passphrase_file)
		return c->passphrase_file;
	if (!dir || snprintf(path, 4096, "%s/" CREDENTIAL, dir) >= 4096)
		return NULL;
	return access(path, F_OK) == 0 ? path : NULL;
}

/* A line break at the end does not count. */
static int from_file(const struct passphrase *p, const char *path, char dst[TOXNET_PASSPHRASE_MAX],
	char *why, size_t cap)
{
	struct stat st;
	char *text;
	size_t len;

	if (file_read(path, TOXNET_PASSPHRASE_MAX - 1, &text, &len) != 0) {
		say("the passphrase file %s cannot be read: %s", path, strerror(errno));
		return -1;
	}
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0)
		tt_warn(p->log, "the passphrase file %s is open to other users (mode %03o)", path,
			(unsigned)st.st_mode & 0777u);
	memcpy(dst, text, len);
	sodium_memzero(text, len);
	free(text);
	while (len > 0 && (dst[len - 1] == '\n' || dst[len - 1] == '\r'))
		len--;
	if (len == 0)
		say("the passphrase file %s is empty", path);
	return len > 0 ? (int)len : -1;
}

/* True when there is a terminal and it is ours: from the background, asking would only stop us. */
static bool can_ask(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	bool ours = fd >= 0 && tcgetpgrp(fd) == getpgrp();

	if (fd >= 0)
		close(fd);
	return ours;
}

static int from_terminal(const char *prompt, char dst[TOXNET_PASSPHRASE_MAX], char *why, size_t cap)
{
	if (readpassphrase(prompt, dst, TOXNET_PASSPHRASE_MAX, RPP_REQUIRE_TTY))
		return (int)strlen(dst);
	say("no passphrase was given: %s", strerror(errno));
	return -1;
}

static int open_from_terminal(const struct passphrase *p, unsigned tries,
	char dst[TOXNET_PASSPHRASE_MAX], char *why, size_t cap)
{
	char prompt[4096];

	if (tries == TRIES) {
		say("the passphrase of the identity in %s is wrong", p->dir);
		return -1;
	}
	if (!can_ask()) {
		say("the identity in %s is encrypted: give its passphrase with --passphrase-file, "
		    "or as the systemd credential `" CREDENTIAL "`, or start on a terminal",
			p->dir);
		return -1;
	}
	snprintf(prompt, sizeof(prompt),
		"%sPassphrase of the identity in %s: ", tries > 0 ? "That was wrong. " : "",
		p->dir);
	int len = from_terminal(prompt, dst, why, cap);
	if (len == 0) { /* just Enter: the user gives up */
		say("no passphrase was given");
		len = -1;
	}
	return len;
}

static int open_old(struct passphrase *p, unsigned tries, char dst[TOXNET_PASSPHRASE_MAX],
	char *why, size_t cap)
{
	char path[4096];
	const char *file = source_file(p->conf, path);

	if (!file)
		return open_from_terminal(p, tries, dst, why, cap);
	p->asked = true;
	if (tries == 0)
		return from_file(p, file, dst, why, cap);
	say("the passphrase in %s is wrong for %s/identity.tox, or that file is damaged; it was "
	    "left alone",
		file, p->dir);
	return -1;
}

static int new_from_terminal(char dst[TOXNET_PASSPHRASE_MAX], char *why, size_t cap)
{
	char again[TOXNET_PASSPHRASE_MAX];

	if (!can_ask()) {
		say("there is no terminal to ask for the new passphrase: give it with "
		    "--new-passphrase-file");
		return -1;
	}
	int len = from_terminal("New passphrase: ", dst, why, cap);
	if (len < PASSPHRASE_MIN) /* before it is typed twice */
		return len;
	if (from_terminal("The same again: ", again, why, cap) < 0) {
		len = -1;
	} else if (strcmp(dst, again) != 0) {
		say("the two passphrases differ; nothing was changed");
		len = -1;
	}
	sodium_memzero(again, sizeof(again));
	return len;
}

static int make_new(struct passphrase *p, char dst[TOXNET_PASSPHRASE_MAX], char *why, size_t cap)
{
	const struct conf *c = p->conf;
	char path[4096];
	const char *file = c->set_passphrase ? c->new_passphrase_file : source_file(c, path);
	int len;

	p->asked = true;
	if (c->remove_passphrase || (!file && !c->set_passphrase))
		return 0;
	len = file ? from_file(p, file, dst, why, cap) : new_from_terminal(dst, why, cap);
	if (len >= 0 && len < PASSPHRASE_MIN) {
		say("the new passphrase is too short: use at least %d characters", PASSPHRASE_MIN);
		len = -1;
	}
	return len;
}

static int get(void *user, enum toxnet_passphrase_for what, unsigned tries,
	char dst[TOXNET_PASSPHRASE_MAX], char *why, size_t cap)
{
	return what == TOXNET_PASSPHRASE_OPEN ? open_old(user, tries, dst, why, cap)
					      : make_new(user, dst, why, cap);
}

struct toxnet_passphrase passphrase_source(struct passphrase *p, const struct conf *conf,
	const struct tt_log *log, const char *data_dir)
{
	*p = (struct passphrase){.conf = conf, .log = log, .dir = data_dir};
	return (struct toxnet_passphrase){.get = get, .user = p};
}

void passphrase_warn_unused(const struct passphrase *p)
{
	char path[4096];
	const char *file = source_file(p->conf, path);

	if (file && !p->asked)
		tt_warn(p->log,
			"the identity in %s is not encrypted and does not need the passphrase of "
			"%s; `toxtun id --set-passphrase` encrypts it",
			p->dir, file);
}
