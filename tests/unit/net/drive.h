#pragma once

/*
 * Runs the loop in a test until something holds: one task that every stream,
 * dial or query of the test wakes, and a condition that it looks at.
 */

#include "net/dial.h"

struct drive {
    struct task task;
    struct loop *loop;
    bool (*holds)(void *arg);
    void *arg;
    bool is_late;
};

void drive_init(struct drive *d, struct loop *l);
void drive_fini(struct drive *d);

/* Runs the loop until `holds(arg)` is true, which is asked whenever the task
 * is woken. Fails the test when that takes longer than 20 s. */
void drive_until(struct drive *d, bool (*holds)(void *arg), void *arg);

/* Runs what is due now, and no more. */
void drive_turn(struct drive *d);

/* Waits for the end of a dial that wakes d->task. */
const struct dial_result *drive_dial(struct drive *d, struct dial *dial);

/* A pair of connected, non-blocking sockets. */
void drive_pair(int fds[2]);
