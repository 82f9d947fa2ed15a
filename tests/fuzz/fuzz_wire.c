/* A friend message from a hostile peer: whatever decodes is encoded again and reads the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct wire_msg *m)
{
	uint8_t buf[WIRE_MESSAGE_MAX];
	struct wire_msg again;
	int n = wire_encode(m, buf, sizeof(buf));

	if (m->type == WIRE_UNKNOWN ? n >= 0 : n <= 0)
		abort();
	if (n > 0 && (wire_decode(buf, (size_t)n, &again) != n || memcmp(m, &again, sizeof(*m))))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (wire_kind(data + at, size - at) == WIRE_KIND_MSGPACK) {
		struct wire_msg m;
		int n = wire_decode(data + at, size - at, &m);
		if (n <= 0)
			break;
		if ((size_t)n > size - at)
			abort();
		check(&m);
		at += (size_t)n;
	}
	return 0;
}
