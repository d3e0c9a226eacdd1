/*
 * Log files: shared by path, written once a turn, opened again without a loss.
 */

#include "proxy/logfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../os/fds.h"
#include "../proc/whole_conf.h"
#include "base/mem.h"
#include "net/loop.h"

#include <cmocka.h>

static struct str
file(void **state, const char *name)
{
    struct whole *w = *state;
    return str_of(tmp_dir_path(&w->dir, name));
}

static void
reads(void **state, const char *name, const char *expected)
{
    static char text[300000];
    FILE *f = fopen(file(state, name).p, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, expected);
}

static const struct step *
run_stop(struct task *t)
{
    loop_stop(t->loop);
    return TASK_WAIT;
}

static const struct step step_stop = { "test: stop", run_stop };

/* Runs what is queued. */
static void
turn(struct loop *l)
{
    struct task t;
    task_init(&t, l, &step_stop, NULL);
    task_wake(&t);
    loop_run(l);
    task_fini(&t);
}

static void
test_one_for_each_path(void **state)
{
    struct conf *c = whole_binds(state, "");
    struct logfile *a = logfile_get(c, STR("/a")),
                   *b = logfile_get(c, STR("/b"));
    assert_ptr_equal(logfile_get(c, STR("/a")), a);
    assert_ptr_not_equal(a, b);
    assert_int_equal(a->number, 0);
    assert_int_equal(b->number, 1);
    assert_ptr_equal(logfile_nth(c, 1), b);
    assert_null(logfile_nth(c, 2));
    assert_int_equal(a->fd, -1);
}

static void
test_opened_again(void **state)
{
    struct conf *c = whole_binds(state, "");
    struct stat st;
    unsigned fds = fds_open();
    struct logfile *a = logfile_get(c, file(state, "a"));
    struct logfile *b = logfile_get(c, file(state, "b"));
    assert_int_equal(logfiles_open(c, 1, 2), 0);
    assert_int_equal(fds_open(), fds + 2);
    assert_int_equal(fstat(a->fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(st.st_uid, geteuid() == 0 ? 1 : geteuid());
    assert_true(fcntl(a->fd, F_GETFL) & O_APPEND);
    assert_int_equal(unlink(file(state, "a").p), 0);
    assert_int_equal(mkdir(file(state, "a").p, 0700), 0);
    assert_int_equal(unlink(file(state, "b").p), 0);
    int old = a->fd;
    assert_int_equal(logfiles_open(c, 1, 2), -1);
    assert_true(whole_logged(state, "a\" failed (21: Is a directory)"));
    assert_int_equal(a->fd, old);
    assert_int_equal(fds_open(), fds + 2);
    assert_int_equal(access(file(state, "b").p, F_OK), 0);
    assert_true(b->fd >= 0);
    logfiles_close(c);
    assert_int_equal(fds_open(), fds);
    assert_int_equal(a->fd, -1);
}

/* What was there before keeps its owner: a name may lead anywhere. */
static void
test_no_owner_for_what_was_there(void **state)
{
    struct whole *w = *state;
    struct conf *c = whole_binds(state, "");
    struct stat st;
    tmp_dir_write(&w->dir, "old", STR("text\n"));
    assert_int_equal(symlink("old", file(state, "link").p), 0);
    struct logfile *f = logfile_get(c, file(state, "link"));
    assert_int_equal(logfiles_open(c, 1, 2), 0);
    assert_int_equal(fstat(f->fd, &st), 0);
    assert_int_equal(st.st_size, 5);
    assert_int_equal(st.st_uid, geteuid());
    logfiles_close(c);
}

static void
test_lines_of_a_turn_leave_together(void **state)
{
    struct conf *c = whole_binds(state, "");
    struct loop *l = loop_new();
    struct logfile *f = logfile_get(c, file(state, "a"));
    assert_int_equal(logfiles_open(c, getuid(), getgid()), 0);
    logfiles_start(c, l);
    logfile_write(f, STR("one\n"));
    logfile_write(f, STR("two\n"));
    reads(state, "a", "");
    turn(l);
    reads(state, "a", "one\ntwo\n");
    logfile_write(f, STR("three\n"));
    /* What was written before goes where it belongs. */
    int fd = open(file(state, "b").p, O_CREAT | O_WRONLY | O_APPEND, 0600);
    logfile_reopened(f, fd);
    logfile_write(f, STR("four\n"));
    logfiles_stop(c);
    reads(state, "a", "one\ntwo\nthree\n");
    reads(state, "b", "four\n");
    logfiles_close(c);
    assert_false(fd_is_open(fd));
    loop_free(l);
}

/* A batch that is full leaves at once. */
static void
test_many_lines(void **state)
{
    static char line[1001], expected[200 * 1000 + 1];
    struct conf *c = whole_binds(state, "");
    struct loop *l = loop_new();
    struct logfile *f = logfile_get(c, file(state, "a"));
    assert_int_equal(logfiles_open(c, getuid(), getgid()), 0);
    logfiles_start(c, l);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(line, sizeof line, "%0999u\n", i);
        memcpy(expected + i * 1000, line, 1000);
        logfile_write(f, str_of(line));
    }
    logfiles_stop(c);
    reads(state, "a", expected);
    logfiles_close(c);
    loop_free(l);
}

static void
test_full_disk(void **state)
{
    struct conf *c = whole_binds(state, "");
    struct loop *l = loop_new();
    struct logfile *f = logfile_get(c, STR("/dev/full"));
    assert_int_equal(logfiles_open(c, 0, 0), 0);
    logfiles_start(c, l);
    logfile_write(f, STR("lost\n"));
    turn(l);
    assert_true(
        whole_logged(state, "write() to \"/dev/full\" failed (28: No space"));
    logfile_write(f, STR("lost, too\n"));
    turn(l);
    assert_false(whole_logged(state, "lost (28"));
    int fd = open(file(state, "a").p, O_CREAT | O_WRONLY | O_APPEND, 0600);
    logfile_reopened(f, fd);
    logfile_write(f, STR("there\n"));
    turn(l);
    assert_true(whole_logged(
        state, "2 lines of \"/dev/full\" were lost (28: No space"));
    reads(state, "a", "there\n");
    logfiles_stop(c);
    logfiles_close(c);
    loop_free(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_one_for_each_path),
        WHOLE_TEST(test_opened_again),
        WHOLE_TEST(test_no_owner_for_what_was_there),
        WHOLE_TEST(test_lines_of_a_turn_leave_together),
        WHOLE_TEST(test_many_lines),
        WHOLE_TEST(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
