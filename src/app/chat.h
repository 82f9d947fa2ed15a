/** Chat: owners named by `admin` ask from any Tox client how this process is. */
#ifndef CHAT_H
#define CHAT_H

#include "peer.h"

/** TT_OK or TT_ENOMEM. */
int chat_init(struct app *app);

/** A new peer may ask at once. */
void chat_peer_init(struct peer *p);

/** A friend message of kind WIRE_KIND_TEXT. Who is no admin gets no answer. */
void chat_on_message(struct peer *p, const uint8_t *data, size_t len);

#endif
