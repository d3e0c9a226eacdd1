/*
 * The fork into the background and the file that names the process. Called by
 * weir.c, the master and, for their terminal, its children.
 */

#include "proc/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/path.h"

_Noreturn static void
wait_for_child(int fd)
{
    char byte;
    _exit(read(fd, &byte, 1) == 1 ? 0 : 1);
}

int
daemon_start(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        log_errno(LOG_EMERG, errno, "pipe() failed");
        return -1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        log_errno(LOG_EMERG, errno, "fork() failed");
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    if (pid > 0) {
        close(ends[1]);
        wait_for_child(ends[0]);
    }
    close(ends[0]);
    setsid();
    return ends[1];
}

void
daemon_leave_terminal(bool is_stderr_log)
{
    int last = is_stderr_log ? STDOUT_FILENO : STDERR_FILENO;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = STDIN_FILENO; i <= last; i++) {
        if (null < 0 || dup2(null, i) < 0) {
            log_errno(LOG_ALERT, errno, "/dev/null cannot be had");
        }
    }
    if (null > STDERR_FILENO) {
        close(null);
    }
}

void
daemon_tell(int fd)
{
    if (write(fd, "r", 1) != 1) {
        log_errno(LOG_NOTICE, errno, "nobody waited for the start");
    }
    close(fd);
}

int
pid_file_write(struct pid_file *f, struct str path)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (path_replace(path.p, str_n(text, (size_t)n), 0644) != 0) {
        log_errno(LOG_EMERG, errno, "cannot write \"%.*s\"", STR_ARG(path));
        return -1;
    }
    f->path = xstrndup(path);
    return 0;
}

void
pid_file_remove(struct pid_file *f)
{
    if (f->path != NULL) {
        unlink(f->path);
        xfree(f->path);
        f->path = NULL;
    }
}

int
pid_file_read(const char *path)
{
    char text[32] = "";
    uint64_t pid;
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd < 0) {
        log_errno(LOG_EMERG, errno, "open() \"%s\" failed", path);
        return 0;
    }
    close(fd);
    while (n > 0 && text[n - 1] == '\n') {
        n--;
    }
    if (n <= 0 || !str_u64(str_n(text, (size_t)n), &pid) || pid == 0 ||
        pid > INT32_MAX) {
        log_at(LOG_EMERG, "invalid pid in \"%s\"", path);
        return 0;
    }
    return (int)pid;
}
