/*
 * Tasks and their deadlines. A deadline that moves to later does not touch the
 * timer: the timer fires at the old time, finds the new deadline and starts
 * again. So a new deadline for each request costs one store.
 */

#include "net/task.h"

#include "base/clock.h"

#define TASK_MAGIC 0x7a5c7a5cu

static const struct step *
step_end(struct task *t)
{
    (void)t;
    PANIC("the end step ran");
}

const struct step task_end = { "end", step_end };

static void
task_queue(struct task *t)
{
    if (!list_is_linked(&t->queued)) {
        list_add_tail(&t->loop->ready, &t->queued);
    }
}

static void
task_cancel(struct task *t)
{
    void (*cancel)(struct task *, void *) = t->cancel;
    t->cancel = NULL;
    if (cancel != NULL) {
        cancel(t, t->cancel_arg);
    }
}

static void
on_deadline(struct timer *timer)
{
    struct task *t = container_of(timer, struct task, timer);
    double left = t->deadline - clock_mono();
    if (t->deadline >= TASK_NEVER) {
        return;
    }
    if (left > 0.001) {
        timer_start(&t->timer, left);
        return;
    }
    t->deadline = TASK_NEVER;
    t->is_expired = true;
    task_cancel(t);
    task_queue(t);
}

void
task_init(struct task *t, struct loop *l, const struct step *first,
    void (*on_end)(struct task *))
{
    *t = (struct task){ .magic = TASK_MAGIC,
        .loop = l,
        .step = first,
        .on_end = on_end,
        .deadline = TASK_NEVER };
    list_init(&t->queued);
    timer_init(&t->timer, l, on_deadline);
}

void
task_fini(struct task *t)
{
    CHECK(t, TASK_MAGIC);
    AZ(t->is_running);
    task_cancel(t);
    list_del(&t->queued);
    timer_stop(&t->timer);
    t->magic = 0;
}

void
task_wait(struct task *t, double deadline,
    void (*cancel)(struct task *, void *arg), void *arg)
{
    CHECK(t, TASK_MAGIC);
    t->cancel = cancel;
    t->cancel_arg = arg;
    t->is_expired = false;
    bool is_sooner = !timer_is_active(&t->timer) || deadline < t->deadline;
    t->deadline = deadline;
    if (is_sooner && deadline < TASK_NEVER) {
        timer_start(&t->timer, deadline - clock_mono());
    }
}

bool
task_is_expired(const struct task *t)
{
    return t->is_expired;
}

void
task_wake(struct task *t)
{
    CHECK(t, TASK_MAGIC);
    task_queue(t);
}

void
task_grant(struct task *t)
{
    CHECK(t, TASK_MAGIC);
    t->cancel = NULL;
    task_queue(t);
}

void
task_yield(struct task *t)
{
    list_del(&t->queued);
    list_add_tail(&t->loop->yielded, &t->queued);
}

bool
turn_spend(struct turn *turn, struct task *t, uint64_t n, uint64_t max)
{
    if (turn->number != t->loop->turns) {
        *turn = (struct turn){ .number = t->loop->turns };
    }
    turn->bytes += n;
    if (turn->bytes >= max) {
        task_yield(t);
        return true;
    }
    return false;
}

void
task_run(struct task *t)
{
    CHECK(t, TASK_MAGIC);
    const struct step *next = t->step;
    t->is_running = true;
    while (next != TASK_WAIT && next != &task_end) {
        t->step = next;
        panic_set_step(next->name);
        next = next->run(t);
    }
    panic_set_step(NULL);
    t->is_running = false;
    if (next == &task_end) {
        list_del(&t->queued); /* it was woken in its last step */
        t->on_end(t);
    }
}
