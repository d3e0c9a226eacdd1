/*
 * Called by the master alone. A service manager that does not listen costs a
 * log line and no more.
 */

#include "proc/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

/* Only as long as the manager may be busy: the master has more to do. */
static const struct timeval send_timeout = { .tv_sec = 1 };

/* 0: not a socket that can be named here. */
static socklen_t
notify_address(const struct notify *n, struct sockaddr_un *un)
{
    size_t length = strlen(n->socket);
    memset(un, 0, sizeof *un);
    un->sun_family = AF_UNIX;
    bool is_abstract = n->socket[0] == '@';
    if ((!is_abstract && n->socket[0] != '/') || length < 2 ||
        length >= sizeof un->sun_path) {
        return 0;
    }
    memcpy(un->sun_path, n->socket, length);
    if (is_abstract) {
        un->sun_path[0] = '\0'; /* and without the one at the end */
    }
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length +
                       !is_abstract);
}

void
notify_init(struct notify *n)
{
    struct sockaddr_un un;
    const char *value = getenv("NOTIFY_SOCKET");
    n->socket = NULL;
    if (value == NULL) {
        return;
    }
    n->socket = xstrndup(str_of(value));
    AZ(unsetenv("NOTIFY_SOCKET"));
    if (notify_address(n, &un) == 0) {
        log_at(LOG_WARN, "NOTIFY_SOCKET \"%s\" is not a socket of this system",
            n->socket);
        notify_fini(n);
    }
}

void
notify_fini(struct notify *n)
{
    xfree(n->socket);
    n->socket = NULL;
}

static void
notify_send(const struct notify *n, struct str text)
{
    struct sockaddr_un un;
    if (n->socket == NULL) {
        return;
    }
    socklen_t length = notify_address(n, &un);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &send_timeout,
            sizeof send_timeout) != 0 ||
        sendto(fd, text.p, text.n, MSG_NOSIGNAL, (struct sockaddr *)&un,
            length) < 0) {
        log_errno(LOG_WARN, errno, "the service manager at \"%s\" is not told",
            n->socket);
    }
    if (fd >= 0) {
        close(fd);
    }
}

void
notify_ready(const struct notify *n, pid_t pid, const char *status)
{
    char text[256];
    snprintf(
        text, sizeof text, "READY=1\nMAINPID=%d\nSTATUS=%s", (int)pid, status);
    notify_send(n, str_of(text));
}

/* With the time at which it began, by which the manager tells this reload's
 * READY=1 from an earlier one. */
void
notify_reloading(const struct notify *n)
{
    char text[128];
    struct timespec now;
    AZ(clock_gettime(CLOCK_MONOTONIC, &now));
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
        (unsigned long long)now.tv_sec * 1000000 +
            (unsigned long long)now.tv_nsec / 1000);
    notify_send(n, str_of(text));
}

void
notify_stopping(const struct notify *n)
{
    notify_send(n, STR("STOPPING=1"));
}
