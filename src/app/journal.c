/* Whoever sends with a file and line of its own would name this one each time. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "journal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

/* libsystemd's. It takes what cannot be sent, because there is no such socket, for sent. */
#define SOCKET_PATH "/run/systemd/journal/socket"

bool journal_is_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM"); /* DEVICE:INODE, see systemd.exec(5) */
	uintmax_t dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%ju:%ju", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && dev == st.st_dev && ino == st.st_ino &&
	       access(SOCKET_PATH, W_OK) == 0;
}

static int priority(enum tt_log_level level)
{
	switch (level) {
	case TT_LOG_ERROR:
		return LOG_ERR;
	case TT_LOG_WARN:
		return LOG_WARNING;
	case TT_LOG_INFO:
		return LOG_INFO;
	case TT_LOG_DEBUG:
	case TT_LOG_TRACE:
		break;
	}
	return LOG_DEBUG;
}

/* Appends one field to the text, which holds the longest line that there is. */
static void put(struct iovec *out, char text[JOURNAL_TEXT_MAX], size_t *at, const char *name,
	const char *value, size_t len)
{
	out->iov_base = text + *at;
	out->iov_len = strlen(name) + len;
	memcpy(text + *at, name, strlen(name));
	memcpy(text + *at + strlen(name), value, len);
	*at += out->iov_len;
}

size_t journal_fields(enum tt_log_level level, const char *line, char text[JOURNAL_TEXT_MAX],
	struct iovec out[JOURNAL_FIELDS_MAX])
{
	const char digit[2] = {(char)('0' + priority(level)), '\0'};
	struct log_field fields[LOG_FIELDS_MAX];
	size_t at = 0, n = log_fields(line, fields);

	put(&out[0], text, &at, "PRIORITY=", digit, 1);
	put(&out[1], text, &at, "MESSAGE=", line, strnlen(line, TT_LOG_LINE_MAX - 1));
	for (size_t i = 0; i < n; i++)
		put(&out[2 + i], text, &at, fields[i].journal, fields[i].value, fields[i].len);
	return 2 + n;
}

bool journal_send(enum tt_log_level level, const char *line)
{
	char text[JOURNAL_TEXT_MAX];
	struct iovec fields[JOURNAL_FIELDS_MAX];
	size_t n = journal_fields(level, line, text, fields);

	return sd_journal_sendv(fields, (int)n) == 0;
}
