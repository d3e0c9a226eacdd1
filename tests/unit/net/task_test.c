/* Tasks: steps, wakes, deadlines, cancels, turns. */

#include "net/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

static struct loop *loop;

/* A task whose step does what the test says. */
struct actor {
    struct task task;
    const struct step *(*act)(struct actor *);
    unsigned runs, ends, cancels;
    bool was_expired;
    struct actor *other;
    double deadline;
};

static const struct step *
run_actor(struct task *t)
{
    struct actor *a = container_of(t, struct actor, task);
    a->runs++;
    a->was_expired = task_is_expired(t);
    return a->act(a);
}

static const struct step step_actor = { "actor", run_actor };

static void
on_end(struct task *t)
{
    struct actor *a = container_of(t, struct actor, task);
    a->ends++;
    task_fini(t);
}

static void
on_cancel(struct task *t, void *arg)
{
    struct actor *a = container_of(t, struct actor, task);
    assert_ptr_equal(a, arg);
    a->cancels++;
}

static void
actor_init(struct actor *a, const struct step *(*act)(struct actor *))
{
    *a = (struct actor){ .act = act };
    task_init(&a->task, loop, &step_actor, on_end);
}

static int
setup(void **state)
{
    (void)state;
    loop = loop_new();
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static const struct step *
act_wait(struct actor *a)
{
    (void)a;
    return TASK_WAIT;
}

static const struct step *
act_stop(struct actor *a)
{
    loop_stop(a->task.loop);
    return TASK_WAIT;
}

static const struct step *
act_end(struct actor *a)
{
    loop_stop(a->task.loop);
    return &task_end;
}

/* Runs what is queued, and no longer. */
static void
run_queued(void)
{
    struct actor last;
    actor_init(&last, act_end);
    task_wake(&last.task);
    loop_run(loop);
    assert_int_equal(last.ends, 1);
}

static void
wake_and_run_queued(struct actor *a)
{
    task_wake(&a->task);
    run_queued();
}

/* Until somebody stops the loop. */
static void
wake_and_run(struct actor *a)
{
    task_wake(&a->task);
    loop_run(loop);
}

static void
test_wakes_are_one_run(void **state)
{
    (void)state;
    struct actor a;
    actor_init(&a, act_wait);
    run_queued();
    assert_int_equal(a.runs, 0);
    task_wake(&a.task);
    task_wake(&a.task);
    assert_int_equal(a.runs, 0);
    run_queued();
    assert_int_equal(a.runs, 1);
    task_wake(&a.task);
    task_fini(&a.task);
    run_queued();
    assert_int_equal(a.runs, 1);
}

static const struct step *
run_second(struct task *t)
{
    struct actor *a = container_of(t, struct actor, task);
    a->runs += 100;
    return a->runs < 300 ? TASK_WAIT : &task_end;
}

static const struct step step_second = { "second", run_second };

static const struct step *
act_next(struct actor *a)
{
    (void)a;
    return &step_second;
}

/* A step hands over to the next at once; a task waits in the step that said
 * so. */
static void
test_steps(void **state)
{
    (void)state;
    struct actor a;
    actor_init(&a, act_next);
    wake_and_run_queued(&a);
    assert_int_equal(a.runs, 101);
    wake_and_run_queued(&a);
    assert_int_equal(a.runs, 201);
    assert_int_equal(a.ends, 0);
    wake_and_run_queued(&a);
    assert_int_equal(a.runs, 301);
    assert_int_equal(a.ends, 1);
}

static const struct step *
act_deadline(struct actor *a)
{
    if (a->was_expired) {
        return act_stop(a);
    }
    task_wait(&a->task, clock_mono() + a->deadline, on_cancel, a);
    return TASK_WAIT;
}

static void
test_a_deadline_cancels_once(void **state)
{
    (void)state;
    struct actor a;
    actor_init(&a, act_deadline);
    a.deadline = 0.01;
    wake_and_run(&a);
    assert_true(a.was_expired);
    assert_int_equal(a.runs, 2);
    assert_int_equal(a.cancels, 1);
    task_fini(&a.task);
    assert_int_equal(a.cancels, 1);
}

static void
test_fini_cancels_once(void **state)
{
    (void)state;
    struct actor a;
    actor_init(&a, act_deadline);
    a.deadline = 100;
    wake_and_run_queued(&a);
    assert_int_equal(a.cancels, 0);
    task_wake(&a.task); /* by another: what was asked for still holds */
    task_fini(&a.task);
    assert_int_equal(a.cancels, 1);
}

static void
test_a_grant_drops_the_cancel(void **state)
{
    (void)state;
    struct actor a;
    actor_init(&a, act_deadline);
    a.deadline = 100;
    wake_and_run_queued(&a);
    task_grant(&a.task);
    task_fini(&a.task);
    assert_int_equal(a.cancels, 0);
}

/* Looks, at a time behind the deadline, whether it has been noticed. */
struct witness {
    struct timer timer;
    struct actor *of;
    bool saw_expired;
};

static void
on_witness(struct timer *t)
{
    struct witness *w = container_of(t, struct witness, timer);
    w->saw_expired = w->of->task.is_expired || w->of->was_expired;
    loop_stop(loop);
}

/* The loop slept until the deadline, so the clock of the turn before would
 * say that it is still far, and wait as long again. */
static void
test_a_deadline_is_not_late_on_an_idle_loop(void **state)
{
    (void)state;
    struct actor a;
    struct witness w = { .of = &a };
    actor_init(&a, act_deadline);
    a.deadline = 0.05;
    timer_init(&w.timer, loop, on_witness);
    clock_update();
    ev_now_update(loop->ev);
    timer_start(&w.timer, 0.08);
    wake_and_run(&a);
    if (!w.saw_expired) { /* stopped by the task alone */
        loop_run(loop);
    }
    assert_true(w.saw_expired);
    timer_stop(&w.timer);
    task_fini(&a.task);
}

static const struct step *
act_moving_deadline(struct actor *a)
{
    if (a->was_expired) {
        return act_stop(a);
    }
    double soon = a->runs == 1 ? 100 : a->runs == 2 ? 200 : 0.01;
    task_wait(&a->task, clock_mono() + soon, NULL, NULL);
    if (a->runs < 3) {
        task_wake(&a->task);
    }
    return TASK_WAIT;
}

static void
test_a_deadline_that_moves(void **state)
{
    (void)state;
    struct actor a;
    actor_init(&a, act_moving_deadline);
    wake_and_run(&a);
    assert_int_equal(a.runs, 4);
    assert_true(a.was_expired);
    task_fini(&a.task);
}

static const struct step *
act_later(struct actor *a)
{
    if (a->was_expired) {
        return act_stop(a);
    }
    double soon = a->runs == 1 ? 0.01 : 0.03;
    a->deadline = clock_mono() + soon;
    task_wait(&a->task, a->deadline, NULL, NULL);
    if (a->runs == 1) {
        task_wake(&a->task);
    }
    return TASK_WAIT;
}

/* The timer of the earlier deadline fires, and nobody is run for it. */
static void
test_a_deadline_that_moves_later(void **state)
{
    (void)state;
    struct actor a;
    actor_init(&a, act_later);
    wake_and_run(&a);
    assert_int_equal(a.runs, 3);
    clock_update();
    assert_true(clock_mono() >= a.deadline - 0.002);
    task_fini(&a.task);
}

static const struct step *
act_yield(struct actor *a)
{
    if (a->runs == 5) {
        return act_stop(a);
    }
    task_yield(&a->task);
    task_wake(&a->task); /* changes nothing */
    assert_int_equal(a->other->runs, a->runs - 1);
    task_wake(&a->other->task);
    return TASK_WAIT;
}

/* Who yields is run once a turn, and the poll does not block meanwhile. */
static void
test_yields_let_others_run(void **state)
{
    (void)state;
    struct actor a, b;
    actor_init(&a, act_yield);
    actor_init(&b, act_wait);
    a.other = &b;
    unsigned long turns = loop->turns;
    wake_and_run(&a);
    assert_int_equal(a.runs, 5);
    assert_int_equal(b.runs, 4);
    assert_true(loop->turns - turns >= 4);
    task_fini(&a.task);
    task_fini(&b.task);
}

static const struct step *
act_wake_self(struct actor *a)
{
    if (a->runs == 3) {
        return act_stop(a);
    }
    task_wake(&a->task);
    return TASK_WAIT;
}

static void
test_a_task_may_wake_itself(void **state)
{
    (void)state;
    struct actor a;
    actor_init(&a, act_wake_self);
    wake_and_run(&a);
    assert_int_equal(a.runs, 3);
    task_fini(&a.task);
}

static const struct step *
act_free_other(struct actor *a)
{
    task_fini(&a->other->task);
    return act_stop(a);
}

/* Both were queued; the second is gone before its turn comes. */
static void
test_a_queued_task_may_be_freed(void **state)
{
    (void)state;
    struct actor a, *b = xalloc(sizeof *b);
    actor_init(&a, act_free_other);
    actor_init(b, act_stop);
    a.other = b;
    task_wake(&a.task);
    task_wake(&b->task);
    loop_run(loop);
    assert_int_equal(b->runs, 0);
    xfree(b);
    task_fini(&a.task);
}

static const struct step *
act_wake_and_end(struct actor *a)
{
    task_wake(&a->task);
    return &task_end;
}

static void
on_end_alone(struct task *t)
{
    struct actor *a = container_of(t, struct actor, task);
    a->ends++;
    loop_stop(t->loop);
}

/* Its owner frees it later: until then it does not end once more. */
static void
test_a_task_ends_once(void **state)
{
    (void)state;
    struct actor a;
    actor_init(&a, act_wake_and_end);
    a.task.on_end = on_end_alone;
    wake_and_run(&a);
    assert_int_equal(a.runs, 1);
    assert_int_equal(a.ends, 1);
    task_fini(&a.task);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wakes_are_one_run),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_a_deadline_cancels_once),
        cmocka_unit_test(test_fini_cancels_once),
        cmocka_unit_test(test_a_grant_drops_the_cancel),
        cmocka_unit_test(test_a_deadline_is_not_late_on_an_idle_loop),
        cmocka_unit_test(test_a_deadline_that_moves),
        cmocka_unit_test(test_a_deadline_that_moves_later),
        cmocka_unit_test(test_yields_let_others_run),
        cmocka_unit_test(test_a_task_may_wake_itself),
        cmocka_unit_test(test_a_queued_task_may_be_freed),
        cmocka_unit_test(test_a_task_ends_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
