/* The two questions to a node, and which answers are its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "toxnet_probe.h"

#define NONCE crypto_box_NONCEBYTES

struct node {
	uint8_t key[TT_KEY_LEN], secret[TT_KEY_LEN];
};

static struct toxnet_probe probe_of(struct node *n)
{
	struct toxnet_probe p;
	assert_true(sodium_init() >= 0);
	crypto_box_keypair(n->key, n->secret);
	assert_true(toxnet_probe_init(&p, n->key));
	return p;
}

/* What a node answers, `type` in its plain text. */
static void answer(const struct node *n, const uint8_t *ping, uint8_t type, uint8_t *pong)
{
	uint8_t plain[9];
	assert_int_equal(ping[0], 0);
	assert_int_equal(
		crypto_box_open_easy(plain, ping + 33 + NONCE, 25, ping + 33, ping + 1, n->secret),
		0);
	assert_int_equal(plain[0], 0);
	plain[0] = type;
	pong[0] = 1;
	memcpy(pong + 1, n->key, TT_KEY_LEN);
	randombytes_buf(pong + 33, NONCE);
	assert_int_equal(
		crypto_box_easy(pong + 33 + NONCE, plain, 9, pong + 33, ping + 1, n->secret), 0);
}

static void pong_of_the_node_is_taken_and_nothing_else(void **state)
{
	struct node n, other;
	struct toxnet_probe p = probe_of(&n), q = probe_of(&other);
	uint8_t ping[TOXNET_PROBE_PING_LEN], pong[TOXNET_PROBE_PING_LEN];
	(void)state;
	assert_true(toxnet_probe_ping(&p, ping));
	answer(&n, ping, 1, pong);
	assert_true(toxnet_probe_is_pong(&p, pong, sizeof(pong)));
	assert_false(toxnet_probe_is_pong(&q, pong, sizeof(pong))); /* of another node */
	assert_false(toxnet_probe_is_pong(&p, ping, sizeof(ping))); /* our own, sent back */
	assert_false(toxnet_probe_is_pong(&p, pong, sizeof(pong) - 1));
	assert_false(toxnet_probe_is_pong(&p, pong, 0));
	for (size_t i = 0; i < sizeof(pong); i++) {
		pong[i] ^= 1;
		assert_false(toxnet_probe_is_pong(&p, pong, sizeof(pong)));
		pong[i] ^= 1;
	}
	answer(&n, ping, 0, pong);
	assert_false(toxnet_probe_is_pong(&p, pong, sizeof(pong)));
	memset(p.cookie, 0, sizeof(p.cookie)); /* the next question: an old answer is none */
	answer(&n, ping, 1, pong);
	assert_false(toxnet_probe_is_pong(&p, pong, sizeof(pong)));
}

static void relay_is_believed_when_it_has_the_key(void **state)
{
	struct node n, other;
	struct toxnet_probe p = probe_of(&n), q = probe_of(&other);
	uint8_t hello[TOXNET_PROBE_HELLO_LEN], welcome[TOXNET_PROBE_WELCOME_LEN], plain[56];
	(void)state;
	assert_true(toxnet_probe_hello(&p, hello));
	assert_int_equal(
		crypto_box_open_easy(plain, hello + 32 + NONCE, 72, hello + 32, hello, n.secret),
		0);
	randombytes_buf(welcome, NONCE);
	assert_int_equal(crypto_box_easy(welcome + NONCE, plain, 56, welcome, hello, n.secret), 0);
	assert_true(toxnet_probe_is_welcome(&p, welcome));
	assert_false(toxnet_probe_is_welcome(&q, welcome));
	welcome[95] ^= 1;
	assert_false(toxnet_probe_is_welcome(&p, welcome));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pong_of_the_node_is_taken_and_nothing_else),
		cmocka_unit_test(relay_is_believed_when_it_has_the_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
