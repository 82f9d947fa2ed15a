/* What an application sends to a proxy port: the first byte says whether a login is asked for and
 * in pieces of which size the others come. They are also taken for a datagram with its header. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"
#include "proxy_udp.h"
#include "tt_err.h"
#include "tt_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(struct proxy *p, enum close_reason why)
{
	uint8_t out[PROXY_OUTPUT_MAX];
	uint16_t port;
	size_t len = strlen(proxy_target(p, &port));

	if (len == 0 || len > TT_HOST_MAX || port == 0)
		abort();
	proxy_output(p, out);
	proxy_answer(p, why);
	if (proxy_state(p) != PROXY_OVER || proxy_output(p, out) == 0)
		abort();
}

/* At the address that it has asked from, or at another one. */
static void associate(struct proxy *p, bool own)
{
	static const struct tt_addr v4 = {.family = 4, .bytes = {127, 0, 0, 1}};
	static const struct tt_addr v6 = {.family = 6, .bytes = {[15] = 1}};
	uint8_t out[PROXY_OUTPUT_MAX];

	proxy_source_port(p, own ? &v4 : &v6);
	proxy_output(p, out);
	proxy_associated(p, own ? &v4 : &v6, 80);
	if (proxy_state(p) != PROXY_OVER || proxy_output(p, out) == 0)
		abort();
}

static void datagram(const uint8_t *data, size_t size)
{
	struct proxy_udp dg;
	size_t header;

	if (proxy_udp_parse(data, size, &dg) != TT_OK)
		return;
	header = PROXY_UDP_PREFIX + dg.address_len;
	if (strlen(dg.host) == 0 || dg.port == 0 || dg.address_len > PROXY_UDP_ADDRESS_MAX ||
		header + dg.data_len != size || dg.data != data + header)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece = size ? (data[0] & 127) + 1u : 1, sum = 0;
	struct proxy *p;

	if (size > 0)
		datagram(data + 1, size - 1);
	if (proxy_new(&p, size && data[0] & 128 ? "user:word" : NULL) != TT_OK)
		return 0;
	for (size_t at = 1; at < size && proxy_state(p) == PROXY_MORE; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		size_t taken = proxy_input(p, data + at, n);
		if (taken > n || (taken < n && proxy_state(p) == PROXY_MORE))
			abort();
		sum += taken;
	}
	if (sum > PROXY_HEAD_MAX + 1)
		abort();
	if (proxy_state(p) == PROXY_REQUEST)
		answer(p, (enum close_reason)(size % REASON_COUNT));
	else if (proxy_state(p) == PROXY_ASSOCIATE)
		associate(p, size & 1);
	else if (proxy_input(p, data, 0) != 0)
		abort();
	proxy_free(p);
	return 0;
}
