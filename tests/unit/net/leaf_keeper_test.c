/*
 * A worker's leaf cache with a real keeper, in a child, behind it: the test is
 * their master, which holds both ends of the pair.
 */

#include "net/leaf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../keeper/chain.h"
#include "base/log.h"
#include "keeper/keeper.h"
#include "keeper/vault.h"
#include "os/chan.h"
#include "os/declare.h"
#include "os/process.h"
#include "os/sock.h"
#include "os/ticket_keys.h"

static struct loop *loop;
static struct leaf_cache *cache;
static struct task task;
static struct vault_files vault;
static int tickets, master[2], pair[2];
static pid_t keeper;
static char buf[CHAN_DATA_MAX];

static const struct step *
run_waiter(struct task *t)
{
    loop_stop(t->loop);
    return TASK_WAIT;
}

static const struct step step_waiter = { "waiter", run_waiter };

static void
tell(enum chan_type type, uint64_t number, struct str data, int fd)
{
    struct chan_msg m = { type, number, data, fd };
    assert_int_equal(chan_send(master[0], &m), IO_OK);
}

static struct chan_msg
expect(enum chan_type type)
{
    struct chan_msg m;
    assert_int_equal(chan_recv_wait(master[0], &m, buf, 20), IO_OK);
    assert_int_equal(m.type, type);
    return m;
}

static void
keeper_start(void)
{
    struct keeper_args a = { master[1], &vault, tickets };
    keeper = fork();
    if (keeper == 0) {
        close(master[0]);
        _exit(keeper_run(&a));
    }
    expect(CHAN_READY);
    tell(CHAN_WORKER, 0, STR_NONE, pair[1]);
}

static void
keeper_kill(void)
{
    int status;
    assert_int_equal(kill(keeper, SIGKILL), 0);
    assert_int_equal(waitpid(keeper, &status, 0), keeper);
}

static int
setup(void **state)
{
    (void)state;
    log_set(2, LOG_EMERG);
    assert_int_equal(vault_files_grow(&vault), 0);
    tickets = process_memory_file("tickets", sizeof(struct ticket_keys));
    assert_int_equal(sock_pair(master), 0);
    assert_int_equal(sock_pair(pair), 0);
    keeper_start();
    loop = loop_new();
    cache = leaf_cache_new(loop, pair[0], 100, 100);
    assert_non_null(cache);
    task_init(&task, loop, &step_waiter, NULL);
    return 0;
}

static int
teardown(void **state)
{
    int status;
    (void)state;
    task_fini(&task);
    leaf_cache_free(cache);
    loop_free(loop);
    tell(CHAN_QUIT, 0, STR_NONE, -1);
    assert_int_equal(waitpid(keeper, &status, 0), keeper);
    assert_int_equal(status, 0);
    close(master[0]);
    close(master[1]);
    close(pair[1]);
    vault_files_close(&vault);
    close(tickets);
    return 0;
}

/* Its index is its serial. */
static void
tell_of(enum chan_type type, uint64_t serial, struct str id)
{
    struct declare d = { .index = (uint32_t)serial };
    assert_true(id.n <= sizeof d.id);
    memcpy(d.id, id.n != 0 ? id.p : "", id.n);
    tell(type, serial, str_n((const char *)&d, DECLARE_SIZE(id.n)), -1);
}

static struct leaf_owner
declare(uint64_t serial, char der[CHAN_DATA_MAX])
{
    tell_of(CHAN_DECLARE, serial, STR("demo"));
    struct chan_msg m = expect(CHAN_CA);
    memcpy(der, m.data.p, m.data.n);
    return (
        struct leaf_owner){ serial, (uint32_t)serial, str_n(der, m.data.n) };
}

/* Whether a leaf came, and is one of that CA. */
static enum leaf_state
await(const struct leaf_owner *o, const char *name)
{
    struct leaf *leaf = NULL;
    enum leaf_state s;
    do {
        s = leaf_get(cache, o, str_of(name), &task, &leaf);
        if (s == LEAF_PENDING) {
            loop_run(loop);
        }
    } while (s == LEAF_PENDING);
    if (s == LEAF_READY) {
        SSL_CTX *ctx = SSL_CTX_new(TLS_method());
        SSL *ssl = SSL_new(ctx);
        assert_int_equal(leaf_use(leaf, ssl), 0);
        assert_int_equal(
            chain_verify_x509(o->ca_cert_der, SSL_get_certificate(ssl), name),
            X509_V_OK);
        SSL_free(ssl);
        SSL_CTX_free(ctx);
        leaf_unref(leaf);
    }
    return s;
}

static void
leaves_of_two_sandboxes(void **state)
{
    char a[CHAN_DATA_MAX], b[CHAN_DATA_MAX];
    struct leaf_owner one = declare(1, a), two = declare(2, b);
    (void)state;
    assert_int_equal(await(&one, "a.example"), LEAF_READY);
    assert_int_equal(await(&two, "a.example"), LEAF_READY);
    assert_int_equal(await(&one, "10.1.2.3"), LEAF_READY);
    two.index = one.index; /* another's CA */
    assert_int_equal(await(&two, "b.example"), LEAF_FAILED);
    tell_of(CHAN_DROP, 1, STR_NONE);
    expect(CHAN_DONE);
    assert_int_equal(await(&one, "a.example"), LEAF_READY);
    assert_int_equal(await(&one, "b.example"), LEAF_FAILED);
}

/* A keeper dies with an ask that it has read; the next one is asked again. */
static void
a_crash_is_a_pause(void **state)
{
    char der[CHAN_DATA_MAX], byte;
    struct leaf_owner o = declare(1, der);
    struct leaf *leaf;
    (void)state;
    assert_int_equal(await(&o, "a.example"), LEAF_READY);
    keeper_kill();
    assert_int_equal(
        leaf_get(cache, &o, STR("b.example"), &task, &leaf), LEAF_PENDING);
    assert_int_equal(read(pair[1], &byte, 1), 1); /* the ask is lost */
    assert_int_equal(
        leaf_get(cache, &o, STR("c.example"), &task, &leaf), LEAF_PENDING);
    keeper_start();
    leaf_cache_ask_again(cache);
    assert_int_equal(await(&o, "b.example"), LEAF_READY);
    assert_int_equal(await(&o, "c.example"), LEAF_READY);
    assert_int_equal(await(&o, "d.example"), LEAF_READY);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(leaves_of_two_sandboxes),
        TEST(a_crash_is_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
