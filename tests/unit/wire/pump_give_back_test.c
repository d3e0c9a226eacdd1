/*
 * What a sink took in vain: a request that is sent once more.
 */

#include "wire/pump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static void
give(struct pump *p, const char *bytes, size_t n)
{
    bufq_append(pump_in(p), str_n(bytes, n));
    pump_filled(p, n);
}

static void
take(struct pump *p, char *to, size_t n)
{
    assert_int_equal(bufq_copy(pump_out(p), to, n), n);
    bufq_consume(pump_out(p), n);
    pump_took(p, n);
}

/* It comes again, first, whatever the limit. */
static void
comes_again(void **state)
{
    static char block[PUMP_LIMIT + 4];
    struct pump p;
    struct bufq back;
    (void)state;
    clock_update();
    pump_init(&p, NULL, NULL);
    give(&p, "abcdef", 6);
    take(&p, block, 4);
    give(&p, block + 4, PUMP_LIMIT - 2);
    pump_end(&p);
    bufq_init(&back, 4);
    bufq_append(&back, STR("abcd"));
    pump_give_back(&p, &back);
    assert_true(bufq_is_empty(&back));
    assert_int_equal(p.bytes_out, 0);
    assert_true(pump_stop_if_full(&p));
    assert_false(pump_is_done(&p));
    take(&p, block, sizeof block);
    assert_memory_equal(block, "abcdef", 6);
    assert_true(pump_is_done(&p));
    pump_give_back(&p, &back);
    assert_true(pump_is_done(&p));
    bufq_fini(&back);
    pump_fini(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(comes_again) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
