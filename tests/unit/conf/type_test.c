/*
 * Sizes and times as nginx writes them, and what is neither.
 */

#include "conf/type.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
is_size(const char *text, uint64_t expected)
{
    uint64_t v;
    assert_true(size_parse(str_of(text), &v));
    assert_int_equal(v, expected);
}

static void
is_time(const char *text, double expected)
{
    double v;
    assert_true(time_parse(str_of(text), &v));
    assert_true(v > expected - 1e-6 && v < expected + 1e-6);
}

static void
sizes(void **state)
{
    (void)state;
    is_size("0", 0);
    is_size("17", 17);
    is_size("32k", 32768);
    is_size("32K", 32768);
    is_size("4m", 4194304);
    is_size("4M", 4194304);
    is_size("2g", 2147483648);
    is_size("18446744073709551615", UINT64_MAX);
    is_size("17179869183g", 17179869183ull << 30);
}

static void
no_sizes(void **state)
{
    static const char *const bad[] = { "", "k", "-1", "+1", "1 k", "1kk", "1t",
        "1b", "1.5k", "0x10", "18446744073709551616", "17179869184g",
        "18446744073709551615k", "k1", " 1" };
    uint64_t v;
    (void)state;
    for (size_t i = 0; i < LEN(bad); i++) {
        assert_false(size_parse(str_of(bad[i]), &v));
    }
}

static void
times(void **state)
{
    (void)state;
    is_time("0", 0);
    is_time("60", 60);
    is_time("60s", 60);
    is_time("500ms", 0.5);
    is_time("1m", 60);
    is_time("2h", 7200);
    is_time("7d", 604800);
    is_time("1w", 604800);
    is_time("1M", 2592000);
    is_time("1y", 31536000);
    is_time("1h30m", 5400);
    is_time("1h30", 3630);
    is_time("1m30s250ms", 90.25);
    is_time("1y1M1w1d1h1m1s1ms",
        31536000 + 2592000 + 604800 + 86400 + 3600 + 60 + 1.001);
}

static void
no_times(void **state)
{
    static const char *const bad[] = { "", "s", "-1", "1x", "1.5s", "1 s",
        "30m1h", "1s1s", "1s1", "1ms1", "1h 30m", "ms", "1mss", "1sm",
        "99999999999s", "18446744073709551616" };
    double v;
    (void)state;
    for (size_t i = 0; i < LEN(bad); i++) {
        assert_false(time_parse(str_of(bad[i]), &v));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(no_sizes),
        cmocka_unit_test(times),
        cmocka_unit_test(no_times),
    };
    return cmocka_run_group_tests_name("type", tests, NULL, NULL);
}
