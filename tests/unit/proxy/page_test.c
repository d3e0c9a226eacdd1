/*
 * Error pages: which file answers which status.
 */

#include "proxy/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../conf/tmp_dir.h"
#include "../os/fds.h"

#include <cmocka.h>

struct fixture {
    struct tmp_dir dir;
    struct arena *arena;
    char err[256];
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    tmp_dir_make(&f->dir);
    f->arena = arena_new(4096);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(f->arena);
    tmp_dir_remove(&f->dir);
    free(f);
    return 0;
}

static struct pages *
read_pages(struct fixture *f)
{
    unsigned fds = fds_open();
    struct pages *p =
        pages_read(f->arena, str_of(f->dir.path), f->err, sizeof f->err);
    assert_int_equal(fds_open(), fds);
    return p;
}

static bool
page_is(const struct pages *p, unsigned status, const char *text)
{
    return str_eq(page_get(p, status), str_of(text));
}

static void
test_no_pages(void **state)
{
    struct fixture *f = *state;
    struct pages *p = read_pages(f);
    assert_int_equal(page_get(p, 403).n, 0);
    assert_int_equal(page_get(NULL, 403).n, 0);
    p = pages_read(f->arena, STR("/nowhere"), f->err, sizeof f->err);
    assert_int_equal(page_get(p, 403).n, 0);
    p = pages_read(f->arena, STR("/dev/null"), f->err, sizeof f->err);
    assert_int_equal(page_get(p, 403).n, 0);
}

static void
test_which_page(void **state)
{
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, "403.html", STR("forbidden"));
    tmp_dir_write(&f->dir, "502.html", STR(""));
    struct pages *p = read_pages(f);
    assert_true(page_is(p, 403, "forbidden"));
    assert_int_equal(page_get(p, 404).n, 0);
    tmp_dir_write(&f->dir, "error.html", STR("any"));
    p = read_pages(f);
    assert_true(page_is(p, 403, "forbidden"));
    assert_true(page_is(p, 502, "any"));
    assert_true(page_is(p, 404, "any"));
}

static void
test_sizes(void **state)
{
    static char text[64 * 1024 + 1];
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, "421.html", str_n(text, sizeof text - 1));
    struct pages *p = read_pages(f);
    assert_int_equal(page_get(p, 421).n, sizeof text - 1);
    tmp_dir_write(&f->dir, "421.html", str_n(text, sizeof text));
    assert_null(read_pages(f));
    assert_non_null(strstr(f->err, "cannot read the page \""));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_pages),
        TEST(test_which_page),
        TEST(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
