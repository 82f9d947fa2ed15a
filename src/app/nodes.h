/** Bootstrap nodes: those of the configuration and of the built-in list, names resolved. */
#ifndef NODES_H
#define NODES_H

#include "app.h"

/** Adds every node to the Tox node; names are looked up without blocking, again when that fails. */
void nodes_start(struct app *app);
void nodes_stop(struct app *app);

#endif
