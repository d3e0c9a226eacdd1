/*
 * Names in directories that others may write: what a link, a pipe or a file
 * of somebody else's there can make of a log, a pid file.
 */

#include "os/path.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "../conf/tmp_dir.h"
#include "fds.h"

#include <cmocka.h>

static struct tmp_dir dir;
static unsigned had_open;

static int
set_up(void **state)
{
    (void)state;
    tmp_dir_make(&dir);
    tmp_dir_write(&dir, "own/file", STR("1\n"));
    tmp_dir_write(&dir, "theirs/file", STR("1\n"));
    assert_int_equal(chmod(tmp_dir_path(&dir, "theirs"), 0777), 0);
    had_open = fds_open();
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    tmp_dir_remove(&dir);
    return fds_open() == had_open ? 0 : -1;
}

static void
assert_text(const char *file, const char *expected)
{
    char text[64] = "";
    int fd = open(tmp_dir_path(&dir, file), O_RDONLY);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text - 1) >= 0);
    close(fd);
    assert_string_equal(text, expected);
}

static void
link_at(const char *file, const char *to)
{
    assert_int_equal(symlink(to, tmp_dir_path(&dir, file)), 0);
}

/* Opens, appends "x", and closes. */
static void
logs(const char *file, bool is_new)
{
    bool was_new = !is_new;
    int fd = path_open_log(tmp_dir_path(&dir, file), &was_new);
    assert_true(fd >= 0);
    assert_int_equal(was_new, is_new);
    assert_int_equal(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static void
refuses(const char *file, int err)
{
    bool is_new = true;
    int fd = path_open_log(tmp_dir_path(&dir, file), &is_new);
    int was = errno;
    assert_int_equal(fd, -1);
    assert_int_equal(was, err);
    assert_false(is_new);
}

static void
test_logs(void **state)
{
    struct stat st;
    (void)state;
    mode_t had = umask(0);
    logs("own/new", true);
    umask(had);
    assert_int_equal(stat(tmp_dir_path(&dir, "own/new"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    logs("own/new", false);
    assert_text("own/new", "xx");
    logs("own/file", false);
    assert_text("own/file", "1\nx");
    logs("theirs/file", false);
    logs("theirs/new", true);
    refuses("own", EISDIR);
    refuses("no/file", ENOENT);
    refuses("own/file/x", ENOTDIR);
}

static void
test_links_of_ours(void **state)
{
    (void)state;
    link_at("own/a", "b");
    link_at("own/b", "../own/file");
    logs("own/a", false);
    assert_text("own/file", "1\nx");
    link_at("own/dangling", "made");
    logs("own/dangling", true);
    assert_text("own/made", "x");
    link_at("own/null", "/dev/null");
    logs("own/null", false);
    link_at("own/round", "round");
    refuses("own/round", ELOOP);
    assert_int_equal(mkfifo(tmp_dir_path(&dir, "own/pipe"), 0600), 0);
    refuses("own/pipe", ENXIO); /* at once */
}

/* As "error_log /dev/stderr", whatever that is. */
static void
test_links_of_the_kernels(void **state)
{
    char path[64];
    int ends[2];
    bool is_new;
    char byte = 0;
    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    link_at("own/out", path);
    logs("own/out", false);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    int fd = path_open_log("/dev/stderr", &is_new);
    assert_true(fd >= 0 || errno == ENXIO); /* of a socket there is none */
    close(fd >= 0 ? fd : ends[1]);
    close(fd >= 0 ? ends[1] : -1);
    close(ends[0]);
}

/* A link on the way leads only where nobody else can have put it. */
static void
test_links_on_the_way(void **state)
{
    (void)state;
    assert_int_equal(mkdir(tmp_dir_path(&dir, "theirs/ours"), 0700), 0);
    logs("theirs/ours/new", true);
    link_at("own/way", "../theirs");
    logs("own/way/ours/new", false);
    link_at("theirs/way", "../own");
    refuses("theirs/way/new", EPERM);
    refuses("theirs/way/file", EPERM);
    refuses("theirs/ours/../way/file", EPERM);
    refuses("theirs/file/new", ENOTDIR);
    assert_int_equal(
        path_replace(tmp_dir_path(&dir, "theirs/way/file"), STR("2\n"), 0644),
        -1);
    assert_int_equal(errno, EPERM);
    assert_text("own/file", "1\n");
    assert_int_not_equal(access(tmp_dir_path(&dir, "own/new"), F_OK), 0);
    /* in a sticky one they replace nothing of ours */
    assert_int_equal(chmod(tmp_dir_path(&dir, "theirs"), 01777), 0);
    logs("theirs/way/file", false);
}

static void
test_what_others_put_there(void **state)
{
    char own[512];
    (void)state;
    snprintf(own, sizeof own, "%s", tmp_dir_path(&dir, "own/file"));
    link_at("theirs/link", own);
    refuses("theirs/link", EPERM);
    link_at("theirs/dangling", "../own/made");
    refuses("theirs/dangling", EPERM);
    assert_int_equal(link(own, tmp_dir_path(&dir, "theirs/hard")), 0);
    refuses("theirs/hard", EPERM);
    assert_int_equal(mkfifo(tmp_dir_path(&dir, "theirs/pipe"), 0600), 0);
    refuses("theirs/pipe", ENXIO);
    link_at("own/there", "../theirs/link"); /* two steps */
    refuses("own/there", EPERM);
    assert_int_equal(chmod(tmp_dir_path(&dir, "theirs"), 01777), 0);
    refuses("theirs/link", EPERM);
    assert_text("own/file", "1\n");
    assert_int_not_equal(access(tmp_dir_path(&dir, "own/made"), F_OK), 0);
}

/* Lets one open go on, with the name taken away under it. */
static void *
take_name_away(void *arg)
{
    int fan = *(int *)arg;
    struct fanotify_event_metadata e;
    assert_int_equal(read(fan, &e, sizeof e), sizeof e);
    assert_int_equal(unlink(tmp_dir_path(&dir, "theirs/hard")), 0);
    struct fanotify_response r = { e.fd, FAN_ALLOW };
    assert_int_equal(write(fan, &r, sizeof r), sizeof r);
    close(e.fd);
    return NULL;
}

/* Then the file has one name: its own, elsewhere. */
static void
test_a_name_that_goes_meanwhile(void **state)
{
    pthread_t thread;
    char own[512];
    (void)state;
    snprintf(own, sizeof own, "%s", tmp_dir_path(&dir, "own/file"));
    assert_int_equal(link(own, tmp_dir_path(&dir, "theirs/hard")), 0);
    int fan = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
    if (fan < 0 ||
        fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, own) != 0) {
        close(fan);
        skip(); /* not root, or no such kernel */
    }
    assert_int_equal(pthread_create(&thread, NULL, take_name_away, &fan), 0);
    refuses("theirs/hard", EPERM);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(fan);
    assert_text("own/file", "1\n");
}

static void
test_who_may_write(void **state)
{
    struct stat st = { .st_mode = S_IFDIR | 0755, .st_uid = geteuid() };
    (void)state;
    assert_false(path_is_open(&st));
    st.st_uid = 0;
    assert_false(path_is_open(&st));
    st.st_mode |= S_IWGRP;
    assert_false(path_is_open(&st)); /* of root's group */
    st.st_gid = 54321;
    assert_true(path_is_open(&st));
    st.st_mode = S_IFDIR | 0757;
    assert_true(path_is_open(&st));
    st.st_mode = S_IFDIR | 0555;
    assert_false(path_is_open(&st));
    st.st_uid = 54321; /* who gives himself the right */
    assert_true(path_is_open(&st));
    assert_true(path_is_foreign(&st));
}

static unsigned
files_in(const char *file)
{
    struct stat st;
    assert_int_equal(rmdir(tmp_dir_path(&dir, file)), -1);
    assert_int_equal(errno, ENOTEMPTY);
    assert_int_equal(stat(tmp_dir_path(&dir, file), &st), 0);
    char command[600];
    snprintf(command, sizeof command, "ls -A %s | wc -l", dir.name);
    FILE *f = popen(command, "r");
    unsigned n = 99;
    assert_int_equal(fscanf(f, "%u", &n), 1);
    pclose(f);
    return n;
}

static void
test_replace(void **state)
{
    struct stat st;
    (void)state;
    const char *path = tmp_dir_path(&dir, "own/file");
    assert_int_equal(path_replace(path, STR("2\n"), 0644), 0);
    assert_text("own/file", "2\n");
    link_at("theirs/pid", "../own/file");
    path = tmp_dir_path(&dir, "theirs/pid");
    assert_int_equal(path_replace(path, STR("3\n"), 0644), 0);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_text("theirs/pid", "3\n");
    assert_text("own/file", "2\n");
    assert_int_equal(
        path_replace(tmp_dir_path(&dir, "own"), STR("4\n"), 0644), -1);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(
        path_replace(tmp_dir_path(&dir, "no/file"), STR("4\n"), 0644), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(files_in("own"), 1);
    assert_int_equal(files_in("theirs"), 2);
}

/* Of names that nobody can foresee nothing can be put in the way. */
static void
test_temporary_names(void **state)
{
    char a[32], b[32];
    (void)state;
    assert_true(path_temporary("/d/file", a, sizeof a));
    assert_true(path_temporary("/d/file", b, sizeof b));
    assert_int_equal(strncmp(a, "/d/.weir-", 9), 0);
    assert_string_not_equal(a, b);
    assert_true(path_temporary("file", a, 15));
    assert_null(strchr(a, '/'));
    assert_false(path_temporary("file", a, 14));
    assert_int_equal(errno, ENAMETOOLONG);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_logs),
        test(test_links_of_ours),
        test(test_links_of_the_kernels),
        test(test_links_on_the_way),
        test(test_what_others_put_there),
        test(test_a_name_that_goes_meanwhile),
        test(test_who_may_write),
        test(test_replace),
        test(test_temporary_names),
    };
    return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
