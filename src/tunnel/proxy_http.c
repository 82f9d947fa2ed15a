/* The head of an HTTP request. Only CONNECT is served: then no page in a browser can use the proxy,
 * because scripts may not send that method, and what they may send is refused. */
#include "proxy_int.h"

#include <string.h>
#include <strings.h>

#include "tt_addr.h"
#include "tt_err.h"

static const char basic[] = "Basic ";

static void finish(struct proxy *p, unsigned status, const char *text)
{
	proxy_http_reply(p, status, text);
	p->state = PROXY_OVER;
}

/* HOST:PORT, an IPv6 address in brackets; cuts the text up. */
static bool take_authority(struct proxy *p, char *text)
{
	char *colon = strrchr(text, ':');

	if (!colon || tt_port_parse(colon + 1, 1, &p->port) != TT_OK)
		return false;
	*colon = '\0';
	return (text[0] == '[' || !strchr(text, ':')) &&
	       proxy_copy_host(p->host, text, strlen(text));
}

/* CONNECT HOST:PORT HTTP/1.1 */
static void take_request_line(struct proxy *p, char *line)
{
	char *target = strchr(line, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;

	if (target)
		*target++ = '\0';
	if (strcmp(line, "CONNECT") != 0) {
		p->status = 405;
	} else if (p->cut || !version) {
		p->status = 400;
	} else {
		*version++ = '\0';
		if (strncmp(version, "HTTP/1.", 7) != 0 || !take_authority(p, target))
			p->status = 400;
	}
	p->stage = STAGE_HTTP_FIELDS;
}

/* The login in base64 (RFC 4648), as the client must say it. */
static size_t encode_login(const char *login, char *dst)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(login), n = 0;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		unsigned v = (unsigned)(uint8_t)login[i] << 16;
		v |= left > 1 ? (unsigned)(uint8_t)login[i + 1] << 8 : 0;
		v |= left > 2 ? (unsigned)(uint8_t)login[i + 2] : 0;
		dst[n++] = digits[v >> 18];
		dst[n++] = digits[v >> 12 & 63];
		dst[n++] = left > 1 ? digits[v >> 6 & 63] : '=';
		dst[n++] = left > 2 ? digits[v & 63] : '=';
	}
	return n;
}

static void take_field(struct proxy *p, const char *line)
{
	static const char name[] = "proxy-authorization:";
	char wanted[4 * (PROXY_LOGIN_MAX / 3 + 1)];

	if (!p->login[0] || strncasecmp(line, name, sizeof(name) - 1) != 0)
		return;
	line += sizeof(name) - 1;
	line += strspn(line, " \t");
	if (strncasecmp(line, basic, sizeof(basic) - 1) != 0)
		return;
	line += sizeof(basic) - 1;
	size_t n = encode_login(p->login, wanted);
	p->authorized = strcspn(line, " \t") == n && proxy_same(line, wanted, n);
}

static void end_of_head(struct proxy *p)
{
	if (p->status == 405)
		finish(p, 405,
			"this is a proxy for the method CONNECT, and for SOCKS5; it fetches no "
			"page itself");
	else if (p->status)
		finish(p, p->status, "a request is: CONNECT HOST:PORT HTTP/1.1");
	else if (p->login[0] && !p->authorized)
		finish(p, 407, "this proxy asks for a user name and a password");
	else
		p->state = PROXY_REQUEST;
}

static void take_line(struct proxy *p)
{
	char *line = (char *)p->message;

	if (p->have > 0 && line[p->have - 1] == '\r')
		p->have--;
	line[p->have] = '\0';
	if (p->stage == STAGE_HTTP_LINE)
		take_request_line(p, line);
	else if (p->have == 0 && !p->cut)
		end_of_head(p);
	else if (!p->cut)
		take_field(p, line);
	p->have = 0;
	p->cut = false;
}

void proxy_http_byte(struct proxy *p, uint8_t byte)
{
	if (++p->head > PROXY_HEAD_MAX)
		finish(p, 431, "the head of the request is too long");
	else if (byte == '\n')
		take_line(p);
	else if (p->have < sizeof(p->message) - 1) /* a NUL goes behind it */
		p->message[p->have++] = byte;
	else
		p->cut = true;
}
