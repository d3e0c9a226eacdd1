#pragma once

/*
 * The master process: holds what outlives its children, starts and reaps
 * them, obeys signals. Reads nothing from the network and maps no key.
 */

#include "proc/cycle.h"

/* Runs until weir stops; the exit code. `c` is the first generation, read;
 * taken. `parent` is a descriptor on which one byte says that weir is ready,
 * closed then; -1: none. */
int master_run(const struct cycle_options *o, struct cycle *c, int parent);
