/*
 * The modules' hooks in their order, and their state at each life. The modules
 * are this test's own, in place of those that configure found.
 */

#include "proxy/hook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/conn.h"
#include "proxy/tx.h"
#include "proxy/worker.h"

static uint64_t ended[2];
static unsigned asked[2];
static enum verdict first_says, second_says;

static void
first_ends(struct worker *w, uint64_t serial)
{
    assert_non_null(w);
    assert_int_equal(ended[1], 0); /* it comes first */
    ended[0] = serial;
}

static void
second_ends(struct worker *w, uint64_t serial)
{
    assert_non_null(w);
    ended[1] = serial;
}

static enum verdict
first_sends(struct tx *tx, struct head *h)
{
    assert_ptr_equal(h, &tx->xfer.request);
    asked[0]++;
    return first_says;
}

static enum verdict
second_sends(struct tx *tx, struct head *h)
{
    (void)tx, (void)h;
    asked[1]++;
    return second_says;
}

static const struct module first = { .conf = { .name = "first" },
    .tx_size = 1,
    .conn_size = 24,
    .worker_size = 8,
    .on_send = first_sends,
    .on_sandbox_end = first_ends };
static const struct module none = { .conf = { .name = "none" } };
static const struct module second = { .conf = { .name = "second" },
    .tx_size = 40,
    .conn_size = 7,
    .on_send = second_sends,
    .on_sandbox_end = second_ends };

static const struct module *const three[] = { &first, &none, &second };

static int
set_up(void **state)
{
    (void)state;
    hooks_init(three, LEN(three));
    ended[0] = ended[1] = 0;
    asked[0] = asked[1] = 0;
    first_says = second_says = V_NEXT;
    return 0;
}

/* Whether [a, a + a_size) and b do not meet. */
static bool
are_apart(const char *a, size_t a_size, const char *b)
{
    return a + a_size <= b && (uintptr_t)a % _Alignof(max_align_t) == 0 &&
           (uintptr_t)b % _Alignof(max_align_t) == 0;
}

static void
state_of_each_life(void **state)
{
    (void)state;
    struct tx tx = { .magic = TX_MAGIC };
    struct conn c = { .magic = CONN_MAGIC };
    struct worker w = { .magic = WORKER_MAGIC };
    tx.module_state = calloc(1, modules_state_size(LIFE_TX));
    c.module_state = calloc(1, modules_state_size(LIFE_CONN));
    w.module_state = calloc(1, modules_state_size(LIFE_WORKER));
    assert_true(are_apart(module_state(&tx, 0), 1, module_state(&tx, 2)));
    assert_true(are_apart(module_conn(&c, 0), 24, module_conn(&c, 2)));
    assert_ptr_equal(module_worker(&w, 0), w.module_state);
    char *last = module_state(&tx, 2), *end = tx.module_state;
    assert_true(last + 40 <= end + modules_state_size(LIFE_TX));
    free(tx.module_state);
    free(c.module_state);
    free(w.module_state);
}

static void
end_of_a_sandbox(void **state)
{
    struct worker w = { .magic = WORKER_MAGIC };
    (void)state;
    hooks_sandbox_end(&w, 7);
    assert_int_equal(ended[0], 7);
    assert_int_equal(ended[1], 7);
}

/* Who waits is asked again, those before it are not. */
static void
one_that_waits(void **state)
{
    struct tx tx = { .magic = TX_MAGIC, .owes_upstream_end = true };
    (void)state;
    second_says = V_WAIT;
    assert_int_equal(hooks_send(&tx), V_WAIT);
    second_says = V_NEXT;
    assert_int_equal(hooks_send(&tx), V_NEXT);
    assert_int_equal(asked[0], 1);
    assert_int_equal(asked[1], 2);
    assert_int_equal(hooks_send(&tx), V_NEXT); /* another try: all anew */
    assert_int_equal(asked[0], 2);
}

static void
one_that_refuses(void **state)
{
    struct tx tx = { .magic = TX_MAGIC, .owes_upstream_end = true };
    (void)state;
    first_says = V_REPLY;
    assert_int_equal(hooks_send(&tx), V_REPLY);
    assert_int_equal(asked[1], 0);
    assert_int_equal(tx.hook_at, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(state_of_each_life, set_up),
        cmocka_unit_test_setup(end_of_a_sandbox, set_up),
        cmocka_unit_test_setup(one_that_waits, set_up),
        cmocka_unit_test_setup(one_that_refuses, set_up),
    };
    return cmocka_run_group_tests_name("hook", tests, NULL, NULL);
}
