/*
 * Slots in many processes that are killed at any time: never more holders than
 * there are slots, never a free slot with a waiter, nobody before one of its
 * process that came earlier, and in the end nothing is left. Bounded: about a
 * second.
 */

#include "proxy/slot.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ledger/ledger_slot.h"
#include "net/task.h"

#define PROCESSES 6
#define ACTORS 8 /* in each process */
#define BOXES 3  /* sandboxes */
#define SLOTS 4  /* or fewer: each generation says another number */
#define KILLS 120
#define SECONDS 1.0

/* What a process believes to hold, of each sandbox: a count in the lower half,
 * and how often it changed in the upper. */
struct shared {
    _Atomic uint64_t held[PROCESSES][BOXES];
    _Atomic uint32_t stop, served, waited, generation;
};

static struct shared *shared;
static struct ledger *ledger;
static pid_t pids[PROCESSES];
static unsigned seed;

static unsigned
draw(void)
{
    seed = seed * 1103515245 + 12345;
    return seed >> 16;
}

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* In a process. */

struct actor {
    struct task task;
    struct slot slot;
    unsigned box;
    unsigned long ticket;
    bool is_counted;
};

static struct loop *loop;
static struct slots *slots;
static struct actor actors[ACTORS];
static unsigned me, n_running;
static unsigned long n_tickets;

static struct slot_ask
ask_of(unsigned box)
{
    uint32_t generation = shared->generation;
    return (struct slot_ask){ .serial = 1000 + box,
        .index = box,
        .limit = SLOTS - generation % 3,
        .revision = generation,
        .queue = PROCESSES * ACTORS };
}

static void
count(struct actor *a, int by)
{
    _Atomic uint64_t *held = &shared->held[me][a->box];
    *held = *held + (1ull << 32) + (uint64_t)by;
    a->is_counted = by > 0;
}

static void
finish(struct actor *a)
{
    if (a->is_counted) {
        count(a, -1);
        shared->served++;
    }
    slot_release(&a->slot);
}

/* Whether none that asked before it still waits. */
static bool
is_in_order(const struct actor *a)
{
    for (unsigned i = 0; i < ACTORS; i++) {
        const struct actor *b = &actors[i];
        if (b->box == a->box && b->slot.state == SLOT_WAITS &&
            b->ticket < a->ticket) {
            return false;
        }
    }
    return true;
}

static bool
begin(struct actor *a)
{
    a->box = draw() % BOXES;
    a->ticket = n_tickets++;
    struct slot_ask ask = ask_of(a->box);
    ask.task = &a->task;
    bool is_late = draw() % 4 == 0; /* a worker that drains knows no better */
    ask.revision -= is_late;
    ask.limit = is_late ? SLOTS : ask.limit;
    bool ok = slot_acquire(slots, &a->slot, &ask);
    shared->waited += a->slot.state == SLOT_WAITS;
    return ok;
}

/* Once a turn: begins, holds a while, or gives up while it waits. */
static const struct step *
run_actor(struct task *t)
{
    struct actor *a = container_of(t, struct actor, task);
    if (a->slot.state == SLOT_HELD && !a->is_counted) {
        if (!is_in_order(a)) {
            _exit(4);
        }
        count(a, 1);
    } else if (a->slot.state == SLOT_HELD || draw() % 8 == 0) {
        finish(a);
    }
    if (a->slot.state == SLOT_NONE) {
        if (shared->stop) {
            return &task_end;
        }
        if (!begin(a)) {
            _exit(3);
        }
    }
    task_yield(t);
    task_wait(t, TASK_NEVER, NULL, NULL);
    return TASK_WAIT;
}

static const struct step step_actor = { "test: actor", run_actor };

static void
on_end(struct task *t)
{
    if (--n_running == 0) {
        loop_stop(t->loop);
    }
}

static void
process(unsigned number)
{
    me = number;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a parent that fails leaves nothing */
    seed = (unsigned)getpid() * 2654435761u;
    (void)!nice(10); /* the parent has its turn, to kill */
    if (ledger_claim(ledger) != 0) {
        _exit(2);
    }
    loop = loop_new();
    slots = slots_new(loop, ledger);
    for (unsigned i = 0; i < ACTORS; i++) {
        task_init(&actors[i].task, loop, &step_actor, on_end);
        task_wake(&actors[i].task);
    }
    n_running = ACTORS;
    loop_run(loop);
    slots_free(slots);
    _exit(0);
}

/* In the parent. */

static void
start(unsigned i)
{
    pids[i] = fork();
    assert_true(pids[i] >= 0);
    if (pids[i] == 0) {
        process(i);
    }
}

static void
kill_one(unsigned i)
{
    int status;
    assert_int_equal(kill(pids[i], SIGKILL), 0);
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_true(WIFSIGNALED(status)); /* it did not end by itself */
    for (unsigned b = 0; b < BOXES; b++) {
        shared->held[i][b] = 0;
    }
    ledger_reap(ledger, pids[i]);
}

static void
next_generation(void)
{
    shared->generation++;
    for (unsigned b = 0; b < BOXES; b++) {
        struct slot_ask ask = ask_of(b);
        struct ledger_slot_limits l = { ask.limit, ask.revision, 0 };
        struct ledger_wakes wakes = { { 0 } };
        struct ledger_record *r = ledger_lock(ledger, b, ask.serial);
        assert_non_null(r);
        ledger_slot_limit(r, &l, &wakes);
        ledger_unlock(ledger, b, &wakes);
    }
}

/* A sum over words that others change is one of a moment if none of them has
 * changed meanwhile. */
static void
judge_holders(unsigned box)
{
    uint64_t was[PROCESSES];
    unsigned sum = 0;
    for (unsigned i = 0; i < PROCESSES; i++) {
        was[i] = shared->held[i][box];
        sum += (uint32_t)was[i];
    }
    for (unsigned i = 0; i < PROCESSES && sum > SLOTS; i++) {
        sum = shared->held[i][box] == was[i] ? sum : 0;
    }
    assert_true(sum <= SLOTS);
}

static void
judge_record(unsigned box)
{
    struct ledger_record *r = ledger_lock(ledger, box, 1000 + box);
    assert_non_null(r);
    unsigned used = 0, granted = 0, limit = ledger_slot_limit_of(r);
    for (unsigned i = 1; i < LEDGER_ROWS; i++) {
        used += r->rows[i].used;
        granted += r->rows[i].granted;
    }
    bool is_right = limit == ask_of(box).limit && r->total.used == used &&
                    r->total.granted == granted && used + granted <= SLOTS &&
                    (r->n_waiting == 0 || used + granted >= limit);
    ledger_unlock(ledger, box, NULL);
    assert_true(is_right);
}

static void
judge(void)
{
    for (unsigned b = 0; b < BOXES; b++) {
        judge_holders(b);
        judge_record(b);
    }
}

/* On a busy machine they may not have had a turn yet. */
static void
wait_served(void)
{
    double end = now() + 60;
    while ((shared->served == 0 || shared->waited == 0) && now() < end) {
        judge();
        usleep(200);
    }
}

static void
wait_all(void)
{
    double end = now() + 60;
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status;
        pid_t r = 0;
        while (r == 0 && now() < end) {
            r = waitpid(pids[i], &status, WNOHANG);
            usleep(200);
        }
        assert_int_equal(r, pids[i]); /* nobody waits for ever */
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        ledger_reap(ledger, pids[i]);
    }
}

static void
judge_end(void)
{
    for (unsigned b = 0; b < BOXES; b++) {
        struct ledger_record *r = ledger_lock(ledger, b, 1000 + b);
        assert_int_equal(r->total.used + r->total.granted, 0);
        assert_int_equal(r->n_waiting, 0);
        ledger_unlock(ledger, b, NULL);
    }
}

static void
test_killed_at_any_time(void **state)
{
    (void)state;
    unsigned kills = 0;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    ledger = ledger_new();
    assert_non_null(ledger);
    seed = (unsigned)time(NULL);
    next_generation();
    for (unsigned i = 0; i < PROCESSES; i++) {
        start(i);
    }
    double end = now() + SECONDS;
    for (; kills < KILLS && now() < end; kills++) {
        double next = now() + (draw() % 8) * 0.001;
        do {
            judge();
            usleep(200);
        } while (now() < next);
        unsigned i = draw() % PROCESSES;
        kill_one(i);
        judge();
        next_generation();
        start(i);
    }
    wait_served();
    shared->stop = 1;
    wait_all();
    judge_end();
    assert_true(shared->served != 0 && shared->waited != 0);
    print_message("%u kills, %u served, %u waited\n", kills, shared->served,
        shared->waited);
    ledger_free(ledger);
    munmap(shared, sizeof *shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
