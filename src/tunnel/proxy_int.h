/* What proxy.c (SOCKS), proxy_http.c and proxy_reply.c share. */
#ifndef PROXY_INT_H
#define PROXY_INT_H

#include "proxy.h"

#include <stdbool.h>

#include "tt_rule.h"

/* Whose message is awaited. */
enum proxy_stage {
	STAGE_FIRST, /* nothing has come */
	STAGE_METHODS,
	STAGE_LOGIN,
	STAGE_REQUEST,
	STAGE_HTTP_LINE,
	STAGE_HTTP_FIELDS,
};

/* A SOCKS message has at most 513 bytes; more of a line of HTTP tells us nothing. */
#define PROXY_MESSAGE_MAX 1024

struct proxy {
	enum proxy_state state;
	enum proxy_stage stage;
	char login[PROXY_LOGIN_MAX + 1]; /* empty: none is asked for */
	char host[TT_HOST_MAX + 1];
	uint16_t port;
	uint8_t message[PROXY_MESSAGE_MAX]; /* what there is of the one that is awaited */
	size_t have;
	uint8_t out[PROXY_OUTPUT_MAX];
	size_t out_len;
	/* HTTP */
	size_t head;     /* bytes so far */
	bool cut;        /* the line is longer than message */
	bool authorized; /* it knows the login */
	unsigned status; /* what is wrong with the request line; 0: nothing */
};

void proxy_put(struct proxy *p, const void *data, size_t len);
/* Takes over a host that may be asked for, without brackets. */
bool proxy_set_host(struct proxy *p, const char *text, size_t len);
/* Equal, in a time that does not depend on where they differ. */
bool proxy_same(const char *a, const char *b, size_t len);

/* proxy_http.c: one more byte of the head. */
void proxy_http_byte(struct proxy *p, uint8_t byte);

/* proxy_reply.c */
void proxy_socks_reply(struct proxy *p, uint8_t code);
void proxy_http_reply(struct proxy *p, unsigned status, const char *text);

#endif
