/** Functions of libsodium and of the C library that we define in place of theirs. */
#ifndef TOXNET_SYMBOLS_H
#define TOXNET_SYMBOLS_H

#include <stdbool.h>

#include "tt_key.h"

/** The next key pair that crypto_box_keypair makes is this one. Copies the key. */
void toxnet_symbols_keypair_set(const uint8_t secret[TT_KEY_LEN]);

/** Forgets a key that nobody took; true when it was taken. */
bool toxnet_symbols_keypair_clear(void);

#endif
