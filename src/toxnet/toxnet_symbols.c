/*
 * Symbols of other libraries that toxcore calls and that we define instead.
 *
 * The dynamic linker looks a symbol up in the executable first, so a definition here wins over the
 * one in libsodium or libc, for toxcore too. Two things make that work: this object is linked in
 * (the functions of toxnet_symbols.h are in it, and toxnet.c calls them), and the linker exports
 * the symbol from the executable, which it does by itself for every symbol that a shared library
 * on its command line refers to. tests/net/test_toxnet.c checks the result.
 *
 * These functions have no context argument, therefore this file has the only mutable variables of
 * the program with static storage. toxcore is called from one thread.
 *
 * What changes how packets travel belongs here too: sendto, recvfrom, sodium_mlock and
 * clock_gettime as toxcore calls them.
 */
#include "toxnet_symbols.h"

#include <sodium.h>
#include <string.h>

static struct {
	uint8_t secret[TT_KEY_LEN];
	bool armed;
} next_keypair;

void toxnet_symbols_keypair_set(const uint8_t secret[TT_KEY_LEN])
{
	memcpy(next_keypair.secret, secret, TT_KEY_LEN);
	next_keypair.armed = true;
}

bool toxnet_symbols_keypair_clear(void)
{
	bool taken = !next_keypair.armed;
	sodium_memzero(next_keypair.secret, sizeof(next_keypair.secret));
	next_keypair.armed = false;
	return taken;
}

/*
 * toxcore makes a new DHT key pair at each start and has no option to give it one; new_dht in
 * tox_new is its first caller. Everybody else gets what libsodium does: random bytes and their
 * multiple of the base point.
 */
int crypto_box_keypair(unsigned char *pk, unsigned char *sk)
{
	if (next_keypair.armed) {
		memcpy(sk, next_keypair.secret, TT_KEY_LEN);
		toxnet_symbols_keypair_clear();
	} else {
		randombytes_buf(sk, crypto_box_SECRETKEYBYTES);
	}
	return crypto_scalarmult_base(pk, sk);
}
