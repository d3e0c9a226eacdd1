/*
 * A panic says where, why, in which step, and what came before; assertions
 * and magics lead to it in this build, too.
 */

#include "base/obj.h"

#include <setjmp.h>
#include <stdarg.h>

#include "../dies.h"
#include "base/bufq.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <cmocka.h>

#define THING_MAGIC 0x12345678u

struct thing {
    unsigned magic;
};

static int zero;

static void
panic_after_lines(void)
{
    log_at(LOG_NOTICE, "what came before");
    panic_set_step("await_head");
    panic_at("core/x.c", 42, "impossible");
}

static void
panic_without_step(void)
{
    panic_set_step("await_head");
    panic_set_step(NULL);
    PANIC("impossible");
}

static void
what_it_says(void **state)
{
    (void)state;
    const char *text = assert_panics(panic_after_lines, "[emerg]");
    assert_non_null(
        strstr(text, ": panic at core/x.c:42: impossible; step await_head\n"));
    assert_non_null(strstr(text, "what came before\n"));
    text = assert_panics(panic_without_step, ": impossible; step none\n");
    assert_non_null(strstr(text, "base/panic_test.c:"));
}

static void
an_of_false(void)
{
    AN(zero == 1);
}

static void
az_of_true(void)
{
    AZ(zero == 0);
}

static void
check_of_null(void)
{
    struct thing *t = NULL;
    CHECK(t, THING_MAGIC);
}

static void
check_of_another(void)
{
    struct thing other = { THING_MAGIC + 1 }, *t = &other;
    CHECK(t, THING_MAGIC);
}

static void
assertions(void **state)
{
    struct thing mine = { THING_MAGIC }, *t = &mine;
    (void)state;
    AN(t != NULL);
    AZ(t == NULL);
    CHECK(t, THING_MAGIC);
    assert_panics(an_of_false, "failed: zero == 1");
    assert_panics(az_of_true, "not zero: zero == 0");
    assert_panics(check_of_null, "bad object: t is no THING_MAGIC");
    assert_panics(check_of_another, "bad object: t is no THING_MAGIC");
}

static void
arena_freed_twice(void)
{
    struct arena *a = arena_new(4096);
    arena_free(a);
    arena_free(a); /* the block is on the free list, its magic gone */
}

static void
arena_size_that_wraps(void)
{
    arena_calloc(arena_new(4096), SIZE_MAX - 3);
}

static void
array_size_that_wraps(void)
{
    xgrow(NULL, SIZE_MAX / 2 + 1, 16);
}

static void
consume_too_much(void)
{
    struct bufq q;
    bufq_init(&q, 10);
    bufq_append(&q, STR("ab"));
    bufq_consume(&q, 3);
}

static void
reserve_nothing(void)
{
    struct bufq q;
    size_t n;
    bufq_init(&q, 10);
    bufq_reserve(&q, 0, &n);
}

static void
commit_too_much(void)
{
    struct bufq q;
    size_t n;
    bufq_init(&q, SIZE_MAX);
    bufq_reserve(&q, 1, &n);
    bufq_commit(&q, n + 1);
}

static void
delete_what_is_not_there(void)
{
    struct map m;
    struct map_node a = { .key = STR("a") }, b = { .key = STR("b") };
    map_init(&m);
    map_add(&m, &a);
    map_del(&m, &b);
}

/* Our own bugs, caught where they happen. */
static void
misuse(void **state)
{
    (void)state;
    assert_panics(arena_freed_twice, "ARENA_MAGIC");
    assert_panics(arena_size_that_wraps, "failed: n <= SIZE_MAX / 2");
    assert_panics(array_size_that_wraps, "not zero: ");
    assert_panics(consume_too_much, "failed: n <= q->len");
    assert_panics(reserve_nothing, "failed: min > 0");
    assert_panics(commit_too_much, "failed: n <= chunk_room");
    assert_panics(delete_what_is_not_there, "failed: *at != NULL");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says),
        cmocka_unit_test(assertions),
        cmocka_unit_test(misuse),
    };
    return cmocka_run_group_tests_name("panic", tests, NULL, NULL);
}
