/*
 * Questions to decide(), and what is expected of the answer.
 */

#include "ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy_conf.h"

struct decision decided;
static struct addr literal;

void
decide_ask(void **state, const char *method, const char *host, const char *path)
{
    struct policy_conf *pc = *state; /* first in the fixture */
    struct decide_query q = { .policy = policy_sandbox(pc, 0)->policy,
        .host = str_of(host),
        .is_request = method != NULL,
        .method = str_of(method),
        .path = str_of(path),
        .arena = pc->arena };
    if (addr_parse(q.host, &literal)) {
        q.literal = &literal;
    }
    decide(&q, &decided);
    assert_ptr_equal(decided.policy, q.policy);
    assert_true(str_eq(decided.host, q.host));
}

static const char *
outcome(void)
{
    static const char *const names[] = { [DECIDE_DENY] = "deny",
        [DECIDE_ALLOW] = "allow",
        [DECIDE_RETURN] = "return",
        [DECIDE_METHOD] = "method",
        [DECIDE_BAD] = "bad" };
    return names[decided.outcome];
}

void
expect_verdict(const char *want)
{
    char got[64];
    snprintf(got, sizeof got, "%s %u %s", outcome(), decided.rule,
        decision_rule_name(&decided));
    assert_string_equal(got, want);
}

void
expect_get(void **state, const char *host, const char *want)
{
    decide_ask(state, "GET", host, "/");
    expect_verdict(want);
    assert_int_equal(decided.may_leave, decided.outcome == DECIDE_ALLOW);
}

void
expect_connect(void **state, const char *host, const char *want)
{
    decide_ask(state, NULL, host, NULL);
    expect_verdict(want);
}

void
expect_both(void **state, const char *host, const char *want)
{
    expect_get(state, host, want);
    expect_connect(state, host, want);
    assert_int_equal(decided.may_leave, decided.outcome == DECIDE_ALLOW);
}

void
expect_path(void **state, const char *target, const char *want)
{
    decide_ask(state, "GET", "a.test", target);
    expect_verdict(want);
}

struct policy_conf *
bind_class(void **state, const char *class, const char *shared)
{
    struct policy_conf *pc = *state;
    struct str text = arena_printf(pc->arena,
        "sandbox_class k { %s } sandbox box { class k; } %s", class, shared);
    return policy_binds(state, text.p);
}
