/*
 * The pid file, and the fork into the background.
 */

#include "proc/daemon.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../os/child.h"
#include "../os/fds.h"
#include "whole_conf.h"

#include <cmocka.h>

static struct str
path_of(void **state, const char *name)
{
    struct whole *w = *state;
    return str_of(tmp_dir_path(&w->dir, name));
}

static unsigned
files_in(void **state)
{
    struct whole *w = *state;
    struct stat st;
    assert_int_equal(stat(w->dir.path, &st), 0);
    char command[256];
    snprintf(command, sizeof command, "ls -A %s | wc -l", w->dir.path);
    FILE *f = popen(command, "r");
    unsigned n = 99;
    assert_int_equal(fscanf(f, "%u", &n), 1);
    pclose(f);
    return n;
}

static void
test_pid_file(void **state)
{
    struct pid_file f = { NULL };
    unsigned fds = fds_open();
    struct str path = path_of(state, "weir.pid");
    pid_file_remove(&f);
    assert_int_equal(pid_file_write(&f, path), 0);
    assert_int_equal(pid_file_read(path.p), getpid());
    assert_int_equal(files_in(state), 1);
    pid_file_remove(&f);
    pid_file_remove(&f);
    assert_int_equal(files_in(state), 0);
    assert_int_equal(fds_open(), fds);
}

static void
test_pid_file_takes_the_place_of_an_old_one(void **state)
{
    struct whole *w = *state;
    struct pid_file f = { NULL };
    tmp_dir_write(&w->dir, "weir.pid", STR("123456789\n"));
    assert_int_equal(pid_file_write(&f, path_of(state, "weir.pid")), 0);
    assert_int_equal(pid_file_read(f.path), getpid());
    pid_file_remove(&f);
}

static void
test_pid_file_cannot_be_written(void **state)
{
    struct whole *w = *state;
    struct pid_file f = { NULL };
    assert_int_equal(pid_file_write(&f, path_of(state, "no/weir.pid")), -1);
    assert_true(whole_logged(state, "no/weir.pid\" (2: No such file"));
    assert_null(f.path);
    tmp_dir_write(&w->dir, "dir/in", STR(""));
    assert_int_equal(pid_file_write(&f, path_of(state, "dir")), -1);
    assert_true(whole_logged(state, "cannot write"));
    assert_int_equal(files_in(state), 1);
    pid_file_remove(&f);
    assert_int_equal(files_in(state), 1);
}

static void
test_pid_file_read(void **state)
{
    static const char *const bad[] = { "", "\n", "0", "-1", "abc", "12 ",
        "12x\n", "2147483648", "99999999999999999999", " 12", "1\n2" };
    struct whole *w = *state;
    const char *path = tmp_dir_write(&w->dir, "pid", STR("2147483647"));
    assert_int_equal(pid_file_read(path), 2147483647);
    tmp_dir_write(&w->dir, "pid", STR("17\n\n"));
    assert_int_equal(pid_file_read(path), 17);
    for (unsigned i = 0; i < LEN(bad); i++) {
        tmp_dir_write(&w->dir, "pid", str_of(bad[i]));
        assert_int_equal(pid_file_read(path), 0);
        assert_true(whole_logged(state, "invalid pid in \""));
    }
    unlink(path);
    assert_int_equal(pid_file_read(path), 0);
    assert_true(whole_logged(state, "No such file"));
    assert_int_equal(pid_file_read(w->dir.path), 0);
    assert_int_equal(symlink("other", path), 0);
    tmp_dir_write(&w->dir, "other", STR("17\n"));
    assert_int_equal(pid_file_read(tmp_dir_path(&w->dir, "pid")), 0);
}

/* A stranger would have root signal whom he likes. */
static void
test_pid_file_of_another(void **state)
{
    struct whole *w = *state;
    char pid[16];
    if (geteuid() != 0) {
        skip();
    }
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    const char *path = tmp_dir_write(&w->dir, "pid", str_of(pid));
    assert_int_equal(pid_file_read(path), getpid());
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_int_equal(pid_file_read(path), 0);
    assert_true(whole_logged(state, "belongs to user 65534, but process "));
    tmp_dir_write(&w->dir, "pid", STR("2147483647"));
    assert_int_equal(pid_file_read(path), 2147483647); /* it is stale */
}

/* Whether standard descriptor `fd` is /dev/null. */
static bool
is_null(int fd)
{
    struct stat st, null;
    return fstat(fd, &st) == 0 && stat("/dev/null", &null) == 0 &&
           st.st_rdev == null.st_rdev;
}

static void
leave_all(void)
{
    unsigned n = fds_open();
    int err = dup(2);
    daemon_leave_terminal(false, false);
    EXPECT(is_null(0) && is_null(1) && is_null(2));
    dup2(err, 2);
    close(err);
    EXPECT(fds_open() == n);
}

static void
leave_but_the_log(void)
{
    int before = open("/proc/self/exe", O_RDONLY);
    dup2(before, 2);
    daemon_leave_terminal(false, true);
    EXPECT(is_null(0) && is_null(1) && !is_null(2));
}

static void
test_leave_terminal(void **state)
{
    (void)state;
    child_passes(leave_all);
    child_passes(leave_but_the_log);
}

static void
become_ready(void)
{
    pid_t parent = getpid();
    int fd = daemon_start();
    EXPECT(fd >= 0 && getpid() != parent && getsid(0) == getpid());
    daemon_tell(fd);
    EXPECT(!fd_is_open(fd));
}

static void
die_before(void)
{
    EXPECT(daemon_start() >= 0);
    _exit(0);
}

static int
code_of(void (*fn)(void))
{
    int status = child_run(fn);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_daemon_start(void **state)
{
    (void)state;
    assert_int_equal(code_of(become_ready), 0);
    assert_int_equal(code_of(die_before), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_pid_file),
        WHOLE_TEST(test_pid_file_takes_the_place_of_an_old_one),
        WHOLE_TEST(test_pid_file_cannot_be_written),
        WHOLE_TEST(test_pid_file_read),
        WHOLE_TEST(test_pid_file_of_another),
        WHOLE_TEST(test_leave_terminal),
        WHOLE_TEST(test_daemon_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
