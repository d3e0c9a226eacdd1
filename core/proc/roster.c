/*
 * The master's side of sandboxes' CAs: asks the keeper for them and never waits
 * for it, and never sees a key. The keeper answers in the order in which it was
 * asked, so an answer is about the first member of `asked`.
 *
 * An index belongs to one member from roster_allot() until the keeper has wiped
 * its key and the ledger has forgotten it. Each index below n_records belongs
 * to a member or is in `free`.
 */

#include "proc/roster.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "os/declare.h"
#include "os/link.h"
#include "os/path.h"
#include "sandbox/sandbox_set.h"

/* Much more than needed: to make a key and to sign takes less than 1 ms. */
#define KEEPER_SECONDS 10.0

/* How many answers may be awaited at a time. */
#define ASKED_MAX 64

#define PEM_MAX 4096
#define PEM_COLUMNS 64

enum ask { ASK_NONE, ASK_DECLARE, ASK_DROP };

struct member {
    struct map_node node; /* key: the id, owned; in by_id until it is swept */
    struct list queue;    /* in `asked`, `dropped` or `kept` */
    enum ask ask;         /* in `asked`: what it was asked */
    uint64_t serial;
    unsigned index;
    bool is_asked;  /* the keeper may have a key for it */
    struct str der; /* owned; n 0: not declared yet */
    char *file;     /* owned; to be removed, after a sweep. NULL: none */
};

static struct member *
member_of(struct map_node *n)
{
    return container_of(n, struct member, node);
}

static struct member *
queued(struct list *n)
{
    return container_of(n, struct member, queue);
}

/* It must be in no map any more. */
static void
member_free(struct member *m)
{
    list_del(&m->queue);
    xfree((char *)m->node.key.p);
    xfree((char *)m->der.p);
    xfree(m->file);
    xfree(m);
}

/* The first serial is the time of the start in microseconds, so no later start
 * of weir uses a serial of this one again. */
void
roster_init(struct roster *r, struct ledger *ledger)
{
    *r = (struct roster){ .magic = ROSTER_MAGIC, .ledger = ledger };
    map_init(&r->by_id);
    list_init(&r->asked);
    list_init(&r->dropped);
    list_init(&r->kept);
    r->next_serial = (uint64_t)(clock_wall() * 1e6);
}

void
roster_fini(struct roster *r)
{
    CHECK(r, ROSTER_MAGIC);
    list_splice_tail(&r->dropped, &r->kept);
    list_splice_tail(&r->dropped, &r->asked);
    while (!list_is_empty(&r->dropped)) {
        struct member *m = queued(r->dropped.next);
        if (m->ask == ASK_DECLARE) {
            list_del(&m->queue); /* only of members that are in by_id */
        } else {
            member_free(m);
        }
    }
    struct map_node *n = map_next(&r->by_id, NULL);
    while (n != NULL) {
        map_del(&r->by_id, n);
        member_free(member_of(n));
        n = map_next(&r->by_id, NULL);
    }
    map_fini(&r->by_id);
    xfree(r->free);
    r->magic = 0;
}

static unsigned
index_allot(struct roster *r)
{
    AN(r->n_free <= r->n_records);
    return r->n_free != 0 ? r->free[--r->n_free] : r->n_records++;
}

static void
index_free(struct roster *r, unsigned index)
{
    AN(index < r->n_records && r->n_free < r->n_records);
    r->free = xgrow(r->free, r->n_free, sizeof *r->free);
    r->free[r->n_free++] = index;
}

/* The member of that id, made if there is none; NULL: the roster is full. */
static struct member *
roster_member(struct roster *r, struct str id)
{
    struct map_node *n = map_find(&r->by_id, id);
    if (n != NULL) {
        return member_of(n);
    }
    if (r->n_free == 0 && r->n_records == ROSTER_MAX) {
        return NULL;
    }
    struct member *m = xcalloc(sizeof *m);
    m->node.key = str_n(xstrndup(id), id.n);
    m->serial = r->next_serial++;
    m->index = index_allot(r);
    list_init(&m->queue);
    map_add(&r->by_id, &m->node);
    return m;
}

int
roster_allot(struct roster *r, const struct sandbox_set *set)
{
    CHECK(r, ROSTER_MAGIC);
    const struct sandbox *sb = sandbox_set_next(set, NULL);
    for (; sb != NULL; sb = sandbox_set_next(set, sb)) {
        if (roster_member(r, sb->id) == NULL) {
            log_at(LOG_EMERG,
                "more than %u sandboxes, counting those that only an earlier "
                "configuration still serves",
                ROSTER_MAX);
            return -1;
        }
    }
    return 0;
}

/* The data of a message about the member, in `d`; `id` n 0: without the id. */
static struct str
declare_of(const struct member *m, struct str id, struct declare *d)
{
    AN(id.n <= sizeof d->id);
    d->index = m->index;
    if (id.n != 0) {
        memcpy(d->id, id.p, id.n);
    }
    return str_n((const char *)d, DECLARE_SIZE(id.n));
}

static void
keeper_log(const char *what)
{
    log_at(LOG_EMERG, "the keeper %s", what);
}

static void
answer_awaited(struct roster *r)
{
    r->answer_by = r->n_asked != 0 ? clock_mono() + KEEPER_SECONDS : 0;
}

/* False: the keeper takes no message. */
static bool
member_ask(
    struct roster *r, struct member *m, enum ask ask, struct link *keeper)
{
    struct declare d;
    struct str id = ask == ASK_DECLARE ? m->node.key : STR_NONE;
    struct chan_msg msg = { .type =
                                ask == ASK_DECLARE ? CHAN_DECLARE : CHAN_DROP,
        .number = m->serial,
        .data = declare_of(m, id, &d),
        .fd = -1 };
    AZ(m->ask);
    m->is_asked = true;
    if (link_send(keeper, &msg) != IO_OK) {
        return false;
    }
    m->ask = ask;
    list_del(&m->queue);
    list_add_tail(&r->asked, &m->queue);
    if (r->n_asked++ == 0) {
        answer_awaited(r);
    }
    return true;
}

static struct member *
member_get(const struct roster *r, struct str id)
{
    struct map_node *n = map_find(&r->by_id, id);
    AN(n != NULL); /* roster_allot() */
    return member_of(n);
}

/* The next member of the set that has not been declared and not been asked for;
 * NULL: none is left. */
static struct member *
next_undeclared(struct roster *r)
{
    for (; r->at != NULL; r->at = sandbox_set_next(r->set, r->at)) {
        struct member *m = member_get(r, r->at->id);
        if (m->der.n == 0 && m->ask == ASK_NONE) {
            return m;
        }
    }
    return NULL;
}

/* Sends one message; *is_more: there was one to send. */
static bool
ask_next(struct roster *r, struct link *keeper, bool *is_more)
{
    struct member *m = r->is_refused ? NULL : next_undeclared(r);
    *is_more = true;
    if (m != NULL) {
        return member_ask(r, m, ASK_DECLARE, keeper);
    }
    if (!list_is_empty(&r->dropped)) {
        return member_ask(r, queued(r->dropped.next), ASK_DROP, keeper);
    }
    *is_more = false;
    return true;
}

int
roster_run(struct roster *r, struct link *keeper)
{
    CHECK(r, ROSTER_MAGIC);
    if (r->n_asked != 0 && clock_mono() >= r->answer_by) {
        keeper_log("does not answer");
        return -1;
    }
    bool is_more = true;
    while (is_more && r->n_asked < ASKED_MAX) {
        if (!ask_next(r, keeper, &is_more)) {
            keeper_log("does not take messages");
            return -1;
        }
    }
    return 0;
}

void
roster_enrol(struct roster *r, struct sandbox_set *set)
{
    CHECK(r, ROSTER_MAGIC);
    AZ(r->set);
    r->set = set;
    r->at = sandbox_set_next(set, NULL);
    r->is_refused = false;
}

void
roster_enrol_end(struct roster *r)
{
    CHECK(r, ROSTER_MAGIC);
    r->set = NULL;
    r->at = NULL;
}

/* Whether an answer is awaited that the set needs. Answers for an earlier set
 * count too; they come soon. */
static bool
is_declaring(const struct roster *r)
{
    const struct list *n = r->asked.next;
    for (; n != &r->asked; n = n->next) {
        if (container_of(n, struct member, queue)->ask == ASK_DECLARE) {
            return true;
        }
    }
    return false;
}

enum roster_state
roster_state(struct roster *r)
{
    CHECK(r, ROSTER_MAGIC);
    AN(r->set);
    if (r->is_refused) {
        return ROSTER_REFUSED;
    }
    bool is_done = next_undeclared(r) == NULL && !is_declaring(r);
    return is_done ? ROSTER_ENROLLED : ROSTER_ASKS;
}

void
roster_assign(struct roster *r)
{
    AN(roster_state(r) == ROSTER_ENROLLED);
    struct sandbox *sb = sandbox_set_next(r->set, NULL);
    for (; sb != NULL; sb = sandbox_set_next(r->set, sb)) {
        const struct member *m = member_get(r, sb->id);
        AN(m->der.n);
        sandbox_assign(sb, m->serial, m->index, m->der);
    }
    roster_enrol_end(r);
}

/* The member gets no certificate: refuses the set if it is in that. */
static void
refuse(struct roster *r, const struct member *m)
{
    if (r->set != NULL && !r->is_refused &&
        sandbox_by_id(r->set, m->node.key) != NULL) {
        log_at(LOG_EMERG, "no CA for sandbox \"%.*s\"", STR_ARG(m->node.key));
        r->is_refused = true;
    }
}

/* It is a member no more: its index is free for another one. */
static void
member_forget(struct roster *r, struct member *m)
{
    bool is_back = map_find(&r->by_id, m->node.key) != NULL;
    if (m->file != NULL && !is_back) {
        unlink(m->file);
    }
    ledger_forget(r->ledger, m->index);
    index_free(r, m->index);
    member_free(m);
}

static int
out_of_turn(void)
{
    keeper_log("answers out of turn");
    return -1;
}

static int
declare_answered(struct roster *r, struct member *m, const struct chan_msg *msg)
{
    if (msg->type == CHAN_FAILED) {
        refuse(r, m);
        return 0;
    }
    if (msg->type == CHAN_CA && msg->data.n == 0) {
        keeper_log("sent no certificate");
        refuse(r, m);
        return -1;
    }
    if (msg->type != CHAN_CA) {
        refuse(r, m);
        return out_of_turn();
    }
    m->der = str_n(xstrndup(msg->data), msg->data.n);
    return 0;
}

static int
drop_answered(struct roster *r, struct member *m, const struct chan_msg *msg)
{
    if (msg->type == CHAN_DONE) {
        member_forget(r, m);
        return 0;
    }
    list_add_tail(&r->kept, &m->queue);
    return msg->type == CHAN_FAILED ? 0 : out_of_turn();
}

int
roster_answer(struct roster *r, const struct chan_msg *msg)
{
    CHECK(r, ROSTER_MAGIC);
    struct member *m = !list_is_empty(&r->asked) ? queued(r->asked.next) : NULL;
    if (m == NULL || m->serial != msg->number) {
        return out_of_turn();
    }
    enum ask ask = m->ask;
    list_del(&m->queue);
    m->ask = ASK_NONE;
    r->n_asked--;
    answer_awaited(r);
    if (msg->type == CHAN_FAILED) {
        log_at(LOG_EMERG, "the keeper: %.*s", STR_ARG(msg->data));
    }
    return ask == ASK_DECLARE ? declare_answered(r, m, msg)
                              : drop_answered(r, m, msg);
}

void
roster_keeper_lost(struct roster *r)
{
    CHECK(r, ROSTER_MAGIC);
    struct list *n = list_pop(&r->asked);
    for (; n != NULL; n = list_pop(&r->asked)) {
        struct member *m = queued(n);
        if (m->ask == ASK_DECLARE) {
            refuse(r, m);
        } else {
            list_add_tail(&r->dropped, n);
        }
        m->ask = ASK_NONE;
    }
    r->n_asked = 0;
    r->answer_by = 0;
    r->is_refused = true;
}

double
roster_deadline(const struct roster *r)
{
    return r->answer_by;
}

bool
roster_is_idle(const struct roster *r)
{
    CHECK(r, ROSTER_MAGIC);
    return r->set == NULL && r->n_asked == 0;
}

/* RFC 7468. */
static void
pem_write(struct buf *b, struct str der)
{
    char *text = xalloc(base64_len(der.n) + 1);
    struct str rest = str_n(text, base64_encode(der, text));
    bool ok = buf_add(b, STR("-----BEGIN CERTIFICATE-----\n"));
    while (rest.n != 0) {
        size_t n = rest.n < PEM_COLUMNS ? rest.n : PEM_COLUMNS;
        ok = ok && buf_add(b, str_n(rest.p, n)) && buf_addc(b, '\n');
        rest = str_skip(rest, n);
    }
    ok = ok && buf_add(b, STR("-----END CERTIFICATE-----\n"));
    AN(ok);
    xfree(text);
}

/* DIR/ID.pem; false with errno when it is too long. */
static bool
member_path(const struct member *m, struct str dir, char path[PATH_MAX])
{
    int n = snprintf(
        path, PATH_MAX, "%.*s/%.*s.pem", STR_ARG(dir), STR_ARG(m->node.key));
    errno = ENAMETOOLONG;
    return n < PATH_MAX;
}

static int
member_publish(const struct member *m, struct str dir)
{
    char path[PATH_MAX];
    struct buf pem;
    buf_init(&pem, PEM_MAX);
    pem_write(&pem, m->der);
    bool ok = member_path(m, dir, path) &&
              path_replace(path, buf_str(&pem), 0644) == 0;
    if (!ok) {
        log_errno(LOG_EMERG, errno, "cannot write \"%s\"", path);
    }
    buf_fini(&pem);
    return ok ? 0 : -1;
}

int
roster_publish(struct roster *r, const struct sandbox_set *set, struct str dir)
{
    CHECK(r, ROSTER_MAGIC);
    if (sandbox_set_count(set) == 0) {
        return 0;
    }
    if (mkdir(dir.p, 0755) != 0 && errno != EEXIST) {
        log_errno(LOG_EMERG, errno, "mkdir() \"%s\" failed", dir.p);
        return -1;
    }
    const struct sandbox *sb = sandbox_set_next(set, NULL);
    for (; sb != NULL; sb = sandbox_set_next(set, sb)) {
        struct map_node *n = map_find(&r->by_id, sb->id);
        AN(n != NULL);
        if (member_publish(member_of(n), dir) != 0) {
            return -1;
        }
    }
    return 0;
}

static bool
member_is_used(
    const struct member *m, struct sandbox_set *const *sets, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (sandbox_by_id(sets[i], m->node.key) != NULL) {
            return true;
        }
    }
    return false;
}

/* Asks the keeper to forget the member, if it may know it. */
static void
member_drop(struct roster *r, struct member *m, struct str dir)
{
    char path[PATH_MAX];
    map_del(&r->by_id, &m->node);
    if (member_path(m, dir, path)) {
        m->file = xstrndup(str_of(path));
    }
    if (m->is_asked) {
        list_add_tail(&r->dropped, &m->queue);
    } else {
        member_forget(r, m);
    }
}

void
roster_sweep(struct roster *r, struct sandbox_set *const *sets, unsigned n,
    struct str dir)
{
    CHECK(r, ROSTER_MAGIC);
    AN(roster_is_idle(r));
    list_splice_tail(&r->dropped, &r->kept);
    struct map_node *node = map_next(&r->by_id, NULL);
    while (node != NULL) {
        struct member *m = member_of(node);
        node = map_next(&r->by_id, node);
        if (!member_is_used(m, sets, n)) {
            member_drop(r, m, dir);
        }
    }
}
