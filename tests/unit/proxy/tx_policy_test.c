/*
 * A sandbox's policy changes while its requests wait and run: what has waited
 * is judged again before anything is sent, what runs is ended by a refusal
 * alone; and a sandbox that ends leaves nothing.
 */

#include "live_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/leaf.h"
#include "policy/block.h"
#include "proxy/worker.h"
#include "proxy/worker_sandbox.h"
#include "wire/pool.h"

#define LINE "header_slots 1; header_slots_queue 2; requests 2;"
#define OTHER "resolve other.test 10.9.0.1;"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define GET_OTHER "GET http://other.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n"

static struct sandbox *
box(const struct live *l)
{
    return sandbox_set_next(l->worker->sandboxes, NULL);
}

/* The sandbox's policy from here on. */
static void
change_to(struct live *l, struct policy *values)
{
    struct sandbox_clash clash;
    struct sandbox *sb = box(l);
    values->revision++;
    struct sandbox_spec spec = { .id = sb->id,
        .policy = policy_new(values),
        .scope = sb->scope,
        .addresses = sb->addresses,
        .n_addresses = sb->n_addresses,
        .at = sb->at };
    AN(worker_sandbox_change(l->worker, sb, &spec, &clash));
    policy_unref(spec.policy);
    live_settle(l);
}

/* The sandbox's own denied_hosts is that one from here on. */
static void
change(struct live *l, const char *denied, const struct block *outbound)
{
    struct pattern_error err;
    struct policy values = *box(l)->policy;
    values.outbound = outbound;
    values.own_denied = pattern_set_new(PATTERN_LIST);
    AN(pattern_set_add(values.own_denied, str_of(denied), NULL, &err));
    pattern_set_compile(values.own_denied);
    change_to(l, &values);
    pattern_set_unref(values.own_denied);
}

static struct live_end *
sends(struct live *l, const char *text)
{
    struct live_end *c = live_client(l);
    live_send(c, text);
    return c;
}

/* A request that has the slot, and one that waits for it. */
struct line {
    struct live *live;
    struct live_end *client, *origin, *waiter;
};

static struct line
form(void **state, const char *egress)
{
    struct line n = { .live = live_start(state, egress, LINE) };
    n.client = live_asks(n.live, false, "GET", "\r\n");
    n.origin = live_is_asked(n.live, false, "GET", "\r\n");
    n.waiter = sends(n.live, GET_OTHER);
    live_says_why(n.live, "waits for a header slot");
    return n;
}

static void
first_is_served(struct line *n)
{
    live_send(n->origin, OK);
    live_answers(n->client, 200, "");
    live_logs(n->live, "\"status\":200");
    live_close(n->client);
}

static void
is_over(struct line *n)
{
    live_close(n->waiter);
    live_close(n->origin);
    live_is_back(n->live);
}

static void
test_refused_in_the_line(void **state)
{
    struct line n = form(state, OTHER);
    change(n.live, "other.test", NULL);
    live_answers(n.waiter, 403, "denied_hosts has");
    live_logs(n.live, "\"status\":403");
    first_is_served(&n); /* it goes on as if nothing had been */
    assert_false(live_is_dialled(n.live));
    is_over(&n);
}

/* It is counted once. */
static void
test_allowed_in_the_line(void **state)
{
    struct line n = form(state, OTHER);
    change(n.live, "third.test", NULL);
    change(n.live, "fourth.test", NULL);
    first_is_served(&n);
    struct live_end *o = live_origin(n.live);
    live_gets(o, "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n");
    change(n.live, "fifth.test", NULL); /* it runs: it is not touched */
    live_send(o, OK);
    live_answers(n.waiter, 200, "");
    live_logs(n.live, "\"status\":200");
    live_close(o);
    is_over(&n);
}

static void
change_slots(struct live *l, unsigned n)
{
    struct policy values = *box(l)->policy;
    values.header_slots = n;
    change_to(l, &values);
}

/* Those that have a slot keep it; nobody gets one until there are fewer than
 * the limit. */
static void
test_slots_are_lowered(void **state)
{
    struct live *l =
        live_start(state, OTHER, "header_slots 2; header_slots_queue 2;");
    struct live_end *first = live_asks(l, false, "GET", "\r\n");
    struct live_end *first_origin = live_is_asked(l, false, "GET", "\r\n");
    struct live_end *second = sends(l, GET_OTHER);
    struct live_end *second_origin = live_origin(l);
    live_gets(second_origin, "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n");
    change_slots(l, 1);
    struct live_end *third = sends(l, GET_OTHER);
    live_says_why(l, "waits for a header slot");
    live_send(first_origin, OK);
    live_answers(first, 200, "");
    live_logs(l, "\"status\":200");
    live_settle(l);
    assert_false(live_is_dialled(l)); /* it waits still */
    live_send(second_origin, OK);
    live_answers(second, 200, "");
    live_logs(l, "\"status\":200");
    live_gets(second_origin, "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n");
    live_send(second_origin, OK);
    live_answers(third, 200, "");
    live_logs(l, "\"status\":200");
    live_close(first);
    live_close(second);
    live_close(third);
    live_close(first_origin);
    live_close(second_origin);
    live_is_back(l);
}

static const struct block *
handler_of(const struct live *l)
{
    const struct scope *s = l->worker->egress->children;
    while (s->context != CONF_HANDLER) {
        s = s->next;
    }
    return block_of(s);
}

/* What the first block's hooks did to the head cannot be undone. */
static void
test_served_otherwise(void **state)
{
    struct line n = form(state, OTHER "handler h { }");
    change(n.live, "third.test", handler_of(n.live));
    live_answers(n.waiter, 503, "Retry-After: 0");
    live_logs(n.live, "\"status\":503");
    live_send(n.waiter, GET_OTHER);
    live_says_why(n.live, "waits for a header slot");
    first_is_served(&n);
    struct live_end *o = live_origin(n.live);
    live_gets(o, "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n");
    live_send(o, OK);
    live_answers(n.waiter, 200, "");
    live_logs(n.live, "\"status\":200");
    live_close(o);
    is_over(&n);
}

/* For a connection, and for a name. */
static void
refused_in_a_dial(void **state, const char *name, const char *request)
{
    struct live *l = live_start(state, "", "");
    struct live_end *c = sends(l, request);
    live_nothing(l, 1);
    change(l, "third.test", NULL);
    live_is_open(c); /* it is dialled anew */
    change(l, name, NULL);
    live_gets_head(c, 403, "denied_hosts has");
    AN(memmem(c->got.p, c->got.n, "\"revision\":2,", 13) != NULL);
    live_logs(l, "\"status\":403");
    live_close(c);
    live_pass(l, 60000); /* the resolver's question ends by itself */
    live_is_back(l);     /* the slot, too */
}

static void
test_refused_in_a_dial(void **state)
{
    refused_in_a_dial(state, "silent.test",
        "GET http://silent.test/ HTTP/1.1\r\nHost: silent.test\r\n"
        "Accept: application/json\r\n\r\n");
    refused_in_a_dial(state, "unknown.test",
        "GET http://unknown.test/ HTTP/1.1\r\nHost: unknown.test\r\n"
        "Accept: application/json\r\n\r\n");
}

static void
test_a_tunnel_in_its_dial(void **state)
{
    struct live *l =
        live_start(state, "host silent.test { intercept off; }", "");
    struct live_end *c = live_connected(l, "silent.test:443");
    live_tls_client(c, "silent.test");
    live_flush(c, SIZE_MAX);
    live_is_open(c);
    change(l, "silent.test", NULL);
    live_logs(l, "\"status\":403");
    live_is_cut(c);
    live_is_back(l);
}

/* What runs. */
static void
test_running(void **state)
{
    struct live *l = live_start(state, OTHER, LINE);
    struct live_end *c = live_asks(l, false, "GET", "\r\n");
    struct live_end *o = live_is_asked(l, false, "GET", "\r\n");
    live_send(o, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    live_gets_head(c, 200, "");
    live_gets(c, "ab");
    change(l, "other.test", NULL);
    live_is_open(c);
    live_send(o, "c");
    live_gets(c, "c");
    change(l, "up.test", NULL);
    live_logs(l, "refused by a newer policy");
    live_is_closed(c);
    live_is_closed(o);
    live_is_back(l);
}

static unsigned n_conns;

static void
count(struct conn *c, void *arg)
{
    (void)c, (void)arg;
    n_conns++;
}

static void
test_the_end(void **state)
{
    struct line n = form(state, OTHER);
    struct live *l = n.live;
    struct sandbox *sb = sandbox_ref(box(l));
    struct live_end *idle = live_client(l);
    first_is_served(&n);
    live_origin(l);
    struct live_end *tls = live_tunnel(l, "third.test");
    assert_int_equal(pool_idle(l->worker->pool), 1);
    assert_int_equal(leaf_cache_count(l->worker->leaves), 1);
    worker_sandbox_each(sb, count, NULL);
    assert_int_equal(n_conns, 3);
    worker_sandbox_end(l->worker, sb);
    live_settle(l);
    live_logs(l, "the sandbox ended");
    live_is_cut(n.waiter);
    live_is_cut(idle);
    live_is_cut(tls);
    live_is_cut(n.origin);
    assert_int_equal(l->worker->n_conns, 0);
    assert_int_equal(pool_idle(l->worker->pool), 0);
    assert_int_equal(leaf_cache_count(l->worker->leaves), 0);
    assert_int_equal(sb->refs, 1);
    sandbox_unref(sb);
    live_is_cut(live_client(l)); /* nobody has that address */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_refused_in_the_line),
        LIVE_TEST(test_allowed_in_the_line),
        LIVE_TEST(test_slots_are_lowered),
        LIVE_TEST(test_served_otherwise),
        LIVE_TEST(test_refused_in_a_dial),
        LIVE_TEST(test_a_tunnel_in_its_dial),
        LIVE_TEST(test_running),
        LIVE_TEST(test_the_end),
    };
    return cmocka_run_group_tests_name("tx_policy", tests, NULL, NULL);
}
