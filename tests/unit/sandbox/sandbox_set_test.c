/*
 * Sandboxes that come, change and go: found by what they have now, by nothing
 * that they had; what clashes changes nothing.
 */

#include "sandbox/sandbox_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../policy/policy_conf.h"
#include "base/mem.h"

static struct sandbox_set *set;
static struct policy *first, *second;

/* What is said of one sandbox, and lies here until the next. */
static struct sandbox_spec spec;
static uint8_t digest[SHA256_SIZE];
static struct cidr addresses[4];

static void
begin(void **state)
{
    const struct policy_conf *pc =
        policy_binds(state, "sandbox_class k { allowed_hosts a.test; }");
    struct policy values = *policy_classes(pc)->policy;
    set = sandbox_set_new();
    values.revision = 1;
    first = policy_new(&values);
    values.revision = 2;
    second = policy_new(&values);
}

static void
end(void)
{
    sandbox_set_free(set);
    assert_int_equal(first->refs, 1);
    assert_int_equal(second->refs, 1);
    policy_unref(first);
    policy_unref(second);
}

/* `token` NULL: none; addresses: "a b c". */
static void
say(const char *id, struct policy *p, const char *token, const char *at)
{
    struct str rest = str_of(at), one;
    spec = (struct sandbox_spec){
        .id = str_of(id), .policy = p, .addresses = addresses
    };
    if (token != NULL) {
        sha256(str_of(token), digest);
        spec.token = digest;
    }
    while (rest.n != 0 && str_cut(&rest, ' ', &one)) {
        AN(spec.n_addresses < LEN(addresses));
        assert_true(cidr_parse(one, &addresses[spec.n_addresses++]));
    }
}

static struct sandbox *
add(const char *id, const char *token, const char *at)
{
    struct sandbox_clash clash;
    say(id, first, token, at);
    struct sandbox *sb = sandbox_set_add(set, &spec, &clash);
    assert_non_null(sb);
    return sb;
}

static void
clashes(const struct sandbox_clash *clash, int what, const char *id)
{
    assert_int_equal(clash->what, what);
    assert_true(str_eq(clash->id, str_of(id)));
}

static void
refuses(const char *id, const char *token, const char *at, int what,
    const char *with)
{
    struct sandbox_clash clash;
    say(id, first, token, at);
    assert_null(sandbox_set_add(set, &spec, &clash));
    clashes(&clash, what, with);
}

static const struct sandbox *
at(const char *text)
{
    struct addr a;
    assert_true(addr_parse(str_of(text), &a));
    return sandbox_by_addr(set, &a);
}

static const struct sandbox *
of_token(const char *text)
{
    uint8_t d[SHA256_SIZE];
    sha256(str_of(text), d);
    return sandbox_by_token(set, d);
}

static void
they_come_and_go(void **state)
{
    begin(state);
    struct sandbox *a = add("a", "ta", "10.0.0.1 10.1.0.0/16");
    struct sandbox *b = add("b", NULL, "10.1.2.0/24");
    assert_int_equal(sandbox_set_count(set), 2);
    assert_ptr_equal(sandbox_set_next(set, NULL), a);
    assert_ptr_equal(sandbox_set_next(set, a), b);
    assert_null(sandbox_set_next(set, b));
    assert_ptr_equal(at("10.1.2.3"), b);
    assert_ptr_equal(at("10.1.3.3"), a);
    assert_true(sandbox_set_has_tokens(set));
    sandbox_ref(a);
    sandbox_set_remove(set, a);
    assert_true(a->is_ended);
    assert_true(str_eq(a->id, STR("a")) && a->policy == first);
    assert_null(sandbox_by_id(set, STR("a")));
    assert_null(at("10.0.0.1"));
    assert_null(at("10.1.3.3"));
    assert_ptr_equal(at("10.1.2.3"), b);
    assert_null(of_token("ta"));
    assert_false(sandbox_set_has_tokens(set));
    assert_int_equal(sandbox_set_count(set), 1);
    /* another one of that id, while the first is still held */
    assert_ptr_not_equal(add("a", "ta", "10.0.0.1"), a);
    sandbox_unref(a);
    end();
}

static void
what_clashes_changes_nothing(void **state)
{
    begin(state);
    add("a", "ta", "10.0.0.1 10.1.0.0/16");
    refuses("a", NULL, "", CLASH_ID, "a");
    refuses("b", "ta", "10.2.0.0/16", CLASH_TOKEN, "a");
    refuses("b", "tb", "10.2.0.0/16 10.1.0.0/16", CLASH_ADDRESS, "a");
    refuses("b", "tb", "10.2.0.0/16 10.2.0.0/16", CLASH_ADDRESS, "b");
    assert_null(at("10.2.0.1"));
    assert_null(of_token("tb"));
    assert_int_equal(sandbox_set_count(set), 1);
    assert_int_equal(first->refs, 2);
    add("b", "tb", "10.2.0.0/16"); /* and nothing is in its way */
    end();
}

static void
a_change(void **state)
{
    struct sandbox_clash clash;
    begin(state);
    struct sandbox *a = add("a", "ta", "10.0.0.1 10.1.0.0/16");
    add("b", "tb", "10.2.0.0/16");
    sandbox_assign(a, 7, 3, STR("der"));
    say("a", second, "new", "10.1.0.0/16 10.3.0.1");
    assert_true(sandbox_set_change(set, a, &spec, &clash));
    assert_int_equal(a->serial, 7);
    assert_ptr_equal(a->policy, second);
    assert_int_equal(first->refs, 2);
    assert_ptr_equal(of_token("new"), a);
    assert_null(of_token("ta"));
    assert_null(at("10.0.0.1"));
    assert_ptr_equal(at("10.1.9.9"), a);
    assert_ptr_equal(at("10.3.0.1"), a);
    /* what clashes leaves it as it is */
    say("a", second, "tb", "10.9.0.1");
    assert_false(sandbox_set_change(set, a, &spec, &clash));
    clashes(&clash, CLASH_TOKEN, "b");
    say("a", second, "other", "10.9.0.1 10.2.0.0/16");
    assert_false(sandbox_set_change(set, a, &spec, &clash));
    clashes(&clash, CLASH_ADDRESS, "b");
    assert_int_equal(clash.address, 1);
    say("a", second, "other", "10.9.0.1 10.9.0.1");
    assert_false(sandbox_set_change(set, a, &spec, &clash));
    clashes(&clash, CLASH_ADDRESS, "a");
    assert_ptr_equal(of_token("new"), a);
    assert_null(at("10.9.0.1"));
    assert_ptr_equal(at("10.1.9.9"), a);
    assert_ptr_equal(at("10.3.0.1"), a);
    assert_int_equal(a->n_addresses, 2);
    say("a", second, NULL, "");
    assert_true(sandbox_set_change(set, a, &spec, &clash));
    assert_null(of_token("new"));
    assert_null(at("10.3.0.1"));
    end();
}

/* A policy's lists are there as long as it is, whoever had them first. */
static void
a_policy_keeps_its_lists(void **state)
{
    struct pattern_error err;
    begin(state);
    struct pattern_set *own = pattern_set_new(PATTERN_LIST);
    assert_true(pattern_set_add(own, STR("d.test"), NULL, &err));
    pattern_set_compile(own);
    struct policy values = *first;
    values.own_denied = own;
    struct policy *a = policy_new(&values), *b = policy_new(a);
    pattern_set_unref(own);
    assert_int_equal(policy_ref(a)->refs, 2);
    policy_unref(a);
    policy_unref(a);
    assert_int_equal(
        pattern_match(b->own_denied, STR("d.test"), NULL, NULL), PATTERN_MATCH);
    policy_unref(b);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_come_and_go),
        TEST(what_clashes_changes_nothing),
        TEST(a_change),
        TEST(a_policy_keeps_its_lists),
    };
    return cmocka_run_group_tests_name("sandbox_set", tests, NULL, NULL);
}
