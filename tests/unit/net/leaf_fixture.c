/*
 * Plays the keeper on the other end of the cache's pair, with a CA of its own.
 */

#include "leaf_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "keeper/ca.h"
#include "os/sock.h"

#define INDEX 3

struct leaf_fixture fx;

static struct ca_cache *cas;
static struct ca_fresh fresh;
static struct vault_record record;
static uint8_t ca_der[CERT_MAX];

static const struct step *
run_waiter(struct task *t)
{
    container_of(t, struct lf_waiter, task)->granted++;
    loop_stop(t->loop);
    return TASK_WAIT;
}

static const struct step step_waiter = { "waiter", run_waiter };

static void
waiter_init(struct lf_waiter *wt)
{
    task_init(&wt->task, fx.loop, &step_waiter, NULL);
    wt->granted = 0;
}

void
lf_start(unsigned max, unsigned rate)
{
    int pair[2];
    struct timeval tv = { .tv_sec = 60 };
    assert_int_equal(sock_pair(pair), 0);
    fx.ours = pair[0];
    fx.peer = pair[1];
    setsockopt(fx.peer, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    fx.cache = leaf_cache_new(fx.loop, pair[0], max, rate);
    assert_non_null(fx.cache);
    leaf_cache_set_patience(fx.cache, 600); /* but where a test is of it */
}

void
lf_stop(void)
{
    leaf_cache_free(fx.cache);
    close(fx.peer);
}

int
lf_setup(void **state)
{
    static uint64_t serial;
    (void)state;
    log_set(2, LOG_EMERG);
    clock_update();
    fx.loop = loop_new();
    cas = ca_cache_new();
    record = (struct vault_record){
        .serial = ++serial, .created = time(NULL), .id = STR("demo")
    };
    assert_true(ca_generate(&record, &fresh));
    size_t n = ca_certificate(&record, ca_der);
    fx.owner = (struct leaf_owner){ record.serial, INDEX,
        str_n((const char *)ca_der, n) };
    waiter_init(&fx.w);
    waiter_init(&fx.w2);
    return 0;
}

int
lf_teardown(void **state)
{
    (void)state;
    task_fini(&fx.w.task);
    task_fini(&fx.w2.task);
    ca_cache_free(cas);
    loop_free(fx.loop);
    return 0;
}

static void
on_turn(struct timer *t)
{
    loop_stop(t->loop);
}

/* Some turns' worth of events: `seconds` at most, or until a grant. */
void
lf_turn(double seconds)
{
    struct timer t;
    timer_init(&t, fx.loop, on_turn);
    timer_start(&t, seconds);
    loop_run(fx.loop);
    timer_stop(&t);
}

void
lf_until_granted(struct lf_waiter *wt)
{
    unsigned before = wt->granted;
    for (int i = 0; i < 20 && wt->granted == before; i++) {
        lf_turn(1);
    }
    assert_int_equal(wt->granted, before + 1);
}

enum leaf_state
lf_get_of(const struct leaf_owner *o, const char *name, struct leaf **leaf)
{
    return leaf_get(fx.cache, o, str_of(name), &fx.w.task, leaf);
}

enum leaf_state
lf_get(const char *name)
{
    struct leaf *leaf = NULL;
    enum leaf_state s = lf_get_of(&fx.owner, name, &leaf);
    assert_int_equal(s == LEAF_READY, leaf != NULL);
    if (leaf != NULL) {
        leaf_unref(leaf);
    }
    return s;
}

struct mint_ask
lf_take_ask(void)
{
    struct mint_ask ask;
    assert_int_equal(recv(fx.peer, &ask, sizeof ask, 0), sizeof ask);
    assert_int_equal(ask.magic, MINT_MAGIC);
    assert_int_equal(ask.index, INDEX);
    assert_int_equal(ask.key[0], 4);
    return ask;
}

bool
lf_has_ask(void)
{
    char byte;
    return recv(fx.peer, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

struct mint_answer
lf_sign_at(const struct mint_ask *ask, int64_t now)
{
    struct ca_leaf leaf;
    struct ca_ask what = { str_n(ask->name, ask->n_name), ask->key, now };
    struct mint_answer a = { .magic = MINT_MAGIC, .nonce = ask->nonce };
    assert_true(ca_sign(cas, INDEX, &record, &what, &leaf));
    a.not_before = leaf.not_before;
    a.not_after = leaf.not_after;
    a.n_signature = (uint8_t)leaf.n_signature;
    memcpy(a.number, leaf.number, sizeof a.number);
    memcpy(a.signature, leaf.signature, leaf.n_signature);
    return a;
}

struct mint_answer
lf_sign(const struct mint_ask *ask)
{
    return lf_sign_at(ask, (int64_t)time(NULL));
}

void
lf_answer(const struct mint_answer *a)
{
    assert_int_equal(send(fx.peer, a, sizeof *a, 0), sizeof *a);
}

/* The next ask, granted; what `w` waits for. */
void
lf_serve(void)
{
    struct mint_ask ask = lf_take_ask();
    struct mint_answer a = lf_sign(&ask);
    lf_answer(&a);
    lf_until_granted(&fx.w);
}
