/*
 * Shares of the sockets: each has one owner that accepts, its own worker where
 * that one does.
 */

#include "proxy/accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/bits.h"

#include <cmocka.h>

#define WORKERS 5
#define SOCKETS 12

static struct str
set_of(unsigned bits, uint8_t *set)
{
    set[0] = (uint8_t)bits;
    return str_n((const char *)set, 1);
}

static void
all_accept(void **state)
{
    uint8_t set[1];
    (void)state;
    for (unsigned k = 0; k < SOCKETS; k++) {
        assert_int_equal(
            accept_owner(k, WORKERS, set_of(0x1f, set)), k % WORKERS);
    }
}

static void
none_accepts(void **state)
{
    uint8_t set[1];
    (void)state;
    assert_int_equal(accept_owner(3, WORKERS, set_of(0, set)), WORKERS);
    assert_int_equal(accept_owner(3, WORKERS, STR_NONE), WORKERS);
    assert_int_equal(accept_owner(0, 1, STR_NONE), 1);
}

/* Whoever is there: an owner that is, its own if it is. What one leaves is
 * spread over the others. */
static void
some_accept(void **state)
{
    uint8_t set[1];
    (void)state;
    for (unsigned bits = 1; bits < 1U << WORKERS; bits++) {
        for (unsigned k = 0; k < SOCKETS; k++) {
            unsigned owner = accept_owner(k, WORKERS, set_of(bits, set));
            assert_true(owner < WORKERS && (bits >> owner & 1) != 0);
            assert_true(!(bits >> k % WORKERS & 1) || owner == k % WORKERS);
        }
    }
    /* 1 and 3 of five: of 0, 2, 4, … */
    assert_int_equal(accept_owner(0, WORKERS, set_of(0x0a, set)), 1);
    assert_int_equal(accept_owner(5, WORKERS, set_of(0x0a, set)), 3);
    assert_int_equal(accept_owner(2, WORKERS, set_of(0x0a, set)), 1);
    assert_int_equal(accept_owner(7, WORKERS, set_of(0x0a, set)), 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_accept),
        cmocka_unit_test(none_accepts),
        cmocka_unit_test(some_accept),
    };
    return cmocka_run_group_tests_name("accept", tests, NULL, NULL);
}
