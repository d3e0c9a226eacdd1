/*
 * A sandbox that does not trust its CA is told of once a minute, and a hostile
 * one hides no other's.
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

static void
others(void **state)
{
    struct distrust *d = distrust_new();
    (void)state;
    for (uint64_t serial = 1; serial <= 1024; serial++) {
        assert_true(distrust_is_news(d, serial, 100));
    }
    assert_false(distrust_is_news(d, 1025, 100.5)); /* in the place of 1 */
    assert_true(distrust_is_news(d, 1025, 101));
    assert_false(distrust_is_news(d, 1, 101));
    assert_false(distrust_is_news(d, 2, 101));
    distrust_free(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once_a_minute),
        cmocka_unit_test(others),
    };
    return cmocka_run_group_tests_name("distrust", tests, NULL, NULL);
}
