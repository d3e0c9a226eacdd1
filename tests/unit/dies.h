#pragma once

/*
 * For tests of what must end the process.
 */

/* Runs `fn` in a child and asserts that it panicked with `why` in its log.
 * Returns all that it logged, until the next call. */
const char *assert_panics(void (*fn)(void), const char *why);
