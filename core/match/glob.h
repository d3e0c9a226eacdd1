#pragma once

/*
 * Matches a text against many globs at once. In a glob `*` stands for any run
 * of bytes, also for an empty one. For each glob one of its literal pieces is
 * searched for, the one that the fewest globs share. An automaton (Aho and
 * Corasick) finds all these pieces in one pass; only globs whose piece was
 * found are then compared in full.
 */

#include "base/str.h"

struct glob_set;

#define GLOB_NONE UINT32_MAX

struct glob_set *glob_set_new(void);
void glob_set_free(struct glob_set *g); /* NULL: nothing */

/* `pattern` has at least one `*`, and never two in a row. It is borrowed as
 * long as the set lives. Before compile only. */
void glob_set_add(struct glob_set *g, struct str pattern, uint32_t number);
void glob_set_compile(struct glob_set *g);

/* The lowest number of a glob that matches; GLOB_NONE: none does. */
uint32_t glob_set_find(const struct glob_set *g, struct str subject);

/* Matches one glob, in time linear in both texts. */
bool glob_match(struct str pattern, struct str subject);
