/*
 * What goes upstream with a request, and what never does: the module's hooks
 * on an exchange that no connection carries.
 */

#include "module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "module_fixture.h"

extern const struct module credential_module;
extern const unsigned credential_module_index;

static enum verdict
run(struct fixture *f, const char *request)
{
    module_request(f, request);
    return credential_module.on_request(f->tx, &f->tx->xfer.request);
}

#define GET(FIELDS) "GET /p HTTP/1.1\nHost: a.x.test\n" FIELDS "\n"

static void
bearer_and_basic(void **state)
{
    struct fixture *f =
        module_start(state, "host a.x.test { bearer $secret_token; }");
    assert_int_equal(
        run(f, GET("Authorization: mine\nAUTHORIZATION: too\n")), V_NEXT);
    assert_only(f, "Authorization", "Bearer s3cret-value");
    assert_true(f->tx->needs_tls);
    f = module_start(state, "host a.x.test { basic_auth me $secret_token; }");
    assert_int_equal(run(f, GET("")), V_NEXT);
    assert_only(f, "Authorization", "Basic bWU6czNjcmV0LXZhbHVl");
    assert_true(f->tx->needs_tls);
}

static void
headers(void **state)
{
    struct fixture *f = module_start(state,
        "host a.x.test { proxy_set_header X-Auth-Token $secret_token; "
        "proxy_set_header X-Two \"a $secret_token;${secret_token}\"; "
        "proxy_set_header X-Gone ''; proxy_set_header X-Box $sandbox_id; }");
    assert_int_equal(
        run(f, GET("x_auth_token: 1\nX-Auth_Token: 2\nx-auth-token: 3\n"
                   "x_gone: 4\nX-Gone: 5\n")),
        V_NEXT);
    assert_only(f, "X-Auth-Token", "s3cret-value");
    assert_only(f, "X-Two", "a s3cret-value;s3cret-value");
    assert_only(f, "X-Gone", NULL);
    assert_only(f, "X-Box", "box");
    struct head *h = &f->tx->xfer.request;
    assert_false(head_add_trailer(h, STR("x_auth_token"), STR("late")));
    assert_false(head_add_trailer(h, STR("X-Gone"), STR("late")));
    assert_true(head_add_trailer(h, STR("X-Other"), STR("late")));
}

static void
no_secret_needs_no_tls(void **state)
{
    struct fixture *f = module_start(state,
        "host a.x.test { proxy_set_header X-Box $sandbox_id; "
        "proxy_set_query b $sandbox_id; } ");
    assert_int_equal(run(f, GET("")), V_NEXT);
    assert_false(f->tx->needs_tls);
    assert_target(f, "/p?b=box");
    assert_int_equal(
        run(f, "GET /q HTTP/1.1\nHost: other.test\nX-Box: 1\n\n"), V_NEXT);
    assert_only(f, "X-Box", "1");
    assert_null(f->tx->xfer.target.p);
}

static void
queries(void **state)
{
    static const struct {
        const char *target, *up;
    } cases[] = {
        { "/p", "/p?key=s3cret-value&k%202=box" },
        { "/p?", "/p?key=s3cret-value&k%202=box" },
        { "/p?x=1", "/p?x=1&key=s3cret-value&k%202=box" },
        { "/p?key=mine", "/p?key=s3cret-value&k%202=box" },
        { "/p?key", "/p?key=s3cret-value&k%202=box" },
        { "/p?a=1&%6bey=mine&b=2", "/p?a=1&b=2&key=s3cret-value&k%202=box" },
        { "/p?ke%79=&key=&a", "/p?a&key=s3cret-value&k%202=box" },
        { "/p?k+2=1&k%202=2", "/p?key=s3cret-value&k%202=box" },
        { "/p?keys=1&KEY=2&k=3",
            "/p?keys=1&KEY=2&k=3&key=s3cret-value&k%202=box" },
    };
    struct fixture *f = module_start(state,
        "host a.x.test { proxy_set_query key $secret_token; "
        "proxy_set_query 'k 2' $sandbox_id; }");
    for (size_t i = 0; i < LEN(cases); i++) {
        char request[256];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\nHost: a.x.test\n\n",
            cases[i].target);
        assert_int_equal(run(f, request), V_NEXT);
        assert_target(f, cases[i].up);
        assert_true(f->tx->needs_tls);
    }
    assert_int_equal(run(f, "OPTIONS * HTTP/1.1\nHost: a.x.test\n\n"), V_REPLY);
    assert_refused(f, 400);
}

static void
values_are_percent_encoded(void **state)
{
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, "odd", STR("a b&c=d/#?%\xff~"));
    module_start(state, "host a.x.test { proxy_set_query k $secret_odd; }");
    assert_int_equal(run(f, GET("")), V_NEXT);
    assert_target(f, "/p?k=a%20b%26c%3Dd%2F%23%3F%25%FF~");
}

static void
missing_secret(void **state)
{
    static const char *const uses[] = { "bearer $secret_gone;",
        "basic_auth me $secret_gone;", "proxy_set_header X-A $secret_gone;",
        "proxy_set_header X-B \"$secret_token $secret_gone\";",
        "bearer $secret_token; proxy_set_query k $secret_gone;" };
    for (size_t i = 0; i < LEN(uses); i++) {
        char text[256];
        snprintf(text, sizeof text, "host a.x.test { %s }", uses[i]);
        struct fixture *f = module_start(state, text);
        assert_int_equal(run(f, GET("Authorization: mine\n")), V_REPLY);
        assert_refused(f, 502);
        assert_true(module_logged(f, "secret \"gone\" is missing"));
        assert_false(module_logged(f, "s3cret"));
        credential_module.on_log(f->tx);
    }
}

static void
unbound_host(void **state)
{
    struct fixture *f =
        module_start(state, "host *.x.test { bearer $secret_bound; }");
    assert_int_equal(run(f, GET("")), V_NEXT);
    assert_only(f, "Authorization", "Bearer s3cret-value");
    assert_int_equal(run(f, "GET / HTTP/1.1\nHost: b.x.test\n\n"), V_REPLY);
    assert_refused(f, 502);
    assert_true(module_logged(f, "secret \"bound\" is not bound to this host"));
}

static void
control_bytes(void **state)
{
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, "odd", STR("a\x01z-0123456789"));
    static const char *const uses[] = { "bearer $secret_odd;",
        "basic_auth me $secret_odd;", "proxy_set_header X-A $secret_odd;",
        "proxy_set_query k $secret_odd;" };
    for (size_t i = 0; i < LEN(uses); i++) {
        char text[256];
        snprintf(text, sizeof text, "host a.x.test { %s }", uses[i]);
        module_start(state, text);
        assert_int_equal(run(f, GET("")), V_REPLY);
        assert_refused(f, 400);
        assert_false(module_logged(f, "a\x01z"));
    }
}

/* One rule's header is no variable for the next, nor for the log. */
static void
attached_is_not_read_again(void **state)
{
    struct fixture *f = module_start(state,
        "host a.x.test { proxy_set_header Authorization \"T $secret_token\"; "
        "proxy_set_header X-Copy \"was $http_authorization\"; "
        "proxy_set_header X-Open $sandbox_id; }");
    assert_int_equal(run(f, GET("Authorization: mine\n")), V_NEXT);
    assert_only(f, "Authorization", "T s3cret-value");
    assert_only(f, "X-Copy", "was mine");
    credential_module.on_log(f->tx);
    assert_only(f, "Authorization", NULL);
    assert_only(f, "X-Open", "box");
    f = module_start(state, "host a.x.test { bearer $secret_token; }");
    assert_int_equal(run(f, GET("")), V_NEXT);
    credential_module.on_log(f->tx);
    assert_only(f, "Authorization", NULL);
}

static void
a_change_does_not_reach_a_running_exchange(void **state)
{
    struct fixture *f = module_start(
        state, "host a.x.test { proxy_set_header X-A $secret_token; }");
    assert_int_equal(run(f, GET("")), V_NEXT);
    struct str lent = secret_get(f->worker.secrets, 0, STR_NONE);
    memset((void *)lent.p, 'x', lent.n);
    assert_only(f, "X-A", "s3cret-value");
}

static void
exchange_is_wiped(void **state)
{
    struct fixture *f = module_start(state,
        "host a.x.test { proxy_set_header X-A \"v $secret_token\"; "
        "basic_auth me $secret_token; proxy_set_query k $secret_token; "
        "proxy_set_query l $secret_token; }");
    module_clear_blocks();
    assert_int_equal(run(f, GET("")), V_NEXT);
    module_end_tx(f);
    assert_false(module_is_left());
}

static void
nearest_authorization_holds(void **state)
{
    struct fixture *f = module_start(state,
        "host a.x.test { basic_auth me $secret_token;"
        "location /b { bearer $secret_token; }"
        "location /s { proxy_set_header authorization $sandbox_id; } }"
        "host b.x.test { bearer $secret_token; "
        "location /b { basic_auth me $secret_token; } }");
    assert_int_equal(run(f, "GET /b HTTP/1.1\nHost: a.x.test\n\n"), V_NEXT);
    assert_only(f, "Authorization", "Bearer s3cret-value");
    assert_int_equal(run(f, "GET /s HTTP/1.1\nHost: a.x.test\n\n"), V_NEXT);
    assert_only(f, "authorization", "box");
    assert_int_equal(run(f, "GET /o HTTP/1.1\nHost: a.x.test\n\n"), V_NEXT);
    assert_only(f, "Authorization", "Basic bWU6czNjcmV0LXZhbHVl");
    assert_int_equal(run(f, "GET /b HTTP/1.1\nHost: b.x.test\n\n"), V_NEXT);
    assert_only(f, "Authorization", "Basic bWU6czNjcmV0LXZhbHVl");
}

static void
refused_configurations(void **state)
{
    static const struct {
        const char *text, *what;
    } bad[] = {
        { "proxy_set_header Host x;", "header \"Host\" cannot be set here" },
        { "proxy_set_header connection x;", "cannot be set here" },
        { "proxy_set_header Content_Length 1;", "cannot be set here" },
        { "proxy_set_header Transfer-Encoding x;", "cannot be set here" },
        { "proxy_set_header Keep-Alive x;", "cannot be set here" },
        { "proxy_set_header TE x;", "cannot be set here" },
        { "proxy_set_header Trailer x;", "cannot be set here" },
        { "proxy_set_header Upgrade x;", "cannot be set here" },
        { "proxy_set_header Expect x;", "cannot be set here" },
        { "proxy_set_header HTTP2-Settings x;", "cannot be set here" },
        { "proxy_set_header Proxy-Authorization x;", "cannot be set here" },
        { "proxy_set_header proxy_anything x;", "cannot be set here" },
        { "proxy_set_header 'a b' x;", "cannot be set here" },
        { "proxy_set_header '' x;", "cannot be set here" },
        { "proxy_set_header $secret_token x;", "cannot be set here" },
        { "proxy_set_query '' x;", "invalid parameter name" },
        { "proxy_set_query $secret_token x;", "invalid parameter name" },
        { "basic_auth a:b x;", "invalid user" },
        { "bearer $secret_other;", "unknown secret \"other\"" },
        { "bearer $host; basic_auth a $host;", "both set Authorization" },
        { "basic_auth a $host; bearer $host;", "both set Authorization" },
        { "bearer $host; proxy_set_header authorization $host;",
            "both set Authorization" },
        { "proxy_set_header X-A b; proxy_set_header Authorization $host; "
          "basic_auth a $host;",
            "both set Authorization" },
        { "return 200 $secret_token;", "secret" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < LEN(bad); i++) {
        char text[512];
        snprintf(text, sizeof text,
            "secret token file:token; host a.test {\n%s }", bad[i].text);
        if (module_bind(f, text) != NULL) {
            fail_msg("takes %s", bad[i].text);
        }
        if (strstr(f->err, bad[i].what) == NULL) {
            fail_msg("%s: %s", bad[i].text, f->err);
        }
        assert_non_null(strstr(f->err, "weir.conf:3"));
    }
    assert_null(module_bind(f, "secret t file:token;\nbearer $secret_t;"));
    assert_non_null(strstr(f->err, "weir.conf:3"));
}

/* A credential that stands where a secret must: an error that does not show
 * it. */
static void
written_out(void **state)
{
    static const char *const bad[] = { "bearer xyzzy;", "bearer '';",
        "bearer \"sk-xyzzy0123456789 $host\";", "basic_auth me xyzzy;",
        "basic_auth xyzzy '';", "basic_auth $host xyzzy;",
        "basic_auth sk-xyzzy0123456789 $host;",
        "proxy_set_header Authorization xyzzy;",
        "proxy_set_header x_api_key xyzzy;", "proxy_set_header cookie a=xyzzy;",
        "proxy_set_header X-Note ghp_xyzzy0123456789;",
        "proxy_set_header Cookie \"ghp_xyzzy0123456789 $host\";",
        "proxy_set_query access_token xyzzy;",
        "proxy_set_query k \"Bearer xyzzy012345\";" };
    static const char *const good[] = { "bearer $http_x;", "bearer $secret_t;",
        "basic_auth me $secret_t;", "basic_auth $secret_t '';",
        "basic_auth $secret_t x-oauth-basic;", "basic_auth $sandbox_id '';",
        "proxy_set_header Authorization \"Token $secret_t\";",
        "proxy_set_header Cookie '';", "proxy_set_header X-Api-Key $host;",
        "proxy_set_header X-Tenant acme;", "proxy_set_query token '';",
        "proxy_set_query k v;" };
    struct fixture *f = *state;
    char text[512];
    for (size_t i = 0; i < LEN(bad); i++) {
        snprintf(text, sizeof text, "host a.test {\n%s }", bad[i]);
        if (module_bind(f, text) != NULL) {
            fail_msg("takes %s", bad[i]);
        }
        if (strstr(f->err, "a credential is written out in \"") == NULL ||
            strstr(f->err, "weir.conf:3") == NULL ||
            strstr(f->err, "xyzzy") != NULL) {
            fail_msg("%s: %s", bad[i], f->err);
        }
    }
    for (size_t i = 0; i < LEN(good); i++) {
        snprintf(text, sizeof text, "secret t file:token; host a.test { %s }",
            good[i]);
        struct conf *c = module_bind(f, text);
        if (c == NULL) {
            fail_msg("%s: %s", good[i], f->err);
        }
        conf_free(c);
    }
}

/* A key that stands alone is the user. */
static void
key_as_user(void **state)
{
    struct fixture *f = module_start(state,
        "host a.x.test { basic_auth $secret_token ''; "
        "location /b { basic_auth $secret_token x; } "
        "location /c { basic_auth $http_user $secret_token; } }");
    assert_int_equal(run(f, GET("")), V_NEXT);
    assert_only(f, "Authorization", "Basic czNjcmV0LXZhbHVlOg==");
    assert_true(f->tx->needs_tls);
    credential_module.on_log(f->tx);
    assert_only(f, "Authorization", NULL);
    assert_int_equal(run(f, "GET /b HTTP/1.1\nHost: a.x.test\n\n"), V_NEXT);
    assert_only(f, "Authorization", "Basic czNjcmV0LXZhbHVlOng=");
    assert_int_equal(
        run(f, "GET /c HTTP/1.1\nHost: a.x.test\nUser: me\n\n"), V_NEXT);
    assert_only(f, "Authorization", "Basic bWU6czNjcmV0LXZhbHVl");
    /* the origin would take what is behind it for the password */
    assert_int_equal(
        run(f, "GET /c HTTP/1.1\nHost: a.x.test\nUser: a:b\n\n"), V_REPLY);
    assert_refused(f, 400);
}

#define T(fn)                                                                  \
    cmocka_unit_test_setup_teardown(fn, module_set_up, module_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(bearer_and_basic),
        T(headers),
        T(no_secret_needs_no_tls),
        T(queries),
        T(values_are_percent_encoded),
        T(missing_secret),
        T(unbound_host),
        T(control_bytes),
        T(attached_is_not_read_again),
        T(a_change_does_not_reach_a_running_exchange),
        T(exchange_is_wiped),
        T(nearest_authorization_holds),
        T(refused_configurations),
        T(written_out),
        T(key_as_user),
    };
    return cmocka_run_group_tests_name("credential", tests, NULL, NULL);
}
