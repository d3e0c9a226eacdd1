/*
 * Growable buffers: what is added is there, and the ceiling holds.
 */

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
nothing_into_nothing(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 10);
    assert_true(buf_add(&b, STR_NONE));
    assert_true(buf_add(&b, STR("")));
    assert_non_null(buf_reserve(&b, 0));
    assert_int_equal(b.n, 0);
    buf_consume(&b, 0);
    buf_fini(&b);
    buf_init(&b, 0);
    assert_true(buf_add(&b, STR("")));
    assert_true(buf_addf(&b, "%s", ""));
    assert_false(buf_addc(&b, 'x'));
    buf_fini(&b);
}

static void
adding(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 1000);
    assert_true(buf_add(&b, STR("ab")));
    assert_true(buf_addc(&b, '\0'));
    assert_true(buf_addf(&b, "%d-%s", 42, "x"));
    assert_true(str_eq(buf_str(&b), STR("ab\0"
                                        "42-x")));
    buf_consume(&b, 3);
    assert_true(str_eq(buf_str(&b), STR("42-x")));
    buf_consume(&b, 4);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
    assert_null(b.p);
    assert_int_equal(b.max, 1000);
    assert_true(buf_addc(&b, 'y')); /* usable again */
    buf_fini(&b);
}

static void
the_ceiling(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 300);
    for (int i = 0; i < 300; i++) {
        assert_true(buf_addc(&b, (char)i));
    }
    assert_false(buf_addc(&b, 'x'));
    assert_false(buf_addf(&b, "%s", "x"));
    assert_null(buf_reserve(&b, 1));
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_non_null(buf_reserve(&b, 0));
    assert_int_equal(b.n, 300);
    assert_true(b.cap <= 300);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(b.p[i], (char)i);
    }
    buf_consume(&b, 10);
    assert_false(buf_add(&b, STR("0123456789+")));
    assert_int_equal(b.n, 290);
    assert_true(buf_add(&b, STR("0123456789")));
    buf_fini(&b);
}

static bool
holds_run(const struct buf *b, char first)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->p[i] != (char)(first + i)) {
            return false;
        }
    }
    return true;
}

/* What is added counts up, so the first byte and the length tell the rest. */
static void
consuming_and_adding(void **state)
{
    enum { MAX = 700 };
    char first = 0, next = 0;
    size_t n = 0;
    struct buf b;
    (void)state;
    buf_init(&b, MAX);
    srand(5);
    for (int i = 0; i < 20000; i++) {
        size_t k = (size_t)rand() % 120;
        if (rand() % 2 == 0) {
            k = k < n ? k : n;
            buf_consume(&b, k);
            n -= k;
            first += (char)k;
        } else if (n + k > MAX) {
            assert_null(buf_reserve(&b, k));
        } else {
            char *to = buf_reserve(&b, k);
            assert_non_null(to);
            for (size_t j = 0; j < k; j++) {
                to[j] = next++;
            }
            b.n += k;
            n += k;
        }
        assert_int_equal(b.n, n);
        assert_true(b.gone + b.n <= b.cap && b.cap <= MAX);
        assert_true(holds_run(&b, first));
    }
    buf_fini(&b);
}

static void
long_formats(void **state)
{
    char text[3000];
    struct buf b;
    (void)state;
    memset(text, 'x', sizeof text);
    buf_init(&b, 3000);
    for (int n = 500; n < 530; n++) { /* around the stack's share */
        buf_clear(&b);
        assert_true(buf_addf(&b, "%.*s", n, text));
        assert_true(str_eq(buf_str(&b), str_n(text, (size_t)n)));
    }
    buf_clear(&b);
    assert_true(buf_addf(&b, "%.*s", 3000, text));
    assert_int_equal(b.n, 3000);
    buf_clear(&b);
    assert_false(buf_addf(&b, "%.*s!", 3000, text));
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

static void
reserving(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 100000);
    for (size_t n = 1; n < 1000; n *= 3) {
        char *p = buf_reserve(&b, n);
        assert_ptr_equal(p, b.p + b.n);
        memset(p, 'a', n);
        b.n += n;
    }
    assert_int_equal(b.n, 1 + 3 + 9 + 27 + 81 + 243 + 729);
    char *memory = b.p;
    buf_clear(&b);
    assert_ptr_equal(buf_reserve(&b, 10), memory);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_into_nothing),
        cmocka_unit_test(adding),
        cmocka_unit_test(the_ceiling),
        cmocka_unit_test(consuming_and_adding),
        cmocka_unit_test(long_formats),
        cmocka_unit_test(reserving),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
