/*
 * The body of weir's own answers, and the reason in its status line: whatever
 * bytes the texts have, they stay what they are. What to do is advice.h's.
 */

#include "proxy/reply_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BODY_MAX 16384

static const struct reply_text denied = { .status = 403,
    .title = STR_INIT("Forbidden"),
    .reason = STR_INIT("a.test is blocked"),
    .detail = STR_INIT("a.test is blocked: it's <so> & \"so\""),
    .message = STR_INIT("Ask <us>."),
    .rule = STR_INIT("default"),
    .host = STR_INIT("a.test"),
    .revision = 7,
    .advice = { "Do not.", false },
    .page = STR_INIT("<h1>{{error}}</h1>{{detail}}|{{message}}|{{advice}}"
                     "{{reason}} {{status}}{{none}}{") };

static void
body_is(const struct reply_text *t, const char *accept, const char *type,
    const char *want)
{
    struct buf b;
    buf_init(&b, BODY_MAX);
    assert_string_equal(reply_body(t, str_of(accept), &b), type);
    assert_true(str_eq(buf_str(&b), str_of(want)));
    buf_fini(&b);
}

#define TEXT "text/plain; charset=utf-8"
#define JSON "application/problem+json"
#define HTML "text/html; charset=utf-8"

static void
test_text(void **state)
{
    struct reply_text t = denied;
    (void)state;
    body_is(&t, NULL, TEXT,
        "a.test is blocked: it's <so> & \"so\"\nAsk <us>.\nDo not.\n"
        "(403 Forbidden, by weir)\n");
    t.message = STR_NONE;
    body_is(&t, "image/png, */*", TEXT,
        "a.test is blocked: it's <so> & \"so\"\nDo not.\n"
        "(403 Forbidden, by weir)\n");
}

static void
test_json(void **state)
{
    struct reply_text t = denied;
    (void)state;
    t.message = STR("a\"b\n\xff");
    body_is(&t, "application/json", JSON,
        "{\"error\":\"a.test is blocked\",\"type\":\"about:blank\","
        "\"title\":\"Forbidden\",\"status\":403,"
        "\"detail\":\"a.test is blocked: it's <so> & \\\"so\\\"\","
        "\"message\":\"a\\\"b\\n\xef\xbf\xbd\",\"rule\":\"default\","
        "\"host\":\"a.test\",\"revision\":7,\"retryable\":false,"
        "\"advice\":\"Do not.\"}\n");
    t.message = STR_NONE;
    t.advice.is_retryable = true;
    body_is(&t, "application/vnd.x+json;q=1", JSON,
        "{\"error\":\"a.test is blocked\",\"type\":\"about:blank\","
        "\"title\":\"Forbidden\",\"status\":403,"
        "\"detail\":\"a.test is blocked: it's <so> & \\\"so\\\"\","
        "\"rule\":\"default\",\"host\":\"a.test\",\"revision\":7,"
        "\"retryable\":true,\"advice\":\"Do not.\"}\n");
}

static void
test_html(void **state)
{
    struct reply_text t = denied;
    (void)state;
    body_is(&t, "text/html", HTML,
        "<h1>a.test is blocked</h1>a.test is blocked: it&#39;s &lt;so&gt; "
        "&amp; &quot;so&quot;|Ask &lt;us&gt;.|Do not.Forbidden 403{{none}}{");
    t.page = STR_NONE;
    t.message = STR_NONE;
    body_is(&t, "text/html", TEXT,
        "a.test is blocked: it's <so> & \"so\"\nDo not.\n"
        "(403 Forbidden, by weir)\n");
}

/* The longest of everything, of the bytes that need most room. */
static void
test_there_is_room(void **state)
{
    char bytes[REPLY_TEXT_MAX];
    struct reply_text t = denied;
    struct buf b;
    (void)state;
    memset(bytes, 1, sizeof bytes);
    t.reason = str_n(bytes, REPLY_REASON_MAX);
    t.detail = str_n(bytes, sizeof bytes);
    t.message = str_n(bytes, 512);
    t.host = str_n(bytes, 255);
    static char page[BODY_MAX + 1];
    memset(page, ' ', sizeof page);
    t.page = str_n(page, sizeof page);
    const char *const types[] = { "application/json", "text/html",
        "text/plain" };
    for (unsigned i = 0; i < 3; i++) {
        buf_init(&b, BODY_MAX);
        assert_string_equal(reply_body(&t, str_of(types[i]), &b),
            i == 0 ? JSON : TEXT); /* the page has none */
        assert_true(str_ends(buf_str(&b), STR("}\n")) == (i == 0));
        buf_fini(&b);
    }
}

static void
test_line(void **state)
{
    struct arena *a = arena_new(4096);
    (void)state;
    assert_true(str_eq(
        reply_line(a, STR("a\r\nb: c\t\x7f\xc3\xa9\"")), STR("a??b: c????\"")));
    assert_int_equal(reply_line(a, STR_NONE).n, 0);
    arena_free(a);
}

static void
test_advice(void **state)
{
    static const struct {
        unsigned status;
        const char *error, *text;
        bool is_retryable;
    } known[] = {
        { 403, "http_request_denied", "Do not retry: whoever runs", false },
        { 404, "http_request_denied", "Do not retry: whoever runs", false },
        { 405, "http_request_error", "Do not retry: whoever runs", false },
        { 403, "destination_ip_prohibited", "Do not retry: whoever runs",
            false },
        { 503, "http_request_denied", "The request may be tried again", true },
        { 599, "http_request_denied", "The request may be tried again", true },
        { 501, "http_request_error", "Mend the request", false },
        { 429, "http_request_denied", "The request may be tried again", true },
        { 400, "http_request_error", "Mend the request", false },
        { 413, NULL, "Mend the request", false },
        { 407, "proxy_authentication_required", "Send this sandbox's", false },
        { 408, "http_request_error", "The request may be tried again", true },
        { 421, "http_request_error", "Open a new connection", true },
        { 502, "dns_error", "The request may be tried again", true },
        { 504, "connection_timeout", "The request may be tried again", true },
        { 503, "connection_limit_reached", "The request may be", true },
        { 502, "tls_certificate_error", "Do not retry: the certifi", false },
        { 502, "proxy_configuration_error", "Do not retry: a cred", false },
        { 502, "http_response_content_coding", "Do not retry: who", false },
    };
    (void)state;
    for (size_t i = 0; i < LEN(known); i++) {
        struct advice a = advice_for(known[i].status, known[i].error);
        assert_true(str_starts(str_of(a.text), str_of(known[i].text)));
        assert_int_equal(a.is_retryable, known[i].is_retryable);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_html),
        cmocka_unit_test(test_there_is_room),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_advice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
