#pragma once

/*
 * For tests of what a process does to itself: it is done in a child.
 */

/* Runs `fn` in a child and waits; its wait status. */
int child_run(void (*fn)(void));

/* Runs `fn` in a child and asserts that every EXPECT() in it held. */
void child_passes(void (*fn)(void));

/* In a child an assertion of cmocka's would go on with the tests. */
_Noreturn void child_fail(const char *file, int line, const char *what);

#define EXPECT(e)                                                              \
    do {                                                                       \
        if (!(e)) {                                                            \
            child_fail(__FILE__, __LINE__, #e);                                \
        }                                                                      \
    } while (0)
