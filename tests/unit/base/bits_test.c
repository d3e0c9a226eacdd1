/*
 * Sets of small numbers.
 */

#include "base/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "../dies.h"

#include <cmocka.h>

static void
sets(void **state)
{
    uint8_t set[3] = { 0 };
    (void)state;
    assert_int_equal(BITS_BYTES(0), 0);
    assert_int_equal(BITS_BYTES(1), 1);
    assert_int_equal(BITS_BYTES(8), 1);
    assert_int_equal(BITS_BYTES(9), 2);
    for (unsigned i = 0; i < 24; i += 5) {
        bits_add(set, sizeof set, i);
    }
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(bits_has(set, sizeof set, i), i < 24 && i % 5 == 0);
        assert_false(bits_has(NULL, 0, i));
    }
}

static void
add_beyond(void)
{
    uint8_t set[1] = { 0 };
    bits_add(set, sizeof set, 8);
}

static void
beyond(void **state)
{
    (void)state;
    assert_panics(add_beyond, "i / 8 < n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets),
        cmocka_unit_test(beyond),
    };
    return cmocka_run_group_tests_name("bits", tests, NULL, NULL);
}
