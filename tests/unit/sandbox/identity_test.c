/*
 * Credentials as they are read, and every way in which a connection belongs
 * to a sandbox or does not.
 */

#include "sandbox/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../policy/policy_conf.h"

static struct str
basic(struct arena *a, struct str pair)
{
    char *text = arena_alloc(a, base64_len(pair.n) + 1);
    size_t n = base64_encode(pair, text);
    struct str word = str_n(text, n);
    return arena_printf(a, "Basic %.*s", STR_ARG(word));
}

static bool
is_token(const struct credentials *cr, const char *token)
{
    uint8_t digest[SHA256_SIZE];
    sha256(str_of(token), digest);
    return memcmp(cr->token, digest, SHA256_SIZE) == 0;
}

static void
good_credentials(void **state)
{
    struct arena *a = policy_binds(state, "")->arena;
    struct credentials cr;
    credentials_parse(STR_NONE, &cr);
    assert_int_equal(cr.kind, CREDENTIALS_NONE);
    credentials_parse(basic(a, STR("box:s:ecret")), &cr);
    assert_int_equal(cr.kind, CREDENTIALS_BASIC);
    assert_true(str_eq(str_n(cr.id, cr.id_n), STR("box")));
    assert_true(is_token(&cr, "s:ecret"));
    credentials_parse(STR("bAsIc   Ym94OmE= "), &cr);
    assert_int_equal(cr.kind, CREDENTIALS_BASIC);
    assert_true(is_token(&cr, "a"));
    credentials_parse(STR("bearer aZ09-._~+/=="), &cr);
    assert_int_equal(cr.kind, CREDENTIALS_BEARER);
    assert_true(is_token(&cr, "aZ09-._~+/=="));
    /* the longest that a configuration may have */
    char pair[64 + 1 + 512];
    memset(pair, 'a', sizeof pair);
    pair[64] = ':';
    credentials_parse(basic(a, str_n(pair, sizeof pair)), &cr);
    assert_int_equal(cr.kind, CREDENTIALS_BASIC);
    assert_int_equal(cr.id_n, 64);
}

static void
bad_credentials(void **state)
{
    struct arena *a = policy_binds(state, "")->arena;
    char big[CREDENTIALS_MAX + 10];
    memset(big, 'a', sizeof big);
    memcpy(big, "Bearer ", 7);
    const struct str bad[] = { STR(""), STR(" "), STR("Basic"), STR("Basic "),
        STR("Bearer"), STR("Bearer "), STR("Bearer ="), STR("Bearer a b"),
        STR("Bearer a=b"), STR("Bearer a,b"), STR("Basic !!!"),
        STR("Basic Ym94OmF"), STR("Basic Ym94OmF="), STR("Digest Ym94OmE="),
        STR("BasicYm94OmE="), STR("Basic Ym94 OmE="), basic(a, STR("box")),
        basic(a, STR(":token")), basic(a, STR("box:")),
        basic(a, STR("b ox:token")), basic(a, STR("box\0:token")),
        str_n(big, CREDENTIALS_MAX + 1) };
    struct credentials cr;
    for (size_t i = 0; i < LEN(bad); i++) {
        credentials_parse(bad[i], &cr);
        if (cr.kind != CREDENTIALS_BAD) {
            fail_msg("%.*s", STR_ARG(bad[i]));
        }
    }
    credentials_parse(str_n(big, CREDENTIALS_MAX), &cr);
    assert_int_equal(cr.kind, CREDENTIALS_BEARER);
    char pair[66];
    memset(pair, 'a', sizeof pair);
    pair[65] = ':';
    credentials_parse(basic(a, arena_printf(a, "%.66sx", pair)), &cr);
    assert_int_equal(cr.kind, CREDENTIALS_BAD);
}

static const char config[] =
    "sandbox_class k { }"
    "sandbox box { class k; token file:box; }"
    "sandbox other { class k; token file:other; }"
    "sandbox home { class k; token file:home; address 10.0.0.0/8; }"
    "sandbox bare { class k; address 10.1.0.0/16; }";

static struct policy_conf *
identities(void **state)
{
    policy_file(state, "box", STR("box-token"));
    policy_file(state, "other", STR("other-token"));
    policy_file(state, "home", STR("home-token"));
    return policy_binds(state, config);
}

/* Who comes from where, showing what, belongs to whom. */
static const struct {
    const char *fixed, *peer;
    const char *shown; /* "" malformed; NULL: none */
    bool takes_tokens;
    enum identity result;
    const char *id;
} cases[] = {
    /* by token */
    { NULL, "192.0.2.1", NULL, true, IDENTITY_NEEDED, NULL },
    { NULL, "192.0.2.1", "", true, IDENTITY_NEEDED, NULL },
    { NULL, "192.0.2.1", "box:wrong", true, IDENTITY_NEEDED, NULL },
    { NULL, "192.0.2.1", "box:other-token", true, IDENTITY_NEEDED, NULL },
    { NULL, "192.0.2.1", "nobody:box-token", true, IDENTITY_NEEDED, NULL },
    { NULL, "192.0.2.1", "bare:x", true, IDENTITY_NEEDED, NULL },
    { NULL, "192.0.2.1", "box:box-token", true, IDENTITY_OK, "box" },
    { NULL, "192.0.2.1", "other-token", true, IDENTITY_OK, "other" },
    { NULL, "192.0.2.1", "wrong", true, IDENTITY_NEEDED, NULL },
    { NULL, "unix", "box:box-token", true, IDENTITY_OK, "box" },
    { NULL, "unix", NULL, true, IDENTITY_NEEDED, NULL },
    /* where no token is taken */
    { NULL, "192.0.2.1", NULL, false, IDENTITY_REFUSED, NULL },
    { NULL, "192.0.2.1", "box:box-token", false, IDENTITY_REFUSED, NULL },
    { NULL, "10.0.0.1", NULL, false, IDENTITY_OK, "home" },
    /* by address: the longest prefix */
    { NULL, "10.0.0.1", NULL, true, IDENTITY_OK, "home" },
    { NULL, "10.1.0.1", NULL, true, IDENTITY_OK, "bare" },
    { NULL, "10.0.0.1", "home:home-token", true, IDENTITY_OK, "home" },
    { NULL, "10.0.0.1", "home-token", true, IDENTITY_OK, "home" },
    { NULL, "10.0.0.1", "box:box-token", true, IDENTITY_CONFLICT, NULL },
    { NULL, "10.0.0.1", "box-token", true, IDENTITY_CONFLICT, NULL },
    { NULL, "10.0.0.1", "home:wrong", true, IDENTITY_CONFLICT, NULL },
    { NULL, "10.0.0.1", "", true, IDENTITY_CONFLICT, NULL },
    { NULL, "10.1.0.1", "bare:x", true, IDENTITY_CONFLICT, NULL },
    /* the listener's, or the connection's since an earlier head */
    { "box", "192.0.2.1", NULL, true, IDENTITY_OK, "box" },
    { "box", "192.0.2.1", NULL, false, IDENTITY_OK, "box" },
    { "box", "192.0.2.1", "box:box-token", true, IDENTITY_OK, "box" },
    { "box", "192.0.2.1", "other:other-token", true, IDENTITY_CONFLICT, NULL },
    { "box", "192.0.2.1", "box:wrong", true, IDENTITY_CONFLICT, NULL },
    { "box", "10.0.0.1", NULL, true, IDENTITY_OK, "box" }, /* goes first */
    { "box", "10.0.0.1", "home:home-token", true, IDENTITY_CONFLICT, NULL },
    { "box", "unix", NULL, true, IDENTITY_OK, "box" },
};

static void
run_case(struct policy_conf *pc, unsigned i)
{
    struct addr peer = { .family = ADDR_UNIX };
    struct credentials cr;
    const char *shown = cases[i].shown;
    struct sandbox *fixed = cases[i].fixed != NULL
                                ? sandbox_by_id(pc->set, str_of(cases[i].fixed))
                                : NULL;
    struct sandbox *out = (void *)&peer;
    if (strcmp(cases[i].peer, "unix") != 0) {
        assert_true(addr_parse(str_of(cases[i].peer), &peer));
    }
    struct str value = str_of(shown);
    if (value.n != 0) {
        value = strchr(shown, ':') != NULL
                    ? basic(pc->arena, value)
                    : arena_printf(pc->arena, "Bearer %s", shown);
    }
    credentials_parse(value, &cr);
    enum identity got = sandbox_identify(
        pc->set, fixed, &peer, &cr, cases[i].takes_tokens, &out);
    const char *id = out != NULL ? out->id.p : "none";
    if (got != cases[i].result ||
        strcmp(id, cases[i].id != NULL ? cases[i].id : "none") != 0) {
        fail_msg("case %u: %d, %s", i, got, id);
    }
}

static void
belonging(void **state)
{
    struct policy_conf *pc = identities(state);
    for (unsigned i = 0; i < LEN(cases); i++) {
        run_case(pc, i);
    }
}

static void
before_a_head_was_read(void **state)
{
    struct policy_conf *pc = identities(state);
    struct sandbox *out;
    struct addr peer;
    assert_true(addr_parse(STR("10.0.0.1"), &peer));
    assert_int_equal(
        sandbox_identify(pc->set, NULL, &peer, NULL, true, &out), IDENTITY_OK);
    assert_true(str_eq(out->id, STR("home")));
    assert_true(addr_parse(STR("192.0.2.1"), &peer));
    assert_int_equal(sandbox_identify(pc->set, NULL, &peer, NULL, true, &out),
        IDENTITY_NEEDED);
    assert_null(out);
}

/* Where no sandbox has a token, nobody is asked for one. */
static void
nobody_has_a_token(void **state)
{
    struct policy_conf *pc = policy_binds(
        state, "sandbox_class k { } sandbox a { class k; address 10.0.0.1; }");
    struct sandbox *out;
    struct addr peer;
    struct credentials cr;
    assert_true(addr_parse(STR("192.0.2.1"), &peer));
    assert_int_equal(sandbox_identify(pc->set, NULL, &peer, NULL, true, &out),
        IDENTITY_REFUSED);
    credentials_parse(STR("Bearer x"), &cr);
    assert_int_equal(sandbox_identify(pc->set, NULL, &peer, &cr, true, &out),
        IDENTITY_REFUSED);
    assert_null(out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_credentials),
        TEST(bad_credentials),
        TEST(belonging),
        TEST(before_a_head_was_read),
        TEST(nobody_has_a_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
