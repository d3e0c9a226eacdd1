/*
 * Whether a filter is told that more comes: from when the source met a full
 * queue until it came again, or the sink had to wait.
 */

#include "wire/pump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/loop.h"

#include <cmocka.h>

static void
filter_init(void *owner, void *state)
{
    (void)owner, (void)state;
}

static void
filter_fini(void *state)
{
    (void)state;
}

/* For what it takes an 'm' while more comes, else an 'f'. */
static enum flow
filter_run(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    (void)state;
    if (!bufq_is_empty(in)) {
        bufq_consume(in, in->len);
        bufq_append(out, need == MORE ? STR("m") : STR("f"));
    }
    return F_NEED;
}

static double
filter_wait(void *state)
{
    (void)state;
    return TASK_NEVER;
}

static const struct filter asks = { .name = "asks",
    .state_size = 1,
    .init = filter_init,
    .run = filter_run,
    .fini = filter_fini,
    .wait = filter_wait };

static const struct filter cannot_ask = { .name = "cannot ask",
    .state_size = 1,
    .init = filter_init,
    .run = filter_run,
    .fini = filter_fini };

static const struct step *
run_source(struct task *t)
{
    task_wait(t, TASK_NEVER, NULL, NULL);
    return TASK_WAIT;
}

static const struct step step_source = { "test: source", run_source };

struct fixture {
    struct loop *loop;
    struct arena *arena;
    struct task source;
    struct pump pump;
};

static void
begin(struct fixture *f, const struct filter *filter)
{
    clock_update();
    f->loop = loop_new();
    f->arena = arena_new(1024);
    task_init(&f->source, f->loop, &step_source, NULL);
    pump_init(&f->pump, &f->source, NULL);
    pump_add(&f->pump, NULL, f->arena, filter);
}

static void
end(struct fixture *f)
{
    pump_fini(&f->pump);
    task_fini(&f->source);
    arena_free(f->arena);
    loop_free(f->loop);
}

static void
give(struct pump *p, size_t n)
{
    static char block[PUMP_LIMIT];
    bufq_append(pump_in(p), str_n(block, n));
    pump_filled(p, n);
}

/* What the filter was told of the bytes that came. */
static void
assert_told(struct pump *p, const char *told)
{
    char got[8];
    assert_true(pump_run(p));
    size_t n = bufq_copy(pump_out(p), got, sizeof got);
    bufq_consume(pump_out(p), n);
    pump_took(p, n);
    assert_int_equal(n, strlen(told));
    assert_memory_equal(got, told, n);
}

static void
until_it_comes(void **state)
{
    struct fixture f;
    struct pump *p = &f.pump;
    (void)state;
    begin(&f, &asks);
    give(p, 1);
    assert_told(p, "f");
    give(p, PUMP_LIMIT);
    assert_true(pump_stop_if_full(p));
    assert_told(p, "m");
    give(p, 1);
    assert_told(p, "m"); /* it did not come to ask */
    assert_false(pump_stop_if_full(p));
    give(p, 1);
    assert_told(p, "f");
    end(&f);
}

static void
until_the_sink_waits(void **state)
{
    struct fixture f;
    struct pump *p = &f.pump;
    (void)state;
    begin(&f, &asks);
    give(p, PUMP_LIMIT);
    assert_true(pump_stop_if_full(p));
    assert_told(p, "m");
    assert_true(pump_wait(p) >= TASK_NEVER);
    give(p, 1);
    assert_told(p, "f");
    end(&f);
}

static void
one_that_cannot_ask(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, &cannot_ask);
    give(&f.pump, PUMP_LIMIT);
    assert_true(pump_stop_if_full(&f.pump));
    assert_told(&f.pump, "f");
    end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(until_it_comes),
        cmocka_unit_test(until_the_sink_waits),
        cmocka_unit_test(one_that_cannot_ask),
    };
    return cmocka_run_group_tests_name("pump_more", tests, NULL, NULL);
}
