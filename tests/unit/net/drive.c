/*
 * The task of a test.
 */

#include "drive.h"

#include <sys/socket.h>

#include "base/clock.h"

#define PATIENCE 60.0

static const struct step *
run_drive(struct task *t)
{
    struct drive *d = container_of(t, struct drive, task);
    d->is_late = task_is_expired(t);
    bool is_asked = d->holds != NULL; /* else a turn runs for its own sake */
    if (is_asked && (d->is_late || d->holds(d->arg))) {
        loop_stop(d->loop);
        task_wait(t, TASK_NEVER, NULL, NULL);
    }
    return TASK_WAIT;
}

static const struct step step_drive = { "test", run_drive };

static void
on_end(struct task *t)
{
    (void)t;
    PANIC("the test's task ended");
}

void
drive_init(struct drive *d, struct loop *l)
{
    *d = (struct drive){ .loop = l };
    task_init(&d->task, l, &step_drive, on_end);
}

void
drive_fini(struct drive *d)
{
    task_fini(&d->task);
}

void
drive_until(struct drive *d, bool (*holds)(void *arg), void *arg)
{
    d->holds = holds;
    d->arg = arg;
    clock_update();
    task_wait(&d->task, clock_mono() + PATIENCE, NULL, NULL);
    task_wake(&d->task);
    loop_run(d->loop);
    d->holds = NULL; /* what it looks at may be gone */
    AZ(d->is_late);
}

static void
on_turn(struct timer *t)
{
    loop_stop(t->loop);
}

void
drive_turn(struct drive *d)
{
    struct timer t;
    timer_init(&t, d->loop, on_turn);
    timer_start(&t, 0);
    loop_run(d->loop);
}

void
drive_pair(int fds[2])
{
    AZ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
}
