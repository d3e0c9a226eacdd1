#pragma once

/*
 * Many globs, one automaton: patterns in which `*` stands for any run of
 * bytes, the empty one too. Each is looked for by the one of its literal
 * pieces that the fewest others have; the automaton (Aho and Corasick) finds
 * those in a single pass, and only globs whose piece was found are compared
 * in full.
 */

#include "base/str.h"

struct glob_set;

#define GLOB_NONE UINT32_MAX

struct glob_set *glob_set_new(void);
void glob_set_free(struct glob_set *g); /* NULL: nothing */

/* `pattern` has at least one `*`, never two in a row; it is borrowed for as
 * long as the set lives. Before compile only. */
void glob_set_add(struct glob_set *g, struct str pattern, uint32_t number);
void glob_set_compile(struct glob_set *g);

/* The lowest number among the globs that match, GLOB_NONE for none. */
uint32_t glob_set_find(const struct glob_set *g, struct str subject);

/* One glob against one subject, in time linear in both. */
bool glob_match(struct str pattern, struct str subject);
