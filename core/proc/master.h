#pragma once

/*
 * The master process: holds what outlives its children, starts and reaps
 * them, obeys signals. Reads nothing from the network and maps no key.
 */

#include "proc/cycle.h"
#include "proc/role.h"

/* Runs until weir stops; returns the exit code. `roles`: those of its children,
 * with NULL at the end. `c`: the first generation, which has been read; taken.
 * `parent`: a descriptor to which one byte is written when weir is ready, and
 * which is then closed; -1: none. */
int master_run(const struct cycle_options *o, const struct role *const *roles,
    struct cycle *c, int parent);
