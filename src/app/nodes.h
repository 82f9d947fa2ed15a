/** Bootstrap nodes: those of the configuration and of the built-in list, names resolved. */
#ifndef NODES_H
#define NODES_H

#include "app.h"

/**
 * Adds every node to the Tox node; names are looked up without blocking, again when that fails.
 * `before` is the configuration whose nodes are there already, NULL for none. Returns how many are
 * new. None is taken away: toxcore knows no way to.
 */
size_t nodes_start(struct app *app, const struct conf *before);
void nodes_stop(struct app *app);

#endif
