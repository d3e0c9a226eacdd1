/*
 * The error log: what a peer sends stays within its line, lines have an end,
 * a panic finds the last ones again.
 */

#include "base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static int pipe_fds[2];

static int
set_up(void **state)
{
    (void)state;
    return pipe(pipe_fds);
}

static int
tear_down(void **state)
{
    (void)state;
    log_set(STDERR_FILENO, LOG_NOTICE);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

/* All that was logged since the last call; at most a pipe's worth. */
static struct str
logged(void)
{
    static char text[65536];
    size_t n = 0;
    assert_int_equal(write(pipe_fds[1], "\v", 1), 1);
    while (n == 0 || text[n - 1] != '\v') {
        ssize_t r = read(pipe_fds[0], text + n, sizeof text - n - 1);
        assert_true(r > 0);
        n += (size_t)r;
    }
    text[--n] = '\0';
    return str_n(text, n);
}

static size_t
count(struct str s, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == c;
    }
    return n;
}

static void
the_form_of_a_line(void **state)
{
    (void)state;
    unsigned v[6];
    int pid, at = 0;
    log_set(pipe_fds[1], LOG_NOTICE);
    log_at(LOG_ERR, "%s %d", "seven", 7);
    struct str line = logged();
    assert_int_equal(sscanf(line.p, "%4u/%2u/%2u %2u:%2u:%2u [error] %d: %n",
                         &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &pid, &at),
        7);
    assert_true(v[0] > 2000 && at > 0);
    assert_int_equal(pid, getpid());
    assert_string_equal(line.p + at, "seven 7\n");
    log_errno(LOG_ERR, ENOENT, "open %s", "x");
    assert_true(
        str_ends(logged(), STR(": open x (2: No such file or directory)\n")));
    log_errno(LOG_ERR, 0, "nothing");
    assert_true(str_ends(logged(), STR(": nothing\n")));
}

static void
levels(void **state)
{
    static const char *const names[] = { "emerg", "alert", "crit", "error",
        "warn", "notice", "info", "debug" };
    (void)state;
    for (unsigned set = LOG_EMERG; set <= LOG_DEBUG; set++) {
        log_set(pipe_fds[1], (enum log_level)set);
        for (unsigned l = LOG_EMERG; l <= LOG_DEBUG; l++) {
            char word[16];
            log_at((enum log_level)l, "line");
            struct str line = logged();
            assert_int_equal(count(line, '\n'), l <= set);
            assert_true(log_is_on((enum log_level)l) == (l <= set));
            snprintf(word, sizeof word, "[%s]", names[l]);
            assert_true(line.n == 0 || strstr(line.p, word) != NULL);
            log_errno((enum log_level)l, EIO, "line");
            assert_int_equal(count(logged(), '\n'), l <= set);
        }
    }
    for (unsigned l = LOG_EMERG; l <= LOG_DEBUG; l++) {
        enum log_level got = LOG_EMERG;
        assert_true(log_level_parse(str_of(names[l]), &got));
        assert_int_equal(got, l);
    }
    enum log_level got;
    assert_false(log_level_parse(STR(""), &got));
    assert_false(log_level_parse(STR("err"), &got));
    assert_false(log_level_parse(STR("Error"), &got));
    assert_false(log_level_parse(STR("errors"), &got));
}

/* Nothing that a peer sends makes a second line, or colours a terminal. */
static void
escaping(void **state)
{
    (void)state;
    log_set(pipe_fds[1], LOG_NOTICE);
    for (unsigned c = 1; c < 256; c++) {
        char peer[4] = { '<', (char)c, '>', '\0' }, want[16];
        log_at(LOG_WARN, "%s", peer);
        struct str line = logged();
        bool is_plain = c >= 0x20 && c < 0x7f;
        snprintf(want, sizeof want, is_plain ? ": <%c>\n" : ": <\\x%02x>\n", c);
        assert_true(str_ends(line, str_of(want)));
        assert_int_equal(count(line, '\n'), 1);
    }
    log_at(LOG_WARN, "a\n2026/11/23 20:17:12 [emerg] 1: forged");
    assert_true(str_ends(
        logged(), STR(": a\\x0a2026/11/23 20:17:12 [emerg] 1: forged\n")));
}

/* Nothing that a peer sends ends a quote. */
static void
quoting(void **state)
{
    static char quotes[5000];
    struct arena *a = arena_new(4096);
    (void)state;
    memset(quotes, '"', sizeof quotes);
    struct str plain = STR("/a'b\\c");
    assert_ptr_equal(log_quoted(a, plain).p, plain.p);
    assert_int_equal(log_quoted(a, plain).n, plain.n);
    assert_int_equal(log_quoted(a, STR("")).n, 0);
    assert_true(str_eq(log_quoted(a, STR("\"")), STR("\\x22")));
    assert_true(str_eq(
        log_quoted(a, STR("a\", host: \"b")), STR("a\\x22, host: \\x22b")));
    assert_int_equal(log_quoted(a, str_n(quotes, sizeof quotes)).n, 4 * 2048);
    arena_free(a);
}

static void
a_long_line_is_cut(void **state)
{
    static char text[5000];
    (void)state;
    log_set(pipe_fds[1], LOG_NOTICE);
    for (unsigned i = 0; i < 2; i++) {
        memset(text, i == 0 ? 'x' : '\n', sizeof text - 1);
        for (size_t n = 1900; n < sizeof text; n += n < 2100 ? 1 : 700) {
            log_at(LOG_WARN, "%.*s", (int)n, text);
            struct str line = logged();
            assert_true(line.n <= 2048 && line.n >= 1900);
            assert_int_equal(count(line, '\n'), 1);
            assert_int_equal(line.p[line.n - 1], '\n');
            log_errno(LOG_WARN, ENOENT, "%.*s", (int)n, text);
            line = logged();
            assert_true(line.n <= 2048);
            assert_int_equal(count(line, '\n'), 1);
            assert_true(
                str_ends(line, STR(" (2: No such file or directory)\n")));
        }
    }
}

static void
recent_lines(void **state)
{
    char word[16];
    (void)state;
    log_set(pipe_fds[1], LOG_ERR);
    for (unsigned i = 0; i < 20; i++) { /* written or not, they are kept */
        log_at(i % 2 == 0 ? LOG_ERR : LOG_NOTICE, "number %u", i);
    }
    log_at(LOG_DEBUG, "never");
    log_errno(LOG_INFO, EIO, "never");
    struct str line, lines = logged();
    assert_int_equal(count(lines, '\n'), 10);
    log_dump_recent();
    lines = logged();
    for (unsigned i = 4; i < 20; i++) {
        assert_true(str_cut(&lines, '\n', &line));
        snprintf(word, sizeof word, ": number %u", i);
        assert_true(str_ends(line, str_of(word)));
    }
    assert_int_equal(lines.n, 0);
}

/* A long line among them does not swallow its end. */
static void
recent_lines_end(void **state)
{
    static char text[600];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    log_set(pipe_fds[1], LOG_ERR);
    for (unsigned i = 0; i < 16; i++) {
        log_at(LOG_ERR, "%.*s", (int)(200 + i), text);
    }
    log_at(LOG_ERR, "%s", text);
    (void)logged();
    log_dump_recent();
    struct str lines = logged();
    assert_int_equal(count(lines, '\n'), 16);
    assert_int_equal(lines.p[lines.n - 1], '\n');
}

/* A log that cannot be written to stops nothing. What was lost is said before
 * the next line that gets there. */
static void
no_place_to_write(void **state)
{
    struct str line, lines;
    (void)state;
    log_set(-1, LOG_DEBUG);
    log_at(LOG_ERR, "into nothing");
    log_at(LOG_ERR, "into nothing");
    log_set(pipe_fds[1], LOG_DEBUG);
    assert_int_equal(logged().n, 0);
    log_at(LOG_ERR, "there");
    lines = logged();
    assert_true(str_cut(&lines, '\n', &line));
    assert_true(str_ends(
        line, STR(": 2 lines of this log were lost (9: Bad file descriptor)")));
    assert_true(str_ends(lines, STR(": there\n")));
    log_at(LOG_ERR, "there");
    assert_int_equal(count(logged(), '\n'), 1);
}

/* The first line that is lost is on standard error. */
static void
lost_lines_on_stderr(void **state)
{
    char text[512];
    int err[2], old = dup(STDERR_FILENO);
    (void)state;
    assert_int_equal(pipe(err), 0);
    assert_int_equal(dup2(err[1], STDERR_FILENO), STDERR_FILENO);
    log_set(-1, LOG_DEBUG);
    log_at(LOG_ERR, "one");
    log_at(LOG_ERR, "two");
    assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
    ssize_t n = read(err[0], text, sizeof text);
    assert_true(n > 0);
    struct str s = str_n(text, (size_t)n);
    assert_true(str_starts(s, STR("weir: the error log cannot be written to "
                                  "(9: Bad file descriptor): ")));
    assert_true(str_ends(s, STR(": one\n")));
    assert_int_equal(count(s, '\n'), 1);
    log_set(pipe_fds[1], LOG_DEBUG);
    log_at(LOG_ERR, "there");
    (void)logged();
    close(err[0]);
    close(err[1]);
    close(old);
}

/* A child that is forked then tells of no loss of its parent's. */
static void
lost_lines_of_the_parent(void **state)
{
    (void)state;
    log_set(-1, LOG_DEBUG);
    log_at(LOG_ERR, "into nothing");
    log_set(pipe_fds[1], LOG_DEBUG);
    pid_t pid = fork();
    if (pid == 0) {
        log_at(LOG_ERR, "of the child");
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(count(logged(), '\n'), 1);
    log_at(LOG_ERR, "of the parent");
    assert_int_equal(count(logged(), '\n'), 2);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(the_form_of_a_line),
        test(levels),
        test(escaping),
        test(quoting),
        test(a_long_line_is_cut),
        test(recent_lines),
        test(recent_lines_end),
        test(no_place_to_write),
        test(lost_lines_on_stderr),
        test(lost_lines_of_the_parent),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
