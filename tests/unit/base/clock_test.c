/*
 * The cached clock: it stands still between updates, and its forms say the
 * same moment. The kernel's clock is the test's.
 */

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "../seams.h"

/* In the kernel's place. */
static struct timespec kernel_mono, kernel_wall;

static int
gettime(clockid_t id, struct timespec *t)
{
    *t = id == CLOCK_REALTIME ? kernel_wall : kernel_mono;
    return 0;
}

/* Asked before the first update it says the time; then it is cached. */
static void
caching(void **state)
{
    (void)state;
    kernel_mono = (struct timespec){ 100, 250000000 };
    kernel_wall = (struct timespec){ 1795465032, 500000000 };
    assert_true(clock_mono() == 100.25);
    assert_true(clock_wall() == 1795465032.5);
    kernel_mono = (struct timespec){ 101, 750000000 };
    kernel_wall.tv_sec++;
    assert_true(clock_mono() == 100.25);
    assert_true(clock_wall() == 1795465032.5);
    clock_update();
    assert_true(clock_mono() == 101.75);
    assert_true(clock_wall() == 1795465033.5);
}

static void
assert_text(struct str got, const char *want)
{
    char text[64];
    assert_true(got.n < sizeof text);
    snprintf(text, sizeof text, "%.*s", STR_ARG(got));
    assert_string_equal(text, want);
}

/* Each in turn, so that a form that is not made anew is seen. */
static void
forms(void **state)
{
    (void)state;
    kernel_wall = (struct timespec){ 1795465032, 999900000 };
    clock_update();
    for (int i = 0; i < 2; i++) { /* the second time from the cache */
        assert_text(clock_error_log(), "2026/11/23 16:47:12");
        assert_text(clock_local(), "23/Nov/2026:16:47:12 -0330");
        assert_text(clock_iso8601(), "2026-11-23T16:47:12-03:30");
        assert_text(clock_http(), "Mon, 23 Nov 2026 20:17:12 GMT");
    }
    kernel_wall.tv_sec += 13 * 3600 + 1; /* over midnight, in both zones */
    clock_update();
    assert_text(clock_error_log(), "2026/11/24 05:47:13");
    assert_text(clock_local(), "24/Nov/2026:05:47:13 -0330");
    assert_text(clock_iso8601(), "2026-11-24T05:47:13-03:30");
    assert_text(clock_http(), "Tue, 24 Nov 2026 09:17:13 GMT");
}

/* A clock that is set back is followed. */
static void
set_back(void **state)
{
    (void)state;
    kernel_wall = (struct timespec){ 951782400, 0 };
    clock_update();
    assert_text(clock_http(), "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_text(clock_iso8601(), "2000-02-28T20:30:00-03:30");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caching),
        cmocka_unit_test(forms),
        cmocka_unit_test(set_back),
    };
    seam_clock(gettime);
    setenv("TZ", "TST3:30", 1);
    tzset();
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
