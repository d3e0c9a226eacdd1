/*
 * Classes and sandboxes: what is bound, what a sandbox takes from its class,
 * how it is found, and what is refused.
 */

#include "policy/class.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "policy_conf.h"
#include "policy/block.h"

static bool
matches(const struct pattern_set *s, const char *host)
{
    return pattern_match(s, str_of(host), NULL, NULL) == PATTERN_MATCH;
}

static void
empty_sets(void **state)
{
    struct policy_conf *pc = policy_binds(state, NULL);
    struct addr a;
    assert_int_equal(sandbox_set_count(pc->set), 0);
    assert_null(policy_sandbox(pc, 0));
    assert_null(sandbox_by_id(pc->set, STR("a")));
    assert_true(addr_parse(STR("10.0.0.1"), &a));
    assert_null(sandbox_by_addr(pc->set, &a));
    assert_false(sandbox_set_has_tokens(pc->set));
    pc = policy_binds(state, "");
    assert_int_equal(sandbox_set_count(pc->set), 0);
}

static void
defaults_and_classes(void **state)
{
    struct policy_conf *pc = policy_binds(state,
        "sandbox_class k { } header_slots 5;"
        "sandbox_class l { internet on; connections 7; header_slots 8;"
        " header_slots_queue 0; header_slots_timeout 5s;"
        " allowed_hosts; denied_hosts a.test; denied_hosts *.b; }");
    const struct class *k = policy_classes(pc);
    assert_int_equal(k->magic, CLASS_MAGIC);
    assert_true(str_eq(k->name, STR("k")));
    assert_int_equal(k->policy->magic, POLICY_MAGIC);
    assert_null(k->policy->allowed);
    assert_null(k->policy->denied);
    assert_false(k->policy->internet);
    assert_int_equal(k->policy->connections, 512);
    assert_int_equal(k->policy->header_slots, 5);
    assert_int_equal(k->policy->header_slots_queue, 1000);
    assert_true(k->policy->header_slots_timeout == 60);
    assert_int_equal(k->policy->revision, 0);
    assert_null(k->hosts);
    assert_null(k->shared);
    assert_null(k->outbound);
    const struct class *l = k->next;
    assert_null(l->next);
    assert_true(l->policy->internet);
    assert_int_equal(l->policy->connections, 7);
    assert_int_equal(l->policy->header_slots, 8);
    assert_int_equal(l->policy->header_slots_queue, 0);
    assert_true(l->policy->header_slots_timeout == 5);
    assert_int_equal(pattern_set_count(l->policy->allowed), 0);
    assert_int_equal(pattern_set_count(l->policy->denied), 2);
    assert_true(matches(l->policy->denied, "x.b"));
    pc = policy_binds(state, "sandbox_class k { }");
    assert_int_equal(policy_classes(pc)->policy->header_slots, 6);
}

static void
bad_classes(void **state)
{
    policy_refuses(state, "sandbox_class k { }\nsandbox_class k { }",
        "duplicate class \"k\"", 2);
    policy_refuses(
        state, "sandbox_class\n'a b' { }", "invalid class name \"a b\"", 2);
    policy_refuses(
        state, "sandbox_class any { }", "invalid class name \"any\"", 1);
    policy_refuses(state, "sandbox_class k { allowed_hosts a\nb:1; }",
        "invalid host pattern \"b:1\": no port may stand in a host pattern", 2);
    policy_refuses(state, "sandbox_class k { denied_hosts\n~x; }",
        "invalid host pattern \"~x\": no regular expression may stand in "
        "this list",
        2);
    policy_refuses(state, "sandbox_class k { header_slots 0; }",
        "invalid value \"0\" in \"header_slots\" directive", 1);
    policy_refuses(state, "connections 0;",
        "invalid value \"0\" in \"connections\" directive", 1);
    policy_refuses(state, "max_sandboxes\n0;",
        "invalid value \"0\" in \"max_sandboxes\" directive", 2);
    policy_refuses(state, "header_slots -1;",
        "invalid value \"-1\" in \"header_slots\" directive", 1);
    policy_refuses(state, "header_slots\n1000001;",
        "\"header_slots\" must be 1 to 1000000", 2);
    policy_refuses(state, "header_slots_queue\n4097;",
        "\"header_slots_queue\" must be 0 to 4096", 2);
    policy_refuses(state, "header_slots_timeout soon;",
        "invalid value \"soon\" in \"header_slots_timeout\" directive", 1);
    policy_refuses(state, "internet maybe;",
        "invalid value \"maybe\" in \"internet\" directive, it must be \"on\" "
        "or \"off\"",
        1);
    policy_refuses(state, "sandbox_class k { max_sandboxes 1; }",
        "\"max_sandboxes\" directive is not allowed here", 1);
    policy_refuses(state, "allowed_hosts a;",
        "\"allowed_hosts\" directive is not allowed here", 1);
    policy_refuses(state, "host a { denied_hosts a; }",
        "\"denied_hosts\" directive is not allowed here", 1);
    policy_refuses(state, "host a { internet on; }",
        "\"internet\" directive is not allowed here", 1);
}

static void
hosts_of_a_class(void **state)
{
    struct policy_conf *pc = policy_binds(state,
        "sandbox_class k { host own.k { } } sandbox_class l { }"
        "host all.test { } host any.test { classes any; }"
        "host k.test { classes k; } host both.test { classes l k; }");
    const struct class *k = policy_classes(pc), *l = k->next;
    assert_true(matches(k->hosts, "own.k"));
    assert_false(matches(k->shared, "own.k"));
    assert_null(l->hosts);
    assert_true(matches(k->shared, "k.test"));
    assert_false(matches(l->shared, "k.test"));
    for (const struct class *c = k; c != NULL; c = c->next) {
        assert_true(matches(c->shared, "all.test"));
        assert_true(matches(c->shared, "any.test"));
        assert_true(matches(c->shared, "both.test"));
    }
    pc = policy_binds(state, "sandbox_class k { } sandbox_class l { }"
                             "host a.test { } host b.test { classes any; }");
    k = policy_classes(pc);
    assert_ptr_equal(k->shared, k->next->shared); /* one set does for all */
    assert_true(matches(k->shared, "b.test"));
}

static void
outbound_handlers(void **state)
{
    struct policy_conf *pc = policy_binds(state,
        "sandbox_class k { outbound h; handler h { } }"
        "sandbox_class l { outbound h; } handler h { classes l; }");
    const struct class *k = policy_classes(pc), *l = k->next;
    assert_ptr_equal(k->outbound->class, k);
    assert_null(l->outbound->class);
    assert_true(str_eq(l->outbound->name, STR("h")));
    policy_refuses(state, "sandbox_class k {\noutbound h; } host h { }",
        "unknown handler \"h\"", 2);
    policy_refuses(state,
        "sandbox_class k { outbound h; }\nsandbox_class l { handler h { } }",
        "unknown handler \"h\"", 1);
    policy_refuses(state,
        "sandbox_class k {\noutbound h; } sandbox_class l { }"
        "handler h { classes l; }",
        "handler \"h\" is not for class \"k\"", 2);
    policy_refuses(state, "sandbox_class k { outbound h;\noutbound h; }",
        "\"outbound\" directive is duplicate", 2);
    policy_refuses(
        state, "outbound h;", "\"outbound\" directive is not allowed here", 1);
}

static void
what_a_sandbox_takes(void **state)
{
    struct policy_conf *pc = policy_binds(state,
        "internet on;"
        "sandbox plain { class k; }"
        "sandbox own { class k; internet on; connections 9; header_slots 3;"
        " header_slots_queue 2; header_slots_timeout 1s;"
        " allowed_hosts b.test; denied_hosts c.test; }"
        "sandbox nothing { class k; allowed_hosts; }"
        "sandbox_class k { internet off; connections 7; header_slots 8;"
        " allowed_hosts a.test; denied_hosts d.test; }");
    const struct class *k = policy_classes(pc);
    const struct sandbox *sb = policy_sandbox(pc, 0);
    const struct policy *p = sb->policy;
    assert_int_equal(sandbox_set_count(pc->set), 3);
    assert_int_equal(sb->magic, SANDBOX_MAGIC);
    assert_true(str_eq(sb->id, STR("plain")));
    assert_ptr_equal(sb->policy->class, k);
    assert_ptr_equal(sb->scope, policy_egress(state, 0));
    assert_ptr_equal(sb->scope->parent, k->scope);
    assert_false(p->internet); /* the class's, not egress's */
    assert_int_equal(p->connections, 7);
    assert_int_equal(p->header_slots, 8);
    assert_ptr_equal(p->allowed, k->policy->allowed);
    assert_ptr_equal(p->denied, k->policy->denied);
    assert_null(p->own_denied);

    p = policy_sandbox(pc, 1)->policy;
    assert_true(p->internet);
    assert_int_equal(p->connections, 9);
    assert_int_equal(p->header_slots, 3);
    assert_int_equal(p->header_slots_queue, 2);
    assert_true(p->header_slots_timeout == 1);
    assert_true(matches(p->allowed, "b.test"));
    assert_false(matches(p->allowed, "a.test"));
    assert_true(matches(p->denied, "d.test"));
    assert_true(matches(p->own_denied, "c.test"));

    p = policy_sandbox(pc, 2)->policy;
    assert_int_equal(pattern_set_count(p->allowed), 0);
    assert_null(policy_sandbox(pc, 3));
}

#define CLASS "sandbox_class k { }\n"

static void
bad_sandboxes(void **state)
{
    policy_refuses(state, CLASS "sandbox\n-a { class k; }",
        "invalid sandbox id \"-a\"", 3);
    policy_refuses(
        state, CLASS "sandbox\na { }", "sandbox \"a\" has no class", 3);
    policy_refuses(
        state, CLASS "sandbox a {\nclass\nl; }", "unknown class \"l\"", 4);
    policy_refuses(state,
        CLASS "sandbox a { class k; }\nsandbox\na { class k; }",
        "duplicate sandbox \"a\"", 4);
    policy_refuses(state, CLASS "sandbox a { class k;\naddress 10.0.0; }",
        "invalid address \"10.0.0\"", 3);
    policy_refuses(state, CLASS "sandbox a { class k; address\n10.0.0.1/8; }",
        "invalid address \"10.0.0.1/8\": host bits are set, write 10.0.0.0/8 "
        "for "
        "the range or 10.0.0.1 for the one address",
        3);
    policy_refuses(state,
        CLASS "sandbox a { class k; address 10.0.0.1; }"
              "sandbox b { class k; address 10.0.0.2\n::ffff:10.0.0.1; }",
        "address \"::ffff:10.0.0.1\" is that of sandbox \"a\" already", 3);
    policy_refuses(state,
        CLASS "sandbox a { class k; address 10.0.0.1;\naddress 10.0.0.1/32; }",
        "address \"10.0.0.1/32\" is that of sandbox \"a\" already", 3);
    policy_refuses(state,
        CLASS "max_sandboxes 1; sandbox a { class k; }\nsandbox b { class k; }",
        "more than 1 sandboxes (max_sandboxes)", 3);
    policy_refuses(state, CLASS "sandbox a { class k; class k; }",
        "\"class\" directive is duplicate", 2);
    policy_refuses(state, CLASS "sandbox a { class k; outbound h; }",
        "\"outbound\" directive is not allowed here", 2);
}

static struct sandbox *
by_addr(struct policy_conf *pc, const char *text)
{
    struct addr a;
    assert_true(addr_parse(str_of(text), &a));
    return sandbox_by_addr(pc->set, &a);
}

static void
lookups(void **state)
{
    struct policy_conf *pc = policy_binds(state,
        CLASS "sandbox a { class k; address 10.0.0.0/8; address ::1 10.9.9.9; }"
              "sandbox b { class k; address 10.1.0.0/16 2001:db8::/32; }");
    struct sandbox *a = sandbox_by_id(pc->set, STR("a"));
    struct sandbox *b = sandbox_by_id(pc->set, STR("b"));
    struct addr unix_peer = { .family = ADDR_UNIX };
    assert_ptr_equal(a, policy_sandbox(pc, 0));
    assert_ptr_equal(b, policy_sandbox(pc, 1));
    assert_null(sandbox_by_id(pc->set, STR("c")));
    assert_null(sandbox_by_id(pc->set, STR("")));
    assert_ptr_equal(by_addr(pc, "10.2.0.1"), a);
    assert_ptr_equal(by_addr(pc, "10.1.0.1"), b);
    assert_ptr_equal(by_addr(pc, "::ffff:10.1.0.1"), b);
    assert_ptr_equal(by_addr(pc, "::1"), a);
    assert_ptr_equal(by_addr(pc, "2001:db8::7"), b);
    assert_null(by_addr(pc, "11.0.0.1"));
    assert_null(sandbox_by_addr(pc->set, &unix_peer));
    assert_int_equal(a->n_addresses, 3);
    assert_int_equal(a->addresses[2].addr.ip[1], 9);
    assert_int_equal(b->n_addresses, 2);
}

/* The same address may stand on any link: it is nobody's, in a range too. */
static void
link_local(void **state)
{
    static const char *const no[] = { "169.254.0.1", "169.254.0.0/16",
        "169.254.7.0/30", "::ffff:169.254.0.1", "fe80::1", "fe80::/10",
        "febf:ffff::1", "fe80::/64" };
    static const char *const nobodys[] = { "169.254.0.1", "169.254.255.255",
        "fe80::1", "febf:ffff::1", "::ffff:169.254.0.1" };
    static const char *const somebodys[] = { "169.253.255.255", "169.255.0.0",
        "fe7f::1", "fec0::1", "10.0.0.1" };
    for (size_t i = 0; i < LEN(no); i++) {
        char text[256], why[256];
        snprintf(text, sizeof text,
            CLASS "sandbox a { class k; address 10.0.0.1\n%s; }", no[i]);
        snprintf(why, sizeof why,
            "address \"%s\" is link-local: it may stand on any link, and "
            "identifies no sandbox",
            no[i]);
        policy_refuses(state, text, why, 3);
    }
    struct policy_conf *pc = policy_binds(
        state, CLASS "sandbox a { class k; address 0.0.0.0/0 fe00::/7; }");
    for (size_t i = 0; i < LEN(nobodys); i++) {
        assert_null(by_addr(pc, nobodys[i]));
    }
    for (size_t i = 0; i < LEN(somebodys); i++) {
        assert_non_null(by_addr(pc, somebodys[i]));
    }
}

static void
assignment(void **state)
{
    struct policy_conf *pc =
        policy_binds(state, CLASS "sandbox a { class k; }");
    struct sandbox *sb = policy_sandbox(pc, 0);
    char der[] = "der";
    assert_int_equal(sb->serial, 0);
    assert_int_equal(sb->ca_der.n, 0);
    sandbox_assign(sb, 77, 5, str_of(der));
    der[0] = 'x';
    assert_int_equal(sb->serial, 77);
    assert_int_equal(sb->index, 5);
    assert_true(str_eq(sb->ca_der, STR("der")));
}

static struct sandbox *
auth(struct policy_conf *pc, const char *id, const char *token)
{
    uint8_t digest[SHA256_SIZE];
    sha256(str_of(token), digest);
    return sandbox_auth(pc->set, str_of(id), digest);
}

static struct sandbox *
by_token(struct policy_conf *pc, const char *token)
{
    uint8_t digest[SHA256_SIZE];
    sha256(str_of(token), digest);
    return sandbox_by_token(pc->set, digest);
}

static void
tokens(void **state)
{
    char conf[1024];
    policy_file(state, "a.token", STR("token-a\n"));
    policy_file(state, "b.token", STR("token-b\r\n"));
    policy_file(state, "c.token", STR("token c"));
    snprintf(conf, sizeof conf,
        CLASS "sandbox a { class k; token file:a.token; }"
              "sandbox b { class k; token file:%sb.token; }"
              "sandbox c { class k; token 'file:c.token'; }"
              "sandbox none { class k; }",
        policy_dir(state));
    struct policy_conf *pc = policy_binds(state, conf);
    struct sandbox *a = sandbox_by_id(pc->set, STR("a"));
    assert_true(sandbox_set_has_tokens(pc->set));
    assert_true(a->has_token);
    assert_ptr_equal(auth(pc, "a", "token-a"), a);
    assert_null(auth(pc, "a", "token-a\n"));
    assert_null(auth(pc, "a", "token-b"));
    assert_null(auth(pc, "a", ""));
    assert_null(auth(pc, "nobody", "token-a"));
    assert_ptr_equal(
        auth(pc, "b", "token-b"), sandbox_by_id(pc->set, STR("b")));
    assert_non_null(auth(pc, "c", "token c"));
    assert_ptr_equal(by_token(pc, "token-a"), a);
    assert_null(by_token(pc, "token-x"));
    /* without a token, the digest of all zeroes is none */
    uint8_t zeroes[SHA256_SIZE] = { 0 };
    assert_false(sandbox_by_id(pc->set, STR("none"))->has_token);
    assert_null(sandbox_auth(pc->set, STR("none"), zeroes));
    assert_null(sandbox_auth(pc->set, STR("nobody"), zeroes));
    assert_null(sandbox_by_token(pc->set, zeroes));
}

#define SANDBOX(TOKEN) CLASS "sandbox a { class k; token\n" TOKEN "; }"

static void
bad_tokens(void **state)
{
    static char long_token[514];
    char what[512];
    snprintf(what, sizeof what,
        "open() \"%snone\" failed (2: No such file or directory)",
        policy_dir(state));
    policy_refuses(state, SANDBOX("file:none"), what, 3);
    policy_file(state, "t", STR("\n"));
    policy_refuses(
        state, SANDBOX("file:t"), "the token in \"file:t\" is empty", 3);
    policy_file(state, "t", STR(""));
    policy_refuses(
        state, SANDBOX("file:t"), "the token in \"file:t\" is empty", 3);
    static const struct str bytes[] = { { "a\nb", 3 }, { "a\rb", 3 },
        { "a\0b", 3 }, { "a\n\n", 3 }, { "a\r", 2 }, { "a\177", 2 } };
    for (size_t i = 0; i < LEN(bytes); i++) {
        policy_file(state, "t", bytes[i]);
        policy_refuses(state, SANDBOX("file:t"),
            "the token in \"file:t\" has a control byte", 3);
    }
    memset(long_token, 'a', 513);
    policy_file(state, "t", str_n(long_token, 512));
    policy_binds(state, SANDBOX("file:t"));
    policy_file(state, "t", str_n(long_token, 513));
    policy_refuses(state, SANDBOX("file:t"),
        "the token in \"file:t\" is longer than 512 bytes", 3);
    policy_refuses(state, SANDBOX("sEcret"),
        "a token must be \"file:PATH\" or \"env:NAME\"", 3);
    policy_refuses(state, SANDBOX("file:"),
        "a token must be \"file:PATH\" or \"env:NAME\"", 3);
    policy_refuses(state, SANDBOX("env:WEIR_TEST_NONE"),
        "environment variable \"WEIR_TEST_NONE\" is not set", 3);
    policy_file(state, "t", STR("same"));
    policy_refuses(state,
        CLASS "sandbox a { class k; token file:t; }"
              "sandbox b { class k; token\nfile:t; }",
        "sandbox \"b\" has the token of sandbox \"a\"", 3);
    policy_refuses(state,
        CLASS "sandbox a { class k; token file:t;\ntoken file:t; }",
        "\"token\" directive is duplicate", 3);
}

/* The variable is erased, in place too, and known to later configurations. */
static void
token_from_the_environment(void **state)
{
    char kept[] = "WEIR_TEST_TOKEN=token-e";
    putenv(kept);
    struct policy_conf *pc =
        policy_binds(state, SANDBOX("env:WEIR_TEST_TOKEN"));
    assert_non_null(by_token(pc, "token-e"));
    assert_null(getenv("WEIR_TEST_TOKEN"));
    assert_null(strstr(kept, "token-e"));
    pc = policy_binds(state, SANDBOX("env:WEIR_TEST_TOKEN"));
    assert_non_null(by_token(pc, "token-e"));
    setenv("WEIR_TEST_TOKEN", "token-f", 1);
    pc = policy_binds(state, SANDBOX("env:WEIR_TEST_TOKEN"));
    assert_null(by_token(pc, "token-e"));
    assert_non_null(by_token(pc, "token-f"));
    pc = policy_binds(state, SANDBOX("env:WEIR_TEST_TOKEN"));
    assert_non_null(by_token(pc, "token-f"));
    setenv("WEIR_TEST_EMPTY", "", 1);
    policy_refuses(state, SANDBOX("env:WEIR_TEST_EMPTY"),
        "the token in \"env:WEIR_TEST_EMPTY\" is empty", 3);
    policy_refuses(state, SANDBOX("env:WEIR_TEST_EMPTY"),
        "environment variable \"WEIR_TEST_EMPTY\" is not set", 3);
}

static void
many_sandboxes(void **state)
{
    struct buf b;
    buf_init(&b, 4 << 20);
    AN(buf_add(&b, STR(CLASS)));
    for (unsigned i = 0; i < 16384; i++) {
        AN(buf_addf(&b, "sandbox s%u { class k; address 10.0.%u.%u; }", i,
            i / 256, i % 256));
    }
    AN(buf_addc(&b, '\0'));
    struct policy_conf *pc = policy_binds(state, b.p);
    struct sandbox *sb = sandbox_by_id(pc->set, STR("s12345"));
    assert_non_null(sb);
    assert_ptr_equal(by_addr(pc, "10.0.48.57"), sb);
    b.n--;
    AN(buf_addf(&b, "\nsandbox x { class k; }"));
    AN(buf_addc(&b, '\0'));
    policy_refuses(state, b.p, "more than 16384 sandboxes (max_sandboxes)", 3);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(empty_sets),
        TEST(defaults_and_classes),
        TEST(bad_classes),
        TEST(hosts_of_a_class),
        TEST(outbound_handlers),
        TEST(what_a_sandbox_takes),
        TEST(bad_sandboxes),
        TEST(lookups),
        TEST(link_local),
        TEST(assignment),
        TEST(tokens),
        TEST(bad_tokens),
        TEST(token_from_the_environment),
        TEST(many_sandboxes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
