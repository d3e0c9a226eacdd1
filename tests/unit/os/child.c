/*
 * Children of a test: run, waited for, judged by their end.
 */

#include "child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

void
child_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: in a child: %s\n", file, line, what);
    _exit(1);
}

int
child_run(void (*fn)(void))
{
    int status = -1;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fn();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

void
child_passes(void (*fn)(void))
{
    assert_int_equal(child_run(fn), 0);
}
