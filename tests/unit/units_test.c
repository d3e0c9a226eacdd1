/*
 * A file of tests has a fresh process. With WEIR_TEST_BREAK it is broken on
 * purpose, and tests/lifecycle/units_test.py sees what is said of that.
 */

#include "units.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/obj.h"

#define STATIC_MAX (12 << 20)

/* Its redzones count. */
extern void __asan_init(void) __attribute__((weak));

/* The linker's. */
extern const char __bss_start[], _end[];

static void
nothing_is_inherited(void **state)
{
    sigset_t mask;
    (void)state;
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGCHLD), 0);
    assert_int_equal(sigpending(&mask), 0);
    assert_int_equal(sigismember(&mask, SIGCHLD), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_string_equal(unit_argv()[0], __FILE__);
    assert_null(unit_argv()[1]);
}

/* units.c says why. */
static void
static_memory_is_small(void **state)
{
    (void)state;
    int factor = __asan_init != NULL ? 2 : 1;
    assert_in_range(_end - __bss_start, 1, factor * STATIC_MAX);
}

static void
leak(void)
{
    void *volatile p = malloc(100);
    p = NULL;
    assert_null(p);
}

static void
read_unset(void)
{
    char *volatile p = malloc(1);
    if (*p == 'x') {
        print_message("by chance\n");
    }
    free(p);
}

static void
read_freed(void)
{
    char *volatile p = malloc(1);
    free(p);
    print_message("%c\n", *p);
}

static void
leave_early(void)
{
    _exit(0);
}

static void
hang(void)
{
    for (;;) {
        pause();
    }
}

static const struct {
    const char *how;
    void (*fn)(void);
} breaks[] = {
    { "leak", leak },
    { "unset", read_unset },
    { "freed", read_freed },
    { "crash", abort },
    { "early", leave_early },
    { "hang", hang },
};

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_inherited),
        cmocka_unit_test(static_memory_is_small),
    };
    const char *how = getenv("WEIR_TEST_BREAK");
    for (size_t i = 0; i < LEN(breaks); i++) {
        if (how != NULL && strcmp(how, breaks[i].how) == 0) {
            breaks[i].fn();
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
