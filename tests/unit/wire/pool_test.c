/* Idle connections: for whom, for how long, and when they are no use. */

#include "wire/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "../net/drive.h"
#include "net/tcp.h"

static struct loop *loop;
static struct guard *guard;
static struct pool *pool;
static struct drive drive;
static struct guard_policy open_policy, closed_policy;
static struct cidr loopback;
static unsigned n_closed;

static int
setup(void **state)
{
    (void)state;
    loop = loop_new();
    guard = guard_new(loop);
    pool = pool_new(loop, guard, 4, 3);
    drive_init(&drive, loop);
    n_closed = 0;
    assert_true(cidr_parse(STR("127.0.0.1"), &loopback));
    open_policy = (struct guard_policy){ .allow = &loopback, .n_allow = 1 };
    return guard != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    if (pool != NULL) {
        pool_free(pool);
    }
    guard_free(guard);
    drive_fini(&drive);
    loop_free(loop);
    return 0;
}

/* An owner of an entry, and the peer's end. */
struct owner {
    struct pool_entry entry;
    int peer;
    bool is_closed;
};

static void
on_close(struct pool_entry *e)
{
    struct owner *o = container_of(e, struct owner, entry);
    stream_close(e->stream);
    o->is_closed = true;
    n_closed++;
}

static void
owner_put(struct owner *o, struct pool_host *h, double timeout)
{
    int fds[2];
    drive_pair(fds);
    *o = (struct owner){ .peer = fds[1] };
    o->entry.stream = tcp_new(loop, fds[0], &drive.task);
    o->entry.close = on_close;
    assert_true(addr_parse_port(STR("127.0.0.1:80"), 0, &o->entry.addr));
    pool_put(pool, h, &o->entry, timeout);
}

/* Of one that was taken, or that is closed. */
static void
owner_fini(struct owner *o)
{
    if (!o->is_closed) {
        stream_close(o->entry.stream);
    }
    close(o->peer);
}

static struct pool_host *
host(const char *name, uint64_t serial)
{
    struct pool_key key = {
        .host = str_of(name), .port = 80, .serial = serial
    };
    return pool_host_get(pool, &key);
}

static bool
is_closed(void *arg)
{
    (void)arg;
    if (n_closed == 0) {
        task_yield(&drive.task);
        return false;
    }
    return true;
}

static void
test_the_newest_is_taken(void **state)
{
    (void)state;
    struct owner a, b;
    struct pool_host *h = host("a.example", 1);
    assert_null(pool_take(pool, h, &open_policy));
    owner_put(&a, h, 60);
    owner_put(&b, h, 60);
    assert_int_equal(pool_idle(pool), 2);
    assert_ptr_equal(pool_take(pool, h, &open_policy), &b.entry);
    assert_ptr_equal(pool_take(pool, h, &open_policy), &a.entry);
    assert_null(pool_take(pool, h, &open_policy));
    assert_int_equal(pool_idle(pool), 0);
    owner_fini(&a);
    owner_fini(&b);
    pool_host_put(pool, h);
}

static void
test_a_sandbox_that_ended(void **state)
{
    (void)state;
    struct owner own[3];
    struct pool_host *first = host("a.example", 1);
    struct pool_host *second = host("b.example", 1);
    struct pool_host *others = host("a.example", 2);
    owner_put(&own[0], first, 60);
    owner_put(&own[1], second, 60);
    owner_put(&own[2], others, 60);
    pool_forget(pool, 3);
    assert_int_equal(pool_idle(pool), 3);
    pool_forget(pool, 1);
    assert_true(own[0].is_closed && own[1].is_closed);
    assert_null(pool_take(pool, first, &open_policy));
    assert_ptr_equal(pool_take(pool, others, &open_policy), &own[2].entry);
    for (size_t i = 0; i < LEN(own); i++) {
        owner_fini(&own[i]);
    }
    pool_host_put(pool, first);
    pool_host_put(pool, second);
    pool_host_put(pool, others);
}

/* Whatever differs makes another place. */
static void
test_keys(void **state)
{
    (void)state;
    struct pool_key keys[] = {
        { .host = STR("a.example"), .port = 80, .serial = 1 },
        { .host = STR("b.example"), .port = 80, .serial = 1 },
        { .host = STR("a.example"), .port = 81, .serial = 1 },
        { .host = STR("a.example"),
            .port = 80,
            .tls = (struct tls_client *)16,
            .serial = 1 },
        { .host = STR("a.example"), .port = 80, .serial = 2 },
        { .host = STR("a.example"), .port = 80, .serial = 1, .conn = 1 },
        { .host = STR("a.example"), .port = 80, .serial = 1, .conn = 2 },
        { .host = STR("a.example"), .port = 80, .serial = 1, .via = &n_closed },
    };
    struct pool_host *hosts[LEN(keys)];
    for (size_t i = 0; i < LEN(keys); i++) {
        hosts[i] = pool_host_get(pool, &keys[i]);
        for (size_t k = 0; k < i; k++) {
            assert_ptr_not_equal(hosts[i], hosts[k]);
        }
        assert_ptr_equal(hosts[i], pool_host_get(pool, &keys[i]));
        pool_host_put(pool, hosts[i]);
    }
    struct owner a;
    owner_put(&a, hosts[0], 60);
    for (size_t i = 1; i < LEN(keys); i++) {
        assert_null(pool_take(pool, hosts[i], &open_policy));
    }
    pool_host_put(pool, hosts[0]); /* the entry keeps its place */
    hosts[0] = pool_host_get(pool, &keys[0]);
    assert_ptr_equal(pool_take(pool, hosts[0], &open_policy), &a.entry);
    owner_fini(&a);
    for (size_t i = 0; i < LEN(keys); i++) {
        pool_host_put(pool, hosts[i]);
    }
}

static void
test_the_guard_is_asked_again(void **state)
{
    (void)state;
    struct owner a, b;
    struct pool_host *h = host("a.example", 1);
    owner_put(&a, h, 60);
    owner_put(&b, h, 60);
    assert_null(pool_take(pool, h, &closed_policy));
    assert_int_equal(n_closed, 2);
    assert_int_equal(pool_idle(pool), 0);
    owner_fini(&a);
    owner_fini(&b);
    pool_host_put(pool, h);
}

/* Those of one place, and no others; also where some were taken before. */
static void
test_a_place_is_closed(void **state)
{
    (void)state;
    struct owner a, b, c;
    struct pool_host *h = host("a.example", 1), *other = host("b.example", 1);
    owner_put(&a, h, 60);
    owner_put(&b, h, 60);
    owner_put(&c, other, 60);
    pool_host_close(pool, h);
    assert_true(a.is_closed && b.is_closed && !c.is_closed);
    assert_int_equal(pool_idle(pool), 1);
    h = host("a.example", 1);
    pool_host_close(pool, h);
    assert_int_equal(n_closed, 2);
    assert_ptr_equal(pool_take(pool, other, &open_policy), &c.entry);
    owner_fini(&a);
    owner_fini(&b);
    owner_fini(&c);
    pool_host_put(pool, other);
}

static void
test_shedding_takes_the_oldest(void **state)
{
    (void)state;
    struct owner a[3];
    struct pool_host *h = host("a.example", 1);
    for (size_t i = 0; i < LEN(a); i++) {
        owner_put(&a[i], h, 60);
    }
    assert_int_equal(pool_shed(pool, 2), 2);
    assert_true(a[0].is_closed && a[1].is_closed && !a[2].is_closed);
    assert_int_equal(pool_shed(pool, 2), 1);
    assert_int_equal(pool_shed(pool, 2), 0);
    assert_int_equal(pool_idle(pool), 0);
    pool_host_put(pool, h);
    for (size_t i = 0; i < LEN(a); i++) {
        owner_fini(&a[i]);
    }
}

static void
test_the_oldest_goes(void **state)
{
    (void)state;
    struct owner a[7];
    struct pool_host *h = host("a.example", 1), *g = host("b.example", 1);
    for (size_t i = 0; i < 4; i++) {
        owner_put(&a[i], h, 60);
    }
    assert_true(a[0].is_closed && n_closed == 1); /* three of one key */
    owner_put(&a[4], g, 60);
    assert_int_equal(n_closed, 1);
    owner_put(&a[5], g, 60);
    assert_true(a[1].is_closed && n_closed == 2); /* four in all */
    assert_int_equal(pool_idle(pool), 4);
    pool_host_put(pool, h);
    pool_host_put(pool, g);
    pool_free(pool);
    pool = NULL;
    assert_int_equal(n_closed, 6);
    for (size_t i = 0; i < 6; i++) {
        owner_fini(&a[i]);
    }
}

/* One that keeps many pushes out its own, and is shed first. */
static void
test_the_largest_holders_go(void **state)
{
    static const char *const names[] = { "a.example", "b.example", "c.example",
        "d.example", "e.example", "f.example" };
    struct owner victims, a[LEN(names)];
    (void)state;
    struct pool_host *h = host("a.example", 1), *of[LEN(names)];
    owner_put(&victims, h, 60);
    for (size_t i = 0; i < LEN(names); i++) {
        of[i] = host(names[i], 2);
        owner_put(&a[i], of[i], 60);
    }
    assert_int_equal(pool_idle(pool), 4);
    assert_true(a[0].is_closed && a[1].is_closed && a[2].is_closed);
    assert_int_equal(pool_shed(pool, 2), 2);
    assert_true(a[3].is_closed && a[4].is_closed);
    assert_false(victims.is_closed);
    assert_ptr_equal(pool_take(pool, h, &open_policy), &victims.entry);
    owner_fini(&victims);
    pool_host_put(pool, h);
    pool_shed(pool, 1);
    for (size_t i = 0; i < LEN(names); i++) {
        pool_host_put(pool, of[i]);
        owner_fini(&a[i]);
    }
}

static void
test_a_peer_that_closes(void **state)
{
    (void)state;
    struct owner a;
    struct pool_host *h = host("a.example", 1);
    owner_put(&a, h, 60);
    shutdown(a.peer, SHUT_WR);
    drive_until(&drive, is_closed, NULL);
    assert_true(a.is_closed);
    assert_null(pool_take(pool, h, &open_policy));
    owner_fini(&a);
    pool_host_put(pool, h);
}

static void
test_a_peer_that_speaks_unasked(void **state)
{
    (void)state;
    struct owner a;
    struct pool_host *h = host("a.example", 1);
    owner_put(&a, h, 60);
    assert_int_equal(send(a.peer, "x", 1, 0), 1);
    drive_until(&drive, is_closed, NULL);
    assert_int_equal(pool_idle(pool), 0);
    owner_fini(&a);
    pool_host_put(pool, h);
}

/* Something came of it in this turn, and nobody has looked yet. */
static void
test_a_woken_one_is_not_taken(void **state)
{
    (void)state;
    struct owner a;
    struct pool_host *h = host("a.example", 1);
    owner_put(&a, h, 60);
    task_wake(&a.entry.task);
    assert_null(pool_take(pool, h, &open_policy));
    assert_true(a.is_closed);
    owner_fini(&a);
    pool_host_put(pool, h);
}

static void
test_idle_time_ends(void **state)
{
    (void)state;
    struct owner a, b;
    struct pool_host *h = host("a.example", 1);
    owner_put(&b, h, 60);
    owner_put(&a, h, 0.02);
    drive_until(&drive, is_closed, NULL);
    assert_true(a.is_closed && !b.is_closed);
    assert_ptr_equal(pool_take(pool, h, &open_policy), &b.entry);
    owner_fini(&a);
    owner_fini(&b);
    pool_host_put(pool, h);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_newest_is_taken),
        TEST(test_keys),
        TEST(test_a_sandbox_that_ended),
        TEST(test_the_guard_is_asked_again),
        TEST(test_a_place_is_closed),
        TEST(test_shedding_takes_the_oldest),
        TEST(test_the_oldest_goes),
        TEST(test_the_largest_holders_go),
        TEST(test_a_peer_that_closes),
        TEST(test_a_peer_that_speaks_unasked),
        TEST(test_a_woken_one_is_not_taken),
        TEST(test_idle_time_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
