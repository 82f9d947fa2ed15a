/** How peers, connections and their figures are called. As the process says them: not cleaned. */
#ifndef TOP_NAMES_H
#define TOP_NAMES_H

#include <cjson/cJSON.h>

#define TOP_NAME_MAX 320
#define TOP_TARGET_MAX 320

/** "laptop (456789AB)": what it calls itself, and what nobody else can be called. Returns dst. */
const char *top_peer_name(const cJSON *peer, char dst[TOP_NAME_MAX]);

/** "127.0.0.1:80", "[::1]:53/udp", or the path of a unix socket. Returns dst. */
const char *top_target(const cJSON *channel, char dst[TOP_TARGET_MAX]);

/** "0.3 %". Returns dst. */
const char *top_loss(const cJSON *peer, char dst[TOP_NAME_MAX]);

#endif
