/*
 * What redact/scan.c does, instruction by instruction: the same for one text
 * whatever the secrets are, unless the last 16 bytes of a form are right. A
 * child is stepped through it; its program counters make a digest.
 *
 * The positive control compares as nobody should.
 */

#include "redact/scan.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "near.h"

extern void __asan_init(void) __attribute__((weak));

struct work {
    const struct redact_keys *keys;
    struct str text;
    size_t cut; /* the first piece's length */
};

static volatile unsigned result;

static void
on_report(void *arg, enum redact_event event, unsigned secret, uint64_t from,
    uint64_t to)
{
    (void)arg, (void)event, (void)secret, (void)from, (void)to;
    result++;
}

static void
scan(const struct work *w)
{
    struct redact_scan s;
    redact_scan_init(&s, w->keys);
    redact_scan_feed(&s, str_n(w->text.p, w->cut), on_report, NULL);
    redact_scan_feed(&s, str_skip(w->text, w->cut), on_report, NULL);
    redact_scan_end(&s, on_report, NULL);
    redact_scan_fini(&s);
}

/* As a plain memcmp() does. */
static bool
is_equal(const char *a, const char *b, size_t n)
{
    size_t i = 0;
    while (i < n && a[i] == b[i]) {
        i++;
    }
    return i == n;
}

static void
compare(const struct work *w)
{
    struct str s = w->keys->secrets[0];
    for (size_t i = 0; i + s.n <= w->text.n; i++) {
        result += is_equal(s.p, w->text.p + i, s.n);
    }
}

struct trace {
    uint64_t steps, digest;
};

static void
child(void (*fn)(const struct work *), const struct work *w)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0) {
        raise(SIGSTOP);
        fn(w);
        raise(SIGSTOP);
    }
    _exit(0);
}

static struct trace
trace(void (*fn)(const struct work *), const struct work *w)
{
    struct trace t = { 0, 0xcbf29ce484222325 };
    struct __ptrace_syscall_info info;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        child(fn, w);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    for (;;) {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSTOPPED(status));
        if (WSTOPSIG(status) != SIGTRAP) {
            break;
        }
        assert_true(
            ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0);
        t.digest = (t.digest ^ info.instruction_pointer) * 0x100000001b3;
        t.steps++;
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return t;
}

/* The text comes near to the first of two secrets. */
static struct near text;

static bool
is_same(enum near_how how, bool is_portable, void (*fn)(const struct work *),
    uint64_t *steps)
{
    char bytes[2][NEAR_SECRET];
    struct str secrets[2];
    struct redact_keys keys[2];
    struct trace t[2];
    for (unsigned i = 0; i < 2; i++) {
        near_secret(bytes[i], NEAR_SECRET);
        secrets[i] = str_n(bytes[i], NEAR_SECRET);
        if (is_portable) {
            redact_keys_init_portable(&keys[i], &secrets[i], 1);
        } else {
            redact_keys_init(&keys[i], &secrets[i], 1);
        }
    }
    near_fill(&text, secrets[0], how, keys[0].stride);
    size_t most = is_portable ? 100 : how < NEAR_PERCENT ? SIZE_MAX : 250;
    for (unsigned i = 0; i < 2; i++) {
        text.n = text.n < most ? text.n : most;
        struct work w = { &keys[i], str_n(text.text, text.n), text.n / 3 };
        t[i] = trace(fn, &w);
    }
    redact_keys_fini(&keys[0]);
    redact_keys_fini(&keys[1]);
    assert_true(t[0].steps > 100);
    *steps = t[0].steps;
    return t[0].steps == t[1].steps && t[0].digest == t[1].digest;
}

/* What checks each access has steps of its own, which differ by where a byte
 * lies. */
static void
skip_if_instrumented(void)
{
    if (RUNNING_ON_VALGRIND || __asan_init != NULL) {
        skip();
    }
}

static void
every_form(void **state)
{
    (void)state;
    skip_if_instrumented();
    for (unsigned how = 0; how < NEAR_HOWS; how++) {
        uint64_t steps;
        if (!is_same(how, false, scan, &steps)) {
            fail_msg("form %u", how);
        }
    }
}

static void
without_vectors(void **state)
{
    uint64_t steps;
    (void)state;
    skip_if_instrumented();
    assert_true(is_same(NEAR_TWICE, true, scan, &steps));
}

static void
a_comparison_is_seen(void **state)
{
    uint64_t steps;
    (void)state;
    skip_if_instrumented();
    assert_false(is_same(NEAR_RAW, false, compare, &steps));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form),
        cmocka_unit_test(without_vectors),
        cmocka_unit_test(a_comparison_is_seen),
    };
    srand(1);
    return cmocka_run_group_tests_name("redact_trace", tests, NULL, NULL);
}
