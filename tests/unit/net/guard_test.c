/* Which addresses may be dialled, in which forms, and what opens them. */

#include "net/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "rtnl.h"

static struct loop *loop;
static struct guard *guard;
static bool has_own_net;

static const struct guard_policy closed;

static int
setup(void **state)
{
    (void)state;
    loop = loop_new();
    guard = guard_new(loop);
    return guard != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    guard_free(guard);
    loop_free(loop);
    return 0;
}

static struct addr
addr_of(const char *text)
{
    struct addr a;
    if (!addr_parse_port(str_of(text), 443, &a)) {
        fail_msg("no address: %s", text);
    }
    return a;
}

static bool
allows(const struct guard_policy *p, const char *text, const char **why)
{
    struct addr a = addr_of(text);
    *why = NULL;
    bool ok = guard_allows(guard, &a, p, why);
    assert_true(ok || *why != NULL);
    return ok;
}

static void
assert_allowed(const struct guard_policy *p, const char *text)
{
    const char *why;
    if (!allows(p, text, &why)) {
        fail_msg("%s is refused: %s", text, why);
    }
}

static void
assert_refused(const struct guard_policy *p, const char *text, const char *want)
{
    const char *why;
    if (allows(p, text, &why)) {
        fail_msg("%s is allowed", text);
    }
    assert_string_equal(why, want);
}

/* A policy that opens ranges; "a b c". */
static struct guard_policy
opens(const char *ranges)
{
    static struct cidr items[16];
    struct guard_policy p = { .allow = items };
    struct str rest = str_of(ranges), part;
    while (str_cut(&rest, ' ', &part)) {
        assert_true(cidr_parse(part, &items[p.n_allow++]));
    }
    return p;
}

static void
test_the_internet(void **state)
{
    static const char *const all[] = { "1.1.1.1", "8.8.8.8", "9.255.255.255",
        "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255",
        "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.167.255.255",
        "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255",
        "203.0.114.0", "223.255.255.255", "168.63.129.17",
        "2606:4700:4700::1111", "2001:200::1", "2001:4860:4860::8888",
        "2003::1", "2620:4f:8001::1", "2a00::1", "[::ffff:1.1.1.1]:80" };
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        assert_allowed(&closed, all[i]);
    }
}

/* proxy_pass: an internal address is the purpose. */
static void
test_a_service_of_ones_own(void **state)
{
    struct guard_policy p = { .is_own_service = true };
    struct cidr denied;
    struct addr a = { .family = ADDR_UNIX };
    const char *why;
    (void)state;
    assert_allowed(&p, "10.0.0.1");
    assert_allowed(&p, "127.0.0.1");
    assert_allowed(&p, "169.254.169.254");
    assert_allowed(&p, "64:ff9b::a00:1");
    assert_true(guard_allows(guard, &a, &p, &why));
    assert_false(guard_allows(guard, &a, &closed, &why));
    assert_string_equal(why, "a unix socket");
    assert_true(cidr_parse(STR("10.0.0.0/8"), &denied));
    p.deny[1].items = &denied;
    p.deny[1].n = 1;
    assert_refused(&p, "10.0.0.1", "denied_hosts");
    assert_refused(&p, "64:ff9b::a00:1", "denied_hosts");
    assert_allowed(&p, "172.16.0.1");
    p.is_loopback_only = true;
    assert_allowed(&p, "127.9.9.9");
    assert_allowed(&p, "::1");
    assert_true(guard_allows(guard, &a, &p, &why));
    assert_refused(
        &p, "172.16.0.1", "a secret would leave this host without TLS");
    assert_refused(&p, "1.1.1.1", "a secret would leave this host without TLS");
    assert_true(addr_parse_port(STR("127.0.0.1:7"), 0, &a));
    guard_add_listener(guard, &a);
    assert_refused(&p, "127.0.0.1:7", "weir's own listener");
    assert_allowed(&p, "127.0.0.1:8");
}

static const struct {
    const char *first, *last, *why;
} ranges[] = {
    { "0.0.0.0", "0.0.0.0", "this host" },
    { "0.0.0.1", "0.255.255.255", "this network" },
    { "10.0.0.0", "10.255.255.255", "private" },
    { "100.64.0.0", "100.127.255.255", "carrier-grade NAT" },
    { "100.100.100.200", "100.100.100.200", "metadata service" },
    { "127.0.0.0", "127.255.255.255", "loopback" },
    { "168.63.129.16", "168.63.129.16", "metadata service" },
    { "169.254.0.0", "169.254.255.255", "link-local" },
    { "169.254.169.254", "169.254.169.254", "metadata service" },
    { "169.254.170.2", "169.254.170.2", "metadata service" },
    { "172.16.0.0", "172.31.255.255", "private" },
    { "192.0.0.0", "192.0.0.255", "IETF protocol assignments" },
    { "192.0.0.192", "192.0.0.192", "metadata service" },
    { "192.0.2.0", "192.0.2.255", "documentation" },
    { "192.88.99.0", "192.88.99.255", "6to4 relay" },
    { "192.168.0.0", "192.168.255.255", "private" },
    { "198.18.0.0", "198.19.255.255", "benchmarking" },
    { "198.51.100.0", "198.51.100.255", "documentation" },
    { "203.0.113.0", "203.0.113.255", "documentation" },
    { "224.0.0.0", "239.255.255.255", "multicast" },
    { "240.0.0.0", "255.255.255.255", "reserved" },
};

static void
test_ranges_of_ipv4(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(ranges); i++) {
        assert_refused(&closed, ranges[i].first, ranges[i].why);
        assert_refused(&closed, ranges[i].last, ranges[i].why);
    }
}

static void
test_ranges_of_ipv6(void **state)
{
    static const struct {
        const char *addr, *why;
    } all[] = {
        { "::", "this host" },
        { "::1", "loopback" },
        { "::2", "IPv4-compatible" },
        { "::8.8.8.8", "IPv4-compatible" },
        { "64:ff9b::8.8.8.8", "NAT64" },
        { "64:ff9b:1::8.8.8.8", "NAT64" },
        { "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "NAT64" },
        { "100::1", "discard" },
        { "2001::1", "IETF protocol assignments" },
        { "2001:1ff:ffff::1", "IETF protocol assignments" },
        { "2001:db8::1", "documentation" },
        { "2002:808:808::1", "6to4" },
        { "3fff::1", "documentation" },
        { "5f00::1", "segment routing" },
        { "fc00::1", "private" },
        { "fdff:ffff::1", "private" },
        { "fd00:ec2::254", "metadata service" },
        { "fe80::1", "link-local" },
        { "febf::1", "link-local" },
        { "fec0::1", "site-local" },
        { "ff02::1", "multicast" },
        { "1::1", "reserved" },
        { "::ffff:0:7f00:1", "reserved" },
        { "1fff::1", "reserved" },
        { "4000::1", "reserved" },
        { "8000::1", "reserved" },
        { "fe00::1", "reserved" },
    };
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        assert_refused(&closed, all[i].addr, all[i].why);
    }
}

/* The address inside counts even where the form itself was opened. */
static void
test_carried_addresses(void **state)
{
    static const struct {
        const char *addr, *why;
    } all[] = {
        { "64:ff9b::127.0.0.1", "loopback" },
        { "64:ff9b::169.254.169.254", "metadata service" },
        { "64:ff9b:1::10.0.0.1", "private" },
        { "2002:7f00:1::", "loopback" },
        { "2002:a00:1::1", "private" },
        { "2002:a9fe:a9fe::1", "metadata service" },
        { "2001:0:808:808::f5ff:fffe", "private" },          /* 10.0.0.1 */
        { "2001:0:808:808::80ff:fffe", "loopback" },         /* 127.0.0.1 */
        { "2001:0:808:808::5601:5601", "metadata service" }, /* AWS's */
        { "64:ff9b:1:a00:0:100::", "private" }, /* cut at 48 bits */
        { "64:ff9b:1:a:0:1::", "private" },
        { "64:ff9b:1:0:a:0:108:808", "private" },
        { "::127.0.0.1", "loopback" },
        { "::10.0.0.1", "private" },
        { "::ffff:0:169.254.169.254", "metadata service" },
        { "2a00::5efe:10.0.0.1", "private" }, /* ISATAP, of the Internet */
        { "2a00::200:5efe:127.0.0.1", "loopback" },
        { "2002:808:808::5efe:169.254.170.23", "metadata service" },
    };
    (void)state;
    struct guard_policy p = opens("64:ff9b::/96 64:ff9b:1::/48 2002::/16 "
                                  "2001::/23 ::/96 ::ffff:0:0:0/96");
    for (size_t i = 0; i < LEN(all); i++) {
        assert_refused(&p, all[i].addr, all[i].why);
    }
    assert_allowed(&p, "64:ff9b::8.8.8.8");
    assert_allowed(&p, "64:ff9b:1::8.8.8.8");
    assert_allowed(&p, "64:ff9b:1:808:8:800::");
    assert_allowed(&p, "2002:808:808::1");
    assert_allowed(&p, "2a00::5efe:8.8.8.8");
    assert_refused(&p, "::ffff:10.0.0.1", "private");
    p = opens("10.0.0.0/8");
    assert_refused(&p, "64:ff9b::10.0.0.1", "NAT64");
    p = opens("10.0.0.0/8 64:ff9b::/96");
    assert_allowed(&p, "64:ff9b::10.0.0.1");
    assert_refused(&p, "64:ff9b::127.0.0.1", "loopback");
}

static void
test_what_opens(void **state)
{
    (void)state;
    struct guard_policy p = opens("10.1.0.0/16 192.168.1.1 fd00::/8");
    assert_allowed(&p, "10.1.255.255");
    assert_allowed(&p, "::ffff:10.1.0.1");
    assert_refused(&p, "10.2.0.0", "private");
    assert_allowed(&p, "192.168.1.1");
    assert_refused(&p, "192.168.1.2", "private");
    assert_allowed(&p, "fd00:1::1");
    assert_refused(&p, "fc00::1", "private");
}

static bool
on_is_sandbox(const void *arg, const struct addr *a)
{
    return cidr_contains(arg, a);
}

/* Another's port is not the Internet, in whatever range it lies. */
static void
test_addresses_of_sandboxes(void **state)
{
    (void)state;
    struct cidr range;
    struct guard_sandboxes s = { on_is_sandbox, &range };
    const char *why = "a sandbox's";
    struct guard_policy p = opens("10.0.0.0/8 64:ff9b::/96 10.1.9.9 "
                                  "2002::/16");
    assert_true(cidr_parse(STR("10.1.0.0/16"), &range));
    assert_allowed(&p, "10.1.0.8");
    guard_set_sandboxes(guard, &s);
    assert_refused(&p, "10.1.0.8", why);
    assert_refused(&p, "::ffff:10.1.0.8", why);
    assert_refused(&p, "64:ff9b::10.1.0.8", why);
    assert_refused(&p, "2a00::5efe:10.1.0.8", why);
    assert_refused(&p, "2002:a01:8::1", why);
    assert_allowed(&p, "10.2.0.8");
    assert_allowed(&p, "10.1.9.9"); /* an entry of one address */
    assert_true(cidr_parse(STR("2a01:4f8::8"), &range));
    assert_refused(&closed, "2a01:4f8::8", why); /* of the Internet */
    assert_allowed(&closed, "2a01:4f8::9");
    p.is_own_service = true;
    assert_allowed(&p, "2a01:4f8::8");
}

/* Where the clouds hand out credentials: by a table of its own, so that one
 * that is gone from the guard's is missed. A range that somebody opens for
 * another service beside it does not open it, in no form. */
static void
test_services_of_clouds(void **state)
{
    static const struct {
        const char *addr, *range;
    } all[] = {
        { "169.254.169.254", "169.254.0.0/16" },
        { "169.254.170.2", "169.254.170.0/24" },
        { "169.254.170.23", "169.254.170.0/24" },
        { "169.254.169.252", "169.254.169.252/31" },
        { "169.254.0.23", "169.254.0.0/24" },
        { "169.254.10.10", "169.254.0.0/16" },
        { "169.254.42.42", "169.254.42.0/24" },
        { "100.100.100.200", "100.64.0.0/10" },
        { "100.96.0.96", "100.64.0.0/10" },
        { "100.80.80.80", "100.80.80.0/24" },
        { "168.63.129.16", "168.63.129.16/31" },
        { "192.0.0.192", "192.0.0.0/24" },
        { "fd00:ec2::254", "fd00:ec2::/32" },
        { "fd00:ec2::23", "fd00:ec2::/32" },
        { "fd20:ce::254", "fd20::/16" },
        { "fd00:c1::a9fe:a9fe", "fd00::/8" },
        { "fd00:100::100:200", "fc00::/7" },
        { "fd00:a9fe:a9fe::1", "fd00:a9fe:a9fe::/64" },
        { "fd00:42::42", "fd00:42::/32" },
        { "fe80::a9fe:a9fe", "fe80::/10" },
    };
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        struct addr a = addr_of(all[i].addr), other = a;
        struct guard_policy p = opens(all[i].range);
        const char *why;
        assert_refused(&closed, all[i].addr, "metadata service");
        assert_refused(&p, all[i].addr, "metadata service");
        other.ip[a.family == 4 ? 3 : 15] ^= 1; /* its neighbour is opened */
        assert_true(guard_allows(guard, &other, &p, &why));
        p = opens(all[i].addr);
        assert_allowed(&p, all[i].addr);
    }
}

/* Loopback and metadata services are not opened by a range. */
static void
test_what_only_a_single_address_opens(void **state)
{
    static const char *const exact[] = { "127.0.0.1", "169.254.169.254",
        "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "0.0.0.0", "::", "::1", "fd00:ec2::254" };
    (void)state;
    struct guard_policy p = opens("0.0.0.0/0 ::/0");
    for (size_t i = 0; i < LEN(exact); i++) {
        const char *why;
        assert_false(allows(&p, exact[i], &why));
    }
    assert_allowed(&p, "10.0.0.1");
    assert_allowed(&p, "169.254.169.253");
    p = opens("127.0.0.0/31 169.254.169.254/31");
    assert_refused(&p, "127.0.0.1", "loopback");
    assert_refused(&p, "169.254.169.254", "metadata service");
    p = opens("127.0.0.1/32 169.254.169.254 ::ffff:127.0.0.3/128");
    assert_allowed(&p, "127.0.0.1");
    assert_allowed(&p, "127.0.0.3");
    assert_refused(&p, "127.0.0.2", "loopback");
    assert_allowed(&p, "169.254.169.254");
}

static void
test_denied_ranges(void **state)
{
    (void)state;
    struct cidr one, two;
    assert_true(cidr_parse(STR("8.8.0.0/16"), &one));
    assert_true(cidr_parse(STR("2a00::/16"), &two));
    struct guard_policy p = opens("8.8.8.8/32 64:ff9b::/96");
    p.deny[0].items = &one;
    p.deny[0].n = 1;
    p.deny[1].items = &two;
    p.deny[1].n = 1;
    assert_refused(&p, "8.8.8.8", "denied_hosts"); /* opened all the same */
    assert_refused(&p, "64:ff9b::8.8.8.8", "denied_hosts");
    assert_refused(&p, "2a00:1::1", "denied_hosts");
    assert_allowed(&p, "8.9.0.0");
}

/* Of a block's rules the first that holds the address. What an `allow` holds
 * is not opened by it. */
static void
test_rules_of_a_block(void **state)
{
    (void)state;
    struct cidr c[3];
    assert_true(cidr_parse(STR("8.8.8.0/24"), &c[0]));
    assert_true(cidr_parse(STR("8.8.0.0/16"), &c[1]));
    assert_true(cidr_parse(STR("10.0.0.0/8"), &c[2]));
    struct guard_rule rules[] = { { &c[0], 1, true }, { &c[1], 2, false },
        { &c[2], 1, true } };
    struct guard_policy p = opens("10.1.0.0/16 64:ff9b::/96");
    p.rules = rules;
    p.n_rules = LEN(rules);
    assert_allowed(&p, "8.8.8.8");
    assert_allowed(&p, "64:ff9b::8.8.8.8");
    assert_refused(&p, "8.8.9.8", "deny");
    assert_refused(&p, "64:ff9b::8.8.9.8", "deny");
    assert_refused(&p, "10.1.0.1", "deny");
    assert_allowed(&p, "9.9.9.9");
    p.is_own_service = true;
    assert_refused(&p, "10.1.0.1", "deny");
    p.is_own_service = false;
    rules[0].items = &c[2];
    assert_refused(&p, "10.2.0.1", "private");
}

static void
test_listeners_are_never_opened(void **state)
{
    (void)state;
    struct guard_policy p = opens("127.0.0.1 127.0.0.2 10.0.0.1 ::1 0.0.0.0 "
                                  ":: 64:ff9b::/96");
    struct addr a = addr_of("127.0.0.1:3128"), b = addr_of("10.0.0.1:3129");
    assert_allowed(&p, "127.0.0.1:3128");
    guard_add_listener(guard, &a);
    guard_add_listener(guard, &b);
    const char *why = "weir's own listener";
    assert_refused(&p, "127.0.0.1:3128", why);
    assert_refused(&p, "[::ffff:127.0.0.1]:3128", why);
    assert_refused(&p, "0.0.0.0:3128", why);
    assert_refused(&p, "[::]:3128", why);
    assert_refused(&p, "10.0.0.1:3129", why);
    assert_refused(&p, "[64:ff9b::a00:1]:3129", why);
    assert_allowed(&p, "127.0.0.2:3128");
    assert_allowed(&p, "127.0.0.1:3127");
    assert_allowed(&p, "10.0.0.1:3128");
}

static void
test_a_wildcard_listener(void **state)
{
    (void)state;
    struct guard_policy p = opens("127.0.0.1 127.0.0.2 10.0.0.1 ::1 0.0.0.0 "
                                  "::");
    struct addr a = addr_of("0.0.0.0:3128"), b = addr_of("[::]:3129");
    const char *why = "weir's own listener";
    guard_add_listener(guard, &a);
    guard_add_listener(guard, &b);
    assert_refused(&p, "127.0.0.1:3128", why);
    assert_refused(&p, "127.0.0.2:3128", why);
    assert_refused(&p, "0.0.0.0:3128", why);
    assert_refused(&p, "[::1]:3129", why);
    assert_refused(&p, "[::]:3129", why);
    assert_refused(&p, "127.0.0.1:3129", why); /* one socket for both */
    assert_allowed(&p, "10.0.0.1:3128");
    assert_allowed(&p, "127.0.0.1:3130");
}

static void
test_addresses_that_come_and_go(void **state)
{
    (void)state;
    if (!has_own_net) {
        skip();
    }
    assert_allowed(&closed, "8.8.8.8");
    rtnl_addr(RTM_NEWADDR, "8.8.8.8", 24);
    rtnl_hear(loop, 0);
    struct guard_policy p = opens("0.0.0.0/0");
    assert_refused(&p, "8.8.8.8", "this host");
    p = opens("8.8.8.8");
    assert_allowed(&p, "8.8.8.8");
    p = opens("64:ff9b::/96");
    assert_refused(&p, "64:ff9b::8.8.8.8", "this host");
    rtnl_addr(RTM_DELADDR, "8.8.8.8", 24);
}

/* A route of everything takes no address out of the Internet, but weir's own
 * wildcard listener is behind each. */
static void
test_what_a_route_takes_in(void **state)
{
    (void)state;
    if (!has_own_net) {
        skip();
    }
    struct addr a = addr_of("0.0.0.0:3128");
    struct guard_policy p = opens("0.0.0.0/0");
    guard_add_listener(guard, &a);
    assert_allowed(&p, "9.9.9.9:3128");
    rtnl_lo(true);
    rtnl_route(RTM_NEWROUTE, "9.9.9.0/24", RT_TABLE_LOCAL, RTN_LOCAL);
    rtnl_route(RTM_NEWROUTE, "0.0.0.0/0", RT_TABLE_LOCAL, RTN_LOCAL);
    rtnl_hear(loop, 0);
    assert_refused(&p, "9.9.9.9:3129", "this host");
    assert_refused(&p, "9.9.8.9:3128", "weir's own listener");
    assert_allowed(&p, "9.9.8.9:3129");
    p = opens("9.9.9.9");
    assert_allowed(&p, "9.9.9.9:3129");
    rtnl_lo(false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_internet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges_of_ipv4, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges_of_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_carried_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_opens, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_addresses_of_sandboxes, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_services_of_clouds, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_what_only_a_single_address_opens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_denied_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rules_of_a_block, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_service_of_ones_own, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_listeners_are_never_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_wildcard_listener, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_addresses_that_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_what_a_route_takes_in, setup, teardown),
    };
    has_own_net = rtnl_unshare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
