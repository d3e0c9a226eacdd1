/*
 * DER elements: what is written is read, and no other form is.
 */

#include "base/der.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
lengths_in_their_shortest_form(void **state)
{
    static const struct {
        size_t n, head;
    } cases[] = { { 0, 2 }, { 1, 2 }, { 0x7f, 2 }, { 0x80, 3 }, { 0xff, 3 },
        { 0x100, 4 }, { 0xffff, 4 } };
    static char content[0xffff];
    static uint8_t room[0xffff + 4];
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct der d;
        struct str body, whole, in;
        der_init(&d, room, sizeof room);
        der_put(&d, DER_OCTET_STRING, str_n(content, cases[i].n));
        in = der_since(&d, sizeof room);
        assert_int_equal(in.n, cases[i].head + cases[i].n);
        for (size_t n = 0; n < in.n && n < 8; n++) {
            struct str cut = str_n(in.p, n);
            assert_false(der_take(&cut, DER_OCTET_STRING, NULL, NULL));
        }
        assert_false(der_take(&in, DER_INTEGER, NULL, NULL));
        assert_true(der_take(&in, DER_OCTET_STRING, &body, &whole));
        assert_int_equal(body.n, cases[i].n);
        assert_int_equal(whole.n, cases[i].head + cases[i].n);
        assert_int_equal(in.n, 0);
    }
}

static void
what_is_written_first_stands_last(void **state)
{
    uint8_t room[16];
    struct der d;
    (void)state;
    der_init(&d, room, sizeof room);
    der_put(&d, DER_INTEGER, STR("\x02"));
    der_put(&d, DER_INTEGER, STR("\x01"));
    der_wrap(&d, DER_SEQUENCE, sizeof room);
    struct str all = der_since(&d, sizeof room), in, a, b;
    assert_true(str_eq(all, STR("\x30\x06\x02\x01\x01\x02\x01\x02")));
    assert_true(der_take(&all, DER_SEQUENCE, &in, NULL));
    assert_true(der_take(&in, DER_INTEGER, &a, NULL));
    assert_true(der_take(&in, DER_INTEGER, &b, NULL));
    assert_int_equal(a.p[0], 1);
    assert_int_equal(b.p[0], 2);
}

static void
forms_that_der_has_not(void **state)
{
    static const struct str bad[] = {
        { "", 0 },
        { "\x04", 1 },
        { "\x04\x80\x00\x00", 4 },     /* indefinite */
        { "\x04\x81\x01\x00", 4 },     /* not the shortest */
        { "\x04\x82\x00\x01\x00", 5 }, /* not the shortest */
        { "\x04\x83\x00\x00\x01\x00", 6 },
        { "\x04\x02\x00", 3 }, /* more than there is */
        { "\x04\xff", 2 },
    };
    (void)state;
    for (size_t i = 0; i < LEN(bad); i++) {
        struct str in = bad[i];
        assert_false(der_take(&in, DER_OCTET_STRING, NULL, NULL));
        assert_int_equal(in.n, bad[i].n);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_in_their_shortest_form),
        cmocka_unit_test(what_is_written_first_stands_last),
        cmocka_unit_test(forms_that_der_has_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
