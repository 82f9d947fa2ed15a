#include "tt_mode.h"

#include <stddef.h>
#include <string.h>

#include "tt_err.h"

static const char *const names[] = {"auto", "default", "normal", "fast", "fast2", "fast3"};

int tt_mode_parse(const char *text, enum tt_mode *out)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum tt_mode)i;
			return TT_OK;
		}
	}
	return TT_EINVAL;
}

const char *tt_mode_name(enum tt_mode mode)
{
	return (size_t)mode < sizeof(names) / sizeof(names[0]) ? names[mode] : "?";
}
