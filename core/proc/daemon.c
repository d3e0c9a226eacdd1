/*
 * The fork into the background, and the pid file. Called by weir.c and the
 * master, and by children, to leave the terminal.
 */

#include "proc/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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
daemon_leave_terminal(bool is_stdout_log, bool is_stderr_log)
{
    bool stays[] = { false, is_stdout_log, is_stderr_log };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
        if (!stays[i] && (null < 0 || dup2(null, i) < 0)) {
            log_errno(LOG_ALERT, errno, "cannot open /dev/null");
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
        log_errno(LOG_NOTICE, errno, "nobody waits for this start any more");
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

/* Reads a small file, and who owns it; -1 with errno. */
static ssize_t
read_small(const char *path, char *text, size_t size, struct stat *st)
{
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return -1;
    }
    ssize_t n = fstat(fd, st) == 0 ? read(fd, text, size) : -1;
    close(fd);
    return n;
}

/* The pid that the text is; 0: it is none. */
static int
pid_of(const char *text, ssize_t n)
{
    uint64_t pid;
    while (n > 0 && text[n - 1] == '\n') {
        n--;
    }
    bool ok = n > 0 && str_u64(str_n(text, (size_t)n), &pid) && pid != 0 &&
              pid <= INT32_MAX;
    return ok ? (int)pid : 0;
}

/* The user of a process; false: not known. The directory itself is read, since
 * the files in it belong to root if the process is sealed (process_seal()). */
static bool
owner_of(int pid, uid_t *uid)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d", pid);
    bool ok = stat(path, &st) == 0;
    *uid = ok ? st.st_uid : 0;
    return ok;
}

/* A pid file of another user may name only a process of that user, or one that
 * does not exist: else that user could have weir signal any process. */
static bool
may_name(const struct stat *st, int pid)
{
    uid_t uid;
    if (!path_is_foreign(st)) {
        return true;
    }
    return owner_of(pid, &uid) ? uid == st->st_uid : kill(pid, 0) != 0;
}

int
pid_file_read(const char *path)
{
    char text[32];
    struct stat st;
    ssize_t n = read_small(path, text, sizeof text, &st);
    if (n < 0) {
        log_errno(LOG_EMERG, errno, "open() \"%s\" failed", path);
        return 0;
    }
    int pid = pid_of(text, n);
    if (pid == 0) {
        log_at(LOG_EMERG, "invalid pid in \"%s\"", path);
    } else if (!may_name(&st, pid)) {
        log_at(LOG_EMERG,
            "pid file \"%s\" belongs to user %u, but process %d to another one",
            path, (unsigned)st.st_uid, pid);
        pid = 0;
    }
    return pid;
}

static bool
is_master(int pid)
{
    char path[64], title[64];
    struct stat st;
    uid_t uid;
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    ssize_t n = read_small(path, title, sizeof title, &st);
    return n > 0 && owner_of(pid, &uid) && uid == geteuid() &&
           str_starts(str_n(title, (size_t)n), STR("weir: master process"));
}

bool
pid_file_is_held(const char *path)
{
    char text[32];
    struct stat st;
    int pid = pid_of(text, read_small(path, text, sizeof text, &st));
    if (pid == 0 || pid == getpid() || !is_master(pid)) {
        return false;
    }
    log_at(LOG_EMERG, "weir runs already: \"%s\" has its pid, %d", path, pid);
    return true;
}
