/*
 * Findings are counted by sandbox and kind, in bounded memory, and told to who
 * observes them.
 */

#include "proxy/finding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "proxy/conn.h"
#include "proxy/worker.h"

static void
add(struct findings *f, uint64_t serial, enum finding_kind kind)
{
    struct finding one = {
        .kind = kind, .serial = serial, .host = STR("a.test"), .rule = "rate"
    };
    findings_add(f, &one);
}

static void
by_sandbox_and_kind(void **state)
{
    struct findings *f = findings_new();
    (void)state;
    assert_null(findings_counts(f, 7));
    add(f, 7, FINDING_LIMIT);
    add(f, 7, FINDING_LIMIT);
    add(f, 7, FINDING_DENIED);
    add(f, 8, FINDING_SNI);
    assert_int_equal(findings_counts(f, 7)[FINDING_LIMIT], 2);
    assert_int_equal(findings_counts(f, 7)[FINDING_DENIED], 1);
    assert_int_equal(findings_counts(f, 7)[FINDING_SNI], 0);
    assert_int_equal(findings_counts(f, 8)[FINDING_SNI], 1);
    assert_int_equal(findings_counts(f, 0)[FINDING_SNI], 0);
    findings_forget(f, 7);
    findings_forget(f, 7);
    assert_null(findings_counts(f, 7));
    assert_int_equal(findings_counts(f, 8)[FINDING_SNI], 1);
    findings_free(f);
    findings_free(NULL);
}

/* Those that find no place are counted together, until one has ended. */
static void
too_many_sandboxes(void **state)
{
    struct findings *f = findings_new();
    (void)state;
    for (uint64_t serial = 1; serial <= FINDING_SANDBOXES + 3; serial++) {
        add(f, serial, FINDING_DENIED);
    }
    assert_int_equal(findings_counts(f, FINDING_SANDBOXES)[FINDING_DENIED], 1);
    assert_null(findings_counts(f, FINDING_SANDBOXES + 1));
    assert_int_equal(findings_counts(f, 0)[FINDING_DENIED], 3);
    findings_forget(f, 1);
    add(f, FINDING_SANDBOXES + 1, FINDING_DENIED);
    add(f, 2, FINDING_DENIED);
    assert_int_equal(findings_counts(f, 2)[FINDING_DENIED], 2);
    assert_int_equal(
        findings_counts(f, FINDING_SANDBOXES + 1)[FINDING_DENIED], 1);
    assert_int_equal(findings_counts(f, 0)[FINDING_DENIED], 3);
    findings_free(f);
}

static void
on_finding(void *arg, const struct finding *found)
{
    *(struct finding *)arg = *found;
}

/* A connection that is nobody's yet, and a host that is too long. */
static void
who_observes(void **state)
{
    static char host[FINDING_HOST_MAX + 9];
    struct finding last = { .serial = 1 };
    struct worker w = { .magic = WORKER_MAGIC, .findings = findings_new() };
    struct conn c = { .magic = CONN_MAGIC, .worker = &w };
    (void)state;
    memset(host, 'a', sizeof host);
    findings_observe(w.findings, on_finding, &last);
    finding(&c, FINDING_SNI, str_n(host, sizeof host), "sni");
    assert_int_equal(last.kind, FINDING_SNI);
    assert_int_equal(last.serial, 0);
    assert_int_equal(last.host.n, FINDING_HOST_MAX);
    assert_string_equal(last.rule, "sni");
    assert_int_equal(findings_counts(w.findings, 0)[FINDING_SNI], 1);
    findings_observe(w.findings, NULL, NULL);
    finding(&c, FINDING_LIMIT, STR_NONE, "connections");
    assert_int_equal(last.kind, FINDING_SNI);
    assert_int_equal(findings_counts(w.findings, 0)[FINDING_LIMIT], 1);
    findings_free(w.findings);
}

static void
names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FINDING_KINDS; i++) {
        assert_non_null(finding_name((enum finding_kind)i));
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(finding_name((enum finding_kind)i),
                finding_name((enum finding_kind)k));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_sandbox_and_kind),
        cmocka_unit_test(too_many_sandboxes),
        cmocka_unit_test(who_observes),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests_name("finding", tests, NULL, NULL);
}
