/*
 * See arena_fixture.h.
 */

#include "arena_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct arena *arena;

int
arena_set_up(void **state)
{
    (void)state;
    arena = arena_new(4096);
    return 0;
}

int
arena_tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

void
assert_text(struct str got, const char *want)
{
    char text[512];
    assert_true(got.n < sizeof text);
    memcpy(text, got.n != 0 ? got.p : "", got.n);
    text[got.n] = '\0';
    assert_string_equal(text, want);
}
