#pragma once

/*
 * An arena for each test, and what a text in it is.
 */

#include "base/mem.h"

extern struct arena *arena;

/* For cmocka. */
int arena_set_up(void **state);
int arena_tear_down(void **state);

void assert_text(struct str got, const char *want);
