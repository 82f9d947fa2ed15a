#include "proxy_udp.h"

#include "proxy_int.h"
#include "tt_err.h"

#define FRAG 2

int proxy_udp_parse(const uint8_t *datagram, size_t len, struct proxy_udp *out)
{
	const uint8_t *address = datagram + PROXY_UDP_PREFIX;

	if (len < PROXY_UDP_PREFIX + 2)
		return TT_EPROTO;
	size_t n = proxy_address_length(address);
	if (n == 0 || len - PROXY_UDP_PREFIX < n)
		return TT_EPROTO;
	if (datagram[FRAG] != 0)
		return TT_ENOTSUP;
	out->port = proxy_address_port(address);
	if (out->port == 0 || !proxy_address_host(address, out->host))
		return TT_EPROTO;
	out->address = address;
	out->address_len = n;
	out->data = address + n;
	out->data_len = len - PROXY_UDP_PREFIX - n;
	return TT_OK;
}
