/*
 * A hundred thousand sandboxes come, change and go in a worker that carries
 * traffic of theirs, and nothing of them stays: no memory, no descriptor, no
 * connection.
 */

#include "live_end.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "../net/leaf_fixture.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "policy/class.h"
#include "proxy/worker.h"
#include "proxy/worker_sandbox.h"

/* Valgrind looks at each byte of fewer. */
#define MANY (RUNNING_ON_VALGRIND ? 5000u : 100000u)
#define ALIVE 5 /* at a time; each has a record of the ledger */
/* Of so many one sends a request, in the middle of which it changes. */
#define TRAFFIC_EVERY 1000
#define SETTLED (MANY / 10)

/* The i-th, whose place is that of i - ALIVE. */
struct one {
    struct sandbox *sb;
    struct cidr addresses[2];
    uint8_t token[SHA256_SIZE];
    char id[16];
};

static struct cidr
range_of(unsigned i, unsigned which)
{
    char text[32];
    struct cidr c;
    snprintf(text, sizeof text, "10.%u.%u.%u/32", 100 + which + i / 65536,
        i / 256 % 256, i % 256);
    AN(cidr_parse(str_of(text), &c));
    return c;
}

/* Its first address stays, its second and its token are new each time. */
static struct sandbox_spec
spec_of(const struct live *l, struct one *o, unsigned i, unsigned revision)
{
    struct pattern_error err;
    struct sandbox *box = sandbox_set_next(l->worker->sandboxes, NULL);
    struct policy values = *box->policy;
    values.revision = revision;
    values.own_denied = pattern_set_new(PATTERN_LIST);
    AN(pattern_set_add(values.own_denied, STR("*.denied.test"), NULL, &err));
    pattern_set_compile(values.own_denied);
    o->addresses[0] = range_of(i, 0);
    o->addresses[1] = range_of(i, 2 * revision);
    snprintf(o->id, sizeof o->id, "s%u", i);
    memset(o->token, (int)revision, sizeof o->token);
    memcpy(o->token, &i, sizeof i);
    struct policy *p = policy_new(&values);
    pattern_set_unref(values.own_denied);
    return (struct sandbox_spec){ .id = str_of(o->id),
        .policy = p,
        .scope = values.class->scope,
        .token = o->token,
        .addresses = o->addresses,
        .n_addresses = 2 };
}

static void
come(struct live *l, struct one *o, unsigned i)
{
    struct sandbox_clash clash;
    struct sandbox_spec spec = spec_of(l, o, i, 1);
    o->sb = sandbox_set_add(l->worker->sandboxes, &spec, &clash);
    AN(o->sb != NULL);
    policy_unref(spec.policy);
    unsigned index = i % ALIVE;
    index += index >= fx.owner.index; /* which is the other sandbox's */
    sandbox_assign(o->sb, fx.owner.serial + 1 + i, index, fx.owner.ca_cert_der);
}

static void
alter(struct live *l, struct one *o, unsigned i)
{
    struct sandbox_clash clash;
    struct sandbox_spec spec = spec_of(l, o, i, 2);
    AN(worker_sandbox_change(l->worker, o->sb, &spec, &clash));
    policy_unref(spec.policy);
}

static struct live_end *
ask(struct live *l, struct live_end *c)
{
    live_send(c, "GET http://up.test/ HTTP/1.1\r\nHost: up.test\r\n\r\n");
    struct live_end *o = live_origin(l);
    live_gets(o, "GET / HTTP/1.1\r\nHost: up.test\r\n\r\n");
    return o;
}

/* One request is whole, whose connection waits in the pool then; one is under
 * way when the sandbox changes, and when it ends. */
static void
carry(struct live *l, struct one *one, unsigned i)
{
    struct addr from = one->addresses[0].addr;
    struct live_end *c = live_client_at(l, &from);
    struct live_end *o = ask(l, c);
    live_send(o, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    live_answers(c, 200, "");
    live_logs(l, "\"status\":200");
    struct live_end *second = live_client_at(l, &from);
    live_send(second, "GET http://up.test/ HTTP/1.1\r\nHost: up.test\r\n\r\n");
    live_gets(o, "GET / HTTP/1.1\r\nHost: up.test\r\n\r\n");
    alter(l, one, i);
    live_settle(l);
    live_send(o, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    live_gets_head(second, 200, "");
    live_gets(second, "ab");
    worker_sandbox_end(l->worker, one->sb);
    live_settle(l);
    live_logs(l, "the sandbox ended");
    live_is_cut(c);
    live_is_cut(second);
    live_is_cut(o);
    live_is_back(l);
}

static void
go(struct live *l, struct one *one, unsigned i)
{
    if (i % TRAFFIC_EVERY == 0) {
        carry(l, one, i);
    } else {
        alter(l, one, i);
        worker_sandbox_end(l->worker, one->sb);
    }
    one->sb = NULL;
}

static void
test_nothing_stays(void **state)
{
    static struct one all[ALIVE];
    struct live *l = live_start(state, "", "");
    size_t used = 0;
    for (unsigned i = 0; i < MANY + ALIVE; i++) {
        struct one *one = &all[i % ALIVE];
        if (i >= ALIVE) {
            go(l, one, i - ALIVE);
        }
        if (i < MANY) {
            come(l, one, i);
        }
        if (i == SETTLED) {
            used = mallinfo2().uordblks;
        }
    }
    assert_int_equal(sandbox_set_count(l->worker->sandboxes), 1);
    assert_in_range(mallinfo2().uordblks, 0, used + 4096);
    live_is_back(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_nothing_stays),
    };
    return cmocka_run_group_tests_name("worker_sandbox", tests, NULL, NULL);
}
