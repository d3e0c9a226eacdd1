#pragma once

/*
 * What the master tells a service manager (systemd's sd_notify(3) protocol):
 * one datagram a change of state to the socket that $NOTIFY_SOCKET names.
 */

#include <sys/types.h>

struct notify {
    char *socket; /* a path, or "@NAME" for an abstract one; NULL: nobody */
};

/* Takes the variable out of the environment, so that no child has it. */
void notify_init(struct notify *n);
void notify_fini(struct notify *n);

/* Serving, under that pid; also the end of a reload, whatever came of it.
 * `status` is for people. */
void notify_ready(const struct notify *n, pid_t pid, const char *status);
void notify_reloading(const struct notify *n);
void notify_stopping(const struct notify *n);
