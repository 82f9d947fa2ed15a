/** A scene from the words of a command line: key=value, in order. */
#ifndef SCENE_WORDS_H
#define SCENE_WORDS_H

#include "scene.h"

extern const char scene_words_help[];

/**
 * Fills the scene; 0, or -1 after a message on stderr. `out` is set to the value of out=, which
 * lives as long as the words.
 */
int scene_words(struct scene *sc, char **words, int n, const char **out);

const char *flow_kind_name(enum flow_kind kind);

#endif
