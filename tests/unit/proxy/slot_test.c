/*
 * Slots on the loop: several workers' in one process, each with a row of its
 * own, against one plain queue that says who must have a slot.
 */

#include "proxy/slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ledger/ledger_slot.h"
#include "net/task.h"

#define WORKERS 3
#define ACTORS 24

struct actor {
    struct task task;
    struct slot slot;
    unsigned worker;
    unsigned turn; /* the model: 1 has a slot, 2 waits, 0 neither */
    unsigned wakes;
};

static struct loop *loop;
static struct ledger *ledgers[WORKERS];
static struct slots *slots[WORKERS];
static struct actor actors[ACTORS];
static struct actor *queue[ACTORS]; /* the model: who waits, in order */
static unsigned n_queue, n_held;
static struct timer timer;

static const struct step *
run_actor(struct task *t)
{
    container_of(t, struct actor, task)->wakes++;
    task_wait(t, TASK_NEVER, NULL, NULL);
    return TASK_WAIT;
}

static const struct step step_actor = { "test: actor", run_actor };

static void
on_end(struct task *t)
{
    (void)t;
}

static void
on_timer(struct timer *t)
{
    loop_stop(t->loop);
}

/* Until every event that is there was handled. */
static void
settle(void)
{
    for (int i = 0; i < 3; i++) {
        timer_start(&timer, 0);
        loop_run(loop);
    }
}

static struct ledger *
one_more(struct ledger *of)
{
    unsigned n;
    const int *fds = ledger_fds(of, &n);
    int copies[LEDGER_ROWS + 1];
    for (unsigned i = 0; i < n; i++) {
        copies[i] = dup(fds[i]);
    }
    struct ledger *l = ledger_open(copies, n);
    assert_non_null(l);
    assert_int_equal(ledger_claim(l), 0);
    return l;
}

static int
setup(void **state)
{
    (void)state;
    loop = loop_new();
    timer_init(&timer, loop, on_timer);
    for (unsigned i = 0; i < WORKERS; i++) {
        ledgers[i] = i == 0 ? ledger_new() : one_more(ledgers[0]);
        slots[i] = slots_new(loop, ledgers[i]);
    }
    memset(actors, 0, sizeof actors);
    for (unsigned i = 0; i < ACTORS; i++) {
        actors[i].worker = i % WORKERS;
        task_init(&actors[i].task, loop, &step_actor, on_end);
    }
    n_queue = n_held = 0;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ACTORS; i++) {
        slot_release(&actors[i].slot);
        task_fini(&actors[i].task);
    }
    for (unsigned i = WORKERS; i-- > 0;) {
        slots_free(slots[i]);
        ledger_free(ledgers[i]);
    }
    timer_stop(&timer);
    loop_free(loop);
    return 0;
}

static struct slot_ask
the_ask(unsigned limit, unsigned most)
{
    static uint32_t generation;
    static unsigned was;
    generation += limit != was;
    was = limit;
    return (struct slot_ask){ .serial = 77,
        .index = 3,
        .limit = limit,
        .revision = generation,
        .queue = most };
}

static bool
ask(unsigned i, unsigned limit, unsigned most)
{
    struct actor *a = &actors[i];
    struct slot_ask s = the_ask(limit, most);
    s.task = &a->task;
    return slot_acquire(slots[a->worker], &a->slot, &s);
}

static void
test_at_once_then_in_order(void **state)
{
    (void)state;
    assert_true(ask(0, 1, 2));
    assert_int_equal(actors[0].slot.state, SLOT_HELD);
    assert_true(ask(1, 1, 2));
    assert_true(ask(2, 1, 2));
    assert_int_equal(actors[1].slot.state, SLOT_WAITS);
    assert_false(ask(3, 1, 2)); /* full */
    assert_int_equal(actors[3].slot.state, SLOT_NONE);
    settle();
    assert_int_equal(actors[1].slot.state, SLOT_WAITS);
    slot_release(&actors[0].slot);
    slot_release(&actors[0].slot); /* never twice */
    settle();
    assert_int_equal(actors[1].slot.state, SLOT_HELD);
    assert_int_equal(actors[1].wakes, 1);
    assert_int_equal(actors[2].slot.state, SLOT_WAITS);
}

static void
test_in_one_worker_without_its_bell(void **state)
{
    (void)state;
    assert_true(ask(0, 1, 9));
    assert_true(ask(3, 1, 9));
    slot_release(&actors[0].slot);
    assert_int_equal(actors[3].slot.state, SLOT_HELD);
    assert_int_equal(actors[3].wakes, 0); /* queued, not called */
    settle();
    assert_int_equal(actors[3].wakes, 1);
}

/* Of who waits in another worker, which hears of it, and in its own. */
static void
test_a_limit_reaches_all_who_wait(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_true(ask(i, 1, 9));
    }
    struct slot_ask more = the_ask(3, 0);
    slots_set_limit(slots[1], &more);
    assert_int_equal(actors[1].slot.state, SLOT_HELD);
    settle();
    assert_int_equal(actors[2].slot.state, SLOT_HELD);
    assert_int_equal(actors[2].wakes, 1);
    assert_int_equal(actors[3].slot.state, SLOT_WAITS);
    struct slot_ask other = { .serial = 1, .index = 7, .limit = 1 };
    slots_set_limit(slots[1], &other); /* that nobody ever asked for */
    assert_false(ledger_is_touched(ledgers[0], 7));
    assert_true(ledger_is_touched(ledgers[0], 3));
}

/* It was granted a slot and has not learnt of it when it leaves. */
static void
test_a_grant_to_one_who_leaves_goes_on(void **state)
{
    (void)state;
    assert_true(ask(0, 1, 9));
    assert_true(ask(1, 1, 9));
    assert_true(ask(4, 1, 9)); /* the same worker's */
    assert_true(ask(2, 1, 9));
    slot_release(&actors[0].slot);
    slot_release(&actors[1].slot);
    assert_int_equal(actors[1].wakes, 0); /* it is not told */
    assert_int_equal(actors[4].slot.state, SLOT_HELD);
    slot_release(&actors[4].slot);
    settle();
    assert_int_equal(actors[1].wakes, 0);
    assert_int_equal(actors[2].slot.state, SLOT_HELD);
}

static void
test_another_sandbox_is_not_concerned(void **state)
{
    (void)state;
    struct slot other = { 0 };
    struct slot_ask s = { .serial = 78,
        .index = 4,
        .limit = 1,
        .queue = 0,
        .task = &actors[0].task };
    assert_true(ask(0, 1, 0));
    assert_true(slot_acquire(slots[0], &other, &s));
    assert_int_equal(other.state, SLOT_HELD);
    slot_release(&other);
    s.index = 3; /* a newer sandbox has the record */
    assert_true(slot_acquire(slots[0], &other, &s));
    slot_release(&actors[0].slot); /* is nobody's any more */
    struct slot more = { 0 };
    assert_false(slot_acquire(slots[1], &more, &s));
    slot_release(&other);
    assert_false(ask(1, 1, 9));
}

/* Of many lines one is looked at; of a death all are. */
static void
test_mail_names_the_record(void **state)
{
    (void)state;
    struct ledger_pending mail;
    assert_true(ask(0, 1, 9));
    assert_true(ask(1, 1, 9));
    ledger_take_pending(ledgers[1], &mail);
    slot_release(&actors[0].slot);
    ledger_take_pending(ledgers[1], &mail);
    for (unsigned i = 0; i < LEDGER_PENDING / 64; i++) {
        assert_int_equal(mail.bits[i], i == 0 ? 1 << 3 : 0);
    }
    ledger_take_pending(ledgers[1], &mail);
    assert_int_equal(mail.bits[0], 0);
    settle(); /* the bell alone says nothing */
    assert_int_equal(actors[1].slot.state, SLOT_WAITS);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(ledger_claim(ledgers[0]));
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    ledger_reap(ledgers[0], pid);
    ledger_take_pending(ledgers[1], &mail);
    assert_true(mail.bits[0] == UINT64_MAX);
}

/* The model. */

static void
model_take_out(unsigned i)
{
    for (n_queue--; i < n_queue; i++) {
        queue[i] = queue[i + 1];
    }
}

static void
model_grant(unsigned limit)
{
    while (n_held < limit && n_queue != 0) {
        n_held++;
        queue[0]->turn = 1;
        model_take_out(0);
    }
}

static void
model_ask(struct actor *a, unsigned limit)
{
    a->turn = 2;
    queue[n_queue++] = a;
    model_grant(limit);
}

static void
model_leave(struct actor *a, unsigned limit)
{
    if (a->turn == 1) {
        n_held--;
    }
    for (unsigned i = 0; a->turn == 2 && i < n_queue; i++) {
        if (queue[i] == a) {
            model_take_out(i);
            break;
        }
    }
    a->turn = 0;
    model_grant(limit);
}

static void
assert_as_the_model(void)
{
    for (unsigned i = 0; i < ACTORS; i++) {
        enum slot_state is = actors[i].slot.state;
        enum slot_state must = actors[i].turn == 0   ? SLOT_NONE
                               : actors[i].turn == 1 ? SLOT_HELD
                                                     : SLOT_WAITS;
        assert_int_equal(is, must);
    }
}

static void
test_like_a_plain_queue(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL), r = seed;
    unsigned limit = 3;
    for (unsigned i = 0; i < 20000; i++) {
        r = r * 1103515245 + 12345;
        struct actor *a = &actors[(r >> 16) % ACTORS];
        if (a->turn == 0) {
            limit = (r >> 8) % 100 == 0 ? 1 + (r >> 24) % 5 : limit;
            assert_true(ask((unsigned)(a - actors), limit, 100));
            model_grant(limit);
            model_ask(a, limit);
        } else {
            slot_release(&a->slot);
            model_leave(a, limit);
        }
        if ((r >> 12) % 8 == 0) {
            settle();
            assert_as_the_model();
        }
    }
    settle();
    assert_as_the_model();
}

/* For the record: printed, not judged. */
static void
test_cost(void **state)
{
    (void)state;
    struct timespec a, b;
    enum { N = 200000 };
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < N; i++) {
        assert_true(ask(0, 6, 1000));
        slot_release(&actors[0].slot);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    print_message(
        "acquire and release: %.0f ns\n", ((double)(b.tv_sec - a.tv_sec) * 1e9 +
                                              (double)(b.tv_nsec - a.tv_nsec)) /
                                              N);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_at_once_then_in_order),
        T(test_in_one_worker_without_its_bell),
        T(test_a_limit_reaches_all_who_wait),
        T(test_a_grant_to_one_who_leaves_goes_on),
        T(test_another_sandbox_is_not_concerned),
        T(test_mail_names_the_record),
        T(test_like_a_plain_queue),
        T(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
