/* The formats are those of https://toktok.ltd/spec.html, "Ping service" and "TCP server". */
#include "toxnet_probe.h"

#include <sodium.h>
#include <string.h>

#define NONCE crypto_box_NONCEBYTES
#define MAC crypto_box_MACBYTES
#define PING_REQUEST 0
#define PING_RESPONSE 1
#define PING_PLAIN 9 /* the type once more, and the cookie */
#define HELLO_PLAIN (TT_KEY_LEN + NONCE)
_Static_assert(TOXNET_PROBE_PING_LEN == 1 + TT_KEY_LEN + NONCE + PING_PLAIN + MAC, "ping");
_Static_assert(TOXNET_PROBE_HELLO_LEN == TT_KEY_LEN + NONCE + HELLO_PLAIN + MAC, "hello");
_Static_assert(TOXNET_PROBE_WELCOME_LEN == NONCE + HELLO_PLAIN + MAC, "welcome");

bool toxnet_probe_init(struct toxnet_probe *p, const uint8_t node[TT_KEY_LEN])
{
	if (sodium_init() < 0 || crypto_box_keypair(p->key, p->secret) != 0)
		return false;
	memcpy(p->node, node, TT_KEY_LEN);
	randombytes_buf(p->cookie, sizeof(p->cookie));
	return true;
}

/* Nonce, then the sealed text. */
static bool seal(const struct toxnet_probe *p, uint8_t *dst, const uint8_t *plain, size_t n)
{
	randombytes_buf(dst, NONCE);
	return crypto_box_easy(dst + NONCE, plain, n, dst, p->node, p->secret) == 0;
}

static bool open_sealed(const struct toxnet_probe *p, uint8_t *plain, const uint8_t *data, size_t n)
{
	return crypto_box_open_easy(plain, data + NONCE, n + MAC, data, p->node, p->secret) == 0;
}

bool toxnet_probe_ping(const struct toxnet_probe *p, uint8_t dst[TOXNET_PROBE_PING_LEN])
{
	uint8_t plain[PING_PLAIN] = {PING_REQUEST};

	memcpy(plain + 1, p->cookie, sizeof(p->cookie));
	dst[0] = PING_REQUEST;
	memcpy(dst + 1, p->key, TT_KEY_LEN);
	return seal(p, dst + 1 + TT_KEY_LEN, plain, sizeof(plain));
}

bool toxnet_probe_is_pong(const struct toxnet_probe *p, const uint8_t *data, size_t len)
{
	uint8_t plain[PING_PLAIN];

	return len == TOXNET_PROBE_PING_LEN && data[0] == PING_RESPONSE &&
	       memcmp(data + 1, p->node, TT_KEY_LEN) == 0 &&
	       open_sealed(p, plain, data + 1 + TT_KEY_LEN, sizeof(plain)) &&
	       plain[0] == PING_RESPONSE && memcmp(plain + 1, p->cookie, sizeof(p->cookie)) == 0;
}

bool toxnet_probe_hello(const struct toxnet_probe *p, uint8_t dst[TOXNET_PROBE_HELLO_LEN])
{
	uint8_t plain[HELLO_PLAIN]; /* a key and a nonce for a session that will not be */

	randombytes_buf(plain, sizeof(plain));
	memcpy(dst, p->key, TT_KEY_LEN);
	return seal(p, dst + TT_KEY_LEN, plain, sizeof(plain));
}

bool toxnet_probe_is_welcome(
	const struct toxnet_probe *p, const uint8_t data[TOXNET_PROBE_WELCOME_LEN])
{
	uint8_t plain[HELLO_PLAIN];

	return open_sealed(p, plain, data, sizeof(plain));
}
