/*
 * Locked memory for secrets: blocks are apart, wiped when they go, and a chunk
 * without a block goes back. That it is locked is secret_store_test.c's.
 */

#include "secret/secret_memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "secret/secret_store.h"

static void
values_are_wiped(void **state)
{
    struct secret_value keep, v;
    (void)state;
    AZ(secret_value_dup(&keep, STR("neighbour")));
    AZ(secret_value_dup(&v, STR("to be wiped")));
    const char *at = v.p;
    secret_value_free(&v);
    assert_null(v.p);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(at[i], 0);
    }
    assert_memory_equal(keep.p, "neighbour", 9);
    secret_value_free(&keep);
    secret_value_free(&keep); /* none: nothing */
    assert_int_equal(secret_memory_size(), 0);
}

static void
blocks_do_not_overlap(void **state)
{
    static struct secret_value v[600];
    (void)state;
    for (unsigned i = 0; i < 600; i++) {
        size_t n = i < 580 ? 1 + i % 80 : SECRET_MAX - (600 - i);
        AZ(secret_value_make(&v[i], n));
        assert_int_equal(v[i].n, n);
        memset(v[i].p, (int)i, n);
    }
    for (unsigned i = 0; i < 600; i++) {
        for (size_t k = 0; k < v[i].n; k++) {
            assert_int_equal((unsigned char)v[i].p[k], i & 255);
        }
        secret_value_free(&v[i]);
    }
    assert_int_equal(secret_memory_size(), 0);
}

/* Bytes that have two owners stay until the second gives them back. */
static void
owners(void **state)
{
    struct secret_value v, other;
    (void)state;
    AZ(secret_value_dup(&v, STR("shared by two")));
    other = secret_value_ref(&v);
    assert_ptr_equal(other.p, v.p);
    const char *at = v.p;
    secret_value_free(&v);
    assert_null(v.p);
    assert_memory_equal(other.p, "shared by two", 13);
    struct secret_value next;
    AZ(secret_value_dup(&next, STR("elsewhere")));
    assert_ptr_not_equal(next.p, at);
    secret_value_free(&other);
    for (size_t i = 0; i < 13; i++) {
        assert_int_equal(at[i], 0);
    }
    secret_value_free(&next);
    assert_int_equal(secret_memory_size(), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_wiped),
        cmocka_unit_test(blocks_do_not_overlap),
        cmocka_unit_test(owners),
    };
    return cmocka_run_group_tests_name("secret_memory", tests, NULL, NULL);
}
