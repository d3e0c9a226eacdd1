/*
 * Which of what redact/scan.c does is decided by a secret: the secrets and
 * their table are marked as undefined, and a run of this program under memcheck
 * tells of each branch and each address that is made of them. Only window.c's
 * first_of() may be: whether a tag is in the table, and, where one is, whether
 * a form stands there.
 *
 * The positive control compares as nobody should.
 */

#include "redact/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <valgrind/memcheck.h>

#include "../units.h"
#include "near.h"

#define ERRORS 9 /* memcheck's exit code then */

/* What may branch on them; a static function, so by its name. */
#define MAY(FN) "{\n" FN "\nMemcheck:Cond\nfun:" FN "*\n}\n"

/* Sanitizers and memcheck do not go together; and under memcheck this would
 * be what it is without, since that does not follow into a program executed. */
extern void __asan_init(void) __attribute__((weak));

static struct near text;
static unsigned n_found, n_probed;

static void
on_report(void *arg, enum redact_event event, unsigned secret, uint64_t from,
    uint64_t to)
{
    (void)arg, (void)secret, (void)from, (void)to;
    n_found += event == REDACT_FOUND;
    n_probed += event == REDACT_PROBED;
}

static void
undefine(struct redact_keys *k, struct str secret)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(secret.p, secret.n);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(
        k->buckets, (k->mask + 1) * sizeof *k->buckets);
}

/* In whole, and byte by byte. */
static void
scan(const struct redact_keys *keys)
{
    struct redact_scan s;
    redact_scan_init(&s, keys);
    redact_scan_text(&s, str_n(text.text, text.n), on_report, NULL);
    redact_scan_reset(&s);
    for (size_t i = 0; i < text.n; i++) {
        redact_scan_feed(&s, str_n(text.text + i, 1), on_report, NULL);
    }
    redact_scan_end(&s, on_report, NULL);
    redact_scan_fini(&s);
}

/* Of texts that come near the secret nothing is found; with `is_found` it
 * stands there, too. */
static int
inner_scan(bool is_found)
{
    char bytes[NEAR_SECRET], guess[NEAR_SECRET];
    struct str secret = str_n(bytes, sizeof bytes);
    for (unsigned how = 0; how < NEAR_HOWS; how++) {
        struct redact_keys keys;
        near_secret(bytes, sizeof bytes);
        redact_keys_init(&keys, &secret, 1);
        near_fill(&text, secret, how, keys.stride);
        if (is_found) {
            near_put(&text, secret, how);
            memcpy(guess, bytes, sizeof guess);
            memset(guess, 'x', sizeof guess - REDACT_WINDOW - keys.stride + 1);
            near_put(&text, str_n(guess, sizeof guess), NEAR_RAW);
        }
        undefine(&keys, secret);
        scan(&keys);
        redact_keys_fini(&keys);
    }
    return is_found == (n_found >= 2 * NEAR_HOWS && n_probed != 0) &&
                   is_found == (n_found + n_probed != 0)
               ? 0
               : 1;
}

static int
inner_compare(void)
{
    char bytes[NEAR_SECRET], other[NEAR_SECRET];
    near_secret(bytes, sizeof bytes);
    near_secret(other, sizeof other);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(bytes, sizeof bytes);
    return memcmp(bytes, other, sizeof bytes) == 0;
}

static int
inner(const char *what)
{
    srand(1);
    return strcmp(what, "compare") == 0
               ? inner_compare()
               : inner_scan(strcmp(what, "found") == 0);
}

/* This program under memcheck, with the suppressions; its exit code. Errors
 * that are expected are not shown. */
static int
run(const char *what, const char *may, bool is_shown)
{
    char name[] = "/tmp/weir-memcheck-XXXXXX";
    char option[sizeof name + 32];
    int status = 0, fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, may, strlen(may)), strlen(may));
    close(fd);
    snprintf(option, sizeof option, "--suppressions=%s", name);
    const char *log = is_shown ? "--log-fd=2" : "--log-file=/dev/null";
    pid_t pid = fork();
    if (pid == 0) {
        execlp("valgrind", "valgrind", "-q", "--error-exitcode=9", log, option,
            unit_program(), __FILE__, what, NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    unlink(name);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
skip_if_instrumented(void)
{
    if (RUNNING_ON_VALGRIND || __asan_init != NULL) {
        skip();
    }
}

/* Of another secret's text the tags alone decide. */
static void
only_tags_decide(void **state)
{
    (void)state;
    skip_if_instrumented();
    assert_int_equal(run("near", MAY("first_of"), true), 0);
}

/* Where a tag agrees, the whole form does. */
static void
then_the_form(void **state)
{
    (void)state;
    skip_if_instrumented();
    assert_int_equal(run("found", MAY("first_of"), true), 0);
}

static void
a_comparison_is_seen(void **state)
{
    (void)state;
    skip_if_instrumented();
    assert_int_equal(run("compare", MAY("first_of"), false), ERRORS);
    assert_int_equal(run("near", MAY("no_such_function"), false), ERRORS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_tags_decide),
        cmocka_unit_test(then_the_form),
        cmocka_unit_test(a_comparison_is_seen),
    };
    const char *what = unit_argv()[1];
    if (what != NULL) {
        return inner(what);
    }
    return cmocka_run_group_tests_name("redact_memcheck", tests, NULL, NULL);
}
