/*
 * nginx's rules for words, and the place that each token is given.
 */

#include "conf/lex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct fixture {
    struct arena *arena;
    struct lexer lexer;
    char shown[512];
};

/* All items of a text in one line: words in <>, the punctuation as it is, an
 * error as "!message". */
static const char *
lex_all(struct fixture *f, struct str text)
{
    struct token t;
    size_t n = 0;
    enum lex what;
    f->shown[0] = '\0';
    lex_init(&f->lexer, f->arena, text, "t.conf");
    do {
        what = lex_next(&f->lexer, &t);
        const char *mark = what == LEX_END     ? ";"
                           : what == LEX_OPEN  ? "{"
                           : what == LEX_CLOSE ? "}"
                           : what == LEX_ERROR ? "!"
                                               : "";
        n += (size_t)snprintf(f->shown + n, sizeof f->shown - n, "%s", mark);
        if (what == LEX_WORD) {
            n += (size_t)snprintf(
                f->shown + n, sizeof f->shown - n, "<%.*s>", STR_ARG(t.text));
            assert_int_equal(t.text.p[t.text.n], '\0');
        }
    } while (what != LEX_EOF && what != LEX_ERROR);
    if (what == LEX_ERROR) {
        snprintf(f->shown + n, sizeof f->shown - n, "%s on %u:%u",
            f->lexer.message, t.line, t.column);
    }
    return f->shown;
}

#define LEXES(text, expected)                                                  \
    assert_string_equal(lex_all(*state, STR(text)), expected)

static int
set_up(void **state)
{
    struct fixture *f = xcalloc(sizeof *f);
    f->arena = arena_new(4096);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(f->arena);
    xfree(f);
    return 0;
}

static void
words_and_punctuation(void **state)
{
    LEXES("", "");
    LEXES(" \t\r\n", "");
    LEXES("a b\tc\r\nd;", "<a><b><c><d>;");
    LEXES("a{b;}", "<a>{<b>;}");
    LEXES("a;b;", "<a>;<b>;");
    LEXES("a b}c;", "<a><b}c>;");
    LEXES("\xef\xbb\xbf"
          "a;",
        "<a>;");
}

static void
comments(void **state)
{
    LEXES("# all of it { ; }\na;", "<a>;");
    LEXES("a # b\n c;", "<a><c>;");
    LEXES("a b#c;", "<a><b#c>;");
    LEXES("a '#';# end", "<a><#>;");
    LEXES("# a # b", "");
}

static void
quotes(void **state)
{
    LEXES("a \"b c;{}\" 'd \"e';", "<a><b c;{}><d \"e>;");
    LEXES("a \"\" '';", "<a><><>;");
    LEXES("a \"b\nc\";", "<a><b\nc>;");
    LEXES("a b'c'd;", "<a><b'c'd>;");
    LEXES("\"a\"{", "<a>{");
    LEXES("a 'b');", "<a><b><)>;");
    LEXES("a 'b'c;", "<a><b>!unexpected \"c\" on 1:6");
    LEXES("a 'b'}", "<a><b>!unexpected \"}\" on 1:6");
    LEXES(
        "a 'b\n;", "<a>!unexpected end of file, missing terminating ' on 1:3");
}

static void
escapes(void **state)
{
    LEXES("a \"\\\"\\\\\\t\\r\\n\";", "<a><\"\\\t\r\n>;");
    LEXES("a b\\ c\\;d;", "<a><b\\ c\\;d>;");
    LEXES("a \\;;", "<a><\\;>;");
    LEXES("a \\\"b;", "<a><\"b>;");
    LEXES("a 'it\\'s';", "<a><it's>;");
    LEXES("a 'b\\.c\\d';", "<a><b\\.c\\d>;");
    LEXES("a \\\\;", "<a><\\>;");
}

static void
variables_and_regexes(void **state)
{
    LEXES("a ${b}c;", "<a><${b}c>;");
    LEXES("a x${b} y$ {", "<a><x${b}><y$>{");
    LEXES("host ~ (?<tenant>[a-z0-9-]+)\\.vcs\\.example {",
        "<host><~><(?<tenant>[a-z0-9-]+)\\.vcs\\.example>{");
    LEXES("host ~ ^a\\d{2,3}$ {", "<host><~><^a\\d>{<2,3}$>{");
    LEXES("host ~ \"^a\\d{2,3}$\" {", "<host><~><^a\\d{2,3}$>{");
}

static void
misplaced(void **state)
{
    LEXES(";", "!unexpected \";\" on 1:1");
    LEXES("a;\n  {", "<a>;!unexpected \"{\" on 2:3");
    LEXES("a }", "<a>!unexpected \"}\" on 1:3");
    LEXES("a b", "<a>!unexpected end of file, expecting \";\" or \"}\" on 1:3");
    LEXES("a b ",
        "<a><b>!unexpected end of file, expecting \";\" or \"}\" on 1:5");
}

static void
nul_bytes(void **state)
{
    LEXES("a b\0c;", "<a>!a NUL byte on 1:3");
    LEXES("a \0;", "<a>!a NUL byte on 1:3");
    LEXES("\0", "!a NUL byte on 1:1");
    LEXES("# a\0b\na;", "!a NUL byte on 1:4");
    LEXES("a 'b\\\0';", "<a>!a NUL byte on 1:3");
}

static void
long_words(void **state)
{
    static char text[LEX_WORD_MAX + 8];
    memset(text, 'x', sizeof text);
    text[0] = '\'';
    text[LEX_WORD_MAX + 1] = '\'';
    text[LEX_WORD_MAX + 2] = ';';
    struct fixture *f = *state;
    struct token t;
    lex_init(&f->lexer, f->arena, str_n(text, LEX_WORD_MAX + 3), "t.conf");
    assert_int_equal(lex_next(&f->lexer, &t), LEX_WORD);
    assert_int_equal(t.text.n, LEX_WORD_MAX);
    assert_true(t.is_quoted);

    text[LEX_WORD_MAX + 1] = 'x';
    text[LEX_WORD_MAX + 2] = '\'';
    text[LEX_WORD_MAX + 3] = ';';
    assert_string_equal(lex_all(f, str_n(text, LEX_WORD_MAX + 4)),
        "!too long parameter \"xxxxxxxxxx...\" on 1:1");
}

static void
places(void **state)
{
    struct fixture *f = *state;
    struct token t;
    lex_init(&f->lexer, f->arena, STR("a\n  'b\nc' d;"), "t.conf");
    assert_int_equal(lex_next(&f->lexer, &t), LEX_WORD);
    assert_int_equal(t.line, 1);
    assert_int_equal(t.column, 1);
    assert_string_equal(t.file, "t.conf");
    assert_false(t.is_quoted);
    assert_int_equal(lex_next(&f->lexer, &t), LEX_WORD);
    assert_int_equal(t.line, 2);
    assert_int_equal(t.column, 3);
    assert_int_equal(lex_next(&f->lexer, &t), LEX_WORD);
    assert_int_equal(t.line, 3);
    assert_int_equal(t.column, 4);
}

/* Which words begin a line: 1, and which do not: 0. */
static void
line_beginnings(void **state)
{
    static const struct {
        const char *text, *begins;
    } cases[] = {
        { "a b;c d;", "1000" },
        { "\n \ta b # c\n# d\n\n  e;", "101" },
        { "a\r\nb{c;\nd;}e;", "11010" },
        { "\xef\xbb\xbf a b;", "10" },
        { "'a\n' b\n\"c\";", "101" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct token t;
        char begins[16] = "";
        lex_init(&f->lexer, f->arena, str_of(cases[i].text), "t.conf");
        for (enum lex what = lex_next(&f->lexer, &t); what != LEX_EOF;
             what = lex_next(&f->lexer, &t)) {
            assert_int_not_equal(what, LEX_ERROR);
            if (what == LEX_WORD) {
                strcat(begins, t.begins_line ? "1" : "0");
            }
        }
        assert_string_equal(begins, cases[i].begins);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            words_and_punctuation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(comments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quotes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            variables_and_regexes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(misplaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nul_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(line_beginnings, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("lex", tests, NULL, NULL);
}
