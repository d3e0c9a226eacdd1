/*
 * When a pump's sink may wait, for how long its filters let it, and when it is
 * to come again.
 */

#include "wire/pump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/loop.h"

/* A filter that would be run again at some time. */
struct clock {
    double until;
    unsigned waits;
};

static double
wait_clock(void *state)
{
    struct clock *w = state;
    w->waits++;
    return w->until;
}

static enum flow
run_all(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    (void)state;
    bufq_move(out, in, SIZE_MAX);
    return !bufq_is_empty(in) ? F_FULL : need == END ? F_DONE : F_NEED;
}

static const struct filter takes = { .name = "takes",
    .state_size = sizeof(struct clock),
    .run = run_all,
    .wait = wait_clock };
/* Works ten times, of which nothing shows, before it gives on what it has. */
static enum flow
run_work(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct clock *w = state;
    if (!bufq_is_empty(in) && w->waits < 10) {
        w->waits++;
        return F_BUSY;
    }
    return run_all(state, in, out, need);
}

static const struct filter works = {
    .name = "works", .state_size = sizeof(struct clock), .run = run_work
};
/* Keeps all that it has until its time is set to 0. */
static enum flow
run_keep(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct clock *w = state;
    return w->until != 0 ? F_WAIT : run_all(state, in, out, need);
}

static const struct filter keeps = { .name = "keeps",
    .state_size = sizeof(struct clock),
    .run = run_keep,
    .wait = wait_clock };
static const struct filter keeps_for_an_event = {
    .name = "keeps", .state_size = sizeof(struct clock), .run = run_keep
};
static const struct filter plain = { .name = "plain", .run = run_all };

struct fixture {
    struct loop *loop;
    struct arena *arena;
    struct task source, sink;
    struct pump pump;
};

static const struct step step_none = { "test: none", NULL };

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->loop = loop_new();
    f->arena = arena_new(4096);
    task_init(&f->source, f->loop, &step_none, NULL);
    task_init(&f->sink, f->loop, &step_none, NULL);
    pump_init(&f->pump, &f->source, &f->sink);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    pump_fini(&f->pump);
    task_fini(&f->source);
    task_fini(&f->sink);
    arena_free(f->arena);
    loop_free(f->loop);
    free(f);
    return 0;
}

static struct clock *
add(struct fixture *f, const struct filter *filter)
{
    pump_add(&f->pump, NULL, f->arena, filter);
    return f->pump.stages[f->pump.n_stages - 1].state;
}

static void
give(struct fixture *f, const char *text)
{
    size_t n = bufq_write(pump_in(&f->pump), str_of(text));
    pump_filled(&f->pump, n);
    pump_run(&f->pump);
}

static void
take(struct fixture *f)
{
    size_t n = pump_out(&f->pump)->len;
    bufq_consume(pump_out(&f->pump), n);
    pump_took(&f->pump, n);
}

static bool
never(struct fixture *f)
{
    return pump_wait(&f->pump) >= TASK_NEVER;
}

static void
who_waits(void **state)
{
    struct fixture *f = *state;
    assert_true(never(f)); /* no filter */
    struct clock *a = add(f, &takes), *b = add(f, &takes);
    add(f, &plain);
    a->until = 7;
    b->until = 5;
    assert_true(pump_wait(&f->pump) == 5);
    a->until = 3;
    assert_true(pump_wait(&f->pump) == 3);
    a->until = b->until = TASK_NEVER;
    assert_true(never(f));
    assert_int_equal(a->waits, 3);
}

/* F_WAIT: though it has input, and the output has room. */
static void
one_that_keeps(void **state)
{
    struct fixture *f = *state;
    struct clock *k = add(f, &keeps), *behind = add(f, &takes);
    behind->until = TASK_NEVER;
    k->until = 4;
    give(f, "abc");
    pump_end(&f->pump);
    assert_false(pump_run(&f->pump));
    assert_true(pump_wait(&f->pump) == 4);
    assert_int_equal(behind->waits, 0); /* it has given nothing yet */
    assert_false(pump_run(&f->pump));
    k->until = 0;
    assert_true(pump_run(&f->pump));
    assert_true(pump_is_last(&f->pump));
    assert_int_equal(pump_out(&f->pump)->len, 3);
}

static void
one_that_keeps_for_an_event(void **state)
{
    struct fixture *f = *state;
    struct clock *k = add(f, &keeps_for_an_event);
    k->until = 1;
    give(f, "abc");
    assert_true(never(f));
    task_fini(&f->sink); /* was woken for the bytes */
    task_init(&f->sink, f->loop, &step_none, NULL);
    assert_false(list_is_linked(&f->sink.queued));
    k->until = 0;
    pump_wake(&f->pump);
    assert_true(list_is_linked(&f->sink.queued));
    assert_true(pump_run(&f->pump));
}

/* What a sink has not taken: no filter is told that it waits. */
static void
not_taken(void **state)
{
    struct fixture *f = *state;
    struct clock *a = add(f, &takes);
    add(f, &plain);
    a->until = 7;
    give(f, "text");
    assert_true(never(f));
    assert_int_equal(a->waits, 0);
    take(f);
    assert_true(pump_wait(&f->pump) == 7);
    size_t n = bufq_write(pump_in(&f->pump), STR("more"));
    pump_filled(&f->pump, n); /* it has not run for that */
    assert_true(never(f));
    assert_int_equal(a->waits, 1);
}

static void
at_the_end(void **state)
{
    struct fixture *f = *state;
    struct clock *a = add(f, &takes);
    a->until = 7;
    pump_end(&f->pump);
    pump_run(&f->pump);
    assert_true(never(f));
    assert_int_equal(a->waits, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

/* Work that does not show is done to its end, and in turns. */
static void
work_in_turns(void **state)
{
    struct fixture *f = *state;
    struct pump *p = &f->pump;
    unsigned turns = 0;
    pump_add(p, NULL, f->arena, &works);
    pump_add(p, NULL, f->arena, &plain);
    bufq_append(pump_in(p), STR("abc"));
    pump_filled(p, 3);
    pump_end(p);
    while (!pump_is_last(p)) {
        f->loop->turns++;
        bool is_there = pump_run(p);
        assert_true(is_there || list_is_linked(&f->sink.queued));
        turns++;
    }
    assert_int_equal(pump_out(p)->len, 3);
    assert_int_equal(turns, 1 + 10 / (PUMP_TURN_BYTES / PUMP_BUSY_BYTES));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_waits),
        TEST(one_that_keeps),
        TEST(one_that_keeps_for_an_event),
        TEST(not_taken),
        TEST(at_the_end),
        TEST(work_in_turns),
    };
    return cmocka_run_group_tests_name("pump_wait", tests, NULL, NULL);
}
