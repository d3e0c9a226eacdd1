/*
 * Called by the master alone, which never waits for the service manager: a
 * message that finds no room in the socket is sent when there is room. If the
 * manager does not listen, that is a log line and nothing more.
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

/* 0: the name cannot be that of a socket of this system. */
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
        un->sun_path[0] = '\0'; /* the '\0' at the end does not count */
    }
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length +
                       !is_abstract);
}

void
notify_init(struct notify *n)
{
    struct sockaddr_un un;
    const char *value = getenv("NOTIFY_SOCKET");
    *n = (struct notify){ .fd = -1 };
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

static void
hang_up(struct notify *n)
{
    if (n->fd >= 0) {
        close(n->fd);
    }
    n->fd = -1;
    n->n_waiting = 0;
}

void
notify_fini(struct notify *n)
{
    hang_up(n);
    xfree(n->socket);
    n->socket = NULL;
}

static bool
reach(struct notify *n)
{
    struct sockaddr_un un;
    socklen_t length = notify_address(n, &un);
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return n->fd >= 0 && connect(n->fd, (struct sockaddr *)&un, length) == 0;
}

/* Removes the oldest of those that wait. */
static void
shift(struct notify *n)
{
    AN(n->n_waiting);
    n->n_waiting--;
    memmove(n->waiting[0], n->waiting[1], n->n_waiting * sizeof n->waiting[0]);
}

void
notify_flush(struct notify *n)
{
    AN(n->n_waiting <= NOTIFY_WAITING_MAX);
    bool ok = n->n_waiting == 0 || n->fd >= 0 || reach(n);
    while (ok && n->n_waiting != 0) {
        const char *text = n->waiting[0];
        ok = send(n->fd, text, strlen(text), MSG_NOSIGNAL) >= 0;
        if (ok) {
            shift(n);
        } else if (errno == EAGAIN) {
            return;
        }
    }
    if (!ok) {
        log_errno(LOG_WARN, errno, "the service manager at \"%s\" is not told",
            n->socket);
    }
    hang_up(n);
}

static void
notify_send(struct notify *n, const char *text)
{
    if (n->socket == NULL) {
        return;
    }
    if (n->n_waiting == NOTIFY_WAITING_MAX) {
        log_at(
            LOG_WARN, "the service manager at \"%s\" does not read", n->socket);
        shift(n);
    }
    snprintf(n->waiting[n->n_waiting++], NOTIFY_TEXT_MAX, "%s", text);
    notify_flush(n);
}

void
notify_ready(struct notify *n, pid_t pid, const char *status)
{
    char text[NOTIFY_TEXT_MAX];
    snprintf(
        text, sizeof text, "READY=1\nMAINPID=%d\nSTATUS=%s", (int)pid, status);
    notify_send(n, text);
}

/* Has the time at which the reload began: by this the manager tells its READY=1
 * from an earlier one. */
void
notify_reloading(struct notify *n)
{
    char text[128];
    struct timespec now;
    AZ(clock_gettime(CLOCK_MONOTONIC, &now));
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
        (unsigned long long)now.tv_sec * 1000000 +
            (unsigned long long)now.tv_nsec / 1000);
    notify_send(n, text);
}

void
notify_stopping(struct notify *n)
{
    notify_send(n, "STOPPING=1");
}
