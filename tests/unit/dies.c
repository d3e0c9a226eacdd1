/*
 * Panics, seen from outside: a child, its log in a pipe, its SIGABRT.
 */

#include "dies.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#include <cmocka.h>

static void
run_child(void (*fn)(void), const int fds[2])
{
    const struct rlimit no_core = { 0, 0 };
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGABRT, SIG_DFL); /* cmocka's handler is not wanted here */
    close(fds[0]);
    log_set(fds[1], LOG_ERR);
    fn();
    _exit(0);
}

const char *
assert_panics(void (*fn)(void), const char *why)
{
    static char text[16384];
    int fds[2], status;
    size_t n = 0;
    ssize_t r = 1;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        run_child(fn, fds);
    }
    close(fds[1]);
    while (r > 0 && n < sizeof text - 1) {
        r = read(fds[0], text + n, sizeof text - 1 - n);
        n += r > 0 ? (size_t)r : 0;
    }
    text[n] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) {
        fail_msg("no panic \"%s\": status %x, %s", why, status, text);
    }
    if (strstr(text, why) == NULL) {
        fail_msg("no \"%s\" in: %s", why, text);
    }
    return text;
}
