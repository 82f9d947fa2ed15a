#include "logsink.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "journal.h"
#include "log_fields.h"
#include "loop.h"
#include "wire.h"

/* As JSON every byte of a line may need two, and its words may be fields too. */
#define TEXT_MAX (4 * TT_LOG_LINE_MAX + 512)

static void stamp(char *dst, size_t cap, const char *format)
{
	struct timespec ts;
	struct tm tm;
	char date[40];

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), format, &tm);
	snprintf(dst, cap, "%s.%03uZ", date, (unsigned)(ts.tv_nsec / 1000000) % 1000u);
}

static bool format_json(
	char text[TEXT_MAX], const char *time, enum tt_log_level level, const char *line)
{
	struct log_field fields[LOG_FIELDS_MAX];
	char value[TT_LOG_LINE_MAX];
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "time", time);
	cJSON_AddStringToObject(o, "level", tt_log_level_name(level));
	cJSON_AddStringToObject(o, "msg", line);
	size_t n = log_fields(line, fields);
	for (size_t i = 0; i < n; i++) {
		snprintf(value, sizeof(value), "%.*s", (int)fields[i].len, fields[i].value);
		cJSON_AddStringToObject(o, fields[i].json, value);
	}
	bool ok = cJSON_PrintPreallocated(o, text, TEXT_MAX - 1, false);
	cJSON_Delete(o);
	if (ok)
		memcpy(text + strlen(text), "\n", 2);
	return ok;
}

/* With its end. False without memory. */
static bool format(
	const struct logsink *s, char text[TEXT_MAX], enum tt_log_level level, const char *line)
{
	char time[64];

	stamp(time, sizeof(time), "%Y-%m-%dT%H:%M:%S");
	if (s->json)
		return format_json(text, time, level, line);
	snprintf(text, TEXT_MAX, "%s %-5s %s\n", time, tt_log_level_name(level), line);
	return true;
}

static void to_stderr(struct logsink *s, const char *text)
{
	live_line_wipe(&s->line);
	fputs(text, stderr);
	live_line_draw(&s->line);
}

/* What cannot be written is counted; that is said on standard error once, and in the file as soon
 * as it can be. */
static void to_file(struct logsink *s, const char *text)
{
	struct logfile *f = &s->file;
	char note[TT_LOG_LINE_MAX], whole[TEXT_MAX];
	int err = 0;

	if (f->lost) {
		snprintf(
			note, sizeof(note), "%" PRIu64 " lines could not be written here", f->lost);
		if (format(s, whole, TT_LOG_WARN, note))
			err = logfile_write(f, whole, strlen(whole));
		if (err == 0)
			f->lost = 0;
	}
	if (err == 0)
		err = logfile_write(f, text, strlen(text));
	if (err && f->lost++ == 0) {
		snprintf(note, sizeof(note),
			"the log file %s cannot be written, lines are lost: %s", f->path,
			strerror(err));
		if (format(s, whole, TT_LOG_ERROR, note))
			to_stderr(s, whole);
	}
}

static void put(struct logsink *s, enum tt_log_level level, const char *line)
{
	char text[TEXT_MAX];

	if (s->file.fd < 0 && s->journal && journal_send(level, line))
		return;
	if (!format(s, text, level, line))
		return;
	if (s->file.fd >= 0)
		to_file(s, text);
	else
		to_stderr(s, text);
}

static void put_repeated(struct logsink *s)
{
	enum tt_log_level level = s->fold.level;
	uint32_t n = tt_fold_flush(&s->fold);
	char line[64];

	if (n == 0)
		return;
	snprintf(line, sizeof(line), "last line repeated %" PRIu32 " time%s", n, n == 1 ? "" : "s");
	put(s, level, line);
}

static void put_line(void *user, enum tt_log_level level, const char *line)
{
	struct logsink *s = user;
	char clean[TT_LOG_LINE_MAX]; /* neither another line nor half a character */
	tt_time now = loop_monotonic();

	wire_text_copy(clean, sizeof(clean), line);
	if (!tt_fold_is_new(&s->fold, level, clean, now))
		return;
	put_repeated(s);
	tt_fold_keep(&s->fold, level, clean, now);
	put(s, level, clean);
}

void logsink_init(struct logsink *s, enum tt_log_level level, bool json)
{
	*s = (struct logsink){
		.log = {.write = put_line, .user = s, .level = level},
		.json = json,
		.journal = !json && journal_is_stderr(),
		.file.fd = -1,
	};
	setvbuf(stderr, NULL, _IOLBF, 0);
}

bool logsink_to_file(struct logsink *s, const char *path)
{
	int err = path ? logfile_open(&s->file, path) : 0;

	if (err)
		tt_error(&s->log, "the log file %s cannot be opened: %s", path, strerror(err));
	return err == 0;
}

void logsink_reopen(struct logsink *s, const struct tt_log *log)
{
	int err = s->file.fd >= 0 ? logfile_open(&s->file, s->file.path) : 0;

	if (err)
		tt_error(log, "the log file %s cannot be opened again, the old one is kept: %s",
			s->file.path, strerror(err));
}

void logsink_run(struct logsink *s, tt_time now)
{
	if (now >= tt_fold_deadline(&s->fold))
		put_repeated(s);
}

tt_time logsink_deadline(const struct logsink *s)
{
	return tt_fold_deadline(&s->fold);
}

void logsink_close(struct logsink *s)
{
	put_repeated(s);
	live_line_set(&s->line, "");
	logfile_close(&s->file);
}

struct logsink *logsink_of(const struct tt_log *log)
{
	assert(log->write == put_line);
	return log->user;
}
