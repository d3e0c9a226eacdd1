/*
 * What a response's Content-Encoding comes to.
 */

#include "proxy/coding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/head.h"

static enum coding
of(const char *one, const char *two)
{
    struct arena *a = arena_new(4096);
    struct head h;
    head_init(&h, a);
    head_add(&h, STR("Content-Encoding"), str_of(one));
    if (two != NULL) {
        head_add(&h, STR("content-encoding"), str_of(two));
    }
    enum coding c = coding_of(&h);
    arena_free(a);
    return c;
}

static void
codings(void **state)
{
    static const struct {
        const char *one, *two;
        enum coding want;
    } cases[] = {
        { "gzip", NULL, CODING_GZIP },
        { "X-Gzip", NULL, CODING_GZIP },
        { "deflate", NULL, CODING_DEFLATE },
        { "br", NULL, CODING_UNREAD },
        { "zstd", NULL, CODING_UNREAD },
        { "compress", NULL, CODING_UNREAD },
        { "gzip, gzip", NULL, CODING_UNREAD },
        { "gzip", "deflate", CODING_UNREAD },
        { "identity, gzip", NULL, CODING_GZIP },
        { "aws-chunked,gzip", NULL, CODING_GZIP },
        { "gzip", "aws-chunked", CODING_GZIP },
        { "none", "br", CODING_UNREAD },
        { ", ,gzip,", NULL, CODING_GZIP },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        assert_int_equal(of(cases[i].one, cases[i].two), cases[i].want);
    }
}

static void
what_is_none(void **state)
{
    static const char *const names[] = { "", " ", ",", "identity", "None",
        "aws-chunked", "AWS-Chunked", "binary", "UTF-8", "utf8", "us-ascii",
        "iso-8859-1", "windows-1252", "utf-16le", "null", "8bit",
        "aws-chunked, none" };
    static const char *const others[] = { "utf-", "aws-chunked2", "bin", "non",
        "pack200-gzip", "snappy", "gzip;q=1" };
    struct head h;
    (void)state;
    for (size_t i = 0; i < LEN(names); i++) {
        assert_int_equal(of(names[i], NULL), CODING_IDENTITY);
    }
    for (size_t i = 0; i < LEN(others); i++) {
        assert_int_equal(of(others[i], NULL), CODING_UNREAD);
    }
    head_init(&h, NULL);
    assert_int_equal(coding_of(&h), CODING_IDENTITY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codings),
        cmocka_unit_test(what_is_none),
    };
    return cmocka_run_group_tests_name("coding", tests, NULL, NULL);
}
