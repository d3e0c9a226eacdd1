/*
 * The master's side of sandboxes' CAs. Talks to the keeper; never sees a key.
 *
 * An index has one member from roster_allot() until the keeper has wiped its
 * key and the ledger has forgotten it. The indexes below n_records are either a
 * member's or in `free`.
 */

#include "proc/roster.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "os/chan.h"
#include "os/declare.h"
#include "os/path.h"
#include "sandbox/sandbox_set.h"

/* A key and a signature take well under a millisecond. */
#define KEEPER_SECONDS 10.0
#define PEM_MAX 4096
#define PEM_COLUMNS 64

struct member {
    struct map_node node; /* key: the id, owned */
    uint64_t serial;
    unsigned index;
    bool is_asked;  /* the keeper may have a key of it */
    struct str der; /* owned; n 0: not declared yet */
};

static struct member *
member_of(struct map_node *n)
{
    return container_of(n, struct member, node);
}

static void
member_free(struct roster *r, struct member *m)
{
    map_del(&r->by_id, &m->node);
    xfree((char *)m->node.key.p);
    xfree((char *)m->der.p);
    xfree(m);
}

/* Serials go on from the time of the start, in microseconds, so that none
 * comes back with the next start. */
void
roster_init(struct roster *r, struct ledger *ledger)
{
    *r = (struct roster){ .magic = ROSTER_MAGIC, .ledger = ledger };
    map_init(&r->by_id);
    r->next_serial = (uint64_t)(clock_wall() * 1e6);
}

void
roster_fini(struct roster *r)
{
    CHECK(r, ROSTER_MAGIC);
    struct map_node *n = map_next(&r->by_id, NULL);
    while (n != NULL) {
        member_free(r, member_of(n));
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

/* NULL: it has none, and the roster is full. */
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
                "more than %u sandboxes, those included that an earlier "
                "configuration serves still",
                ROSTER_MAX);
            return -1;
        }
    }
    return 0;
}

static int
hang_up(int chan, const char *why)
{
    log_at(LOG_EMERG, "the keeper %s", why);
    shutdown(chan, SHUT_RDWR);
    return -1;
}

/* Waits for the keeper's answer to one message, which is of type `wanted`. */
static int
keeper_call(int chan, const struct chan_msg *ask, enum chan_type wanted,
    struct chan_msg *answer, char *buf)
{
    if (chan_send(chan, ask) != IO_OK) {
        return hang_up(chan, "does not take messages");
    }
    if (chan_recv_wait(chan, answer, buf, KEEPER_SECONDS) != IO_OK) {
        return hang_up(chan, "does not answer");
    }
    if (answer->fd >= 0) {
        close(answer->fd);
    }
    if (answer->type == CHAN_FAILED && answer->number == ask->number) {
        log_at(LOG_EMERG, "the keeper: %.*s", STR_ARG(answer->data));
        return -1;
    }
    return answer->type == wanted ? 0 : hang_up(chan, "answers out of turn");
}

/* The data of a message about it, in `d`; `id` n 0: without the id. */
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

static int
member_declare(struct member *m, int chan)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg answer;
    struct declare d;
    struct chan_msg ask = { .type = CHAN_DECLARE,
        .number = m->serial,
        .data = declare_of(m, m->node.key, &d),
        .fd = -1 };
    m->is_asked = true;
    if (keeper_call(chan, &ask, CHAN_CA, &answer, buf) != 0) {
        return -1;
    }
    if (answer.data.n == 0) {
        return hang_up(chan, "sent no certificate");
    }
    m->der = str_n(xstrndup(answer.data), answer.data.n);
    return 0;
}

int
roster_enrol(struct roster *r, int chan, struct sandbox_set *set)
{
    CHECK(r, ROSTER_MAGIC);
    struct sandbox *sb = sandbox_set_next(set, NULL);
    for (; sb != NULL; sb = sandbox_set_next(set, sb)) {
        struct map_node *n = map_find(&r->by_id, sb->id);
        AN(n != NULL); /* roster_allot() */
        struct member *m = member_of(n);
        if (m->der.n == 0 && member_declare(m, chan) != 0) {
            log_at(LOG_EMERG, "no CA for sandbox \"%.*s\"", STR_ARG(sb->id));
            return -1;
        }
        sandbox_assign(sb, m->serial, m->index, m->der);
    }
    return 0;
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

static bool
member_drop(struct roster *r, struct member *m, int chan, struct str dir)
{
    char buf[CHAN_DATA_MAX], path[PATH_MAX];
    struct chan_msg answer;
    struct declare d;
    struct chan_msg ask = { .type = CHAN_DROP,
        .number = m->serial,
        .data = declare_of(m, STR_NONE, &d),
        .fd = -1 };
    if (m->is_asked && keeper_call(chan, &ask, CHAN_DONE, &answer, buf) != 0) {
        return false;
    }
    if (member_path(m, dir, path)) {
        unlink(path);
    }
    ledger_forget(r->ledger, m->index);
    index_free(r, m->index);
    member_free(r, m);
    return true;
}

void
roster_sweep(struct roster *r, int chan, struct sandbox_set *const *sets,
    unsigned n, struct str dir)
{
    struct member **unused = NULL;
    unsigned n_unused = 0;
    CHECK(r, ROSTER_MAGIC);
    struct map_node *node = map_next(&r->by_id, NULL);
    for (; node != NULL; node = map_next(&r->by_id, node)) {
        if (!member_is_used(member_of(node), sets, n)) {
            unused = xgrow(unused, n_unused, sizeof *unused);
            unused[n_unused++] = member_of(node);
        }
    }
    bool ok = true;
    for (unsigned i = 0; i < n_unused && ok; i++) {
        ok = member_drop(r, unused[i], chan, dir);
    }
    xfree(unused);
}
