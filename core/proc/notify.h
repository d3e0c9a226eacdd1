#pragma once

/*
 * What the master tells a service manager (systemd's sd_notify(3) protocol):
 * one datagram for each change of state, to the socket that $NOTIFY_SOCKET
 * names.
 */

#include <sys/types.h>

#define NOTIFY_TEXT_MAX 256 /* bytes of one */

/* How many messages wait at most for a manager that does not read. Then the
 * oldest is dropped, since the newest says what is true now. */
#define NOTIFY_WAITING_MAX 8

struct notify {
    char *socket; /* a path, or "@NAME" for an abstract one; NULL: nobody */
    int fd;       /* connected to it while something waits; else -1 */
    char waiting[NOTIFY_WAITING_MAX][NOTIFY_TEXT_MAX];
    unsigned n_waiting;
};

/* Takes the variable out of the environment, so that no child has it. */
void notify_init(struct notify *n);

/* Messages that still wait are not sent. */
void notify_fini(struct notify *n);

/* To be called when n->fd can be written to. */
void notify_flush(struct notify *n);

/* Tells that weir serves, with the master's pid; also at the end of a reload,
 * whether it succeeded or failed. `status` is a text for people. */
void notify_ready(struct notify *n, pid_t pid, const char *status);
void notify_reloading(struct notify *n);
void notify_stopping(struct notify *n);
