/* What this host takes in, by links and by routes, as it comes and goes. */

#include "net/locals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#include "rtnl.h"

static struct loop *loop;
static struct locals *locals;

static int
setup(void **state)
{
    (void)state;
    loop = loop_new();
    locals = locals_new(loop);
    return locals != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    locals_free(locals);
    loop_free(loop);
    return 0;
}

static bool
has(const char *text)
{
    struct addr a;
    assert_true(addr_parse(str_of(text), &a));
    return locals_has(locals, &a);
}

static bool
reaches(const char *text)
{
    struct addr a;
    assert_true(addr_parse(str_of(text), &a));
    return locals_reaches(locals, &a);
}

/* An end is found by a reading that begins a little later. */
static void
until_gone(const char *text)
{
    alarm(60);
    while (has(text)) {
        rtnl_hear(loop, 0.01);
    }
    alarm(0);
}

static void
test_a_route_alone(void **state)
{
    static const char *const all[][3] = {
        { "198.51.100.0/24", "198.51.100.77", "198.51.101.0" },
        { "203.0.113.9/32", "203.0.113.9", "203.0.113.8" },
        { "2a00:1::/64", "2a00:1::beef", "2a00:2::1" },
    };
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        assert_false(has(all[i][1]));
        rtnl_route(RTM_NEWROUTE, all[i][0], RT_TABLE_LOCAL, RTN_LOCAL);
        rtnl_hear(loop, 0);
        assert_true(has(all[i][1]));
        assert_false(has(all[i][2]));
    }
    struct locals *followed = locals;
    locals = locals_new(loop); /* by the dump */
    for (size_t i = 0; i < LEN(all); i++) {
        assert_true(has(all[i][1]));
        assert_false(has(all[i][2]));
    }
    locals_free(locals);
    locals = followed;
    for (size_t i = 0; i < LEN(all); i++) {
        rtnl_route(RTM_DELROUTE, all[i][0], RT_TABLE_LOCAL, RTN_LOCAL);
        until_gone(all[i][1]);
    }
}

/* What another table says, and where packets are sent on, is no address of
 * this host's. */
static void
test_other_routes(void **state)
{
    (void)state;
    rtnl_route(RTM_NEWROUTE, "198.51.100.0/24", RT_TABLE_MAIN, RTN_UNICAST);
    rtnl_route(RTM_NEWROUTE, "203.0.113.0/24", 100, RTN_LOCAL);
    rtnl_hear(loop, 0);
    assert_false(has("198.51.100.7"));
    assert_false(has("203.0.113.7"));
    struct locals *other = locals_new(loop);
    struct addr a = { 4, 0, { 203, 0, 113, 7 } };
    assert_false(locals_has(other, &a));
    locals_free(other);
    rtnl_route(RTM_DELROUTE, "198.51.100.0/24", RT_TABLE_MAIN, RTN_UNICAST);
    rtnl_route(RTM_DELROUTE, "203.0.113.0/24", 100, RTN_LOCAL);
}

/* With a route of everything all would be refused. */
static void
test_a_route_of_everything(void **state)
{
    (void)state;
    rtnl_route(RTM_NEWROUTE, "0.0.0.0/0", RT_TABLE_LOCAL, RTN_LOCAL);
    rtnl_hear(loop, 0);
    assert_false(has("8.8.8.8"));
    assert_true(reaches("8.8.8.8"));
    assert_false(reaches("2a00::8"));
    rtnl_route(RTM_DELROUTE, "0.0.0.0/0", RT_TABLE_LOCAL, RTN_LOCAL);
}

/* The same address by two prefixes: it is there while one of them is. */
static void
test_an_address_that_is_there_twice(void **state)
{
    (void)state;
    rtnl_addr(RTM_NEWADDR, "9.9.9.9", 24);
    rtnl_addr(RTM_NEWADDR, "9.9.9.9", 32);
    rtnl_addr(RTM_NEWADDR, "9.9.9.10", 32);
    rtnl_hear(loop, 0);
    assert_true(has("9.9.9.9"));
    rtnl_addr(RTM_DELADDR, "9.9.9.9", 24);
    rtnl_addr(RTM_DELADDR, "9.9.9.10", 32);
    until_gone("9.9.9.10");
    assert_true(has("9.9.9.9"));
    rtnl_addr(RTM_DELADDR, "9.9.9.9", 32);
    until_gone("9.9.9.9");
}

/* The kernel takes IPv6 addresses from a link that goes down. */
static void
test_a_link_that_goes_down(void **state)
{
    (void)state;
    rtnl_addr(RTM_NEWADDR, "2a00::7", 128);
    rtnl_hear(loop, 0);
    assert_true(has("2a00::7"));
    rtnl_lo(false);
    until_gone("2a00::7");
    rtnl_lo(true);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_route_alone),
        TEST(test_other_routes),
        TEST(test_a_route_of_everything),
        TEST(test_an_address_that_is_there_twice),
        TEST(test_a_link_that_goes_down),
    };
    if (!rtnl_unshare()) {
        return 0; /* there is nothing that may be changed */
    }
    rtnl_lo(true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
