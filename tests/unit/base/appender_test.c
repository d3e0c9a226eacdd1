/*
 * Lines get to a log whole or not at all, and what is lost is counted: a file
 * at the limit of its size stands for a full disk.
 */

#include "base/appender.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static int file;

static int
set_up(void **state)
{
    char path[] = "/tmp/weir-appender.XXXXXX";
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    file = mkstemp(path);
    unlink(path);
    return file < 0 || fcntl(file, F_SETFL, O_APPEND) != 0 ? -1 : 0;
}

/* The file takes no more than `n` bytes in all. */
static void
room_is(rlim_t n)
{
    struct rlimit r;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
    r.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static int
tear_down(void **state)
{
    (void)state;
    room_is(RLIM_INFINITY);
    return close(file);
}

static void
reads(const char *expected)
{
    char text[256];
    ssize_t n = pread(file, text, sizeof text - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

static void
all_is_there(void **state)
{
    struct appender a = { 0 };
    (void)state;
    assert_true(appender_write(&a, file, STR("one\ntwo\n")));
    assert_true(appender_write(&a, file, STR("three\n")));
    reads("one\ntwo\nthree\n");
    assert_int_equal(a.n_lost, 0);
}

/* Whatever the room is, down to none. */
static void
no_piece_is_left(void **state)
{
    static const char *const left[] = { "", "one\n", "one\ntwo\n" };
    (void)state;
    for (unsigned room = 0; room < 14; room++) {
        struct appender a = { 0 };
        unsigned whole = room < 4 ? 0 : room < 8 ? 1 : 2;
        assert_int_equal(ftruncate(file, 0), 0);
        room_is(room);
        assert_false(appender_write(&a, file, STR("one\ntwo\nthree\n")));
        reads(left[whole]);
        assert_int_equal(a.n_lost, 3 - whole);
        assert_false(appender_write(&a, file, STR("a long line\n")));
        reads(left[whole]);
        assert_int_equal(a.n_lost, 4 - whole);
        assert_true(a.err == EFBIG || a.err == ENOSPC);
        assert_false(a.is_torn);
    }
}

static void
there_is_room_again(void **state)
{
    struct appender a = { 0 };
    (void)state;
    room_is(6);
    assert_false(appender_write(&a, file, STR("one\ntwo\n")));
    room_is(RLIM_INFINITY);
    assert_true(appender_write(&a, file, STR("three\n")));
    reads("one\nthree\n");
    assert_int_equal(a.n_lost, 1);
}

/* A pipe that is full: what is in it cannot be taken off, and the next line
 * begins by itself. */
static void
a_piece_in_a_pipe(void **state)
{
    static char text[70000], got[70000];
    struct appender a = { 0 };
    int fds[2];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\n';
    assert_false(appender_write(&a, fds[1], str_n(text, sizeof text)));
    assert_true(a.is_torn);
    assert_int_equal(a.n_lost, 1);
    assert_false(appender_write(&a, fds[1], STR("two\n")));
    assert_int_equal(a.err, EAGAIN);
    assert_int_equal(a.n_lost, 2);
    assert_int_equal(read(fds[0], got, sizeof got), 65536);
    assert_true(appender_write(&a, fds[1], STR("three\n")));
    assert_int_equal(read(fds[0], got, sizeof got), 7);
    assert_memory_equal(got, "\nthree\n", 7);
    close(fds[0]);
    close(fds[1]);
}

/* A file whose end cannot be cut off either. */
static void
a_piece_that_stays(void **state)
{
    struct appender a = { .is_torn = true };
    (void)state;
    assert_int_equal(write(file, "piec", 4), 4);
    assert_true(appender_write(&a, file, STR("two\n")));
    assert_false(a.is_torn);
    reads("piec\ntwo\n");
}

static void
nothing_to_write_to(void **state)
{
    struct appender a = { 0 };
    (void)state;
    assert_false(appender_write(&a, -1, STR("one\n")));
    assert_int_equal(a.err, EBADF);
    assert_int_equal(a.n_lost, 1);
    assert_false(a.is_torn);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(all_is_there),
        test(no_piece_is_left),
        test(there_is_room_again),
        test(a_piece_in_a_pipe),
        test(a_piece_that_stays),
        test(nothing_to_write_to),
    };
    return cmocka_run_group_tests_name("appender", tests, NULL, NULL);
}
