/*
 * The master's signals arrive on a descriptor; a child obeys SIGTERM alone.
 */

#include "os/sig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

#include <cmocka.h>

static const int masters[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1,
    SIGUSR2, SIGWINCH, SIGCHLD };

static void
each_is_seen(void)
{
    int fd = sig_open();
    EXPECT(fd >= 0);
    EXPECT(fcntl(fd, F_GETFL) & O_NONBLOCK);
    EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    EXPECT(sig_next(fd) == 0);
    for (size_t i = 0; i < LEN(masters); i++) {
        raise(masters[i]);
        EXPECT(sig_next(fd) == masters[i]);
        EXPECT(sig_next(fd) == 0);
    }
    unsigned seen = 0;
    for (size_t i = 0; i < LEN(masters); i++) {
        raise(masters[i]);
    }
    for (int s = sig_next(fd); s != 0; s = sig_next(fd)) {
        seen |= 1u << s;
    }
    for (size_t i = 0; i < LEN(masters); i++) {
        EXPECT(seen & 1u << masters[i]);
    }
}

static void
no_sigpipe(void)
{
    int fds[2];
    EXPECT(sig_open() >= 0);
    EXPECT(pipe(fds) == 0);
    close(fds[0]);
    EXPECT(write(fds[1], "x", 1) == -1 && errno == EPIPE);
}

/* A parent that ignored SIGCHLD hands that down through exec. */
static void
a_child_is_seen_to_end(void)
{
    int status;
    signal(SIGCHLD, SIG_IGN);
    int fd = sig_open();
    EXPECT(fd >= 0);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(7);
    }
    EXPECT(waitpid(pid, &status, 0) == pid);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    EXPECT(sig_next(fd) == SIGCHLD);
}

static void
the_master(void **state)
{
    (void)state;
    child_passes(each_is_seen);
    child_passes(no_sigpipe);
    child_passes(a_child_is_seen_to_end);
}

static void
group_signals_are_ignored(void)
{
    sigset_t blocked;
    EXPECT(sig_open() >= 0);
    for (size_t i = 1; i < LEN(masters); i++) {
        raise(masters[i]); /* between fork and sig_child() */
    }
    sig_child();
    EXPECT(sigprocmask(SIG_BLOCK, NULL, &blocked) == 0);
    for (int s = 1; s < NSIG; s++) {
        EXPECT(sigismember(&blocked, s) != 1);
    }
    for (size_t i = 1; i < LEN(masters); i++) {
        raise(masters[i]);
    }
    raise(SIGPIPE);
    pid_t pid = fork(); /* SIGCHLD has its default: an end can be waited for */
    if (pid == 0) {
        _exit(0);
    }
    EXPECT(waitpid(pid, NULL, 0) == pid);
}

static void
ended_by_sigterm(void)
{
    EXPECT(sig_open() >= 0);
    sig_child();
    raise(SIGTERM);
}

static void
ended_by_an_early_sigterm(void)
{
    EXPECT(sig_open() >= 0);
    raise(SIGTERM);
    sig_child();
}

static void
a_child(void **state)
{
    (void)state;
    child_passes(group_signals_are_ignored);
    int status = child_run(ended_by_sigterm);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    status = child_run(ended_by_an_early_sigterm);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void
names(void **state)
{
    (void)state;
    assert_string_equal(sig_name(SIGHUP), "SIGHUP");
    assert_string_equal(sig_name(SIGCHLD), "SIGCHLD");
    assert_string_equal(sig_name(SIGWINCH), "SIGWINCH");
    assert_string_equal(sig_name(SIGSEGV), "signal");
    assert_string_equal(sig_name(0), "signal");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_master),
        cmocka_unit_test(a_child),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests_name("sig", tests, NULL, NULL);
}
