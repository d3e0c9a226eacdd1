/*
 * Trees from strings and from files, what include may do, and the bounds.
 */

#include "conf/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/buf.h"
#include "tmp_dir.h"

struct fixture {
    struct arena *arena;
    struct tmp_dir dir;
    struct buf shown;
    char err[512];
};

static void
show(struct buf *b, const struct directive *d)
{
    for (; d != NULL; d = d->next) {
        AN(buf_add(b, d->name.text));
        for (unsigned i = 0; i < d->n_args; i++) {
            AN(buf_addf(b, " %.*s", STR_ARG(d->args[i].text)));
        }
        AN(buf_addc(b, d->is_block ? '{' : ';'));
        if (d->is_block) {
            show(b, d->children);
            AN(buf_addc(b, '}'));
        }
    }
}

/* The tree in one line, or the error with the directory cut out. */
static const char *
shown(struct fixture *f, const struct directive *d)
{
    buf_clear(&f->shown);
    show(&f->shown, d);
    char *dir = strstr(f->err, f->dir.path);
    while (dir != NULL) {
        memmove(dir, dir + strlen(f->dir.path),
            strlen(dir + strlen(f->dir.path)) + 1);
        dir = strstr(f->err, f->dir.path);
    }
    AN(buf_addf(&f->shown, "%s%c", f->err, '\0'));
    return f->shown.p;
}

static const char *
parse(struct fixture *f, struct str text)
{
    return shown(
        f, tree_parse(f->arena, text, "t.conf", f->err, sizeof f->err));
}

static const char *
read_main(struct fixture *f)
{
    return shown(f, tree_read(f->arena, tmp_dir_path(&f->dir, "weir.conf"),
                        f->err, sizeof f->err));
}

static void
put(struct fixture *f, const char *name, const char *text)
{
    tmp_dir_write(&f->dir, name, str_of(text));
}

#define PARSES(text, expected)                                                 \
    assert_string_equal(parse(*state, STR(text)), expected)

static int
set_up(void **state)
{
    struct fixture *f = xcalloc(sizeof *f);
    f->arena = arena_new(4096);
    buf_init(&f->shown, 1 << 20);
    tmp_dir_make(&f->dir);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(f->arena);
    buf_fini(&f->shown);
    tmp_dir_remove(&f->dir);
    xfree(f);
    return 0;
}

static void
trees(void **state)
{
    PARSES("", "");
    PARSES("a;", "a;");
    PARSES("a b c { d e; f {} } g;", "a b c{d e;f{}}g;");
    PARSES("a '' {}", "a {}");
}

static void
broken_trees(void **state)
{
    PARSES("a;\n}", "unexpected \"}\" in t.conf:2");
    PARSES("a {\nb;\n",
        "unexpected end of file, expecting \"}\" of \"a\" on line 1 in "
        "t.conf:3");
    PARSES("a {\nb\n}", "unexpected \"}\" in t.conf:3");
    PARSES("a 'b", "unexpected end of file, missing terminating ' in t.conf:1");
    PARSES("a;\ninclude b;",
        "\"include\" directive is not allowed here in t.conf:2");
}

static void
deep_blocks(void **state)
{
    char text[3 * 33 + 1];
    for (int i = 0; i < 33; i++) {
        text[2 * i] = 'a';
        text[2 * i + 1] = '{';
        text[2 * 33 + i] = '}';
    }
    struct fixture *f = *state;
    assert_non_null(tree_parse(
        f->arena, str_n(text + 2, 3 * 32), "t", f->err, sizeof f->err));
    assert_null(
        tree_parse(f->arena, str_n(text, 3 * 33), "t", f->err, sizeof f->err));
    assert_string_equal(f->err, "blocks are nested over 32 deep in t:1");
}

static void
long_tokens_are_cut_in_errors(void **state)
{
    PARSES(
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaxyz {",
        "unexpected end of file, expecting \"}\" of \"aaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" on line 1 in t.conf:1");
}

static void
includes(void **state)
{
    struct fixture *f = *state;
    put(f, "weir.conf", "a;\ninclude conf.d/*.conf;\nb { include one; }\nc;");
    put(f, "conf.d/20.conf", "late;");
    put(f, "conf.d/10.conf", "early;");
    put(f, "conf.d/.30.conf", "hidden;");
    put(f, "conf.d/40.txt", "other;");
    put(f, "one", "inner { include sub/two; }");
    put(f, "sub/two", "deep;");
    assert_string_equal(read_main(f), "a;early;late;b{inner{deep;}}c;");
}

static void
include_of_nothing(void **state)
{
    struct fixture *f = *state;
    put(f, "weir.conf", "a; include none/*.conf; include n[o]ne; b;");
    assert_string_equal(read_main(f), "a;b;");
    put(f, "weir.conf", "a;\ninclude none.conf;");
    assert_string_equal(read_main(f),
        "open() \"none.conf\" failed (2: No such file or directory) in "
        "weir.conf:2");
    put(f, "weir.conf", "include a b;");
    assert_string_equal(read_main(f),
        "invalid number of arguments in \"include\" directive in weir.conf:1");
    put(f, "weir.conf", "include a { }");
    assert_string_equal(read_main(f),
        "directive \"include\" is not terminated by \";\" in weir.conf:1");
}

static void
include_absolute(void **state)
{
    struct fixture *f = *state;
    char text[600];
    put(f, "other", "x;");
    snprintf(text, sizeof text, "include %s;", tmp_dir_path(&f->dir, "other"));
    put(f, "etc/weir.conf", text);
    struct directive *d = tree_read(f->arena,
        tmp_dir_path(&f->dir, "etc/weir.conf"), f->err, sizeof f->err);
    assert_string_equal(shown(f, d), "x;");
}

static void
include_loops(void **state)
{
    struct fixture *f = *state;
    put(f, "weir.conf", "include weir.conf;");
    assert_string_equal(read_main(f),
        "\"include\" is nested over 16 deep: a loop? in weir.conf:1");
    put(f, "weir.conf", "include *;");
    put(f, "other.conf", "a;");
    assert_non_null(strstr(read_main(f), "is nested over 16 deep"));
    put(f, "other.conf", "include none*;\n include weir.conf;");
    assert_non_null(strstr(read_main(f), "is nested over 16 deep"));
}

static void
include_too_many(void **state)
{
    struct fixture *f = *state;
    put(f, "weir.conf",
        "include many; include many; include many; include many;");
    put(f, "many", "include more; include more; include more; include more;");
    put(f, "more", "include most; include most; include most; include most;");
    put(f, "most", "include last; include last; include last; include last;");
    put(f, "last", "include e; include e; include e; include e;");
    put(f, "e", "");
    assert_string_equal(
        read_main(f), "more than 1024 configuration files in weir.conf:1");
}

static void
errors_name_the_included_file(void **state)
{
    struct fixture *f = *state;
    put(f, "weir.conf", "a {\ninclude part;\n}");
    put(f, "part", "\n\nb\n}");
    assert_string_equal(read_main(f), "unexpected \"}\" in part:4");
    put(f, "part", "b;\n}");
    assert_string_equal(read_main(f), "unexpected \"}\" in part:2");
}

static void
only_regular_files(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(read_main(f),
        "open() \"weir.conf\" failed (2: No such file or directory)");
    put(f, "weir.conf", "include dir;");
    assert_int_equal(mkdir(tmp_dir_path(&f->dir, "dir"), 0700), 0);
    assert_string_equal(
        read_main(f), "\"dir\" is not a regular file in weir.conf:1");
    put(f, "weir.conf", "include fifo;");
    assert_int_equal(mkfifo(tmp_dir_path(&f->dir, "fifo"), 0600), 0);
    assert_string_equal(
        read_main(f), "\"fifo\" is not a regular file in weir.conf:1");
}

static void
files_are_kept(void **state)
{
    struct fixture *f = *state;
    struct tree_file *files;
    put(f, "weir.conf", "include b; # x\n");
    put(f, "b", "c;");
    char main_path[512];
    snprintf(
        main_path, sizeof main_path, "%s", tmp_dir_path(&f->dir, "weir.conf"));
    assert_non_null(
        tree_read_files(f->arena, main_path, &files, f->err, sizeof f->err));
    assert_string_equal(files->name.p, main_path);
    assert_string_equal(files->text.p, "include b; # x\n");
    assert_string_equal(files->next->name.p, tmp_dir_path(&f->dir, "b"));
    assert_string_equal(files->next->text.p, "c;");
    assert_null(files->next->next);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(trees),
        T(broken_trees),
        T(deep_blocks),
        T(long_tokens_are_cut_in_errors),
        T(includes),
        T(include_of_nothing),
        T(include_absolute),
        T(include_loops),
        T(include_too_many),
        T(errors_name_the_included_file),
        T(only_regular_files),
        T(files_are_kept),
    };
    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
