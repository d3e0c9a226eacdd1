/*
 * Who finds something says so: each case is a client's or an origin's doing,
 * and one finding of that kind, host and rule, for the sandbox that it is.
 */

#include "live_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <openssl/ssl.h>

#include "../net/leaf_fixture.h"
#include "base/str.h"
#include "proxy/finding.h"
#include "proxy/worker.h"

#define SECRET "a-secret-value-0123456789"
#define BEARER "secret t file:token; host up.test { bearer $secret_t; }"

static unsigned n_seen;
static struct finding seen;
static char seen_host[FINDING_HOST_MAX + 1];

static void
on_finding(void *arg, const struct finding *found)
{
    assert_ptr_equal(arg, &seen);
    n_seen++;
    seen = *found;
    snprintf(seen_host, sizeof seen_host, "%.*s", STR_ARG(found->host));
}

static struct live *
start(void **state, const char *egress, const char *more)
{
    struct live *l = live_start(state, egress, more);
    n_seen = 0;
    findings_observe(l->worker->findings, on_finding, &seen);
    return l;
}

static void
is_found(
    struct live *l, enum finding_kind kind, const char *host, const char *rule)
{
    const uint64_t *counts =
        findings_counts(l->worker->findings, fx.owner.serial);
    assert_int_equal(n_seen, 1);
    assert_string_equal(finding_name(seen.kind), finding_name(kind));
    assert_string_equal(seen_host, host);
    assert_string_equal(seen.rule, rule);
    assert_int_equal(seen.serial, fx.owner.serial);
    assert_non_null(counts);
    assert_int_equal(counts[kind], 1);
}

static struct live_end *
asks_plainly(struct live *l, const char *authority)
{
    char text[300];
    struct live_end *c = live_client(l);
    snprintf(text, sizeof text, "GET http://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n",
        authority, authority);
    live_send(c, text);
    return c;
}

static void
test_nothing(void **state)
{
    struct live *l = start(state, "", "");
    struct live_end *c = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_send(o, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    live_answers(c, 200, "");
    assert_int_equal(n_seen, 0);
    assert_null(findings_counts(l->worker->findings, fx.owner.serial));
}

static void
test_denial(void **state)
{
    struct live *l = start(state, "", "");
    live_answers(asks_plainly(l, "else.example"), 403, "");
    is_found(l, FINDING_DENIED, "else.example", "allowed_hosts");
}

static void
test_address(void **state)
{
    struct live *l = start(state, "resolve in.test 10.8.0.1;", "");
    struct live_end *c = asks_plainly(l, "in.test");
    live_pass(l, 1000); /* it takes as long as if the name were not there */
    live_answers(c, 403, "");
    is_found(l, FINDING_ADDRESS, "in.test", "allow_address");
}

static void
test_limit_of_requests(void **state)
{
    struct live *l = start(state, "", "requests 1;");
    live_asks(l, false, "GET", "\r\n");
    live_answers(asks_plainly(l, "up.test"), 503, "");
    is_found(l, FINDING_LIMIT, "up.test", "requests");
}

static void
test_limit_of_slots(void **state)
{
    struct live *l = start(state, "", "");
    live_asks(l, false, "GET", "\r\n");
    live_answers(asks_plainly(l, "up.test"), 503, "");
    is_found(l, FINDING_LIMIT, "up.test", "header_slots_queue");
}

static void
test_echoed_secret(void **state)
{
    struct live *l = start(state, BEARER, "");
    struct live_end *c = live_asks(l, true, "GET", "\r\n");
    struct live_end *o = live_origin(l);
    live_tls_origin(o);
    live_shake(o);
    live_send(
        o, "HTTP/1.1 200 OK\r\nX: " SECRET "\r\nContent-Length: 0\r\n\r\n");
    live_answers(c, 200, "X: ****");
    is_found(l, FINDING_SECRET_ECHOED, "up.test", "redact");
}

static void
test_credential_on_a_plain_port(void **state)
{
    struct live *l = start(state, BEARER, "");
    live_answers(asks_plainly(l, "up.test:443"), 403, "");
    is_found(l, FINDING_CREDENTIAL, "up.test", "secret");
}

static void
test_missing_credential(void **state)
{
    struct live *l = start(state,
        "secret gone file:none; host up.test { bearer $secret_gone; }", "");
    live_answers(asks_plainly(l, "up.test"), 502, "");
    is_found(l, FINDING_CREDENTIAL, "up.test", "secret");
}

/* A hello with that name in a tunnel for that authority. */
static struct live_end *
says_hello(struct live *l, const char *authority, const char *name)
{
    struct live_end *c = live_connected(l, authority);
    live_tls_client(c, name);
    live_flush(c, SIZE_MAX);
    return c;
}

static void
test_sni_of_another_host(void **state)
{
    struct live *l = start(state, "", "");
    says_hello(l, "up.test:443", "other.test");
    is_found(l, FINDING_SNI, "other.test", "sni");
}

static void
test_sni_of_another_host_passed_through(void **state)
{
    struct live *l = start(state, "host up.test { intercept off; }", "");
    says_hello(l, "up.test:443", "other.test");
    is_found(l, FINDING_SNI, "other.test", "sni");
}

static void
test_too_many_names(void **state)
{
    struct live *l = start(state, "mint_rate 1;", "");
    live_tunnel(l, "one.test");
    assert_int_equal(n_seen, 0);
    says_hello(l, "two.test:443", "two.test");
    is_found(l, FINDING_MINT, "two.test", "mint_rate");
}

/* It ends the handshake by an alert, since it knows no CA. */
static void
test_distrust(void **state)
{
    struct live *l = start(state, "", "");
    struct live_end *c = live_connected(l, "up.test:443");
    live_tls_client(c, "up.test");
    SSL_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
    live_flush(c, SIZE_MAX);
    assert_int_not_equal(live_answer_hello(c), 0);
    live_flush(c, SIZE_MAX);
    is_found(l, FINDING_DISTRUST, "up.test", "ca");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_nothing),
        LIVE_TEST(test_denial),
        LIVE_TEST(test_address),
        LIVE_TEST(test_limit_of_requests),
        LIVE_TEST(test_limit_of_slots),
        LIVE_TEST(test_echoed_secret),
        LIVE_TEST(test_credential_on_a_plain_port),
        LIVE_TEST(test_missing_credential),
        LIVE_TEST(test_sni_of_another_host),
        LIVE_TEST(test_sni_of_another_host_passed_through),
        LIVE_TEST(test_too_many_names),
        LIVE_TEST(test_distrust),
    };
    return cmocka_run_group_tests_name("finding_live", tests, NULL, NULL);
}
