#pragma once

/*
 * The master process: holds what outlives its children, starts and reaps
 * them, obeys signals. Reads nothing from the network and maps no key.
 */

#include "proc/cycle.h"
#include "proc/role.h"

/* Runs until weir stops; the exit code. `roles` are those of its children; NULL
 * ends them. `c` is the first generation, read; taken. `parent` is a descriptor
 * on which one byte says that weir is ready, closed then; -1: none. */
int master_run(const struct cycle_options *o, const struct role *const *roles,
    struct cycle *c, int parent);
