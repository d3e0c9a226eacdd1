#pragma once

/*
 * A task is one sequence of named steps: a client connection, an exchange, a
 * dial. An event never runs a task, it only queues it; the loop runs queued
 * tasks one after the other, so no step is ever entered from inside another.
 */

#include "net/loop.h"

struct task;

/* `run` returns the next step, TASK_WAIT to be run again when woken, or
 * &task_end. It may be run without cause: a step looks at the world, not at
 * why it was woken. */
struct step {
    const char *name;
    const struct step *(*run)(struct task *);
};

#define TASK_WAIT ((const struct step *)NULL)
#define TASK_NEVER 1e100 /* a deadline that does not come */

/* Calls the task's on_end, which may free the task. */
extern const struct step task_end;

struct task {
    unsigned magic;
    struct loop *loop;
    const struct step *step;
    void (*on_end)(struct task *);
    struct list queued;
    double deadline; /* clock_mono(); TASK_NEVER: none */
    struct timer timer;
    void (*cancel)(struct task *, void *arg);
    void *cancel_arg;
    bool is_expired;
    bool is_running;
};

/* The first run comes with the first wake. */
void task_init(struct task *t, struct loop *l, const struct step *first,
    void (*on_end)(struct task *));

/* Takes the task off the queue, stops its timer and cancels what it waits
 * for. The memory is the owner's. Not from inside the task's own step. */
void task_fini(struct task *t);

/* In a step, before returning TASK_WAIT: run again at `deadline` at the
 * latest, with task_is_expired() true. `cancel` (or NULL) takes back what was
 * asked for; it is called once, if the deadline or task_fini() ends the wait,
 * never after a wake that the asked-for party made with task_grant(). */
void task_wait(struct task *t, double deadline,
    void (*cancel)(struct task *, void *arg), void *arg);

/* True in the run that the deadline caused, until the next task_wait(). */
bool task_is_expired(const struct task *t);

/* Queues a run; never calls into the task. Waking twice is waking once. */
void task_wake(struct task *t);

/* As task_wake(), by the party that was waited for: drops the cancel. */
void task_grant(struct task *t);

/* In a step: run again in the next turn, after others had theirs. */
void task_yield(struct task *t);

/* Bytes that one task moves in a turn of the loop, so that one who is fast
 * does not keep it from all others; zeroed to begin with. */
struct turn {
    unsigned long number;
    uint64_t bytes;
};

/* In a step, when `n` more bytes were moved: task_yield() once there are `max`
 * in this turn; true then. */
bool turn_spend(struct turn *turn, struct task *t, uint64_t n, uint64_t max);

/* For the loop alone. */
void task_run(struct task *t);
