#pragma once

/*
 * A task is a sequence of named steps: of a client connection, an exchange, a
 * dial. An event never runs a task, it only queues it. The loop runs the queued
 * tasks one after the other, so that no step is ever entered from inside
 * another.
 */

#include "net/loop.h"

struct task;

/* `run` returns the next step, or TASK_WAIT to be run again when woken, or
 * &task_end. It may be run without a cause: a step looks at the state of
 * things, not at why it was woken. */
struct step {
    const char *name;
    const struct step *(*run)(struct task *);
};

#define TASK_WAIT ((const struct step *)NULL)
#define TASK_NEVER 1e100 /* a deadline that never comes */

/* Ends the task: its on_end is called, which may free it. */
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

/* The task runs first after its first wake. */
void task_init(struct task *t, struct loop *l, const struct step *first,
    void (*on_end)(struct task *));

/* Takes the task off the queue, stops its timer and cancels its wait. The owner
 * frees the memory. Never from inside the task's own step. */
void task_fini(struct task *t);

/* Called in a step that then returns TASK_WAIT: the task runs again when woken,
 * or at `deadline`, with task_is_expired() true. `cancel` (or NULL) withdraws
 * what the task waits for. It is called once, if the deadline or task_fini()
 * ends the wait, and never after task_grant(). */
void task_wait(struct task *t, double deadline,
    void (*cancel)(struct task *, void *arg), void *arg);

/* True in the run that the deadline caused, until the next task_wait(). */
bool task_is_expired(const struct task *t);

/* Queues a run; never runs the task itself. Several wakes before the run cause
 * one run. */
void task_wake(struct task *t);

/* As task_wake(), called by what the task waited for: the wait's `cancel` is
 * dropped. */
void task_grant(struct task *t);

/* Called in a step: run again in the next turn, after the other tasks. */
void task_yield(struct task *t);

/* Bytes that one task has moved in this turn of the loop, so that a fast peer
 * does not keep the loop from the others. Zeroed at the start. */
struct turn {
    unsigned long number;
    uint64_t bytes;
};

/* Called in a step that moved `n` more bytes. Once there are `max` in this turn
 * it calls task_yield() and is true. */
bool turn_spend(struct turn *turn, struct task *t, uint64_t n, uint64_t max);

/* For the loop alone. */
void task_run(struct task *t);
