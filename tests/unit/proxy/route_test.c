/* Where a request goes, and with a secret may go. */

#include "proxy/route.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"
#include "policy/decide.h"
#include "proxy/proxy_conf.h"
#include "sandbox/sandbox.h"

static struct arena *a;
static uint16_t both[] = { 80, 443 };
static const struct proxy_conf two_ports = { .ports = { both, 2 } };
static const struct proxy_conf one_port = { .ports = { both, 1 } };

static struct route
route_to(const char *text, bool is_tls, bool is_own_service)
{
    struct authority au;
    struct route r;
    const char *why;
    assert_true(authority_parse(a, str_of(text), 80, &au, &why));
    route_init(&r, &au, is_tls, STR("/x"));
    assert_false(r.is_own_service);
    r.is_own_service = is_own_service;
    return r;
}

static void
test_a_secret(void **state)
{
    static const struct {
        const char *to;
        bool is_tls, is_own_service, may, becomes_https;
    } cases[] = {
        { "a.test:443", true, false, true, false },
        { "a.test:80", false, false, true, true },
        { "a.test:8080", false, false, false, false },
        { "a.test:8080", true, true, true, false },
        { "10.0.0.1:80", true, true, true, false },
        { "10.0.0.1:80", false, true, false, false },
        { "127.0.0.1:80", false, true, true, false },
        { "[::1]:80", false, true, true, false },
        { "[fd00::1]:80", false, true, false, false },
        { "a.test:80", false, true, true, false }, /* to loopback alone */
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct route r =
            route_to(cases[i].to, cases[i].is_tls, cases[i].is_own_service);
        uint16_t port = r.port;
        assert_int_equal(route_secure(&r, &two_ports), cases[i].may);
        bool is_https = cases[i].is_tls || cases[i].becomes_https;
        assert_int_equal(r.is_tls, is_https);
        assert_int_equal(r.port, cases[i].becomes_https ? 443 : port);
        struct policy own = { .magic = POLICY_MAGIC };
        if (cases[i].may) {
            struct decision d = { .policy = &own };
            struct guard_policy p = route_guard(&r, true, &two_ports, &d);
            assert_int_equal(p.is_loopback_only, !is_https);
            assert_int_equal(p.is_own_service, cases[i].is_own_service);
        }
    }
    struct route r = route_to("a.test", false, false);
    assert_false(route_secure(&r, &one_port)); /* 443 is not in `ports` */
    r = (struct route){ .addr.family = ADDR_UNIX, .is_own_service = true };
    assert_true(route_secure(&r, &one_port));
}

/* A service's name may lead anywhere: that is known when it was dialled. */
static void
test_safe_connections(void **state)
{
    struct addr here, there, socket = { .family = ADDR_UNIX };
    (void)state;
    assert_true(addr_parse(STR("127.0.0.2"), &here));
    assert_true(addr_parse(STR("10.0.0.1"), &there));
    struct route r = route_to("a.test:443", true, false);
    assert_true(route_is_safe(&r, NULL));
    assert_true(route_is_safe(&r, &there));
    r = route_to("a.test:80", false, false);
    assert_false(route_is_safe(&r, NULL));
    assert_false(route_is_safe(&r, &here)); /* the sandbox named it */
    r = route_to("a.test:80", false, true);
    assert_true(route_is_safe(&r, NULL));
    assert_true(route_is_safe(&r, &here));
    assert_false(route_is_safe(&r, &there));
    r = route_to("10.0.0.1:80", false, true);
    assert_false(route_is_safe(&r, NULL));
    r = (struct route){ .addr.family = ADDR_UNIX, .is_own_service = true };
    assert_true(route_is_safe(&r, &socket));
}

static void
assert_format(const struct route *r, const char *want)
{
    struct str s = route_format(r, a);
    assert_int_equal(s.n, strlen(want));
    assert_memory_equal(s.p, want, s.n);
}

static void
test_format(void **state)
{
    (void)state;
    struct route r = route_to("A.test", false, false);
    assert_format(&r, "http://a.test:80");
    r = route_to("[2606:4700::1111]:8443", true, false);
    assert_format(&r, "https://[2606:4700::1111]:8443");
    assert_int_equal(r.addr.family, 6);
    r = (struct route){ .host = STR("/run/s"), .addr.family = ADDR_UNIX };
    assert_format(&r, "http://unix:/run/s");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_secret),
        cmocka_unit_test(test_safe_connections),
        cmocka_unit_test(test_format),
    };
    a = arena_new(1024);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(a);
    return failed;
}
