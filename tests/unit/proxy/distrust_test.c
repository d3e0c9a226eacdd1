/*
 * A sandbox that does not trust its CA is told of once a minute, whatever is
 * told of others.
 */

#include "proxy/distrust.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
once_a_minute(void **state)
{
    struct distrust *d = distrust_new();
    (void)state;
    assert_true(distrust_is_news(d, 7, 100));
    assert_false(distrust_is_news(d, 7, 100));
    assert_false(distrust_is_news(d, 7, 99.999 + DISTRUST_EVERY));
    assert_true(distrust_is_news(d, 7, 100 + DISTRUST_EVERY));
    assert_false(distrust_is_news(d, 7, 100 + DISTRUST_EVERY));
    distrust_free(d);
}

/* Serials 1024 apart are two sandboxes, like any other two. */
static void
others(void **state)
{
    struct distrust *d = distrust_new();
    (void)state;
    for (uint64_t serial = 1; serial <= 3000; serial++) {
        assert_true(distrust_is_news(d, serial, 100));
    }
    for (uint64_t serial = 1; serial <= 3000; serial++) {
        assert_false(distrust_is_news(d, serial, 101));
    }
    distrust_free(d);
    distrust_free(NULL);
}

static void
one_that_ended(void **state)
{
    struct distrust *d = distrust_new();
    (void)state;
    assert_true(distrust_is_news(d, 1, 100));
    assert_true(distrust_is_news(d, 1025, 100));
    distrust_forget(d, 1);
    distrust_forget(d, 1);
    assert_false(distrust_is_news(d, 1025, 101));
    assert_true(distrust_is_news(d, 1, 101));
    distrust_free(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once_a_minute),
        cmocka_unit_test(others),
        cmocka_unit_test(one_that_ended),
    };
    return cmocka_run_group_tests_name("distrust", tests, NULL, NULL);
}
