/* The handshake as a whole, and SOCKS5. */
#include "proxy_int.h"

#include <string.h>

#include "tt_err.h"
#include "tt_mem.h"

/* RFC 1928 */
#define SOCKS4 4
#define SOCKS5 5
#define METHOD_NONE 0
#define METHOD_LOGIN 2
#define METHOD_UNACCEPTABLE 0xff
#define COMMAND_CONNECT 1
#define COMMAND_UDP_ASSOCIATE 3
#define REPLY_GENERAL_FAILURE 1
#define REPLY_COMMAND_NOT_SUPPORTED 7
#define REPLY_ADDRESS_NOT_SUPPORTED 8
/* RFC 1929 */
#define LOGIN_VERSION 1

int proxy_new(struct proxy **out, const char *login)
{
	size_t len = login ? strlen(login) : 0;
	struct proxy *p;

	if (len > PROXY_LOGIN_MAX)
		return TT_EINVAL;
	p = tt_calloc(NULL, 1, sizeof(*p));
	if (!p)
		return TT_ENOMEM;
	memcpy(p->login, login ? login : "", len + 1);
	*out = p;
	return TT_OK;
}

void proxy_free(struct proxy *p)
{
	tt_free(NULL, p);
}

enum proxy_state proxy_state(const struct proxy *p)
{
	return p->state;
}

size_t proxy_output(struct proxy *p, uint8_t *dst)
{
	size_t n = p->out_len;

	memcpy(dst, p->out, n);
	p->out_len = 0;
	return n;
}

const char *proxy_target(const struct proxy *p, uint16_t *port)
{
	*port = p->port;
	return p->host;
}

uint16_t proxy_source_port(const struct proxy *p, const struct tt_addr *client)
{
	static const struct tt_addr any_v4 = {.family = 4}, any_v6 = {.family = 6};
	bool own = tt_addr_equal(&p->source, client) || tt_addr_equal(&p->source, &any_v4) ||
		   tt_addr_equal(&p->source, &any_v6);

	return own ? p->port : 0;
}

void proxy_put(struct proxy *p, const void *data, size_t len)
{
	if (len > sizeof(p->out) - p->out_len)
		len = sizeof(p->out) - p->out_len;
	memcpy(p->out + p->out_len, data, len);
	p->out_len += len;
}

bool proxy_same(const char *a, const char *b, size_t len)
{
	unsigned difference = 0;

	for (size_t i = 0; i < len; i++)
		difference |= (unsigned)(a[i] ^ b[i]);
	return difference == 0;
}

/* ---- SOCKS ---- */

static void refuse(struct proxy *p, uint8_t code)
{
	proxy_socks_reply(p, code);
	p->state = PROXY_OVER;
}

static void put_pair(struct proxy *p, uint8_t version, uint8_t value)
{
	const uint8_t pair[2] = {version, value};

	proxy_put(p, pair, sizeof(pair));
}

static void take_methods(struct proxy *p)
{
	uint8_t wanted = p->login[0] ? METHOD_LOGIN : METHOD_NONE;

	if (memchr(p->message + 2, wanted, p->message[1])) {
		put_pair(p, SOCKS5, wanted);
		p->stage = p->login[0] ? STAGE_LOGIN : STAGE_REQUEST;
	} else {
		put_pair(p, SOCKS5, METHOD_UNACCEPTABLE);
		p->state = PROXY_OVER;
	}
}

static void take_login(struct proxy *p)
{
	const uint8_t *m = p->message;
	size_t user = m[1], password = m[2 + user];
	bool good = m[0] == LOGIN_VERSION && strlen(p->login) == user + 1 + password &&
		    p->login[user] == ':' && proxy_same(p->login, (const char *)m + 2, user) &&
		    proxy_same(p->login + user + 1, (const char *)m + 3 + user, password);

	put_pair(p, LOGIN_VERSION, good ? 0 : 1);
	if (good)
		p->stage = STAGE_REQUEST;
	else
		p->state = PROXY_OVER;
}

static void take_request(struct proxy *p)
{
	const uint8_t *m = p->message, *address = m + 3;

	p->port = proxy_address_port(address);
	if (m[0] != SOCKS5) {
		refuse(p, REPLY_GENERAL_FAILURE);
	} else if (m[1] == COMMAND_UDP_ASSOCIATE) {
		p->source = proxy_address_ip(address);
		p->state = PROXY_ASSOCIATE;
	} else if (m[1] != COMMAND_CONNECT) {
		refuse(p, REPLY_COMMAND_NOT_SUPPORTED);
	} else if (!proxy_address_host(address, p->host) || p->port == 0) {
		refuse(p, REPLY_GENERAL_FAILURE);
	} else {
		p->state = PROXY_REQUEST;
	}
}

/* How long the message is, as far as its first bytes tell; 0: it has no end that we know. */
static size_t message_length(const struct proxy *p)
{
	const uint8_t *m = p->message;

	switch (p->stage) {
	case STAGE_METHODS:
		return p->have < 2 ? 2 : 2u + m[1];
	case STAGE_LOGIN:
		if (p->have < 2 || p->have < 3u + m[1])
			return p->have < 2 ? 2 : 3u + m[1];
		return 3u + m[1] + m[2u + m[1]];
	default: /* STAGE_REQUEST */
		if (p->have < 5)
			return 5;
		return proxy_address_length(m + 3) ? 3 + proxy_address_length(m + 3) : 0;
	}
}

static void take_message(struct proxy *p)
{
	if (p->stage == STAGE_METHODS)
		take_methods(p);
	else if (p->stage == STAGE_LOGIN)
		take_login(p);
	else
		take_request(p);
	p->have = 0;
}

static void socks_byte(struct proxy *p, uint8_t byte)
{
	p->message[p->have++] = byte;
	size_t length = message_length(p);
	if (length == 0)
		refuse(p, REPLY_ADDRESS_NOT_SUPPORTED);
	else if (p->have == length)
		take_message(p);
}

static void first_byte(struct proxy *p, uint8_t byte)
{
	static const uint8_t socks4_rejected[8] = {0, 91};

	if (byte == SOCKS5) {
		p->stage = STAGE_METHODS;
		socks_byte(p, byte);
	} else if ((byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z')) {
		p->stage = STAGE_HTTP_LINE;
		proxy_http_byte(p, byte);
	} else {
		if (byte == SOCKS4)
			proxy_put(p, socks4_rejected, sizeof(socks4_rejected));
		p->state = PROXY_OVER; /* TLS, for one: no answer that it would understand */
	}
}

size_t proxy_input(struct proxy *p, const uint8_t *data, size_t len)
{
	size_t n = 0;

	while (n < len && p->state == PROXY_MORE) {
		uint8_t byte = data[n++];
		if (p->stage == STAGE_FIRST)
			first_byte(p, byte);
		else if (p->stage < STAGE_HTTP_LINE)
			socks_byte(p, byte);
		else
			proxy_http_byte(p, byte);
	}
	return n;
}
