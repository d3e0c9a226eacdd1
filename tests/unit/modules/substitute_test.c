/*
 * Where a placeholder is replaced, and that it is nowhere else.
 */

#include "module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "module_fixture.h"

extern const struct module credential_module, substitute_module;

#define P "PLACEHOLDER-00"
#define SECRETS                                                                \
    "secret llm file:token placeholder=" P "; "                                \
    "secret two file:two placeholder=" P "-2; "                                \
    "secret none file:none placeholder=" P "-3; "                              \
    "secret here file:token hosts=b.x.test placeholder=" P "-4; "

static struct fixture *
start(void **state, const char *text)
{
    struct fixture *f = *state;
    char whole[2048];
    tmp_dir_write(&f->dir, "two", STR("second-value"));
    snprintf(whole, sizeof whole, SECRETS "%s", text);
    return module_start(state, whole);
}

static enum verdict
run(struct fixture *f, const char *request)
{
    module_request(f, request);
    struct tx *tx = f->tx;
    enum verdict v = credential_module.on_request(tx, &tx->xfer.request);
    return v == V_NEXT ? substitute_module.on_request(tx, &tx->xfer.request)
                       : v;
}

#define GET(FIELDS) "GET /p HTTP/1.1\nHost: a.x.test\n" FIELDS "\n"
#define BLOCK(TEXT) "host a.x.test { " TEXT " }"

static void
headers(void **state)
{
    struct fixture *f =
        start(state, BLOCK("substitute llm in header Authorization X-Key;"));
    assert_int_equal(run(f, GET("authorization: Bearer " P "\n"
                                "x_key: " P "\nX-Other: " P "\n")),
        V_NEXT);
    assert_only(f, "authorization", "Bearer s3cret-value");
    assert_only(f, "x_key", "s3cret-value");
    assert_only(f, "X-Other", P);
    assert_true(f->tx->needs_tls);
    assert_null(f->tx->xfer.target.p);
}

static void
within_a_value(void **state)
{
    struct fixture *f = start(state, BLOCK("substitute llm in header X-Key;"));
    assert_int_equal(run(f, GET("X-Key: a=" P ",b=" P P ", PLACEHOLDER-0\n"
                                "X-Key: " P "\n")),
        V_NEXT);
    assert_str(f->tx->xfer.request.fields[1].value,
        "a=s3cret-value,b=s3cret-values3cret-value, PLACEHOLDER-0");
    assert_str(f->tx->xfer.request.fields[2].value, "s3cret-value");
}

static void
nothing_to_replace(void **state)
{
    static const char *const requests[] = { GET(""),
        GET("X-Key: placeholder-00\n"), GET("X-Key: PLACEHOLDER-0\n"),
        GET("X-Key:\n"), GET("X-Other: " P "\n"), GET("X-Key: Basic !\n"),
        GET("X-Key: Basic " P "\n") };
    struct fixture *f = start(state, BLOCK("substitute none in header X-Key; "
                                           "substitute none in query k;"));
    for (size_t i = 0; i < LEN(requests); i++) {
        module_request(f, requests[i]);
        const struct head *h = &f->tx->xfer.request;
        struct str values[4];
        unsigned n = h->n;
        for (unsigned k = 0; k < n; k++) {
            values[k] = h->fields[k].value;
        }
        assert_int_equal(
            substitute_module.on_request(f->tx, &f->tx->xfer.request), V_NEXT);
        assert_int_equal(h->n, n);
        for (unsigned k = 0; k < n; k++) {
            assert_ptr_equal(h->fields[k].value.p, values[k].p);
            assert_int_equal(h->fields[k].value.n, values[k].n);
        }
        assert_false(f->tx->needs_tls);
        assert_null(f->tx->xfer.target.p);
    }
}

/* "me:PLACEHOLDER-00", "PLACEHOLDER-00:", and what is no Basic. */
static void
basic(void **state)
{
    struct fixture *f =
        start(state, BLOCK("substitute llm in header Authorization;"));
    assert_int_equal(
        run(f, GET("Authorization: Basic bWU6UExBQ0VIT0xERVItMDA=\n")), V_NEXT);
    assert_only(f, "Authorization", "Basic bWU6czNjcmV0LXZhbHVl");
    assert_int_equal(
        run(f, GET("Authorization: basic  UExBQ0VIT0xERVItMDA6\n")), V_NEXT);
    assert_only(f, "Authorization", "basic  czNjcmV0LXZhbHVlOg==");
    assert_int_equal(run(f, GET("Authorization: Basic " P "\n")), V_NEXT);
    assert_only(f, "Authorization", "Basic s3cret-value");
    assert_int_equal(
        run(f, GET("Authorization: Basics bWU6UExBQ0VIT0xERVItMDA=\n")),
        V_NEXT);
    assert_only(f, "Authorization", "Basics bWU6UExBQ0VIT0xERVItMDA=");
    assert_false(f->tx->needs_tls);
}

static void
queries(void **state)
{
    static const struct {
        const char *query, *target;
    } cases[] = {
        { "k=" P, "/p?k=s%2F%26%20vv-value" },
        { "a=1&k=x" P "y" P "&&b=%2f", "/p?a=1&k=xs%2F%26%20vv-valueys%2F%26"
                                       "%20vv-value&&b=%2f" },
        { "%6b=%50LACEHOLDER%2d00%41+", "/p?%6b=s%2F%26%20vv-value%41+" },
        { "k=" P "&k=" P, "/p?k=s%2F%26%20vv-value&k=s%2F%26%20vv-value" },
        { "o=" P "&K=" P, NULL },
        { P "=k&" P "&k", NULL },
        { "k=PLACEHOLDER-0", NULL },
        { "k=%50LACEHOLDER-0%3", NULL },
        { "k=PLACEHOLDER%252d00", NULL },
        { "", NULL },
    };
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, "odd", STR("s/& vv-value"));
    f = start(state, "secret q file:odd placeholder=" P
                     ";" BLOCK("substitute q in query k;"));
    for (size_t i = 0; i < LEN(cases); i++) {
        char text[512];
        snprintf(text, sizeof text, "GET /p?%s HTTP/1.1\nHost: a.x.test\n\n",
            cases[i].query);
        assert_int_equal(run(f, text), V_NEXT);
        if (cases[i].target != NULL) {
            assert_target(f, cases[i].target);
        } else if (f->tx->xfer.target.p != NULL) {
            fail_msg("%s", cases[i].query);
        }
        assert_int_equal(f->tx->needs_tls, cases[i].target != NULL);
        assert_str(f->tx->query, cases[i].query);
    }
    assert_int_equal(run(f, "OPTIONS * HTTP/1.1\nHost: a.x.test\n\n"), V_NEXT);
    assert_null(f->tx->xfer.target.p);
    assert_int_equal(run(f, "GET /" P "/k=" P " HTTP/1.1\nHost: a.x.test\n"
                            "k: " P "\n\n"),
        V_NEXT);
    assert_null(f->tx->xfer.target.p);
    assert_false(f->tx->needs_tls);
}

/* It is escaped for a path, may be of many segments, and is judged and logged
 * as it came. */
static void
paths(void **state)
{
    static const struct {
        const char *path, *target;
    } cases[] = {
        { "/bot" P "/getMe", "/bots/%20v:v-value/getMe" },
        { "/" P "/" P "?k=" P, "/s/%20v:v-value/s/%20v:v-value?k=" P },
        { "/%50LACEHOLDER%2d00?", "/s/%20v:v-value?" },
        { "/placeholder-00", NULL },
        { "/PLACEHOLDER-0", NULL },
        { "/PLACEHOLDER%252d00", NULL },
        { "/?" P, NULL },
    };
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, "odd", STR("s/ v:v-value"));
    f = start(state,
        "secret q file:odd placeholder=" P ";" BLOCK("substitute q in path;"));
    for (size_t i = 0; i < LEN(cases); i++) {
        char text[512];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\nHost: a.x.test\n\n",
            cases[i].path);
        assert_int_equal(run(f, text), V_NEXT);
        if (cases[i].target != NULL) {
            assert_target(f, cases[i].target);
        } else if (f->tx->xfer.target.p != NULL) {
            fail_msg("%s", cases[i].path);
        }
        assert_int_equal(f->tx->needs_tls, cases[i].target != NULL);
        assert_str(f->tx->xfer.request.path, cases[i].path);
    }
    f = start(state, BLOCK("substitute llm in path; substitute two in query k; "
                           "proxy_set_query own $secret_two;"));
    assert_int_equal(
        run(f, "GET /" P "?k=" P "-2 HTTP/1.1\nHost: a.x.test\n\n"), V_NEXT);
    assert_target(f, "/s3cret-value?k=second-value&own=second-value");
}

static void
beside_credential(void **state)
{
    struct fixture *f = start(state,
        BLOCK("substitute llm in header X-Key; substitute llm in query k; "
              "proxy_set_header X-Copy $http_x_key; "
              "proxy_set_query own $secret_two;"));
    assert_int_equal(run(f, "GET /p?own=1&k=" P "&z HTTP/1.1\nHost: a.x.test\n"
                            "X-Key: " P "\n\n"),
        V_NEXT);
    assert_only(f, "X-Key", "s3cret-value");
    assert_only(f, "X-Copy", P);
    assert_target(f, "/p?k=s3cret-value&z&own=second-value");
}

/* The longest placeholder, and never what was put in for another. */
static void
several_secrets(void **state)
{
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, "odd", STR("x" P "-2x" P));
    f = start(state, "secret three file:odd placeholder=THE-THIRD-ONE; " BLOCK(
                         "substitute llm in header X-Key; "
                         "substitute two in header X-Key X-Two; "
                         "substitute three in header x_key;"));
    assert_int_equal(run(f, GET("X-Key: " P "-2, " P "-, THE-THIRD-ONE\n"
                                "X-Two: " P "-2 " P "\n")),
        V_NEXT);
    assert_only(f, "X-Key", "second-value, s3cret-value-, x" P "-2x" P);
    assert_only(f, "X-Two", "second-value " P);
}

static void
missing_secret(void **state)
{
    static const char *const requests[] = { GET("X-Key: " P "-3\n"),
        GET("X-Key: Basic UExBQ0VIT0xERVItMDAtMw==\n"),
        "GET /p?k=" P "-3 HTTP/1.1\nHost: a.x.test\n\n" };
    for (size_t i = 0; i < LEN(requests); i++) {
        struct fixture *f =
            start(state, BLOCK("substitute none in header X-Key; "
                               "substitute none in query k;"));
        assert_int_equal(run(f, requests[i]), V_REPLY);
        assert_refused(f, 502);
        assert_true(module_logged(f, "secret \"none\" is missing"));
    }
}

static void
unbound_host(void **state)
{
    struct fixture *f =
        start(state, "host *.x.test { substitute here in header X-Key; }");
    assert_int_equal(run(f, GET("X-Key: " P "-4\n")), V_REPLY);
    assert_refused(f, 502);
    assert_true(module_logged(f, "secret \"here\" is not bound to this host"));
    assert_int_equal(
        run(f, "GET / HTTP/1.1\nHost: b.x.test\nX-Key: " P "-4\n\n"), V_NEXT);
    assert_only(f, "X-Key", "s3cret-value");
    assert_int_equal(run(f, GET("X-Key: other\n")), V_NEXT);
}

static void
control_bytes(void **state)
{
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, "odd", STR("a\x01z-0123456789"));
    f = start(state, "secret q file:odd placeholder=" P
                     ";" BLOCK("substitute q in header X-Key; "
                               "substitute q in query k;"));
    assert_int_equal(run(f, GET("X-Key: " P "\n")), V_REPLY);
    assert_int_equal(f->tx->xfer.response.status, 400);
    assert_int_equal(
        run(f, "GET /p?k=" P " HTTP/1.1\nHost: a.x.test\n\n"), V_NEXT);
    assert_target(f, "/p?k=a%01z-0123456789");
}

/* Many placeholders of a large secret: refused before it is made. */
static void
too_large(void **state)
{
    static char large[60001], request[3000];
    struct fixture *f = *state;
    memset(large, 'x', sizeof large - 1);
    tmp_dir_write(&f->dir, "odd", str_of(large));
    f = start(state, "secret q file:odd placeholder=" P
                     ";" BLOCK("substitute q in header X-Key; "
                               "substitute q in query k;"));
    assert_int_equal(run(f, GET("X-Key: " P P "\n")), V_NEXT);
    assert_int_equal(run(f, GET("X-Key: " P P P "\n")), V_REPLY);
    assert_int_equal(f->tx->xfer.response.status, 400);
    assert_int_equal(
        run(f, GET("X-Key: " P "\nX-Key: " P "\nX-Key: " P "\n")), V_REPLY);
    assert_int_equal(f->tx->xfer.response.status, 400);
    assert_int_equal(run(f, "GET /p?k=" P P P " HTTP/1.1\n"
                            "Host: a.x.test\n\n"),
        V_REPLY);
    assert_int_equal(f->tx->xfer.response.status, 400);
    size_t n = (size_t)snprintf(
        request, sizeof request, "GET / HTTP/1.1\nHost: a.x.test\nX-Key: ");
    while (n < sizeof request - 40) {
        n += (size_t)snprintf(request + n, 20, P);
    }
    snprintf(request + n, 20, "\n\n");
    size_t had = 0;
    assert_int_equal(run(f, request), V_REPLY);
    had = arena_size(f->tx->xfer.arena);
    assert_true(had < 200000);
}

/* What is logged is what the client sent. */
static void
not_in_logs(void **state)
{
    struct fixture *f =
        start(state, BLOCK("substitute llm in header X-Key Authorization; "
                           "proxy_set_header X-Gone $secret_two;"));
    assert_int_equal(
        run(f, GET("X-Gone: 1\nX-Key: " P "\nX-Key: a " P "\n"
                   "Authorization: Basic bWU6UExBQ0VIT0xERVItMDA=\n")),
        V_NEXT);
    credential_module.on_log(f->tx);
    substitute_module.on_log(f->tx);
    const struct head *h = &f->tx->xfer.request;
    assert_int_equal(h->n, 4);
    assert_str(h->fields[1].value, P);
    assert_str(h->fields[2].value, "a " P);
    assert_only(f, "Authorization", "Basic bWU6UExBQ0VIT0xERVItMDA=");
}

static void
exchange_is_wiped(void **state)
{
    struct fixture *f =
        start(state, BLOCK("substitute llm in header X-Key Authorization; "
                           "substitute llm in query k;"));
    module_clear_blocks();
    assert_int_equal(
        run(f, "GET /p?k=" P " HTTP/1.1\nHost: a.x.test\nX-Key: " P "\n"
               "Authorization: Basic bWU6UExBQ0VIT0xERVItMDA=\n\n"),
        V_NEXT);
    module_end_tx(f);
    assert_false(module_is_left());
}

static void
nearest_rules_hold(void **state)
{
    struct fixture *f =
        start(state, BLOCK("substitute llm in header X-Key; location /b { }"
                           "location /s { substitute two in header X-Key; }"));
    assert_int_equal(run(f, "GET /b HTTP/1.1\nHost: a.x.test\n"
                            "X-Key: " P "-2\n\n"),
        V_NEXT);
    assert_only(f, "X-Key", "s3cret-value-2");
    assert_int_equal(run(f, "GET /s HTTP/1.1\nHost: a.x.test\n"
                            "X-Key: " P "-2, " P "\n\n"),
        V_NEXT);
    assert_only(f, "X-Key", "second-value, " P);
}

static void
refused_configurations(void **state)
{
    static const struct {
        const char *text, *what;
    } bad[] = {
        { "substitute who in header x;", "unknown secret \"who\"" },
        { "substitute bare in header x;",
            "secret \"bare\" has no \"placeholder=\"" },
        { "substitute llm on header x;", "\"in\" is missing" },
        { "substitute llm in host x;",
            "\"host\" is not a place, it must be \"header\", \"query\", "
            "\"path\" or \"body\"" },
        { "substitute llm in path x;",
            "invalid number of arguments in \"substitute\"" },
        { "substitute llm in body /a~;",
            "nothing can be substituted in body \"/a~\"" },
        { "substitute llm in body '';", "nothing can be substituted" },
        { "substitute llm in body $x;", "nothing can be substituted" },
        { "substitute llm in body /k; substitute twin in body k /k;",
            "have the same placeholder in \"/k\"" },
        { "substitute llm in header;", "invalid number of arguments" },
        { "substitute llm in header Host;",
            "nothing can be substituted in header \"Host\"" },
        { "substitute llm in header x content_length;",
            "nothing can be substituted in header \"content_length\"" },
        { "substitute llm in header Proxy-Authorization;",
            "nothing can be substituted" },
        { "substitute llm in header 'a b';", "nothing can be substituted" },
        { "substitute llm in header $host;", "nothing can be substituted" },
        { "substitute llm in query '';",
            "nothing can be substituted in query \"\"" },
        { "substitute llm in query $args;", "nothing can be substituted" },
        { "substitute llm in header x-a; substitute twin in header b X_A;",
            "secrets \"llm\" and \"twin\" have the same placeholder in "
            "\"X_A\"" },
    };
    static const char secrets[] =
        "secret bare file:token; secret llm file:token placeholder=12345678; "
        "secret twin file:two placeholder=12345678;";
    struct fixture *f = *state;
    char text[1024];
    for (size_t i = 0; i < LEN(bad); i++) {
        snprintf(
            text, sizeof text, "%s host a.test {\n%s }", secrets, bad[i].text);
        if (module_bind(f, text) != NULL) {
            fail_msg("takes %s", bad[i].text);
        }
        if (strstr(f->err, bad[i].what) == NULL ||
            strstr(f->err, "weir.conf:3") == NULL) {
            fail_msg("%s: %s", bad[i].text, f->err);
        }
    }
    snprintf(text, sizeof text, "%s\nsubstitute llm in header x;", secrets);
    assert_null(module_bind(f, text));
    assert_non_null(strstr(f->err, "not allowed here in"));
    snprintf(text, sizeof text,
        "%s host *.test { \nsubstitute llm in header x; }", secrets);
    assert_null(module_bind(f, text));
    assert_non_null(strstr(f->err, "needs \"hosts=\""));
}

#define T(fn)                                                                  \
    cmocka_unit_test_setup_teardown(fn, module_set_up, module_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(headers),
        T(within_a_value),
        T(nothing_to_replace),
        T(basic),
        T(queries),
        T(paths),
        T(beside_credential),
        T(several_secrets),
        T(missing_secret),
        T(unbound_host),
        T(control_bytes),
        T(too_large),
        T(not_in_logs),
        T(exchange_is_wiped),
        T(nearest_rules_hold),
        T(refused_configurations),
    };
    return cmocka_run_group_tests_name("substitute", tests, NULL, NULL);
}
