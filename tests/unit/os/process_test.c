/*
 * A child is no more than its role: descriptors, uid, limits; and memory
 * files are what they say. Each in a child of the test's own.
 */

#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../units.h"
#include "child.h"
#include "fds.h"

#include <cmocka.h>

#define SOME_UID 4242
#define SOME_GID 4243
#define FDS_MAX 512

/* Descriptors here and there, the last of them FDS_MAX - 1. */
static void
open_some(void)
{
    for (int fd = 3; fd < FDS_MAX; fd += fd < 20 ? 1 : 41) {
        EXPECT(dup2(0, fd) == fd);
    }
    EXPECT(dup2(0, FDS_MAX - 1) == FDS_MAX - 1);
}

static bool
is_among(int fd, const int *keep, unsigned n)
{
    bool is_found = fd <= 2;
    for (unsigned i = 0; i < n; i++) {
        is_found = is_found || keep[i] == fd;
    }
    return is_found;
}

static void
expect_open(const int *keep, unsigned n)
{
    for (int fd = 0; fd < FDS_MAX; fd++) {
        EXPECT(fd_is_open(fd) == is_among(fd, keep, n));
    }
}

static struct process_role
some_role(const int *keep, unsigned n)
{
    return (struct process_role){ .title = "worker process",
        .parent = getppid(),
        .uid = SOME_UID,
        .gid = SOME_GID,
        .keep = keep,
        .n_keep = n };
}

static void
keeps_what_it_needs(void)
{
    /* in no order, twice, next to one another, the standard ones, none */
    const int keep[] = { 61, FDS_MAX - 1, 5, 4, 61, 1, -1 };
    struct process_role r = some_role(keep, LEN(keep));
    open_some();
    EXPECT(process_become(&r) == 0);
    expect_open(keep, LEN(keep));
}

static void
keeps_nothing(void)
{
    struct process_role r = some_role(NULL, 0);
    open_some();
    EXPECT(process_become(&r) == 0);
    expect_open(NULL, 0);
}

static void
closes_from(void)
{
    const int keep[] = { 3, 4, 5, 6, 7 };
    open_some();
    process_close_from(8);
    expect_open(keep, LEN(keep));
}

static void
descriptors(void **state)
{
    (void)state;
    child_passes(keeps_what_it_needs);
    child_passes(keeps_nothing);
    child_passes(closes_from);
}

static void
expect_sealed(void)
{
    struct rlimit core;
    EXPECT(prctl(PR_GET_DUMPABLE) == 0);
    EXPECT(getrlimit(RLIMIT_CORE, &core) == 0);
    EXPECT(core.rlim_cur == 0 && core.rlim_max == 0);
}

static void
is_sealed(void)
{
    struct process_role r = some_role(NULL, 0);
    int signo = 0;
    EXPECT(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
    EXPECT(process_become(&r) == 0);
    expect_sealed();
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    EXPECT(prctl(PR_GET_PDEATHSIG, &signo) == 0);
    EXPECT(signo == SIGKILL);
}

static void
seals_itself(void)
{
    EXPECT(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
    EXPECT(process_seal() == 0);
    expect_sealed();
}

static void
sealing(void **state)
{
    (void)state;
    child_passes(is_sealed);
    child_passes(seals_itself);
}

static void
expect_ids(void)
{
    uid_t u[3];
    gid_t g[3];
    EXPECT(getresuid(&u[0], &u[1], &u[2]) == 0);
    EXPECT(getresgid(&g[0], &g[1], &g[2]) == 0);
    for (int i = 0; i < 3; i++) {
        EXPECT(u[i] == SOME_UID && g[i] == SOME_GID);
    }
    EXPECT(setuid(0) != 0 && setgid(0) != 0);
}

static void
drops_root(void)
{
    const gid_t had = 77;
    struct process_role r = some_role(NULL, 0);
    EXPECT(setgroups(1, &had) == 0);
    EXPECT(process_become(&r) == 0);
    expect_ids();
    EXPECT(getgroups(0, NULL) == 0);
}

static void
drops_root_to_a_user(void)
{
    const gid_t had = 77;
    gid_t groups[64];
    struct process_role r = some_role(NULL, 0);
    r.user = "nobody";
    EXPECT(setgroups(1, &had) == 0);
    EXPECT(process_become(&r) == 0);
    expect_ids();
    int n = getgroups(LEN(groups), groups);
    EXPECT(n >= 1);
    for (int i = 0; i < n; i++) {
        EXPECT(groups[i] != had);
    }
}

/* Who is not root stays who he is. */
static void
is_not_root(void)
{
    struct process_role r = some_role(NULL, 0);
    r.uid = SOME_UID + 1;
    if (geteuid() == 0) {
        EXPECT(setresuid(SOME_UID, SOME_UID, SOME_UID) == 0);
    }
    uid_t uid = geteuid();
    EXPECT(process_become(&r) == 0);
    EXPECT(getuid() == uid && geteuid() == uid);
}

static void
users(void **state)
{
    (void)state;
    child_passes(is_not_root);
    if (geteuid() != 0) {
        skip();
    }
    child_passes(drops_root);
    child_passes(drops_root_to_a_user);
}

/* The grandchild says that it lives, its parent ends, and so does it: the
 * pipe has an end. */
static int alive[2];

static void
grandchild(void)
{
    struct process_role r = some_role(&alive[1], 1);
    EXPECT(process_become(&r) == 0);
    EXPECT(write(alive[1], "x", 1) == 1);
    alarm(30); /* if this test fails, not for ever */
    for (;;) {
        pause();
    }
}

static void
parent_that_ends(void)
{
    char c;
    pid_t pid = fork();
    EXPECT(pid >= 0);
    if (pid == 0) {
        grandchild();
    }
    close(alive[1]);
    EXPECT(read(alive[0], &c, 1) == 1);
}

static void
dies_with_the_parent(void **state)
{
    char c;
    (void)state;
    assert_int_equal(pipe(alive), 0);
    child_passes(parent_that_ends);
    close(alive[1]);
    struct pollfd p = { alive[0], POLLIN, 0 };
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_int_equal(read(alive[0], &c, 1), 0);
    close(alive[0]);
}

static unsigned long
soft_limit(int what, unsigned long *hard)
{
    struct rlimit l;
    EXPECT(getrlimit((__rlimit_resource_t)what, &l) == 0);
    *hard = l.rlim_max;
    return l.rlim_cur;
}

static void
raises_limits(void)
{
    const struct rlimit files = { 64, 128 }, locked = { 4096, 8192 };
    unsigned long hard;
    EXPECT(setrlimit(RLIMIT_NOFILE, &files) == 0);
    EXPECT(setrlimit(RLIMIT_MEMLOCK, &locked) == 0);
    EXPECT(process_raise_nofile(100) == 100);
    EXPECT(soft_limit(RLIMIT_NOFILE, &hard) == 100 && hard == 128);
    EXPECT(process_raise_nofile(80) == 100); /* never down */
    EXPECT(soft_limit(RLIMIT_NOFILE, &hard) == 100);
    process_raise_memlock(6000);
    EXPECT(soft_limit(RLIMIT_MEMLOCK, &hard) == 6000 && hard == 8192);
    process_raise_memlock(100);
    EXPECT(soft_limit(RLIMIT_MEMLOCK, &hard) == 6000);
    if (geteuid() == 0) {
        unsigned long n = process_raise_nofile(200);
        EXPECT(n == 200 || n == 128); /* without the capability */
        EXPECT(soft_limit(RLIMIT_NOFILE, &hard) == n && hard == n);
    }
}

static void
raises_limits_to_the_hard_ones(void)
{
    const struct rlimit files = { 64, 128 }, locked = { 4096, 8192 };
    unsigned long hard;
    EXPECT(setrlimit(RLIMIT_NOFILE, &files) == 0);
    EXPECT(setrlimit(RLIMIT_MEMLOCK, &locked) == 0);
    if (geteuid() == 0) {
        EXPECT(setresuid(SOME_UID, SOME_UID, SOME_UID) == 0);
    }
    EXPECT(process_raise_nofile(200) == 128);
    EXPECT(soft_limit(RLIMIT_NOFILE, &hard) == 128 && hard == 128);
    EXPECT(process_raise_nofile(200) == 128); /* again */
    process_raise_memlock(1u << 20);
    EXPECT(soft_limit(RLIMIT_MEMLOCK, &hard) == 8192 && hard == 8192);
}

static size_t
slurp(const char *path, char *to, size_t size)
{
    size_t n = 0;
    ssize_t r = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    EXPECT(fd >= 0);
    while (r > 0 && n < size - 1) {
        r = read(fd, to + n, size - 1 - n);
        n += r > 0 ? (size_t)r : 0;
    }
    to[n] = '\0';
    close(fd);
    return n;
}

/* What ps and /proc/PID/environ show, before and after. */
static void
title_child(char **argv)
{
    static char text[65536];
    char long_title[3000];
    memset(long_title, 'l', sizeof long_title);
    long_title[sizeof long_title - 1] = '\0';
    slurp("/proc/self/environ", text, sizeof text);
    EXPECT(memmem(text, sizeof text, "hunter2", 7) != NULL);
    process_title_init(4, &argv);
    EXPECT(strcmp(argv[2], "--title") == 0);
    EXPECT(strcmp(argv[3], "argument") == 0 && argv[4] == NULL);
    EXPECT(strcmp(getenv("WEIR_TEST"), "hunter2") == 0);
    EXPECT(strcmp(getenv("LAST"), "x") == 0);
    size_t n = slurp("/proc/self/environ", text, sizeof text);
    for (size_t i = 0; i < n; i++) {
        EXPECT(text[i] == '\0');
    }
    n = slurp("/proc/self/cmdline", text, sizeof text);
    EXPECT(memmem(text, n, "argument", 8) != NULL);
    process_title("worker process");
    n = slurp("/proc/self/cmdline", text, sizeof text);
    EXPECT(strcmp(text, "weir: worker process") == 0);
    EXPECT(memmem(text, n, "argument", 8) == NULL);
    process_title(long_title); /* cut to the room there is */
    slurp("/proc/self/cmdline", text, sizeof text);
    EXPECT(strncmp(text, "weir: lllll", 11) == 0);
    EXPECT(strlen(text) < sizeof long_title);
    process_title("x");
    slurp("/proc/self/cmdline", text, sizeof text);
    EXPECT(strcmp(text, "weir: x") == 0);
    EXPECT(strcmp(argv[3], "argument") == 0);
    EXPECT(strcmp(getenv("WEIR_TEST"), "hunter2") == 0);
    EXPECT(setenv("ANOTHER", "one", 1) == 0);
}

/* This program again, in an environment of its own (and without Valgrind,
 * which keeps the hard limit for itself). */
static void
run_again(const char *how)
{
    const char *path = unit_program();
    char *argv[] = { (char *)path, (char *)__FILE__, (char *)how,
        (char *)"argument", NULL };
    char *env[] = { (char *)"FIRST=", (char *)"WEIR_TEST=hunter2",
        (char *)"ASAN_OPTIONS=detect_leaks=0", (char *)"LAST=x", NULL };
    execve(path, argv, env);
    EXPECT(false);
}

static void
run_titles(void)
{
    run_again("--title");
}

static void
titles(void **state)
{
    (void)state;
    process_title("before there is room: nothing");
    child_passes(run_titles);
}

static void
run_limits(void)
{
    run_again("--limits");
}

static void
run_hard_limits(void)
{
    run_again("--hard-limits");
}

static void
limits(void **state)
{
    (void)state;
    child_passes(run_limits);
    child_passes(run_hard_limits);
}

/* The part of a child that was executed; what is left is a test run. */
static void
play_child(char **argv)
{
    const char *part = argv[1] != NULL ? argv[1] : "";
    if (strcmp(part, "--title") == 0) {
        title_child(argv - 1);
        exit(0);
    }
    if (strcmp(part, "--limits") == 0) {
        raises_limits();
        exit(0);
    }
    if (strcmp(part, "--hard-limits") == 0) {
        raises_limits_to_the_hard_ones();
        exit(0);
    }
}

static void
memory_files(void **state)
{
    struct stat st;
    char zeros[5000];
    (void)state;
    int fd = process_memory_file("weir-test", sizeof zeros);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, sizeof zeros);
    memset(zeros, 'x', sizeof zeros);
    assert_int_equal(pread(fd, zeros, sizeof zeros, 0), sizeof zeros);
    for (size_t i = 0; i < sizeof zeros; i++) {
        assert_int_equal(zeros[i], 0);
    }
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, sizeof zeros + 1), -1);
    assert_int_equal(pwrite(fd, "x", 1, sizeof zeros), -1);
    /* who holds it cannot forbid the next keeper to write */
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_int_equal(errno, EPERM);
    char *p =
        mmap(NULL, sizeof zeros, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(p != MAP_FAILED);
    p[sizeof zeros - 1] = 'y';
    assert_int_equal(pread(fd, zeros, 1, sizeof zeros - 1), 1);
    assert_int_equal(zeros[0], 'y');
    munmap(p, sizeof zeros);
    close(fd);
}

static void
memory_files_that_fail(void **state)
{
    char name[300];
    unsigned had = fds_open();
    (void)state;
    assert_int_equal(process_memory_file("weir-test", SIZE_MAX), -1);
    assert_int_equal(errno, EINVAL);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(process_memory_file(name, 1), -1);
    assert_int_equal(fds_open(), had);
}

static void
looking_up_users(void **state)
{
    uid_t uid = 1;
    gid_t gid = 1;
    (void)state;
    assert_true(process_user("root", NULL, &uid, &gid));
    assert_int_equal(uid, 0);
    assert_int_equal(gid, 0);
    const struct group *g = getgrnam("daemon");
    if (g != NULL) {
        gid_t want = g->gr_gid;
        assert_true(process_user("root", "daemon", &uid, &gid));
        assert_int_equal(uid, 0);
        assert_int_equal(gid, want);
    }
    assert_false(process_user("no-such-user-here", NULL, &uid, &gid));
    assert_false(process_user("root", "no-such-group-here", &uid, &gid));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors),
        cmocka_unit_test(sealing),
        cmocka_unit_test(users),
        cmocka_unit_test(dies_with_the_parent),
        cmocka_unit_test(limits),
        cmocka_unit_test(titles),
        cmocka_unit_test(memory_files),
        cmocka_unit_test(memory_files_that_fail),
        cmocka_unit_test(looking_up_users),
    };
    play_child(unit_argv());
    return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
