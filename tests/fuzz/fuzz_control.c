/* Bytes on the control socket: the first says in pieces of which size the others come. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control_line.h"
#include "tt_err.h"

#define MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void request(const char *line)
{
	cJSON *o = control_object(line);

	if (!o)
		return;
	const char *text = control_text(o, "cmd");
	if (text && strlen(text) > strlen(line))
		abort();
	unsigned n = control_number(o, "count", 1, 10, 4);
	if (n < 1 || n > 10)
		abort();
	cJSON_Delete(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_lines l = {.max = MAX};
	size_t piece = size ? data[0] + 1u : 1, lines = 0, newlines = 0;
	char *line;
	int rc = TT_OK;

	for (size_t at = 1; at < size && rc == TT_OK; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		rc = control_lines_add(&l, (const char *)data + at, n);
		for (size_t i = 0; i < n; i++)
			newlines += data[at + i] == '\n';
		for (; rc == TT_OK && (line = control_lines_next(&l)); lines++)
			request(line);
		if (rc == TT_OK && (control_lines_rest(&l) > MAX || lines != newlines))
			abort();
	}
	control_lines_clear(&l);
	return 0;
}
