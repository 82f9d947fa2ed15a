/** What owners say by chat and how an answer becomes friend messages: text in, text out. */
#ifndef CHAT_TEXT_H
#define CHAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "toxnet.h"

#define CHAT_MESSAGE_CAP (TOXNET_MESSAGE_MAX + 1)
#define CHAT_UNKNOWN_ANSWER "I do not know that; say help"

enum chat_word { CHAT_UNKNOWN, CHAT_STATUS, CHAT_PEERS, CHAT_TUNNELS, CHAT_HELP };

/** The word that a message is, whatever its case and the blanks around it. */
enum chat_word chat_word_parse(const uint8_t *text, size_t len);
const char *chat_word_name(enum chat_word word);

/** The words and what they are answered with, a line each. Allocated; NULL without memory. */
char *chat_help(void);

/**
 * The next message of a text: as many whole lines from *rest as fit, which moves on. What is no
 * printable UTF-8 becomes '?', several blanks become one, and a line that is longer than a message
 * is cut. Where `last` is set and lines are left over, the message ends by saying so. Returns its
 * length without the NUL; 0 at the end of the text.
 */
size_t chat_message_next(const char **rest, bool last, char dst[CHAT_MESSAGE_CAP]);

#endif
