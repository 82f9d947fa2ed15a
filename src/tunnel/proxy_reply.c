/* What an application is told in the end. */
#include "proxy_int.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Reply codes of RFC 1928 section 6, status codes of RFC 9110. A time-out is 6, "TTL expired", as
 * with other proxies. */
static const struct {
	uint8_t socks;
	uint16_t http;
} codes[REASON_COUNT] = {
	[REASON_NONE] = {0, 200},
	[REASON_CONNECT_TIMEOUT] = {6, 504},
	[REASON_NOT_ALLOWED] = {2, 403},
	[REASON_NO_SUCH_HOST] = {4, 502},
	[REASON_REFUSED_BY_TARGET] = {5, 502},
	[REASON_TARGET_UNREACHABLE] = {3, 502},
	[REASON_TARGET_TIMEOUT] = {6, 504},
	[REASON_LIMIT] = {1, 503},
	[REASON_UNSUPPORTED] = {7, 501},
	[REASON_RESUME_TIMEOUT] = {3, 503},
	[REASON_SHUTDOWN] = {1, 503},
};
#define OTHER_SOCKS 1
#define OTHER_HTTP 502

static const struct {
	unsigned status;
	const char *phrase;
	const char *fields; /* that this status needs */
} statuses[] = {
	{400, "Bad Request", ""},
	{403, "Forbidden", ""},
	{405, "Method Not Allowed", "Allow: CONNECT\r\n"},
	{407, "Proxy Authentication Required", "Proxy-Authenticate: Basic realm=\"toxtun\"\r\n"},
	{431, "Request Header Fields Too Large", ""},
	{501, "Not Implemented", ""},
	{502, "Bad Gateway", ""},
	{503, "Service Unavailable", ""},
	{504, "Gateway Timeout", ""},
};

void proxy_socks_reply(struct proxy *p, uint8_t code)
{
	/* The address that we are bound to is the peer's business: 0.0.0.0:0. */
	const uint8_t reply[10] = {5, code, 0, 1};

	proxy_put(p, reply, sizeof(reply));
}

void proxy_associated(struct proxy *p, const struct tt_addr *at, uint16_t port)
{
	uint8_t reply[3 + PROXY_ADDRESS_IP_MAX] = {5, 0, 0};

	assert(p->state == PROXY_ASSOCIATE);
	proxy_put(p, reply, 3 + proxy_address_put(reply + 3, at, port));
	p->state = PROXY_OVER;
}

void proxy_http_reply(struct proxy *p, unsigned status, const char *text)
{
	static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	char head[PROXY_OUTPUT_MAX];
	size_t i = 0;

	if (status == 200) {
		proxy_put(p, established, sizeof(established) - 1);
		return;
	}
	while (statuses[i].status != status)
		i++;
	int n = snprintf(head, sizeof(head),
		"HTTP/1.1 %u %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s"
		"Connection: close\r\n\r\n%s\n",
		status, statuses[i].phrase, strlen(text) + 1, statuses[i].fields, text);
	assert(n > 0 && (size_t)n < sizeof(head));
	proxy_put(p, head, (size_t)n);
}

void proxy_answer(struct proxy *p, enum close_reason why)
{
	bool known = codes[why].http != 0;

	assert(p->state == PROXY_REQUEST || (p->state == PROXY_ASSOCIATE && why != REASON_NONE));
	if (p->stage == STAGE_HTTP_FIELDS)
		proxy_http_reply(p, known ? codes[why].http : OTHER_HTTP, reason_text(why));
	else
		proxy_socks_reply(p, known ? codes[why].socks : OTHER_SOCKS);
	p->state = PROXY_OVER;
}
