/*
 * The keeper's process, in a child: what the master and the workers say to it
 * and what it answers.
 */

#include "keeper/keeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <signal.h>
#include <openssl/x509.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cert.h"
#include "base/digest.h"
#include "base/log.h"
#include "chain.h"
#include "keeper/tickets.h"
#include "keeper/vault.h"
#include "os/chan.h"
#include "os/declare.h"
#include "os/mint.h"
#include "os/process.h"
#include "os/sock.h"
#include "os/ticket_keys.h"

#define PATIENCE 20.0

struct keeper_child {
    struct vault_files vault;
    int tickets;
    int master, far; /* the far ends are the keeper's */
    int worker, worker_far;
    pid_t pid;
    char buf[CHAN_DATA_MAX];
};

static struct keeper_child kid;

/* The curve's base point: as good as any for what is not signed with. */
static const uint8_t some_key[CERT_KEY_SIZE] =
    "\x04\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2"
    "\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\x4f"
    "\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\x2b\xce"
    "\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";

static struct chan_msg
expect(enum chan_type type)
{
    struct chan_msg m;
    enum io r = chan_recv_wait(kid.master, &m, kid.buf, PATIENCE);
    assert_int_equal(r, IO_OK);
    assert_int_equal(m.type, type);
    return m;
}

static void
tell(enum chan_type type, uint64_t number, struct str data, int fd)
{
    struct chan_msg m = { type, number, data, fd };
    assert_int_equal(chan_send(kid.master, &m), IO_OK);
}

static void
keeper_start(void)
{
    struct keeper_args a = { kid.far, &kid.vault, kid.tickets };
    kid.pid = fork();
    if (kid.pid == 0) {
        close(kid.master);
        close(kid.worker);
        log_set(2, LOG_EMERG);
        int code = keeper_run(&a);
        close(kid.far);
        close(kid.worker_far);
        _exit(code);
    }
    expect(CHAN_READY);
    tell(CHAN_WORKER, 0, STR_NONE, kid.worker_far);
}

static int
keeper_wait(void)
{
    int status;
    assert_int_equal(waitpid(kid.pid, &status, 0), kid.pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
setup(void **state)
{
    int pair[2];
    struct timeval tv = { .tv_sec = (time_t)PATIENCE };
    (void)state;
    assert_int_equal(vault_files_grow(&kid.vault), 0);
    kid.tickets = process_memory_file("tickets", sizeof(struct ticket_keys));
    assert_int_equal(sock_pair(pair), 0);
    kid.master = pair[0];
    kid.far = pair[1];
    assert_int_equal(sock_pair(pair), 0);
    kid.worker = pair[0];
    kid.worker_far = pair[1];
    setsockopt(kid.worker, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    keeper_start();
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    close(kid.master);
    close(kid.far); /* the master is gone: the keeper ends */
    assert_int_equal(keeper_wait(), 0);
    close(kid.worker);
    close(kid.worker_far);
    vault_files_close(&kid.vault);
    close(kid.tickets);
    return 0;
}

/* CHAN_DECLARE or CHAN_DROP. */
static void
tell_of(enum chan_type type, uint64_t serial, uint32_t index, struct str id)
{
    struct declare d = { .index = index };
    assert_true(id.n <= sizeof d.id);
    memcpy(d.id, id.n != 0 ? id.p : "", id.n);
    tell(type, serial, str_n((const char *)&d, DECLARE_SIZE(id.n)), -1);
}

/* The CA's certificate. */
static struct str
declare(uint64_t serial, struct str id, uint32_t index, uint8_t *der)
{
    tell_of(CHAN_DECLARE, serial, index, id);
    struct chan_msg m = expect(CHAN_CA);
    assert_int_equal(m.number, serial);
    memcpy(der, m.data.p, m.data.n);
    return str_n((const char *)der, m.data.n);
}

static struct mint_ask
ask_for(uint32_t index, uint64_t serial, struct str name)
{
    struct mint_ask a = { .magic = MINT_MAGIC,
        .index = index,
        .serial = serial,
        .nonce = 0x1122334455667788u,
        .n_name = (uint8_t)name.n };
    memcpy(a.name, name.p, name.n);
    memcpy(a.key, some_key, sizeof a.key);
    return a;
}

static struct mint_answer
mint(const struct mint_ask *ask)
{
    struct mint_answer a;
    assert_int_equal(send(kid.worker, ask, sizeof *ask, 0), sizeof *ask);
    assert_int_equal(recv(kid.worker, &a, sizeof a, 0), sizeof a);
    assert_int_equal(a.magic, MINT_MAGIC);
    assert_true(a.nonce == ask->nonce);
    return a;
}

static int
verify(struct str ca, const struct mint_ask *ask, const struct mint_answer *a,
    const char *name)
{
    struct cert_issuer issuer;
    struct cert_tbs t;
    uint8_t der[CERT_MAX];
    struct cert_fields f = { str_of(name), ask->key, { 0 }, a->not_before,
        a->not_after };
    memcpy(f.number, a->number, sizeof f.number);
    assert_true(cert_issuer_read(&issuer, ca));
    cert_tbs_leaf(&t, &issuer, &f);
    size_t n =
        cert_join(&t, str_n((const char *)a->signature, a->n_signature), der);
    return chain_verify(ca, str_n((const char *)der, n), name);
}

static void
a_mint(void **state)
{
    uint32_t index = 3;
    uint8_t der[CERT_MAX];
    int64_t now = (int64_t)time(NULL);
    (void)state;
    struct str ca = declare(7, STR("demo"), index, der);
    struct mint_ask ask = ask_for(index, 7, STR("a.example"));
    struct mint_answer a = mint(&ask);
    assert_int_equal(a.status, MINT_OK);
    assert_in_range(a.not_before, now - 90100, now - 86400);
    assert_in_range(a.not_after, now + 6 * 86400, now + 7 * 86400);
    assert_int_equal(verify(ca, &ask, &a, "a.example"), X509_V_OK);
    struct mint_answer b = mint(&ask);
    assert_memory_not_equal(a.number, b.number, sizeof a.number);
}

static void
asks_that_are_refused(void **state)
{
    uint32_t index = 3;
    uint8_t der[CERT_MAX];
    (void)state;
    declare(7, STR("demo"), index, der);
    declare(8, STR("other"), index + 1, der);
    struct mint_ask ask = ask_for(index, 8, STR("a.example"));
    struct mint_answer a = mint(&ask);
    assert_int_equal(a.status, MINT_NO_CA);
    assert_int_equal(a.n_signature, 0);
    ask = ask_for(~0u, 7, STR("a.example"));
    assert_int_equal(mint(&ask).status, MINT_NO_CA);
    ask = ask_for(index, 7, STR("*.example"));
    assert_int_equal(mint(&ask).status, MINT_BAD_ASK);
    ask = ask_for(index, 7, STR(""));
    assert_int_equal(mint(&ask).status, MINT_BAD_ASK);
    ask = ask_for(index, 7, STR("a.example"));
    ask.key[0] = 2;
    assert_int_equal(mint(&ask).status, MINT_BAD_ASK);
    ask.key[0] = 4;
    assert_int_equal(mint(&ask).status, MINT_OK);
}

static void
a_declaration_again(void **state)
{
    uint8_t a[CERT_MAX], b[CERT_MAX];
    (void)state;
    struct str first = declare(7, STR("demo"), 0, a);
    struct str again = declare(7, STR("demo"), 0, b);
    assert_true(str_eq(first, again));
}

static void
a_dropped_sandbox(void **state)
{
    uint32_t index = 3;
    uint8_t a[CERT_MAX], b[CERT_MAX];
    (void)state;
    struct str ca = declare(7, STR("demo"), index, a);
    struct mint_ask ask = ask_for(index, 7, STR("a.example"));
    assert_int_equal(mint(&ask).status, MINT_OK);
    tell_of(CHAN_DROP, 6, index, STR_NONE); /* which does not have it */
    assert_int_equal(expect(CHAN_DONE).number, 6);
    assert_int_equal(mint(&ask).status, MINT_OK);
    tell_of(CHAN_DROP, 7, index, STR_NONE);
    assert_int_equal(expect(CHAN_DONE).number, 7);
    assert_int_equal(mint(&ask).status, MINT_NO_CA);
    tell_of(CHAN_DROP, 7, index, STR_NONE);
    assert_int_equal(expect(CHAN_DONE).number, 7);
    /* who comes to that place has a key of its own */
    struct str next = declare(8, STR("demo"), index, b);
    assert_int_equal(mint(&ask).status, MINT_NO_CA);
    ask = ask_for(index, 8, STR("a.example"));
    struct mint_answer answer = mint(&ask);
    assert_int_equal(verify(next, &ask, &answer, "a.example"), X509_V_OK);
    assert_int_not_equal(verify(ca, &ask, &answer, "a.example"), X509_V_OK);
}

static void
declarations_that_fail(void **state)
{
    char room[sizeof(struct declare) + 1] = { 0 };
    uint8_t der[CERT_MAX];
    (void)state;
    memset(room + DECLARE_SIZE(0), 'x', ID_MAX + 1);
    tell(CHAN_DECLARE, 1, str_n(room, sizeof room), -1);
    struct chan_msg m = expect(CHAN_FAILED);
    assert_int_equal(m.number, 1);
    assert_true(m.data.n != 0);
    tell_of(CHAN_DECLARE, 1, 0, STR_NONE);
    expect(CHAN_FAILED);
    tell(CHAN_DECLARE, 1, STR_NONE, -1);
    expect(CHAN_FAILED);
    tell(CHAN_DROP, 1, STR("abc"), -1);
    expect(CHAN_FAILED);
    declare(1, STR("demo"), 5, der);
    tell_of(CHAN_DECLARE, 2, 5, STR("other")); /* another has the index */
    m = expect(CHAN_FAILED);
    assert_true(str_eq(m.data, STR("the vault has no room at its index")));
    tell_of(CHAN_DECLARE, 2, VAULT_SEGMENT, STR("other"));
    expect(CHAN_FAILED);
    tell_of(CHAN_DROP, 2, VAULT_SEGMENT, STR_NONE);
    expect(CHAN_FAILED);
    declare(1, STR("demo"), 5, der); /* which is there */
}

/* As it runs; the next keeper has it from the start. */
static void
a_vault_that_grows(void **state)
{
    const uint32_t index = VAULT_SEGMENT + 2;
    uint8_t a[CERT_MAX], b[CERT_MAX];
    int status;
    (void)state;
    assert_int_equal(vault_files_grow(&kid.vault), 0);
    tell(CHAN_SEGMENT, 1, STR_NONE, kid.vault.fds[1]);
    struct str ca = declare(7, STR("demo"), index, a);
    struct mint_ask ask = ask_for(index, 7, STR("a.example"));
    assert_int_equal(mint(&ask).status, MINT_OK);
    kill(kid.pid, SIGKILL);
    assert_int_equal(waitpid(kid.pid, &status, 0), kid.pid);
    keeper_start();
    assert_true(str_eq(ca, declare(7, STR("demo"), index, b)));
    assert_int_equal(mint(&ask).status, MINT_OK);
    tell(CHAN_SEGMENT, 1, STR_NONE, kid.vault.fds[1]); /* which it has */
    assert_int_equal(keeper_wait(), 1);
    keeper_start();
}

/* Killed; the next one signs for the same certificate. */
static void
a_keeper_after_a_crash(void **state)
{
    uint32_t index = 3;
    uint8_t a[CERT_MAX], b[CERT_MAX];
    int status;
    (void)state;
    struct str ca = declare(7, STR("demo"), index, a);
    struct mint_ask ask = ask_for(index, 7, STR("a.example"));
    kill(kid.pid, SIGKILL);
    assert_int_equal(waitpid(kid.pid, &status, 0), kid.pid);
    keeper_start();
    struct mint_answer answer = mint(&ask);
    assert_int_equal(verify(ca, &ask, &answer, "a.example"), X509_V_OK);
    struct str ca_again = declare(7, STR("demo"), index, b);
    assert_true(str_eq(ca, ca_again));
}

/* A pair of which the keeper alone has the far end. */
static int
another_worker(void)
{
    int pair[2];
    struct timeval tv = { .tv_sec = (time_t)PATIENCE };
    assert_int_equal(sock_pair(pair), 0);
    tell(CHAN_WORKER, 0, STR_NONE, pair[1]);
    close(pair[1]);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    return pair[0];
}

static void
malformed_messages_close_their_pair(void **state)
{
    struct mint_ask good = ask_for(0, 7, STR("a.example"));
    struct mint_ask bad[2] = { good, good };
    char room[sizeof good + 1] = { 0 };
    uint32_t index = 3;
    uint8_t der[CERT_MAX];
    (void)state;
    declare(7, STR("demo"), index, der);
    bad[0].magic++;
    bad[1].n_name = CERT_NAME_MAX + 1;
    memcpy(room, &good, sizeof good);
    for (int i = 0; i < 4; i++) {
        size_t n = i < 2 ? sizeof good : i == 2 ? sizeof good - 1 : sizeof room;
        const void *p = i < 2 ? (const void *)&bad[i] : room;
        int fd = another_worker();
        assert_int_equal(send(fd, p, n, 0), n);
        assert_int_equal(recv(fd, room + sizeof good, 1, 0), 0); /* closed */
        close(fd);
    }
    struct mint_ask ask = ask_for(index, 7, STR("a.example"));
    assert_int_equal(mint(&ask).status, MINT_OK); /* the others' stay */
}

/* A worker that reads nothing: the keeper serves the others. */
static void
a_worker_that_does_not_read(void **state)
{
    uint32_t index = 3;
    uint8_t der[CERT_MAX];
    (void)state;
    declare(7, STR("demo"), index, der);
    struct mint_ask ask = ask_for(index, 7, STR("a.example"));
    int deaf = another_worker(), gone = another_worker();
    close(gone);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(send(deaf, &ask, sizeof ask, 0), sizeof ask);
    }
    assert_int_equal(mint(&ask).status, MINT_OK);
    close(deaf);
}

/* That it ended with asks unread is said first, and once. */
static unsigned
answers_in(int fd)
{
    struct mint_answer a;
    unsigned n = recv(fd, &a, sizeof a, MSG_DONTWAIT) == sizeof a;
    while (recv(fd, &a, sizeof a, MSG_DONTWAIT) == sizeof a) {
        n++;
    }
    return n;
}

/* A worker that asks without end: the master has its turn between. */
static void
a_worker_that_never_stops(void **state)
{
    uint32_t index = 3;
    uint8_t der[CERT_MAX];
    int status;
    (void)state;
    declare(7, STR("demo"), index, der);
    struct mint_ask ask = ask_for(index, 7, STR("a.example"));
    int greedy = another_worker();
    declare(8, STR("other"), index + 1, der); /* it has that worker */
    assert_int_equal(kill(kid.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(kid.pid, &status, WUNTRACED), kid.pid);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(
            send(greedy, &ask, sizeof ask, MSG_DONTWAIT), sizeof ask);
    }
    tell(CHAN_QUIT, 0, STR_NONE, -1);
    assert_int_equal(kill(kid.pid, SIGCONT), 0);
    assert_int_equal(keeper_wait(), 0);
    assert_in_range(answers_in(greedy), 1, 50);
    close(greedy);
    keeper_start();
}

static void
quitting(void **state)
{
    (void)state;
    tell(CHAN_QUIT, 0, STR_NONE, -1);
    assert_int_equal(keeper_wait(), 0);
    keeper_start();
    tell(CHAN_SECRET, 0, STR_NONE, -1); /* not for a keeper */
    assert_int_equal(keeper_wait(), 1);
    keeper_start();
}

static void
a_vault_that_is_none(void **state)
{
    struct vault_files none = { 1, { kid.tickets } };
    struct keeper_args a = { kid.far, &none, kid.tickets };
    (void)state;
    assert_int_equal(keeper_run(&a), 1);
    a = (struct keeper_args){ kid.far, &kid.vault, kid.vault.fds[0] };
    assert_int_equal(keeper_run(&a), 1);
}

static void
the_log_is_replaced(void **state)
{
    int pipes[2];
    char text[2048];
    (void)state;
    assert_int_equal(pipe(pipes), 0);
    const char level = LOG_ERR;
    tell(CHAN_LOG, UINT64_MAX, str_n(&level, 1), pipes[1]);
    close(pipes[1]);
    tell(CHAN_DECLARE, 9, STR_NONE, -1);
    expect(CHAN_FAILED);
    tell(CHAN_QUIT, 0, STR_NONE, pipes[0]); /* with an fd: no sense, logged */
    assert_int_equal(keeper_wait(), 1);
    ssize_t n = read(pipes[0], text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "[alert]"));
    assert_non_null(strstr(text, "[error]"));
    assert_null(strstr(text, "[info]"));
    close(pipes[0]);
    keeper_start();
}

static struct ticket_keys *
keys_map(int fd)
{
    struct ticket_keys *k =
        mmap(NULL, sizeof *k, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(k != MAP_FAILED);
    return k;
}

static void
ticket_keys_are_there(void **state)
{
    static const struct ticket_key none;
    struct ticket_keys *k = keys_map(kid.tickets), before;
    (void)state;
    assert_int_equal(k->magic, TICKET_KEYS_MAGIC);
    assert_int_equal(k->version, TICKET_KEYS_VERSION);
    assert_int_equal(k->sequence % 2, 0);
    assert_int_equal(k->n, 1);
    assert_memory_not_equal(&k->keys[0], &none, sizeof none);
    memcpy(&before, k, sizeof before);
    tell(CHAN_QUIT, 0, STR_NONE, -1);
    assert_int_equal(keeper_wait(), 0);
    keeper_start(); /* and keeps them */
    assert_memory_equal(&before, k, sizeof before);
    munmap(k, sizeof *k);
}

static void
rotation(void **state)
{
    static const struct ticket_key none;
    struct ticket_key first[TICKET_KEYS_N];
    int fd = process_memory_file("tickets", sizeof(struct ticket_keys));
    struct tickets *t = tickets_open(fd);
    struct ticket_keys *k = keys_map(fd);
    (void)state;
    assert_non_null(t);
    for (unsigned n = 1; n <= TICKET_KEYS_N + 2; n++) {
        uint32_t sequence = k->sequence;
        unsigned held = n < TICKET_KEYS_N ? n : TICKET_KEYS_N;
        assert_int_equal(k->n, held);
        memcpy(first, k->keys, sizeof first);
        tickets_rotate(t);
        assert_int_equal(k->sequence, sequence + 2);
        for (unsigned i = 1; i < k->n; i++) {
            assert_memory_equal(&k->keys[i], &first[i - 1], sizeof *first);
        }
        assert_memory_not_equal(&k->keys[0], &first[0], sizeof *first);
        assert_memory_not_equal(&k->keys[0], &none, sizeof none);
    }
    tickets_close(t);
    munmap(k, sizeof *k);
    close(fd);
}

/* The keys may be torn: none of them stays. */
static void
a_writer_that_died(void **state)
{
    int fd = process_memory_file("tickets", sizeof(struct ticket_keys));
    struct tickets *t = tickets_open(fd);
    struct ticket_keys *k = keys_map(fd);
    struct ticket_key old;
    (void)state;
    tickets_rotate(t);
    tickets_close(t);
    k->sequence++;
    uint32_t torn = k->sequence;
    memcpy(&old, &k->keys[0], sizeof old);
    t = tickets_open(fd);
    assert_non_null(t);
    assert_int_equal(k->sequence, torn + 1);
    assert_int_equal(k->n, 1);
    assert_memory_not_equal(&k->keys[0], &old, sizeof old);
    k->sequence++; /* another generation's, meanwhile */
    tickets_rotate(t);
    assert_int_equal(k->sequence % 2, 0);
    assert_int_equal(k->n, 1);
    tickets_close(t);
    k->version++;
    assert_null(tickets_open(fd));
    munmap(k, sizeof *k);
    close(fd);
}

#define WITH_KEEPER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KEEPER(a_mint),
        WITH_KEEPER(asks_that_are_refused),
        WITH_KEEPER(a_declaration_again),
        WITH_KEEPER(a_dropped_sandbox),
        WITH_KEEPER(declarations_that_fail),
        WITH_KEEPER(a_keeper_after_a_crash),
        WITH_KEEPER(malformed_messages_close_their_pair),
        WITH_KEEPER(a_worker_that_does_not_read),
        WITH_KEEPER(a_worker_that_never_stops),
        WITH_KEEPER(quitting),
        WITH_KEEPER(a_vault_that_grows),
        WITH_KEEPER(a_vault_that_is_none),
        WITH_KEEPER(the_log_is_replaced),
        WITH_KEEPER(ticket_keys_are_there),
        cmocka_unit_test(rotation),
        cmocka_unit_test(a_writer_that_died),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
