/*
 * The owner of signalfd(2). Called by proc/ alone.
 */

#include "os/sig.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const struct {
    int signo;
    const char *name;
} signals[] = {
    { SIGTERM, "SIGTERM" },
    { SIGINT, "SIGINT" },
    { SIGQUIT, "SIGQUIT" },
    { SIGHUP, "SIGHUP" },
    { SIGUSR1, "SIGUSR1" },
    { SIGUSR2, "SIGUSR2" },
    { SIGWINCH, "SIGWINCH" },
    { SIGCHLD, "SIGCHLD" },
};

static void
sig_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < LEN(signals); i++) {
        sigaddset(set, signals[i].signo);
    }
}

int
sig_open(void)
{
    sigset_t set;
    sig_set(&set);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ,
        SIG_IGN); /* a log at its size limit must not end the process */
    signal(SIGCHLD, SIG_DFL); /* if ignored, the end of a child is not seen */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int
sig_next(int fd)
{
    struct signalfd_siginfo info;
    AN(fd >= 0);
    ssize_t n = read(fd, &info, sizeof info);
    return n == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

void
sig_child(void)
{
    sigset_t none;
    for (size_t i = 0; i < LEN(signals); i++) {
        bool is_own =
            signals[i].signo == SIGTERM || signals[i].signo == SIGCHLD;
        signal(signals[i].signo, is_own ? SIG_DFL : SIG_IGN);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

const char *
sig_name(int signo)
{
    for (size_t i = 0; i < LEN(signals); i++) {
        if (signals[i].signo == signo) {
            return signals[i].name;
        }
    }
    return "signal";
}
