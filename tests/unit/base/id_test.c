/*
 * The form of an id.
 */

#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
ids(void **state)
{
    static const char *const good[] = { "a", "A9", "a-b_c", "a.b", "a.b-.c_",
        "0", "a._b",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
    static const char *const bad[] = { "", "-a", "_a", ".a", "a.", "a..b",
        "a b", "a/b", "a:b", "\xc3\xa4", "a%", "..",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
    (void)state;
    for (size_t i = 0; i < LEN(good); i++) {
        if (!id_is_valid(str_of(good[i]))) {
            fail_msg("\"%s\"", good[i]);
        }
    }
    for (size_t i = 0; i < LEN(bad); i++) {
        if (id_is_valid(str_of(bad[i]))) {
            fail_msg("\"%s\"", bad[i]);
        }
    }
    assert_false(id_is_valid(str_n("a\0b", 3)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
