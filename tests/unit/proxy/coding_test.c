/*
 * What a response's Content-Encoding comes to, by the modules that read
 * codings.
 */

#include "proxy/coding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/head.h"
#include "proxy/hook.h"

#define NOT_READ "not read"
#define NONE "none"

/* The first name of the coding that is read. */
static const char *
of(const char *one, const char *two)
{
    const struct transcoder *t;
    struct arena *a = arena_new(4096);
    struct head h;
    head_init(&h, a);
    head_add(&h, STR("Content-Encoding"), str_of(one));
    if (two != NULL) {
        head_add(&h, STR("content-encoding"), str_of(two));
    }
    bool is_read = coding_of(&h, &t);
    arena_free(a);
    assert_true(is_read || t == NULL);
    return !is_read ? NOT_READ : t != NULL ? t->names[0] : NONE;
}

static int
all_modules(void **state)
{
    (void)state;
    hooks_init(modules, modules_count);
    return 0;
}

static int
no_module(void **state)
{
    (void)state;
    hooks_init(NULL, 0);
    return 0;
}

static void
codings(void **state)
{
    static const struct {
        const char *one, *two, *want;
    } cases[] = {
        { "gzip", NULL, "gzip" },
        { "X-Gzip", NULL, "gzip" },
        { "deflate", NULL, "deflate" },
        { "DEFLATE", NULL, "deflate" },
        { "br", NULL, NOT_READ },
        { "zstd", NULL, NOT_READ },
        { "compress", NULL, NOT_READ },
        { "gzip, gzip", NULL, NOT_READ },
        { "gzip", "deflate", NOT_READ },
        { "gzip", "br", NOT_READ },
        { "br", "gzip", NOT_READ },
        { "identity, gzip", NULL, "gzip" },
        { "aws-chunked,gzip", NULL, "gzip" },
        { "gzip", "aws-chunked", "gzip" },
        { "none", "br", NOT_READ },
        { ", ,gzip,", NULL, "gzip" },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        assert_string_equal(of(cases[i].one, cases[i].two), cases[i].want);
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
    const struct transcoder *t;
    struct head h;
    (void)state;
    for (size_t i = 0; i < LEN(names); i++) {
        assert_string_equal(of(names[i], NULL), NONE);
    }
    for (size_t i = 0; i < LEN(others); i++) {
        assert_string_equal(of(others[i], NULL), NOT_READ);
    }
    head_init(&h, NULL);
    assert_true(coding_of(&h, &t));
    assert_null(t);
}

/* A build without modules reads none. */
static void
without_a_module(void **state)
{
    (void)state;
    assert_string_equal(of("gzip", NULL), NOT_READ);
    assert_string_equal(of("deflate", NULL), NOT_READ);
    assert_string_equal(of("identity", NULL), NONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(codings, all_modules),
        cmocka_unit_test_setup(what_is_none, all_modules),
        cmocka_unit_test_setup(without_a_module, no_module),
    };
    return cmocka_run_group_tests_name("coding", tests, NULL, NULL);
}
