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
        { "application/json; charset=utf8", MEDIA_JSON },
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

static bool
is_text(const char *one, const char *two)
{
    struct arena *a = arena_new(4096);
    struct head h;
    head_init(&h, a);
    head_add(&h, STR("Content-Type"), str_of(one));
    if (two != NULL) {
        head_add(&h, STR("Content-Type"), str_of(two));
    }
    bool result = media_is_text(&h);
    arena_free(a);
    return result;
}

static void
text(void **state)
{
    static const char *const text[] = { "text/plain", "TEXT/HTML; charset=x",
        "text/event-stream", "text/x-anything", "multipart/byteranges; b=1",
        "multipart/form-data", "message/http", "application/json",
        "application/json;a=b", "application/problem+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/x-amz-json-1.1", "application/x-ndjson",
        "application/json-seq", "application/jsonl", "application/xml",
        "application/xhtml+xml", "application/xml-dtd", "image/svg+xml",
        "application/javascript", "application/x-javascript",
        "application/x-www-form-urlencoded", "application/yaml",
        "application/x-yaml", "application/graphql-response+json", "", " ",
        ";charset=utf-8", "json", "/json", "text", "x/", "/",
        "image/png, text/plain", "a/b,text/plain" };
    static const char *const other[] = { "application/octet-stream",
        "binary/octet-stream", "application/zip", "application/gzip",
        "application/x-gzip", "application/x-tar", "image/png", "video/mp4",
        "audio/ogg", "font/woff2", "application/pdf", "application/wasm",
        "application/x-git-upload-pack-result", "application/java-archive",
        ("application/vnd.openxmlformats-officedocument.wordprocessingml"
         ".document"),
        "application/vnd.oasis.opendocument.text",
        "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/grpc",
        "application/x-protobuf", "a/b; text/plain", "image/png, a/b" };
    (void)state;
    for (size_t i = 0; i < LEN(text); i++) {
        if (!is_text(text[i], NULL)) {
            fail_msg("\"%s\" is text", text[i]);
        }
    }
    for (size_t i = 0; i < LEN(other); i++) {
        if (is_text(other[i], NULL)) {
            fail_msg("\"%s\" is no text", other[i]);
        }
    }
    assert_true(is_text("image/png", "text/plain"));
    assert_true(is_text("text/plain", "image/png"));
    assert_false(is_text("image/png", "image/gif"));
    struct arena *a = arena_new(4096);
    struct head h;
    head_init(&h, a);
    assert_true(media_is_text(&h));
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),
        cmocka_unit_test(codings),
        cmocka_unit_test(text),
    };
    return cmocka_run_group_tests_name("media", tests, NULL, NULL);
}
