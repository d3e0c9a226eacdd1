/*
 * The program of all unit tests: a child for each file, which is a fresh
 * process, since this one initialises nothing. It is linked once, and started
 * once for each processor: that takes Valgrind longer than most files do.
 *
 *   units FILE [ARG…]             that file, in this process
 *   units --each DIR MS FILE…     each in a child that may take so long
 *
 * Several that are given the same DIR share the files out: who makes a file's
 * mark there runs it. One at a time, so that all that comes between "begin" and
 * "end" is of that file: Valgrind's words, too, which go where the first
 * process's went whatever a child does with its descriptors.
 *
 * Valgrind's look for leaks reads the static memory of all files, in each
 * process that ends: what takes megabytes is allocated by the file that has it.
 */

#include "units.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define TIMED_OUT 124 /* as timeout(1) has it */

static char **argv_of_unit;

char **
unit_argv(void)
{
    return argv_of_unit;
}

const char *
unit_program(void)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    AN(n > 0);
    path[n] = '\0';
    return path;
}

static const struct unit *
find(const char *file)
{
    const struct unit *u = units;
    while (u->file != NULL && strcmp(u->file, file) != 0) {
        u++;
    }
    if (u->file == NULL) {
        dprintf(STDERR_FILENO, "units: no file %s\n", file);
        exit(2);
    }
    return u;
}

/* In a group of its own, so that what it leaves can be ended with it. */
static _Noreturn void
play(const struct unit *u, const sigset_t *mask)
{
    char *argv[] = { (char *)u->file, NULL };
    AZ(sigprocmask(SIG_SETMASK, mask, NULL));
    AZ(setpgid(0, 0));
    AZ(prctl(PR_SET_PDEATHSIG, SIGKILL));
    argv_of_unit = argv;
    exit(u->main());
}

/* A child that stops itself says so by the same signal; then the time begins
 * anew. It is not taken: until then the number is its. */
static bool
has_ended(pid_t pid, const sigset_t *child, int ms)
{
    const struct timespec most = { ms / 1000, ms % 1000 * 1000000L };
    siginfo_t info = { 0 };
    while (info.si_pid != pid && sigtimedwait(child, NULL, &most) == SIGCHLD) {
        AZ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT));
    }
    return info.si_pid == pid;
}

static unsigned long
ms_of(struct timeval t)
{
    return (unsigned long)t.tv_sec * 1000 + (unsigned long)t.tv_usec / 1000;
}

/* What it says, between two lines that auto/unit reads: the last has its exit
 * code as a shell would have it and the milliseconds of CPU that it took. */
static void
run(const struct unit *u, int ms)
{
    sigset_t child, mask;
    struct rusage took;
    int status = 0;
    dprintf(STDOUT_FILENO, "\036begin %s\n", u->file);
    AZ(sigemptyset(&child));
    AZ(sigaddset(&child, SIGCHLD));
    AZ(sigprocmask(SIG_BLOCK, &child, &mask));
    pid_t pid = fork();
    AN(pid >= 0);
    if (pid == 0) {
        play(u, &mask);
    }
    bool is_over = has_ended(pid, &child, ms);
    (void)kill(-pid, SIGKILL);
    AN(wait4(pid, &status, 0, &took) == pid);
    AZ(sigprocmask(SIG_SETMASK, &mask, NULL));
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    dprintf(STDOUT_FILENO, "\n\036end %d %lu\n", is_over ? code : TIMED_OUT,
        ms_of(took.ru_utime) + ms_of(took.ru_stime));
}

static bool
is_mine(const char *dir, const struct unit *u)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%td", dir, u - units);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        AZ(close(fd));
    }
    return fd >= 0;
}

static void
run_each(const char *dir, int ms, char **files)
{
    for (; *files != NULL; files++) {
        const struct unit *u = find(*files);
        if (is_mine(dir, u)) {
            run(u, ms);
        }
    }
}

static int
usage(void)
{
    dprintf(STDERR_FILENO, "units FILE [ARG...] | --each DIR MS FILE...\n");
    return 2;
}

int
main(int argc, char **argv)
{
    bool is_each = argc > 1 && strcmp(argv[1], "--each") == 0;
    if (argc < (is_each ? 4 : 2)) {
        return usage();
    }
    if (!is_each) {
        argv_of_unit = argv + 1;
        return find(argv[1])->main();
    }
    run_each(argv[2], (int)strtol(argv[3], NULL, 10), argv + 4);
    return 0;
}
