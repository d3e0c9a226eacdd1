/*
 * The keeper's process: waits on its master's channel and the workers' pairs,
 * does what comes, and never blocks on who asked. A worker's answer that finds
 * no room is dropped, as the worker asks again or gives up; an answer to the
 * master is held, and the master not read, until there is room.
 */

#include "keeper/keeper.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "keeper/ca.h"
#include "keeper/tickets.h"
#include "keeper/vault.h"
#include "os/chan.h"
#include "os/declare.h"
#include "os/mint.h"
#include "os/sock.h"

#define KEEPER_MAGIC 0x4ee9e411u
#define WORKERS_MAX 1024
#define MINTS_A_TURN 16 /* of one worker, before the next has its turn */
#define ROTATION 3600.0 /* seconds that a ticket key encrypts */

_Static_assert(ID_MAX == VAULT_ID_MAX, "what is declared fits into a record");

struct keeper {
    unsigned magic;
    struct vault *vault;
    struct ca_cache *cas;
    struct tickets *tickets;
    double rotate_at;
    struct pollfd polls[1 + WORKERS_MAX]; /* the master, then the workers */
    unsigned n_polls;
    struct chan_msg answer; /* to the master; type 0: none is held */
    char answer_data[CHAN_DATA_MAX];
    int log; /* the one that CHAN_LOG brought; -1: the inherited one */
    bool is_over;
    int code;
};

static void
keeper_end(struct keeper *k, int code)
{
    k->is_over = true;
    k->code = code;
}

static void
master_send(struct keeper *k)
{
    switch (chan_send(k->polls[0].fd, &k->answer)) {
    case IO_OK:
        k->answer.type = 0;
        k->polls[0].events = POLLIN;
        break;
    case IO_AGAIN:
        k->polls[0].events = POLLOUT;
        break;
    case IO_EOF:
    case IO_ERR:
        keeper_end(k, 0); /* the master is gone */
    }
}

static void
master_answer(
    struct keeper *k, enum chan_type type, uint64_t number, struct str data)
{
    AZ(k->answer.type);
    AN(data.n <= sizeof k->answer_data);
    if (data.n != 0) {
        memcpy(k->answer_data, data.p, data.n);
    }
    k->answer =
        (struct chan_msg){ type, number, str_n(k->answer_data, data.n), -1 };
    master_send(k);
}

static void
master_refuse(struct keeper *k, uint64_t serial, const char *why)
{
    log_at(LOG_ERR, "sandbox %llu: %s", (unsigned long long)serial, why);
    master_answer(k, CHAN_FAILED, serial, str_of(why));
}

/* False: it is malformed. The id is n 0 in CHAN_DROP. */
must_check static bool
declare_read(const struct chan_msg *m, uint32_t *index, struct str *id)
{
    struct declare d;
    if (m->data.n < DECLARE_SIZE(0) || m->data.n > sizeof d) {
        return false;
    }
    memcpy(&d, m->data.p, DECLARE_SIZE(0));
    *index = d.index;
    *id = str_skip(m->data, DECLARE_SIZE(0));
    return true;
}

/* -1 with the reason. */
static int
declare_new(
    struct keeper *k, uint32_t index, struct vault_record *r, const char **why)
{
    struct ca_fresh fresh;
    int result = -1;
    *why = "no key could be made";
    r->created = (int64_t)clock_wall();
    if (ca_generate(r, &fresh)) {
        result = vault_add(k->vault, index, r);
        *why = "the vault has no room at its index";
    }
    ca_fresh_wipe(&fresh);
    return result;
}

static void
on_declare(struct keeper *k, const struct chan_msg *m)
{
    struct vault_record r = { .serial = m->number };
    uint32_t index;
    uint8_t der[CERT_MAX];
    const char *why = "no certificate could be made";
    size_t n = 0;
    if (!declare_read(m, &index, &r.id) || r.id.n == 0) {
        master_refuse(k, m->number, "an id has 1 to 64 bytes");
        return;
    }
    bool is_there = vault_get(k->vault, index, m->number, &r) ||
                    (declare_new(k, index, &r, &why) == 0 &&
                        vault_get(k->vault, index, m->number, &r));
    if (is_there) {
        n = ca_certificate(&r, der);
    }
    if (n == 0) {
        master_refuse(k, m->number, why);
        return;
    }
    master_answer(k, CHAN_CA, m->number, str_n((const char *)der, n));
}

static void
on_drop(struct keeper *k, const struct chan_msg *m)
{
    uint32_t index;
    struct str id;
    if (!declare_read(m, &index, &id) ||
        vault_drop(k->vault, index, m->number) != 0) {
        master_refuse(k, m->number, "the vault has no such index");
        return;
    }
    ca_cache_forget(k->cas, index);
    master_answer(k, CHAN_DONE, m->number, STR_NONE);
}

/* Takes the fd. */
static void
add_worker(struct keeper *k, int fd)
{
    if (k->n_polls == LEN(k->polls)) {
        log_at(LOG_ALERT, "too many workers");
        close(fd);
        return;
    }
    k->polls[k->n_polls++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* Takes the fd. Only the error log is written here; what a reload says of its
 * level comes with it. */
static void
replace_log(struct keeper *k, const struct chan_msg *m)
{
    if (m->number != UINT64_MAX || m->data.n != 1 || m->data.p[0] < 0 ||
        m->data.p[0] > LOG_DEBUG) {
        log_at(LOG_ALERT, "the master sent a log that is not the error log");
        close(m->fd);
        return;
    }
    log_set(m->fd, (enum log_level)m->data.p[0]);
    log_at(LOG_INFO, "logs are opened again");
    if (k->log >= 0) {
        close(k->log);
    }
    k->log = m->fd;
}

static bool
brings_fd(enum chan_type type)
{
    return type == CHAN_WORKER || type == CHAN_LOG || type == CHAN_SEGMENT;
}

/* Takes the fd. */
static void
extend_vault(struct keeper *k, const struct chan_msg *m)
{
    if (!vault_extend(k->vault, m->number, m->fd)) {
        log_at(LOG_ALERT,
            "the master sent a file that is not the vault's next segment");
        close(m->fd);
        keeper_end(k, 1);
    }
}

static void
on_master_message(struct keeper *k, const struct chan_msg *m)
{
    bool has_fd = m->fd >= 0;
    if (has_fd != brings_fd(m->type)) {
        log_at(LOG_ALERT, "the master's message of type %d is malformed",
            (int)m->type);
        if (has_fd) {
            close(m->fd);
        }
        keeper_end(k, 1);
        return;
    }
    switch (m->type) {
    case CHAN_DECLARE:
        on_declare(k, m);
        break;
    case CHAN_DROP:
        on_drop(k, m);
        break;
    case CHAN_WORKER:
        add_worker(k, m->fd);
        break;
    case CHAN_SEGMENT:
        extend_vault(k, m);
        break;
    case CHAN_LOG:
        replace_log(k, m);
        break;
    case CHAN_QUIT:
        keeper_end(k, 0);
        break;
    default:
        log_at(LOG_ALERT, "message %d is not for the keeper", (int)m->type);
        keeper_end(k, 1);
    }
}

/* One message a turn: mints are not kept waiting by a thousand new CAs. */
static void
on_master(struct keeper *k)
{
    struct chan_msg m;
    char buf[CHAN_DATA_MAX];
    if (k->answer.type != 0) {
        master_send(k);
        return;
    }
    switch (chan_recv(k->polls[0].fd, &m, buf)) {
    case IO_OK:
        on_master_message(k, &m);
        break;
    case IO_AGAIN:
        break;
    case IO_EOF:
        keeper_end(k, 0);
        break;
    case IO_ERR:
        log_errno(LOG_ALERT, errno, "the master's channel failed");
        keeper_end(k, 1);
    }
}

static void
mint_sign(struct keeper *k, const struct mint_ask *ask, struct mint_answer *a)
{
    struct vault_record r;
    struct ca_leaf leaf;
    struct ca_ask what = { .name = str_n(ask->name, ask->n_name),
        .key = ask->key,
        .now = (int64_t)clock_wall() };
    if (!vault_get(k->vault, ask->index, ask->serial, &r)) {
        /* perhaps dropped by another generation's keeper */
        ca_cache_forget(k->cas, ask->index);
        a->status = MINT_NO_CA;
        return;
    }
    if (!cert_name_is_valid(what.name) || ask->key[0] != 4 ||
        !ca_sign(k->cas, ask->index, &r, &what, &leaf)) {
        a->status = MINT_BAD_ASK;
        return;
    }
    a->status = MINT_OK;
    a->not_before = leaf.not_before;
    a->not_after = leaf.not_after;
    a->n_signature = (uint8_t)leaf.n_signature;
    memcpy(a->number, leaf.number, sizeof a->number);
    memcpy(a->signature, leaf.signature, leaf.n_signature);
}

/* One message of a worker; IO_ERR: its pair is to be closed. */
static enum io
on_mint(struct keeper *k, int fd)
{
    struct mint_ask ask;
    ssize_t n = recv(fd, &ask, sizeof ask, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_ERR;
    }
    if (n == 0) {
        return IO_EOF;
    }
    if (n != sizeof ask || ask.magic != MINT_MAGIC ||
        ask.n_name > CERT_NAME_MAX) {
        return IO_ERR;
    }
    struct mint_answer a = { .magic = MINT_MAGIC, .nonce = ask.nonce };
    mint_sign(k, &ask, &a);
    if (send(fd, &a, sizeof a, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        log_errno(LOG_INFO, errno, "an answer to a worker was dropped");
    }
    return IO_OK;
}

/* False when its pair is to be closed. */
static bool
on_worker(struct keeper *k, int fd)
{
    enum io r = IO_OK;
    for (int i = 0; i < MINTS_A_TURN && r == IO_OK; i++) {
        r = on_mint(k, fd);
    }
    if (r == IO_ERR) {
        log_at(LOG_ALERT, "a worker's message is malformed");
    }
    return r == IO_OK || r == IO_AGAIN;
}

static void
workers_turn(struct keeper *k)
{
    unsigned i = 1;
    while (i < k->n_polls) {
        struct pollfd *p = &k->polls[i];
        if (p->revents == 0 || on_worker(k, p->fd)) {
            i++;
            continue;
        }
        close(p->fd);
        *p = k->polls[--k->n_polls];
    }
}

static void
keeper_turn(struct keeper *k)
{
    double left = k->rotate_at - clock_mono();
    int r = poll(k->polls, k->n_polls, left > 0 ? (int)(left * 1000) + 1 : 0);
    clock_update();
    if (clock_mono() >= k->rotate_at) {
        tickets_rotate(k->tickets);
        k->rotate_at = clock_mono() + ROTATION;
    }
    if (r < 0) {
        AN(errno == EINTR);
        return;
    }
    workers_turn(k);
    if (k->polls[0].revents != 0) {
        on_master(k);
    }
}

static int
keeper_serve(struct keeper *k)
{
    CHECK(k, KEEPER_MAGIC);
    clock_update();
    k->rotate_at = clock_mono() + ROTATION;
    master_answer(k, CHAN_READY, 0, STR_NONE);
    while (!k->is_over) {
        keeper_turn(k);
    }
    for (unsigned i = 1; i < k->n_polls; i++) {
        close(k->polls[i].fd);
    }
    return k->code;
}

int
keeper_run(const struct keeper_args *a)
{
    struct keeper *k = xcalloc(sizeof *k);
    int code = 1;
    k->magic = KEEPER_MAGIC;
    k->log = -1;
    k->polls[0] = (struct pollfd){ .fd = a->master, .events = POLLIN };
    k->n_polls = 1;
    k->cas = ca_cache_new();
    k->vault = vault_open(a->vault);
    k->tickets = tickets_open(a->tickets);
    if (sock_set_nonblocking(a->master, true) != 0) {
        log_errno(LOG_EMERG, errno, "the master's channel");
    } else if (k->vault != NULL && k->tickets != NULL) {
        code = keeper_serve(k);
    }
    if (k->tickets != NULL) {
        tickets_close(k->tickets);
    }
    if (k->vault != NULL) {
        vault_close(k->vault);
    }
    ca_cache_free(k->cas);
    k->magic = 0;
    xfree(k);
    return code;
}
