/*
 * The filter of a request's body within an exchange: when there is one, what
 * it does to the head, what it says when it gives up, what it leaves behind.
 */

#include "module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "module_fixture.h"

extern const struct module substitute_module;

#define P "PLACEHOLDER-00"
#define SECRETS                                                                \
    "secret llm file:token placeholder=" P "; "                                \
    "secret none file:none placeholder=" P "-3; "                              \
    "secret here file:token hosts=b.x.test placeholder=" P "-4; "
#define BLOCK(TEXT) "host a.x.test { " TEXT " }"
#define POST(FIELDS)                                                           \
    "POST /p HTTP/1.1\nHost: a.x.test\nContent-Length: 9\n" FIELDS "\n"
#define JSON "Content-Type: application/json\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\n"

static struct fixture *
start(void **state, const char *text)
{
    char whole[2048];
    snprintf(whole, sizeof whole, SECRETS "%s", text);
    return module_start(state, whole);
}

/* Whether the body is read. */
static bool
is_read(struct fixture *f, const char *request)
{
    module_request(f, request);
    struct tx *tx = f->tx;
    assert_int_equal(
        substitute_module.on_request(tx, &tx->xfer.request), V_NEXT);
    bool is = substitute_module.request_body->want(tx);
    assert_int_equal(is, tx->needs_tls);
    pump_init(&tx->xfer.up, NULL, NULL);
    return is;
}

static void
run_body(struct fixture *f, const char *body)
{
    struct tx *tx = f->tx;
    pump_add(&tx->xfer.up, tx, tx->xfer.arena, substitute_module.request_body);
    bufq_append(pump_in(&tx->xfer.up), str_of(body));
    pump_filled(&tx->xfer.up, strlen(body));
    pump_end(&tx->xfer.up);
    pump_run(&tx->xfer.up);
}

/* The head as it was, and the body. */
static void
assert_body(struct fixture *f, const char *want)
{
    char text[256];
    struct bufq *out = pump_out(&f->tx->xfer.up);
    assert_true(pump_is_last(&f->tx->xfer.up));
    size_t n = bufq_copy(out, text, sizeof text);
    if (!str_eq(str_n(text, n), str_of(want))) {
        fail_msg("%.*s", (int)n, text);
    }
    mem_wipe(text, n);
}

static void
end(struct fixture *f)
{
    pump_fini(&f->tx->xfer.up);
    module_end_tx(f);
}

static void
which_are_read(void **state)
{
    struct fixture *f = start(
        state, BLOCK("substitute llm in body /k; substitute llm in header x;"
                     "location /f { substitute llm in body k; }"
                     "location /n { substitute llm in query k; }"));
    assert_true(is_read(f, POST(JSON)));
    assert_false(is_read(f, POST(FORM)));
    assert_false(is_read(f, POST("")));
    assert_false(is_read(f, POST(JSON "Content-Encoding: gzip\n")));
    assert_false(is_read(f, POST(JSON "Content_Type: text/plain\n")));
    assert_false(is_read(f, "GET / HTTP/1.1\nHost: a.x.test\n" JSON "\n"));
    assert_true(is_read(f, "POST /f HTTP/1.1\nHost: a.x.test\n"
                           "Transfer-Encoding: chunked\n" FORM "\n"));
    assert_false(is_read(f, "POST /f HTTP/1.1\nHost: a.x.test\n"
                            "Transfer-Encoding: chunked\n" JSON "\n"));
    assert_false(is_read(f, "POST /n HTTP/1.1\nHost: a.x.test\n"
                            "Content-Length: 1\n" FORM "\n"));
    assert_true(
        is_read(f, POST(JSON "Content_MD5: a\nDigest: b\nRepr-Digest: c\n"
                             "Content-Digest: d\nX-Other: e\n")));
    assert_int_equal(f->tx->xfer.request.n, 4);
    assert_only(f, "X-Other", "e");
    assert_false(head_add_trailer(
        &f->tx->xfer.request, STR("content-digest"), STR("d")));
}

static void
is_wiped(void **state)
{
    struct fixture *f = start(state, BLOCK("substitute llm in body /k k;"));
    module_clear_blocks();
    assert_true(is_read(f, POST(JSON)));
    run_body(f, "{\"k\":\"" P "\"}");
    assert_body(f, "{\"k\":\"s3cret-value\"}");
    assert_true(pump_out(&f->tx->xfer.up)->is_secret);
    end(f);
    assert_false(module_is_left());
    assert_true(is_read(f, POST(FORM)));
    run_body(f, "j=" P "&k=" P);
    assert_body(f, "j=" P "&k=s3cret-value");
    end(f);
    assert_false(module_is_left());
}

static void
no_placeholder_no_secret(void **state)
{
    struct fixture *f = start(state,
        BLOCK("substitute none in body /k; substitute here in body /k;"));
    assert_true(is_read(f, POST(JSON)));
    run_body(f, "{\"k\":\"" P "\",\"l\":\"" P "-3\"}");
    assert_body(f, "{\"k\":\"" P "\",\"l\":\"" P "-3\"}");
    assert_false(pump_out(&f->tx->xfer.up)->is_secret);
    assert_int_equal(f->tx->fault, FAULT_NONE);
    end(f);
}

static void
gives_up(void **state)
{
    static const struct {
        const char *body, *cause;
        unsigned status;
    } cases[] = {
        { "{\"k\":\"" P "-3\"}", "secret \"none\" is missing", 502 },
        { "{\"k\":\"" P "-4\"}", "secret \"here\" is not bound to this host",
            502 },
        { "{\"k\":\"" P " \"}]", "a placeholder stands in a malformed body",
            400 },
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        struct fixture *f = start(state,
            BLOCK("substitute llm in body /k; substitute none in body /k; "
                  "substitute here in body /k;"));
        assert_true(is_read(f, POST(JSON)));
        run_body(f, cases[i].body);
        assert_true(f->tx->xfer.up.has_error);
        assert_str(f->tx->cause, cases[i].cause);
        assert_int_equal(f->tx->body_reply->status, cases[i].status);
        end(f);
    }
}

static void
limits(void **state)
{
    char text[4096];
    size_t n = 0;
    struct fixture *f = *state;
    n += (size_t)snprintf(text, sizeof text,
        "secret a file:token placeholder=%0256d; "
        "secret b file:token placeholder=%0257d; host a.test {",
        1, 1);
    size_t start_of_rules = n;
    for (unsigned i = 0; i < SCAN_FIELDS_MAX; i++) {
        n += (size_t)snprintf(
            text + n, sizeof text - n, "substitute a in body /%u k%u;", i, i);
    }
    snprintf(text + n, sizeof text - n, "substitute b in header k; }");
    struct conf *c = module_bind(f, text);
    if (c == NULL) {
        fail_msg("%s", f->err);
    }
    conf_free(c);
    snprintf(text + n, sizeof text - n, "substitute a in body k; }");
    assert_null(module_bind(f, text));
    assert_non_null(strstr(f->err, "more than 32 fields of bodies"));
    snprintf(text + start_of_rules, sizeof text - start_of_rules,
        "substitute b in body k; }");
    assert_null(module_bind(f, text));
    assert_non_null(strstr(f->err,
        "\"placeholder=\" of secret \"b\" must be 256 bytes at most for a "
        "body"));
}

#define TEST(NAME)                                                             \
    cmocka_unit_test_setup_teardown(NAME, module_set_up, module_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(which_are_read),
        TEST(is_wiped),
        TEST(no_placeholder_no_secret),
        TEST(gives_up),
        TEST(limits),
    };
    return cmocka_run_group_tests_name("substitute_body", tests, NULL, NULL);
}
