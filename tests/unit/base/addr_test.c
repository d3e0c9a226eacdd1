/* Which IPv4 addresses an IPv6 address may lead to. */

#include "base/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct {
    const char *addr;
    const char *carried; /* in order, with a blank between */
    bool is_sure;
} all[] = {
    { "64:ff9b::10.0.0.1", "10.0.0.1", true },
    { "64:ff9b::", "0.0.0.0", true },
    { "64:ff9b::1:10.0.0.1", "", false },
    { "2002:a00:1:ffff::1", "10.0.0.1", true },
    { "2001:0:808:808::f5ff:fffe", "10.0.0.1", true }, /* of the client */
    { "2001:1::f5ff:fffe", "", false },

    /* of local use, by each prefix of RFC 6052 */
    { "64:ff9b:1::10.0.0.1", "10.0.0.1", true },
    { "64:ff9b:1:abcd::10.0.0.1", "10.0.0.1 205.0.0.0 171.205.0.0", false },
    { "64:ff9b:1:0:a:0:100::", "1.0.0.0 10.0.0.1", false },
    { "64:ff9b:1:a:0:1::", "10.0.0.1", true },
    { "64:ff9b:1:a00:0:100::", "10.0.0.1", true },
    { "64:ff9b:1:0:a:0:108:808", "1.8.8.8 10.0.0.1", false },
    { "64:ff9b:1::", "0.0.0.0", true },

    { "::10.0.0.1", "10.0.0.1", false },
    { "::1", "", false },
    { "::", "", false },
    { "::ffff:0:10.0.0.1", "10.0.0.1", false },

    /* ISATAP, in whosever prefix */
    { "fe80::5efe:10.0.0.1", "10.0.0.1", false },
    { "2a00:1:2:3:0:5efe:10.0.0.1", "10.0.0.1", false },
    { "2a00:1:2:3:200:5efe:10.0.0.1", "10.0.0.1", false },
    { "2a00:1:2:3:100:5efe:10.0.0.1", "", false },
    { "2002:808:808:1:0:5efe:10.0.0.1", "8.8.8.8 10.0.0.1", false },
    { "64:ff9b:1:b0b::5efe:10.0.0.1", NULL, false }, /* as many as there are */

    { "2a00::10.0.0.1", "", false },
    { "::ffff:10.0.0.1", "", false }, /* it is that address */
    { "10.0.0.1", "", false },
};

static void
test_carried(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        struct addr a;
        struct addr_carried c;
        char text[512] = "", one[ADDR_TEXT_MAX];
        size_t n = 0;
        assert_true(addr_parse(str_of(all[i].addr), &a));
        addr_carries(&a, &c);
        for (unsigned k = 0; k < c.n; k++) {
            addr_format(&c.items[k], false, one);
            n += (size_t)snprintf(
                text + n, sizeof text - n, "%s%s", k != 0 ? " " : "", one);
        }
        if (all[i].carried == NULL) {
            assert_int_not_equal(c.n, 0);
        } else if (strcmp(text, all[i].carried) != 0) {
            fail_msg("%s carries \"%s\"", all[i].addr, text);
        }
        assert_int_equal(c.is_sure, all[i].is_sure);
    }
}

static void
why_no_range(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        { "10.0.0.5", "" },
        { "10.0.0.0/24", "" },
        { "name", "" },
        { "10.0.0.5/24", ": host bits are set, write 10.0.0.0/24 for the range "
                         "or 10.0.0.5 for the one address" },
        { "255.255.255.255/1", ": host bits are set, write 128.0.0.0/1 for the "
                               "range or 255.255.255.255 for the one address" },
        { "2001:db8::5/64", ": host bits are set, write 2001:db8::/64 for the "
                            "range or 2001:db8::5 for the one address" },
        { "::ffff:10.0.0.5/120", ": host bits are set, write 10.0.0.0/24 for "
                                 "the range or 10.0.0.5 for the one address" },
        { "10.0.0.0/33", ": the prefix behind \"/\" is a number up to 32" },
        { "10.0.0.0/", ": the prefix behind \"/\" is a number up to 32" },
        { "10.0.0.0/x", ": the prefix behind \"/\" is a number up to 32" },
        { "::/129", ": the prefix behind \"/\" is a number up to 128" },
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        char why[CIDR_REFUSAL_MAX];
        assert_string_equal(
            cidr_refusal(str_of(rows[i].text), why), rows[i].why);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(why_no_range),
        cmocka_unit_test(test_carried) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
