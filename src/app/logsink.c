#include "logsink.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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

static void put_json(enum tt_log_level level, const char *time, const char *line)
{
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "time", time);
	cJSON_AddStringToObject(o, "level", tt_log_level_name(level));
	cJSON_AddStringToObject(o, "msg", line);
	char *text = cJSON_PrintUnformatted(o);
	fprintf(stderr, "%s\n", text ? text : "{}");
	cJSON_free(text);
	cJSON_Delete(o);
}

static void put_line(void *user, enum tt_log_level level, const char *line)
{
	const struct logsink *s = user;
	char time[64];

	stamp(time, sizeof(time), "%Y-%m-%dT%H:%M:%S");
	if (s->json)
		put_json(level, time, line);
	else
		fprintf(stderr, "%s %-5s %s\n", time, tt_log_level_name(level), line);
}

void logsink_init(struct logsink *s, enum tt_log_level level, bool json)
{
	s->log = (struct tt_log){.write = put_line, .user = s, .level = level};
	s->json = json;
	setvbuf(stderr, NULL, _IOLBF, 0);
}
