/*
 * Which values of a form are named, to the byte, and what is refused.
 */

#include "http/form_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* "|" ends each value, "!" is where it is bad. */
static void
assert_named(const char *text, const char *want)
{
    static const struct str names[] = { { "k", 1 }, { "a b", 3 },
        { "\xc3\xa9", 2 }, { "/x", 2 } };
    struct form_scan f;
    char got[256];
    size_t n = 0;
    bool is_bad = false;
    form_scan_init(&f, names, LEN(names));
    for (size_t i = 0; text[i] != '\0'; i++) {
        size_t plain = form_scan_plain(&f, str_of(text + i));
        enum scan r = form_scan_byte(&f, (unsigned char)text[i]);
        assert_true(plain == 0 || r == SCAN_PASS);
        if (r == SCAN_CHAR) {
            got[n++] = f.c == SCAN_OTHER ? '?' : (char)f.c;
        } else if (r == SCAN_END || (r == SCAN_BAD && !is_bad)) {
            got[n++] = r == SCAN_END ? '|' : '!';
        }
        is_bad = r == SCAN_BAD;
    }
    assert_int_equal(form_scan_is_done(&f), !is_bad && f.digits < 0);
    if (!str_eq(str_n(got, n), str_of(want))) {
        fail_msg("%s: %.*s", text, (int)n, got);
    }
}

static void
values(void **state)
{
    (void)state;
    assert_named("", "");
    assert_named("k=v", "v");
    assert_named("k=v&", "v|");
    assert_named("a=x&k=v&b=y", "v|");
    assert_named("&&k=v&&k=w&", "v|w|");
    assert_named("k=&k", "|");
    assert_named("k&kk=x&K=x&=x&k =x&+k=x", "");
    assert_named("x=k&k", "");
    assert_named("%6b=v", "v");
    assert_named("a+b=v&a%20b=w&a b=u", "v|w|u");
    assert_named("%C3%A9=v&\xc3\xa9=w&%c3=x", "v|w|");
    assert_named("/x=v&%2Fx=w", "v|w");
    assert_named("k=a=b", "a=b");
    assert_named("k=%41%2b+%2D/\xff%80", "A+ -/??");
    assert_named("k%00=x&k=%26", "&");
    assert_named("k=v;k=x&k=w", "v|w");
    assert_named("k=v%3Bw", "v;w");
    assert_named("a=b;k=x&c", "");
}

static void
refused(void **state)
{
    (void)state;
    assert_named("k=a%4g&k=x", "a!");
    assert_named("k=%&k=x", "!");
    assert_named("k=%%41", "!");
    assert_named("%zz=a&k=x", "!");
    assert_named("a=%z&k=x", "!");
    assert_named("k=a%", "a");
    assert_named("k=a%4", "a");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("form_scan", tests, NULL, NULL);
}
