/*
 * Which host blocks and locations are said to be out of every request's reach,
 * held against what decide() says of the same configurations; and the warnings
 * of lists and methods.
 */

#include "../policy/policy_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/block.h"
#include "policy/decide.h"

/* All warnings of a configuration, without their places, and the lines. */
static const char *
warnings(void **state, const char *text)
{
    static char all[4096];
    struct policy_conf *pc = policy_binds(state, text);
    struct str w;
    size_t n = 0;
    all[0] = '\0';
    for (unsigned i = 0; conf_warning(pc->conf, i, &w); i++) {
        const char *place = strstr(w.p, " in /");
        const char *line = strrchr(w.p, ':');
        assert_non_null(place);
        n += (size_t)snprintf(all + n, sizeof all - n, "%.*s in%s\n",
            (int)(place - w.p), w.p, line);
    }
    return all;
}

#define WARNS(text, expected)                                                  \
    assert_string_equal(warnings(state, text), expected)

#define UNREACHED(NAME, CLASS, WHY, LINE)                                      \
    "no request can reach this block: of \"" NAME "\" in class \"" CLASS       \
    "\", " WHY " in:" LINE "\n"
#define NOT_ALLOWED "\"allowed_hosts\" does not have it: name it there"
#define DENIED "\"denied_hosts\" has it: take it out there, or this block away"
#define SHADOWED                                                               \
    "the class has a host block of its own for it, which goes first: take "    \
    "one "                                                                     \
    "of the two away"
#define NOTHING                                                                \
    "nothing lets it leave: name it in \"allowed_hosts\", or write \"allow "   \
    "all;\" in this block"

#define UNREACHED_RULE(NAME, LINE)                                             \
    "no request comes to this \"" NAME "\": the first rule that matches "      \
    "holds, and one before it matches all: put this one first in:" LINE "\n"
#define RULES(text)                                                            \
    "sandbox_class k { allowed_hosts *.test; }\nhost *.test {\n" text "}"

/* Rules behind one that matches all; of the same verdict they change nothing.
 */
static void
rules_behind_all(void **state)
{
    WARNS(RULES("allow all;\ndeny a.test;\n"), UNREACHED_RULE("deny", "4"));
    WARNS(RULES("allow b.test *;\ndeny 10.0.0.0/8;\n"),
        UNREACHED_RULE("deny", "4"));
    WARNS(RULES("allow b.test all;\ndeny a.test;\ndeny c.test;\n"),
        UNREACHED_RULE("deny", "4") UNREACHED_RULE("deny", "5"));
    WARNS(RULES("deny all;\nallow a.test;\n"), UNREACHED_RULE("allow", "4"));
    WARNS(RULES("deny a.test 10.0.0.0/8;\nallow all;\nallow b.test;\n"), "");
    WARNS(RULES("allow all;\nlocation /x { deny all; }\n"), "");
}

static void
not_allowed(void **state)
{
    WARNS("sandbox_class k { allowed_hosts a.test *.b.test; }\n"
          "host b.test { }",
        UNREACHED("b.test", "k", NOT_ALLOWED, "2"));
    WARNS("sandbox_class k { allowed_hosts a.test; host b.test { }\n }"
          "host *.c.test { }",
        UNREACHED("b.test", "k", NOT_ALLOWED, "1")
            UNREACHED("*.c.test", "k", NOT_ALLOWED, "2"));
    WARNS("sandbox_class k { allowed_hosts; }\nhost ~b { }",
        UNREACHED("~b", "k", NOT_ALLOWED, "2"));
    /* one of its names is enough, a wildcard that meets it, what may be */
    WARNS("sandbox_class k { allowed_hosts a.test *.b.test; }"
          "host c.test a.test { } host *.test { } host ~c { }",
        "");
    /* so is another class, or a sandbox's own list */
    WARNS("sandbox_class k { allowed_hosts a.test; }"
          "sandbox_class l { allowed_hosts b.test; } host b.test { }",
        "");
    WARNS("sandbox_class k { allowed_hosts a.test; }"
          "sandbox s { class k; address 10.0.0.1; allowed_hosts b.test; }"
          "host b.test { }",
        "");
    /* but not for a block that is for others */
    WARNS("sandbox_class k { allowed_hosts a.test; }"
          "sandbox_class l { allowed_hosts b.test; }\n"
          "host b.test { classes k; }",
        UNREACHED("b.test", "k", NOT_ALLOWED, "2"));
}

static void
denied(void **state)
{
    WARNS("sandbox_class k { internet on; denied_hosts *.test; }"
          "host a.test *.a.test { }\n host a.example { }",
        UNREACHED("a.test", "k", DENIED, "1"));
    WARNS("sandbox_class k { internet on; denied_hosts x.a.test; }"
          "host *.a.test { } host ~.*test { }",
        "");
    WARNS("sandbox_class k { internet on; denied_hosts 10.0.0.0/8; }"
          "host 10.1.1.1 { }",
        UNREACHED("10.1.1.1", "k", DENIED, "1"));
    /* what one sandbox may not others may */
    WARNS("sandbox_class k { internet on; }"
          "sandbox s { class k; address 10.0.0.1; denied_hosts a.test; }"
          "host a.test { }",
        "");
}

static void
shadowed(void **state)
{
    WARNS("sandbox_class k { internet on; host .a.test { } }\n"
          "host a.test { } host *.b.a.test { } host *.test { }",
        UNREACHED("a.test", "k", SHADOWED, "2")
            UNREACHED("*.b.a.test", "k", SHADOWED, "2"));
    WARNS("sandbox_class k { internet on; host a.test { } }"
          "sandbox_class l { internet on; } host a.test { }",
        "");
}

static void
nothing_allows(void **state)
{
    WARNS("sandbox_class k { }\nhost a.test { }",
        UNREACHED("a.test", "k", NOTHING, "2"));
    WARNS("sandbox_class k { internet on; }\nhost a.test { proxy_pass; }",
        UNREACHED("a.test", "k", NOTHING, "2"));
    /* in the class, allowed, answered or denied by itself, in a location */
    WARNS("sandbox_class k { host a.test { } } host b.test { allow all; }"
          "host c.test { return 403; } host d.test { deny all; }"
          "host e.test { location / { allow all; } }",
        "");
    WARNS("sandbox_class k { }"
          "sandbox s { class k; address 10.0.0.1; internet on; }"
          "host a.test { }",
        "");
    /* without a class there is no request at all */
    WARNS("host a.test { }", "");
}

static void
locations(void **state)
{
    WARNS("sandbox_class k { host a.test { return 403;\nlocation /a { } } }"
          "handler h {\nreturn 403; location /b { } location /c { } }"
          "host b.test { allow all; location / { return 403; } }",
        "no request can reach this location: \"return\" of the block around "
        "it answers first; put that into \"location / { }\" in:2\n"
        "no request can reach this location: \"return\" of the block around "
        "it answers first; put that into \"location / { }\" in:3\n");
}

/* What is warned of no request can reach, and the other way round, for blocks
 * of one exact name. */
static void
as_decided(void **state)
{
    static const char *const lists[] = { "", "allowed_hosts;",
        "allowed_hosts a.test;", "allowed_hosts b.test;",
        "denied_hosts a.test;", "internet on;",
        "internet on; denied_hosts *.test;",
        "internet on; allowed_hosts b.test;", "host a.test { }",
        "allowed_hosts *; host a.test { }", "host *.test { }" };
    static const char *const blocks[] = { "", "allow all;", "deny all;",
        "proxy_pass;", "return 403;", "location /x { allow all; }" };
    for (size_t i = 0; i < LEN(lists) * LEN(blocks); i++) {
        char text[512];
        snprintf(text, sizeof text,
            "sandbox_class k { %s }\nsandbox s { class k; address 10.0.0.1; }"
            "host a.test { %s }",
            lists[i % LEN(lists)], blocks[i / LEN(lists)]);
        const char *warned = warnings(state, text);
        bool is_warned = strstr(warned, "in:2\n") != NULL;
        struct policy_conf *pc = *state;
        struct decision d;
        struct decide_query q = { .policy = policy_sandbox(pc, 0)->policy,
            .host = STR("a.test"),
            .is_request = false };
        decide(&q, &d);
        bool is_reached =
            d.block != NULL && d.block->class == NULL && d.rule != 10;
        if (is_warned == is_reached) {
            fail_msg("%s: rule %u, warnings: %s", text, d.rule, warned);
        }
    }
}

static void
many_blocks(void **state)
{
    static char text[400000];
    size_t n = 0;
    n += (size_t)snprintf(text, sizeof text, "sandbox_class k { allowed_hosts");
    for (int i = 0; i < 2000; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, " *.a%d.test", i);
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "; }");
    for (int i = 0; i < 2000; i++) {
        n += (size_t)snprintf(
            text + n, sizeof text - n, "\nhost *.b%d.test { }", i);
    }
    /* four million comparisons, of which it makes some and says no more */
    struct policy_conf *pc = policy_binds(state, text);
    struct str w;
    assert_true(conf_warning(pc->conf, 50, &w));
    assert_true(str_starts(w, STR("no request can reach this block: ")));
}

static void
strangers(void **state)
{
    WARNS("sandbox_class k { denied_hosts *a.com b.*;\n"
          "allowed_hosts *github.com *.a.com *; }"
          "handler h {\nallow *a.com; deny *b.com; }",
        "\"*github.com\" takes in names of strangers, such as "
        "\"evilgithub.com\": write \"github.com *.github.com\" in:2\n"
        "\"*a.com\" takes in names of strangers, such as \"evila.com\": write "
        "\"a.com *.a.com\" in:3\n");
    /* a class's own block lets its names leave, a shared one chooses */
    WARNS("sandbox_class k { internet on;\nhost google.* { } }"
          "host google.* { }",
        "\"google.*\" takes in names of strangers, such as "
        "\"google.evil.example\": write each name in full in:2\n" UNREACHED(
            "google.*", "k", SHADOWED, "2"));
}

static void
methods(void **state)
{
    WARNS("handler h { methods GET PURGE M-SEARCH VERSION-CONTROL;\n"
          "methods GTE get Patch GETT; }",
        "\"GTE\" is no method that is registered: is it misspelt? in:2\n"
        "no request has the method \"get\": methods are case-sensitive, write "
        "\"GET\" in:2\n"
        "no request has the method \"Patch\": methods are case-sensitive, "
        "write \"PATCH\" in:2\n"
        "\"GETT\" is no method that is registered: is it misspelt? in:2\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules_behind_all),
        TEST(not_allowed),
        TEST(denied),
        TEST(shadowed),
        TEST(nothing_allows),
        TEST(locations),
        TEST(as_decided),
        TEST(many_blocks),
        TEST(strangers),
        TEST(methods),
    };
    return cmocka_run_group_tests_name("reach", tests, NULL, NULL);
}
