/*
 * Memory: arenas align, clean up in order and give back; arrays grow; what is
 * wiped is gone.
 */

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void
alignment(void **state)
{
    (void)state;
    for (size_t block = 512; block <= 65536; block = block * 3 / 2 + 1) {
        struct arena *a = arena_new(block);
        for (size_t n = 0; n < 3000; n += 7) {
            char *p = arena_alloc(a, n);
            assert_int_equal((uintptr_t)p % 16, 0);
            memset(p, (int)n, n); /* all of it is ours, says ASan */
        }
        arena_free(a);
    }
}

/* No piece lies in another, whatever the sizes. */
static void
pieces_are_apart(void **state)
{
    static char *at[500];
    (void)state;
    struct arena *a = arena_new(4096);
    for (size_t i = 0; i < LEN(at); i++) {
        size_t n = i * i % 5003;
        at[i] = arena_alloc(a, n);
        memset(at[i], (int)i, n);
    }
    for (size_t i = 0; i < LEN(at); i++) {
        size_t n = i * i % 5003;
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(at[i][k], (char)i);
        }
    }
    arena_free(a);
}

static char order[16];

static void
note(void *arg)
{
    size_t n = strlen(order);
    order[n] = *(const char *)arg;
}

/* A cleanup may still use the arena's memory, and add to it. */
static void
note_late(void *arg)
{
    struct arena *a = *(struct arena **)arg;
    char *name = arena_alloc(a, 1);
    *name = 'l';
    arena_on_free(a, note, name);
}

static void
cleanups(void **state)
{
    struct arena *a = arena_new(512);
    (void)state;
    memset(order, 0, sizeof order);
    arena_on_free(a, note, arena_calloc(a, 1));
    ((char *)arena_calloc(a, 600))[0] = 1; /* further blocks between */
    char *first = arena_alloc(a, 2), *second = arena_alloc(a, 2);
    *first = '1';
    *second = '2';
    arena_on_free(a, note, first);
    arena_on_free(a, note, second);
    arena_on_free(a, note_late, &a);
    assert_string_equal(order, "");
    arena_free(a);
    assert_string_equal(order, "l21");
}

/* The common block comes back from the free list: the same memory. */
static void
reuse(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096);
    void *where = a;
    arena_free(a);
    struct arena *b = arena_new(4096);
    assert_ptr_equal(b, where);
    struct arena *c = arena_new(4096);
    assert_ptr_not_equal(c, b);
    arena_free(b);
    arena_free(c);
}

/* More than the free list takes is given back, and none is lost. */
static void
many_blocks(void **state)
{
    struct arena *arenas[400];
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < LEN(arenas); i++) {
            arenas[i] = arena_new(4096);
            memset(arena_alloc(arenas[i], 1000), (int)i, 1000);
        }
        for (size_t i = 0; i < LEN(arenas); i++) {
            arena_free(arenas[i]);
        }
    }
}

static void
sizes(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096);
    assert_int_equal(arena_size(a), 4096);
    arena_alloc(a, 100);
    assert_int_equal(arena_size(a), 4096); /* within the block */
    arena_alloc(a, 100000);
    size_t size = arena_size(a);
    assert_true(size >= 4096 + 100000 && size < 4096 + 100000 + 100);
    /* what is large did not end the block that is filled */
    arena_alloc(a, 3000);
    assert_int_equal(arena_size(a), size);
    for (int i = 0; i < 10; i++) {
        arena_alloc(a, 400);
    }
    assert_int_equal(arena_size(a), size + 4096);
    arena_free(a);
    a = arena_new(4096);
    arena_alloc(a, 3000);
    arena_alloc(a, 2000); /* a block of its own, and no larger */
    size = arena_size(a);
    assert_true(size < 4096 + 2000 + 100);
    arena_alloc(a, 900);
    assert_int_equal(arena_size(a), size);
    arena_free(a);
}

static void
arena_strings(void **state)
{
    struct arena *a = arena_new(512);
    (void)state;
    struct str s = arena_dup(a, STR("a\0b"));
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "a\0b", 4);
    s = arena_dup(a, STR_NONE);
    assert_int_equal(s.n, 0);
    assert_string_equal(s.p, "");
    s = arena_printf(a, "%s-%d", "x", 42);
    assert_int_equal(s.n, 4);
    assert_string_equal(s.p, "x-42");
    s = arena_printf(a, "%5000s", "y");
    assert_int_equal(s.n, 5000);
    assert_string_equal(s.p + 4999, "y");
    arena_free(a);
}

/* Memory that was used before is zeroed where that is said. */
static void
zeroed(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096);
    memset(arena_alloc(a, 3000), 'x', 3000);
    arena_free(a);
    a = arena_new(4096);
    const char *p = arena_calloc(a, 3000);
    const char *q = xcalloc(3000);
    for (size_t i = 0; i < 3000; i++) {
        assert_int_equal(p[i] | q[i], 0);
    }
    xfree((void *)q);
    arena_free(a);
}

static void
growing(void **state)
{
    unsigned *items = NULL;
    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        items = xgrow(items, i, sizeof *items);
        items[i] = i; /* there is room, says ASan */
    }
    for (unsigned i = 0; i < 5000; i++) {
        assert_int_equal(items[i], i);
    }
    for (unsigned i = 3; i < 600; i++) { /* cut short, it grows again */
        items = xgrow(items, i, sizeof *items);
        items[i] = i;
    }
    unsigned *same = xgrow(items, 5, sizeof *items);
    assert_ptr_equal(same, items);
    xfree(items);
}

static void
plain_allocations(void **state)
{
    (void)state;
    void *p = xalloc(0);
    assert_non_null(p);
    p = xrealloc(p, 0);
    assert_non_null(p);
    xfree(p);
    xfree(NULL);
    char *z = xstrndup(str_n("abcdef", 3));
    assert_string_equal(z, "abc");
    xfree(z);
    z = xstrndup(STR_NONE);
    assert_string_equal(z, "");
    xfree(z);
}

/* Keeps the compiler from knowing what is there. */
static char secret[64];

static void
wiping(void **state)
{
    (void)state;
    memset(secret, 's', sizeof secret);
    mem_wipe(secret + 1, sizeof secret - 2);
    assert_int_equal(secret[0], 's');
    assert_int_equal(secret[sizeof secret - 1], 's');
    for (size_t i = 1; i < sizeof secret - 1; i++) {
        assert_int_equal(((volatile char *)secret)[i], 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alignment),
        cmocka_unit_test(pieces_are_apart),
        cmocka_unit_test(cleanups),
        cmocka_unit_test(reuse),
        cmocka_unit_test(many_blocks),
        cmocka_unit_test(sizes),
        cmocka_unit_test(arena_strings),
        cmocka_unit_test(zeroed),
        cmocka_unit_test(growing),
        cmocka_unit_test(plain_allocations),
        cmocka_unit_test(wiping),
    };
    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
