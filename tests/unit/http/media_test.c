/*
 * Which bodies are read as what.
 */

#include "http/media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

static void
types(void **state)
{
    static const struct {
        const char *type;
        enum media media;
    } cases[] = {
        { "application/json", MEDIA_JSON },
        { "Application/JSON", MEDIA_JSON },
        { "application/json;charset=UTF-8", MEDIA_JSON },
        { "application/json ; charset = \"utf-8\"", MEDIA_JSON },
        { "application/json; charset=us-ascii; v=1", MEDIA_JSON },
        { "application/problem+json", MEDIA_JSON },
        { "application/vnd.x.v1+JSON; a=b", MEDIA_JSON },
        { "application/x-www-form-urlencoded", MEDIA_FORM },
        { "application/x-www-form-urlencoded; charset=utf-8", MEDIA_FORM },
        { "application/json; charset=utf-16", MEDIA_OTHER },
        { "application/json; v=\"a; charset=utf-16\"", MEDIA_OTHER },
        { "application/json; charset=utf-8; charset=utf-7", MEDIA_OTHER },
        { "application/json, text/plain", MEDIA_OTHER },
        { "application/x-www-form-urlencoded; charset=utf-16", MEDIA_OTHER },
        { "application/+json", MEDIA_OTHER },
        { "application/json-seq", MEDIA_OTHER },
        { "application/x-ndjson", MEDIA_OTHER },
        { "text/json", MEDIA_OTHER },
        { "text/x+json", MEDIA_OTHER },
        { "multipart/form-data; boundary=x", MEDIA_OTHER },
        { "", MEDIA_OTHER },
        { ";", MEDIA_OTHER },
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct arena *a = arena_new(4096);
        struct head h;
        head_init(&h, a);
        assert_int_equal(media_of(&h), MEDIA_OTHER);
        head_add(&h, STR("content-type"), str_of(cases[i].type));
        if (media_of(&h) != cases[i].media) {
            fail_msg("%s", cases[i].type);
        }
        arena_free(a);
    }
}

static void
codings(void **state)
{
    struct arena *a = arena_new(4096);
    struct head h;
    (void)state;
    head_init(&h, a);
    head_add(&h, STR("Content-Type"), STR("application/json"));
    head_add(&h, STR("Content-Encoding"), STR("Identity"));
    assert_int_equal(media_of(&h), MEDIA_JSON);
    head_add(&h, STR("Content-Encoding"), STR("identity"));
    assert_int_equal(media_of(&h), MEDIA_OTHER);
    head_set(&h, STR("Content-Encoding"), STR("gzip"));
    assert_int_equal(media_of(&h), MEDIA_OTHER);
    head_set(&h, STR("Content_Encoding"), STR("br"));
    assert_int_equal(media_of(&h), MEDIA_OTHER);
    head_remove(&h, STR("Content-Encoding"));
    assert_int_equal(media_of(&h), MEDIA_JSON);
    head_add(&h, STR("Content_Type"), STR("application/json"));
    assert_int_equal(media_of(&h), MEDIA_OTHER);
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),
        cmocka_unit_test(codings),
    };
    return cmocka_run_group_tests_name("media", tests, NULL, NULL);
}
